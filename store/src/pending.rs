//! What decided blocks changed since the last save: how much of the map, where the events stand, and
//! the blocks. What of the map it was is found by comparing maps.

use crate::tables::HeightRow;
use foldhash::fast::RandomState;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::state::MapUpdate;
use medanchor_ledger::{EventId, Height, Index};
use std::collections::{BTreeMap, HashMap};

/// What an event takes here.
const EVENT: usize = 64;

/// How much memory is waiting to be saved.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    bytes: usize,
}

impl Pending {
    /// Counts a later block.
    pub(crate) fn absorb(&mut self, executed: &Executed) {
        self.absorb_update(&executed.map_update);
        self.bytes += executed.events.len() * EVENT;
    }

    /// Counts a later update of the map. Buckets that it replaced count no more; while a save is
    /// under way some of them are the save's, so that the sum may be too small by as much as that.
    pub(crate) const fn absorb_update(&mut self, update: &MapUpdate) {
        let bytes = self.bytes + update.made();
        self.bytes = bytes.saturating_sub(update.replaced());
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
