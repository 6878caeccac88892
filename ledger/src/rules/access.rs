//! Access: a request is decided at its place in the log, and the decision is kept, permitted or
//! denied.
//!
//! What always holds: a request is permitted if and only if the record is known and not erased, the
//! consent stands in the record owner's name and holds at the block's time, and it covers the record's tag and
//! class, the purpose and the requester. Otherwise it is denied for the first reason that applies,
//! in the order of [`DenialReason`]'s codes. Every decision on a known record moves its tag.

use super::break_glass::require_new;
use super::value::{StateValue, kind, read_name};
use super::{Anchored, Consent, Record, Refusal, Rule, Turn, tag};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{AccessRequest, DecodeError, ReaderKey};
use crate::state::StateKey;
use crate::{ConsentHandle, ParticipantName, ReadFailed, RecordHandle, RequestHandle, Time};

/// The most requests of one participant that one block may deny.
const MAX_DENIALS: u16 = 256;

/// Why a request was denied. The codes are frozen, and their order is that of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum DenialReason {
    /// The owner has sealed no such record.
    UnknownRecord = 1,
    /// The owner has granted no such consent.
    UnknownConsent = 2,
    /// The consent, or the first one of its chain, was revoked.
    Revoked = 3,
    /// The consent does not hold yet.
    NotYetValid = 4,
    /// The consent holds no longer.
    Expired = 5,
    /// The consent does not cover the record's tag.
    Tag = 6,
    /// The consent does not cover the record's class.
    Class = 7,
    /// The consent does not cover the purpose.
    Purpose = 8,
    /// The requester has not shown to be one of the consent's grantees.
    Grantee = 9,
    /// The record was erased.
    Erased = 10,
}

impl DenialReason {
    /// Every reason, in the order of the checks.
    pub const ALL: [Self; 10] = [
        Self::UnknownRecord,
        Self::UnknownConsent,
        Self::Revoked,
        Self::NotYetValid,
        Self::Expired,
        Self::Tag,
        Self::Class,
        Self::Purpose,
        Self::Grantee,
        Self::Erased,
    ];

    /// The code on the wire, above 0.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::UnknownRecord => 1,
            Self::UnknownConsent => 2,
            Self::Revoked => 3,
            Self::NotYetValid => 4,
            Self::Expired => 5,
            Self::Tag => 6,
            Self::Class => 7,
            Self::Purpose => 8,
            Self::Grantee => 9,
            Self::Erased => 10,
        }
    }

    /// The code that people read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownRecord => "access.unknown-record",
            Self::UnknownConsent => "access.unknown-consent",
            Self::Revoked => "access.consent-revoked",
            Self::NotYetValid => "access.consent-not-yet-valid",
            Self::Expired => "access.consent-expired",
            Self::Tag => "access.tag-not-covered",
            Self::Class => "access.class-not-covered",
            Self::Purpose => "access.purpose-not-covered",
            Self::Grantee => "access.not-a-grantee",
            Self::Erased => "access.record-erased",
        }
    }
}

/// What was decided on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The requester may read.
    Permitted,
    /// The requester may not read.
    Denied(DenialReason),
}

impl Decision {
    /// The code in states and tag chains: 0 for permitted, else the reason's.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Permitted => 0,
            Self::Denied(reason) => reason.code(),
        }
    }

    /// The decision with this code, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        let reason = DenialReason::ALL
            .into_iter()
            .find(|reason| reason.code() == code);
        if code == 0 {
            Some(Self::Permitted)
        } else {
            reason.map(Self::Denied)
        }
    }
}

/// A decided request, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The `access.request`.
    pub requested: Anchored,
    /// What was decided.
    pub decision: Decision,
    /// The time of the block that decided.
    pub time: Time,
    /// Who sealed the record.
    pub owner: ParticipantName,
    /// The record.
    pub record: RecordHandle,
    /// The consent it was asked under.
    pub consent: ConsentHandle,
    /// The key that the record's key may be sealed to.
    pub reader_key: ReaderKey,
}

impl Request {
    /// Where the state holds `requester`'s request.
    #[must_use]
    pub fn key(requester: &ParticipantName, request: &RequestHandle) -> StateKey {
        StateKey::owned(kind::ACCESS, requester, request.as_bytes())
    }
}

impl StateValue for Request {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.requested.write(writer.array(8));
        writer
            .uint(u64::from(self.decision.code()))
            .uint(self.time.0);
        writer.text(self.owner.as_str());
        writer.bytes(self.record.as_bytes());
        writer.bytes(self.consent.as_bytes());
        writer.bytes(&self.reader_key.encode());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(8..=8)?;
        Ok(Self {
            requested: Anchored::read(reader)?,
            decision: read_decision(reader)?,
            time: Time(reader.uint()?),
            owner: read_name(reader)?,
            record: RecordHandle::new(reader.fixed()?),
            consent: ConsentHandle::new(reader.fixed()?),
            reader_key: ReaderKey::read(reader)?,
        })
    }
}

pub(super) fn read_decision(reader: &mut Reader<'_>) -> Result<Decision, DecodeError> {
    let value = reader.fault(CborFault::Value);
    Decision::from_code(reader.narrow()?).ok_or(value.into())
}

/// `access.request`: the handle is new; then the request is decided, and both are kept.
pub(super) fn request(turn: &mut Turn<'_, '_>, body: &AccessRequest) -> Result<(), Refusal> {
    let key = Request::key(turn.signer_name(), &body.request);
    require_new(turn, &body.request)?;
    let record: Option<Record> = turn.read(&Record::key(&body.owner, &body.record))?;
    let decision = decide(turn, body, record.as_ref())?;
    if decision != Decision::Permitted {
        keep_denials_few(turn)?;
    }
    let request = Request {
        requested: turn.anchored(),
        decision,
        time: turn.time(),
        owner: body.owner.clone(),
        record: body.record,
        consent: body.consent,
        reader_key: body.reader_key,
    };
    turn.write(key, &request);
    if let Some(record) = record {
        tag::index(turn, &body.owner, &record.tag, decision.code())?;
    }
    Ok(())
}

/// Counts the event as a denied request, if the signer has not too many of them in this block.
pub(super) fn keep_denials_few(turn: &mut Turn<'_, '_>) -> Result<(), Rule> {
    if turn.denials() >= MAX_DENIALS {
        return Err(Rule::AccessDenials);
    }
    turn.count_denial();
    Ok(())
}

fn decide(
    turn: &Turn<'_, '_>,
    body: &AccessRequest,
    record: Option<&Record>,
) -> Result<Decision, ReadFailed> {
    let read = |consent: &ConsentHandle| turn.read::<Consent>(&Consent::key(&body.owner, consent));
    let consent = record.map_or(Ok(None), |_| read(&body.consent))?;
    let first = consent.as_ref().and_then(|consent| consent.root);
    let grounds = Grounds {
        record,
        consent: consent.as_ref(),
        first: first.map_or(Ok(None), |first| read(&first))?,
    };
    Ok(grounds.decide(body, turn.signer_name(), turn.time()))
}

/// What a request is decided on.
pub(crate) struct Grounds<'g> {
    /// The record that is asked for.
    pub(crate) record: Option<&'g Record>,
    /// The consent that it is asked under.
    pub(crate) consent: Option<&'g Consent>,
    /// The first consent of its chain, where it names one.
    pub(crate) first: Option<Consent>,
}

impl Grounds<'_> {
    /// The decision on a request of `requester` in a block of that time.
    pub(crate) fn decide(
        &self,
        body: &AccessRequest,
        requester: &ParticipantName,
        time: Time,
    ) -> Decision {
        self.denial(body, requester, time)
            .map_or(Decision::Permitted, Decision::Denied)
    }

    fn denial(
        &self,
        body: &AccessRequest,
        requester: &ParticipantName,
        time: Time,
    ) -> Option<DenialReason> {
        let Some(record) = self.record else {
            return Some(DenialReason::UnknownRecord);
        };
        let Some(consent) = self.consent else {
            return Some(DenialReason::UnknownConsent);
        };
        let grantee = body.opening.grantee(requester, body.member.as_ref());
        let checks = [
            (!self.is_revoked(consent), DenialReason::Revoked),
            (consent.not_before <= time, DenialReason::NotYetValid),
            (time < consent.not_after, DenialReason::Expired),
            (consent.tags.contains(&record.tag), DenialReason::Tag),
            (consent.classes.contains(&record.class), DenialReason::Class),
            (
                consent.purposes.contains(&body.purpose),
                DenialReason::Purpose,
            ),
            (consent.grantees.contains(&grantee), DenialReason::Grantee),
            (record.erased.is_none(), DenialReason::Erased),
        ];
        let failed = checks.into_iter().find(|(holds, _)| !holds);
        failed.map(|(_, reason)| reason)
    }

    /// Whether the consent, or the first one of its chain, was revoked.
    fn is_revoked(&self, consent: &Consent) -> bool {
        let first = self.first.as_ref();
        // A chain's first consent is never removed; should it be missing, nothing stands on it.
        let first_stands = first.is_some_and(|first| first.revoked.is_none());
        consent.revoked.is_some() || (consent.root.is_some() && !first_stands)
    }
}
