//! What an application embeds to put its prescriptions, drug packs and records on the ledger.

#[cfg(feature = "client")]
mod anchor;
mod armor;
#[cfg(feature = "client")]
pub mod client;
pub mod context;
pub mod domain;
mod error;
pub mod identity;
pub mod import;
pub mod journal;
pub mod receipt;
#[cfg(test)]
mod testing;
mod ticket;
mod token;

#[cfg(feature = "client")]
pub use anchor::{AnchorError, InFlight, Refusal, Sdk};
pub use armor::NotThatText;
#[cfg(feature = "client")]
pub use client::{Client, ClientConfig, ClientError, Posted, Problem};
pub use context::{Context, System};
pub use domain::*;
pub use error::SdkError;
pub use identity::{Identity, IdentityError};
pub use medanchor_ledger::event::Event as SignedEvent;
pub use medanchor_ledger::event::{Fraction, VoidReason};
pub use medanchor_ledger::policy::Policy;
pub use medanchor_ledger::rules::{Decision, DenialReason};
pub use medanchor_vault::CodeScheme;
pub use receipt::{Anchored, ProofError, verify_receipt, verify_receipt_in};
pub use ticket::{GrantTicket, GrantedRecord};
pub use token::{HandoverError, PatientToken, SignedClaim};
