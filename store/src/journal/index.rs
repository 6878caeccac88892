//! Where the journal's records stand, by height.

use super::record::{Kind, Record};
use medanchor_ledger::{Height, Round, ValueId};
use std::collections::BTreeMap;

/// One record's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) segment: u64,
    pub(super) position: u64,
    pub(super) length: usize,
}

/// What the journal has of one height.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) bodies: Vec<(ValueId, Extent)>,
    pub(super) proposals: Vec<(Round, ValueId)>,
    pub(super) decision: Option<(ValueId, Extent)>,
}

impl Slot {
    pub(super) fn body(&self, value: &ValueId) -> Option<Extent> {
        self.bodies
            .iter()
            .find(|(known, _)| known == value)
            .map(|(_, extent)| *extent)
    }
}

/// Everything the journal has. Heights up to `tip` are decided.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) tip: Height,
    pub(super) slots: BTreeMap<Height, Slot>,
}

/// A record that contradicts those before it.
pub(super) struct Contradiction(pub(super) &'static str);

impl Index {
    pub(super) fn starting_at(base: Height) -> Self {
        Self {
            tip: base,
            slots: BTreeMap::new(),
        }
    }

    /// Takes a record in that stands at `extent`.
    pub(super) fn add(&mut self, record: &Record<'_>, extent: Extent) -> Result<(), Contradiction> {
        if record.height <= self.tip {
            return Err(Contradiction(
                "a record of a height that was decided before it",
            ));
        }
        if matches!(record.kind, Kind::Decision(_)) && record.height != self.tip.next() {
            return Err(Contradiction("a decision whose predecessor is missing"));
        }
        let slot = self.slots.entry(record.height).or_default();
        if !record.body.is_empty() && slot.body(&record.value).is_none() {
            slot.bodies.push((record.value, extent));
        }
        match record.kind {
            Kind::Body => {}
            Kind::Proposal(round) => slot.proposals.push((round, record.value)),
            Kind::Decision(_) => {
                slot.decision = Some((record.value, extent));
                slot.bodies.retain(|(value, _)| *value == record.value);
                slot.proposals.clear();
                self.tip = record.height;
            }
        }
        Ok(())
    }

    /// Forgets the heights up to and with `last`.
    pub(super) fn forget(&mut self, last: Height) {
        self.slots = self.slots.split_off(&last.next());
    }

    /// A decided height above `after` whose body the journal does not have.
    pub(super) fn first_without_body(&self, after: Height) -> Option<Height> {
        let lacks = |slot: &Slot| {
            slot.decision
                .is_some_and(|(value, _)| slot.body(&value).is_none())
        };
        let mut later = self.slots.range(after.next()..);
        later
            .find(|(_, slot)| lacks(slot))
            .map(|(height, _)| *height)
    }
}
