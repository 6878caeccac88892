//! Holding a release log against the ledger: which releases had no permitted access.
//!
//! What always holds: every entry is looked up; one without a permitted access of this very record,
//! made before the release and no more than five minutes before it, is named with its reason.

use super::log::Released;
use medanchor_ledger::{EventId, Index, ParticipantName, RecordHandle, Time};
use std::collections::BTreeSet;

/// How long a permit lives after its block, in milliseconds (DESIGN.md section 7).
pub const PERMIT: u64 = 5 * 60 * 1000;
/// How far a custodian's clock may stand from block time, in milliseconds.
pub const CLOCK: u64 = 60 * 1000;

/// What the ledger says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whose record it asks for.
    pub owner: ParticipantName,
    /// The record.
    pub record: RecordHandle,
    /// Whether it was permitted, or is a break-glass access.
    pub permitted: bool,
    /// The time of its block.
    pub time: Time,
}

/// Why a release stands outside the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outside {
    /// The ledger has no such request.
    NoRequest,
    /// The request was denied.
    Denied,
    /// The request was for another record.
    OtherRecord,
    /// It was answered before it was committed.
    Early,
    /// It was answered after its permit had died.
    Late,
    /// The log has the request twice.
    Twice,
}

impl Outside {
    /// What happened, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRequest => "released without any request on the ledger",
            Self::Denied => "released although the request was denied",
            Self::OtherRecord => "released for a record that the request did not ask for",
            Self::Early => "released before the request was committed",
            Self::Late => "released after the permit had died",
            Self::Twice => "logged twice for one request",
        }
    }
}

/// A release that no access accounts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its place in the log.
    pub place: Index,
    /// What was released.
    pub released: Released,
    /// Why it stands outside.
    pub why: Outside,
}

/// The releases that the ledger does not account for, in the order of the log. The entries start at
/// place 0; `lookup` gives what the ledger says of a request, if it has it.
///
/// # Errors
/// What `lookup` or the entries' reader say; a failed read is never a finding.
pub fn reconcile<E>(
    entries: impl IntoIterator<Item = Result<Released, E>>,
    mut lookup: impl FnMut(&EventId) -> Result<Option<Access>, E>,
) -> Result<Vec<Finding>, E> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (place, released) in (0..).map(Index).zip(entries) {
        let released = released?;
        let known = lookup(&released.request)?;
        let twice = (!seen.insert(released.request)).then_some(Outside::Twice);
        if let Some(why) = twice.or_else(|| outside(&released, known.as_ref())) {
            findings.push(Finding {
                place,
                released,
                why,
            });
        }
    }
    Ok(findings)
}

fn outside(released: &Released, known: Option<&Access>) -> Option<Outside> {
    let Some(access) = known else {
        return Some(Outside::NoRequest);
    };
    let record = &released.record;
    if !access.permitted {
        Some(Outside::Denied)
    } else if access.owner != record.owner || access.record != record.record.record {
        Some(Outside::OtherRecord)
    } else if released.time.plus_millis(CLOCK) < access.time {
        Some(Outside::Early)
    } else if released.time > access.time.plus_millis(PERMIT + CLOCK) {
        Some(Outside::Late)
    } else {
        None
    }
}
