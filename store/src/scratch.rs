//! A state for an auditor: computed from the log, kept nowhere else, thrown away afterwards.
//!
//! What always holds: the view is the state after the last block that was applied; memory stays
//! within the options' bounds, whatever the length of the log, because changes beyond them go to a
//! database on disk; only the ids of the replay window come on top. There is no journal: after a
//! crash an audit begins again.

use crate::files::make_folder;
use crate::log::LogMark;
use crate::pending::{Fresh, Pending};
use crate::tables::{Batch, Tables};
use crate::window::Window;
use crate::{Options, StoreError};
use medanchor_ledger::execute::{Executed, Head, View};
use medanchor_ledger::state::StateMap;
use medanchor_ledger::{EventId, ReadFailed};
use std::path::Path;

/// The state of an audit under way.
pub struct ScratchState {
    tables: Tables,
    view: ScratchView,
    pending: Pending,
    /// Bytes of changes in memory.
    limit: usize,
}

/// The state after the last block that was applied.
pub struct ScratchView {
    head: Head,
    map: StateMap,
    window: Window,
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
        let (tables, _, map) = Tables::open(folder, first.head.network, options)?;
        let view = ScratchView {
            head: first.head.clone(),
            map,
            window: Window::default(),
        };
        let mut state = Self {
            tables,
            view,
            pending: Pending::default(),
            limit: options.save_bytes,
        };
        state.absorb(first)?;
        Ok(state)
    }

    /// The state after the last block.
    #[must_use]
    pub const fn view(&self) -> &ScratchView {
        &self.view
    }

    /// Becomes the state after a block that was executed over [`Self::view`].
    ///
    /// # Errors
    ///
    /// When it was executed over another state, or the disk fails.
    pub fn apply(&mut self, executed: &Executed) -> Result<(), StoreError> {
        // The root alone does not say it: a block may leave the state as it was.
        if executed.seal.height != self.view.head.next_height() {
            let why = "its height is not the one after the last";
            return Err(StoreError::Refused {
                what: "a block",
                why,
            });
        }
        self.absorb(executed)
    }

    fn absorb(&mut self, executed: &Executed) -> Result<(), StoreError> {
        if self.view.map.apply(&executed.map_update).is_err() {
            let why = "it was executed over another state";
            return Err(StoreError::Refused {
                what: "a block",
                why,
            });
        }
        self.view.head = executed.head.clone();
        self.view.window.absorb(executed);
        self.pending.absorb_update(&executed.map_update);
        if self.pending.bytes() > self.limit {
            self.save()?;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), StoreError> {
        let pending = std::mem::take(&mut self.pending);
        let batch = Batch {
            fresh: &Fresh::default(),
            map: &self.view.map,
            changes: pending.changes(),
            head: &self.view.head.encode(),
            log: &LogMark::default().encode(),
        };
        let (_, moves) = self.tables.save(batch)?;
        self.view.map = self.view.map.moved(&moves);
        Ok(())
    }
}

impl View for ScratchView {
    fn head(&self) -> &Head {
        &self.head
    }

    fn seen(&self, id: &EventId) -> Result<bool, ReadFailed> {
        Ok(self.window.contains(id))
    }

    fn map(&self) -> &StateMap {
        &self.map
    }
}
