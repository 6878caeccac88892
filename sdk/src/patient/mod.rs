//! A patient's list of accesses: fetched, proved, and put into words.
//!
//! What always holds: the list speaks of one moment, the oldest block time that the proofs of its
//! quarters reach. Up to that moment it has every event that bears the subject's tags, because each
//! tag's count and chain are proved from the state, and each event's bytes hash to the id in the chain. An
//! access bears the tag of the quarter in which its record was sealed, so every quarter since the genesis
//! is asked for, and one that is not is a gap;
//! what came later is left to the next list. Every event moves its tag, reviews of break-glass too, so the
//! absence of a review is proved as well. What could not be proved or fetched is a gap with a reason,
//! never silence.
//!
//! It says nothing of records that were sealed under somebody else's tag, were never anchored, or were
//! shown on a screen by somebody who was permitted to open them (DESIGN.md section 7, The claim).

mod consents;
#[cfg(feature = "client")]
mod fetch;
#[cfg(any(feature = "client", test))]
mod fold;
#[cfg(feature = "client")]
mod journal;
// Only a list that was fetched is put into these words.
#[cfg_attr(not(feature = "client"), allow(dead_code))]
mod known;
#[cfg(feature = "client")]
mod other_keys;
#[cfg(test)]
mod tests;
mod text;

pub use consents::{Ended, EndedHow, Ending, ListedConsent, ListedRenewal};
#[cfg(feature = "client")]
pub use fetch::{Asked, MAX_QUARTERS, all_quarters, last_quarters};
pub(crate) use known::ACTOR;
pub use known::Known;

use crate::access_list::{AccessList, ProvedAt};
pub use crate::access_list::{FRESH_MILLIS, Quarter, QuarterProof};
use medanchor_ledger::event::ErasureReason;
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::{EventId, ParticipantName, RecordHandle, Time};

/// A record that was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The record.
    pub record: RecordHandle,
    /// Its address at the owner, where known.
    pub document: Option<String>,
    /// The time of the block.
    pub time: Time,
    /// Why.
    pub reason: ErasureReason,
    /// Where the proof is.
    pub proved: ProvedAt,
}

/// A patient's list at one institution, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientHistory {
    /// The institution.
    pub owner: ParticipantName,
    /// The accesses, up to when they are all, and the gaps.
    pub list: AccessList,
    /// The consents of its quarters whose time has not run out, and who can end them.
    pub consents: Vec<ListedConsent>,
    /// Records that were erased.
    pub erasures: Vec<Erasure>,
    /// Events that the proofs name and no node could show.
    pub unread: Vec<TagLink>,
    /// Requests whose disclosed note is not the one that they committed to: evidence against whoever
    /// disclosed it.
    pub false_notes: Vec<EventId>,
}

impl PatientHistory {
    /// Whether it is too old to show as what stands now.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.list.is_stale()
    }

    /// Whether it has every access to the patient's records ([`AccessList::is_whole`]).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.list.is_whole()
    }

    /// Whether it can be shown as the whole truth of this minute: whole, not old, and with no false note.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.is_whole() && !self.is_stale() && self.false_notes.is_empty()
    }
}
