//! What goes wrong at a custodian, and what to do about it.

use crate::custody::deal::DealError;
use crate::custody::evidence::Evidence;
use crate::custody::log::LogError;
use crate::custody::reshare::ReshareError;
use crate::custody::seal::KeyError;
use crate::custody::shares::ShareError;
use crate::slots::SlotsError;
use crate::vault::VaultError;
use medanchor_ledger::EventId;
use medanchor_ledger::signature::BadSignature;

/// What went wrong at a custodian.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodianError {
    /// A message was not signed by whom it names.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// A message for another network, custodian, epoch, place or threshold.
    #[error(
        "the message is for another network, custodian, epoch, place or threshold; deal to the ledger's current set of custodians"
    )]
    OtherPlace,
    /// The owner's own record.
    #[error(
        "a record's owner is never its own custodian; deal to a set that it does not belong to"
    )]
    Owner,
    /// The dealer signed a share that its own points do not bear out, or bytes that do not open.
    #[error(
        "the share that was dealt does not fit the points, or does not open; deal again, the evidence is kept"
    )]
    BadDeal {
        /// Convicts the dealer, where the deal can be opened without giving away the share key.
        evidence: Option<Box<Evidence>>,
    },
    /// Sub-shares of a new epoch that do not belong together.
    #[error(transparent)]
    Reshare(#[from] ReshareError),
    /// Nothing was contributed to a new epoch.
    #[error(transparent)]
    Deal(#[from] DealError),
    /// The reader's key is not the one that the request names.
    #[error(
        "the key is not the one that the request names; send the public key whose hash is in the request"
    )]
    OtherKey,
    /// The request was answered for something else.
    #[error(
        "request {request} was answered for another record, epoch or place; make a new request"
    )]
    OtherRequest {
        /// The request's event.
        request: EventId,
    },
    /// The answer that was logged cannot be given again.
    #[error(
        "the answer to request {request} would differ from the one that was logged; make a new request"
    )]
    Changed {
        /// The request's event.
        request: EventId,
    },
    /// The owner dealt more than it anchored.
    #[error(
        "the custodian holds {bound} deals of this owner that it does not know to be on the ledger, and takes no more; anchor what was dealt, and deal again"
    )]
    TooManyUnanchored {
        /// The most that it takes.
        bound: usize,
    },
    /// The file of deals.
    #[error(
        "the custodian's file of deals could not be used: {0}; check the disk and its permissions"
    )]
    Deals(std::io::Error),
    /// The store has no derivation root.
    #[error("the custodian's store was not made to the end; remove it and make it again")]
    NoRoot,
    /// The share.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The key of the store, or its files.
    #[error(transparent)]
    Store(Box<VaultError>),
    /// The release log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<VaultError> for CustodianError {
    fn from(error: VaultError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<SlotsError> for CustodianError {
    fn from(error: SlotsError) -> Self {
        Self::Share(error.into())
    }
}
