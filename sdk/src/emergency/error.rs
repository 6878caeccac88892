//! What goes wrong on the emergency path, and what to do about it.

use super::journal::EmergencyJournalError;
use crate::error::SdkError;
#[cfg(feature = "client")]
use medanchor_ledger::RecordHandle;
use medanchor_vault::{KeeperError, VaultError};

/// Why something of the emergency path was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmergencyError {
    /// Sealing, signing or the vault.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The journal's file.
    #[error(transparent)]
    Journal(#[from] EmergencyJournalError),
    /// The journal has fewer entries than the ledger.
    #[error(
        "the emergency journal was ROLLED BACK: the ledger has {anchored} entries of it and the file {found}; restore the file, or write it anew from the ledger: `medanchor vault emergency anchor --restore`"
    )]
    RolledBack {
        /// How many the ledger has.
        anchored: u64,
        /// How many the file has.
        found: u64,
    },
    /// The journal has other entries than the ledger.
    #[error(
        "the emergency journal was ROLLED BACK and gone on with: its entry {anchored} is not the one that the ledger has; restore the file, or write it anew from the ledger: `medanchor vault emergency anchor --restore`"
    )]
    Forked {
        /// The newest entry on the ledger.
        anchored: u64,
    },
    /// The journal has fewer entries than the token has counted.
    #[error(
        "the emergency journal was ROLLED BACK: the token has counted {counted} entries of it and the file has {found}; restore the file; where there is no copy, `medanchor vault emergency anchor --restore` with the token states as LOST what is missing, and so does `medanchor vault emergency open --lost` while the network is cut"
    )]
    Uncounted {
        /// The newest entry that the token has counted.
        counted: u64,
        /// How many the file has.
        found: u64,
    },
    /// The journal has other entries than the token has counted.
    #[error(
        "the emergency journal was ROLLED BACK and gone on with: its entry {counted} is not the one that the token has counted; restore the file; where there is no copy, `medanchor vault emergency anchor --restore` with the token states as LOST what is missing, and so does `medanchor vault emergency open --lost` while the network is cut"
    )]
    OtherCount {
        /// The newest entry that the token has counted.
        counted: u64,
    },
    /// The token has lost its marks.
    #[error(
        "the token that counts the emergency journal has no mark of it any more: it was emptied, or is another one"
    )]
    CountGone,
    /// The count has come to its end.
    #[error(
        "the token holds as many entries of the emergency journal as a count may have; it counts no more of them"
    )]
    CountFull,
    /// The token did not do as it should.
    #[error(transparent)]
    Token(KeeperError),
    /// What the ledger showed does not lead to its own head.
    #[error("the node did not show every entry of the emergency journal; ask another node")]
    NotShown,
    /// A node.
    #[cfg(feature = "client")]
    #[error(transparent)]
    Standing(#[from] crate::custody::StandingError),
    /// An event was not anchored.
    #[cfg(feature = "client")]
    #[error(transparent)]
    Anchor(#[from] crate::anchor::AnchorError),
    /// An entry was not anchored, so that those behind it wait.
    #[cfg(feature = "client")]
    #[error(
        "entry {counter} of the emergency journal, of record {record}, is not anchored, and those behind it wait ({source}); if the ledger does not know the record, anchor its seal, then run this again"
    )]
    Waits {
        /// The entry.
        counter: u64,
        /// The record that was opened.
        record: RecordHandle,
        /// Why.
        source: crate::anchor::AnchorError,
    },
}

impl From<VaultError> for EmergencyError {
    fn from(error: VaultError) -> Self {
        Self::Sdk(error.into())
    }
}

#[cfg(feature = "client")]
impl From<crate::client::ClientError> for EmergencyError {
    fn from(error: crate::client::ClientError) -> Self {
        Self::Standing(error.into())
    }
}
