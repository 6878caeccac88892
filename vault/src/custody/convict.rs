//! Judging evidence against what the ledger says.
//!
//! What always holds: nobody is convicted whose signature is not under the statement that is wrong, a
//! message or the event that stands on the ledger;
//! whoever followed the protocol is not convicted whatever others show.

use super::deal::Acknowledgement;
use super::evidence::Evidence;
use super::opening::Opening;
use super::place::{Custodied, Place};
use super::points::Points;
use super::refusal::Decided;
use super::release::Release;
use super::sharing::Share;
use super::shown::SealedAs;
use super::signed::{Body, Signed};
use crate::secret::VaultPart;
use medanchor_ledger::event::ReaderKey;
use medanchor_ledger::rules::{Consent, Record};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{ConsentHandle, EventId, Index, ParticipantName, Time, VaultPartHash};

/// What the ledger says of those whom evidence names.
pub trait Known {
    /// Every key that a participant's signatures were ever judged by.
    fn signing_keys(&self, name: &ParticipantName) -> Vec<PublicKey>;
    /// The share key of this custodian in the set of that epoch, if it stood at that place.
    fn share_key(&self, place: &Place) -> Option<ReaderKey>;
    /// The reader's key that a request names.
    fn reader_key(&self, request: &EventId) -> Option<ReaderKey>;
    /// The hash of the vault's part that an owner anchored for a record.
    fn vault_part(&self, record: &Custodied) -> Option<VaultPartHash>;
    /// What an owner anchored for a record whose key it shared out.
    fn sealed_as(&self, record: &Custodied) -> Option<SealedAs>;
    /// Where on the ledger an event stands whose receipt is known.
    fn place_of(&self, event: &EventId) -> Option<Index>;
    /// How a request was decided.
    fn decided(&self, request: &EventId) -> Option<Decided>;
    /// A record as it stood after the block of that time.
    fn record(&self, record: &Custodied) -> Option<(Time, Record)>;
    /// A consent as it stood after the block of that time.
    fn consent(&self, owner: &ParticipantName, consent: &ConsentHandle) -> Option<(Time, Consent)>;
}

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Breach {
    /// Dealt a share that does not fit the points it signed.
    BadDeal,
    /// Released another share than it acknowledged.
    BadRelease,
    /// Answered one request in two ways.
    TwoReleases,
    /// Released another part than it anchored.
    BadVaultRelease,
    /// Gave a sub-share that does not fit the sub-points it signed.
    BadSubShare,
    /// Did not share out its own share.
    BadSubPoints,
    /// Anchored a check value that is not that of the record's key.
    WrongKeyCheck,
    /// Anchored a sealed payload that does not open with the record's key.
    WrongPayload,
    /// Anchored a commitment to another document than it sealed.
    WrongCommitment,
    /// Refused its part of the key for a request that was permitted.
    Refused,
    /// The same, for a reason that the ledger contradicts.
    RefusedFalsely,
    /// Released a share for a request that was denied.
    ReleasedDenied,
    /// Released a share of another record than the request was for.
    ReleasedOther,
    /// Released a share before its request was on the ledger.
    ReleasedEarly,
}

impl Breach {
    /// The code that programs read; it never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadDeal => "bad-deal",
            Self::BadRelease => "bad-release",
            Self::TwoReleases => "two-releases",
            Self::BadVaultRelease => "bad-vault-release",
            Self::BadSubShare => "bad-sub-share",
            Self::BadSubPoints => "bad-sub-points",
            Self::WrongKeyCheck => "wrong-key-check",
            Self::WrongPayload => "wrong-payload",
            Self::WrongCommitment => "wrong-commitment",
            Self::Refused => "refused",
            Self::RefusedFalsely => "refused-falsely",
            Self::ReleasedDenied => "released-denied",
            Self::ReleasedOther => "released-other",
            Self::ReleasedEarly => "released-early",
        }
    }

    /// What was done, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadDeal => "dealt a share that does not fit the points that it signed with it",
            Self::BadRelease => "released another share than the one that it acknowledged",
            Self::TwoReleases => "answered one request in two ways",
            Self::BadVaultRelease => "released another part of the key than it anchored",
            Self::BadSubShare => {
                "moved a share that does not fit the points that it signed with it"
            }
            Self::BadSubPoints => "moved something else than its own share",
            Self::WrongKeyCheck => "anchored a check value that is not that of the record's key",
            Self::WrongPayload => {
                "anchored a sealed payload that does not open with the record's key"
            }
            Self::WrongCommitment => "anchored a commitment to another document than it sealed",
            Self::Refused => "refused its part of the key for a request that was permitted",
            Self::RefusedFalsely => {
                "refused its part of the key for a request that was permitted, for a reason that the ledger contradicts"
            }
            Self::ReleasedDenied => "released its share for a request that was denied",
            Self::ReleasedOther => {
                "released its share of another record than the one that the request was for"
            }
            Self::ReleasedEarly => "released its share before the request was on the ledger",
        }
    }
}

/// Whom evidence convicts, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convicted {
    /// The participant.
    pub who: ParticipantName,
    /// What it did.
    pub of: Breach,
}

/// Why evidence convicts nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unconvincing {
    /// The accused did not sign it.
    #[error("{who} did not sign what it is accused of; do not trust whoever gave the evidence")]
    Signature {
        /// The accused.
        who: ParticipantName,
    },
    /// The ledger does not know the custodian, request or record.
    #[error(
        "the ledger has no such custodian, request or record; use that network's ledger, up to date"
    )]
    Unknown,
    /// The opening is of another key.
    #[error(
        "the evidence opens with a key that the message was not sealed to; do not trust whoever gave it"
    )]
    OtherKey,
    /// The contents are not what was sealed.
    #[error(
        "the contents that the evidence shows are not what was sealed; do not trust whoever gave it"
    )]
    NotInside,
    /// What was sealed is right.
    #[error("what was sealed is right; the accuser lies")]
    Right,
    /// The parts of the key are not the anchored ones.
    #[error(
        "the parts of the key are not those that the ledger's points and hash stand for; do not trust whoever gave the evidence"
    )]
    OtherParts,
    /// The sealed payload is not the anchored one.
    #[error(
        "the sealed payload is not the one whose hash was anchored; do not trust whoever gave the evidence"
    )]
    OtherPayload,
    /// The sealed payload is of a format that is not known.
    #[error("the sealed payload is of a format that this release does not open; use a newer one")]
    Format,
    /// The request was denied.
    #[error("the ledger did not permit the request that was refused; nobody is convicted")]
    NotPermitted,
    /// It was too late.
    #[error(
        "at the time that the refusal states the permit was over, which lives five minutes; nobody is convicted"
    )]
    PermitOver,
    /// The rules allow the reason.
    #[error(
        "the reason that the refusal gives is one by the rules, and the ledger in the file does not contradict it; nobody is convicted"
    )]
    GoodReason,
    /// The state is from before what it would contradict.
    #[error(
        "the ledger's state in the evidence says nothing of that time: it must be of {} ms since 1970 or later; make the evidence again then", from.0
    )]
    TooEarly {
        /// The first time of a block that serves.
        from: Time,
    },
    /// The release is not in the log.
    #[error(
        "the release is not in the log whose root was anchored; do not trust whoever gave the evidence"
    )]
    NotLogged,
    /// There was a permitted access before the log was anchored.
    #[error(
        "the request was permitted for this record, and on the ledger before the log that has the release; nobody is convicted"
    )]
    Accounted,
    /// The messages are not about the same thing, or say the same.
    #[error("the messages of the evidence do not contradict each other; nobody is convicted")]
    Unrelated,
}

pub(super) fn judge(evidence: &Evidence, known: &impl Known) -> Result<Convicted, Unconvincing> {
    match evidence {
        Evidence::Deal(deal, opening) => {
            let says = deal.says();
            signed(deal, &says.record.owner, known)?;
            let key = known.share_key(&says.place).ok_or(Unconvincing::Unknown)?;
            let inside = opening.show(&key, &says.context(), &says.sealed)?;
            wrong_share(inside.as_deref(), &says.place, &says.points)?;
            Ok(convicted(&says.record.owner, Breach::BadDeal))
        }
        Evidence::Release {
            release,
            acknowledgement,
            points,
            opening,
        } => judge_release(release, (acknowledgement, points), opening, known),
        Evidence::TwoReleases(one, other) => {
            let (first, second) = (one.says(), other.says());
            let custodian = &first.place.custodian;
            signed(one, custodian, known)?;
            signed(other, custodian, known)?;
            let same_request = first.request == second.request
                && first.record.record.network == second.record.record.network
                && *custodian == second.place.custodian;
            if !same_request || first == second {
                return Err(Unconvincing::Unrelated);
            }
            Ok(convicted(custodian, Breach::TwoReleases))
        }
        Evidence::VaultRelease(release, opening) => {
            let says = release.says();
            signed(release, &says.record.owner, known)?;
            let key = known
                .reader_key(&says.request)
                .ok_or(Unconvincing::Unknown)?;
            let anchored = known
                .vault_part(&says.record)
                .ok_or(Unconvincing::Unknown)?;
            let inside = opening.show(&key, &says.context(), &says.sealed)?;
            match inside.is_some_and(|part| VaultPart::new(*part).hash() == anchored) {
                true => Err(Unconvincing::Right),
                false => Ok(convicted(&says.record.owner, Breach::BadVaultRelease)),
            }
        }
        Evidence::SubShare(deal, opening) => {
            let says = &deal.says().terms;
            signed(deal, &says.from.custodian, known)?;
            let key = known.share_key(&says.to).ok_or(Unconvincing::Unknown)?;
            let inside = opening.show(&key, &says.context(), &deal.says().sealed)?;
            wrong_share(inside.as_deref(), &says.to, &says.points)?;
            Ok(convicted(&says.from.custodian, Breach::BadSubShare))
        }
        Evidence::Refusal(refusal) => {
            let owner = &refusal.says().record.owner;
            signed(refusal, owner, known)?;
            Ok(convicted(owner, refusal.says().judge(known)?))
        }
        Evidence::Sealing(shown) => {
            let anchored = known.sealed_as(shown.record());
            let of = shown.judge(&anchored.ok_or(Unconvincing::Unknown)?)?;
            Ok(convicted(&shown.record().owner, of))
        }
        Evidence::Logged(logged) => Ok(convicted(logged.custodian(), logged.judge(known)?)),
        Evidence::SubPoints(deal, old) => {
            let says = &deal.says().terms;
            signed(deal, &says.from.custodian, known)?;
            if says.old != old.hash() {
                return Err(Unconvincing::Unrelated);
            }
            match says.is_of(old) && says.continues(old) {
                true => Err(Unconvincing::Right),
                false => Ok(convicted(&says.from.custodian, Breach::BadSubPoints)),
            }
        }
    }
}

fn judge_release(
    release: &Signed<Release>,
    (acknowledgement, points): (&Signed<Acknowledgement>, &Points),
    opening: &Opening,
    known: &impl Known,
) -> Result<Convicted, Unconvincing> {
    let (says, promised) = (release.says(), acknowledgement.says());
    let custodian = &says.place.custodian;
    signed(release, custodian, known)?;
    signed(acknowledgement, custodian, known)?;
    let related = says.record == promised.record
        && says.place == promised.place
        && promised.points == points.hash();
    if !related {
        return Err(Unconvincing::Unrelated);
    }
    let key = known
        .reader_key(&says.request)
        .ok_or(Unconvincing::Unknown)?;
    let inside = opening.show(&key, &says.context(), &says.sealed)?;
    wrong_share(inside.as_deref(), &says.place, points)?;
    Ok(convicted(custodian, Breach::BadRelease))
}

fn signed<T: Body>(
    message: &Signed<T>,
    who: &ParticipantName,
    known: &impl Known,
) -> Result<(), Unconvincing> {
    let keys = known.signing_keys(who);
    let holds = keys.iter().any(|key| message.verify(key).is_ok());
    holds
        .then_some(())
        .ok_or_else(|| Unconvincing::Signature { who: who.clone() })
}

fn wrong_share(
    inside: Option<&[u8; Share::LENGTH]>,
    place: &Place,
    points: &Points,
) -> Result<(), Unconvincing> {
    let share = inside.and_then(Share::decode);
    match share.is_some_and(|share| share.fits(place.index, points)) {
        true => Err(Unconvincing::Right),
        false => Ok(()),
    }
}

fn convicted(who: &ParticipantName, of: Breach) -> Convicted {
    Convicted {
        who: who.clone(),
        of,
    }
}
