//! The state after one height.

use crate::StoreError;
use crate::lookup::Lookup;
use crate::snapshot::height_holding;
use crate::tables::HeightRow;
use medanchor_ledger::execute::{Head, View};
use medanchor_ledger::state::StateMap;
use medanchor_ledger::{EventId, Height, Index, ReadFailed, Size};
use std::sync::Arc;

/// The state after one height. It never changes, costs nothing to clone, and any number of threads
/// may read it while later heights are decided and saved.
#[derive(Clone)]
pub struct StoreView(Arc<Inner>);

struct Inner {
    head: Head,
    map: StateMap,
    lookup: Arc<Lookup>,
}

impl StoreView {
    pub(crate) fn new(head: Head, map: StateMap, lookup: Arc<Lookup>) -> Self {
        Self(Arc::new(Inner { head, map, lookup }))
    }

    /// The height, index and size of one block.
    pub(crate) fn height_row(&self, height: Height) -> Result<Option<HeightRow>, StoreError> {
        if height > self.0.head.height {
            return Ok(None);
        }
        self.0.lookup.height(height)
    }

    /// Where an event stands in the log.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn index_of(&self, id: &EventId) -> Result<Option<Index>, StoreError> {
        let index = self.0.lookup.event(id)?;
        Ok(index.filter(|index| index.0 < self.0.head.frontier.size().0))
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
}

impl View for StoreView {
    fn head(&self) -> &Head {
        &self.0.head
    }

    fn seen(&self, id: &EventId) -> Result<bool, ReadFailed> {
        Ok(self.index_of(id)?.is_some())
    }

    fn map(&self) -> &StateMap {
        &self.0.map
    }
}
