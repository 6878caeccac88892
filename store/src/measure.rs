//! The tables of the state map alone, without blocks: what `cargo measure --only state` fills, saves and
//! opens again.
//!
//! What always holds: what is done here is what a store does for the map of a block, and nothing else.

use crate::pending::{Fresh, Pending};
use crate::rows::expect_no_order;
use crate::tables::{Batch, Tables};
use crate::{Options, StoreError};
use medanchor_ledger::NetworkId;
use medanchor_ledger::state::{MapUpdate, StateMap};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::{File, read_dir};
use std::io;
use std::path::{Path, PathBuf};

/// A state map on disk.
#[derive(Debug)]
pub struct MapTables {
    tables: Tables,
    pending: Pending,
}

impl MapTables {
    /// Opens the map in `folder`, or makes an empty one there; gives it as it was saved last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path, options: Options) -> Result<(Self, StateMap), StoreError> {
        let network = NetworkId::new([1; 16]);
        let (tables, _, map) = Tables::open(folder, network, options)?;
        let pending = Pending::default();
        Ok((Self { tables, pending }, map))
    }

    /// Counts an update that was applied to the map and is to be saved.
    pub fn absorb(&mut self, update: &MapUpdate) {
        self.pending.absorb_update(update);
    }

    /// Saves the map, durably; gives it with its buckets read from here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn save(&mut self, map: &StateMap) -> Result<StateMap, StoreError> {
        let pending = std::mem::take(&mut self.pending);
        let batch = Batch {
            fresh: &Fresh::default(),
            map,
            changes: pending.changes(),
            head: b"head",
            log: b"log",
        };
        let (_, moves) = self.tables.save(batch)?;
        Ok(map.moved(&moves))
    }
}

/// The files of rows of the map in `folder`.
///
/// # Errors
/// What the system says.
pub fn row_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = read_dir(folder.join("rows"))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Opens a file of rows as the store does, to be read in no order.
///
/// # Errors
/// What the system says.
pub fn open_rows(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    expect_no_order(&file);
    Ok(file)
}

/// Makes the system read every row from the disk again.
///
/// # Errors
/// What the system says.
pub fn forget_rows(folder: &Path) -> io::Result<()> {
    for path in row_files(folder)? {
        let file = File::open(path)?;
        file.sync_all()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    }
    Ok(())
}
