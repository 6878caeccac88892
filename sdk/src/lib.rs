//! What an application embeds to put its prescriptions, drug packs and records on the ledger.
//!
//! What always holds: documents, names and codes never leave the institution; what does are handles,
//! salted commitments and signatures. A signed event is on disk before it is posted and is retried as
//! it is, through crashes and dead nodes; nothing counts as anchored before its receipt was checked
//! against the policy, offline; a single node cannot make this crate accept a false one.
//!
//! Ten lines, from a document to its receipt:
//!
//! ```no_run
//! # #[cfg(feature = "client")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::path::Path;
//! use medanchor_sdk::{Context, Identity, NewPrescription, Sdk, System};
//!
//! let identity = Identity::open(Path::new("north-hospital/identity"))?;
//! let sdk = Sdk::new(identity, ["http://127.0.0.1:7401", "http://127.0.0.1:7402"])?;
//! let prescribed = sdk.prescribe(&NewPrescription {
//!     name: "MedicationRequest/1",                       // your own id; it stays at home
//!     subject: "Patient/1",                              // so does this
//!     class: "medication",
//!     payload: &std::fs::read("prescription.json")?,     // sealed in the vault
//!     lines: 1,
//!     expires: System.now().plus_millis(3 * 24 * 3_600_000),
//! })?;
//! for anchored in sdk.anchor_batch(prescribed.events) {
//!     anchored?.save(Path::new("receipts"))?;            // offline proof, for anybody
//! }
//! let for_the_patient = prescribed.token.to_text();      // a QR code; it is a secret
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "client"))]
//! # fn main() {}
//! ```
//!
//! | to | call | file |
//! |---|---|---|
//! | make and open an identity | [`Identity::create`], [`Identity::join`], [`Identity::open`] | `identity/` |
//! | protect the institution key by a passphrase or a token, renew it, keep payloads in a bucket | [`Identity::protect_vault`], [`Identity::renew_vault_key`], [`Identity::move_payloads`], [`keeping`] | `keeping/`, `identity/vault.rs` |
//! | issue, redeem, take back a prescription | [`Identity::prescribe`], [`Identity::redeem`], [`Identity::void`] | `domain/prescription.rs` |
//! | let a patient choose a pharmacy | [`PatientToken::claim`] | `token.rs` |
//! | seal, open, show fields of a record | [`Identity::seal_record`], [`Identity::open_record`], [`Identity::disclose`] | `domain/record.rs` |
//! | seal a record into custody and read one; a document of any length from a stream and into a file | `Sdk::seal_in_custody`, `Sdk::read`; `Sdk::seal_stream_in_custody`, `Sdk::read_into` | `custody/` |
//! | erase a record, here and at custodians | `Sdk::erase`, [`Identity::erasure_certificates`] | `custody/erase.rs` |
//! | move a record to new custodians | `Sdk::reshare` | `custody/reshare.rs` |
//! | import thousands of documents without waiting for the disk each time | [`Identity::seal_ahead`] | `domain/ahead.rs` |
//! | let others read, end it, ask to read | [`Identity::grant`], [`Identity::revoke`], [`Identity::request_access`] | `domain/consent.rs`, `domain/access.rs` |
//! | re-issue the consents that run on, each quarter | `Sdk::renew_consents`, [`Identity::take_renewals`], `Sdk::revoke_consent` | `domain/renewal/` |
//! | read without a consent, and review what others read so | `Sdk::break_glass`, [`Identity::review`], `Sdk::open_reviews` | `custody/break_glass.rs`, `domain/access.rs`, `reviews.rs` |
//! | open records of one's own while the network is cut, and say so afterwards | [`Identity::open_in_emergency`], `Sdk::anchor_emergency` | `emergency/` |
//! | let a guardian or proxy consent, sign up with a family-doctor team | [`Identity::delegate`], [`Identity::grant_as_delegate`], [`Identity::sign_up`] | `domain/delegation.rs`, `domain/contract.rs` |
//! | bring packs to life and pass them on | [`Identity::lot`], [`Identity::commission`], [`Identity::ship`], [`Identity::receive`], [`Identity::dispense`] | `domain/unit.rs` |
//! | anchor, one or many; go on after a crash | `Sdk::anchor`, `Sdk::anchor_batch`, `Sdk::resume` | `anchor/` |
//! | check a receipt offline | [`verify_receipt`] | `receipt.rs` |
//! | check by genesis and policy chain: receipts, COSE statements, consistency | [`walk_policies`], [`verify_receipt_by`], [`verify_statement`], [`verify_consistency`] | `policies.rs` |
//! | fetch statements, proofs of growth and the policy chain, each verified | `Client::statement`, `Client::consistency`, `Client::policies` | `client/transparent.rs` |
//! | check offline what the state holds, a tag's whole history, a decision on access | [`verify_state`], [`verify_history`], [`verify_access`] | `proof.rs` |
//! | read and write consents as FHIR, and grant them | [`fhir::Consent`], [`fhir::Consent::terms`] | `fhir/` |
//! | seal and grant under a key that the patient brings | [`Subject::key_for`], [`Identity::take_subject_key`], [`Identity::draft_consent`], [`Subject::approve`], [`Subject::approve_renewals`], [`Identity::grant_approved`] | `subject/` |
//! | the same for a guardian or proxy of such a patient | [`Identity::draft_delegation`], [`Subject::approve_delegation`], [`Identity::delegate_approved`] | `subject/`, `domain/approved.rs` |
//! | end what such a patient approved, without the institution | [`Subject::end`], [`Identity::end_for_patient`] | `subject/ending.rs` |
//! | print a card with a patient's key, and open it | [`card::Card`] | `card/` |
//! | list who opened a patient's records, proved | `Client::patient_history`, `Sdk::patient_history`, [`patient`] | `patient/` |
//! | export who opened a patient's records as BALP AuditEvents, Provenance, EHDS fields | [`access_list::AccessList`] | `access_list.rs`, `fhir/audit.rs`, `fhir/ehds.rs` |
//! | read FHIR and EPCIS files | [`import`] | `import/` |
//!
//! Without the feature `client` there is no network code in the crate; no feature needs an async
//! runtime. `examples/` has one program for each role.

pub mod access_list;
#[cfg(feature = "client")]
mod anchor;
mod armor;
pub mod card;
#[cfg(feature = "client")]
pub mod client;
mod consignment;
pub mod context;
pub mod custody;
pub mod direct;
pub mod domain;
mod durable;
pub mod emergency;
mod error;
pub mod fhir;
pub mod identity;
pub mod import;
pub mod journal;
pub mod keeping;
mod new_file;
#[cfg(feature = "client")]
mod next_key;
pub mod patient;
pub mod policies;
pub mod proof;
pub mod receipt;
#[cfg(feature = "client")]
pub mod reviews;
pub mod subject;
#[cfg(test)]
mod testing;
mod ticket;
#[cfg(feature = "client")]
mod together;
mod token;

#[cfg(feature = "client")]
pub use anchor::{AnchorError, InFlight, Refusal, Sdk};
pub use armor::NotThatText;
#[cfg(feature = "client")]
pub use client::{Client, ClientConfig, ClientError, Posted, Problem, Trust};
pub use consignment::Consignment;
pub use context::{Context, System};
pub use domain::*;
pub use error::SdkError;
pub use identity::{Identity, IdentityError, PayloadsMoved};
pub use medanchor_ledger::event::Event as SignedEvent;
pub use medanchor_ledger::event::{Fraction, Verdict, VoidReason};
pub use medanchor_ledger::policy::{CheckpointPolicy, Policies, Policy, PolicyRange};
pub use medanchor_ledger::rules::{Decision, DenialReason};
pub use medanchor_ledger::{EventId, Height, ParticipantName, Size, Tag, Time};
pub use medanchor_vault::CodeScheme;
pub use new_file::NewFile;
#[cfg(feature = "client")]
pub use next_key::NextKeyError;
pub use policies::{
    CheckError, PoliciesError, Transparent, verify_consistency, verify_cose_consistency,
    verify_receipt_by, verify_statement, walk_policies,
};
pub use proof::{History, Proved, verify_access, verify_history, verify_state};
pub use receipt::{Anchored, ProofError, verify_receipt, verify_receipt_in};
pub use subject::{
    Approval, BroughtKey, ConsentDraft, DelegationApproval, DelegationDraft, SignedEnd, Subject,
    SubjectKeys,
};
pub use ticket::{GrantTicket, GrantedRecord};
pub use token::{HandoverError, PatientToken, SignedClaim};
