//! The list of who opened a subject's records, as data: what is shown to the patient and exported.
//!
//! What always holds: the list says up to which checkpoint it is complete and names each gap, each quarter that
//! it rests on, and what no list can say, in whatever form it is written; a person
//! stands in it only if their institution disclosed them to the patient, since the ledger knows none.
//! Nothing here proves anything: the entries come from histories that were proved.

mod gap;
mod words;

pub use gap::{Gap, GapOf, GapReason};
pub use words::{Said, limits, quarter_name};

use crate::domain::Relation;
use medanchor_ledger::rules::{Decision, DenialReason};
use medanchor_ledger::{
    ConsentHandle, EventId, Height, Index, NetworkId, ParticipantName, RecordHandle, RequestHandle,
    Size, Time,
};
use medanchor_vault::Epoch;

/// Who holds the key that a subject's consents are given with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyHolder {
    /// The subject: on a phone, or on a printed card.
    Subject,
    /// The institution, below a delegation that the subject approved with a key of their own.
    Delegate(Delegate),
    /// The institution, for a subject who has neither. It could have signed alone, and the list says
    /// so wherever that key was used.
    Institution,
}

/// Who decides for a subject under a delegation that the subject approved, and that stood when the
/// access was decided. That a consent below it was the delegate's will is the institution's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegate {
    /// What the ledger calls the delegation.
    pub delegation: ConsentHandle,
    /// The delegate, by the institution's own id.
    pub id: String,
    /// What the subject calls the delegate.
    pub name: String,
    /// What the delegate is to the subject.
    pub relation: Relation,
    /// Since when the approved delegation is on the ledger: the time of its block.
    pub since: Time,
}

/// A person, as their institution disclosed them to the patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The institution's own id of them.
    pub id: String,
    /// What they are called.
    pub name: Option<String>,
}

/// What became of the review that follows breaking the glass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// Not made yet; due at this time.
    Due(Time),
    /// Made.
    Done {
        /// Whether the access was justified.
        justified: bool,
        /// Whether it was made after it was due.
        late: bool,
    },
    /// Nothing was opened, so there is nothing to review.
    NotNeeded,
}

/// On what an access rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A consent.
    Consent {
        /// What the ledger calls it.
        consent: ConsentHandle,
        /// Who holds the key it was given with.
        key: KeyHolder,
    },
    /// The glass was broken.
    BreakGlass(Review),
    /// The owner opened its own record while the network could not be reached. When, and whether it
    /// also opened others in that window, is not proved.
    Emergency {
        /// When the window begins: the last time before the opening that the ledger bears out where the
        /// owner's journal stood. It ends with the block that brought the opening.
        since: Time,
        /// When the owner claims to have opened it.
        claimed: Time,
    },
}

/// Where a request came from and where the data came from, as far as was disclosed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The network address of who asked.
    pub client: Option<String>,
    /// The network address of who gave.
    pub server: Option<String>,
}

/// The place of an entry in the log, and the checkpoint it was proved under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvedAt {
    /// The entry.
    pub index: Index,
    /// The size of the log at the checkpoint.
    pub size: Size,
}

/// One access, or one that was denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    /// The event that asked.
    pub event: EventId,
    /// What the ledger calls the request; none on the emergency path.
    pub request: Option<RequestHandle>,
    /// When: the time of the block that decided, or on the emergency path of the block that brought the
    /// opening, which was before.
    pub time: Time,
    /// Which institution.
    pub by: ParticipantName,
    /// Which person in it, where disclosed.
    pub person: Option<Person>,
    /// Who keeps the record.
    pub owner: ParticipantName,
    /// The record.
    pub record: RecordHandle,
    /// Its FHIR address at the owner, such as `Observation/7`, where known.
    pub document: Option<String>,
    /// Which kind of data, in the word it was sealed under, where known.
    pub category: Option<String>,
    /// For what, in HL7's PurposeOfUse, where known. Breaking the glass is BTG whatever stands here.
    pub purpose: Option<String>,
    /// On what it rests.
    pub basis: Basis,
    /// What was decided.
    pub decision: Decision,
    /// From where.
    pub origin: Origin,
    /// Where the proof is.
    pub proved: ProvedAt,
}

impl AccessEntry {
    /// Whether it was an emergency: the glass was broken, or the network could not be reached.
    #[must_use]
    pub const fn is_emergency(&self) -> bool {
        matches!(self.basis, Basis::BreakGlass(_) | Basis::Emergency { .. })
    }

    /// For what: BTG where the glass was broken.
    #[must_use]
    pub fn purpose(&self) -> Option<&str> {
        match self.basis {
            Basis::BreakGlass(_) => Some(crate::fhir::purpose::BREAK_GLASS),
            _ => self.purpose.as_deref(),
        }
    }

    /// The delegate who decides for the subject, where the consent rests on an approved delegation.
    #[must_use]
    pub const fn delegate(&self) -> Option<&Delegate> {
        match &self.basis {
            Basis::Consent {
                key: KeyHolder::Delegate(delegate),
                ..
            } => Some(delegate),
            _ => None,
        }
    }

    /// Whether the key behind the consent is held by the institution, and nothing that the subject
    /// approved stands behind it.
    #[must_use]
    pub const fn is_by_held_key(&self) -> bool {
        matches!(
            self.basis,
            Basis::Consent {
                key: KeyHolder::Institution,
                ..
            }
        )
    }

    /// Whether a denial points at somebody who tried what they had no right to, rather than at a
    /// consent that does not reach so far.
    #[must_use]
    pub const fn is_serious_denial(&self) -> bool {
        use DenialReason::{Grantee, Revoked, UnknownConsent};
        matches!(
            self.decision,
            Decision::Denied(Grantee | Revoked | UnknownConsent)
        )
    }
}

/// One quarter's tag, and what was proved of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarter {
    /// The quarter.
    pub epoch: Epoch,
    /// What was proved, or why nothing was.
    pub proved: Result<QuarterProof, String>,
}

/// What was proved of one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarterProof {
    /// How many events bear it.
    pub count: u64,
    /// Up to this height.
    pub height: Height,
    /// The time of that height's block.
    pub time: Time,
    /// The size of the log at the checkpoint it rests on.
    pub size: Size,
}

/// A list that rests on an older block than this, in milliseconds, is refused by whoever is on line
/// (DESIGN.md section 7).
pub const FRESH_MILLIS: u64 = 60 * 1000;

/// Who opened a subject's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessList {
    /// The network.
    pub network: NetworkId,
    /// The patient's FHIR address, such as `Patient/7`.
    pub patient: String,
    /// The accesses, the first first.
    pub entries: Vec<AccessEntry>,
    /// The quarters that were asked for, the first first: of records that were sealed in them.
    pub quarters: Vec<Quarter>,
    /// The size of the log up to which the list is complete.
    pub size: Size,
    /// The time of the newest block in it.
    pub until: Time,
    /// How old that block was when the list was made, in milliseconds.
    pub age: u64,
    /// Where it is not complete.
    pub gaps: Vec<Gap>,
}

impl AccessList {
    /// Whether it is too old to show as what stands now.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.age > FRESH_MILLIS
    }

    /// Whether it has every access to the patient's records: of all quarters, each proved, each event
    /// read, each record in custody. Where the emergency path may have been used is said in `gaps`.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.gaps.iter().any(|gap| gap.why.leaves_out())
    }
}
