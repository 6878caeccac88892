//! Fetching what the list rests on, from nodes that are not trusted.

use super::fold::{About, Fetched, fold};
use super::{Known, PatientHistory, QuarterProof};
use crate::anchor::Sdk;
use crate::client::{Client, ClientError};
use crate::proof::History;
use crate::receipt::ProofError;
use crate::subject::SubjectKeys;
use medanchor_ledger::event::EventBody;
use medanchor_ledger::rules::{EmergencyHead, StateValue};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{ConsentHandle, NetworkId, ParticipantName, Time};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;

/// Of whom, where and when a list is asked for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The network.
    pub network: NetworkId,
    /// The institution that keeps the records.
    pub owner: &'a ParticipantName,
    /// The subject's key there.
    pub subject: &'a SubjectKey,
    /// The key that approves the subject's consents there; none if the institution holds the subject's
    /// keys. A consent counts as the subject's own only with an approval by it among `known`.
    pub approver: Option<PublicKey>,
    /// The quarters.
    pub epochs: &'a [Epoch],
    /// The patient's FHIR address, such as `Patient/7`.
    pub patient: &'a str,
    /// The words behind handles, and disclosed notes.
    pub known: &'a Known,
}

/// The quarters that were asked for, as far as they were proved.
#[derive(Default)]
struct Quarters {
    proved: Vec<Fetched>,
    failed: Vec<(Epoch, String)>,
}

impl Quarters {
    /// The consents that were granted in them.
    fn consents(&self) -> impl Iterator<Item = ConsentHandle> {
        let events = self.proved.iter().flat_map(|one| &one.events);
        events.filter_map(|(_, event)| match event.as_ref()?.body() {
            EventBody::ConsentGrant(grant) => Some(grant.consent),
            _ => None,
        })
    }
}

impl Client {
    /// The list of who opened a subject's records at one institution: every access of these quarters,
    /// up to the moment that the list names, with its gaps.
    ///
    /// # Errors
    /// [`ClientError`] when no quarter could be proved. A quarter that could not, while another could,
    /// is a gap of the list.
    pub fn patient_history(&self, asked: &Asked<'_>) -> Result<PatientHistory, ClientError> {
        let quarters = self.quarters(asked)?;
        self.folded(asked, quarters)
    }

    fn quarters(&self, asked: &Asked<'_>) -> Result<Quarters, ClientError> {
        let (mut quarters, mut first) = (Quarters::default(), None);
        for epoch in asked.epochs {
            match self.history(asked.owner, &asked.subject.tag(*epoch)) {
                Ok(history) => quarters.proved.push(self.fetched(*epoch, &history)),
                Err(error) => {
                    quarters.failed.push((*epoch, error.to_string()));
                    first.get_or_insert(error);
                }
            }
        }
        if quarters.proved.is_empty() {
            return Err(first.unwrap_or(ClientError::Nonsense("no quarter was asked for")));
        }
        Ok(quarters)
    }

    fn folded(&self, asked: &Asked<'_>, from: Quarters) -> Result<PatientHistory, ClientError> {
        let about = About {
            network: asked.network,
            owner: asked.owner,
            patient: asked.patient,
            approver: asked.approver,
            known: asked.known,
            journal: self.journal_of(asked.owner)?,
            now: self.context().now(),
        };
        let folded = fold(&about, from.proved, from.failed);
        folded.ok_or(ClientError::Nonsense("no quarter was asked for"))
    }

    fn fetched(&self, epoch: Epoch, history: &History) -> Fetched {
        let proved = history.proved();
        let events = history.links().iter().map(|link| {
            // The chain is proved, so an event that cannot be had is a gap and not a failure.
            (*link, self.event(&link.anchored.event).ok())
        });
        Fetched {
            epoch,
            events: events.collect(),
            proof: QuarterProof {
                count: proved.count,
                height: proved.height,
                time: proved.time,
                size: proved.checkpoint.checkpoint().size,
            },
        }
    }

    fn journal_of(&self, owner: &ParticipantName) -> Result<Option<EmergencyHead>, ClientError> {
        let proved = self.state(&EmergencyHead::key(owner), None)?;
        let value = proved.proved().value.as_deref();
        let journal = value.map(EmergencyHead::decode).transpose();
        Ok(journal.map_err(ProofError::from)?)
    }
}

impl Sdk {
    /// The list of a patient of this institution under `keys`, for the last `quarters` quarters with the
    /// one that runs. Consents that the patient did not approve with a key of their own could have been
    /// given by the institution alone: the list says so of each access under one. Approvals are taken
    /// from the vault.
    ///
    /// # Errors
    /// As [`Client::patient_history`].
    pub fn patient_history(
        &self,
        subject: &str,
        keys: &SubjectKeys,
        quarters: u32,
        known: impl FnOnce(&SubjectKey, &[Epoch]) -> Known,
    ) -> Result<PatientHistory, ClientError> {
        let epochs = last_quarters(self.context().now(), quarters);
        let mut known = known(&keys.key, &epochs);
        let nothing = Known::default();
        let asked = |known| Asked {
            network: self.network(),
            owner: self.participant(),
            subject: &keys.key,
            approver: keys.approver,
            epochs: &epochs,
            patient: subject,
            known,
        };
        let fetched = self.client().quarters(&asked(&nothing))?;
        for consent in fetched.consents() {
            // An approval that cannot be read shows nothing, and the list says the worse of the two.
            let approvals = self.approvals(consent).unwrap_or_default();
            approvals
                .into_iter()
                .for_each(|one| known.add_approval(one));
        }
        self.client().folded(&asked(&known), fetched)
    }
}

/// The last `count` quarters of a year, the one of `now` among them.
#[must_use]
pub fn last_quarters(now: Time, count: u32) -> Vec<Epoch> {
    let last = Epoch::of(now);
    let first = last.0.saturating_sub(count.max(1) - 1);
    (first..=last.0).map(Epoch).collect()
}
