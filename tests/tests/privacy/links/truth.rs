//! Who is who in a demo: what only the hospitals know, with their keys.

use super::super::care::people::PATIENT;
use super::super::seeds;
use super::{HOSPITALS, TRAVELLER};
use anyhow::{Result, ensure};
use medanchor_ledger::{ParticipantName, RecordHandle, Tag};
use medanchor_sdk::import::import_tree;
use medanchor_sdk::{Context as _, Identity, System};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Subjects of the demo's own story.
const RACED: &str = "Patient/sample-race";
const IN_CUSTODY: &str = "Patient/sample-custody";
/// The words under which records are sealed.
const CLASSES: [&str; 3] = ["MedicationRequest", "Observation", "DiagnosticReport"];

/// Who is behind a tag: hospital, name there, quarter.
pub type Person = (&'static str, String, Epoch);

/// Who is who: the tag of every subject of the input in this quarter and its neighbours, and the
/// tag under which each record must stand.
#[derive(Default)]
pub struct Truth {
    pub people: BTreeMap<Tag, Person>,
    /// Everything derived from a subject's key that could stand on the ledger, by person.
    pub handles: BTreeMap<Vec<u8>, Person>,
    /// Whose each record of the input is, whichever hospital keeps it.
    pub records: BTreeMap<(ParticipantName, RecordHandle), String>,
}

impl Truth {
    /// Who is behind everything that follows from a key in a quarter.
    fn add(&mut self, person: &Person, key: &SubjectKey) -> Result<()> {
        let (tag, consent) = (key.tag(person.2), key.consent_key(person.2));
        ensure!(
            self.people.insert(tag, person.clone()).is_none(),
            "two tags are equal"
        );
        let classes = CLASSES.map(|class| *consent.class(class).as_bytes());
        let purpose = *consent.purpose("TREAT").as_bytes();
        for handle in classes.into_iter().chain([*tag.as_bytes(), purpose]) {
            let other = self.handles.insert(handle.to_vec(), person.clone());
            ensure!(
                other.is_none(),
                "two people, quarters or hospitals share a handle"
            );
        }
        Ok(())
    }

    /// From the demo's folder.
    pub fn of(dir: &Path) -> Result<Self> {
        let import = import_tree(&seeds(), &Default::default())?;
        let prescribed = &import.items.prescriptions;
        let named = [RACED, IN_CUSTODY, TRAVELLER, PATIENT].map(str::to_owned);
        let subjects = prescribed
            .iter()
            .map(|item| item.subject.as_str().to_owned());
        let subjects: BTreeSet<String> = subjects.chain(named).collect();
        let now = Epoch::of(System.now());
        let mut truth = Self::default();
        for hospital in HOSPITALS {
            let identity = Identity::open(&dir.join(hospital).join("identity"))?;
            for item in prescribed {
                let record = identity.record_handle(&item.source.to_string());
                let key = (identity.participant().clone(), record);
                truth.records.insert(key, item.subject.as_str().to_owned());
            }
            for subject in &subjects {
                for keys in identity.all_subject_keys(subject)? {
                    for epoch in (now.0 - 3..=now.0 + 1).map(Epoch) {
                        truth.add(&(hospital, subject.clone(), epoch), &keys.key)?;
                    }
                }
            }
        }
        Ok(truth)
    }
}
