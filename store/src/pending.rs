//! What decided blocks changed since the last save: which buckets of the map, where the events stand,
//! and the blocks.

use crate::tables::HeightRow;
use foldhash::fast::RandomState;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::state::{BucketChange, MapUpdate};
use medanchor_ledger::{EventId, Height, Index};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What an event takes here.
const EVENT: usize = 64;

/// What of the map is waiting to be saved, and how much memory it takes.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// The changes of one update after the other.
    changes: Vec<Arc<[BucketChange]>>,
    /// Bytes of the buckets that `changes` holds.
    buckets: usize,
    /// Bytes of those of them that were replaced, and may be the save's that is under way.
    replaced: usize,
    /// Bytes of where the events stand.
    events: usize,
}

impl Pending {
    /// Takes in a later block.
    pub(crate) fn absorb(&mut self, executed: &Executed) {
        self.absorb_update(&executed.map_update);
        self.events += executed.events.len() * EVENT;
    }

    /// Takes in a later update of the map.
    pub(crate) fn absorb_update(&mut self, update: &MapUpdate) {
        self.changes.push(Arc::clone(update.changes()));
        self.buckets += update.made();
        self.replaced += update.replaced();
        if self.replaced > self.buckets / 2 {
            let net = BucketChange::net(&self.changes);
            self.buckets = net.iter().map(BucketChange::memory).sum();
            self.replaced = 0;
            self.changes = vec![net.into()];
        }
    }

    /// What changed, by one update after the other.
    pub(crate) fn changes(&self) -> &[Arc<[BucketChange]>] {
        &self.changes
    }

    /// About how many bytes of memory the changes take.
    pub(crate) const fn bytes(&self) -> usize {
        self.buckets + self.events
    }
}

/// Where events and blocks stand that are not in the database yet.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    pub(crate) events: HashMap<EventId, Index, RandomState>,
    pub(crate) heights: BTreeMap<Height, HeightRow>,
}

impl Fresh {
    pub(crate) fn absorb(&mut self, executed: &Executed, row: HeightRow) {
        let events = executed.events.iter().zip(executed.seal.first.0..);
        self.events
            .extend(events.map(|(event, index)| (event.id(), Index(index))));
        self.heights.insert(executed.seal.height, row);
    }
}
