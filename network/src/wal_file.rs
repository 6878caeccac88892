//! The file of the consensus write-ahead log: where a validator's unfinished votes stand.
//!
//! What always holds: once made, it has its head, and nothing of this crate takes it away. So a home
//! that has taken part and has no such file has lost votes, and whoever starts it can tell.

use arc_malachitebft_app_channel::app::wal::Log;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes before the first record: version and height.
pub(crate) const HEAD_BYTES: u64 = 4 + 8;

/// The write-ahead log of one node.
#[derive(Clone, Debug)]
pub struct WalFile {
    folder: PathBuf,
}

impl WalFile {
    /// The one in `folder`, which need not exist.
    #[must_use]
    pub fn of(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The file itself.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join("consensus.wal")
    }

    /// Whether there is none, or none with a head.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn is_missing(&self) -> io::Result<bool> {
        match std::fs::metadata(self.path()) {
            Ok(file) => Ok(file.len() < HEAD_BYTES),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Makes an empty one, durably, with its folder.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn make(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.path();
        if path.try_exists()? {
            // What was cut short while it was being made holds no vote.
            std::fs::remove_file(&path)?;
        }
        drop(Log::open(&path)?);
        sync(&self.folder)?;
        self.folder.ancestors().skip(1).take(2).try_for_each(sync)
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_cut_short_while_it_was_made_is_missing_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let wal = WalFile::of(folder.path().join("data/wal"));
        assert!(wal.is_missing().unwrap());
        wal.make().unwrap();
        assert!(!wal.is_missing().unwrap());
        for length in 0..HEAD_BYTES {
            std::fs::write(wal.path(), vec![0; usize::try_from(length).unwrap()]).unwrap();
            assert!(wal.is_missing().unwrap(), "{length} bytes are no log");
            wal.make().unwrap();
            assert!(Log::open(wal.path()).unwrap().is_empty());
        }
    }
}
