//! Why a genesis is not sound.

use super::{MAX_GENESIS_BYTES, MAX_GENESIS_PARTICIPANTS};
use crate::ParticipantName;
use crate::cbor::CborError;
use crate::event::DecodeError;
use crate::note::NoteError;
use crate::policy::PolicyError;
use crate::rules::RULES_VERSION;
use crate::validator::ValidatorSetError;

/// A genesis file that no network can start from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// It is not the one encoding of a genesis.
    #[error("the genesis file cannot be read ({0}); get it again from a member of the network")]
    Decode(#[from] DecodeError),
    /// It is too long.
    #[error("a genesis file has at most {MAX_GENESIS_BYTES} bytes; register participants later")]
    Size,
    /// The network's name is malformed.
    #[error("not a network name; use 1 to 64 of a-z, 0-9, dots and hyphens")]
    Name,
    /// The rules version is unknown.
    #[error(
        "the network starts with rules version {found}, this release knows {RULES_VERSION}; install one that has {found}"
    )]
    UnknownRules {
        /// The version in the file.
        found: u32,
    },
    /// The validators are no set.
    #[error(transparent)]
    Validators(#[from] ValidatorSetError),
    /// There are no participants, or too many.
    #[error(
        "a network starts with 1 to {MAX_GENESIS_PARTICIPANTS} participants, not {found}; change the list"
    )]
    Participants {
        /// How many came.
        found: usize,
    },
    /// A validator or an authority does not take part.
    #[error("{name} is named as validator or authority but is no participant; add it")]
    NotAParticipant {
        /// The name.
        name: ParticipantName,
    },
    /// The number of authorities that must approve cannot be reached or is zero.
    #[error(
        "the number of approvals must be at least 1 and at most the number of authorities; change it"
    )]
    Threshold,
    /// A key stands there twice.
    #[error("a key of {name} is used twice; make a key for each purpose and participant")]
    SharedKey {
        /// The later of its holders.
        name: ParticipantName,
    },
    /// Origin and names do not make note key names.
    #[error("the network's name gives no origin: {0}")]
    Origin(#[from] NoteError),
    /// The validators make no policy.
    #[error("the validators make no policy: {0}")]
    Policy(#[from] PolicyError),
}

impl From<CborError> for GenesisError {
    fn from(error: CborError) -> Self {
        Self::Decode(error.into())
    }
}
