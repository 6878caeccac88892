//! Files of the published folder, written in batches.

use crate::StoreError;
use crate::files::{make_folder, sync_folder, write_aside};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files of one batch: each synced and renamed when written, their folders synced at the end.
pub(super) struct Batch<'a> {
    root: &'a Path,
    folders: BTreeSet<PathBuf>,
}

impl<'a> Batch<'a> {
    pub(super) const fn new(root: &'a Path) -> Self {
        Self {
            root,
            folders: BTreeSet::new(),
        }
    }

    pub(super) fn write(&mut self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        let path = self.root.join(name);
        let bytes = bytes.ok_or(StoreError::Contradiction {
            what: "edge of the log",
        })?;
        let folder = path.parent().unwrap_or(self.root).to_owned();
        make_folder(&folder)?;
        self.folders.insert(folder);
        write_aside(&path, &bytes)
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.folders
            .iter()
            .try_for_each(|folder| sync_folder(folder))
    }
}
