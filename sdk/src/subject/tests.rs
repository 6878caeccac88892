//! A patient with a key of their own, and institutions that are handed no more than their part of it.

mod delegation;
mod ending;

use super::*;
use crate::access_list::KeyHolder;
use crate::context::System;
use crate::context::fixed::Fixed;
use crate::domain::{NewConsent, NewRecord};
use crate::fhir::SeparateConsent;
use crate::identity::Identity;
use crate::testing::{name, network_with};
use medanchor_ledger::event::EventBody;
use medanchor_ledger::rules::Role;
use medanchor_ledger::{RecordHandle, Time};
use medanchor_vault::Epoch;
use std::path::PathBuf;
use std::sync::Arc;

const NOW: u64 = 1_767_225_600_000;
const DAY: u64 = 24 * 3_600_000;

struct Place {
    root: tempfile::TempDir,
    network: NetworkId,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let people = [("north", Role::Hospital), ("south", Role::Hospital)];
        let network = network_with(root.path(), &people).genesis.network_id();
        Self { root, network }
    }

    fn open(&self, who: &str) -> Identity {
        let context = Arc::new(Fixed::at(NOW));
        Identity::open_with(&self.root.path().join(who), context).unwrap()
    }

    fn patient(&self) -> Subject {
        Subject::new(self.network, TagKey::new([7; 32]))
    }

    /// The hospital and its patient, who has brought a key.
    fn enrolled(&self) -> (Identity, Subject) {
        let (north, patient) = (self.open("north"), self.patient());
        let brought = patient.key_for(&name("north"));
        north.take_subject_key("Patient/1", &brought).unwrap();
        (north, patient)
    }
}

fn sealed_tag(identity: &Identity, document: &str) -> medanchor_ledger::Tag {
    let new = NewRecord {
        name: document,
        version: 1,
        subject: "Patient/1",
        class: "laboratory",
        payload: b"{}",
    };
    match identity.seal_record(&new).unwrap().event.body() {
        EventBody::RecordSeal(seal) => seal.tag,
        _ => panic!("a seal"),
    }
}

fn with_consent<T>(run: impl FnOnce(&NewConsent<'_>) -> T) -> T {
    run(&NewConsent {
        name: "Consent/1",
        root: None,
        subject: "Patient/1",
        grantees: &[name("south").into()],
        purposes: &["TREAT"],
        classes: &["laboratory"],
        records_since: Time(NOW),
        not_before: Time(NOW),
        not_after: Time(NOW + DAY),
        records: &[],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: b"{}",
    })
}

#[test]
fn records_are_sealed_under_the_key_that_was_brought_and_under_no_other() {
    let place = Place::new();
    let (north, patient) = (place.open("north"), place.patient());
    let epoch = Epoch::of(Time(NOW));
    let held = north.held_subject_keys("Patient/1").key.tag(epoch);
    assert_eq!(sealed_tag(&north, "Observation/1"), held);

    let brought = patient.key_for(&name("north"));
    north.take_subject_key("Patient/1", &brought).unwrap();
    let own = patient.key_at(&name("north")).tag(epoch);
    assert_eq!(sealed_tag(&north, "Observation/2"), own);
    assert_ne!(own, held);
    drop(north);
    // It is kept: also after a restart.
    let again = place.open("north");
    assert_eq!(sealed_tag(&again, "Observation/3"), own);
    let keys = again.subject_keys("Patient/1").unwrap();
    assert_eq!(keys.holder(), KeyHolder::Subject);
    let other = again.subject_keys("Patient/2").unwrap();
    assert_eq!(other.holder(), KeyHolder::Institution);
}

/// All that an institution is handed, and everything that it can derive by the published rules from
/// it, gives none of the patient's handles at another institution.
#[test]
fn an_institution_cannot_compute_another_ones_tags() {
    let place = Place::new();
    let (patient, north, south) = (place.patient(), name("north"), name("south"));
    let brought = patient.key_for(&north);
    let epochs = || (0..4).map(|back| Epoch(Epoch::of(Time(NOW)).0 - back));
    let wanted: Vec<_> = epochs()
        .map(|epoch| patient.key_at(&south).tag(epoch))
        .collect();
    // As a subject key, and misused as if it were a tag key, for either institution.
    let misused = || TagKey::new(*brought.key().expose());
    let guesses = [
        patient.key_for(&north).into_parts().0,
        misused().at(&south),
        misused().at(&north),
    ];
    for key in &guesses {
        assert!(epochs().all(|epoch| !wanted.contains(&key.tag(epoch))));
    }
    // Nothing in the text is the tag key or the key for elsewhere, and the approving keys differ.
    let bytes = brought.encode();
    let holds = |secret: &[u8]| bytes.windows(32).any(|window| window == secret);
    assert!(!holds(&[7; 32]) && !holds(patient.key_at(&south).expose()));
    assert!(!holds(patient.approving_key(&north).seed().as_slice()));
    assert_ne!(patient.approver_at(&north), patient.approver_at(&south));
}

#[test]
fn a_key_for_elsewhere_or_put_together_by_somebody_else_is_refused() {
    let place = Place::new();
    let (north, patient) = (place.open("north"), place.patient());
    let elsewhere = patient.key_for(&name("south"));
    assert!(north.take_subject_key("Patient/1", &elsewhere).is_err());
    let other = Subject::new(NetworkId::new([9; 16]), TagKey::new([7; 32]));
    let other = other.key_for(&name("north"));
    assert!(north.take_subject_key("Patient/1", &other).is_err());
    assert!(north.subject_keys("Patient/1").unwrap().approver.is_none());

    // The institution that holds the key cannot put its own approving key beside it under the
    // patient's signature.
    let (own, theirs) = (
        BroughtKey::from_text(&patient.key_for(&name("north")).to_text()).unwrap(),
        SigningKey::from_seed(&[5; 32]),
    );
    let text = own.to_text();
    let mut bytes = own.encode().to_vec();
    let at = find(&bytes, own.approver().as_bytes());
    bytes[at..at + 32].copy_from_slice(theirs.public_key().as_bytes());
    assert!(BroughtKey::decode(&bytes).is_err());
    assert!(BroughtKey::from_text(&text[..text.len() - 1]).is_err());
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|w| w == what).unwrap()
}

#[test]
fn a_later_key_takes_over_and_an_earlier_one_does_not_come_back() {
    let place = Place::new();
    let north = place.open("north");
    let first = place.patient().key_for(&name("north"));
    let second = Subject::new(place.network, TagKey::new([8; 32])).key_for(&name("north"));
    for key in [&first, &first, &second, &second] {
        north.take_subject_key("Patient/1", key).unwrap();
    }
    assert!(north.take_subject_key("Patient/1", &first).is_err());
    let now = north.subject_keys("Patient/1").unwrap();
    assert_eq!(now.key.expose(), second.key().expose());
    assert_eq!(now.approver.as_ref(), Some(second.approver()));
}

#[test]
fn one_card_is_one_patients() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let brought = patient.key_for(&name("north"));
    assert!(north.take_subject_key("Patient/2", &brought).is_err());
    assert!(north.subject_keys("Patient/2").unwrap().approver.is_none());
    north.take_subject_key("Patient/1", &brought).unwrap();
}

fn payloads(identity: &Identity) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(identity.folder().join("vault/payloads")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

/// Keeps something, and loses what it wrote, as a cut before a payload was written does.
fn cut_off(identity: &Identity, keep: impl FnOnce()) {
    let before = payloads(identity);
    keep();
    let new = payloads(identity).into_iter();
    let new: Vec<_> = new.filter(|path| !before.contains(path)).collect();
    assert!(!new.is_empty());
    new.iter()
        .for_each(|path| std::fs::remove_file(path).unwrap());
}

/// The command was killed between the wrapping key of the patient's key and the key itself. From then on
/// nothing could be sealed for the patient.
#[test]
fn a_key_whose_keeping_was_cut_off_was_never_taken() {
    let place = Place::new();
    let north = place.open("north");
    let first = place.patient().key_for(&name("north"));
    let second = Subject::new(place.network, TagKey::new([8; 32])).key_for(&name("north"));
    let take = |key| north.take_subject_key("Patient/1", key).unwrap();
    let held = north.held_subject_keys("Patient/1").key;
    let sealed_under = |document: &str, key: &medanchor_vault::secret::SubjectKey| {
        let tag = key.tag(Epoch::of(Time(NOW)));
        assert_eq!(sealed_tag(&north, document), tag, "{document}");
    };
    cut_off(&north, || take(&first));
    sealed_under("Observation/1", &held);
    take(&first);
    sealed_under("Observation/2", first.key());
    cut_off(&north, || take(&second));
    sealed_under("Observation/3", first.key());
    assert_eq!(north.all_subject_keys("Patient/1").unwrap().len(), 2);
    take(&second);
    sealed_under("Observation/4", second.key());
    let all = north.all_subject_keys("Patient/1").unwrap().into_iter();
    let all: Vec<_> = all.map(|keys| *keys.key.expose()).collect();
    let known = [&held, first.key(), second.key()].map(|key| *key.expose());
    assert_eq!(all, known);
}

/// What was lost is not what was cut off: it was taken, and another stands on it.
#[test]
fn an_earlier_key_that_is_lost_is_an_error() {
    let place = Place::new();
    let north = place.open("north");
    cut_off(&north, || {
        let first = place.patient().key_for(&name("north"));
        north.take_subject_key("Patient/1", &first).unwrap();
    });
    let lost = payloads(&north);
    assert!(lost.is_empty());
    let handle = RecordHandle::new(north.handle("subject-key", "Patient/1"));
    cut_off(&north, || {
        north.vault().seal_opaque(handle, 2, b"second").unwrap();
    });
    assert!(north.subject_keys("Patient/1").is_err());
}

#[test]
fn an_approval_whose_keeping_was_cut_off_hides_no_other() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let draft = with_consent(|new| north.draft_consent(new)).unwrap();
    let approval = patient.approve(&draft).unwrap();
    let consent = approval.consent();
    cut_off(&north, || north.keep_approval(&approval).unwrap());
    assert_eq!(north.approvals(consent).unwrap(), []);
    north.keep_approval(&approval).unwrap();
    let handle = RecordHandle::new(north.handle("consent-approval", &consent.to_string()));
    cut_off(&north, || {
        north.vault().seal_opaque(handle, 2, b"another").unwrap();
    });
    assert_eq!(north.approvals(consent).unwrap(), [approval]);
}

#[test]
fn a_patient_with_a_key_consents_by_approval_only() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    assert!(with_consent(|new| north.grant(new)).is_err());

    let draft = with_consent(|new| north.draft_consent(new)).unwrap();
    let draft = ConsentDraft::from_text(&draft.to_text()).unwrap();
    let approval = patient.approve(&draft).unwrap();
    let approval = Approval::from_text(&approval.to_text()).unwrap();
    let consented = with_consent(|new| north.grant_approved(new, &approval)).unwrap();
    let EventBody::ConsentGrant(grant) = consented.event.body() else {
        panic!("a grant");
    };
    assert!(approval.approves(place.network, &name("north"), grant));
    assert!(grant.tags.contains(&sealed_tag(&north, "Observation/1")));
    let kept = north.approvals(grant.consent).unwrap();
    assert_eq!(kept, std::slice::from_ref(&approval));

    // One handle or moment more than was approved, and it is not approved.
    let mut longer = grant.clone();
    longer.not_after = Time(NOW + 2 * DAY);
    assert!(!approval.approves(place.network, &name("north"), &longer));
    assert!(!approval.approves(place.network, &name("south"), grant));
}

#[test]
fn other_words_than_were_approved_and_approvals_of_others_grant_nothing() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let draft = with_consent(|new| north.draft_consent(new)).unwrap();
    let approval = patient.approve(&draft).unwrap();
    let wider = with_consent(|new| {
        let wider = NewConsent {
            purposes: &["TREAT", "HRESCH"],
            ..*new
        };
        north.grant_approved(&wider, &approval)
    });
    assert!(wider.is_err());
    // Somebody else's card signs the same words: under other keys they are other handles.
    let other = Subject::new(place.network, TagKey::new([8; 32]));
    let theirs = other.approve(&draft).unwrap();
    assert!(with_consent(|new| north.grant_approved(new, &theirs)).is_err());
    // The institution's own signature, over the right handles.
    let keys = north.subject_keys("Patient/1").unwrap();
    let terms = Terms::of(&keys.key, draft.words()).unwrap();
    let grant = terms.without_document().unwrap();
    let own = SigningKey::from_seed(&[5; 32]);
    let forged = Approval::sign(place.network, &name("north"), &grant, &own);
    assert!(with_consent(|new| north.grant_approved(new, &forged)).is_err());
    assert!(north.approvals(grant.consent).unwrap().is_empty());
    // A patient without a key approves nothing either: the institution's word stays the institution's.
    let unknown = with_consent(|new| {
        let new = NewConsent {
            subject: "Patient/2",
            ..*new
        };
        north.grant_approved(&new, &approval)
    });
    assert!(unknown.is_err());
}

#[test]
fn a_card_and_its_pin_are_the_patient() {
    let place = Place::new();
    let (patient, pin) = (place.patient(), Pin::new("493817").unwrap());
    let cost = Cost {
        memory_kib: 8 << 10,
        passes: 1,
    };
    let card = patient.card(&pin, cost, &System).unwrap();
    let card = Card::from_text(&card.to_text()).unwrap();
    let opened = Subject::from_card(&card, place.network, &pin).unwrap();
    let north = name("north");
    assert_eq!(opened.approver_at(&north), patient.approver_at(&north));
    let wrong = Pin::new("493818").unwrap();
    assert!(Subject::from_card(&card, place.network, &wrong).is_err());
}

#[test]
fn drafts_that_no_event_can_hold_are_not_made_and_not_read() {
    let place = Place::new();
    let north = place.open("north");
    let draft = |change: &dyn Fn(&mut NewConsent<'_>)| {
        with_consent(|new| {
            let mut new = *new;
            change(&mut new);
            north.draft_consent(&new)
        })
    };
    assert!(draft(&|_| ()).is_ok());
    assert!(draft(&|new| new.purposes = &[]).is_err());
    assert!(draft(&|new| new.classes = &[""]).is_err());
    assert!(draft(&|new| new.grantees = &[]).is_err());
    assert!(draft(&|new| new.not_after = new.not_before).is_err());
    assert!(draft(&|new| new.records_since = Time(0)).is_err());
    let text = draft(&|_| ()).unwrap().to_text();
    for cut in 0..text.len() {
        assert!(ConsentDraft::from_text(&text[..cut]).is_err());
    }
}

/// The texts of one patient, hospital and consent, frozen.
#[test]
fn the_texts_are_frozen() {
    let (network, north) = (NetworkId::new([1; 16]), name("north-hospital"));
    let patient = Subject::new(network, TagKey::new([7; 32]));
    let draft = ConsentDraft::new(Words {
        network,
        owner: north.clone(),
        consent: medanchor_ledger::ConsentHandle::new([2; 16]),
        root: None,
        grantees: vec![name("south-hospital").into()],
        purposes: vec!["TREAT".into()],
        classes: vec!["laboratory".into()],
        first: Epoch(224),
        last: Epoch(225),
        not_before: Time(NOW),
        not_after: Time(NOW + DAY),
    })
    .unwrap();
    let approval = patient.approve(&draft).unwrap();
    for (text, frozen) in [
        (
            patient.key_for(&north).to_text().to_string(),
            include_str!("../../../vectors/handover/subject.txt"),
        ),
        (
            draft.to_text(),
            include_str!("../../../vectors/handover/consent.txt"),
        ),
        (
            approval.to_text(),
            include_str!("../../../vectors/handover/approval.txt"),
        ),
        (
            patient.end(&north, approval.consent()).to_text(),
            include_str!("../../../vectors/handover/end.txt"),
        ),
    ] {
        assert_eq!(text, frozen.trim_end());
    }
}
