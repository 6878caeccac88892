//! Marks of a count: the token neither changes nor destroys them, and one that does is found out.

use super::{NETWORK, PIN, folder, softhsm, token, with_tokens};
use medanchor_vault::{KeeperError, Marks, Protection, Tally, Vault, VaultError};
use std::path::{Path, PathBuf};

/// What a token with an emergency key says of a first mark through the proxy, which bears these words.
fn proved(folder: &Path, module: PathBuf, words: &str) -> (Vault, Result<Marks, KeeperError>) {
    std::fs::write(folder.with_file_name("words"), words).unwrap();
    let mut login = token("hospital", PIN);
    if let Protection::Token(login) = &mut login.protection {
        login.module = module;
    }
    let vault = Vault::create(folder, NETWORK).unwrap();
    vault.make_emergency_key(&login.protection).unwrap();
    let keeper = vault.unlock_emergency(&login.protection).unwrap();
    let marks = keeper.tally().unwrap().prove(b"first");
    (vault, marks)
}

#[test]
fn a_mark_stays_and_is_read_without_a_pin() {
    with_tokens("marks::inside_a_mark_stays");
}

#[test]
fn a_token_that_lets_marks_vanish_or_has_no_room_says_so() {
    with_tokens("marks::inside_a_token_that_misbehaves");
}

#[test]
#[ignore = "started by another test"]
fn inside_a_mark_stays() {
    let Some(folder) = folder() else { return };
    let (module, _) = softhsm().expect("whoever started this process found it");
    let (vault, marks) = proved(&folder, module.clone(), "");
    assert_eq!(
        marks,
        Ok(Marks::StayInSoftware),
        "SoftHSM says that it is none"
    );
    assert!(vault.emergency_key_is_in_token().unwrap());
    {
        let login = token("hospital", PIN).protection;
        let keeper = vault.unlock_emergency(&login).unwrap();
        let tally = keeper.tally().unwrap();
        tally.set(b"second").unwrap();
        assert_eq!(sorted(tally), [b"first".to_vec(), b"second".to_vec()]);
    }
    let alone = vault.emergency_tally(&module).unwrap();
    assert_eq!(sorted(&alone), [b"first".to_vec(), b"second".to_vec()]);
    assert!(alone.set(b"third").is_err());

    // Another key's count in the same token is another.
    let other = folder.with_file_name("other");
    let (other, _) = proved(&other, module.clone(), "");
    let alone = other.emergency_tally(&module).unwrap();
    assert_eq!(sorted(&alone), [b"first".to_vec()]);

    let plain = Vault::create(&folder.with_file_name("plain"), NETWORK).unwrap();
    let words = "four horses, two carts".to_owned();
    let passphrase = medanchor_vault::Passphrase::new(words.into());
    let passphrase = Protection::Passphrase(passphrase);
    plain.make_emergency_key(&passphrase).unwrap();
    assert!(
        plain
            .unlock_emergency(&passphrase)
            .unwrap()
            .tally()
            .is_none()
    );
    let refused = plain.emergency_tally(&module).err();
    assert!(matches!(refused, Some(VaultError::KeyFile(_))));
}

fn sorted(tally: &dyn Tally) -> Vec<Vec<u8>> {
    let mut marks = tally.marks(std::time::Duration::MAX).unwrap();
    marks.sort_unstable();
    marks
}

#[test]
#[ignore = "started by another test"]
fn inside_a_token_that_misbehaves() {
    let Some(folder) = folder() else { return };
    let Some(module) = proxy(&folder) else { return };
    for (words, wanted) in [
        ("hardware", Marks::StayInHardware),
        ("hardware vanishes", Marks::Vanish),
        ("vanishes", Marks::Vanish),
    ] {
        let place = folder.with_file_name(words.replace(' ', "-"));
        let (vault, marks) = proved(&place, module.clone(), words);
        assert_eq!(marks, Ok(wanted), "{words}");
        let left = sorted(&vault.emergency_tally(&module).unwrap());
        assert_eq!(left.is_empty(), wanted == Marks::Vanish);
    }
    let place = folder.with_file_name("full");
    let (_, marks) = proved(&place, module, "hardware full");
    let Err(KeeperError::Token { asked, why }) = marks else {
        panic!("{marks:?}")
    };
    assert_eq!((asked, why.as_str()), ("set a mark", "DeviceMemory"));
}

/// The proxy of `proxy.rs`, compiled; the line of a skipped test if there is no compiler.
pub fn proxy(folder: &Path) -> Option<PathBuf> {
    let module = folder.with_file_name("proxy.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/token/proxy.rs");
    let compiled = std::process::Command::new("rustc")
        .args(["--edition", "2024", "--crate-type", "cdylib", "-o"])
        .args([&module, &source])
        .status();
    match compiled {
        Ok(status) => {
            assert!(status.success());
            Some(module)
        }
        Err(_) => {
            super::skipped("there is no rustc, so no token that misbehaves was tried");
            None
        }
    }
}
