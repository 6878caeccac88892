//! What the blocks of a log say of the journals that slips are of.
//!
//! What always holds: only blocks that were found to hold are gathered from, and of the entries only those
//! that a slip names, so that memory grows with the slips and not with the ledger.

use super::Verdict;
use super::parted::Parted;
use crate::outcome::judged;
use medanchor_ledger::event::{EmergencyJournal, EventBody};
use medanchor_ledger::execute::{Executed, View};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::rules::{EmergencyHead, Participant, StateValue};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::slip::Slip;
use medanchor_ledger::{Index, JournalHead, NetworkId, ParticipantName, ReadFailed, Time};
use std::collections::BTreeMap;

/// What is where an entry should be.
enum Found {
    Entry(Index, JournalHead),
    Lost(Index),
}

/// An institution's journal.
#[derive(Default)]
struct Journal {
    /// Every key that it ever had.
    keys: Vec<PublicKey>,
    /// The entries that slips name, as far as the ledger has come to them.
    entries: BTreeMap<u64, Option<Found>>,
    /// What slips prove and the ledger has under other numbers.
    parted: Parted,
    /// The heads of slips, each with where it was said that its entry is lost.
    heads: BTreeMap<JournalHead, Option<Index>>,
    /// The number of its newest entry.
    counter: u64,
    stated: Option<Time>,
}

impl Journal {
    fn learn(&mut self, participant: &Participant) {
        for key in participant.keys() {
            if !self.keys.contains(key) {
                self.keys.push(*key);
            }
        }
    }

    fn lost(&mut self, at: Index, said: &EmergencyJournal) {
        let first = said.counter.saturating_sub(said.lost).saturating_add(1);
        for (_, found) in self.entries.range_mut(first..=said.counter) {
            found.get_or_insert(Found::Lost(at));
        }
        self.parted.passed(first, said.counter, said.head);
        if let Some(found) = self.heads.get_mut(&said.head) {
            found.get_or_insert(at);
        }
    }
}

/// All of it.
pub(super) struct Gathered(BTreeMap<ParticipantName, Journal>);

impl Gathered {
    /// To be gathered for these slips.
    pub(super) fn of(slips: &[Slip], genesis: &Genesis) -> Self {
        let mut journals: BTreeMap<ParticipantName, Journal> = BTreeMap::new();
        for slip in slips {
            let journal = journals.entry(slip.owner.clone()).or_default();
            journal.entries.insert(slip.counter, None);
            journal.parted.expect(slip.counter, slip.head);
            journal.heads.insert(slip.head, None);
        }
        for (name, journal) in &mut journals {
            if let Some(participant) = genesis.spec().participants.get(name) {
                journal.learn(participant);
            }
        }
        Self(journals)
    }

    /// Takes what a block says; `state` is that after it.
    pub(super) fn visit(&mut self, block: &Executed, state: &impl View) -> Result<(), ReadFailed> {
        let mut changed = false;
        for one in judged(block) {
            changed |= matches!(one.event.body(), EventBody::GovernanceApprove(_));
            if let Some(journal) = self.0.get_mut(one.event.issuer()) {
                take(journal, one.index, one.event.body());
            }
        }
        if changed {
            self.learn(state)?;
        }
        self.standings(block, state)
    }

    /// The keys that participants have now.
    fn learn(&mut self, state: &impl View) -> Result<(), ReadFailed> {
        for (name, journal) in &mut self.0 {
            if let Some(bytes) = state.value(&Participant::key(name))? {
                let known = Participant::decode(&bytes);
                journal.learn(&known.map_err(|fault| ReadFailed(Box::new(fault)))?);
            }
        }
        Ok(())
    }

    /// Where the journals stand that the block moved.
    fn standings(&mut self, block: &Executed, state: &impl View) -> Result<(), ReadFailed> {
        for (name, journal) in &mut self.0 {
            let moved = block.events.iter().any(|event| event.issuer() == name);
            if !moved {
                continue;
            }
            if let Some(bytes) = state.value(&EmergencyHead::key(name))? {
                let head = EmergencyHead::decode(&bytes);
                let head = head.map_err(|fault| ReadFailed(Box::new(fault)))?;
                (journal.counter, journal.stated) = (head.counter, Some(head.stated));
            }
        }
        Ok(())
    }

    /// What the ledger says of a slip.
    pub(super) fn judge(&self, slip: &Slip, network: NetworkId) -> Verdict {
        if slip.network != network {
            return Verdict::OtherNetwork;
        }
        let journal = self.0.get(&slip.owner);
        let journal = journal.filter(|one| one.keys.iter().any(|key| slip.is_signed_by(key)));
        let Some(journal) = journal else {
            return Verdict::Unsigned;
        };
        let found = journal.entries.get(&slip.counter);
        if let Some(Some(Found::Entry(at, head))) = found
            && *head == slip.head
        {
            return Verdict::Anchored { at: *at };
        }
        if let Some(at) = journal.parted.found(slip.counter, slip.head) {
            return Verdict::Renumbered { at };
        }
        if let Some(Some(at)) = journal.heads.get(&slip.head) {
            return Verdict::Lost { at: *at };
        }
        match found {
            Some(Some(Found::Entry(at, _))) => Verdict::Other { at: *at },
            Some(Some(Found::Lost(at))) => Verdict::Lost { at: *at },
            _ => Verdict::Lacking {
                counter: journal.counter,
                stated: journal.stated,
            },
        }
    }
}

fn take(journal: &mut Journal, at: Index, event: &EventBody) {
    match event {
        EventBody::AccessEmergency(entry) => {
            if let Some(found) = journal.entries.get_mut(&entry.counter) {
                found.get_or_insert(Found::Entry(at, entry.head()));
            }
            journal.parted.take(at, entry);
        }
        EventBody::EmergencyJournal(said) if said.lost > 0 => journal.lost(at, said),
        _ => {}
    }
}
