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
    bytes: usize,
    /// Bytes of buckets that were replaced and are held by `changes` alone.
    replaced: usize,
}

impl Pending {
    /// Takes in a later block.
    pub(crate) fn absorb(&mut self, executed: &Executed) {
        self.absorb_update(&executed.map_update);
        self.bytes += executed.events.len() * EVENT;
    }

    /// Takes in a later update of the map. While a save is under way some of the buckets that it
    /// replaced are the save's, so that the sum may be too small by as much as that.
    pub(crate) fn absorb_update(&mut self, update: &MapUpdate) {
        self.changes.push(Arc::clone(update.changes()));
        self.bytes += update.made();
        self.replaced += update.replaced();
        if self.replaced > self.bytes / 2 {
            self.changes = vec![BucketChange::net(&self.changes).into()];
            self.bytes = self.bytes.saturating_sub(self.replaced);
            self.replaced = 0;
        }
    }

    /// What changed, by one update after the other.
    pub(crate) fn changes(&self) -> &[Arc<[BucketChange]>] {
        &self.changes
    }

    /// About how many bytes of memory the changes take.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
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
