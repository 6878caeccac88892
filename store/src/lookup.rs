//! Where events and blocks stand in the log: in memory until they are saved, then in the database.
//!
//! What always holds: what was decided is found, whatever is being saved meanwhile. It is found at
//! once, also through a view of an earlier height: views leave out what is not below their size.

use crate::StoreError;
use crate::pending::Fresh;
use crate::snapshot::Snapshot;
use crate::tables::HeightRow;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::{EventId, Height, Index};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) struct Lookup(RwLock<Parts>);

struct Parts {
    /// Decided after what is being saved.
    active: Fresh,
    /// Being written to the database.
    saving: Arc<Fresh>,
    saved: Arc<Snapshot>,
}

impl Lookup {
    pub(crate) fn new(saved: Snapshot) -> Self {
        Self(RwLock::new(Parts {
            active: Fresh::default(),
            saving: Arc::default(),
            saved: Arc::new(saved),
        }))
    }

    pub(crate) fn event(&self, id: &EventId) -> Result<Option<Index>, StoreError> {
        let parts = self.read();
        let fresh = parts
            .active
            .events
            .get(id)
            .or_else(|| parts.saving.events.get(id));
        if let Some(index) = fresh {
            return Ok(Some(*index));
        }
        let saved = Arc::clone(&parts.saved);
        drop(parts);
        saved.event(id)
    }

    pub(crate) fn height(&self, height: Height) -> Result<Option<HeightRow>, StoreError> {
        let parts = self.read();
        let (active, saving) = (&parts.active.heights, &parts.saving.heights);
        if let Some(row) = active.get(&height).or_else(|| saving.get(&height)) {
            return Ok(Some(*row));
        }
        let saved = Arc::clone(&parts.saved);
        drop(parts);
        saved.height(height)
    }

    /// Takes in a decided block.
    pub(crate) fn absorb(&self, executed: &Executed, row: HeightRow) {
        self.write().active.absorb(executed, row);
    }

    /// Moves what came in so far aside, to be saved.
    pub(crate) fn begin_save(&self) -> Arc<Fresh> {
        let mut parts = self.write();
        parts.saving = Arc::new(std::mem::take(&mut parts.active));
        Arc::clone(&parts.saving)
    }

    /// What was moved aside is in the database.
    pub(crate) fn end_save(&self, saved: Snapshot) {
        let mut parts = self.write();
        let done = std::mem::take(&mut parts.saving);
        parts.saved = Arc::new(saved);
        drop(parts);
        // Freeing many events takes a while; nobody waits for that.
        drop(done);
    }

    fn read(&self) -> RwLockReadGuard<'_, Parts> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Parts> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
