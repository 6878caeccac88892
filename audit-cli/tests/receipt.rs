//! `receipt`: offline, and only for what the policy's keys signed.

mod support;

use std::fs;
use std::path::Path;
use support::{Built, audit, genesis, write};

/// Runs `receipt --json` on the three files in `folder`.
fn check(folder: &Path, more: &[&str]) -> (i32, serde_json::Value) {
    let path = |name: &str| folder.join(name).to_str().expect("text").to_owned();
    let (receipt, event, policy) = (path("receipt"), path("event"), path("policy"));
    let mut args = vec![
        "receipt", "--json", &receipt, "--event", &event, "--policy", &policy,
    ];
    args.extend(more);
    let output = audit(&args);
    let text = String::from_utf8(output.stdout).expect("text");
    let json = serde_json::from_str(&text).unwrap_or_default();
    (output.status.code().expect("an exit code"), json)
}

fn files(built: &Built, index: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let entry = built
        .entries()
        .nth(usize::try_from(index).expect("a place"))
        .expect("an entry");
    write(folder.path(), "receipt", built.receipt(index).as_bytes());
    write(folder.path(), "event", entry);
    write(folder.path(), "policy", built.genesis.policy().as_bytes());
    folder
}

#[test]
fn a_good_receipt_says_which_keys_counted() {
    let built = Built::busy(9);
    let folder = files(&built, 5);
    let (code, report) = check(folder.path(), &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(
        (&report["verdict"], &report["index"]),
        (&"good".into(), &5.into())
    );
    assert_eq!(report["log_keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        report["cosigners"].as_array().map(Vec::len),
        Some(3),
        "a quorum of four"
    );
    assert_eq!(report["event"]["issuer"], "jade-pharma");
    assert_eq!(report["policy"], built.genesis.policy().hash().to_string());
}

#[test]
fn a_seal_has_a_receipt_too() {
    let built = Built::busy(3);
    let folder = files(&built, 0);
    let (code, report) = check(folder.path(), &[]);
    assert_eq!((code, &report["seal"]), (0, &true.into()));
}

#[test]
fn a_changed_byte_of_receipt_or_event_proves_nothing() {
    let built = Built::busy(9);
    let folder = files(&built, 5);
    for name in ["receipt", "event"] {
        let path = folder.path().join(name);
        let good = fs::read(&path).expect("a file");
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).expect("a file");
            assert_eq!(check(folder.path(), &[]).0, 1, "{name}, byte {at}");
        }
        fs::write(&path, good).expect("a file");
    }
    assert_eq!(check(folder.path(), &[]).0, 0);
}

#[test]
fn another_network_or_another_size_is_refused() {
    let built = Built::busy(9);
    let folder = files(&built, 5);
    let size = built.size().to_string();
    assert_eq!(
        check(
            folder.path(),
            &["--first-size", &size, "--last-size", &size]
        )
        .0,
        0
    );
    assert_eq!(check(folder.path(), &["--last-size", "3"]).0, 1);
    write(
        folder.path(),
        "policy",
        genesis("other.example").policy().as_bytes(),
    );
    assert_eq!(check(folder.path(), &[]).0, 1);
    write(folder.path(), "policy", b"no policy");
    assert_eq!(check(folder.path(), &[]).0, 1);
}

#[test]
fn a_file_that_is_not_there_or_far_too_long_has_no_verdict() {
    let built = Built::busy(3);
    let folder = files(&built, 1);
    write(folder.path(), "event", &vec![0; (1 << 20) + 1]);
    let (code, report) = check(folder.path(), &[]);
    assert_eq!((code, &report["verdict"]), (3, &"unreadable".into()));
    fs::remove_file(folder.path().join("event")).expect("a file");
    assert_eq!(check(folder.path(), &[]).0, 3);
}
