//! A key file opens with what protects it, and with nothing else.

use super::*;
use secrecy::SecretString;

fn passphrase(text: &str) -> Protection {
    let text = SecretString::from(text.to_owned());
    Protection::Passphrase(Passphrase::with_cost(text, Cost::LEAST))
}

const WORDS: &str = "四 horses, two carts";

fn path(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("institution.key")
}

#[test]
fn a_key_file_is_made_once_and_opens_again() {
    for protection in [Protection::Nothing, passphrase(WORDS)] {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder);
        let keeper = create(&path, &protection).unwrap();
        let exists = create(&path, &protection).err();
        assert!(matches!(exists, Some(KeyFileError::Exists { .. })));
        assert!(unlock(&path, &protection).unwrap().id() == keeper.id());
        assert!(
            key_id(&path).unwrap() == keeper.id(),
            "and says which without it"
        );
    }
}

#[test]
fn another_passphrase_or_another_protection_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = path(&folder);
    create(&path, &passphrase(WORDS)).unwrap();
    let other = unlock(&path, &passphrase("four horses, two carts")).err();
    assert!(matches!(other, Some(KeyFileError::WrongPassphrase { .. })));
    let none = unlock(&path, &Protection::Nothing).err();
    assert!(matches!(
        none,
        Some(KeyFileError::OtherProtection {
            by: "a passphrase",
            ..
        })
    ));
    std::fs::remove_file(&path).unwrap();
    create(&path, &Protection::Nothing).unwrap();
    let more = unlock(&path, &passphrase(WORDS)).err();
    assert!(matches!(
        more,
        Some(KeyFileError::OtherProtection { by: "nothing", .. })
    ));
}

#[test]
fn the_file_shows_nothing_of_key_or_passphrase() {
    let key = InstitutionKey::new([3; 32]);
    let Protection::Passphrase(passphrase) = passphrase(WORDS) else {
        unreachable!("it was made one line above")
    };
    let file = UnderPassphrase::lock(&key, &passphrase).unwrap();
    let bytes = KeyFile::UnderPassphrase(Box::new(file)).encode();
    assert_eq!(bytes.len(), LONGEST);
    assert!(!bytes.windows(4).any(|window| window == [3; 4]));
    assert!(!bytes.windows(6).any(|window| window == b"horses"));
}

#[test]
fn a_weak_passphrase_or_cost_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |protection| create(&path(&folder), &protection).err();
    assert!(matches!(
        refusal(passphrase("short")),
        Some(KeyFileError::Weak)
    ));
    let text = || SecretString::from(WORDS.to_owned());
    for cost in [
        Cost {
            memory_kib: 1024,
            ..Cost::LEAST
        },
        Cost {
            passes: 1,
            ..Cost::LEAST
        },
        Cost {
            lanes: 0,
            ..Cost::LEAST
        },
    ] {
        let protection = Protection::Passphrase(Passphrase::with_cost(text(), cost));
        assert!(matches!(refusal(protection), Some(KeyFileError::BadCost)));
    }
    assert!(!path(&folder).exists());
}

/// Whoever can write the file could otherwise make each start take days or all memory.
#[test]
fn a_file_that_asks_for_too_much_is_refused_before_it_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = path(&folder);
    create(&path, &passphrase(WORDS)).unwrap();
    let good = std::fs::read(&path).unwrap();
    for (place, value) in [
        (20, u32::MAX),
        (20, 8),
        (24, u32::MAX),
        (24, 0),
        (28, u32::MAX),
        (28, 0),
    ] {
        let mut bad = good[..LONGEST - 4].to_vec();
        bad[place..place + 4].copy_from_slice(&value.to_be_bytes());
        let sum = sha256(&[&bad]);
        bad.extend_from_slice(&sum[..4]);
        std::fs::write(&path, &bad).unwrap();
        let refused = unlock(&path, &passphrase(WORDS)).err();
        assert!(
            matches!(refused, Some(KeyFileError::Cost { .. })),
            "{place} {value}"
        );
    }
}

#[test]
fn every_flipped_bit_and_other_length_is_refused() {
    let Protection::Passphrase(words) = passphrase(WORDS) else {
        unreachable!("it was made one line above")
    };
    let key = || InstitutionKey::new([3; 32]);
    let place = InToken {
        serial: *b"0123456789abcdef",
        id: KeyId::new([5; 16]),
    };
    for file in [
        KeyFile::Bare(key()),
        KeyFile::UnderPassphrase(Box::new(UnderPassphrase::lock(&key(), &words).unwrap())),
        KeyFile::InToken(place),
    ] {
        let good = file.encode();
        let read = KeyFile::decode(&good).unwrap();
        assert!(*read.encode() == *good && read.protection() == file.protection());
        for bit in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(KeyFile::decode(&bad).is_none(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(KeyFile::decode(&good[..length]).is_none(), "{length}");
        }
        assert!(KeyFile::decode(&[good.as_slice(), &[0]].concat()).is_none());
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = path(&folder);
    create(&path, &Protection::Nothing).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let refused = unlock(&path, &Protection::Nothing).err();
    assert!(matches!(refused, Some(KeyFileError::Open { .. })));
}

/// The frozen files of `vectors/institution-key`. A file that no line here names fails the test.
#[test]
fn the_frozen_files_are_read_and_the_rejected_ones_refused_each_for_its_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/institution-key");
    let here = tempfile::tempdir().unwrap();
    let read = |name: &str, protection: &Protection| {
        // A checkout does not keep who may read a file.
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let path = here.path().join(name);
        write(&path, &bytes).unwrap();
        let unlocked = unlock(&path, protection);
        std::fs::remove_file(&path).unwrap();
        unlocked.map(|keeper| hex::encode(keeper.id().as_bytes()))
    };
    let (none, words) = (Protection::Nothing, passphrase(WORDS));
    let id = "01920c1cbaa3ac2e07010d0e24e7e2bc";
    assert_eq!(read("good-unprotected.key", &none).unwrap(), id);
    assert_eq!(read("good-passphrase.key", &words).unwrap(), id);
    let token = KeyFile::decode(&std::fs::read(folder.join("good-token.key")).unwrap());
    assert!(matches!(token, Some(KeyFile::InToken(place)) if place.serial == *b"0123456789abcdef"));
    let format = [
        "cut",
        "longer",
        "other-magic",
        "other-sum",
        "reserved-not-zero",
        "unknown-protection",
    ];
    let cost = [
        "memory-4-tib",
        "memory-8-kib",
        "passes-4-billion",
        "lanes-0",
    ];
    let refusal = |name: &str| read(&format!("rejected-{name}.key"), &words).unwrap_err();
    for name in format {
        assert!(
            matches!(refusal(name), KeyFileError::Format { .. }),
            "{name}"
        );
    }
    for name in cost {
        assert!(matches!(refusal(name), KeyFileError::Cost { .. }), "{name}");
    }
    assert!(matches!(
        refusal("key-altered"),
        KeyFileError::WrongPassphrase { .. }
    ));
    let names = std::fs::read_dir(&folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let rejected = names.filter(|name| name.starts_with("rejected-")).count();
    assert_eq!(
        rejected,
        format.len() + cost.len() + 1,
        "a file that no line here names"
    );
}
