//! Holding a release log against the ledger: which releases had no permitted access.
//!
//! What always holds: every entry is looked up; one without a permitted access of this very version of this
//! record, made before the release, no more than five minutes before it, and still good then, is named
//! with its reason. That a release came before its request needs no clock where the log was anchored in
//! between; everything else rests on the time that the custodian logged.

use super::log::Released;
use medanchor_ledger::{EventId, Index, ParticipantName, RecordHandle, Size, Time};
use std::collections::BTreeSet;

/// How long a permit lives after its block, in milliseconds (DESIGN.md section 7).
pub const PERMIT: u64 = 5 * 60 * 1000;
/// How old a proof of the ledger may be that a custodian acts on, in milliseconds (DESIGN.md section 7).
pub const FRESH: u64 = 60 * 1000;
/// How far a custodian's clock may stand from block time, in milliseconds.
pub const CLOCK: u64 = 60 * 1000;

/// What the ledger says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Where the request stands in the log, which is where it was decided.
    pub index: Index,
    /// Whose record it asks for.
    pub owner: ParticipantName,
    /// The record.
    pub record: RecordHandle,
    /// The newest version at that place, which is the one it was decided on; 0 if there was no such record.
    pub version: u32,
    /// Whether it was permitted, or is a break-glass access.
    pub permitted: bool,
    /// The time of its block.
    pub time: Time,
    /// What ended it.
    pub ends: Ends,
}

/// What ended a permitted access, as far as something did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The erasure of the record.
    pub erased: Option<End>,
    /// The next version of the record.
    pub superseded: Option<End>,
    /// The revocation of the consent, or of the first one of its chain.
    pub revoked: Option<End>,
    /// The time at which the consent ends by itself.
    pub expired: Option<End>,
}

/// When an access ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The entry of the ledger that says so.
    pub index: Index,
    /// From when on.
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
    /// The request was decided on another version of the record.
    OtherVersion,
    /// The log that has the release was anchored before the request was committed, whatever any clock
    /// said.
    AnchoredFirst,
    /// By its time it was answered before it was committed.
    Early,
    /// It was answered after its permit had died.
    Late,
    /// It was answered after the record was erased.
    AfterErasure,
    /// It was answered after the record had a newer version.
    AfterNewVersion,
    /// It was answered after the consent was revoked, or the first one of its chain.
    AfterRevocation,
    /// It was answered after the consent had ended by itself.
    AfterConsent,
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
            Self::OtherVersion => "released in another version than the request was decided on",
            Self::AnchoredFirst => {
                "released before the request was committed, as the anchored log proves"
            }
            Self::Early => "released before the request was committed",
            Self::Late => "released after the permit had died",
            Self::AfterErasure => "released after the record was erased",
            Self::AfterNewVersion => "released after the record had a newer version",
            Self::AfterRevocation => "released after the consent was revoked",
            Self::AfterConsent => "released after the consent had expired",
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
    /// The entry of the ledger that shows it; none if there is no request.
    pub entry: Option<Index>,
}

/// The releases that the ledger does not account for, in the order of the log. The entries start at
/// place 0; `anchored` are the log's roots on the ledger, each where it stands, in the order of both;
/// `lookup` gives what the ledger says of a request, if it has it.
///
/// # Errors
/// What `lookup` or the entries' reader say; a failed read is never a finding.
pub fn reconcile<E>(
    entries: impl IntoIterator<Item = Result<Released, E>>,
    anchored: &[(Index, Size)],
    mut lookup: impl FnMut(&EventId) -> Result<Option<Access>, E>,
) -> Result<Vec<Finding>, E> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (place, released) in (0..).map(Index).zip(entries) {
        let released = released?;
        let known = lookup(&released.request)?;
        let first = anchored.partition_point(|(_, size)| size.0 <= place.0);
        let bound = anchored.get(first).map(|(index, _)| *index);
        let at = known.as_ref().map(|access| access.index);
        // What proves a breach is not hidden by a second entry that is none.
        let twice = (!seen.insert(released.request)).then_some((Outside::Twice, at));
        if let Some((why, entry)) = outside(&released, known.as_ref(), bound).or(twice) {
            findings.push(Finding {
                place,
                released,
                why,
                entry,
            });
        }
    }
    Ok(findings)
}

/// Why a release stands outside, and the entry that shows it; `bound` is where the ledger first has a root
/// over the release.
fn outside(
    released: &Released,
    known: Option<&Access>,
    bound: Option<Index>,
) -> Option<(Outside, Option<Index>)> {
    let Some(access) = known else {
        return Some((Outside::NoRequest, None));
    };
    let (record, time) = (&released.record, released.time);
    let other = access.owner != record.owner || access.record != record.record.record;
    let before = bound.filter(|bound| *bound < access.index);
    let checks = [
        (!access.permitted, Outside::Denied),
        (other, Outside::OtherRecord),
        (before.is_some(), Outside::AnchoredFirst),
        (
            access.version != record.record.version,
            Outside::OtherVersion,
        ),
        (time.plus_millis(CLOCK) < access.time, Outside::Early),
        (
            time > access.time.plus_millis(PERMIT + CLOCK),
            Outside::Late,
        ),
    ];
    let entry = |why| match why {
        Outside::AnchoredFirst => before,
        _ => Some(access.index),
    };
    let failed = checks.into_iter().find(|(fails, _)| *fails);
    let failed = failed.map(|(_, why)| (why, entry(why)));
    failed.or_else(|| access.ends.before(time))
}

impl Ends {
    /// What had ended so long before `time` that no proof which may be used then could hide it.
    fn before(&self, time: Time) -> Option<(Outside, Option<Index>)> {
        let ends = [
            (self.erased, Outside::AfterErasure),
            (self.superseded, Outside::AfterNewVersion),
            (self.revoked, Outside::AfterRevocation),
            (self.expired, Outside::AfterConsent),
        ];
        let past = |end: &End| time > end.time.plus_millis(FRESH + CLOCK);
        let mut past = ends
            .into_iter()
            .filter_map(|(end, why)| Some((why, end.filter(past)?)));
        past.next().map(|(why, end)| (why, Some(end.index)))
    }
}
