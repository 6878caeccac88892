//! What an input yields: typed items, each with its source and the exact bytes it came in.
//!
//! What always holds: an item came from one place, named by its [`Location`], and owns the bytes
//! that stood there, unchanged. Nothing here prints those bytes or any value read from them.

use super::code::UnitCode;
use super::decimal::Amount;
use super::reason::Reason;
use crate::fhir::Consent;
use medanchor_ledger::Time;
use std::fmt;
use std::sync::Arc;

/// Where something stands in the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, relative to the folder that was imported, with `/` between folders.
    pub file: Arc<str>,
    /// The line in an NDJSON file, from 1.
    pub line: Option<u32>,
    /// JSON pointer (RFC 6901) in the document; empty for the whole of it.
    pub pointer: String,
}

impl Location {
    /// The whole of a file.
    #[must_use]
    pub fn of_file(file: &Arc<str>) -> Self {
        Self {
            file: Arc::clone(file),
            line: None,
            pointer: String::new(),
        }
    }

    /// The place below this one; `tail` is `/` and a member's name or an index, any number of times.
    #[must_use]
    pub fn below(&self, tail: fmt::Arguments<'_>) -> Self {
        Self {
            pointer: format!("{}{tail}", self.pointer),
            ..self.clone()
        }
    }

    /// Whether both stand in the same document: the same file, and the same line of it.
    #[must_use]
    pub fn same_document(&self, other: &Self) -> bool {
        self.file == other.file && self.line == other.line
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        if !self.pointer.is_empty() {
            write!(f, " {}", self.pointer)?;
        }
        Ok(())
    }
}

/// The exact text of a resource or event, as it stood in the input.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Original(Arc<str>);

impl Original {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The bytes to seal and to commit to.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Shows the length only.
impl fmt::Debug for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Original({} bytes)", self.0.len())
    }
}

/// Something in the input that is not anchored, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands.
    pub source: Location,
    /// Why it is left out.
    pub reason: Reason,
}

/// By which names references find a resource.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The resource's `id`.
    pub id: Option<String>,
    /// The `fullUrl` of its Bundle entry.
    pub full_url: Option<String>,
}

/// A subject as the input names it: `Patient/<id>`, after its server's address where that is known.
/// It never leaves the institution; the ledger sees a tag.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub(super) String);

impl Subject {
    /// The text from which the institution derives its pseudonym.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How much a prescription orders.
#[derive(Clone, PartialEq, Eq)]
pub enum Ordered {
    /// `dispenseRequest.quantity`, times one more than `numberOfRepeatsAllowed`.
    Quantity {
        /// The whole amount that may be dispensed.
        amount: Amount,
        /// What it is counted in, in lower case, if the input says.
        unit: Option<String>,
    },
    /// The resource orders no quantity. Then the prescription itself is counted: one is ordered,
    /// and a dispense takes that one, whatever amount it names.
    Whole,
}

impl Ordered {
    /// The amount for the prescription's line on the ledger.
    #[must_use]
    pub fn amount(&self) -> Amount {
        match self {
            Self::Quantity { amount, .. } => *amount,
            Self::Whole => Amount::ONE,
        }
    }
}

/// A MedicationRequest that was issued.
#[derive(Clone)]
pub struct Prescription {
    /// Where it stands.
    pub source: Location,
    /// Its exact bytes.
    pub original: Original,
    /// By which names it is found.
    pub key: Key,
    /// Whom it is for.
    pub subject: Subject,
    /// What it orders.
    pub ordered: Ordered,
    /// When it was written.
    pub authored: Option<Time>,
    /// The last millisecond of `dispenseRequest.validityPeriod`.
    pub valid_until: Option<Time>,
    /// Who wrote it, as the input names them.
    pub requester: Option<String>,
}

impl Prescription {
    /// How long it is valid from when it was written, in milliseconds, if the input says.
    #[must_use]
    pub fn validity_millis(&self) -> Option<u64> {
        let from = self.authored?;
        self.valid_until?
            .0
            .checked_sub(from.0)
            .filter(|&length| length > 0)
    }

    /// When it expires if it is anchored at `now`: at the end of its validity when that is still
    /// to come; for older ones, as long after `now` as it was valid after it was written, since a
    /// replayed history keeps its lengths and not its dates; after `default_millis` if the input
    /// gives no validity.
    #[must_use]
    pub fn expires(&self, now: Time, default_millis: u64) -> Time {
        match self.valid_until {
            Some(end) if end > now => end,
            _ => now.plus_millis(self.validity_millis().unwrap_or(default_millis)),
        }
    }
}

/// Which prescription a dispense names.
#[derive(Clone, PartialEq, Eq)]
pub enum PrescriptionLink {
    /// One contained in the dispense itself, at this place.
    Contained(Location),
    /// A relative, absolute or `urn:uuid:` reference.
    Reference(String),
}

/// A MedicationDispense that took place, or waits to be picked up.
#[derive(Clone)]
pub struct Dispense {
    /// Where it stands.
    pub source: Location,
    /// Its exact bytes.
    pub original: Original,
    /// By which names it is found.
    pub key: Key,
    /// The prescription it redeems.
    pub prescription: PrescriptionLink,
    /// Whom it is for, if it says.
    pub subject: Option<Subject>,
    /// How much was dispensed, if it says.
    pub quantity: Option<Amount>,
    /// What that is counted in, in lower case, if it says.
    pub unit: Option<String>,
    /// When it was handed over, or else prepared.
    pub when: Option<Time>,
    /// Who dispensed, as the input names them.
    pub performer: Option<String>,
}

/// A Consent. What it grants, if anything, is said by the plan.
#[derive(Clone)]
pub struct ConsentGrant {
    /// Where it stands.
    pub source: Location,
    /// Its exact bytes.
    pub original: Original,
    /// Whose records it is about.
    pub subject: Subject,
    /// The institution that keeps it, as the input names it.
    pub custodian: Option<String>,
    /// What it says; the references to recipients in one spelling.
    pub consent: Consent,
}

/// What happened to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// It was made and given its code.
    Commission,
    /// It was sent.
    Ship,
    /// It arrived.
    Receive,
    /// It was given out to be used.
    Dispense,
}

impl StepKind {
    /// The business step's name in the standard's vocabulary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commission => "commissioning",
            Self::Ship => "shipping",
            Self::Receive => "receiving",
            Self::Dispense => "dispensing",
        }
    }
}

/// One EPCIS event that commissions, ships, receives or dispenses units.
#[derive(Clone)]
pub struct UnitEvent {
    /// Where it stands.
    pub source: Location,
    /// Its exact bytes.
    pub original: Original,
    /// What happened.
    pub kind: StepKind,
    /// When.
    pub time: Time,
    /// The production lot (`ilmd`), if it says.
    pub lot: Option<String>,
    /// From whom, most telling first: owning party, possessing party, location.
    pub from: Vec<String>,
    /// To whom, in the same order.
    pub to: Vec<String>,
    /// Where it happened: business location, then read point.
    pub places: Vec<String>,
}

/// One unit in one event.
#[derive(Clone)]
pub struct UnitStep {
    /// Where the unit's identifier stands.
    pub source: Location,
    /// The event.
    pub event: Arc<UnitEvent>,
    /// The unit.
    pub code: UnitCode,
}

/// An Organization of the input, by which participants are found.
#[derive(Clone)]
pub struct Institution {
    /// Where it stands.
    pub source: Location,
    /// By which names it is found.
    pub key: Key,
    /// The values of its identifiers, such as its GS1 location number.
    pub identifiers: Vec<String>,
}

/// All that an input, or a file of it, yields.
#[derive(Clone, Default)]
pub struct Items {
    /// Prescriptions, in the order of the input.
    pub prescriptions: Vec<Prescription>,
    /// Dispenses, in the order of the input.
    pub dispenses: Vec<Dispense>,
    /// Consents, in the order of the input.
    pub consents: Vec<ConsentGrant>,
    /// Units in events, in the order of the input.
    pub units: Vec<UnitStep>,
    /// Organizations, in the order of the input.
    pub institutions: Vec<Institution>,
    /// MedicationRequests that are left out, so that a dispense of one can be told why it is too.
    pub refused_prescriptions: Vec<Key>,
}

impl Items {
    /// How many items can be anchored: all but the institutions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prescriptions.len() + self.dispenses.len() + self.consents.len() + self.units.len()
    }

    /// Whether nothing can be anchored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
