//! Whoever has every byte that is left, and knew every key before, opens no erased record.

use super::parts::key_parts;
use super::*;
use crate::keeper::{KeyKeeper, Wrapped};
use crate::key_file::{Cost, Passphrase};
use crate::secret::InstitutionKey;
use std::path::PathBuf;

const NETWORK: NetworkId = NetworkId::new([1; 16]);
const ERASED: RecordHandle = RecordHandle::new([2; 16]);
const KEPT: RecordHandle = RecordHandle::new([3; 16]);
const PAYLOAD: &[u8] = br#"{"subject":{"display":"Zhang San"},"dose":1.50}"#;

/// All bytes of all files below the folders, one after another.
fn bytes_of(folders: &[&Path]) -> Vec<u8> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    let mut bytes = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            bytes.extend(fs::read(path).unwrap());
        }
    }
    bytes
}

fn copied(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copied(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// What somebody noted of a record while it was there.
struct Noted {
    record: RecordVersion,
    secrets: Vec<[u8; 32]>,
    /// Wrapped forms of both parts: nonce, ciphertext and tag.
    wraps: Vec<Vec<u8>>,
    sealed: Vec<u8>,
}

fn note(vault: &Vault, folder: &Path, handle: RecordHandle) -> Noted {
    let record = vault.version(handle, 1);
    let (custody, part) = key_parts(&mut vault.slots(), &record).unwrap();
    let key = DataKey::derive(&custody, &part, &record);
    let keys = fs::read(folder.join("keys")).unwrap();
    let slots = keys
        .chunks(128)
        .filter(|slot| slot[8..24] == *handle.as_bytes());
    Noted {
        record,
        secrets: [
            *custody.expose(),
            *part.expose(),
            *key.expose(),
            *key.record_secret().expose(),
        ]
        .into(),
        wraps: slots.map(|slot| slot[24..84].to_vec()).collect(),
        sealed: vault.payloads.get(&record).unwrap(),
    }
}

/// The ways to open the record that `bytes` give, to somebody who has the institution key.
fn ways_to_open(bytes: &[u8], noted: &Noted, keeper: &KeyKeeper) -> Vec<&'static str> {
    let mut found = Vec::new();
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    if noted.secrets.iter().any(|secret| has(secret)) {
        found.push("a secret stands there in the clear");
    }
    // A part of a wrap is no way, but it should not be there either.
    let mut pieces = noted.wraps.iter().flat_map(|wrap| wrap.chunks(12));
    if pieces.any(has) {
        found.push("a piece of a wrapped secret stands there");
    }
    for window in bytes.windows(32) {
        let key = DataKey::new(window.try_into().unwrap());
        if seal::open(&noted.record, &key, &noted.sealed).is_ok() {
            found.push("a key of the payload stands there");
        }
    }
    for window in bytes.windows(60) {
        let wrapped = Wrapped {
            nonce: window[..12].try_into().unwrap(),
            sealed: window[12..].try_into().unwrap(),
        };
        for kind in [Kind::Vault, Kind::Custody] {
            let name = slot_name(kind, &noted.record);
            let context = crate::slots::context_of(NETWORK, &name);
            if keeper.unwrap(&context, &wrapped).unwrap().is_some() {
                found.push("a wrapped secret opens");
            }
        }
    }
    found
}

#[test]
fn nothing_that_is_left_opens_an_erased_record_and_the_same_search_finds_a_kept_one() {
    let folder = tempfile::tempdir().unwrap();
    let backup = tempfile::tempdir().unwrap();
    let vault = Vault::create(folder.path(), NETWORK).unwrap();
    let batch = [ERASED, KEPT].map(|record| ToSeal {
        record,
        version: 1,
        payload: PAYLOAD,
    });
    vault.seal_many(&batch).unwrap();
    for name in ["payloads", "institution.key"] {
        copied(&folder.path().join(name), &backup.path().join(name));
    }
    let [erased, kept] = [ERASED, KEPT].map(|record| note(&vault, folder.path(), record));
    vault.erase(ERASED).unwrap();
    drop(vault);

    let bytes = bytes_of(&[folder.path(), backup.path()]);
    let key = fs::read(backup.path().join("institution.key")).unwrap();
    let key = InstitutionKey::new(key[28..60].try_into().unwrap());
    let keeper = KeyKeeper::in_memory(&key);
    assert_eq!(ways_to_open(&bytes, &erased, &keeper), [""; 0]);
    let ways = ways_to_open(&bytes, &kept, &keeper);
    assert!(ways.contains(&"a wrapped secret opens"));
    assert!(ways.contains(&"a piece of a wrapped secret stands there"));

    // The vault itself, with the payload put back from the back-up.
    copied(
        &backup.path().join("payloads"),
        &folder.path().join("payloads"),
    );
    let vault = Vault::open(folder.path(), NETWORK).unwrap();
    let refused = vault.open_record(ERASED, 1).err();
    assert!(matches!(refused, Some(VaultError::Erased { .. })));
    assert_eq!(&**vault.open_record(KEPT, 1).unwrap(), PAYLOAD);
}

/// A rotation copies what is left; it must not bring back what was erased.
#[test]
fn nothing_opens_an_erased_record_after_a_rotation_either() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::create(folder.path(), NETWORK).unwrap();
    vault.seal(ERASED, 1, PAYLOAD).unwrap();
    let noted = note(&vault, folder.path(), ERASED);
    vault.erase(ERASED).unwrap();
    drop(vault);
    let key = |path: &Path| {
        let bytes = fs::read(path.join("institution.key")).unwrap();
        KeyKeeper::in_memory(&InstitutionKey::new(bytes[28..60].try_into().unwrap()))
    };
    let old = key(folder.path());
    let settings = Settings::default();
    drop(Vault::rotate(folder.path(), NETWORK, &settings, &Protection::Nothing).unwrap());
    for keeper in [old, key(folder.path())] {
        let bytes = bytes_of(&[folder.path()]);
        assert_eq!(ways_to_open(&bytes, &noted, &keeper), [""; 0]);
    }
}

#[test]
fn a_back_up_without_the_key_file_or_its_passphrase_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let words = |words: &str| Settings {
        protection: Protection::Passphrase(Passphrase::with_cost(
            words.to_owned().into(),
            Cost::LEAST,
        )),
        ..Settings::default()
    };
    let settings = words("four horses, two carts");
    let vault = Vault::create_with(folder.path(), NETWORK, &settings).unwrap();
    vault.seal(KEPT, 1, PAYLOAD).unwrap();
    let noted = note(&vault, folder.path(), KEPT);
    drop(vault);
    let backup = tempfile::tempdir().unwrap();
    copied(folder.path(), backup.path());
    let key_file = backup.path().join("institution.key");
    let aside = folder.path().join("aside.key");
    fs::rename(&key_file, &aside).unwrap();

    let refused = Vault::open_with(backup.path(), NETWORK, &settings).err();
    assert!(matches!(
        refused,
        Some(VaultError::KeyFile(KeyFileError::Io { .. }))
    ));
    // Whatever stands in it, tried as the institution key, unwraps nothing.
    let bytes = bytes_of(&[backup.path()]);
    let wrapped = |wrap: &[u8]| Wrapped {
        nonce: wrap[..12].try_into().unwrap(),
        sealed: wrap[12..].try_into().unwrap(),
    };
    let context = crate::slots::context_of(NETWORK, &slot_name(Kind::Vault, &noted.record));
    for window in bytes.windows(32) {
        let keeper = KeyKeeper::in_memory(&InstitutionKey::new(window.try_into().unwrap()));
        for wrap in &noted.wraps {
            assert!(keeper.unwrap(&context, &wrapped(wrap)).unwrap().is_none());
        }
    }

    fs::rename(&aside, &key_file).unwrap();
    let refused = Vault::open_with(backup.path(), NETWORK, &words("two carts, four horses")).err();
    let wrong = Some(VaultError::KeyFile(KeyFileError::WrongPassphrase {
        path: key_file,
    }));
    assert_eq!(
        refused.map(|error| error.to_string()),
        wrong.map(|error| error.to_string())
    );
    let vault = Vault::open_with(backup.path(), NETWORK, &settings).unwrap();
    assert_eq!(&**vault.open_record(KEPT, 1).unwrap(), PAYLOAD);
}
