//! What decided blocks changed since the last save: the newest change of each bucket, where the
//! events stand, and the blocks.

use crate::tables::HeightRow;
use foldhash::fast::RandomState;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::state::{BucketChange, MapUpdate, Prefix};
use medanchor_ledger::{EventId, Height, Index};
use std::collections::{BTreeMap, HashMap};

/// What a bucket in memory takes beside its bytes: its cell, and its place here.
const BUCKET: usize = 256;
/// What an event takes here.
const EVENT: usize = 64;

/// The newest change of each bucket.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    buckets: HashMap<Prefix, BucketChange, RandomState>,
    bytes: usize,
}

impl Pending {
    /// Puts a later block on top.
    pub(crate) fn absorb(&mut self, executed: &Executed) {
        self.absorb_update(&executed.map_update);
        self.bytes += executed.events.len() * EVENT;
    }

    /// Puts a later update of the map on top. An older version of a bucket is let go.
    pub(crate) fn absorb_update(&mut self, update: &MapUpdate) {
        for (prefix, change) in update.buckets() {
            self.bytes += memory(change);
            if let Some(old) = self.buckets.insert(*prefix, change.clone()) {
                self.bytes = self.bytes.saturating_sub(memory(&old));
            }
        }
    }

    /// About how many bytes of memory the changes take.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The changes in the order of their prefixes, as the table has them.
    pub(crate) fn into_sorted(self) -> Vec<(Prefix, BucketChange)> {
        let mut changes: Vec<_> = self.buckets.into_iter().collect();
        changes.sort_unstable_by_key(|(prefix, _)| *prefix);
        changes
    }
}

/// About how many bytes of memory a change takes.
fn memory(change: &BucketChange) -> usize {
    match change {
        BucketChange::Write(cell) => cell.size() + BUCKET,
        BucketChange::Empty | BucketChange::Remove => BUCKET,
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
