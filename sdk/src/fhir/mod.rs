//! FHIR resources that go in and out: consents (R4 under IHE PCF, and R5), and the list of accesses.
//!
//! What always holds: a consent that is read and written again is equal, because every element is
//! carried or refused by name; nothing is dropped. A grant on the ledger never permits more than the
//! consent says. `docs/consent.md` says what maps to what.
//!
//! ```
//! use medanchor_sdk::fhir::Consent;
//!
//! let refused = Consent::from_r4(r#"{"resourceType":"Consent","status":"active"}"#).unwrap_err();
//! assert_eq!(refused.at, "Consent.scope");
//! ```

mod audit;
mod classes;
mod consent;
mod ehds;
mod element;
mod error;
mod fields;
mod grant;
mod out;
pub mod purpose;

pub use audit::PATIENT_READ;
pub use classes::{ALL_CLASSES, class_word, is_sensitive_word};
pub use consent::{
    Actor, Base, CATEGORIES, Consent, DataReference, Decision, Exception, Flag, Grantor, Level,
    Meaning, PcfOption, Policy, Rule, SENSITIVITY, SeparateConsent, Source, Status, Verification,
    is_sensitive, level_of, words,
};
pub use ehds::{EhdsAccess, EhdsDelegate, EhdsGap, EhdsList, EhdsQuarter};
pub use element::{
    Attachment, Coding, Concept, DateTime, Identifier, Meta, Narrative, Period, Reference,
};
pub use error::{Fault, FhirError};
pub use fields::{MAX_LIST, MAX_RESOURCE};
pub use grant::{NotGranted, Particulars, Recipient, Setting, Terms};
