//! One process holds a vault.

use super::VaultError;
use super::error::io_at;
use std::fs::{self, File};
use std::path::Path;

/// The lock of a vault's folder, for as long as it is open.
pub(super) struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // A program that is being started beside has a copy of the handle for a moment, and would hold the
        // lock if closing it were all.
        let _ = self.0.unlock();
    }
}

/// Takes it, if nobody has it.
pub(super) fn lock(path: &Path) -> Result<FolderLock, VaultError> {
    let file_path = path.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&file_path)
        .map_err(io_at(&file_path))?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(VaultError::Locked { path: path.into() }),
        Err(fs::TryLockError::Error(source)) => Err(io_at(&file_path)(source)),
    }
}
