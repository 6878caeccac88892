//! The state that the audit computes as it goes, block by block.
//!
//! What always holds: it holds what the rules made of the log so far, and nothing that any node
//! said; its folder is deleted when the audit ends.

use crate::fault::Trouble;
use medanchor_ledger::execute::Executed;
use medanchor_store::{Options, ScratchState, ScratchView, StoreError};
use std::path::PathBuf;
use tempfile::TempDir;

/// Where the state is kept, and how much of it in memory.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// The folder under which a folder is made for it; that of the system if none is given.
    pub(crate) work: Option<PathBuf>,
    /// Bytes of changes in memory before they go to the disk.
    pub(crate) memory: usize,
}

/// The state after one height.
pub(crate) struct AuditState {
    state: ScratchState,
    /// Deleted after the database in it is closed: fields are dropped in order.
    _folder: TempDir,
}

impl AuditState {
    /// The state that genesis lays down.
    pub(crate) fn new(room: &Room, first: &Executed) -> Result<Self, Trouble> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("medanchor-audit-");
        let folder = match &room.work {
            Some(work) => std::fs::create_dir_all(work).and_then(|()| builder.tempdir_in(work)),
            None => builder.tempdir(),
        };
        let folder = folder.map_err(|error| Trouble::Work(error.to_string()))?;
        let options = Options {
            save_bytes: room.memory,
            rows_bytes: room.memory / 2,
            ..Options::default()
        };
        let state = ScratchState::new(folder.path(), first, options).map_err(failed)?;
        Ok(Self {
            state,
            _folder: folder,
        })
    }

    /// Takes over what a block changed.
    pub(crate) fn apply(&mut self, executed: &Executed) -> Result<(), Trouble> {
        self.state.apply(executed).map_err(failed)
    }

    /// The state, to be read.
    pub(crate) const fn view(&self) -> &ScratchView {
        self.state.view()
    }
}

fn failed(error: StoreError) -> Trouble {
    Trouble::Work(error.to_string())
}
