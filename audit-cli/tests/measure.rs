//! How fast audits are here, by tier. Not part of the tests: run it with
//! `EVENTS=300000 cargo test --release -p medanchor-audit --test measure -- --ignored --nocapture`.
//! `LOG=FOLDER` before it keeps the log there, and audits that one if there is one already.
//!
//! The log is one of `record.seal`, 3,000 a block and four blocks a second, 20,000 patients, as
//! `cargo measure` posts them to one validator; its certificates are those of four.

mod support;

use medanchor_ledger::event::{Event, RecordSeal, UnsignedEvent};
use medanchor_ledger::execute::View;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::*;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::path::{Path, PathBuf};
use support::{Built, PARTICIPANT, audit, key, name};

const BLOCK: u64 = 3_000;
const PATIENTS: u64 = 20_000;
/// Who signs: a hospital.
const SIGNER: u8 = 1;
/// How long an event may wait, as the SDK has it.
const PATIENCE_MILLIS: u64 = 10 * 60 * 1000;
const ROUNDS: usize = 3;

fn record(number: u64) -> RecordSeal {
    let hash = |number: u64, what: &str| sha256(&[&number.to_be_bytes(), what.as_bytes()]);
    let half = |number, what| hash(number, what)[..16].try_into().expect("16 bytes");
    RecordSeal {
        record: RecordHandle::new(half(number, "record")),
        version: 1,
        tag: Tag::new(half(number % PATIENTS, "tag")),
        class: ClassHandle::new(half(number % 16, "class")),
        commitment: Commitment::new(TreeHash::new(hash(number, "commitment"))),
        ciphertext: CiphertextHash::new(hash(number, "ciphertext")),
        vault_part: VaultPartHash::new(hash(number, "vault part")),
        key_check: KeyCheck::new(half(number, "key check")),
    }
}

fn event(built: &Built, number: u64, key: &SigningKey) -> Event {
    let nonce = sha256(&[&number.to_be_bytes(), b"nonce"]);
    let unsigned = UnsignedEvent {
        issuer: name(SIGNER),
        network: built.genesis.network_id(),
        nonce: Nonce::new(nonce[..16].try_into().expect("16 bytes")),
        not_after: built.memory().head().time.plus_millis(PATIENCE_MILLIS),
        body: record(number).into(),
    };
    unsigned.sign(key).expect("an event")
}

fn publish(folder: &Path, events: u64) {
    let mut built = Built::new("measure.example");
    let signer = key(SIGNER, PARTICIPANT);
    for first in (0..events).step_by(BLOCK as usize) {
        let numbers = first..events.min(first + BLOCK);
        let block = numbers.map(|number| {
            let event = event(&built, number, &signer);
            (event, key(SIGNER, PARTICIPANT))
        });
        let block = block.collect();
        built.block_by(block);
        // What it was executed from, which nothing here asks for again.
        built.executed.clear();
    }
    built.publish(folder);
}

/// CPU seconds of all processes that this one started and that have ended, user and system.
fn cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a usage");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    micros as f64 / 1e6
}

#[test]
#[ignore = "it measures and asserts no time"]
fn audit_rates() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let kept = std::env::var_os("LOG").map(PathBuf::from);
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = kept.unwrap_or_else(|| temporary.path().to_owned());
    if !folder.join("checkpoint").exists() {
        publish(&folder, number("EVENTS").unwrap_or(60_000));
    }
    let path = folder.to_str().expect("a path that is text");
    println!("tier | entries/s | CPU us/entry | entries/s a core");
    for tier in ["hashes", "signatures", "rules"] {
        for _ in 0..ROUNDS {
            let before = cpu();
            let output = audit(&["verify", "--json", "--tier", tier, path]);
            let spent = cpu() - before;
            let said = String::from_utf8(output.stdout).expect("text");
            assert_eq!(output.status.code(), Some(0), "{said}");
            let report: serde_json::Value = serde_json::from_str(&said).expect("a report");
            let entries = report["entries"].as_f64().expect("a number");
            let seconds = report["seconds"].as_f64().expect("a number");
            println!(
                "{tier} | {:.0} | {:.2} | {:.0}",
                entries / seconds,
                spent / entries * 1e6,
                entries / spent
            );
        }
    }
}
