//! What is wrong with a file of wrapped secrets, and what to do about it.

use crate::keeper::KeeperError;
use medanchor_ledger::NetworkId;
use std::io;
use std::path::PathBuf;

/// Why the file of wrapped secrets cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlotsError {
    /// Not such a file.
    #[error("{path} is not a file of wrapped keys of a known format; restore it from its back-up")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another network.
    #[error("the vault belongs to network {found}; open it with that network's genesis")]
    OtherNetwork {
        /// The network it belongs to.
        found: NetworkId,
    },
    /// A slot before the last is damaged.
    #[error("the file of wrapped keys is damaged at byte {at}; restore it from its back-up")]
    Damaged {
        /// Where the slot begins.
        at: u64,
    },
    /// The institution key is not the one that wrapped this.
    #[error(
        "the wrapped key at byte {at} does not open; use the institution key that this vault was made with"
    )]
    WrongKey {
        /// Where the slot begins.
        at: u64,
    },
    /// The file names another institution key.
    #[error(
        "the keys of this vault are wrapped under another institution key; unlock the vault with that one"
    )]
    OtherKey,
    /// The name is held already.
    #[error("a key of this name is held already; seal as the next version")]
    Taken,
    /// The operating system refused.
    #[error("the file of wrapped keys could not be used: {0}; check the disk and its permissions")]
    Io(#[from] io::Error),
    /// Whoever keeps the institution key refused.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}
