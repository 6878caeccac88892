//! What the ledger says of an access at one height, and whether a part of the key may go out on it.
//!
//! What always holds: every fact comes from one proved height; a release needs an access that was
//! permitted for this very key, is younger than the permit's life, rests on a consent that still
//! stands, and is about a record that is not erased; and a proof that is itself fresh by the clock of
//! whoever judges. Care under break-glass needs no consent, and stays under review.

use medanchor_ledger::event::ReaderKey;
use medanchor_ledger::rules::{Anchored, BreakGlass, Consent, Decision, Record, Request};
use medanchor_ledger::{EventId, Height, Index, ParticipantName, RecordHandle, Time};

/// How long things may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How old a proof may be, in milliseconds.
    pub freshness: u64,
    /// How long a permit lives after its block, in milliseconds.
    pub permit: u64,
}

impl Default for Terms {
    /// A proof of the last minute, a permit of five (DESIGN.md section 7, Accountable access).
    fn default() -> Self {
        Self {
            freshness: 60 * 1000,
            permit: 5 * 60 * 1000,
        }
    }
}

/// Why no part of a key goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The ledger has no such request.
    #[error("the ledger has no such request of yours; anchor it first, and ask again")]
    UnknownRequest,
    /// The ledger denied it.
    #[error("the ledger denied this request; its access receipt says why")]
    Denied,
    /// The permit's life is over.
    #[error("the permit is over: it lives five minutes; make a new request")]
    PermitOver,
    /// The proof is too old, or from the future.
    #[error(
        "the newest proof of the ledger is not of the last minute; look at the network and at the clocks, and try again"
    )]
    Stale,
    /// The consent, or the first one of its chain, ended.
    #[error("the consent that the request rests on has ended; ask for a new one")]
    ConsentEnded,
    /// The record is erased.
    #[error("the record is erased")]
    Erased,
    /// The record has a newer version than the one that access was decided on.
    #[error("the record has a newer version than when access was decided; make a new request")]
    Superseded,
    /// The key is another than the request names.
    #[error(
        "the key is not the one that the request names; send the public key whose hash is in the request"
    )]
    OtherKey,
    /// The record's key was not shared over custodians.
    #[error("the record's key was not shared over custodians; ask its owner")]
    NoCustody,
    /// Whoever was asked holds no part of this record's key.
    #[error(
        "no part of this record's key is kept here; ask the custodians of its epoch, and its owner"
    )]
    NotHere,
}

impl Refused {
    /// The code that programs read; it never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownRequest => "custody.unknown-request",
            Self::Denied => "custody.denied",
            Self::PermitOver => "custody.permit-over",
            Self::Stale => "custody.stale-proof",
            Self::ConsentEnded => "custody.consent-ended",
            Self::Erased => "custody.record-erased",
            Self::Superseded => "custody.record-superseded",
            Self::OtherKey => "custody.other-key",
            Self::NoCustody => "custody.no-custody",
            Self::NotHere => "custody.not-here",
        }
    }

    /// Whether the same request may be granted a little later.
    #[must_use]
    pub const fn may_pass_later(self) -> bool {
        matches!(self, Self::Stale | Self::UnknownRequest)
    }
}

/// What the ledger says of an access, all at one height.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The height.
    pub height: Height,
    /// The time of its block.
    pub time: Time,
    /// The event that asked.
    pub event: EventId,
    /// The time of the block that decided.
    pub decided: Time,
    /// Who owns the record.
    pub owner: ParticipantName,
    /// The record, among the owner's.
    pub record: RecordHandle,
    /// The key that the request names.
    pub reader: ReaderKey,
    /// The record as it stands.
    pub state: Record,
    /// Whether the access was permitted.
    permitted: bool,
    /// Where the ledger decided.
    place: Index,
    /// Whether what it was permitted on still stands.
    stands: bool,
    /// When that ends by itself, if it does.
    until: Option<Time>,
}

impl Standing {
    /// Whether a part of the record's key may be released to `reader` at `now`.
    ///
    /// # Errors
    /// The first reason that stands against it.
    pub fn judge(&self, reader: &ReaderKey, now: Time, terms: &Terms) -> Result<(), Refused> {
        let age = |since: Time| now.0.saturating_sub(since.0);
        let checks = [
            (self.permitted, Refused::Denied),
            (self.reader == *reader, Refused::OtherKey),
            (
                now.0.abs_diff(self.time.0) <= terms.freshness,
                Refused::Stale,
            ),
            (age(self.decided) <= terms.permit, Refused::PermitOver),
            (self.state.erased.is_none(), Refused::Erased),
            // A later version may be of a class that nobody consented to.
            (self.state.newest().index < self.place, Refused::Superseded),
            (self.stands, Refused::ConsentEnded),
            (
                self.until.is_none_or(|until| now < until),
                Refused::ConsentEnded,
            ),
        ];
        let failed = checks.into_iter().find(|(holds, _)| !holds);
        failed.map_or(Ok(()), |(_, refused)| Err(refused))
    }

    /// Of an `access.request`; `consent` and `first` as the state holds them at the same height.
    #[must_use]
    pub fn of_request(
        at: (Height, Time),
        request: Request,
        state: Record,
        consent: Option<&Consent>,
        first: Option<&Consent>,
    ) -> Self {
        let stands = consent.is_some_and(|consent| stands(consent, first, at.1));
        let until = consent.map(|consent| consent.not_after);
        Self::of(at, request.into(), state, (stands, until))
    }

    /// Of an `access.break-glass`, which rests on nothing that could end.
    #[must_use]
    pub fn of_break_glass(at: (Height, Time), request: BreakGlass, state: Record) -> Self {
        Self::of(at, request.into(), state, (true, None))
    }

    fn of(
        (height, time): (Height, Time),
        decided: Decided,
        state: Record,
        (stands, until): (bool, Option<Time>),
    ) -> Self {
        Self {
            height,
            time,
            event: decided.requested.event,
            decided: decided.time,
            owner: decided.owner,
            record: decided.record,
            reader: decided.reader,
            state,
            permitted: decided.decision == Decision::Permitted,
            place: decided.requested.index,
            stands,
            until,
        }
    }
}

/// What the state holds of an access, by whichever event it was asked for.
struct Decided {
    requested: Anchored,
    decision: Decision,
    time: Time,
    owner: ParticipantName,
    record: RecordHandle,
    reader: ReaderKey,
}

impl From<Request> for Decided {
    fn from(request: Request) -> Self {
        Self {
            requested: request.requested,
            decision: request.decision,
            time: request.time,
            owner: request.owner,
            record: request.record,
            reader: request.reader_key,
        }
    }
}

impl From<BreakGlass> for Decided {
    fn from(request: BreakGlass) -> Self {
        Self {
            requested: request.requested,
            decision: request.decision,
            time: request.time,
            owner: request.owner,
            record: request.record,
            reader: request.reader_key,
        }
    }
}

/// Whether a consent holds at a time, and the first one of its chain, where it names one.
fn stands(consent: &Consent, first: Option<&Consent>, time: Time) -> bool {
    let first_stands = match consent.root {
        None => true,
        Some(_) => first.is_some_and(|first| first.revoked.is_none()),
    };
    consent.revoked.is_none()
        && first_stands
        && consent.not_before <= time
        && time < consent.not_after
}

#[cfg(feature = "client")]
pub(crate) mod proved;
#[cfg(feature = "client")]
pub use proved::StandingError;

#[cfg(test)]
mod tests;
