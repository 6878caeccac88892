//! An opening is journalled before the key moves, and only where it could succeed.

use super::*;
use crate::testing::network_with;
use medanchor_ledger::RecordHandle;
use medanchor_ledger::rules::Role;
use medanchor_ledger::signature::Signature;
use medanchor_vault::custody::{Acknowledgement, Signed};
use medanchor_vault::{Cost, KeyFileError, Passphrase};
use std::path::Path;

const RECORD: RecordHandle = RecordHandle::new([7; 16]);
const PAYLOAD: &[u8] = br#"{"a":1}"#;

fn words(words: &str) -> Protection {
    Protection::Passphrase(Passphrase::with_cost(words.to_owned().into(), Cost::LEAST))
}

fn right() -> Protection {
    words("four horses, two carts")
}

/// A hospital with an emergency key and one record in custody.
pub(super) fn hospital(root: &Path) -> Identity {
    network_with(root, &[("north-hospital", Role::Hospital)]);
    let identity = Identity::open(&root.join("north-hospital")).unwrap();
    identity.make_emergency_key(&right()).unwrap();
    identity.vault().seal_to_share(RECORD, 1, PAYLOAD).unwrap();
    identity.vault().entrust(RECORD, 1).unwrap();
    identity
}

pub(super) fn new() -> NewEmergency<'static> {
    NewEmergency {
        record: RECORD,
        version: 1,
        actor: "Dr. Zhao",
        reason: "the network is cut",
    }
}

/// Of the first version of a record.
fn acknowledgement(record: RecordHandle) -> Signed<Acknowledgement> {
    let good = include_bytes!("../../../vectors/custody/good-ack.cbor");
    let mut says = Signed::<Acknowledgement>::decode(good)
        .unwrap()
        .says()
        .clone();
    says.record.record.record = record;
    says.record.record.version = 1;
    Signed::new(says, |_| Signature::new([1; 64]))
}

fn counter(identity: &Identity) -> u64 {
    identity.emergency_journal().unwrap().unwrap().counter
}

#[test]
fn each_opening_is_an_entry_on_the_head_of_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    let identity = hospital(root.path());
    assert_eq!(counter(&identity), 0);
    let first = identity.open_in_emergency(&new(), &right()).unwrap();
    let second = identity.open_in_emergency(&new(), &right()).unwrap();
    assert_eq!((&**first.payload, &**second.payload), (PAYLOAD, PAYLOAD));
    let (first, second) = (first.entry.unwrap(), second.entry.unwrap());
    assert_eq!((first.counter, first.previous), (1, JournalHead::EMPTY));
    assert_eq!((second.counter, second.previous), (2, first.head()));
    drop(identity);
    let identity = Identity::open(&root.path().join("north-hospital")).unwrap();
    let standing = identity.emergency_journal().unwrap().unwrap();
    assert_eq!((standing.counter, standing.head), (2, second.head()));
    let note = identity.disclose_emergency_note(&second).unwrap();
    let shown = medanchor_vault::Disclosure::decode(&note).unwrap();
    let shown = shown.verify(&second.commitment).unwrap();
    assert_eq!(
        shown.value("/actor").map(|value| value.bytes()),
        Some(b"Dr. Zhao".as_slice())
    );
}

/// By the emergency key, and while the whole key is here still.
#[test]
fn a_record_opens_into_a_file_which_is_there_once_it_is_whole() {
    let root = tempfile::tempdir().unwrap();
    let identity = hospital(root.path());
    let (record, study) = (RecordHandle::new([9; 16]), vec![7; 200_000]);
    let vault = identity.vault();
    vault.seal_stream_to_share(record, 1, &study[..]).unwrap();
    let folder = root.path().join("out");
    std::fs::create_dir(&folder).unwrap();
    let of_study = NewEmergency { record, ..new() };
    let open = |name: &str| {
        let file = NewFile::begin(&folder.join(name)).unwrap();
        identity.open_in_emergency_into(&of_study, &right(), file)
    };
    let here = open("here").unwrap();
    vault.entrust(record, 1).unwrap();
    let entrusted = open("entrusted").unwrap();
    assert_eq!((here.length, entrusted.length), (200_000, 200_000));
    assert!(here.entry.is_none() && entrusted.entry.unwrap().counter == 1);
    for name in ["here", "entrusted"] {
        assert_eq!(std::fs::read(folder.join(name)).unwrap(), study);
    }

    // The last chunk is spoilt: the others were written by then.
    let handle = record.to_string();
    let payloads = root.path().join("north-hospital/vault/payloads");
    let sealed = payloads
        .join(&handle[..2])
        .join(format!("{handle}-1.sealed"));
    let mut bytes = std::fs::read(&sealed).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&sealed, bytes).unwrap();
    assert!(open("spoilt").is_err());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    assert_eq!(counter(&identity), 2, "too much is said, never too little");
}

/// It stood in the journal, and on the patient's list, as an opening that could not be.
#[test]
fn a_document_that_is_too_long_for_memory_is_refused_before_it_is_journalled() {
    let root = tempfile::tempdir().unwrap();
    let identity = hospital(root.path());
    let handle = RECORD.to_string();
    let payloads = root.path().join("north-hospital/vault/payloads");
    let sealed = payloads
        .join(&handle[..2])
        .join(format!("{handle}-1.sealed"));
    let sealed = std::fs::File::options().write(true).open(sealed).unwrap();
    sealed
        .set_len(medanchor_vault::seal::MAX_SEALED as u64 + 1)
        .unwrap();
    let refused = identity.open_in_emergency(&new(), &right()).err().unwrap();
    assert!(refused.to_string().contains("into a file"), "{refused}");
    assert_eq!(counter(&identity), 0);
}

/// Care does not wait for a ledger that is cut when the hospital has changed its signing key meanwhile.
#[test]
fn a_journal_goes_on_under_the_next_signing_key() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("north-hospital");
    let identity = hospital(root.path());
    let first = identity.open_in_emergency(&new(), &right()).unwrap();
    Identity::make_next_key(&folder).unwrap();
    identity.put_next_key().unwrap();
    drop(identity);
    let identity = Identity::open(&folder).unwrap();
    let second = identity.open_in_emergency(&new(), &right()).unwrap();
    assert_eq!(second.entry.unwrap().previous, first.entry.unwrap().head());
    assert_eq!(identity.emergency_entries().unwrap().len(), 2);
}

#[test]
fn what_could_not_be_opened_anyway_is_not_journalled() {
    let root = tempfile::tempdir().unwrap();
    let identity = hospital(root.path());
    let refused = identity.open_in_emergency(&new(), &words("two carts, four horses"));
    let wrong = |error: &EmergencyError| {
        matches!(
            error,
            EmergencyError::Sdk(SdkError::Vault(VaultError::KeyFile(
                KeyFileError::WrongPassphrase { .. }
            )))
        )
    };
    assert!(refused.err().is_some_and(|error| wrong(&error)));
    let other = NewEmergency {
        record: RecordHandle::new([8; 16]),
        ..new()
    };
    assert!(identity.open_in_emergency(&other, &right()).is_err());
    assert_eq!(counter(&identity), 0);
}

/// Its sealing was cut off: the ledger knows no such record, so an entry of it could never be anchored, and
/// would stop all behind it.
#[test]
fn a_record_whose_key_never_left_opens_without_an_entry() {
    let root = tempfile::tempdir().unwrap();
    let identity = hospital(root.path());
    let record = RecordHandle::new([9; 16]);
    identity.vault().seal_to_share(record, 1, PAYLOAD).unwrap();
    let cut_off = NewEmergency { record, ..new() };
    let opened = identity.open_in_emergency(&cut_off, &right()).unwrap();
    assert_eq!((&**opened.payload, opened.entry), (PAYLOAD, None));
    assert_eq!(counter(&identity), 0);

    // Cut off later: its event may be on the ledger.
    identity
        .keep_acknowledgements(&[vec![acknowledgement(record)]])
        .unwrap();
    let opened = identity.open_in_emergency(&cut_off, &right()).unwrap();
    assert!(&**opened.payload == PAYLOAD && opened.entry.is_some());
    assert_eq!(counter(&identity), 1);

    identity.vault().entrust(record, 1).unwrap();
    assert!(
        identity
            .open_in_emergency(&cut_off, &right())
            .unwrap()
            .entry
            .is_some()
    );
    assert_eq!(counter(&identity), 2);
}

/// Whether its event was signed is not known then: an entry too many is better than one too few, and care waits
/// for neither.
#[test]
fn damaged_acknowledgements_keep_care_from_no_record() {
    let root = tempfile::tempdir().unwrap();
    let identity = hospital(root.path());
    let record = RecordHandle::new([9; 16]);
    identity.vault().seal_to_share(record, 1, PAYLOAD).unwrap();
    std::fs::write(identity.folder().join("acknowledgements.redb"), b"rubbish").unwrap();
    let cut_off = NewEmergency { record, ..new() };
    let opened = identity.open_in_emergency(&cut_off, &right()).unwrap();
    assert!(&**opened.payload == PAYLOAD && opened.entry.is_some());
}

/// A lost journal is not taken for an empty one, and no second key is made beside it.
#[test]
fn a_lost_journal_is_missed() {
    let root = tempfile::tempdir().unwrap();
    let identity = hospital(root.path());
    identity.open_in_emergency(&new(), &right()).unwrap();
    std::fs::remove_file(identity.emergency_path()).unwrap();
    let missing = |error: &EmergencyError| {
        let missing = matches!(
            error,
            EmergencyError::Journal(EmergencyJournalError::Missing { .. })
        );
        assert!(missing, "{error}");
    };
    missing(&identity.open_in_emergency(&new(), &right()).err().unwrap());
    missing(&identity.emergency_journal().unwrap_err());
    missing(&identity.emergency_entries().unwrap_err());
    assert!(identity.make_emergency_key(&right()).is_err());
    assert!(!identity.emergency_path().exists());
}

/// The payload is gone, so the opening fails after its entry: too much is said, never too little.
#[test]
fn an_opening_that_breaks_off_has_its_entry() {
    let root = tempfile::tempdir().unwrap();
    let identity = hospital(root.path());
    let payloads = root.path().join("north-hospital/vault/payloads");
    std::fs::remove_dir_all(&payloads).unwrap();
    std::fs::create_dir(&payloads).unwrap();
    std::fs::create_dir(payloads.join("aside")).unwrap();
    assert!(identity.open_in_emergency(&new(), &right()).is_err());
    assert_eq!(counter(&identity), 1);
}

#[test]
fn without_a_journal_that_can_be_written_nothing_opens() {
    let root = tempfile::tempdir().unwrap();
    let identity = hospital(root.path());
    let path = identity.emergency_path();
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, b"no journal").unwrap();
    let refused = identity.open_in_emergency(&new(), &right()).err();
    assert!(matches!(refused, Some(EmergencyError::Journal(_))));
    std::fs::write(&path, good).unwrap();
    assert!(identity.open_in_emergency(&new(), &right()).is_ok());
}

#[cfg(feature = "client")]
mod registered;

#[cfg(feature = "client")]
mod against_the_ledger {
    use super::super::anchor::missing;
    use super::super::restore::chained;
    use super::*;
    use medanchor_ledger::event::JournalKeyKind;
    use medanchor_ledger::rules::{Anchored, EarlierKinds, EmergencyHead};
    use medanchor_ledger::{EventId, Index};

    /// What the ledger has after these entries.
    fn head_after(entries: &[AccessEmergency]) -> EmergencyHead {
        let last = entries.last();
        EmergencyHead {
            newest: Anchored {
                event: EventId::new([1; 32]),
                index: Index(1),
            },
            counter: last.map_or(0, |last| last.counter),
            head: last.map_or(JournalHead::EMPTY, AccessEmergency::head),
            key_kind: JournalKeyKind::File,
            since: Time(1),
            stated: Time(1),
            lost: None,
            earlier: EarlierKinds::default(),
        }
    }

    fn opened(identity: &Identity, times: usize) -> Vec<AccessEmergency> {
        let open = |_| {
            let opened = identity.open_in_emergency(&new(), &right()).unwrap();
            opened.entry.unwrap()
        };
        (0..times).map(open).collect()
    }

    #[test]
    fn a_journal_lacks_nothing_that_the_ledger_has_and_has_it_alike() {
        let root = tempfile::tempdir().unwrap();
        let identity = hospital(root.path());
        let before = std::fs::read(identity.emergency_path()).unwrap();
        let entries = opened(&identity, 3);
        let lacks = |ledger: Option<EmergencyHead>| {
            let steps = missing(&identity.open_journal().unwrap(), ledger.as_ref())?;
            let entries = steps.iter().map(|step| step.entry().unwrap().clone());
            Ok::<Vec<_>, EmergencyError>(entries.collect())
        };
        assert_eq!(lacks(None).unwrap(), entries);
        assert_eq!(
            lacks(Some(head_after(&entries[..1]))).unwrap(),
            entries[1..]
        );
        assert_eq!(lacks(Some(head_after(&entries))).unwrap(), []);

        std::fs::write(identity.emergency_path(), before).unwrap();
        let refused = lacks(Some(head_after(&entries)));
        assert!(matches!(
            refused,
            Err(EmergencyError::RolledBack {
                anchored: 3,
                found: 0
            })
        ));
        // Gone on with until it is as long as the other: its head tells.
        opened(&identity, 4);
        let refused = lacks(Some(head_after(&entries)));
        assert!(matches!(
            refused,
            Err(EmergencyError::Forked { anchored: 3 })
        ));
    }

    #[test]
    fn entries_from_a_node_count_only_if_they_lead_to_the_ledgers_head() {
        let root = tempfile::tempdir().unwrap();
        let entries = opened(&hospital(root.path()), 3);
        let head = head_after(&entries);
        let steps = |entries: &[AccessEmergency]| -> Vec<Step> {
            entries.iter().cloned().map(Step::Entry).collect()
        };
        let read = |shown: &[AccessEmergency]| chained(steps(shown).into_iter(), &head);
        assert_eq!(read(&entries), Some(steps(&entries)));
        let mut bent = entries.clone();
        bent[1].claimed = Time(9);
        for hidden in [&entries[1..], &entries[..2], &bent[..]] {
            assert_eq!(read(hidden), None);
        }
    }
}
