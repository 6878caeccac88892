//! Events: the signed statements that participants anchor.
//!
//! What always holds: an [`Event`] was decoded from its one encoding or built by
//! [`UnsignedEvent`], its header agrees with its payload, and its id is SHA-256 of the bytes that
//! its signature covers. Only a [`Verified`] event, whose signatures hold, reaches the rules.
//! One file a domain, and one line here for each type of event.

pub mod access;
pub mod break_glass;
pub mod consent;
mod cose;
pub mod custody;
pub mod emergency;
mod error;
pub mod governance;
pub mod inspection;
mod list;
pub mod participant_keys;
pub mod prescription;
pub mod record;
pub mod unit;
mod verify;

pub use access::{AccessRequest, GranteeOpening};
pub use break_glass::{AccessBreakGlass, AccessReview, Verdict};
pub use consent::{ConsentEnd, ConsentGrant, ConsentRevoke};
pub use cose::{Event, MAX_EVENT_BYTES, MAX_UNSIGNED_BYTES, UnsignedEvent};
pub use custody::{Custodian, Custodians, Custody, CustodyLog, SharePoint};
pub use emergency::{AccessEmergency, EmergencyJournal, JournalKeyKind};
pub use error::{BuildError, DecodeError};
pub use governance::{Change, GovernanceApprove, GovernancePropose};
pub use inspection::{
    InspectionAnswer, InspectionKey, InspectionOpen, InspectionOutput, InspectionPopulation,
    ItemProof,
};
pub use list::{Fraction, Fractions, Handle, HandleSet, KemSuite, ReaderKey};
pub use participant_keys::ParticipantKeys;
pub use prescription::{
    Claim, PrescriptionIssue, PrescriptionRedeem, PrescriptionVoid, VoidReason,
};
pub use record::{
    Destroyed, ErasureReason, RecordCustody, RecordErase, RecordReshare, RecordSeal,
    RecordSupersede,
};
pub use unit::{LotOpen, UnitCommission, UnitDispense, UnitReceive, UnitShip, Units};
pub use verify::{Verified, VerifyError, verify_events};

use crate::ParticipantName;
use crate::cbor::{Reader, Writer};
use std::fmt;

/// What the header of an event says it is about: `<domain>/<owner>/<hex handle>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    domain: &'static str,
    owner: &'a ParticipantName,
    handle: [u8; 16],
}

impl<'a> Subject<'a> {
    fn new(domain: &'static str, owner: &'a ParticipantName, handle: impl Handle) -> Self {
        Self {
            domain,
            owner,
            handle: handle.to_bytes(),
        }
    }

    /// Of something that `owner` has one of: the handle is zero.
    const fn single(domain: &'static str, owner: &'a ParticipantName) -> Self {
        Self {
            domain,
            owner,
            handle: [0; 16],
        }
    }

    /// The domain, such as `prescription`.
    #[must_use]
    pub const fn domain(&self) -> &'static str {
        self.domain
    }

    /// The participant that created what it is about.
    #[must_use]
    pub const fn owner(&self) -> &'a ParticipantName {
        self.owner
    }

    /// The handle; of a list, the smallest one; zeros for what an owner has one of.
    #[must_use]
    pub const fn handle(&self) -> &[u8; 16] {
        &self.handle
    }

    /// Whether `text` is what it is displayed as; every event is asked, so that nothing is written.
    fn is_written(&self, text: &str) -> bool {
        let mut digits = [0; 32];
        let rest = text
            .as_bytes()
            .strip_prefix(self.domain.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"/"))
            .and_then(|rest| rest.strip_prefix(self.owner.as_bytes()))
            .and_then(|rest| rest.strip_prefix(b"/"));
        // Two digits for each of 16 bytes always fit.
        hex::encode_to_slice(self.handle, &mut digits).is_ok() && rest == Some(digits.as_slice())
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            self.domain,
            self.owner,
            hex::encode(self.handle)
        )
    }
}

/// What the body of one type of event can do.
trait Body: Sized {
    /// What the event, signed by `issuer`, is about.
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a>;
    /// Writes the body's one encoding.
    fn write(&self, writer: &mut Writer);
    /// Reads what [`Body::write`] gives and nothing else.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $type:ident = $code:literal, $name:literal;)*) => {
        /// The type of an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $type,)*
        }

        impl EventKind {
            /// Every type that this version knows, in ascending order of codes.
            pub const ALL: &'static [Self] = &[$(Self::$type),*];

            /// The code on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$type => $code,)*
                }
            }

            /// The name that people read, such as `prescription.redeem`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$type => $name,)*
                }
            }

            pub(crate) fn from_code(code: u64) -> Result<Self, DecodeError> {
                match code {
                    $($code => Ok(Self::$type),)*
                    _ => Err(DecodeError::EventType { code }),
                }
            }
        }

        /// What an event says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum EventBody {
            $($(#[$doc])* $type($type),)*
        }

        impl EventBody {
            /// The type.
            #[must_use]
            pub const fn kind(&self) -> EventKind {
                match self {
                    $(Self::$type(_) => EventKind::$type,)*
                }
            }

            /// What it is about when `issuer` signs it.
            #[must_use]
            pub fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
                match self {
                    $(Self::$type(body) => body.subject(issuer),)*
                }
            }

            fn write(&self, writer: &mut Writer) {
                match self {
                    $(Self::$type(body) => body.write(writer),)*
                }
            }

            fn read(kind: EventKind, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match kind {
                    $(EventKind::$type => $type::read(reader).map(Self::$type),)*
                }
            }
        }

        $(impl From<$type> for EventBody {
            fn from(body: $type) -> Self {
                Self::$type(body)
            }
        })*
    };
}

event_types! {
    /// A proposed change.
    GovernancePropose = 0x0101, "governance.propose";
    /// An authority's approval of a proposed change.
    GovernanceApprove = 0x0102, "governance.approve";
    /// A sealed record.
    RecordSeal = 0x0201, "record.seal";
    /// A sealed record whose key custodians hold shares of.
    RecordCustody = 0x0202, "record.custody";
    /// A later version of a record.
    RecordSupersede = 0x0203, "record.supersede";
    /// The end of a record.
    RecordErase = 0x0204, "record.erase";
    /// A record's key, shared over later custodians.
    RecordReshare = 0x0205, "record.reshare";
    /// How far a custodian's log of releases has come.
    CustodyLog = 0x0206, "custody.log";
    /// A consent.
    ConsentGrant = 0x0301, "consent.grant";
    /// The end of a consent.
    ConsentRevoke = 0x0302, "consent.revoke";
    /// The end of a consent by the patient.
    ConsentEnd = 0x0303, "consent.end";
    /// A request to read a record.
    AccessRequest = 0x0401, "access.request";
    /// A record opened without a consent.
    AccessBreakGlass = 0x0402, "access.break-glass";
    /// The judgement of a record opened without a consent.
    AccessReview = 0x0403, "access.review";
    /// A record opened by its owner's emergency key.
    AccessEmergency = 0x0404, "access.emergency";
    /// Where an owner's emergency journal stands.
    EmergencyJournal = 0x0405, "emergency.journal";
    /// A prescription.
    PrescriptionIssue = 0x0501, "prescription.issue";
    /// The redemption of a prescription.
    PrescriptionRedeem = 0x0502, "prescription.redeem";
    /// The withdrawal of a prescription.
    PrescriptionVoid = 0x0503, "prescription.void";
    /// A new lot.
    LotOpen = 0x0601, "lot.open";
    /// New units.
    UnitCommission = 0x0602, "unit.commission";
    /// Units sent.
    UnitShip = 0x0603, "unit.ship";
    /// Units received.
    UnitReceive = 0x0604, "unit.receive";
    /// Units handed to a patient.
    UnitDispense = 0x0605, "unit.dispense";
    /// The keys with which a validator gives random outputs.
    InspectionKey = 0x0801, "inspection.key";
    /// A list of items that may be inspected.
    InspectionPopulation = 0x0802, "inspection.population";
    /// The beginning of an inspection.
    InspectionOpen = 0x0803, "inspection.open";
    /// A validator's random output for an inspection.
    InspectionOutput = 0x0804, "inspection.output";
    /// The answer for one drawn item.
    InspectionAnswer = 0x0805, "inspection.answer";
}

impl EventBody {
    /// How a record's key is shared, where the event says so.
    #[must_use]
    pub const fn custody(&self) -> Option<&Custody> {
        match self {
            Self::RecordCustody(body) => Some(&body.custody),
            Self::RecordSupersede(body) => body.custody.as_ref(),
            Self::RecordReshare(body) => Some(&body.custody),
            _ => None,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
