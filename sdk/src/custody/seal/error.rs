//! Why a record was not sealed into custody.

use super::file::MAX_TOGETHER;
use crate::anchor::AnchorError;
use crate::client::ClientError;
use crate::custody::circle::CircleError;
use crate::emergency::EmergencyError;
use crate::error::SdkError;
use medanchor_ledger::ParticipantName;
use medanchor_vault::custody::DealError;
use medanchor_vault::{JsonError, VaultError};
use std::path::PathBuf;

/// Why a record was not sealed into custody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// Sealing or signing.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The custodians are not known.
    #[error(transparent)]
    Circle(#[from] CircleError),
    /// A custodian did not acknowledge its share.
    #[error("{name} has not acknowledged its share: {why}; run it again")]
    NotAcknowledged {
        /// Who.
        name: ParticipantName,
        /// Why.
        why: String,
    },
    /// More records than are sealed together.
    #[error(
        "{0} records are more than are sealed together; seal at most {MAX_TOGETHER} in one call"
    )]
    TooMany(usize),
    /// A document that is too long, too deep or has too many values to be sealed field by field.
    #[error(
        "{0}, or seal it as a stream (`Sdk::seal_stream_in_custody`), which is shown as a whole only"
    )]
    TooLarge(JsonError),
    /// The shares could not be made.
    #[error(transparent)]
    Deal(#[from] DealError),
    /// The deals of an earlier try cannot be used.
    #[error("the deals in {path} cannot be used ({why}); they are of an earlier try: restore the file, or move it away and seal the documents under other names", path = path.display())]
    EarlierDeals {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The record was dealt to custodians of a later epoch already.
    #[error(
        "these are the custodians of epoch {epoch}, and the record was dealt to those of epoch {newer} already; ask for the custodians anew, and seal it with those"
    )]
    OldCustodians {
        /// That of the custodians that were given.
        epoch: u32,
        /// That of the deals.
        newer: u32,
    },
    /// The file of deals, or of acknowledgements.
    #[error("deals or acknowledgements could not be kept in {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A version that does not follow the newest one.
    #[error(
        "version {newest} is the newest that the ledger has of this record; seal the one that follows it"
    )]
    VersionAhead {
        /// The newest version on the ledger; 0 if it has none.
        newest: u32,
    },
    /// A later version of another patient's record, or of a time before the patient brought a key.
    #[error(
        "the record was sealed for another subject, or under a key that this one had before it brought its own; seal the document as another record"
    )]
    OtherSubject,
    /// The ledger has the record otherwise.
    #[error("the ledger has this record already, sealed otherwise; give the document another name")]
    AnchoredOtherwise,
    /// A node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The journal of the emergency key was not registered.
    #[error("the journal of the emergency key is not registered: {0}")]
    Emergency(#[source] Box<EmergencyError>),
    /// The event was not anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// What was signed says other than it should.
    #[error("the points of the sharing make no event: {0}")]
    Build(#[from] medanchor_ledger::event::BuildError),
}

impl From<EmergencyError> for CustodyError {
    fn from(error: EmergencyError) -> Self {
        Self::Emergency(error.into())
    }
}

impl From<VaultError> for CustodyError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Json(error @ JsonError::TooLarge { .. }) => Self::TooLarge(error),
            error => Self::Sdk(error.into()),
        }
    }
}
