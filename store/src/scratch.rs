//! A state for an auditor: computed from the log, kept nowhere else, thrown away afterwards.
//!
//! What always holds: the view is the state after the last block that was applied; memory stays
//! within the options' bounds, whatever the length of the log, because changes beyond them go to a
//! database on disk. There is no journal: after a crash an audit begins again.

use crate::files::make_folder;
use crate::layer::Layers;
use crate::log::LogMark;
use crate::saver::layer_of;
use crate::tables::{HeightRow, Tables};
use crate::view::StoreView;
use crate::{Options, StoreError};
use medanchor_ledger::execute::{Executed, View};
use medanchor_ledger::state::StateMap;
use std::path::Path;
use std::sync::Arc;

/// The state of an audit under way.
pub struct ScratchState {
    tables: Tables,
    view: StoreView,
    /// Bytes of changes in memory.
    bytes: usize,
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
        let (tables, saved) =
            Tables::open(folder, network, options.cache_bytes, options.segment_bytes)?;
        let saved = Arc::new(saved);
        let empty = [Layers::default(), Layers::default()];
        let view = StoreView::new(first.head.clone(), StateMap::empty(), empty, saved);
        let mut state = Self {
            tables,
            view,
            bytes: 0,
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
        let size = executed.head.frontier.size();
        let row = HeightRow {
            first: executed.seal.first,
            size,
            certificate: 0,
        };
        let layer = layer_of(executed, row);
        self.bytes += layer.bytes();
        let (head, map) = (executed.head.clone(), executed.map_update.map().clone());
        let saved = Arc::clone(self.view.saved());
        // The old view must go first: layers are merged without a copy only if unshared.
        let empty = [Layers::default(), Layers::default()];
        let old = StoreView::new(head.clone(), map.clone(), empty, Arc::clone(&saved));
        let [saving, mut active] = std::mem::replace(&mut self.view, old).into_layers();
        active.push(layer);
        self.view = StoreView::new(head, map, [saving, active], saved);
        if self.bytes > self.limit {
            self.save()?;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), StoreError> {
        let (head, map) = (self.view.head().clone(), self.view.map().clone());
        let (before, layers) = (self.view.saved(), self.view.active());
        let (encoded, mark) = (head.encode(), LogMark::default().encode());
        let saved = self
            .tables
            .save(before, layers, map.clone(), &encoded, &mark)?;
        let saved = Arc::new(saved);
        self.view = StoreView::new(head, map, [Layers::default(), Layers::default()], saved);
        self.bytes = 0;
        Ok(())
    }
}
