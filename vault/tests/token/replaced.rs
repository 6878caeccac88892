//! A key that a rotation could not destroy in its token: nothing forgets it before it is destroyed.

use super::marks::proxy;
use super::{NETWORK, PAYLOAD, PIN, RECORD, folder, token, with_tokens};
use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use medanchor_vault::{KeyFileError, Protection, Settings, Vault, VaultError};
use std::fs;
use std::path::Path;

#[test]
fn a_replaced_key_is_destroyed_once_its_token_lets_it_be() {
    with_tokens("replaced::inside_a_token_that_keeps_keys");
}

/// A token whose keys cannot be destroyed while the proxy has the word `keeps`.
struct Keeping {
    settings: Settings,
    words: std::path::PathBuf,
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

    /// How many institution keys are in the token.
    fn keys(&self) -> usize {
        let Protection::Token(login) = &self.settings.protection else {
            panic!("a token")
        };
        // The module is begun already, by the vault of this process.
        let context = Pkcs11::new(&login.module).unwrap();
        let slots = context.get_slots_with_initialized_token().unwrap();
        let mut slots = slots.into_iter();
        let is_it = |slot: &_| context.get_token_info(*slot).unwrap().label() == "hospital";
        let session = context.open_ro_session(slots.find(is_it).unwrap()).unwrap();
        // Refused where this process is logged in already.
        let _ = session.login(UserType::User, Some(&login.pin));
        let template = [Attribute::Class(ObjectClass::SECRET_KEY)];
        session.find_objects(&template).unwrap().len()
    }
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
