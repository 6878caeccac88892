//! A key that a rotation could not destroy in its token: nothing forgets it before it is destroyed, nothing
//! takes the key in use for it, and no PIN is tried at a token that is not the PIN's.

use super::marks::proxy;
use super::{NETWORK, PAYLOAD, PIN, RECORD, folder, make_token, softhsm, token, with_tokens};
use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::slot::{Slot, TokenInfo};
use medanchor_vault::custody::Custodian;
use medanchor_vault::{
    KeyFileError, Protection, Settings, SlotsError, Vault, VaultError, key_file,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_replaced_key_is_destroyed_once_its_token_lets_it_be() {
    with_tokens("replaced::inside_a_token_that_keeps_keys");
}

#[test]
fn a_key_in_use_is_not_destroyed_whatever_the_replaced_ones_file_names() {
    with_tokens("replaced::inside_a_key_in_use");
}

#[test]
fn a_name_that_somebodys_file_has_is_not_taken() {
    with_tokens("replaced::inside_a_name_that_is_taken");
}

#[test]
fn a_pin_is_tried_at_its_own_token_only() {
    with_tokens("replaced::inside_two_tokens_of_different_pins");
}

/// A token whose keys cannot be destroyed while the proxy has the word `keeps`.
struct Keeping {
    settings: Settings,
    words: PathBuf,
}

impl Keeping {
    fn of(folder: &Path) -> Option<Self> {
        let mut settings = token("hospital", PIN);
        if let Protection::Token(login) = &mut settings.protection {
            login.module = proxy(folder)?;
        }
        let words = folder.with_file_name("words");
        fs::write(&words, "").unwrap();
        Some(Self { settings, words })
    }

    fn keeps(&self, keeps: bool) {
        fs::write(&self.words, if keeps { "keeps" } else { "" }).unwrap();
    }

    /// Another token of the same module.
    fn other(&self, label: &str, pin: &str) -> Settings {
        let mut settings = token(label, pin);
        if let (Protection::Token(ours), Protection::Token(login)) =
            (&self.settings.protection, &mut settings.protection)
        {
            login.module.clone_from(&ours.module);
        }
        settings
    }

    /// How many institution keys are in the token.
    fn keys(&self) -> usize {
        let Protection::Token(login) = &self.settings.protection else {
            panic!("a token")
        };
        let (context, slot, _) = slot(&self.settings);
        let session = context.open_ro_session(slot).unwrap();
        // Refused where this process is logged in already.
        let _ = session.login(UserType::User, Some(&login.pin));
        let template = [Attribute::Class(ObjectClass::SECRET_KEY)];
        session.find_objects(&template).unwrap().len()
    }
}

/// The slot of a token, and what it says of itself.
fn slot(settings: &Settings) -> (Pkcs11, Slot, TokenInfo) {
    let Protection::Token(login) = &settings.protection else {
        panic!("a token")
    };
    // The module is begun already, by the vault of this process.
    let context = Pkcs11::new(&login.module).unwrap();
    let slots = context.get_slots_with_initialized_token().unwrap();
    let mut slots = slots.into_iter().map(|slot| {
        let info = context.get_token_info(slot).unwrap();
        (slot, info)
    });
    let (slot, info) = slots.find(|(_, info)| info.label() == login.label).unwrap();
    (context, slot, info)
}

/// Whether the last login to a token was one with a wrong PIN.
fn had_a_wrong_pin(settings: &Settings) -> bool {
    slot(settings).2.user_pin_count_low()
}

fn refused(result: Result<Vault, VaultError>) -> String {
    match result.err().expect("the token keeps the key") {
        VaultError::KeyFile(error @ KeyFileError::StillInToken { .. }) => error.to_string(),
        other => panic!("{other}"),
    }
}

#[test]
#[ignore = "started by another test"]
fn inside_a_token_that_keeps_keys() {
    let Some(folder) = folder() else { return };
    let Some(keeping) = Keeping::of(&folder) else {
        return;
    };
    let settings = &keeping.settings;
    let vault = Vault::create_with(&folder, NETWORK, settings).unwrap();
    let sealed = vault.seal(RECORD, 1, PAYLOAD).unwrap();
    drop(vault);
    let rotated = || Vault::rotate(&folder, NETWORK, settings, &settings.protection);
    let opened = |settings| Vault::open_with(&folder, NETWORK, settings).unwrap();

    // The new key is in use, and no opening forgets the old one, nor does a rotation begin.
    keeping.keeps(true);
    let said = refused(rotated());
    assert!(
        said.contains("institution.key.old") && said.contains("CKA_ID"),
        "{said}"
    );
    assert_eq!(refused(rotated()), said, "the same key, and no third one");
    assert_eq!(opened(settings).seal(RECORD, 1, PAYLOAD).unwrap(), sealed);
    assert_eq!(keeping.keys(), 2);

    // Killed before the new key file had its name: the old one is named still.
    let named = |ending: &str| folder.join(format!("institution.key{ending}"));
    fs::rename(named(""), named(".next")).unwrap();
    drop(opened(settings));
    assert!(named("").exists() && named(".old").exists());

    // The next opening with the token destroys it.
    keeping.keeps(false);
    drop(opened(settings));
    assert_eq!(keeping.keys(), 1);
    assert!(!named(".old").exists());

    // Out of the token: the vault opens without it, and the key is named until its login is given.
    keeping.keeps(true);
    let none = Settings::default();
    refused(Vault::rotate(&folder, NETWORK, settings, &none.protection));
    keeping.keeps(false);
    refused(Vault::rotate(&folder, NETWORK, &none, &none.protection));
    let vault = opened(&none);
    assert!(vault.destroy_replaced_key(&none, &none.protection).is_err());
    vault
        .destroy_replaced_key(&none, &settings.protection)
        .unwrap();
    assert_eq!(keeping.keys(), 0);
    drop(vault);
    drop(Vault::rotate(&folder, NETWORK, &none, &none.protection).unwrap());

    // A rotation into a token that was undone leaves no key there.
    let vault = Vault::rotate(&folder, NETWORK, &none, &settings.protection).unwrap();
    drop(vault);
    fs::copy(named(""), named(".kept")).unwrap();
    drop(Vault::rotate(&folder, NETWORK, settings, &none.protection).unwrap());
    fs::rename(named(".kept"), named(".next")).unwrap();
    drop(opened(&none));
    opened(&none)
        .destroy_replaced_key(&none, &settings.protection)
        .unwrap();
    assert!(!named(".old").exists() && !named(".next").exists());
}

#[test]
#[ignore = "started by another test"]
fn inside_a_key_in_use() {
    let Some(folder) = folder() else { return };
    let Some(keeping) = Keeping::of(&folder) else {
        return;
    };
    let settings = &keeping.settings;
    let vault = Vault::create_with(&folder, NETWORK, settings).unwrap();
    let sealed = vault.seal(RECORD, 1, PAYLOAD).unwrap();
    drop(vault);
    let open = || Vault::open_with(&folder, NETWORK, settings);
    let works = || assert_eq!(open().unwrap().seal(RECORD, 1, PAYLOAD).unwrap(), sealed);
    let named = |ending: &str| folder.join(format!("institution.key{ending}"));

    // The operator's own copy, and a second name.
    fs::copy(named(""), named(".old")).unwrap();
    works();
    assert!(!named(".old").exists());
    fs::hard_link(named(""), named(".old")).unwrap();
    works();
    works();
    assert_eq!(keeping.keys(), 1);

    // The old key is in the token still, and the files from before are put back, one after the other.
    let [keys, key] = ["keys", "institution.key"].map(|name| fs::read(folder.join(name)).unwrap());
    keeping.keeps(true);
    refused(Vault::rotate(
        &folder,
        NETWORK,
        settings,
        &settings.protection,
    ));
    keeping.keeps(false);
    fs::write(folder.join("keys"), keys).unwrap();
    let error = open().err();
    assert!(matches!(
        error,
        Some(VaultError::Slots(SlotsError::OtherKey))
    ));
    assert!(named(".old").exists());
    fs::write(named(""), key).unwrap();
    works();
    assert!(!named(".old").exists());
    works();
    assert_eq!(keeping.keys(), 2, "the later one, which no file names");

    // A custodian's store, and a rotation of it that is not over.
    let store = folder.with_file_name("store");
    fs::create_dir(&store).unwrap();
    let [key, next, old] = ["", ".next", ".old"].map(|ending| store.join(format!("key{ending}")));
    let login = &settings.protection;
    let keeper = key_file::create(&key, login).unwrap();
    drop(Custodian::create_kept(&store, keeper, NETWORK).unwrap());
    drop(key_file::create(&next, login).unwrap());
    for named in [&key, &next] {
        fs::copy(named, &old).unwrap();
        Custodian::destroy_replaced_key(&store, &key, login).unwrap();
        assert!(!old.exists());
        assert_eq!(keeping.keys(), 4, "{}", named.display());
    }
    drop(Custodian::open_by(&store, &key, NETWORK, login).unwrap());
    assert_eq!(keeping.keys(), 3, "what the rotation drew is gone");
}

#[test]
#[ignore = "started by another test"]
fn inside_a_name_that_is_taken() {
    let Some(folder) = folder() else { return };
    let Some(keeping) = Keeping::of(&folder) else {
        return;
    };
    let settings = &keeping.settings;
    drop(Vault::create_with(&folder, NETWORK, settings).unwrap());
    let rotated = || Vault::rotate(&folder, NETWORK, settings, &settings.protection);
    let [old, replaced] =
        ["old", "replaced"].map(|name| folder.join(format!("institution.key.{name}")));
    fs::write(&old, b"notes").unwrap();
    drop(rotated().unwrap());
    assert_eq!(keeping.keys(), 1);
    keeping.keeps(true);
    let said = refused(rotated());
    assert!(said.contains("institution.key.replaced"), "{said}");
    keeping.keeps(false);
    drop(Vault::open_with(&folder, NETWORK, settings).unwrap());
    assert_eq!((keeping.keys(), replaced.exists()), (1, false));
    // No name is left: nothing is begun.
    fs::write(&replaced, b"more").unwrap();
    let Err(VaultError::KeyFile(KeyFileError::Exists { path })) = rotated() else {
        panic!("there is no room")
    };
    assert_eq!(path, old);
    assert_eq!(keeping.keys(), 1);
    assert_eq!(fs::read(&old).unwrap(), b"notes");
    assert_eq!(fs::read(&replaced).unwrap(), b"more");
}

#[test]
#[ignore = "started by another test"]
fn inside_two_tokens_of_different_pins() {
    let Some(folder) = folder() else { return };
    let (_, util) = softhsm().expect("whoever started this process found it");
    make_token(&mut Command::new(util), "newer", "905172");
    let Some(keeping) = Keeping::of(&folder) else {
        return;
    };
    let (first, second) = (&keeping.settings, &keeping.other("newer", "905172"));
    drop(Vault::create_with(&folder, NETWORK, first).unwrap());
    keeping.keeps(true);
    refused(Vault::rotate(&folder, NETWORK, first, &second.protection));
    keeping.keeps(false);

    // Neither an opening nor a rotation tries the newer token's PIN at the older one.
    for _ in 0..2 {
        drop(Vault::open_with(&folder, NETWORK, second).unwrap());
    }
    refused(Vault::rotate(&folder, NETWORK, second, &second.protection));
    assert!(!had_a_wrong_pin(first));
    // Nor does an opening as a file says that is not true any more.
    assert!(Vault::open_with(&folder, NETWORK, first).is_err());
    assert!(!had_a_wrong_pin(second));

    let vault = Vault::open_with(&folder, NETWORK, second).unwrap();
    assert_eq!(keeping.keys(), 1);
    vault
        .destroy_replaced_key(second, &first.protection)
        .unwrap();
    assert_eq!(keeping.keys(), 0);
    assert!(!folder.join("institution.key.old").exists());

    // The token does say so where a wrong one is tried.
    let wrong = keeping.other("hospital", "905172");
    assert!(Vault::create_with(&folder.with_file_name("wrong"), NETWORK, &wrong).is_err());
    assert!(had_a_wrong_pin(first));
}
