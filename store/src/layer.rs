//! What is decided and not yet in the database: layers of changes, newest last.
//!
//! What always holds: a layer is never changed once it is shared, so a view that holds its layers
//! reads one height for as long as it lives. Layers are merged as they age: `n` blocks make about
//! log2(n) layers, and each change is copied about as often.

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
    fn absorb(&mut self, later: &Self) {
        self.values.extend(
            later
                .values
                .iter()
                .map(|(path, value)| (*path, value.clone())),
        );
        self.buckets.extend(
            later
                .buckets
                .iter()
                .map(|(prefix, change)| (*prefix, change.clone())),
        );
        self.events.extend(&later.events);
        self.heights.extend(&later.heights);
    }

    fn weight(&self) -> usize {
        self.values.len() + self.buckets.len() + self.events.len() + self.heights.len()
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

impl Layers {
    pub(crate) fn push(&mut self, layer: Layer) {
        let mut newest = Arc::new(layer);
        while let Some(below) = self.0.pop_if(|below| below.weight() <= 2 * newest.weight()) {
            let mut merged = Arc::unwrap_or_clone(below);
            merged.absorb(&newest);
            newest = Arc::new(merged);
        }
        self.0.push(newest);
    }

    /// All of it as one layer.
    pub(crate) fn merged(&self) -> Layer {
        let mut merged = Layer::default();
        self.0.iter().for_each(|layer| merged.absorb(layer));
        merged
    }

    /// The newest answer.
    pub(crate) fn find<T>(&self, of: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.0.iter().rev().find_map(|layer| of(layer))
    }
}
