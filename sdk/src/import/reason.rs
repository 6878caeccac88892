//! Why something in the input is not anchored, in words for the person who supplied it.
//!
//! What always holds: a reason is built from this file's own words. No name, code, date or other
//! value of the input is ever part of one, so reasons may be shown, logged and kept.

use super::decimal::AmountError;
use crate::fhir::{FhirError, NotGranted};

/// Why a file, a resource, an event or an identifier in it is not anchored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    // The tree of files.
    /// The file or folder could not be read.
    #[error("could not be read; check that it exists and that you may read it")]
    Unreadable,
    /// A symbolic link.
    #[error("a symbolic link, which is not followed; give the file itself")]
    SymbolicLink,
    /// A pipe, socket or device.
    #[error("neither a file nor a folder")]
    NotAFile,
    /// More bytes than one file may have.
    #[error("too large; a file may have {limit} bytes")]
    FileTooLarge {
        /// Bytes a file may have.
        limit: u64,
    },
    /// More bytes than one resource or event may have.
    #[error("too large; a resource or event may have {limit} bytes")]
    ItemTooLarge {
        /// Bytes a resource may have.
        limit: usize,
    },
    /// The input as a whole is beyond a bound.
    #[error("not read: the input has more than {limit} {what}; import it in parts")]
    InputTooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much of it is read.
        limit: u64,
    },
    /// Folders within folders beyond the bound.
    #[error("not read: folders nest deeper than {limit}")]
    FolderTooDeep {
        /// Levels that are read.
        limit: usize,
    },

    // The document.
    /// Not JSON at all.
    #[error("not JSON")]
    NotJson,
    /// JSON that cannot be committed to field by field.
    #[error("not strict JSON: a member is named twice, or a text does not decode")]
    NotStrictJson,
    /// Arrays and objects nest beyond the bound.
    #[error("nested deeper than {limit} levels")]
    NestedTooDeep {
        /// Levels that are read.
        limit: usize,
    },
    /// JSON of another kind.
    #[error("JSON, but neither a FHIR resource (resourceType) nor an EPCIS document or event")]
    NeitherFhirNorEpcis,
    /// A Bundle or document without anything in it.
    #[error("nothing in it")]
    Empty,
    /// Bundles in Bundles beyond the bound.
    #[error("Bundles nest deeper than {limit}")]
    BundleTooDeep {
        /// Levels that are read.
        limit: usize,
    },
    /// A Bundle entry without a resource, such as a deletion.
    #[error("a Bundle entry without a resource")]
    EntryWithoutResource,
    /// The same resource, byte for byte, stands elsewhere in the input too.
    #[error(
        "the same resource stands elsewhere in the input too, byte for byte, and is taken once"
    )]
    Repeated,

    // FHIR.
    /// A resource type that FHIR R4 has and that is not anchored yet.
    #[error("resource type {0} not handled yet")]
    ResourceTypeNotHandled(&'static str),
    /// A resource type that FHIR R4 does not have.
    #[error("a resource type that FHIR R4 does not define")]
    UnknownResourceType,
    /// An Organization: read to know who acts, not anchored.
    #[error("Organization: read to find out which participant acts; not anchored itself")]
    ReadForParticipants,
    /// A field that is needed is not there.
    #[error("missing field {0}")]
    Missing(&'static str),
    /// A field has another JSON type or form than the standard gives it.
    #[error("field {0} does not have the form the standard gives it")]
    Malformed(&'static str),
    /// A quantity that is not an amount in millionths.
    #[error("field {field} is no amount: {error}")]
    Amount {
        /// The field.
        field: &'static str,
        /// Why.
        error: AmountError,
    },
    /// A status under which nothing happened that the ledger could record.
    #[error("status {status}: {why}")]
    Status {
        /// The status, one of the standard's codes.
        status: &'static str,
        /// What it means for anchoring.
        why: &'static str,
    },
    /// A status that the standard does not have.
    #[error("a status that FHIR R4 does not define for this resource")]
    UnknownStatus,
    /// A MedicationRequest that orders nothing.
    #[error("not an order: {0}")]
    NotAnOrder(&'static str),
    /// A consent that is not what IHE PCF asks for, or says something that nobody here would heed.
    #[error("a consent that is not read: {0}")]
    ConsentNotRead(FhirError),

    // EPCIS.
    /// An event whose type and business step are known and not anchored yet.
    #[error("{event} with business step {step} not handled yet")]
    StepNotHandled {
        /// The event's type.
        event: &'static str,
        /// The business step, one of the standard's.
        step: &'static str,
    },
    /// An event of an unknown type.
    #[error("an event type that EPCIS 2.0 does not define")]
    UnknownEventType,
    /// A business step of somebody's own.
    #[error("{0} with a business step that is none of the standard vocabulary's")]
    UnknownStep(&'static str),
    /// An action that contradicts the business step.
    #[error("action {action} does not go with business step {step}")]
    ActionForStep {
        /// The action.
        action: &'static str,
        /// The business step.
        step: &'static str,
    },
    /// The event was declared to be in error.
    #[error("the event carries an error declaration")]
    DeclaredInError,
    /// An event that names no serialised unit.
    #[error("the event names no serialised unit")]
    NoUnit,
    /// An identifier of a class or a quantity, not of one unit.
    #[error("a class of goods or a quantity, not one serialised unit")]
    ClassNotUnit,
    /// A unit that the event uses up.
    #[error("a unit that the event uses up; transformation of units is not handled yet")]
    UsedUp,
    /// An identifier that breaks the rules of its scheme.
    #[error("not a valid unit identifier: {0}")]
    BadCode(&'static str),

    // Planning.
    /// A dispense whose prescription is not in the input.
    #[error("the prescription it names is not in the input")]
    PrescriptionNotInInput,
    /// A dispense whose prescription is in the input but is not anchored.
    #[error("the prescription it names is in the input, but is not anchored itself")]
    PrescriptionNotAnchored,
    /// A reference that fits more than one resource.
    #[error("the prescription it names stands more than once in the input, and differently")]
    PrescriptionAmbiguous,
    /// More than one prescription in one dispense.
    #[error("it dispenses more than one prescription at once, which is not handled yet")]
    SeveralPrescriptions,
    /// A second dispense of one prescription.
    #[error(
        "another dispense in the input redeems the prescription; partial dispensing is not handled yet"
    )]
    AlreadyRedeemed,
    /// Dispensed in a unit in which nothing was ordered.
    #[error("dispensed in another unit than was ordered, so the amounts cannot be compared")]
    OtherUnit,
    /// More than was ordered.
    #[error("more than was ordered")]
    OverOrdered,
    /// A dispense that names another patient than its prescription.
    #[error("it names another patient than the prescription")]
    OtherPatient,
    /// A unit event before any commissioning.
    #[error("never commissioned in this input")]
    NeverCommissioned,
    /// A second commissioning of one unit.
    #[error("commissioned before in this input")]
    CommissionedBefore,
    /// A step that the unit's state forbids.
    #[error("{step} does not follow: the unit {state}")]
    OutOfTurn {
        /// The step.
        step: &'static str,
        /// What the unit's state is.
        state: &'static str,
    },
    /// An institution of the input that no participant stands for.
    #[error("no participant of the network stands for {0}")]
    NoParticipant(&'static str),
    /// The participant that is named may not do this.
    #[error("the participant it names does not have the role {0}")]
    WrongRole(&'static str),
    /// A consent that grants nothing that the ledger could hold.
    #[error("a consent that is not granted: {0}")]
    NotGranted(NotGranted),
}
