//! What is decided and not yet in the database: layers of changes, newest last.
//!
//! What always holds: a layer is never changed once it is shared, so a view that holds its layers
//! reads one height for as long as it lives. There are at most nine; when one more comes, those
//! before it become one.

use crate::tables::HeightRow;
use medanchor_ledger::state::{BucketChange, Path, Prefix};
use medanchor_ledger::{EventId, Height, Index};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The changes of one block, or of several after each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    pub(crate) values: HashMap<Path, Option<Arc<[u8]>>>,
    pub(crate) buckets: HashMap<Prefix, BucketChange>,
    pub(crate) events: HashMap<EventId, Index>,
    pub(crate) heights: BTreeMap<Height, HeightRow>,
}

impl Layer {
    /// Puts a later layer on top.
    fn absorb(&mut self, later: Self) {
        self.values.extend(later.values);
        self.buckets.extend(later.buckets);
        self.events.extend(later.events);
        self.heights.extend(later.heights);
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let value = |value: &Option<Arc<[u8]>>| value.as_ref().map_or(0, |value| value.len()) + 96;
        let bucket = |change: &BucketChange| match change {
            BucketChange::Write { bucket, .. } => bucket.count() * 64 + 512,
            BucketChange::Empty | BucketChange::Remove => 96,
        };
        self.values.values().map(value).sum::<usize>()
            + self.buckets.values().map(bucket).sum::<usize>()
            + self.events.len() * 64
            + self.heights.len() * 64
    }
}

/// Layers above each other, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers(Vec<Arc<Layer>>);

/// More layers than this are made one: each is asked for every key that is not in it.
const MOST: usize = 8;

impl Layers {
    pub(crate) fn push(&mut self, layer: Layer) {
        if self.0.len() >= MOST {
            let mut layers = std::mem::take(&mut self.0).into_iter();
            let mut merged = layers.next().map(Arc::unwrap_or_clone).unwrap_or_default();
            layers.for_each(|later| merged.absorb(Arc::unwrap_or_clone(later)));
            self.0.push(Arc::new(merged));
        }
        self.0.push(Arc::new(layer));
    }

    /// The newest answer.
    pub(crate) fn find<T>(&self, of: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.0.iter().rev().find_map(|layer| of(layer))
    }

    /// The newest answer, borrowed.
    pub(crate) fn find_ref<'a, T: ?Sized>(
        &'a self,
        of: impl Fn(&'a Layer) -> Option<&'a T>,
    ) -> Option<&'a T> {
        self.0.iter().rev().find_map(|layer| of(layer))
    }

    /// The newest change of every bucket, in the order of their prefixes.
    pub(crate) fn buckets(&self) -> Vec<(&Prefix, &BucketChange)> {
        self.newest(|layer| layer.buckets.iter())
    }

    /// The events, in the order of their ids.
    pub(crate) fn events(&self) -> Vec<(&EventId, &Index)> {
        self.newest(|layer| layer.events.iter())
    }

    /// The heights, in order.
    pub(crate) fn heights(&self) -> Vec<(&Height, &HeightRow)> {
        self.newest(|layer| layer.heights.iter())
    }

    fn newest<'a, K: Ord, V, I>(&'a self, of: impl Fn(&'a Layer) -> I) -> Vec<(&'a K, &'a V)>
    where
        I: Iterator<Item = (&'a K, &'a V)>,
    {
        // The sort is stable, so that of equal keys the newest comes first and stays.
        let mut rows: Vec<_> = self.0.iter().rev().flat_map(|layer| of(layer)).collect();
        rows.sort_by_key(|(key, _)| *key);
        rows.dedup_by(|(later, _), (first, _)| later == first);
        rows
    }
}
