//! Why bytes are no document, and why a document proves nothing.

use crate::cbor::CborError;
use crate::event::DecodeError;
use crate::merkle::ProofError;
use crate::receipt::{ReceiptError, Unproved};
use crate::state::{StateKeyError, StateProofError};
use std::fmt;

/// Bytes that are no document of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Longer than any document of its kind.
    #[error("{what} has at most {max} bytes, this has {found}; fetch it again")]
    Size {
        /// The kind of document.
        what: &'static str,
        /// The most bytes it may have.
        max: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Not the one encoding of a document, or of a part of it.
    #[error("the document is malformed: {0}")]
    Decode(#[from] DecodeError),
    /// The seal's receipt is none.
    #[error("the receipt in the document is malformed: {0}")]
    Receipt(#[from] ReceiptError),
    /// The seal's receipt has an extra line, which nobody signed.
    #[error("the receipt in the document has an extra line, which nobody signed; fetch it again")]
    Extra,
    /// The key is none.
    #[error(transparent)]
    Key(#[from] StateKeyError),
    /// A page of a history that is not the last one has no links.
    #[error("a page of a history without links must be the last one; fetch it again")]
    EmptyPage,
}

impl From<CborError> for DocumentError {
    fn from(error: CborError) -> Self {
        Self::Decode(error.into())
    }
}

/// A part of a document, as messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The value, or its absence, of a state document.
    State,
    /// The decided request of an access receipt.
    Request,
    /// The record that was asked for.
    Record,
    /// The consent that it was asked under.
    Consent,
    /// The first consent of that consent's chain.
    FirstConsent,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "value",
            Self::Request => "request",
            Self::Record => "record",
            Self::Consent => "consent",
            Self::FirstConsent => "first consent of the chain",
        })
    }
}

/// A document that proves nothing under this policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotProved {
    /// The seal's receipt proves nothing.
    #[error("the seal is not proved: {0}")]
    Seal(#[from] Unproved),
    /// The seal stands elsewhere in the log than it says.
    #[error(
        "the seal stands elsewhere in the log than it says; do not trust who made the document"
    )]
    SealPlace,
    /// What a part claims does not hold under the seal's state root.
    #[error("the {part} is not what the state of that height holds: {error}")]
    Claim {
        /// The part.
        part: Part,
        /// What does not hold.
        error: StateProofError,
    },
    /// A value is proved, and this release cannot read it.
    #[error("the {part} is proved and cannot be read: {error}; use a newer release")]
    Value {
        /// The part.
        part: Part,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The state document of a history is about another key.
    #[error("the history ends with the state of another key; fetch it again")]
    OtherKey,
    /// A page is of another tag, or does not follow the page before.
    #[error("a page of the history does not follow the one before; give all pages in their order")]
    OtherPage,
    /// There are pages after the last one.
    #[error("there are pages after the last page of the history; give those of one history")]
    AfterLast,
    /// Count or chain of the links are not those that the state holds.
    #[error(
        "these {found} events are not the {proved} that bear the tag: one is missing, added, changed or out of order"
    )]
    Chain {
        /// How many the history lists.
        found: u64,
        /// How many the state says there are.
        proved: u64,
    },
    /// The event is no request for access.
    #[error("the event is no access request; ask for the receipt of one")]
    NotARequest,
    /// The state holds no decision on this very event.
    #[error("the state holds no decision on this event; fetch the access receipt again")]
    NoDecision,
    /// The request is not one of the events of the seal's block.
    #[error(
        "the seal is not that of the height at which the request was decided; fetch the access receipt again"
    )]
    OtherHeight,
    /// The event is not in the log where the decision says.
    #[error("the event is not in the log: {0}")]
    Event(ProofError),
    /// A first consent is shown where there is none, or is missing where there is one.
    #[error(
        "the first consent of the chain is missing or out of place; fetch the access receipt again"
    )]
    Chained,
    /// The block was executed by rules that this release does not have.
    #[error(
        "the block was executed by rules version {found}, this release knows {known}; use a release that has {found}"
    )]
    Rules {
        /// The version of the block.
        found: u32,
        /// The version that this release knows.
        known: u32,
    },
    /// By the rules another decision follows from what is proved.
    #[error("by the rules the decision would be another one; keep this receipt as evidence")]
    Decision,
}
