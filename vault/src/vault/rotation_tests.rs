//! A rotation that is cut off anywhere leaves a vault that opens, and what is over is gone.

use super::super::{PayloadPlace, Sealed, Vault};
use super::*;
use crate::key_file::{Cost, Passphrase};
use medanchor_ledger::RecordHandle;
use std::collections::BTreeMap;

const NETWORK: NetworkId = NetworkId::new([1; 16]);
const KEPT: RecordHandle = RecordHandle::new([2; 16]);
const ERASED: RecordHandle = RecordHandle::new([3; 16]);
const PAYLOAD: &[u8] = br#"{"dose":1.50}"#;

fn words(words: &str) -> Protection {
    let words = words.to_owned().into();
    Protection::Passphrase(Passphrase::with_cost(words, Cost::LEAST))
}

fn settings(protection: Protection) -> Settings {
    Settings {
        protection,
        key_file: None,
        payloads: PayloadPlace::Folder,
    }
}

fn old() -> Settings {
    settings(words("four horses, two carts"))
}

fn new() -> Settings {
    settings(words("two carts, four horses"))
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().into(), bytes);
            }
        }
    }
    found
}

/// A folder with these files, readable by their owner only.
fn laid_out(files: &BTreeMap<PathBuf, Vec<u8>>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    folder
}

fn a_vault() -> (tempfile::TempDir, Sealed) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::create_with(folder.path(), NETWORK, &old()).unwrap();
    let sealed = vault.seal(KEPT, 1, PAYLOAD).unwrap();
    vault.seal(ERASED, 1, PAYLOAD).unwrap();
    vault.erase(ERASED).unwrap();
    (folder, sealed)
}

fn works(vault: &Vault, sealed: &Sealed) {
    assert_eq!(&**vault.open_record(KEPT, 1).unwrap(), PAYLOAD);
    assert_eq!(vault.seal(KEPT, 1, PAYLOAD).unwrap(), *sealed);
    let erased = vault.open_record(ERASED, 1).err();
    assert!(matches!(erased, Some(VaultError::Erased { .. })));
    vault.seal(RecordHandle::new([4; 16]), 1, PAYLOAD).unwrap();
}

/// The folder as it was before the rotation and after each of its steps.
fn steps() -> (Vec<BTreeMap<PathBuf, Vec<u8>>>, Sealed) {
    let (folder, sealed) = a_vault();
    let mut seen = vec![files(folder.path())];
    let paths = Files::of(folder.path(), &old());
    let slots = paths.open(NETWORK, &old().protection).unwrap();
    let mut note = || seen.push(files(folder.path()));
    let [now, next] = [old().protection, new().protection];
    paths.rotate(slots, &now, &next, &mut note).unwrap();
    (seen, sealed)
}

/// Opens with exactly one of the two passphrases, and says whether with the new one.
fn opens_with_new(files: &BTreeMap<PathBuf, Vec<u8>>, sealed: &Sealed) -> bool {
    let opened = [old(), new()].map(|settings| {
        // A cut in recovery is a cut, too: what one of them recovers the other finds.
        let folder = laid_out(files);
        let vault = Vault::open_with(folder.path(), NETWORK, &settings).ok();
        vault.inspect(|vault| works(vault, sealed)).is_some()
    });
    assert_ne!(opened[0], opened[1], "one key opens it, and one only");
    opened[1]
}

#[test]
fn cut_after_any_step_the_vault_opens_with_the_old_key_or_the_new() {
    let (steps, sealed) = steps();
    let with_new: Vec<bool> = steps
        .iter()
        .map(|files| opens_with_new(files, &sealed))
        .collect();
    assert_eq!(
        with_new,
        [false, false, false, false, true, true, true, true, true]
    );
}

#[test]
fn cut_in_the_middle_of_a_file_it_opens_with_the_old_key() {
    let (steps, sealed) = steps();
    for (step, name) in [(1, "institution.key.next"), (2, "keys.next")] {
        let whole = &steps[step][Path::new(name)];
        for length in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
            let mut files = steps[step].clone();
            files.insert(name.into(), whole[..length].to_vec());
            assert!(!opens_with_new(&files, &sealed), "{name} {length}");
        }
    }
    // Zeros are written over the old key, and over what it wrapped, from the beginning on.
    for (step, name) in [(4, "keys.old"), (5, "institution.key")] {
        let whole = &steps[step][Path::new(name)];
        for length in [1, 100, whole.len() - 1] {
            let mut files = steps[step].clone();
            let zeros = [&vec![0; length][..], &whole[length..]].concat();
            files.insert(name.into(), zeros);
            assert!(opens_with_new(&files, &sealed), "{name} {length}");
        }
    }
}

#[test]
fn a_rotation_that_was_cut_off_is_done_again() {
    let (steps, sealed) = steps();
    for (step, files) in steps.iter().enumerate() {
        let folder = laid_out(files);
        let before = if step < 4 { old() } else { new() };
        let third = settings(words("no horse and no cart"));
        let vault = Vault::rotate(folder.path(), NETWORK, &before, &third.protection).unwrap();
        works(&vault, &sealed);
        drop(vault);
        works(
            &Vault::open_with(folder.path(), NETWORK, &third).unwrap(),
            &sealed,
        );
    }
}

/// Second names show what became of the bytes behind the first ones.
#[test]
fn what_the_old_key_wrapped_and_the_old_key_file_are_overwritten_and_no_payload_is_touched() {
    let (folder, sealed) = a_vault();
    let links = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
    for name in ["keys", "institution.key"] {
        fs::hard_link(folder.path().join(name), links.path().join(name)).unwrap();
    }
    let payloads = files(&folder.path().join("payloads"));
    let vault = Vault::rotate(folder.path(), NETWORK, &old(), &new().protection).unwrap();
    for (name, bytes) in files(links.path()) {
        assert!(
            !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0),
            "{}",
            name.display()
        );
    }
    assert_eq!(files(&folder.path().join("payloads")), payloads);
    works(&vault, &sealed);
    let names: Vec<_> = files(folder.path()).into_keys().collect();
    assert!(
        names
            .iter()
            .all(|name| !name.to_string_lossy().contains(".next"))
    );
    assert!(!names.contains(&"keys.old".into()));
}

#[test]
fn a_protection_can_be_put_on_and_taken_off() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::create(folder.path(), NETWORK).unwrap();
    let sealed = vault.seal(KEPT, 1, PAYLOAD).unwrap();
    drop(vault);
    let bare = Settings::default();
    drop(Vault::rotate(folder.path(), NETWORK, &bare, &new().protection).unwrap());
    assert!(Vault::open(folder.path(), NETWORK).is_err());
    drop(Vault::rotate(folder.path(), NETWORK, &new(), &Protection::Nothing).unwrap());
    let vault = Vault::open(folder.path(), NETWORK).unwrap();
    assert_eq!(vault.seal(KEPT, 1, PAYLOAD).unwrap(), sealed);
}

/// An operator's own copy under the name of a replaced key stopped every rotation, or was overwritten.
#[test]
fn a_file_that_names_no_key_in_a_token_is_left_alone_and_stops_no_rotation() {
    let (folder, sealed) = a_vault();
    let whole = fs::read(folder.path().join("institution.key")).unwrap();
    let bare = tempfile::tempdir().unwrap();
    let bare = bare.path().join("institution.key");
    drop(key_file::create(&bare, &Protection::Nothing).unwrap());
    let bare = fs::read(bare).unwrap();
    let path = folder.path().join("institution.key.old");
    // Others may read it: a copy has the mode that the shell gives.
    for bytes in [&whole, &bare, &whole[..40], b"notes", &[0; 64], b""] {
        fs::write(&path, bytes).unwrap();
        let next = old().protection;
        let vault = Vault::rotate(folder.path(), NETWORK, &old(), &next).unwrap();
        vault.destroy_replaced_key(&old(), &next).unwrap();
        works(&vault, &sealed);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_wrong_passphrase_rotates_nothing() {
    let (folder, sealed) = a_vault();
    assert!(Vault::rotate(folder.path(), NETWORK, &new(), &new().protection).is_err());
    works(
        &Vault::open_with(folder.path(), NETWORK, &old()).unwrap(),
        &sealed,
    );
}

/// Somebody put another vault's key file in place: nothing is removed, and the error says what is wrong.
#[test]
fn with_files_of_other_keys_nothing_is_touched() {
    let (steps, _) = steps();
    let mut files = steps[4].clone();
    let (other, _) = a_vault();
    let stranger = fs::read(other.path().join("institution.key")).unwrap();
    files.insert("institution.key.next".into(), stranger.clone());
    files.insert("institution.key".into(), stranger);
    let folder = laid_out(&files);
    let refused = Vault::open_with(folder.path(), NETWORK, &old()).err();
    assert!(matches!(
        refused,
        Some(VaultError::Slots(SlotsError::OtherKey))
    ));
    let mut after = self::files(folder.path());
    after.remove(Path::new("lock"));
    files.remove(Path::new("lock"));
    assert_eq!(after, files);
}
