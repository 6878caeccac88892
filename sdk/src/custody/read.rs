//! Reading a record whose key is shared over custodians: one call from the request to the document.
//!
//! What always holds: the request is on the ledger, and permitted, before anybody is asked for a part
//! of the key; what was signed and is wrong is handed out, for [`Sdk::accuse`] to make evidence of, and so
//! is what opens a record that its owner sealed wrongly, for [`Sdk::accuse_by_showing_the_record`].

use super::answers::{Answers, Silence, WrongAnswer};
use super::ask::{AccessKind, ReleaseAsk};
use super::circle::CircleError;
use super::reading::Reading;
use super::standing::{Standing, StandingError};
use crate::anchor::{AnchorError, Sdk};
use crate::client::ClientError;
use crate::direct::{AddressBook, Certificate, LinkError};
use crate::domain::NewAccess;
use crate::error::SdkError;
use crate::proof::Proved;
use crate::receipt::Anchored;
use medanchor_ledger::document::VerifiedAccess;
use medanchor_ledger::rules::{Decision, DenialReason};
use medanchor_ledger::{EventId, ParticipantName, RequestHandle};
use medanchor_vault::custody::{Disclosing, OpeningKey, ReadError, RecordShown, Refusal, Signed};
use medanchor_vault::{Disclosure, DisclosureError, StreamError};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why a record was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenedError {
    /// The request could not be made.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The request was not anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// The ledger denied it, for good: the denial is on record.
    #[error("the ledger denied the request ({}); the denial is on record", .0.as_str())]
    Denied(DenialReason),
    /// A node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What the ledger says could not be had.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// The custodians are not known.
    #[error(transparent)]
    Circle(#[from] CircleError),
    /// The address book lacks the record's owner.
    #[error(
        "the address book has no entry of the record's owner; add the entry that it printed when it was set up"
    )]
    OwnerNotInBook,
    /// The record is not one whose key is shared.
    #[error("the key of this record is not shared over custodians; ask its owner for the document")]
    NotInCustody,
    /// The ledger holds something else than it says.
    #[error("the event that sealed the record makes no sense; tell the authorities")]
    Seal,
    /// The record's owner did not give its part, or the payload.
    #[error("{0}")]
    Owner(Box<LinkError>),
    /// The record's owner refused its part of the key for this very request, and signed that: for
    /// [`Sdk::accuse_of_refusal`].
    #[error("{error}; it signed that it refuses")]
    Refused {
        /// What it said.
        error: Box<LinkError>,
        /// What it signed.
        refusal: Box<Signed<Refusal>>,
    },
    /// The document is longer than what is opened in memory.
    #[error(
        "the document is longer than what is opened in memory; open it into a file (`Sdk::read_into`, `--out`)"
    )]
    TooLarge,
    /// The file that was to hold the document.
    #[error(transparent)]
    File(StreamError),
    /// The owner's answer is none.
    #[error("the answer of {0} cannot be read; keep it as evidence, and ask again")]
    OwnerAnswer(ParticipantName),
    /// Too few parts, or wrong ones.
    #[error("{error}{}", Silent(silent))]
    Read {
        /// What is missing or wrong.
        error: Box<ReadError>,
        /// Custodians that gave no answer, and why.
        silent: Vec<(ParticipantName, Silence)>,
        /// Answers that are wrong, as they were signed.
        wrong: Vec<WrongAnswer>,
        /// What opens the record, where its owner sealed it wrongly: for
        /// [`Sdk::accuse_by_showing_the_record`].
        shown: Option<Arc<RecordShown>>,
    },
}

struct Silent<'a>(&'a [(ParticipantName, Silence)]);

impl std::fmt::Display for Silent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(_, why)| write!(f, "; {why}"))
    }
}

impl OpenedError {
    /// Whether it failed because nodes, custodians or the owner could not be reached, or said that they may
    /// answer later, being too busy: then the same call may succeed.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Anchor(AnchorError::Client(error))
            | Self::Client(error)
            | Self::Standing(StandingError::Client(error))
            | Self::Circle(CircleError::Standing(StandingError::Client(error))) => {
                matches!(error, ClientError::Unreachable(_))
            }
            Self::Owner(error) | Self::Refused { error, .. } => error.may_pass_later(),
            Self::Read { error, silent, .. } => match **error {
                ReadError::TooFew { found, needed, .. } => {
                    let away = silent.iter().filter(|(_, silence)| silence.unreachable);
                    found.saturating_add(away.count()) >= needed
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// How a request is called on the ledger.
pub(super) type Asked = (AccessKind, RequestHandle);

/// A record that was opened, and what proves that it was rightly so.
pub struct Opened {
    /// The document.
    pub payload: Zeroizing<Vec<u8>>,
    /// The event that sealed it: what [`Opened::disclose`] gives is checked against its commitment.
    pub sealed: EventId,
    disclosing: Disclosing,
    /// The receipt of the request.
    pub receipt: Anchored,
    /// The decision, proved with the consent at the very height of the decision.
    pub access: Proved<VerifiedAccess>,
    /// How the custodians answered.
    pub answers: Answers,
}

impl Opened {
    /// Shows the fields at these JSON pointers of the document to whoever knows its commitment from the
    /// ledger, provably, and withholds the rest.
    ///
    /// # Errors
    /// [`DisclosureError`]: there is no such field, or too many are asked for.
    pub fn disclose(&self, pointers: &[&str]) -> Result<Disclosure, DisclosureError> {
        self.disclosing.disclose(&self.payload, pointers, &[])
    }
}

impl Sdk {
    /// Asks the ledger for access to a record, gathers its key from the custodians and its owner, and
    /// opens it. After a failure that may pass, call it again with the same name: it goes on with the
    /// same request while the permit lives.
    ///
    /// # Errors
    /// [`OpenedError`] says who is at fault, and whether the ledger denied it.
    pub fn read(
        &self,
        new: &NewAccess<'_>,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<Opened, OpenedError> {
        let (asked, receipt, access) = self.permitted(new)?;
        let unsealed =
            self.decided(asked, new.name, book, own, |reading, key| reading.open(key))?;
        Ok(Opened {
            payload: unsealed.payload,
            sealed: unsealed.sealed,
            disclosing: unsealed.disclosing,
            receipt,
            access,
            answers: unsealed.answers,
        })
    }

    /// The request, once it is on the ledger and permitted.
    pub(super) fn permitted(
        &self,
        new: &NewAccess<'_>,
    ) -> Result<(Asked, Anchored, Proved<VerifiedAccess>), OpenedError> {
        let asked = self.request_access(new)?;
        let receipt = self.anchor(asked.event)?;
        let access = self.client().access_receipt(&receipt.id(), true)?;
        match access.proved().decision() {
            Decision::Denied(reason) => Err(OpenedError::Denied(reason)),
            Decision::Permitted => Ok(((AccessKind::Request, asked.request), receipt, access)),
        }
    }

    /// Opens a record for an access that is on the ledger.
    pub(super) fn decided<T>(
        &self,
        (kind, request): Asked,
        name: &str,
        book: &AddressBook,
        own: &Certificate,
        open: impl FnOnce(&Reading<'_>, &OpeningKey) -> Result<T, OpenedError>,
    ) -> Result<T, OpenedError> {
        let key = self.reader_key(name)?;
        let ask = ReleaseAsk {
            kind,
            request,
            reader: key.public().clone(),
        };
        let standing = Standing::fetch(self.client(), &ask.access(self.participant()))?;
        let reading = Reading {
            sdk: self,
            book,
            own,
            ask: &ask,
            standing: &standing,
        };
        open(&reading, &key)
    }
}
