//! A patient's list of accesses: fetched, proved, and put into words.
//!
//! What always holds: the list speaks of one moment, the oldest block time that the proofs of its
//! quarters reach. Up to that moment it has every event that bears the subject's tags, because each
//! tag's count and chain are proved from the state, and each event's bytes hash to the id in the chain;
//! what came later is left to the next list. Every event moves its tag, reviews of break-glass too, so the
//! absence of a review is proved as well. What could not be proved or fetched is a gap with a reason,
//! never silence.
//!
//! It says nothing of records that were sealed under somebody else's tag, were never anchored, or were
//! shown on a screen by somebody who was permitted to open them (DESIGN.md section 7, The claim).

#[cfg(feature = "client")]
mod fetch;
#[cfg(any(feature = "client", test))]
mod fold;
// Only a list that was fetched is put into these words.
#[cfg_attr(not(feature = "client"), allow(dead_code))]
mod known;
#[cfg(test)]
mod tests;
mod text;

#[cfg(feature = "client")]
pub use fetch::{Asked, last_quarters};
pub(crate) use known::ACTOR;
pub use known::Known;

use crate::access_list::{AccessList, ProvedAt};
use medanchor_ledger::event::ErasureReason;
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::{EventId, Height, RecordHandle, Size, Time};
use medanchor_vault::Epoch;

/// A list that rests on an older block than this, in milliseconds, is refused by whoever is on line
/// (DESIGN.md section 7).
pub const FRESH_MILLIS: u64 = 60 * 1000;

/// One quarter's tag, and what was proved of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarter {
    /// The quarter.
    pub epoch: Epoch,
    /// What was proved, or why nothing was.
    pub proved: Result<QuarterProof, String>,
}

/// What was proved of one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarterProof {
    /// How many events bear it.
    pub count: u64,
    /// Up to this height.
    pub height: Height,
    /// The time of that height's block.
    pub time: Time,
    /// The size of the log at the checkpoint it rests on.
    pub size: Size,
}

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
    /// The accesses, up to when they are all, and the gaps.
    pub list: AccessList,
    /// The quarters that were asked for.
    pub quarters: Vec<Quarter>,
    /// Records that were erased.
    pub erasures: Vec<Erasure>,
    /// Events that the proofs name and no node could show.
    pub unread: Vec<TagLink>,
    /// Requests whose disclosed note is not the one that they committed to: evidence against whoever
    /// disclosed it.
    pub false_notes: Vec<EventId>,
    /// How old the list was when it was made, in milliseconds.
    pub age: u64,
}

impl PatientHistory {
    /// Whether it is too old to show as what stands now.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.age > FRESH_MILLIS
    }

    /// Whether every quarter that was asked for is proved and every event was read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unread.is_empty() && self.quarters.iter().all(|quarter| quarter.proved.is_ok())
    }
}
