//! Fetching what the list rests on, from nodes that are not trusted.

use super::fold::{About, Fetched, fold};
use super::{Known, PatientHistory, QuarterProof};
use crate::access_list::KeyHolder;
use crate::anchor::Sdk;
use crate::client::{Client, ClientError};
use crate::proof::History;
use crate::receipt::ProofError;
use medanchor_ledger::rules::{EmergencyHead, StateValue};
use medanchor_ledger::{NetworkId, ParticipantName};
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
    /// Who holds the subject's keys.
    pub key: KeyHolder,
    /// The quarters.
    pub epochs: &'a [Epoch],
    /// The patient's FHIR address, such as `Patient/7`.
    pub patient: &'a str,
    /// The words behind handles, and disclosed notes.
    pub known: &'a Known,
}

impl Client {
    /// The list of who opened a subject's records at one institution: every access of these quarters,
    /// up to the moment that the list names, with its gaps.
    ///
    /// # Errors
    /// [`ClientError`] when no quarter could be proved. A quarter that could not, while another could,
    /// is a gap of the list.
    pub fn patient_history(&self, asked: &Asked<'_>) -> Result<PatientHistory, ClientError> {
        let (mut fetched, mut failed, mut first) = (Vec::new(), Vec::new(), None);
        for epoch in asked.epochs {
            match self.history(asked.owner, &asked.subject.tag(*epoch)) {
                Ok(history) => fetched.push(self.fetched(*epoch, &history)),
                Err(error) => {
                    failed.push((*epoch, error.to_string()));
                    first.get_or_insert(error);
                }
            }
        }
        if fetched.is_empty() {
            return Err(first.unwrap_or(ClientError::Nonsense("no quarter was asked for")));
        }
        let about = About {
            network: asked.network,
            owner: asked.owner,
            patient: asked.patient,
            key: asked.key,
            known: asked.known,
            journal: self.journal_of(asked.owner)?,
            now: self.context().now(),
        };
        fold(&about, fetched, failed).ok_or(ClientError::Nonsense("no quarter was asked for"))
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
    /// The list of a patient whose keys this institution holds, for the last `quarters` quarters with
    /// the one that runs. Such keys could have been used without the patient: the list says so of each
    /// access.
    ///
    /// # Errors
    /// As [`Client::patient_history`].
    pub fn patient_history(
        &self,
        subject: &str,
        quarters: u32,
        known: impl FnOnce(&SubjectKey, &[Epoch]) -> Known,
    ) -> Result<PatientHistory, ClientError> {
        let key = self.vault().held_subject_key(subject);
        let last = Epoch::of(self.context().now());
        let first = last.0.saturating_sub(quarters.max(1) - 1);
        let epochs: Vec<Epoch> = (first..=last.0).map(Epoch).collect();
        let known = known(&key, &epochs);
        self.client().patient_history(&Asked {
            network: self.network(),
            owner: self.participant(),
            subject: &key,
            key: KeyHolder::Institution,
            epochs: &epochs,
            patient: subject,
            known: &known,
        })
    }
}
