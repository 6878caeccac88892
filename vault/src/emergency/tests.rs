//! What the emergency key opens, and what it does not.

use super::*;
use crate::key_file::{Cost, KeyFileError, Passphrase};
use crate::{Settings, Vault};
use medanchor_ledger::RecordHandle;

const NETWORK: NetworkId = NetworkId::new([1; 16]);
const RECORD: RecordHandle = RecordHandle::new([2; 16]);
const OTHER: RecordHandle = RecordHandle::new([3; 16]);
const PAYLOAD: &[u8] = br#"{"a":1}"#;

fn words(words: &str) -> Protection {
    Protection::Passphrase(Passphrase::with_cost(words.to_owned().into(), Cost::LEAST))
}

fn right() -> Protection {
    words("four horses, two carts")
}

/// A vault with an emergency key and one record in custody.
fn entrusted(folder: &Path) -> Vault {
    let vault = Vault::create(folder, NETWORK).unwrap();
    vault.make_emergency_key(&right()).unwrap();
    for _ in 0..2 {
        vault.seal_to_share(RECORD, 1, PAYLOAD).unwrap();
    }
    vault.entrust(RECORD, 1).unwrap();
    vault
}

#[test]
fn a_record_in_custody_opens_by_the_emergency_key_also_after_a_restart_and_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let mut vault = entrusted(folder.path());
    assert!(matches!(
        vault.open_record(RECORD, 1),
        Err(VaultError::Entrusted { .. })
    ));
    for turn in 0..3 {
        let keeper = vault.unlock_emergency(&right()).unwrap();
        vault.check_emergency(RECORD, 1).unwrap();
        let opened = vault.open_in_emergency(&keeper, RECORD, 1).unwrap();
        assert_eq!(*opened, PAYLOAD, "turn {turn}");
        drop(vault);
        vault = match turn {
            0 => Vault::open(folder.path(), NETWORK).unwrap(),
            _ => {
                let (settings, next) = (Settings::default(), Protection::Nothing);
                Vault::rotate(folder.path(), NETWORK, &settings, &next).unwrap()
            }
        };
    }
}

#[test]
fn what_was_destroyed_or_erased_or_never_wrapped_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let vault = entrusted(folder.path());
    let keeper = vault.unlock_emergency(&right()).unwrap();
    let wrap = |byte: u8| {
        let keys = fs::read(folder.path().join("keys")).unwrap();
        let slots = keys.chunks(128).filter(|slot| slot[1] == byte);
        slots.map(|slot| slot[24..104].to_vec()).collect::<Vec<_>>()
    };
    assert!(
        wrap(6)
            .iter()
            .all(|bytes| bytes.iter().any(|byte| *byte != 0))
    );
    for _ in 0..2 {
        assert_eq!(vault.destroy_emergency_wrap(RECORD).unwrap(), [1]);
    }
    assert_eq!(wrap(6), [[0; 80]]);
    let refused = vault.open_in_emergency(&keeper, RECORD, 1);
    assert!(matches!(refused, Err(VaultError::Erased { .. })));

    vault.seal_to_share(OTHER, 1, PAYLOAD).unwrap();
    vault.entrust(OTHER, 1).unwrap();
    assert_eq!(
        *vault.open_in_emergency(&keeper, OTHER, 1).unwrap(),
        PAYLOAD
    );
    vault.erase(OTHER).unwrap();
    let refused = vault.open_in_emergency(&keeper, OTHER, 1);
    assert!(matches!(refused, Err(VaultError::Erased { .. })));
    assert!(wrap(6).iter().all(|bytes| *bytes == [0; 80]));

    let plain = RecordHandle::new([4; 16]);
    vault.seal(plain, 1, PAYLOAD).unwrap();
    assert!(matches!(
        vault.check_emergency(plain, 1),
        Err(VaultError::Emergency(EmergencyError::NotWrapped { .. }))
    ));
}

#[test]
fn only_its_own_passphrase_unlocks_it_and_it_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::create(folder.path(), NETWORK).unwrap();
    let unlocked = vault.unlock_emergency(&right()).err();
    assert!(matches!(
        unlocked,
        Some(VaultError::Emergency(EmergencyError::NoKey))
    ));
    let refused = vault.make_emergency_key(&Protection::Nothing).err();
    assert!(matches!(
        refused,
        Some(VaultError::Emergency(EmergencyError::Unprotected))
    ));
    // A try that was cut off after its key file.
    drop(key_file::create(&key_file_of(folder.path()), &right()).unwrap());
    assert!(
        vault
            .make_emergency_key(&words("two carts, four horses"))
            .is_err()
    );
    vault.make_emergency_key(&right()).unwrap();
    assert!(matches!(
        vault.make_emergency_key(&right()),
        Err(VaultError::Emergency(EmergencyError::Exists))
    ));
    assert!(matches!(
        vault.unlock_emergency(&words("two carts, four horses")),
        Err(VaultError::KeyFile(KeyFileError::WrongPassphrase { .. }))
    ));
}

/// A power cut in the middle of the key file left half of one, which no passphrase unlocks and no later try
/// replaced.
#[test]
fn a_key_file_that_was_cut_off_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::create(folder.path(), NETWORK).unwrap();
    let aside = folder.path().join("emergency.key.new");
    drop(key_file::create(&aside, &words("two carts, four horses")).unwrap());
    let whole = fs::read(&aside).unwrap();
    fs::write(&aside, &whole[..whole.len() / 2]).unwrap();
    vault.make_emergency_key(&right()).unwrap();
    assert!(!aside.exists());
    assert!(vault.unlock_emergency(&right()).is_ok());
    assert_eq!(
        fs::read(key_file_of(folder.path())).unwrap().len(),
        whole.len()
    );
}

/// A token's key that the file of a try that was cut off named was lost in the token, since the next try wiped
/// the file and drew another.
#[test]
fn a_whole_key_file_that_was_left_is_gone_on_with_unless_it_is_of_another_passphrase() {
    for (words, same) in [
        ("four horses, two carts", true),
        ("two carts, four horses", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(folder.path(), NETWORK).unwrap();
        let aside = folder.path().join("emergency.key.new");
        drop(key_file::create(&aside, &self::words(words)).unwrap());
        let left = fs::read(&aside).unwrap();
        if same {
            let refused = vault.make_emergency_key(&Protection::Nothing);
            assert!(refused.is_err());
            assert_eq!(fs::read(&aside).unwrap(), left);
        }
        vault.make_emergency_key(&right()).unwrap();
        assert!(!aside.exists());
        let named = fs::read(key_file_of(folder.path())).unwrap();
        assert_eq!(named == left, same);
        assert!(vault.unlock_emergency(&right()).is_ok());
    }
}

/// An erased wrap counted as one that waits for its key, for ever.
#[test]
fn a_key_that_is_gone_is_told_while_a_wrap_is_left_and_another_may_be_made_after_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let vault = entrusted(folder.path());
    assert!(!vault.lost_emergency_key());
    drop(vault);
    for name in ["emergency", "emergency.key"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let vault = Vault::open(folder.path(), NETWORK).unwrap();
    assert!(vault.lost_emergency_key());
    let lost = |error: Option<VaultError>| {
        matches!(error, Some(VaultError::Emergency(EmergencyError::Lost)))
    };
    assert!(lost(vault.make_emergency_key(&right()).err()));
    assert!(lost(vault.unlock_emergency(&right()).err()));
    // Care goes on.
    vault.seal_to_share(OTHER, 1, PAYLOAD).unwrap();
    assert!(!vault.has_emergency_wrap(OTHER));
    vault.erase(RECORD).unwrap();
    assert!(!vault.lost_emergency_key());
    vault.make_emergency_key(&right()).unwrap();
}

/// Without what unlocks the key, every byte of the folder opens nothing: S is in none of them.
#[test]
fn a_wrap_opens_for_its_own_record_version_and_key_only() {
    let folder = tempfile::tempdir().unwrap();
    let vault = entrusted(folder.path());
    let keeper = vault.unlock_emergency(&right()).unwrap();
    let key = EmergencyKey::read(folder.path(), NETWORK).unwrap().unwrap();
    let record = RecordVersion {
        network: NETWORK,
        record: RECORD,
        version: 1,
    };
    let part = CustodyPart::new([7; 32]);
    let wrapped = key.wrap(&record, &part).unwrap();
    assert_ne!(wrapped, key.wrap(&record, &part).unwrap());
    let opened = |record: &RecordVersion, wrapped: &ToPublic| {
        let part = key.unwrap(&keeper, record, wrapped);
        part.map(|part| *part.expose()).ok()
    };
    assert_eq!(opened(&record, &wrapped), Some([7; 32]));
    let mut bent = wrapped;
    bent[79] ^= 1;
    let bends = [
        RecordVersion {
            version: 2,
            ..record
        },
        RecordVersion {
            record: OTHER,
            ..record
        },
        RecordVersion {
            network: NetworkId::new([9; 16]),
            ..record
        },
    ];
    assert!(
        bends
            .iter()
            .all(|record| opened(record, &wrapped).is_none())
    );
    assert!(opened(&record, &bent).is_none());
}

#[test]
fn a_damaged_file_is_refused_and_another_networks_too() {
    let folder = tempfile::tempdir().unwrap();
    drop(entrusted(folder.path()));
    let bytes = fs::read(path_of(folder.path())).unwrap();
    assert_eq!(bytes.len(), LENGTH);
    assert!(EmergencyKey::decode(&bytes, NETWORK).is_some());
    assert!(EmergencyKey::decode(&bytes, NetworkId::new([9; 16])).is_none());
    for at in 0..LENGTH {
        let mut bent = bytes.clone();
        bent[at] ^= 1;
        assert!(EmergencyKey::decode(&bent, NETWORK).is_none(), "byte {at}");
        assert!(EmergencyKey::decode(&bytes[..at], NETWORK).is_none());
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/emergency-key")
}

const GOLDEN: RecordVersion = RecordVersion {
    network: NETWORK,
    record: RECORD,
    version: 1,
};

/// The files that an earlier release wrote still open; `write` made them.
#[test]
fn the_golden_files_open() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [
        ("good.emergency", "emergency"),
        ("good.key", "emergency.key"),
    ] {
        let bytes = fs::read(vectors().join(from)).unwrap();
        let path = folder.path().join(to);
        fs::write(&path, bytes).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    let key = EmergencyKey::read(folder.path(), NETWORK).unwrap().unwrap();
    let keeper = EmergencyKey::unlock(folder.path(), &right()).unwrap();
    let wrap = fs::read(vectors().join("good.wrap")).unwrap();
    let wrap: &ToPublic = wrap.as_slice().try_into().unwrap();
    let part = key.unwrap(&keeper, &GOLDEN, wrap).unwrap();
    assert_eq!(*part.expose(), [7; 32]);
    for name in [
        "rejected-version.emergency",
        "rejected-another-network.emergency",
        "rejected-flipped-bit.emergency",
        "rejected-truncated.emergency",
        "rejected-trailing-byte.emergency",
    ] {
        let bytes = fs::read(vectors().join(name)).unwrap();
        assert!(EmergencyKey::decode(&bytes, NETWORK).is_none(), "{name}");
    }
}

#[test]
#[ignore = "it writes the files"]
fn write() {
    let folder = tempfile::tempdir().unwrap();
    let key = EmergencyKey::make(folder.path(), NETWORK, &right()).unwrap();
    let other = tempfile::tempdir().unwrap();
    EmergencyKey::make(other.path(), NetworkId::new([9; 16]), &right()).unwrap();
    let good = fs::read(path_of(folder.path())).unwrap();
    let bent = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let version = bent(15, b'2');
    let sum = sha256(&[&version[..124]]);
    let wrap = key.wrap(&GOLDEN, &CustodyPart::new([7; 32])).unwrap();
    let files: [(&str, Vec<u8>); 8] = [
        ("good.emergency", good.clone()),
        ("good.key", fs::read(key_file_of(folder.path())).unwrap()),
        ("good.wrap", wrap.to_vec()),
        (
            "rejected-version.emergency",
            [&version[..124], &sum[..4]].concat(),
        ),
        (
            "rejected-another-network.emergency",
            fs::read(path_of(other.path())).unwrap(),
        ),
        ("rejected-flipped-bit.emergency", bent(40, good[40] ^ 1)),
        ("rejected-truncated.emergency", good[..127].to_vec()),
        (
            "rejected-trailing-byte.emergency",
            [&good[..], &[0]].concat(),
        ),
    ];
    fs::create_dir_all(vectors()).unwrap();
    for (name, bytes) in files {
        fs::write(vectors().join(name), bytes).unwrap();
    }
}
