//! A state for an auditor: computed from the log, kept nowhere else, thrown away afterwards.
//!
//! What always holds: the view is the state after the last block that was applied; memory stays
//! within the options' bounds, whatever the length of the log, because changes beyond them go to a
//! database on disk. There is no journal: after a crash an audit begins again.

use crate::files::make_folder;
use crate::log::LogMark;
use crate::lookup::Lookup;
use crate::pending::Pending;
use crate::tables::{Batch, HeightRow, Tables};
use crate::view::StoreView;
use crate::{Options, StoreError};
use medanchor_ledger::execute::{Executed, View};
use std::path::Path;
use std::sync::Arc;

/// The state of an audit under way.
pub struct ScratchState {
    tables: Tables,
    view: StoreView,
    lookup: Arc<Lookup>,
    pending: Pending,
    /// Bytes of changes in memory.
    limit: usize,
}

impl ScratchState {
    /// The state that height 0 lays down, with its database in `folder`, where there is none yet.
    ///
    /// # Errors
    ///
    /// When the database cannot be made.
    pub fn new(folder: &Path, first: &Executed, options: Options) -> Result<Self, StoreError> {
        make_folder(folder)?;
        if folder.join("state.redb").exists() {
            let why = "there is a state in its folder already";
            return Err(StoreError::Refused {
                what: "a scratch state",
                why,
            });
        }
        let network = first.head.network;
        let (tables, saved, map) = Tables::open(folder, network, options)?;
        let lookup = Arc::new(Lookup::new(saved));
        let mut state = Self {
            tables,
            view: StoreView::new(first.head.clone(), map, Arc::clone(&lookup)),
            lookup,
            pending: Pending::default(),
            limit: options.save_bytes,
        };
        state.apply(first)?;
        Ok(state)
    }

    /// The state after the last block.
    #[must_use]
    pub const fn view(&self) -> &StoreView {
        &self.view
    }

    /// Becomes the state after a block that was executed over [`Self::view`].
    ///
    /// # Errors
    ///
    /// When it was executed over another state, or the disk fails.
    pub fn apply(&mut self, executed: &Executed) -> Result<(), StoreError> {
        if executed.map_update.base() != self.view.map().root() {
            let why = "it was executed over another state";
            return Err(StoreError::Refused {
                what: "a block",
                why,
            });
        }
        let row = HeightRow {
            first: executed.seal.first,
            size: executed.head.frontier.size(),
            certificate: 0,
        };
        self.lookup.absorb(executed, row);
        self.pending.absorb(executed);
        let (head, map) = (executed.head.clone(), executed.map_update.map().clone());
        self.view = StoreView::new(head, map, Arc::clone(&self.lookup));
        if self.pending.bytes() > self.limit {
            self.save()?;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), StoreError> {
        let saved = self.tables.save(Batch {
            buckets: std::mem::take(&mut self.pending).into_sorted(),
            fresh: &self.lookup.begin_save(),
            map: self.view.map(),
            head: &self.view.head().encode(),
            log: &LogMark::default().encode(),
        })?;
        self.lookup.end_save(saved);
        Ok(())
    }
}
