//! What nodes prove of an owner's emergency journal.
//!
//! What always holds: where the journal stands is proved by a block that is not before the list's moment,
//! so that no node can show a state from before the journal was registered. A time at which it was stated
//! before an opening is of an `emergency.journal` whose receipt puts it before the opening; a node that
//! hides one makes the window of the opening longer.

use super::fold::{Journal, NotProved};
use crate::client::Client;
use medanchor_ledger::event::{Event, EventKind};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::rules::{EmergencyHead, MAX_AHEAD_MILLIS, StateValue};
use medanchor_ledger::{Index, ParticipantName, Size, Time};
use std::collections::BTreeMap;

/// Entries in a bundle of the log.
const BUNDLE: u64 = 256;
/// The most bundles that are read for one list in search of statements.
const MAX_BUNDLES: usize = 64;
/// The most receipts that are asked for, for one list.
const MAX_RECEIPTS: usize = 64;

impl Client {
    /// The journal of `owner` at `until` or later, and when it was stated before these openings. What was
    /// looked for once stands in `searched` and is not looked for again.
    pub(super) fn emergency_journal<'a>(
        &self,
        owner: &ParticipantName,
        until: Time,
        openings: impl Iterator<Item = &'a TagLink>,
        searched: &mut BTreeMap<Index, Option<Time>>,
    ) -> Journal {
        let head = self.emergency_head(owner, until);
        let last = head.ok().flatten().map(|head| head.stated);
        // After its last statement the head itself says when that was.
        let older = openings.filter(|link| last.is_none_or(|last| last >= link.time));
        let places = older.map(|link| link.anchored.index);
        let new: Vec<Index> = places.filter(|one| !searched.contains_key(one)).collect();
        let found = Search::new(self, owner).before_all(new.iter().copied());
        searched.extend(new.iter().map(|one| (*one, found.get(one).copied())));
        let stated = searched
            .iter()
            .filter_map(|(one, time)| Some((*one, (*time)?)));
        Journal {
            head,
            stated: stated.collect(),
        }
    }

    fn emergency_head(
        &self,
        owner: &ParticipantName,
        until: Time,
    ) -> Result<Option<EmergencyHead>, NotProved> {
        let proved = self.state_since(&EmergencyHead::key(owner), until);
        let proved = proved.map_err(|_| NotProved)?;
        if proved.proved().time < until {
            return Err(NotProved);
        }
        let head = proved.proved().value.as_deref().map(EmergencyHead::decode);
        head.transpose().map_err(|_| NotProved)
    }
}

/// A search of the log, backwards from each opening, for the owner's last statement before it.
struct Search<'a> {
    client: &'a Client,
    owner: &'a ParticipantName,
    bundles: usize,
    receipts: usize,
}

impl<'a> Search<'a> {
    const fn new(client: &'a Client, owner: &'a ParticipantName) -> Self {
        Self {
            client,
            owner,
            bundles: MAX_BUNDLES,
            receipts: MAX_RECEIPTS,
        }
    }

    /// For each opening, by its entry of the log, when the journal was stated before it.
    fn before_all(mut self, openings: impl Iterator<Item = Index>) -> BTreeMap<Index, Time> {
        let mut openings: Vec<Index> = openings.collect();
        openings.sort_unstable();
        let mut stated = BTreeMap::new();
        let Some(end) = self.end(&openings) else {
            return stated;
        };
        let mut last: Option<(Index, Time)> = None;
        // What is the last before a later opening, and before this one, is the last before this one.
        for opening in openings.into_iter().rev() {
            let known = last.filter(|(place, _)| *place < opening);
            last = known.or_else(|| self.before(opening, end));
            stated.extend(last.map(|(_, time)| (opening, time)));
        }
        stated
    }

    fn end(&self, openings: &[Index]) -> Option<Size> {
        openings.last()?;
        Some(self.client.checkpoint().ok()?.checkpoint().size)
    }

    /// The place of the last statement before the opening, and the earliest time of its block.
    fn before(&mut self, opening: Index, end: Size) -> Option<(Index, Time)> {
        for bundle in (0..=opening.0 / BUNDLE).rev() {
            self.bundles = self.bundles.checked_sub(1)?;
            let first = bundle.checked_mul(BUNDLE)?;
            let stop = first.saturating_add(BUNDLE).min(end.0);
            let mut statements = Vec::new();
            let read = self
                .client
                .unproven_events(Size(first), Size(stop), |event| {
                    if event.kind() == EventKind::EmergencyJournal && event.issuer() == self.owner {
                        statements.push(event.clone());
                    }
                });
            if read.is_err() {
                self.bundles = 0;
                return None;
            }
            while let Some(statement) = statements.pop() {
                self.receipts = self.receipts.checked_sub(1)?;
                if let Some(place) = self.place(&statement).filter(|place| *place < opening) {
                    return Some((place, earliest(&statement)));
                }
            }
        }
        None
    }

    fn place(&self, statement: &Event) -> Option<Index> {
        let anchored = self.client.receipt(statement, false).ok()?;
        Some(anchored.index())
    }
}

/// The earliest block time at which an event can be anchored: what its receipt proves of when it was.
fn earliest(event: &Event) -> Time {
    Time(event.not_after().0.saturating_sub(MAX_AHEAD_MILLIS))
}
