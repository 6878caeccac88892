//! Why an identity cannot be made or opened.

use crate::context::NoRandomness;
use crate::journal::JournalError;
use crate::keeping::KeepingError;
use medanchor_ledger::ParticipantName;
use medanchor_ledger::genesis::GenesisError;
use medanchor_ledger::policy::PolicyError;
use medanchor_vault::VaultError;
use std::path::{Path, PathBuf};

/// Why an identity cannot be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The system refused.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner may read or change the key.
    #[error("others can read the key file {path} (mode {mode:03o}); close it with `chmod 600 {path}`, and replace the key if somebody may have read it", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("{path} does not hold {what}; restore it from the back-up", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The folder belongs to another participant or network already.
    #[error("{path} belongs to {what} already; use another folder", path = path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
        /// To whom it belongs.
        what: String,
    },
    /// The genesis cannot be read.
    #[error("the genesis cannot be used: {0}")]
    Genesis(#[from] GenesisError),
    /// The network does not know the participant with this key.
    #[error(
        "the genesis does not register {participant} with the key of this folder; have the public key registered first"
    )]
    NotRegistered {
        /// The participant.
        participant: ParticipantName,
    },
    /// The policy cannot be read.
    #[error("the policy cannot be used: {0}")]
    Policy(#[from] PolicyError),
    /// The vault cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// How the vault is kept cannot be used.
    #[error(transparent)]
    Keeping(#[from] KeepingError),
    /// A fresh key was not drawn, or what the old one left was not destroyed to the end.
    #[error("the institution key was not renewed to the end: {0}; run it again")]
    NotRenewed(VaultError),
    /// What is to protect the key cannot be used; the vault is as it was.
    #[error("the new protection cannot be used, and the old one stays: {0}")]
    NotProtected(VaultError),
    /// The key is protected as it is to be; its predecessor may be left.
    #[error(
        "the institution key is protected so from now on, but the old one may not be destroyed: {0}"
    )]
    OldKey(VaultError),
    /// The payloads are not where the file says.
    #[error(
        "{path}: payloads.place: the payloads of this vault are in {are}, not in {said}; move them with `medanchor vault payloads`, or correct the file", path = path.display()
    )]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// Where they are.
        are: String,
        /// Where the file says they are.
        said: String,
    },
    /// A change of how the vault is kept was cut off, and what it left opens in neither way.
    #[error(
        "a change of how the vault is kept was cut off. As vault.toml says it does not open: {now}. As vault.toml.next says it does not either: {next}. Make the file or token that one of them names available, and try again"
    )]
    CutOff {
        /// Why not as before the change.
        now: Box<Self>,
        /// Why not as after it.
        next: Box<Self>,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl IdentityError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}
