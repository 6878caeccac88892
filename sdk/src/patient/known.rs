//! What the caller knows and the ledger does not say: the words behind handles, and notes that
//! institutions disclosed.

use crate::access_list::Person;
use crate::subject::{Approval, DelegationApproval, DelegationWords};
use medanchor_ledger::event::ConsentGrant;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{
    ClassHandle, Commitment, ConsentHandle, EventId, NetworkId, ParticipantName, PurposeHandle,
    RecordHandle,
};
use medanchor_vault::class::{Category, DataClass, Level};
use medanchor_vault::secret::SubjectKey;
use medanchor_vault::{Disclosure, Epoch, Purpose, Shown};
use std::collections::BTreeMap;

/// Where a note of an access names who reads.
pub(crate) const ACTOR: &str = "/actor";

/// The words behind a subject's handles.
///
/// Handles are made with the subject's keys, so whoever holds these makes the table; nobody else can.
#[derive(Clone, Default)]
pub struct Known {
    purposes: BTreeMap<PurposeHandle, String>,
    classes: BTreeMap<ClassHandle, String>,
    documents: BTreeMap<RecordHandle, String>,
    /// As [`Disclosure::encode`] gives them.
    notes: BTreeMap<EventId, Vec<u8>>,
    approvals: BTreeMap<ConsentHandle, Vec<Approval>>,
    delegations: BTreeMap<ConsentHandle, Vec<DelegationApproval>>,
}

impl Known {
    /// The words of HL7's purposes, of the categories and levels of GB/T 39725-2020, and of `classes`,
    /// as consents and records of these quarters hold them.
    #[must_use]
    pub fn of(
        subject: &SubjectKey,
        epochs: impl IntoIterator<Item = Epoch>,
        classes: &[&str],
    ) -> Self {
        let mut known = Self::default();
        let words = class_words(classes);
        for epoch in epochs {
            let key = subject.consent_key(epoch);
            for purpose in Purpose::ALL.iter().map(|purpose| purpose.as_str()) {
                known.purposes.insert(key.purpose(purpose), purpose.into());
            }
            for word in &words {
                known.classes.insert(key.class(word), word.clone());
            }
        }
        known
    }

    /// Adds a record's address at its owner, such as `Observation/7`.
    pub fn add_document(&mut self, record: RecordHandle, address: impl Into<String>) {
        self.documents.insert(record, address.into());
    }

    /// Adds a note that an institution disclosed of the request `event`, as
    /// [`crate::Identity::disclose_note`] gives it. It counts only if it is the note that the request
    /// committed to.
    pub fn add_note(&mut self, event: EventId, disclosed: Vec<u8>) {
        self.notes.insert(event, disclosed);
    }

    /// Adds an approval that the patient kept or the institution handed over. It counts only for a
    /// consent that is on the ledger as it was approved, by the patient's own key.
    pub fn add_approval(&mut self, approval: Approval) {
        let of_consent = self.approvals.entry(approval.consent()).or_default();
        of_consent.push(approval);
    }

    /// Adds an approval of a delegation, as [`Known::add_approval`] one of a consent. It counts for the
    /// consents below a delegation that is on the ledger as it was approved.
    pub fn add_delegation_approval(&mut self, approval: DelegationApproval) {
        let of_delegation = self.delegations.entry(approval.delegation()).or_default();
        of_delegation.push(approval);
    }

    /// What the patient, whose approving key this is, approved by this very grant of a delegation.
    pub(super) fn delegation(
        &self,
        approver: &PublicKey,
        (network, owner): (NetworkId, &ParticipantName),
        grant: &ConsentGrant,
    ) -> Option<&DelegationWords> {
        let all = self.delegations.get(&grant.consent).into_iter().flatten();
        let mut approved = all.filter(|approval| {
            approval.approver() == approver && approval.approves(network, owner, grant)
        });
        approved.next().map(DelegationApproval::words)
    }

    /// The quarters under whose tags delegations of these handles stand, if they were approved.
    #[cfg(feature = "client")]
    pub(super) fn quarters_of<'a>(
        &'a self,
        delegations: impl Iterator<Item = ConsentHandle> + 'a,
    ) -> impl Iterator<Item = Epoch> + 'a {
        let all = delegations.filter_map(|one| self.delegations.get(&one));
        all.flatten().map(|approval| approval.words().quarter)
    }

    /// Whether the patient, whose approving key this is, approved this very grant.
    pub(super) fn is_approved(
        &self,
        approver: &PublicKey,
        (network, owner): (NetworkId, &ParticipantName),
        grant: &ConsentGrant,
    ) -> bool {
        let of_consent = self.approvals.get(&grant.consent);
        of_consent.into_iter().flatten().any(|approval| {
            approval.approver() == approver && approval.approves(network, owner, grant)
        })
    }

    pub(super) fn purpose(&self, handle: &PurposeHandle) -> Option<&str> {
        self.purposes.get(handle).map(String::as_str)
    }

    pub(super) fn class(&self, handle: &ClassHandle) -> Option<&str> {
        self.classes.get(handle).map(String::as_str)
    }

    pub(super) fn document(&self, record: &RecordHandle) -> Option<&str> {
        self.documents.get(record).map(String::as_str)
    }

    /// Who read, if the institution disclosed it; an error if it disclosed another note.
    pub(super) fn person(
        &self,
        event: &EventId,
        commitment: &Commitment,
    ) -> Result<Option<Person>, FalseNote> {
        let Some(note) = self.notes.get(event) else {
            return Ok(None);
        };
        let note = Disclosure::decode(note).map_err(|_| FalseNote)?;
        let shown = note.verify(commitment).map_err(|_| FalseNote)?;
        Ok(actor(&shown).map(|id| Person { id, name: None }))
    }
}

/// A disclosed note is not the one that its request committed to.
pub(super) struct FalseNote;

fn actor(shown: &Shown) -> Option<String> {
    let value = shown.value(ACTOR)?;
    String::from_utf8(value.bytes().to_vec()).ok()
}

fn class_words(own: &[&str]) -> Vec<String> {
    let levels =
        Category::ALL.map(|category| Level::ALL.map(|level| DataClass { category, level }));
    let categories = Category::ALL
        .iter()
        .map(|category| category.as_str().into());
    let own = own.iter().map(|word| (*word).to_owned());
    let with_levels = levels.iter().flatten().map(ToString::to_string);
    categories.chain(with_levels).chain(own).collect()
}
