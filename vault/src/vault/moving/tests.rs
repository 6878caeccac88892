//! Moves, those that were cut off, and what was erased meanwhile.

use super::*;
use crate::ToSeal;
use crate::objects::Objects;
use medanchor_ledger::NetworkId;
use object_store::memory::InMemory;
use std::sync::Arc;

fn record(number: u8) -> RecordVersion {
    RecordVersion {
        network: NetworkId::new([1; 16]),
        record: RecordHandle::new([number; 16]),
        version: 1,
    }
}

#[test]
fn small_and_large_payloads_are_copied_once_and_never_over_others() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Payloads::Folder(Folder::open(temporary.path()).unwrap());
    let bucket = || Objects::new(Arc::new(InMemory::new()), "vault".into(), "ours".into());
    let large = vec![7; usize::try_from(IN_MEMORY).unwrap() + 3];
    folder.put(&record(1), b"small").unwrap();
    folder.put(&record(2), &large).unwrap();
    folder.put_new(&[(record(3), b"packed".to_vec())]).unwrap();
    let to = Payloads::Objects(bucket());
    for _ in 0..2 {
        for number in 1..=3 {
            assert!(copy(&folder, &to, &record(number)).unwrap());
        }
        assert!(!copy(&folder, &to, &record(4)).unwrap());
    }
    assert_eq!(to.get(&record(2)).unwrap(), large);
    assert_eq!(to.get(&record(3)).unwrap(), b"packed");

    let other = Payloads::Objects(bucket());
    other.put(&record(1), b"another").unwrap();
    other.put(&record(2), &large[1..]).unwrap();
    for number in [1, 2] {
        let refused = copy(&folder, &other, &record(number)).unwrap_err();
        assert!(matches!(refused, PayloadError::Taken { .. }), "{refused}");
    }
}

/// What stands at the new place already is taken as moved, and whoever wrote it may have been killed.
#[test]
fn a_large_payload_that_is_found_in_the_other_folder_is_waited_for() {
    let [from, to] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let open = |folder: &tempfile::TempDir| Payloads::Folder(Folder::open(folder.path()).unwrap());
    let (from, to) = (open(&from), open(&to));
    let large = vec![7; usize::try_from(IN_MEMORY).unwrap()];
    from.put(&record(1), &large).unwrap();
    assert!(copy(&from, &to, &record(1)).unwrap());
    to.syncs().fail_next();
    let refused = copy(&from, &to, &record(1)).unwrap_err();
    assert!(matches!(refused, PayloadError::Io { .. }), "{refused}");
    assert!(copy(&from, &to, &record(1)).unwrap());
}

/// A vault in a folder with records 1 to 4, a pack of two among them, and a place in a bucket.
fn moving(path: &Path) -> (Vault, impl Fn() -> Payloads) {
    let vault = Vault::create(path, record(1).network).unwrap();
    let many: Vec<_> = (1..=2).map(to_seal).collect();
    vault.seal_many(&many).unwrap();
    vault.seal(record(3).record, 1, b"{}").unwrap();
    vault.seal(record(4).record, 1, b"{}").unwrap();
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    let bucket =
        move || Payloads::Objects(Objects::new(store.clone(), "vault".into(), "ours".into()));
    (vault, bucket)
}

fn to_seal(number: u8) -> ToSeal<'static> {
    ToSeal {
        record: record(number).record,
        version: 1,
        payload: b"{}",
    }
}

/// The vault as it opens once its payloads are in the bucket.
fn opened(path: &Path, payloads: Payloads) -> Vault {
    let mut vault = Vault::open(path, record(1).network).unwrap();
    vault.payloads = payloads;
    vault
}

fn has(payloads: &Payloads) -> Vec<u8> {
    let there = |number: &u8| payloads.has(&record(*number)).unwrap();
    (1..=4).filter(there).collect()
}

fn folder(path: &Path) -> Payloads {
    Payloads::Folder(Folder::open(&path.join("payloads")).unwrap())
}

/// A move was killed after the bucket was noted and before the folder was cleared. An erasure left the
/// folder's copy, and the command, run again, brought the erased ciphertext back into the bucket.
#[test]
fn what_was_erased_while_a_move_was_cut_off_comes_back_nowhere() {
    let temporary = tempfile::tempdir().unwrap();
    let (vault, bucket) = moving(temporary.path());
    let left: Vec<_> = [1, 3]
        .map(|number| vault.payloads.get(&record(number)).unwrap())
        .into();
    assert_eq!(vault.copy_to(&bucket()).unwrap().payloads, 4);
    drop(vault);

    let vault = opened(temporary.path(), bucket());
    for number in [1, 3] {
        vault.erase(record(number).record).unwrap();
    }
    assert_eq!(has(&bucket()), [2, 4]);
    assert_eq!(has(&folder(temporary.path())), [2, 4]);
    // As a release left it that did not look into the folder, or a back-up of the payloads.
    for (number, sealed) in [1, 3].into_iter().zip(&left) {
        folder(temporary.path())
            .put(&record(number), sealed)
            .unwrap();
        bucket().put(&record(number), sealed).unwrap();
    }
    drop(vault);
    let vault = opened(temporary.path(), bucket());
    for _ in 0..2 {
        vault.clear_folder().unwrap();
        assert_eq!(has(&bucket()), [2, 4]);
        assert!(has(&folder(temporary.path())).is_empty());
        assert!(vault.missing_payloads().unwrap().is_empty());
    }
    assert_eq!(**vault.open_record(record(2).record, 1).unwrap(), *b"{}");
}

/// Killed before the bucket was noted: the erasure does not know of it, and the next try does.
#[test]
fn what_was_erased_before_the_place_was_noted_is_removed_there_by_the_next_try() {
    let temporary = tempfile::tempdir().unwrap();
    let (vault, bucket) = moving(temporary.path());
    vault.copy_to(&bucket()).unwrap();
    vault.erase(record(2).record).unwrap();
    let copied = vault.copy_to(&bucket()).unwrap();
    assert_eq!((copied.payloads, copied.missing.len()), (3, 0));
    assert_eq!(has(&bucket()), [1, 3, 4]);
}

/// A payload that was lost was passed over as if its record had been erased.
#[test]
fn a_payload_that_is_nowhere_is_told_and_the_others_are_moved() {
    let temporary = tempfile::tempdir().unwrap();
    let (vault, bucket) = moving(temporary.path());
    vault.payloads.remove(&record(3)).unwrap();
    vault.erase(record(4).record).unwrap();
    for to in [bucket(), bucket()] {
        let copied = vault.copy_to(&to).unwrap();
        assert_eq!((copied.payloads, copied.missing), (2, vec![record(3)]));
    }
    assert_eq!(vault.missing_payloads().unwrap(), [record(3)]);
    drop(vault);
    let vault = opened(temporary.path(), bucket());
    vault.clear_folder().unwrap();
    assert_eq!(vault.missing_payloads().unwrap(), [record(3)]);
}

/// A vault without a payload never asked the new place whose it is.
#[test]
fn a_place_is_claimed_also_where_nothing_is_to_be_copied() {
    let temporary = tempfile::tempdir().unwrap();
    let vault = Vault::create(temporary.path(), record(1).network).unwrap();
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    let of =
        |mark: &str| Payloads::Objects(Objects::new(store.clone(), "vault".into(), mark.into()));
    assert_eq!(vault.copy_to(&of("ours")).unwrap().payloads, 0);
    let refused = vault.copy_to(&of("theirs"));
    assert!(matches!(
        refused,
        Err(VaultError::Payload(PayloadError::OtherVault))
    ));
}
