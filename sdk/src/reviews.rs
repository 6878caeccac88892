//! Which records were opened by break-glass and wait for their review.
//!
//! What always holds: an opening stands in the list only as the state holds it, proved; all proofs are of
//! one height. The entries of the log that name them are read from a node that may hide some, but how
//! many reviews each hospital has open is proved too: a list that lacks one says so.

use crate::anchor::Sdk;
use crate::client::{Client, ClientError};
use crate::custody::StandingError;
use crate::custody::proved_value;
use crate::import::time::instant;
use crate::patient::FRESH_MILLIS;
use medanchor_ledger::event::EventBody;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::rules::break_glass::OpenReviews;
use medanchor_ledger::rules::{BreakGlass, Role};
use medanchor_ledger::{Height, ParticipantName, RequestHandle, Size, Time};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How often the end of the log is read again, while more is opened.
const ROUNDS: usize = 3;

/// An opening that waits for its review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReview {
    /// Who opened the record.
    pub requester: ParticipantName,
    /// The request, among the requester's: what a review names.
    pub request: RequestHandle,
    /// What the state holds of it.
    pub opened: BreakGlass,
}

/// How many openings of one hospital wait for their reviews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The hospital.
    pub requester: ParticipantName,
    /// How many, proved.
    pub proved: u64,
    /// How many of them were found in the log.
    pub found: u64,
}

/// All openings that wait for their reviews, at one height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewList {
    /// The height.
    pub height: Height,
    /// The time of its block.
    pub time: Time,
    /// The openings, the first that falls due first.
    pub open: Vec<OpenReview>,
    /// Hospitals that have any.
    pub waiting: Vec<Waiting>,
    /// Milliseconds between that block and this machine's clock: an old state hides what came since.
    pub age: u64,
}

/// Every break-glass that was read in the log so far.
#[derive(Default)]
struct Scan {
    size: u64,
    found: BTreeSet<(ParticipantName, RequestHandle)>,
}

impl Scan {
    /// Reads on to the end of the log. What was reviewed is dropped: there is one review of each.
    fn read_on(&mut self, client: &Client) -> Result<(), ClientError> {
        let end = client.checkpoint()?.checkpoint().size;
        client.unproven_events(Size(self.size), end, |event| match event.body() {
            EventBody::AccessBreakGlass(body) => {
                self.found.insert((event.issuer().clone(), body.request));
            }
            EventBody::AccessReview(body) => {
                self.found.remove(&(body.requester.clone(), body.request));
            }
            _ => {}
        })?;
        self.size = self.size.max(end.0);
        Ok(())
    }

    /// What the state says of them and of these hospitals, all at one height.
    fn prove(
        &self,
        client: &Client,
        hospitals: &[ParticipantName],
    ) -> Result<ReviewList, StandingError> {
        let mut at = None;
        let mut waiting = Vec::new();
        for requester in hospitals {
            let height = at.map(|(height, _)| height);
            let counted =
                proved_value::<OpenReviews>(client, &OpenReviews::key(requester), height)?;
            at.get_or_insert(counted.at);
            let open = counted.value.unwrap_or_default();
            let ahead = open
                .ahead
                .values()
                .fold(0, |sum: u64, n| sum.saturating_add(*n));
            waiting.push(Waiting {
                requester: requester.clone(),
                proved: open.overdue.saturating_add(ahead),
                found: 0,
            });
        }
        let Some((height, time)) = at else {
            return Err(ClientError::Nonsense("the network has no hospital").into());
        };
        let mut open = Vec::new();
        for (requester, request) in &self.found {
            let key = BreakGlass::key(requester, request);
            let opened = proved_value::<BreakGlass>(client, &key, Some(height))?.value;
            let waits = |opened: &BreakGlass| opened.review.is_none() && opened.review_by.is_some();
            if let Some(opened) = opened.filter(waits) {
                let theirs = waiting.iter_mut().find(|one| one.requester == *requester);
                theirs.into_iter().for_each(|one| one.found += 1);
                open.push(OpenReview {
                    requester: requester.clone(),
                    request: *request,
                    opened,
                });
            }
        }
        open.sort_by_key(|one| (one.opened.review_by, one.opened.requested.index));
        waiting.retain(|one| one.proved > 0 || one.found > 0);
        Ok(ReviewList {
            height,
            time,
            open,
            waiting,
            age: client.context().now().0.saturating_sub(time.0),
        })
    }
}

impl Client {
    /// Every opening by break-glass of these hospitals that waits for its review. It reads the whole
    /// log.
    ///
    /// # Errors
    /// [`StandingError`] when no node gives a proof.
    pub fn open_reviews(&self, hospitals: &[ParticipantName]) -> Result<ReviewList, StandingError> {
        let mut scan = Scan::default();
        scan.read_on(self)?;
        let mut list = scan.prove(self, hospitals)?;
        for _ in 1..ROUNDS {
            if list.is_whole() {
                break;
            }
            scan.read_on(self)?;
            list = scan.prove(self, hospitals)?;
        }
        Ok(list)
    }
}

impl Sdk {
    /// Every opening by break-glass in the network that waits for its review.
    ///
    /// # Errors
    /// As [`Client::open_reviews`].
    pub fn open_reviews(&self, genesis: &Genesis) -> Result<ReviewList, StandingError> {
        let participants = genesis.spec().participants.iter();
        let hospitals = participants.filter(|(_, one)| one.roles().contains(&Role::Hospital));
        let hospitals: Vec<ParticipantName> = hospitals.map(|(name, _)| name.clone()).collect();
        self.client().open_reviews(&hospitals)
    }
}

impl ReviewList {
    /// Whether it has as many of each hospital as the state counts.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.waiting.iter().all(|one| one.proved == one.found)
    }

    /// Whether it is too old to show as what stands now.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.age > FRESH_MILLIS
    }

    /// Whether an opening's review is late, by the clock of the block or of this machine, whichever is on.
    #[must_use]
    pub fn is_overdue(&self, one: &OpenReview) -> bool {
        one.opened.is_overdue(self.time.plus_millis(self.age))
    }

    /// The list as text, a line for each.
    #[must_use]
    pub fn to_text(&self) -> String {
        let overdue = self.open.iter().filter(|one| self.is_overdue(one)).count();
        let until = instant(self.time);
        let mut text = format!(
            "Opened without a consent and not reviewed, up to {until}: {}, of which {overdue} are OVERDUE.\n",
            self.open.len()
        );
        for one in &self.open {
            let due = one.opened.review_by.map_or_else(String::new, instant);
            let state = match self.is_overdue(one) {
                true => "OVERDUE since",
                false => "NOT REVIEWED, due",
            };
            let _ = writeln!(
                text,
                "\n{state} {due}\n     {} opened record {} of {}\n     event {}, entry {}\n     review it with --requester {} --request {}",
                one.requester,
                one.opened.record,
                one.opened.owner,
                one.opened.requested.event,
                one.opened.requested.index,
                one.requester,
                one.request,
            );
        }
        if self.is_stale() {
            let _ = writeln!(
                text,
                "\nTHIS LIST IS OLD: it rests on a block of {} seconds ago. Ask another node.",
                self.age / 1000
            );
        }
        for lacking in self.waiting.iter().filter(|one| one.proved != one.found) {
            let _ = writeln!(
                text,
                "\nTHIS LIST IS NOT COMPLETE: {} has {} open reviews, proved, and the node showed {}. Ask another node.",
                lacking.requester, lacking.proved, lacking.found
            );
        }
        text
    }

    /// The list as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let open = self.open.iter().map(|one| {
            json!({
                "requester": one.requester.as_str(),
                "request": one.request.to_string(),
                "owner": one.opened.owner.as_str(),
                "record": one.opened.record.to_string(),
                "event": one.opened.requested.event.to_string(),
                "entry": one.opened.requested.index.0,
                "opened": instant(one.opened.time),
                "due": one.opened.review_by.map(instant),
                "overdue": self.is_overdue(one),
            })
        });
        json!({
            "height": self.height.0,
            "time": instant(self.time),
            "age_ms": self.age,
            "stale": self.is_stale(),
            "whole": self.is_whole(),
            "open": open.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests;
