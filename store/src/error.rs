//! What can go wrong with a home on disk, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A failure of the store. Every one means: stop, repair, start again. None is a verdict on a block.
///
/// Cheap to clone, so that the task that failed and the tasks that wait for it report the same.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has this home open.
    #[error("{} is in use by another process; stop it, or give this node a home of its own", home.display())]
    HomeInUse {
        /// The home.
        home: PathBuf,
    },
    /// The home was made for another network.
    #[error("{} belongs to network {found}, not {expected}; use the home that was made for this network", path.display())]
    OtherNetwork {
        /// The file that says so.
        path: PathBuf,
        /// The network that was asked for.
        expected: String,
        /// The network it belongs to.
        found: String,
    },
    /// No room is left: on the disk, in a quota, or within the process's limit of a file's size. What was being written is not believed after a restart.
    #[error("the disk is full at {}; make room and start again", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}; check the disk and the file's permissions, then start again", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// Bytes inside a file are not those that were written.
    #[error("{} is damaged at byte {position}: {what}; move data/ and log/ aside together and start with --restored (docs/operate.md, \"Damage\")", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage begins.
        position: u64,
        /// What was found.
        what: &'static str,
    },
    /// A file or a part of the history that must be there is not.
    #[error("{} is missing: {what}; move data/ and log/ aside together and start with --restored (docs/operate.md, \"Damage\")", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
    },
    /// The database reported an error.
    #[error("the state database failed: {source}; check the disk, then start again")]
    Database {
        /// Its error.
        source: Arc<redb::Error>,
    },
    /// Something stored contradicts something else stored.
    #[error(
        "the stored {what} contradicts the rest of the home; move data/ and log/ aside together and start with --restored (docs/operate.md, \"Damage\")"
    )]
    Contradiction {
        /// What.
        what: &'static str,
    },
    /// The state tables do not have the state that the log's last seal in them names.
    #[error("the state tables in {} are damaged: their state is not the one that the seal of height {height} names; restore the home from a back-up, or move data/ and log/ aside and start with --restored (docs/operate.md)", path.display())]
    OtherState {
        /// The folder of the tables.
        path: PathBuf,
        /// The height that they were saved at.
        height: u64,
    },
    /// The caller asked for something that cannot be stored.
    #[error("{what} cannot be stored: {why}")]
    Refused {
        /// What was to be stored.
        what: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// The caller's own code failed while a block was replayed.
    #[error("replaying the block of height {height} failed: {why}")]
    Replay {
        /// Its height.
        height: u64,
        /// The caller's words.
        why: String,
    },
    /// An earlier failure closed this part of the store.
    #[error("the store stopped after an earlier error: {first}")]
    Stopped {
        /// That error.
        first: Arc<StoreError>,
    },
}

impl StoreError {
    /// An error of the operating system while doing `action` to `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull { path },
            _ => Self::Io {
                action,
                path,
                source: Arc::new(source),
            },
        }
    }

    /// The error that came first: itself, unless an earlier one closed the store.
    #[must_use]
    pub fn first(&self) -> &Self {
        match self {
            Self::Stopped { first } => first.first(),
            other => other,
        }
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self.first(), Self::DiskFull { .. })
    }
}

impl From<StoreError> for medanchor_ledger::ReadFailed {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}

macro_rules! database_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}

database_errors!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(source) => Self::io("use", Path::new("data/state.redb"), source),
            other => Self::Database {
                source: Arc::new(other),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error_of_its_own() {
        let kinds = [
            io::ErrorKind::StorageFull,
            io::ErrorKind::QuotaExceeded,
            io::ErrorKind::FileTooLarge,
        ];
        for kind in kinds {
            assert!(StoreError::io("write", Path::new("x"), kind.into()).is_disk_full());
            assert!(StoreError::from(redb::Error::Io(kind.into())).is_disk_full());
        }
        assert!(!StoreError::io("write", Path::new("x"), io::Error::other("else")).is_disk_full());
    }
}
