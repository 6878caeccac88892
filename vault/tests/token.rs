//! The institution key in a PKCS#11 token that others wrote (SoftHSM 2). Skipped, and said so, where it
//! is not installed: `.ci/token-install` installs it.
//!
//! SoftHSM reads where its tokens are from the environment once a process. So the test starts itself
//! again as a process with a token folder of its own.

#![cfg(all(feature = "pkcs11", unix))]

#[path = "token/marks.rs"]
mod marks;
#[path = "token/replaced.rs"]
mod replaced;

use medanchor_ledger::{NetworkId, RecordHandle};
use medanchor_vault::{
    KeeperError, KeyFileError, Protection, Settings, SlotsError, TokenLogin, Vault, VaultError,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const NETWORK: NetworkId = NetworkId::new([1; 16]);
const RECORD: RecordHandle = RecordHandle::new([2; 16]);
const PAYLOAD: &[u8] = br#"{"dose":1.50}"#;
const PIN: &str = "628193";
/// Where the process with the token finds its folder.
const FOLDER: &str = "MEDANCHOR_TOKEN_TEST";

const MODULES: [&str; 6] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// The module, and the program that makes its tokens; if one is missing, a line says so past the test
/// runner, which shows nothing that a passing test prints.
fn softhsm() -> Option<(PathBuf, &'static str)> {
    let module = MODULES.iter().map(PathBuf::from).find(|path| path.exists());
    let util = "softhsm2-util";
    let runs = Command::new(util).arg("--version").output().is_ok();
    if let (Some(module), true) = (module, runs) {
        return Some((module, util));
    }
    skipped("SoftHSM 2 is not installed, so no token was tried; run .ci/token-install");
    None
}

/// Says aloud that a test is skipped. `.ci/run` sets the variable once SoftHSM is installed.
fn skipped(why: &str) {
    let required =
        std::env::var_os("MEDANCHOR_TOKEN_REQUIRED").is_some_and(|said| !said.is_empty());
    assert!(
        !required,
        "{why}; MEDANCHOR_TOKEN_REQUIRED is set, so it is not skipped"
    );
    // A closed standard error only costs the count.
    let _ = std::io::stderr().write_all(format!("skipped: {why}\n").as_bytes());
}

/// Makes one more token by SoftHSM's own program.
fn make_token(util: &mut Command, label: &str, pin: &str) {
    let token = ["--init-token", "--free", "--label", label];
    let pins = ["--pin", pin, "--so-pin", "84756301"];
    let made = util.args(token).args(pins).output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
}

/// Runs `test` of this file again, in a process that has two tokens of its own.
fn with_tokens(test: &str) {
    let Some((module, util)) = softhsm() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (tokens, config) = (
        folder.path().join("tokens"),
        folder.path().join("softhsm2.conf"),
    );
    std::fs::create_dir(&tokens).unwrap();
    let text = format!(
        "directories.tokendir = {}\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&config, text).unwrap();
    for label in ["hospital", "another"] {
        make_token(Command::new(util).env("SOFTHSM2_CONF", &config), label, PIN);
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env("SOFTHSM2_CONF", &config)
        .env(FOLDER, folder.path())
        .env("MEDANCHOR_PROXY_MODULE", module)
        .env("MEDANCHOR_PROXY_WORDS", folder.path().join("words"))
        .output()
        .unwrap();
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    print!("{said}");
}

/// Where the process with the token works; none in any other.
fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(|folder| PathBuf::from(folder).join("vault"))
}

fn token(label: &str, pin: &str) -> Settings {
    let (module, _) = softhsm().expect("whoever started this process found it");
    Settings {
        protection: Protection::Token(TokenLogin {
            module,
            label: label.into(),
            pin: pin.to_owned().into(),
        }),
        ..Settings::default()
    }
}

#[test]
fn a_token_keeps_the_key_and_nothing_opens_without_it() {
    with_tokens("inside_a_token_keeps_the_key");
}

#[test]
fn a_key_moves_into_a_token_from_one_to_another_and_out_again() {
    with_tokens("inside_a_key_moves");
}

#[test]
fn an_emergency_key_is_locked_by_a_token() {
    with_tokens("inside_an_emergency_key");
}

#[test]
fn a_wrong_token_module_or_pin_is_named() {
    with_tokens("inside_a_wrong_login");
}

fn refusal(folder: &Path, settings: &Settings) -> VaultError {
    let opened = Vault::open_with(folder, NETWORK, settings);
    opened.err().expect("it does not open")
}

#[test]
#[ignore = "started by another test"]
fn inside_a_token_keeps_the_key() {
    let Some(folder) = folder() else { return };
    let settings = token("hospital", PIN);
    let vault = Vault::create_with(&folder, NETWORK, &settings).unwrap();
    let sealed = vault.seal(RECORD, 1, PAYLOAD).unwrap();
    drop(vault);
    let error = refusal(&folder, &Settings::default());
    let named = KeyFileError::OtherProtection {
        path: folder.join("institution.key"),
        by: "a PKCS#11 token",
    };
    assert_eq!(error.to_string(), named.to_string());
    let vault = Vault::open_with(&folder, NETWORK, &settings).unwrap();
    assert_eq!(vault.seal(RECORD, 1, PAYLOAD).unwrap(), sealed);
    assert_eq!(&**vault.open_record(RECORD, 1).unwrap(), PAYLOAD);
    vault.erase(RECORD).unwrap();
    assert!(matches!(
        vault.open_record(RECORD, 1),
        Err(VaultError::Erased { .. })
    ));
    drop(vault);

    // A wrap that was spoilt does not open.
    let vault = Vault::open_with(&folder, NETWORK, &settings).unwrap();
    let record = RecordHandle::new([3; 16]);
    vault.seal(record, 1, PAYLOAD).unwrap();
    drop(vault);
    let keys = folder.join("keys");
    let good = std::fs::read(&keys).unwrap();
    let last = good.len() - 128;
    let mut bad = good.clone();
    bad[last + 40] ^= 1;
    let sum = medanchor_ledger::sha256(&[&bad[last..last + 124]]);
    bad[last + 124..].copy_from_slice(&sum[..4]);
    std::fs::write(&keys, &bad).unwrap();
    let vault = Vault::open_with(&folder, NETWORK, &settings).unwrap();
    // SoftHSM 2.6 has one answer for a spoilt wrap and for whatever else goes wrong.
    let asked = "unwrap a secret";
    match vault.open_record(record, 1).err() {
        Some(VaultError::Slots(SlotsError::WrongKey { .. })) => {}
        Some(VaultError::Slots(SlotsError::Keeper(KeeperError::Token {
            asked: found, ..
        }))) => {
            assert_eq!(found, asked);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "started by another test"]
fn inside_a_key_moves() {
    let Some(folder) = folder() else { return };
    let vault = Vault::create(&folder, NETWORK).unwrap();
    let sealed = vault.seal(RECORD, 1, PAYLOAD).unwrap();
    drop(vault);
    let (first, second) = (token("hospital", PIN), token("another", PIN));
    let none = Settings::default();
    for (from, to) in [
        (&none, &first),
        (&first, &second),
        (&second, &second),
        (&second, &none),
    ] {
        let vault = Vault::rotate(&folder, NETWORK, from, &to.protection).unwrap();
        assert_eq!(vault.seal(RECORD, 1, PAYLOAD).unwrap(), sealed);
        drop(vault);
        let vault = Vault::open_with(&folder, NETWORK, to).unwrap();
        assert_eq!(&**vault.open_record(RECORD, 1).unwrap(), PAYLOAD);
    }
}

#[test]
#[ignore = "started by another test"]
fn inside_a_wrong_login() {
    let Some(folder) = folder() else { return };
    drop(Vault::create_with(&folder, NETWORK, &token("hospital", PIN)).unwrap());
    let keeper = |error| match error {
        VaultError::KeyFile(KeyFileError::Keeper(KeeperError::Token { asked, why })) => {
            (asked, why)
        }
        other => panic!("{other}"),
    };
    let (asked, why) = keeper(refusal(&folder, &token("hospital", "000000")));
    assert_eq!((asked, why.as_str()), ("log in", "PinIncorrect"));
    let elsewhere = folder.with_file_name("elsewhere");
    let made = Vault::create_with(&elsewhere, NETWORK, &token("nobody's", PIN));
    let (asked, why) = keeper(made.err().unwrap());
    assert_eq!(
        (asked, why.as_str()),
        ("be found", "no such token is plugged in")
    );
    let mut settings = token("hospital", PIN);
    if let Protection::Token(login) = &mut settings.protection {
        login.module = "/nowhere/module.so".into();
    }
    assert_eq!(keeper(refusal(&folder, &settings)).0, "be loaded");
    // The file names a key in another token, where the same PIN would do.
    let other = folder.with_file_name("other");
    drop(Vault::create_with(&other, NETWORK, &token("another", PIN)).unwrap());
    std::fs::copy(
        other.join("institution.key"),
        folder.join("institution.key"),
    )
    .unwrap();
    let (asked, why) = keeper(refusal(&folder, &token("hospital", PIN)));
    assert_eq!(
        (asked, why.as_str()),
        ("take this login", "it is for a token of another label")
    );
    for label in ["another", ""] {
        let error = refusal(&folder, &token(label, PIN));
        assert!(
            matches!(error, VaultError::Slots(SlotsError::OtherKey)),
            "{error}"
        );
    }
}

/// Not part of the tests: what a secret costs in a token. It asserts no time.
#[test]
#[ignore = "it measures; run it with --ignored --nocapture"]
fn what_a_token_costs() {
    with_tokens("inside_what_a_token_costs");
}

#[test]
#[ignore = "started by another test"]
fn inside_what_a_token_costs() {
    let Some(folder) = folder() else { return };
    let vault = Vault::create_with(&folder, NETWORK, &token("hospital", PIN)).unwrap();
    let handle = |number: u8| RecordHandle::new([number; 16]);
    let start = Instant::now();
    for number in 10..110 {
        vault.seal(handle(number), 1, PAYLOAD).unwrap();
    }
    let sealing = start.elapsed() / 100;
    let start = Instant::now();
    for number in 10..110 {
        vault.open_record(handle(number), 1).unwrap();
    }
    println!(
        "SoftHSM: a record sealed in {sealing:?} (two wraps, durable), opened in {:?} (two unwraps)",
        start.elapsed() / 100
    );
}

#[test]
#[ignore = "started by another test"]
fn inside_an_emergency_key() {
    let Some(folder) = folder() else { return };
    let login = token("hospital", PIN).protection;
    let vault = Vault::create(&folder, NETWORK).unwrap();
    vault.make_emergency_key(&login).unwrap();
    // Sealing needs neither token nor PIN.
    vault.seal_to_share(RECORD, 1, PAYLOAD).unwrap();
    vault.entrust(RECORD, 1).unwrap();
    assert!(vault.open_record(RECORD, 1).is_err());
    let words = "four horses, two carts".to_owned();
    let passphrase = Protection::Passphrase(medanchor_vault::Passphrase::new(words.into()));
    assert!(vault.unlock_emergency(&passphrase).is_err());
    assert!(
        vault
            .unlock_emergency(&token("hospital", "000000").protection)
            .is_err()
    );
    let keeper = vault.unlock_emergency(&login).unwrap();
    let opened = vault.open_in_emergency(&keeper, RECORD, 1).unwrap();
    assert_eq!(&**opened, PAYLOAD);
    drop((keeper, vault));
    let vault = Vault::open(&folder, NETWORK).unwrap();
    let keeper = vault.unlock_emergency(&login).unwrap();
    vault.destroy_emergency_wrap(RECORD).unwrap();
    assert!(vault.open_in_emergency(&keeper, RECORD, 1).is_err());
}
