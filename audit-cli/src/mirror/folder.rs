//! The folder of a mirror: a published log, and `.mirror/` beside it.
//!
//! What always holds: a file is under its name whole and durable, or not at all; the checkpoint is
//! renamed into place after the folders of all that it needs were synced; one process at a time writes.
//!
//! | path | what |
//! |---|---|
//! | `checkpoint`, `tile/`, `genesis`, `policies/`, `policy-chain`, `certificates`, `cosignatures` | the log, as a node publishes it |
//! | `.mirror/newest` | the newest signed checkpoint that the mirror has accepted; its tiles may be on their way |
//! | `.mirror/cosignatures` | where the source's file of cosignatures goes on, if it is not as long as the mirror's |
//! | `.mirror/fork-*.fork`, `.mirror/rollback-*.observation` | what a source did wrong |
//! | `.mirror/lock` | held by the process that writes |

use crate::entries::MAX_TILE;
use crate::fault::{Failure, Trouble};
use crate::source::{Folder as Log, Source};
use medanchor_ledger::merkle::tile::{Tile, TileId};
use medanchor_store::files::{make_folder, sync_folder, write_aside};
use medanchor_store::{HomeLock, StoreError};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where a mirror keeps what is no part of the log.
pub(crate) const BESIDE: &str = ".mirror";
/// The newest checkpoint that the mirror has accepted.
pub(crate) const NEWEST: &str = ".mirror/newest";

/// A mirror's folder, open for writing.
pub(crate) struct Folder {
    log: Log,
    /// Folders with files whose names are not durable yet.
    touched: Mutex<BTreeSet<PathBuf>>,
    _lock: HomeLock,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, Trouble> {
        make_folder(&path.join(BESIDE)).map_err(failed)?;
        let lock = HomeLock::take(&path.join(BESIDE)).map_err(failed)?;
        Ok(Self {
            log: Log(path.to_owned()),
            touched: Mutex::default(),
            _lock: lock,
        })
    }

    pub(crate) const fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.log.0.join(name)
    }

    /// Writes a file of the log; its name is durable after [`Folder::sync`].
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let path = self.path(name);
        let parent = path.parent().unwrap_or(&self.log.0);
        make_folder(parent).map_err(failed)?;
        write_aside(&path, bytes).map_err(failed)?;
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if !touched.contains(parent) {
            touched.insert(parent.to_owned());
        }
        Ok(())
    }

    /// Makes the names of all files written so far durable.
    pub(crate) fn sync(&self) -> Result<(), Trouble> {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in std::mem::take(&mut *touched) {
            sync_folder(&folder).map_err(failed)?;
        }
        Ok(())
    }

    /// Writes a file durably, name and all.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
        self.write(name, bytes)?;
        self.sync()
    }

    /// A tile that is in the folder, if it is and has the shape its name demands.
    pub(crate) fn tile(&self, id: TileId) -> Result<Option<Tile>, Failure> {
        let found = match self.log.read(&id.to_string(), MAX_TILE)? {
            None if id.full() != id => self.log.read(&id.full().to_string(), MAX_TILE)?,
            found => found,
        };
        Ok(found.and_then(|bytes| Tile::decode(id, &bytes).ok()))
    }

    /// Drops the partial files of a tile or bundle whose full file is in place.
    pub(crate) fn drop_partials(&self, full: &str) {
        // What cannot be deleted is a few files too many, and each of them holds.
        let _ = std::fs::remove_dir_all(self.path(&format!("{full}.p")));
    }
}

/// A disk that fails says nothing about the log.
pub(crate) fn failed(error: StoreError) -> Trouble {
    match error {
        StoreError::HomeInUse { home } => Trouble::Mirror(format!(
            "another process writes to {}; wait for its end, or mirror to another folder",
            home.display()
        )),
        StoreError::DiskFull { path } => Trouble::Mirror(format!(
            "the disk is full at {}; make room and run the same command again",
            path.display()
        )),
        other => Trouble::Mirror(other.to_string()),
    }
}
