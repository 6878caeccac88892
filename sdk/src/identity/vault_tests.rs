//! A vault under a passphrase, how it gets one, and changes that are cut off.

use super::super::write_new;
use super::*;
use crate::keeping::{NAME, SecretAt};
use crate::testing::{Network, name, network_with};
use medanchor_ledger::RecordHandle;
use medanchor_ledger::rules::Role;
use std::collections::BTreeMap;
use std::path::PathBuf;

const RECORD: RecordHandle = RecordHandle::new([2; 16]);
const PAYLOAD: &[u8] = br#"{"dose":1.50}"#;

fn keeping(key: &KeyProtection) -> Keeping {
    Keeping {
        key: key.clone(),
        ..Keeping::default()
    }
}

fn toml(folder: &Path) -> PathBuf {
    KeptIn(folder).now()
}

fn next_toml(folder: &Path) -> PathBuf {
    KeptIn(folder).next()
}

struct Stage {
    root: tempfile::TempDir,
    network: Network,
}

impl Stage {
    /// A hospital with one record.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let network = network_with(root.path(), &[("hospital", Role::Hospital)]);
        let stage = Self { root, network };
        let identity = Identity::open(&stage.folder()).unwrap();
        identity.vault().seal(RECORD, 1, PAYLOAD).unwrap();
        stage
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("hospital")
    }

    /// A passphrase in a file of this name.
    fn words(&self, file: &str, words: &str) -> KeyProtection {
        let path = self.root.path().join(file);
        std::fs::write(&path, format!("{words}\n")).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        KeyProtection::Passphrase(SecretAt::File(path))
    }

    fn protect(&self, next: &KeyProtection) -> Result<bool, IdentityError> {
        Identity::protect_vault(&self.folder(), next)
    }

    fn opens(&self) -> bool {
        match Identity::open(&self.folder()) {
            Ok(identity) => {
                assert_eq!(&**identity.vault().open_record(RECORD, 1).unwrap(), PAYLOAD);
                true
            }
            Err(_) => false,
        }
    }

    fn error(&self) -> String {
        Identity::open(&self.folder()).err().unwrap().to_string()
    }

    /// What `vault.toml` says, of whose change nothing is left over.
    fn says(&self) -> KeyProtection {
        assert!(!next_toml(&self.folder()).exists());
        Keeping::read(&toml(&self.folder())).unwrap().key
    }

    /// Every file of the vault and about it.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let vault = self.folder().join("vault");
        let named = ["institution.key", "keys"].map(|file| vault.join(file));
        let paths = named
            .into_iter()
            .chain([toml(&self.folder()), next_toml(&self.folder())]);
        paths
            .filter_map(|path| std::fs::read(&path).ok().map(|bytes| (path, bytes)))
            .collect()
    }
}

#[test]
fn a_vault_is_protected_and_bared_again_by_a_call_alone() {
    let stage = Stage::new();
    let (one, two) = (
        stage.words("one", "four horses, two carts"),
        stage.words("two", "two carts, four horses"),
    );
    for next in [&one, &two, &KeyProtection::Nothing, &one] {
        let before = stage.files();
        assert!(stage.protect(next).unwrap());
        assert!(stage.opens());
        assert_eq!(stage.says(), *next);
        let after = stage.files();
        assert_ne!(before, after);
        assert!(
            !stage.protect(next).unwrap(),
            "a second time changes nothing"
        );
        assert_eq!(stage.files(), after);
    }
}

#[test]
fn a_fresh_key_stays_under_the_protection_there_is() {
    let stage = Stage::new();
    let one = stage.words("one", "four horses, two carts");
    stage.protect(&one).unwrap();
    let before = stage.files();
    Identity::renew_vault_key(&stage.folder()).unwrap();
    assert_ne!(stage.files(), before);
    assert_eq!(stage.says(), one);
    assert!(stage.opens());
    stage.words("one", "another passphrase");
    assert!(!stage.opens());
}

#[test]
fn what_does_not_open_the_vault_is_named_and_changes_nothing() {
    let stage = Stage::new();
    let one = stage.words("one", "four horses, two carts");
    let two = stage.words("two", "two carts, four horses");
    stage.protect(&one).unwrap();
    let before = stage.files();

    stage.words("one", "five horses, two carts");
    assert!(stage.error().contains("passphrase"), "{}", stage.error());
    assert!(stage.protect(&two).is_err());
    assert!(Identity::renew_vault_key(&stage.folder()).is_err());
    std::fs::remove_file(stage.root.path().join("one")).unwrap();
    assert!(stage.error().contains(NAME), "{}", stage.error());
    // Nobody takes the protection off by an editor.
    std::fs::rename(toml(&stage.folder()), stage.root.path().join("kept")).unwrap();
    assert!(stage.error().contains("passphrase"), "{}", stage.error());
    std::fs::rename(stage.root.path().join("kept"), toml(&stage.folder())).unwrap();

    assert_eq!(stage.files(), before);
    stage.words("one", "four horses, two carts");
    for wrong in [
        stage.words("short", "two carts"),
        KeyProtection::Passphrase(SecretAt::File(stage.root.path().join("nowhere"))),
        KeyProtection::Passphrase(SecretAt::File("relative".into())),
        #[cfg(not(feature = "pkcs11"))]
        KeyProtection::Token {
            module: "/usr/lib/none.so".into(),
            label: "hospital".into(),
            pin: SecretAt::File(stage.root.path().join("one")),
        },
    ] {
        assert!(stage.protect(&wrong).is_err());
        assert_eq!(stage.files(), before);
    }
    assert!(stage.opens());
}

/// The power goes after the new `vault.toml.next`, or after the rotation.
#[test]
fn a_change_that_was_cut_off_is_settled_by_the_next_opening() {
    let stage = Stage::new();
    let one = stage.words("one", "four horses, two carts");
    let two = stage.words("two", "two carts, four horses");
    stage.protect(&one).unwrap();
    let next = next_toml(&stage.folder());
    let said = |key: &KeyProtection| keeping(key).to_text();

    write_new(&next, said(&two).as_bytes()).unwrap();
    assert!(stage.opens());
    assert_eq!(stage.says(), one);

    stage.protect(&two).unwrap();
    write_new(&next, said(&two).as_bytes()).unwrap();
    write_new(&toml(&stage.folder()), said(&one).as_bytes()).unwrap();
    // While nobody can tell which it is, nothing is touched.
    stage.words("two", "a typing error");
    let before = stage.files();
    let error = Identity::open(&stage.folder()).err().unwrap();
    assert!(matches!(error, IdentityError::CutOff { .. }), "{error}");
    assert_eq!(stage.files(), before);
    stage.words("two", "two carts, four horses");
    assert!(stage.opens());
    assert_eq!(stage.says(), two);
    assert!(!stage.protect(&two).unwrap());
}

#[test]
fn a_vault_is_made_as_its_file_says() {
    let stage = Stage::new();
    let one = stage.words("one", "four horses, two carts");
    std::fs::remove_dir_all(stage.folder().join("vault")).unwrap();
    let text = keeping(&one).to_text();
    write_new(&toml(&stage.folder()), text.as_bytes()).unwrap();
    Identity::join(&stage.folder(), stage.network.genesis.encoded()).unwrap();
    let identity = Identity::open(&stage.folder()).unwrap();
    assert_eq!(identity.participant(), &name("hospital"));
    drop(identity);
    stage.words("one", "five horses, two carts");
    assert!(Identity::open(&stage.folder()).is_err());
}

/// A payload that was lost was passed over without a word.
#[test]
fn a_move_says_which_records_have_no_payload() {
    let stage = Stage::new();
    let moved = || Identity::move_payloads(&stage.folder(), &PayloadsAt::Folder).unwrap();
    assert!(moved().missing.is_empty());
    let name = RECORD.to_string();
    let shelf = stage.folder().join("vault/payloads").join(&name[..2]);
    std::fs::remove_file(shelf.join(format!("{name}-1.sealed"))).unwrap();
    let missing = moved().missing;
    assert_eq!((missing.len(), missing[0].record), (1, RECORD));
    Identity::open(&stage.folder())
        .unwrap()
        .vault()
        .erase(RECORD)
        .unwrap();
    assert!(moved().missing.is_empty(), "it was erased");
}
