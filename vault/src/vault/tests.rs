//! What a vault promises, over a real folder.

use super::*;
use crate::json::Value;
use crate::seal::OpenError;
use crate::slots::SlotsError;
use std::path::PathBuf;

const NETWORK: NetworkId = NetworkId::new([1; 16]);
const RECORD: RecordHandle = RecordHandle::new([2; 16]);
const PAYLOAD: &[u8] =
    br#"{"resourceType":"MedicationRequest","subject":{"display":"Zhang San"},"dose":1.50}"#;

fn vault() -> (tempfile::TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::create(folder.path(), NETWORK).unwrap();
    (folder, vault)
}

fn payload_file(folder: &Path) -> PathBuf {
    folder
        .join("payloads/02")
        .join(format!("{RECORD}-1.sealed"))
}

#[test]
fn a_payload_comes_back_after_the_vault_was_closed() {
    let (folder, vault) = vault();
    let sealed = vault.seal(RECORD, 1, PAYLOAD).unwrap();
    let handle = vault.handle("record", "MedicationRequest/1");
    drop(vault);
    let vault = Vault::open(folder.path(), NETWORK).unwrap();
    assert_eq!(&**vault.open_record(RECORD, 1).unwrap(), PAYLOAD);
    assert_eq!(
        vault.seal(RECORD, 1, PAYLOAD).unwrap(),
        sealed,
        "sealing again gives the same answer"
    );
    assert_eq!(vault.handle("record", "MedicationRequest/1"), handle);
}

/// Whoever stored it may have been killed before the disk had its name, and the caller anchors it now.
#[test]
fn a_payload_that_is_found_is_waited_for_before_it_is_said_to_be_sealed() {
    let (_folder, vault) = vault();
    let syncs = vault.payloads.syncs();
    let handle = |number| RecordHandle::new([number; 16]);
    let many = |number| {
        let one = ToSeal {
            record: handle(number),
            version: 1,
            payload: PAYLOAD,
        };
        vault.seal_many(&[one]).map(drop)
    };
    let ways: [&dyn Fn(u8) -> Result<(), VaultError>; 3] = [
        &|number| vault.seal(handle(number), 1, PAYLOAD).map(drop),
        &many,
        &|number| vault.seal_stream(handle(number), 1, PAYLOAD).map(drop),
    ];
    for (seal, number) in ways.into_iter().zip(10..) {
        seal(number).unwrap();
        let before = syncs.count();
        seal(number).unwrap();
        assert_eq!(syncs.count(), before + 1, "{number}");
        syncs.fail_next();
        let refused = seal(number);
        assert!(matches!(refused, Err(VaultError::Payload(_))), "{number}");
        seal(number).unwrap();
    }
}

#[test]
fn other_content_needs_another_version() {
    let (_folder, vault) = vault();
    let first = vault.seal(RECORD, 1, PAYLOAD).unwrap();
    assert!(matches!(
        vault.seal(RECORD, 1, b"{}"),
        Err(VaultError::Taken { .. })
    ));
    assert!(matches!(
        vault.seal(RECORD, 0, b"{}"),
        Err(VaultError::VersionZero)
    ));
    let second = vault.seal(RECORD, 2, PAYLOAD).unwrap();
    assert_ne!(
        first.commitment, second.commitment,
        "each version has salts of its own"
    );
    assert_ne!(first.key_check, second.key_check);
}

#[test]
fn an_erased_record_opens_from_no_copy_of_its_payload() {
    let (folder, vault) = vault();
    vault.seal(RECORD, 1, PAYLOAD).unwrap();
    vault.seal(RECORD, 2, b"{}").unwrap();
    let copy = fs::read(payload_file(folder.path())).unwrap();
    assert_eq!(vault.erase(RECORD).unwrap(), [1, 2]);
    assert_eq!(
        vault.erase(RECORD).unwrap(),
        [1, 2],
        "erasing twice is erasing once"
    );
    fs::write(payload_file(folder.path()), &copy).unwrap();
    assert!(matches!(
        vault.open_record(RECORD, 1),
        Err(VaultError::Erased { .. })
    ));
    assert!(matches!(
        vault.seal(RECORD, 1, PAYLOAD),
        Err(VaultError::Erased { .. })
    ));
    drop(vault);
    let vault = Vault::open(folder.path(), NETWORK).unwrap();
    assert!(matches!(
        vault.open_record(RECORD, 1),
        Err(VaultError::Erased { .. })
    ));
    assert!(matches!(
        vault.open_record(RECORD, 2),
        Err(VaultError::Erased { .. })
    ));
}

#[test]
fn a_payload_put_in_anothers_place_is_named() {
    let (folder, vault) = vault();
    let other = RecordHandle::new([3; 16]);
    vault.seal(RECORD, 1, PAYLOAD).unwrap();
    vault.seal(other, 1, b"{}").unwrap();
    let swapped = folder
        .path()
        .join("payloads/03")
        .join(format!("{other}-1.sealed"));
    fs::copy(swapped, payload_file(folder.path())).unwrap();
    let error = vault.open_record(RECORD, 1).err();
    assert!(
        matches!(error, Some(VaultError::Open(OpenError::Swapped { found })) if found.record == other)
    );
}

#[test]
fn a_field_is_shown_and_its_neighbours_are_not() {
    let (_folder, vault) = vault();
    let sealed = vault.seal(RECORD, 1, PAYLOAD).unwrap();
    let disclosure = vault.disclose(RECORD, 1, &["/dose"], &[]).unwrap().encode();
    assert!(!disclosure.windows(5).any(|window| window == b"Zhang"));
    let shown = Disclosure::decode(&disclosure)
        .unwrap()
        .verify(&sealed.commitment)
        .unwrap();
    assert!(shown.value("/dose") == Some(&Value::Number("1.50".into())));
    assert!(shown.value("/subject/display").is_none());
}

#[test]
fn one_process_holds_a_vault_of_one_network() {
    let (folder, vault) = vault();
    assert!(matches!(
        Vault::open(folder.path(), NETWORK),
        Err(VaultError::Locked { .. })
    ));
    drop(vault);
    let other = Vault::open(folder.path(), NetworkId::new([9; 16]));
    assert!(matches!(
        other,
        Err(VaultError::Slots(SlotsError::OtherNetwork { .. }))
    ));
    assert!(matches!(
        Vault::create(folder.path(), NETWORK),
        Err(VaultError::KeyFile(KeyFileError::Exists { .. }))
    ));
}

#[test]
fn nothing_on_disk_shows_the_payload_and_nothing_opens_without_the_key_file() {
    let (folder, vault) = vault();
    vault.seal(RECORD, 1, PAYLOAD).unwrap();
    for file in [
        "keys",
        "institution.key",
        &format!("payloads/02/{RECORD}-1.sealed"),
    ] {
        let bytes = fs::read(folder.path().join(file)).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"Zhang"), "{file}");
    }
    drop(vault);
    fs::remove_file(folder.path().join("institution.key")).unwrap();
    assert!(matches!(
        Vault::open(folder.path(), NETWORK),
        Err(VaultError::KeyFile(KeyFileError::Io { .. }))
    ));
}

/// A power cut may keep the first of a record's two slots and lose the second, before any payload.
#[test]
fn a_half_kept_key_is_completed_when_the_record_is_sealed_again() {
    let (folder, vault) = vault();
    vault.seal(RECORD, 1, PAYLOAD).unwrap();
    drop(vault);
    let keys = folder.path().join("keys");
    let whole = fs::read(&keys).unwrap();
    fs::write(&keys, &whole[..whole.len() - 128]).unwrap();
    fs::remove_file(payload_file(folder.path())).unwrap();
    let vault = Vault::open(folder.path(), NETWORK).unwrap();
    assert!(matches!(
        vault.open_record(RECORD, 1),
        Err(VaultError::NoKey { .. })
    ));
    vault.seal(RECORD, 1, PAYLOAD).unwrap();
    assert_eq!(&**vault.open_record(RECORD, 1).unwrap(), PAYLOAD);
}

#[test]
fn an_opaque_payload_is_kept_and_has_no_fields() {
    let (_folder, vault) = vault();
    vault.seal_opaque(RECORD, 1, b"DICM\0").unwrap();
    assert_eq!(&**vault.open_record(RECORD, 1).unwrap(), b"DICM\0");
    assert!(matches!(
        vault.disclose(RECORD, 1, &[""], &[]),
        Err(VaultError::Json(_))
    ));
}

fn batch(count: u8) -> Vec<(RecordHandle, String)> {
    let one = |number| {
        (
            RecordHandle::new([number; 16]),
            format!("{{\"n\":{number}}}"),
        )
    };
    (1..=count).map(one).collect()
}

fn seal_all(vault: &Vault, batch: &[(RecordHandle, String)]) -> Result<Vec<Sealed>, VaultError> {
    let payloads: Vec<ToSeal<'_>> = batch
        .iter()
        .map(|(record, payload)| ToSeal {
            record: *record,
            version: 1,
            payload: payload.as_bytes(),
        })
        .collect();
    vault.seal_many(&payloads)
}

#[test]
fn what_is_sealed_together_is_what_each_would_be_alone() {
    let (folder, vault) = vault();
    vault
        .seal(RecordHandle::new([3; 16]), 1, b"{\"n\":3}")
        .unwrap();
    let sealed = seal_all(&vault, &batch(50)).unwrap();
    drop(vault);
    let vault = Vault::open(folder.path(), NETWORK).unwrap();
    assert_eq!(
        seal_all(&vault, &batch(50)).unwrap(),
        sealed,
        "again the same"
    );
    for ((record, payload), sealed) in batch(50).iter().zip(&sealed) {
        assert_eq!(vault.seal(*record, 1, payload.as_bytes()).unwrap(), *sealed);
        assert_eq!(
            &**vault.open_record(*record, 1).unwrap(),
            payload.as_bytes()
        );
    }
    let packs = fs::read_dir(folder.path().join("payloads/packs")).unwrap();
    assert_eq!(
        packs.count(),
        1,
        "one file for all, and none for what was there"
    );
}

#[test]
fn a_batch_with_something_wrong_is_refused_and_can_be_sealed_when_it_is_right() {
    let (_folder, vault) = vault();
    vault.seal(RECORD, 1, PAYLOAD).unwrap();
    assert!(matches!(
        seal_all(&vault, &batch(3)),
        Err(VaultError::Taken { .. })
    ));
    let mut wrong = batch(1);
    wrong.push((RecordHandle::new([9; 16]), "{".to_owned()));
    assert!(matches!(seal_all(&vault, &wrong), Err(VaultError::Json(_))));
    let twice = [batch(1), batch(1)].concat();
    assert!(matches!(
        seal_all(&vault, &twice),
        Err(VaultError::Repeated { .. })
    ));
    assert!(matches!(
        vault.open_record(RecordHandle::new([1; 16]), 1),
        Err(VaultError::NoKey { .. } | VaultError::Payload(_))
    ));
    seal_all(&vault, &batch(1)).unwrap();
}

#[test]
fn an_erased_record_of_a_batch_is_gone_and_the_others_stay() {
    let (folder, vault) = vault();
    seal_all(&vault, &batch(3)).unwrap();
    vault.erase(RECORD).unwrap();
    drop(vault);
    let vault = Vault::open(folder.path(), NETWORK).unwrap();
    assert!(matches!(
        vault.open_record(RECORD, 1),
        Err(VaultError::Erased { .. })
    ));
    assert!(matches!(
        seal_all(&vault, &batch(3)),
        Err(VaultError::Erased { .. })
    ));
    vault.open_record(RecordHandle::new([3; 16]), 1).unwrap();
}

/// A power cut in the middle of a batch leaves some of its keys, cut anywhere, and no pack.
#[test]
fn a_batch_that_was_cut_off_anywhere_is_sealed_again() {
    let (folder, vault) = vault();
    let begin = fs::metadata(folder.path().join("keys")).unwrap().len();
    seal_all(&vault, &batch(4)).unwrap();
    drop(vault);
    let keys = fs::read(folder.path().join("keys")).unwrap();
    for kept in (usize::try_from(begin).unwrap()..=keys.len()).step_by(40) {
        fs::write(folder.path().join("keys"), &keys[..kept]).unwrap();
        fs::remove_dir_all(folder.path().join("payloads")).unwrap();
        fs::create_dir_all(folder.path().join("payloads/aside")).unwrap();
        fs::write(folder.path().join("payloads/aside/half"), b"half a pack").unwrap();
        let vault = Vault::open(folder.path(), NETWORK).unwrap();
        seal_all(&vault, &batch(4)).unwrap();
        for (record, payload) in batch(4) {
            assert_eq!(&**vault.open_record(record, 1).unwrap(), payload.as_bytes());
        }
    }
}
