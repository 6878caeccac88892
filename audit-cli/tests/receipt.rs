//! `receipt`: offline, and only for what the policy's keys signed.

mod support;

use medanchor_ledger::policy::PolicyChain;
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

/// Runs `receipt --json` with these arguments, of which those that name a file are in `folder`.
fn check_with(folder: &Path, args: &[&str]) -> (i32, serde_json::Value) {
    let path = |name: &&str| match name.strip_prefix('@') {
        Some(name) => folder.join(name).to_str().expect("text").to_owned(),
        None => (*name).to_owned(),
    };
    let args: Vec<String> = args.iter().map(path).collect();
    let mut all = vec!["receipt", "--json"];
    all.extend(args.iter().map(String::as_str));
    let output = audit(&all);
    let text = String::from_utf8(output.stdout).expect("text");
    let json = serde_json::from_str(&text).unwrap_or_default();
    (output.status.code().expect("an exit code"), json)
}

fn files_by_genesis(built: &Built, index: u64) -> tempfile::TempDir {
    let folder = files(built, index);
    let chain = PolicyChain::of_genesis(&built.genesis).encode();
    write(folder.path(), "genesis", built.genesis.encoded());
    write(folder.path(), "chain", &chain);
    write(folder.path(), "statement", &built.statement(index));
    folder
}

#[test]
fn genesis_and_chain_say_whose_signatures_count() {
    let built = Built::busy(9);
    let folder = files_by_genesis(&built, 5);
    let by_genesis = ["@receipt", "--event", "@event", "--genesis", "@genesis"];
    let (code, report) = check_with(folder.path(), &by_genesis);
    assert_eq!((code, &report["index"]), (0, &5.into()), "{report:#}");
    let by_chain = [&by_genesis[..], &["--policy-chain", "@chain"]].concat();
    let (code, report) = check_with(folder.path(), &by_chain);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["policy_sizes"], serde_json::json!([1, u64::MAX]));
    write(folder.path(), "genesis", genesis("other.example").encoded());
    for args in [&by_genesis[..], &by_chain] {
        assert_eq!(check_with(folder.path(), args).0, 1);
    }
    write(folder.path(), "chain", b"no chain");
    assert_eq!(check_with(folder.path(), &by_chain).0, 1);
}

#[test]
fn a_transparent_statement_is_judged_by_cose_keys() {
    let built = Built::busy(9);
    let folder = files_by_genesis(&built, 5);
    let args = [
        "@statement",
        "--genesis",
        "@genesis",
        "--policy-chain",
        "@chain",
    ];
    let (code, report) = check_with(folder.path(), &args);
    assert_eq!((code, &report["index"]), (0, &5.into()), "{report:#}");
    assert_eq!(report["cose_signers"].as_array().map(Vec::len), Some(3));
    assert_eq!(report["log_keys"].as_array().map(Vec::len), Some(0));
    let with_event = [&args[..], &["--event", "@event"]].concat();
    assert_eq!(check_with(folder.path(), &with_event).0, 0);
    let other = files(&built, 4);
    let event = fs::read(other.path().join("event")).expect("an event");
    write(folder.path(), "event", &event);
    assert_eq!(check_with(folder.path(), &with_event).0, 1, "another event");
    let by_policy = ["@statement", "--policy", "@policy"];
    let (code, report) = check_with(folder.path(), &by_policy);
    let reason = report["reason"].as_str().unwrap_or_default();
    assert!(code == 1 && reason.contains("--genesis"), "{reason}");
    let mut changed = built.statement(5);
    *changed.last_mut().expect("bytes") ^= 1;
    write(folder.path(), "statement", &changed);
    assert_eq!(check_with(folder.path(), &args).0, 1, "another signature");
}

#[test]
fn a_text_receipt_without_its_event_and_nobody_to_trust_are_refused() {
    let built = Built::busy(3);
    let folder = files_by_genesis(&built, 1);
    let (code, report) = check_with(folder.path(), &["@receipt", "--genesis", "@genesis"]);
    let reason = report["reason"].as_str().unwrap_or_default();
    assert!(code == 1 && reason.contains("--event"), "{reason}");
    for args in [
        &["@statement"][..],
        &["@statement", "--policy-chain", "@chain"],
        &["@statement", "--policy", "@policy", "--genesis", "@genesis"],
        &["@statement", "--genesis", "@genesis", "--last-size", "3"],
    ] {
        assert_eq!(check_with(folder.path(), args).0, 2, "{args:?}");
    }
}
