//! The state after one height, read from memory and the database together.

use crate::StoreError;
use crate::layer::{Layer, Layers};
use crate::snapshot::{Snapshot, height_holding};
use crate::tables::HeightRow;
use medanchor_ledger::execute::{Head, View};
use medanchor_ledger::state::{Bucket, BucketChange, BucketReader, Prefix, StateKey, StateMap};
use medanchor_ledger::{EventId, Height, Index, ReadFailed, Size};
use std::sync::Arc;

/// The state after one height. It never changes, costs nothing to clone, and any number of threads
/// may read it while later heights are decided and saved. Hold one no longer than needed: the
/// changes since are kept twice meanwhile.
#[derive(Clone)]
pub struct StoreView(Arc<Inner>);

struct Inner {
    head: Head,
    map: StateMap,
    /// Decided after the saved ones, newest last.
    active: Layers,
    /// Being written to the database.
    saving: Layers,
    saved: Arc<Snapshot>,
}

impl StoreView {
    pub(crate) fn new(
        head: Head,
        map: StateMap,
        [saving, active]: [Layers; 2],
        saved: Arc<Snapshot>,
    ) -> Self {
        Self(Arc::new(Inner {
            head,
            map,
            active,
            saving,
            saved,
        }))
    }

    /// The height, index and size of one block.
    pub(crate) fn height_row(&self, height: Height) -> Result<Option<HeightRow>, StoreError> {
        match self.find(|layer| layer.heights.get(&height).copied()) {
            Some(row) => Ok(Some(row)),
            None => self.0.saved.height(height),
        }
    }

    /// Where an event stands in the log.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn index_of(&self, id: &EventId) -> Result<Option<Index>, StoreError> {
        match self.find(|layer| layer.events.get(id).copied()) {
            Some(index) => Ok(Some(index)),
            None => self.0.saved.event(id),
        }
    }

    /// The first index and the size of the log after the block of a height up to this view's.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn block_range(&self, height: Height) -> Result<Option<(Index, Size)>, StoreError> {
        Ok(self.height_row(height)?.map(|row| (row.first, row.size)))
    }

    /// The height whose block holds an entry.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn height_of(&self, index: Index) -> Result<Option<Height>, StoreError> {
        height_holding(index, self.0.head.height, |height| self.height_row(height))
    }

    fn find<T>(&self, of: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.0.active.find(&of).or_else(|| self.0.saving.find(&of))
    }

    /// Takes the layers out, without a copy if nobody else holds the view.
    pub(crate) fn into_layers(self) -> [Layers; 2] {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => [inner.saving, inner.active],
            Err(shared) => [shared.saving.clone(), shared.active.clone()],
        }
    }

    pub(crate) fn saved(&self) -> &Arc<Snapshot> {
        &self.0.saved
    }

    pub(crate) fn active(&self) -> &Layers {
        &self.0.active
    }
}

impl BucketReader for StoreView {
    fn bucket(&self, prefix: &Prefix) -> Result<Arc<Bucket>, ReadFailed> {
        match self.find(|layer| layer.buckets.get(prefix).cloned()) {
            Some(BucketChange::Write { bucket, .. }) => Ok(bucket),
            Some(BucketChange::Empty | BucketChange::Remove) => Err(StoreError::Contradiction {
                what: "bucket of the state map",
            }
            .into()),
            None => Ok(self.0.saved.bucket(prefix)?),
        }
    }
}

impl View for StoreView {
    fn head(&self) -> &Head {
        &self.0.head
    }

    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadFailed> {
        let path = key.path();
        match self.find(|layer| layer.values.get(&path).cloned()) {
            Some(value) => Ok(value.map(|value| value.to_vec())),
            None => Ok(self.0.saved.value(&path)?),
        }
    }

    fn seen(&self, id: &EventId) -> Result<bool, ReadFailed> {
        Ok(self.index_of(id)?.is_some())
    }

    fn map(&self) -> &StateMap {
        &self.0.map
    }
}
