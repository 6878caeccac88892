//! Why a consent was not renewed, or not revoked with its re-issues.

use crate::anchor::AnchorError;
use crate::client::ClientError;
use crate::custody::StandingError;
use crate::error::SdkError;

/// Why a consent was not renewed, or not revoked with its re-issues.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalError {
    /// Nothing was signed.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// What the ledger has of it is not known.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// What was signed is not anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
}

impl RenewalError {
    /// Whether no node could be reached.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Standing(StandingError::Client(ClientError::Unreachable(_)))
                | Self::Anchor(AnchorError::Client(ClientError::Unreachable(_)))
        )
    }

    /// Of what kind it is, for a log: the error itself may name a consent, a record or a file.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sdk(why) => kind_of(why),
            Self::Standing(StandingError::Refused(why)) => why.code(),
            _ if self.is_unreachable() => "unreachable",
            Self::Standing(_) => "not-proved",
            Self::Anchor(_) => "not-anchored",
        }
    }
}

const fn kind_of(why: &SdkError) -> &'static str {
    match why {
        SdkError::Identity(_) => "identity",
        SdkError::Vault(_) => "vault",
        SdkError::Journal(_) => "journal",
        SdkError::Consent(_) => "other-words",
        _ => "not-signed",
    }
}
