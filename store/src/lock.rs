//! One process a home.

use crate::StoreError;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Holds `HOME/lock` for as long as it lives. The operating system lets go of it when the process
/// ends, however it ends, so a stale lock cannot exist.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
    home: PathBuf,
}

impl HomeLock {
    /// Takes the lock of `home`, a folder that exists.
    ///
    /// # Errors
    ///
    /// [`StoreError::HomeInUse`] if another process has it.
    pub fn take(home: &Path) -> Result<Self, StoreError> {
        let path = home.join("lock");
        let open = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = open.map_err(|error| StoreError::io("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                _file: file,
                home: home.to_owned(),
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::HomeInUse {
                home: home.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path, error)),
        }
    }

    /// The home that it holds.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_one_holder_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let first = HomeLock::take(home.path()).unwrap();
        let second = HomeLock::take(home.path());
        assert!(matches!(second, Err(StoreError::HomeInUse { .. })));
        drop(first);
        HomeLock::take(home.path()).unwrap();
    }
}
