//! What goes wrong in a vault, and what to do about it.

use crate::disclosure::DisclosureError;
use crate::emergency::EmergencyError;
use crate::json::JsonError;
use crate::keeper::KeeperError;
use crate::key_file::KeyFileError;
use crate::payloads::PayloadError;
use crate::seal::{OpenError, RecordVersion, SealError, StreamError};
use crate::secret::RandomFailed;
use crate::slots::SlotsError;
use std::io;
use std::path::{Path, PathBuf};

/// What went wrong in a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The payload was refused.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The payload was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The sealed payload was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nothing was disclosed.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// Where the payloads are.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A payload was not sealed or opened as a stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The file of wrapped keys.
    #[error(transparent)]
    Slots(#[from] SlotsError),
    /// The key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The emergency path.
    #[error(transparent)]
    Emergency(#[from] EmergencyError),
    /// Whoever keeps the institution key refused.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// The record was erased.
    #[error("record {} version {} was erased; nothing can open it", record.record, record.version)]
    Erased {
        /// The record.
        record: RecordVersion,
    },
    /// The custodians hold the other part of the record's key.
    #[error("the key of record {} version {} is shared over custodians; ask for access, which the ledger records", record.record, record.version)]
    Entrusted {
        /// The record.
        record: RecordVersion,
    },
    /// The vault holds no key for the record.
    #[error("the vault holds no key for record {} version {}; ask the vault that sealed it", record.record, record.version)]
    NoKey {
        /// The record.
        record: RecordVersion,
    },
    /// Another payload is sealed under this record and version.
    #[error("record {} version {} is sealed with other content; seal the new content as the next version", record.record, record.version)]
    Taken {
        /// The record.
        record: RecordVersion,
    },
    /// Another call seals this record and version from a stream at this moment.
    #[error("record {} version {} is being sealed by another call; wait until that has ended, then call again", record.record, record.version)]
    UnderWay {
        /// The record.
        record: RecordVersion,
    },
    /// A record stands twice in one batch.
    #[error("record {} version {} stands twice in the batch; seal each once", record.record, record.version)]
    Repeated {
        /// The record.
        record: RecordVersion,
    },
    /// Versions start at 1.
    #[error("a record's versions start at 1; seal the first as version 1")]
    VersionZero,
    /// Another process holds the vault.
    #[error("another process holds the vault at {path}; stop it first")]
    Locked {
        /// The vault's folder.
        path: PathBuf,
    },
    /// The vault is incomplete.
    #[error(
        "the vault at {path} has no derivation root; it was not made to the end, so remove it and make it again"
    )]
    NoRoot {
        /// The vault's folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("the vault at {path} could not be used: {source}; check the path and its permissions")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl VaultError {
    /// Whether the sealed payload is not where it should be: it was never written to the end, or was
    /// lost since. Its key is there.
    #[must_use]
    pub const fn is_missing_payload(&self) -> bool {
        matches!(self, Self::Payload(error) if error.is_missing())
    }
}

pub(super) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> VaultError {
    |source| VaultError::Io {
        path: path.into(),
        source,
    }
}
