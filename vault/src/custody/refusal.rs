//! A signed refusal: the owner of a record says that it does not give its part of the key on a request,
//! and why.
//!
//! What always holds: it is signed under a domain of its own, and names request, record, version and the
//! key that was shown, so that it is of one request alone; code and time are its signer's own words.
//!
//! | key | refusal, domain `medanchor/refusal/v1` |
//! |---|---|
//! | 1 to 4 | network id, owner, record, version |
//! | 5 | request: the id of its event (32 bytes) |
//! | 6 | the reader's key that was shown: suite and hash (33 bytes) |
//! | 7 | the problem's code (text, 1 to 64 of `a-z`, `0-9`, `.`, `-`) |
//! | 8 | when: milliseconds since 1970 by the owner's clock |

use super::convict::{Breach, Known, Unconvincing};
use super::place::Custodied;
use super::signed::Body;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::event::{KemSuite, ReaderKey};
use medanchor_ledger::rules::{BreakGlass, Decision, Request};
use medanchor_ledger::{ConsentHandle, EventId, Index, ParticipantName, RecordHandle, Time};
use std::fmt;
use std::str::FromStr;

/// How long a permit lives after its block, in milliseconds (DESIGN.md section 7, Accountable access).
pub const PERMIT_MILLIS: u64 = 5 * 60 * 1000;
/// How long after a refusal the ledger's state must be that contradicts it: an owner judges by a block
/// that may be younger than its clock says.
const SETTLED_MILLIS: u64 = 5 * 60 * 1000;
/// How long an owner that has begun to erase a record has to say so on the ledger.
const ERASING_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// Why an owner refuses, as the code of its problem document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalCode(Box<str>);

/// Text that is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code has 1 to 64 letters a to z, digits, dots and dashes")]
pub struct NotACode;

/// An owner's refusal of its part of a record's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which record's key.
    pub record: Custodied,
    /// The request's event.
    pub request: EventId,
    /// The key that was shown.
    pub reader: ReaderKey,
    /// Why.
    pub code: RefusalCode,
    /// When, by the owner's clock.
    pub time: Time,
}

/// A request as the ledger decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Whether it was permitted.
    pub permitted: bool,
    /// The time of the block that decided.
    pub time: Time,
    /// Where in the log.
    pub place: Index,
    /// Whose record.
    pub owner: ParticipantName,
    /// Which.
    pub record: RecordHandle,
    /// The key that the request names.
    pub reader: ReaderKey,
    /// The consent that it rests on; none by break-glass.
    pub consent: Option<ConsentHandle>,
}

impl From<Request> for Decided {
    fn from(request: Request) -> Self {
        Self {
            permitted: request.decision == Decision::Permitted,
            time: request.time,
            place: request.requested.index,
            owner: request.owner,
            record: request.record,
            reader: request.reader_key,
            consent: Some(request.consent),
        }
    }
}

impl From<BreakGlass> for Decided {
    fn from(request: BreakGlass) -> Self {
        Self {
            permitted: request.decision == Decision::Permitted,
            time: request.time,
            place: request.requested.index,
            owner: request.owner,
            record: request.record,
            reader: request.reader_key,
            consent: None,
        }
    }
}

impl RefusalCode {
    /// The longest code.
    pub const MAX_LENGTH: usize = 64;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RefusalCode {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, NotACode> {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
        let sound = (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(plain);
        sound.then(|| Self(text.into())).ok_or(NotACode)
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Refusal {
    /// The latest time at which an owner still had to give its part on a request.
    #[must_use]
    pub const fn permit_ends(decided: &Decided) -> Time {
        Time(decided.time.0.saturating_add(PERMIT_MILLIS))
    }

    /// What the refusal convicts of, by what the ledger says.
    pub(super) fn judge(&self, known: &impl Known) -> Result<Breach, Unconvincing> {
        let decided = known.decided(&self.request).ok_or(Unconvincing::Unknown)?;
        if decided.owner != self.record.owner || decided.record != self.record.record.record {
            return Err(Unconvincing::Unrelated);
        }
        if !decided.permitted {
            return Err(Unconvincing::NotPermitted);
        }
        if self.time > Self::permit_ends(&decided) {
            return Err(Unconvincing::PermitOver);
        }
        let contradicted = match self.code.as_str() {
            // By its own time, and by the decision, neither is so.
            "custody.permit-over" | "custody.denied" => true,
            "custody.other-key" => self.reader == decided.reader,
            "custody.consent-ended" => self.consent_stood(&decided, known)?,
            "custody.record-superseded" => self.was_newest(&decided, known)?,
            "custody.record-erased" => self.was_there(ERASING_MILLIS, known)?,
            "custody.stale-proof" | "custody.ledger-unreachable" => false,
            // What is erased need not be given, whatever is said of it.
            _ => match self.was_there(0, known)? {
                true => return Ok(Breach::Refused),
                false => false,
            },
        };
        match contradicted {
            true => Ok(Breach::RefusedFalsely),
            false => Err(Unconvincing::GoodReason),
        }
    }

    /// Whether the consent, and the first one of its chain, stood when it was refused: a revocation that
    /// came between the refusal and the proof speaks for the owner.
    fn consent_stood(&self, decided: &Decided, known: &impl Known) -> Result<bool, Unconvincing> {
        let Some(handle) = &decided.consent else {
            // Break-glass rests on none.
            return Ok(true);
        };
        let at = |handle| {
            let found = known.consent(&decided.owner, handle);
            found.ok_or(Unconvincing::Unknown)
        };
        let (time, consent) = at(handle)?;
        if consent.revoked.is_some() || self.time.plus_millis(SETTLED_MILLIS) >= consent.not_after {
            return Ok(false);
        }
        self.require_settled(time, SETTLED_MILLIS)?;
        let Some(root) = &consent.root else {
            return Ok(true);
        };
        let (time, first) = at(root)?;
        if first.revoked.is_some() {
            return Ok(false);
        }
        self.require_settled(time, SETTLED_MILLIS).map(|()| true)
    }

    fn was_newest(&self, decided: &Decided, known: &impl Known) -> Result<bool, Unconvincing> {
        let found = known.record(&self.record);
        let (time, record) = found.ok_or(Unconvincing::Unknown)?;
        if record.newest().index >= decided.place {
            return Ok(false);
        }
        self.require_settled(time, SETTLED_MILLIS).map(|()| true)
    }

    fn was_there(&self, after: u64, known: &impl Known) -> Result<bool, Unconvincing> {
        let found = known.record(&self.record);
        let (time, record) = found.ok_or(Unconvincing::Unknown)?;
        if record.erased.is_some() {
            return Ok(false);
        }
        self.require_settled(time, after).map(|()| true)
    }

    /// What stands in a state speaks against the owner only if that state is late enough.
    fn require_settled(&self, proved: Time, after: u64) -> Result<(), Unconvincing> {
        let from = self.time.plus_millis(after);
        match proved >= from {
            true => Ok(()),
            false => Err(Unconvincing::TooEarly { from }),
        }
    }
}

impl Body for Refusal {
    const DOMAIN: &'static [u8] = b"medanchor/refusal/v1";

    fn write(&self, writer: &mut Writer) {
        self.record.write(writer.map(8));
        writer.key(5).bytes(self.request.as_bytes());
        writer.key(6).bytes(&self.reader.encode());
        writer.key(7).text(self.code.as_str());
        writer.key(8).uint(self.time.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.map(8)?;
        let record = Custodied::read(reader)?;
        let request = EventId::new(reader.key(5)?.fixed()?);
        let key = reader.key(6)?;
        let value = key.fault(CborFault::Value);
        let (suite, hash) = match key.fixed::<33>()? {
            [1, hash @ ..] => (KemSuite::X25519, hash),
            [2, hash @ ..] => (KemSuite::XWing, hash),
            _ => return Err(value),
        };
        Ok(Self {
            record,
            request,
            reader: ReaderKey { suite, hash },
            code: reader.key(7)?.parsed(RefusalCode::MAX_LENGTH)?,
            time: Time(reader.key(8)?.uint()?),
        })
    }
}
