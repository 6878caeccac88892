//! Why something was not sealed, signed or anchored.

use crate::context::NoRandomness;
use crate::fhir::Flag;
use crate::identity::IdentityError;
use crate::journal::JournalError;
use crate::token::HandoverError;
use medanchor_ledger::event::BuildError;
use medanchor_ledger::{NetworkId, ParticipantName};
use medanchor_vault::VaultError;
use medanchor_vault::custody::KeyError;

/// Why nothing was signed. No variant holds a payload, a secret or a name of a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SdkError {
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The payload was not sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The event cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A key to read with cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// What another party handed over cannot be used.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// What was handed over is for another network.
    #[error("this is for network {found}, not for {own}; use the identity of that network")]
    OtherNetwork {
        /// The network it is for.
        found: NetworkId,
        /// The identity's network.
        own: NetworkId,
    },
    /// A claim or ticket was made out to somebody else.
    #[error("the {what} is not made out to {own}; ask for one that is")]
    NotForUs {
        /// What was handed over.
        what: &'static str,
        /// The identity's participant.
        own: ParticipantName,
    },
    /// The claim has ended.
    #[error("the claim has ended; ask the patient for a new one")]
    ClaimEnded,
    /// A purpose that the ticket does not hold.
    #[error(
        "the ticket does not allow this purpose; ask for one of its purposes, or for another consent"
    )]
    NoSuchPurpose,
    /// A consent that can never hold.
    #[error("the consent {0}; change it")]
    Consent(&'static str),
    /// A separate consent that the law asks for is not there.
    #[error("the separate consent `{0}` is missing; ask the patient for it and record it")]
    Separate(Flag),
    /// A key that a patient brought and that cannot be taken.
    #[error("the patient's key {0}")]
    SubjectKey(&'static str),
    /// A delegation that cannot carry a consent.
    #[error("the delegation {0}; let the patient, or whoever decides for them now, consent")]
    Delegation(&'static str),
    /// A delegation that cannot be drafted, or is not what the patient approved.
    #[error("the delegation {0}; draft it again and ask the patient")]
    DelegationDraft(&'static str),
    /// A population that cannot be fixed or shown.
    #[error("the population {0}; change it")]
    Population(&'static str),
    /// A word that is empty or too long.
    #[error("a {what} is 1 to {max} bytes of text")]
    Word {
        /// What the word stands for.
        what: &'static str,
        /// The most bytes.
        max: usize,
    },
}
