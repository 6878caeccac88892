//! What an institution does, one file a domain. Each seals or derives what stays at home and gives
//! back signed events; nothing is posted here.
//!
//! What always holds: everything is named by the application's own id (such as the id of a FHIR
//! resource), and handles follow from that name and the vault, so doing a thing again after a crash
//! seals and says the same thing again, and never a second one. The names themselves stay at home.

mod access;
mod ahead;
mod approved;
mod consent;
mod contract;
mod delegation;
mod governance;
mod inspection;
mod prescription;
mod record;
mod renewal;
mod unit;

pub use access::{AccessAsked, BreakGlassAsked, NewAccess, NewBreakGlass, NewReview};
pub use ahead::Ahead;
pub use consent::{Consented, Grantee, NewConsent};
pub use contract::NewContract;
pub(crate) use delegation::DELEGATION;
pub use delegation::{Delegated, Delegation, Majority, Mandate, Minor, NewDelegation, Relation};
pub use inspection::{Draw, FixedPopulation, NewInspection, OpenedInspection};
pub use prescription::{NewPrescription, Prescribed, Redemption};
pub use record::{NewRecord, RecordLabel, SealedRecord};
#[cfg(feature = "client")]
pub(crate) use renewal::Looked;
pub use renewal::{
    ProvedConsent, RENEWAL_LEAD_MILLIS, Renewal, Renewing, RunningConsent, WaitingConsent,
};
#[cfg(feature = "client")]
pub use renewal::{RenewalError, RenewedConsent, RenewedConsents};
pub use unit::{Lot, MAX_UNITS, Pack};

use crate::error::SdkError;
use crate::ticket::MAX_WORD;

/// Refuses a purpose or class that a ticket could not carry.
pub(crate) fn check_word<'a>(what: &'static str, word: &'a str) -> Result<&'a str, SdkError> {
    if (1..=MAX_WORD).contains(&word.len()) {
        Ok(word)
    } else {
        Err(SdkError::Word {
            what,
            max: MAX_WORD,
        })
    }
}

#[cfg(test)]
mod tests;
