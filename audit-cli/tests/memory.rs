//! Memory stays flat in the length of the log, for every command that reads a whole one.
//!
//! Each command runs under a copy of this program that starts nothing else: the system counts the largest
//! child of a process, and counts what the process itself holds at that moment as the child's.

mod support;

use medanchor_ledger::event::{
    AccessRequest, EventBody, GranteeOpening, KemSuite, LotOpen, ReaderKey, RecordSeal,
};
use medanchor_ledger::*;
use nix::sys::resource::{UsageWho, getrusage};
use std::path::Path;
use std::process::Command;
use support::{Built, ends, name};

/// What the longer log may take beyond the shorter one. An event that is in flight takes about 900 bytes,
/// so that its 180,000 events more would take three times as much if they were held. How full the pipeline
/// gets differs from run to run, by twenty MiB.
const ROOM_KIB: i64 = 48 << 10;
/// Events of a block.
const EVENTS: u64 = 500;
/// Blocks of the shorter log: twice what the windows that the pipeline has in flight hold. The longer one is
/// four times as long.
const BLOCKS: u64 = 120;
const HOSPITAL: u8 = 1;

fn commitment() -> Commitment {
    Commitment::new(TreeHash::new([2; 32]))
}

fn grow(built: &mut Built, blocks: u64) {
    for block in 0..blocks {
        let size = built.size();
        let body = |event: u64| {
            let mut lot = [1; 16];
            lot[..8].copy_from_slice(&(block * 1_000 + event).to_be_bytes());
            lot[8..].copy_from_slice(&size.to_be_bytes());
            EventBody::LotOpen(LotOpen {
                lot: LotHandle::new(lot),
                commitment: commitment(),
            })
        };
        built.block((0..EVENTS).map(body).collect());
    }
}

/// A record whose tag has a history, and a request for it, which is denied.
fn begin(built: &mut Built) -> EventId {
    let seal = RecordSeal {
        record: RecordHandle::new([1; 16]),
        version: 1,
        tag: Tag::new([1; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: commitment(),
        ciphertext: CiphertextHash::new([2; 32]),
        vault_part: VaultPartHash::new([3; 32]),
        key_check: KeyCheck::new([4; 16]),
    };
    built.block_of(vec![(HOSPITAL, seal.into())]);
    let request = AccessRequest {
        request: RequestHandle::new([1; 16]),
        owner: name(HOSPITAL),
        record: RecordHandle::new([1; 16]),
        consent: ConsentHandle::new([1; 16]),
        purpose: PurposeHandle::new([1; 16]),
        opening: GranteeOpening::new([1; 16]),
        member: None,
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [5; 32],
        },
        commitment: commitment(),
    };
    let event = built.event(2, request.into());
    let id = event.id();
    built.block_by(vec![(event, support::key(2, support::PARTICIPANT))]);
    id
}

/// The commands that read a whole log: what they are called here, and their arguments, with `LOG` and `OUT`
/// for the log and for a file to write.
fn commands(request: &EventId) -> Vec<(&'static str, Vec<String>)> {
    let request = request.to_string();
    let tag = Tag::new([1; 16]).to_string();
    let frugal = ["--memory", "1", "--threads", "1"];
    let whole = |words: &[&str]| {
        words
            .iter()
            .chain(&frugal)
            .map(|word| word.to_string())
            .collect()
    };
    let plain = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
    vec![
        (
            "verify, hashes",
            whole(&["verify", "LOG", "--tier", "hashes"]),
        ),
        (
            "verify, signatures",
            whole(&["verify", "LOG", "--tier", "signatures"]),
        ),
        (
            "verify, rules",
            whole(&["verify", "LOG", "--tier", "rules"]),
        ),
        ("mirror", plain(&["mirror", "LOG", "OUT"])),
        ("sample", whole(&["sample", "LOG"])),
        ("report", whole(&["report", "LOG", "--json", "OUT"])),
        (
            "history",
            whole(&[
                "history",
                "--log",
                "LOG",
                "--owner",
                "north-hospital",
                "--tag",
                &tag,
                "--out",
                "OUT",
            ]),
        ),
        (
            "access",
            whole(&["access", "--log", "LOG", "--event", &request]),
        ),
    ]
}

/// The most that the auditor had in memory, in KiB.
fn peak(words: &[String], log: &Path) -> i64 {
    let folder = tempfile::tempdir().expect("a folder");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let words = words.iter().map(|word| match word.as_str() {
        "LOG" => text(log),
        "OUT" => text(&folder.path().join("out")),
        word => word.to_owned(),
    });
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "one_command", "--ignored", "--nocapture"])
        .env(COMMAND, words.collect::<Vec<_>>().join("\n"))
        .output()
        .expect("this program runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = said
        .split(SAYS)
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok());
    found.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

const COMMAND: &str = "MEDANCHOR_MEMORY_OF";
const SAYS: &str = "the auditor had ";

#[test]
#[ignore = "a part of the other test, in a process of its own"]
fn one_command() {
    let Ok(words) = std::env::var(COMMAND) else {
        return;
    };
    let (code, said) = ends(&words.lines().collect::<Vec<_>>());
    assert_eq!(code, 0, "{said}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a usage");
    println!("{SAYS}{} KiB", usage.max_rss());
}

#[test]
fn four_times_as_long_a_log_takes_no_more_memory_to_audit() {
    let mut built = Built::new("memory.example");
    let (short, long) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let request = begin(&mut built);
    grow(&mut built, BLOCKS);
    built.publish(short.path());
    grow(&mut built, 3 * BLOCKS);
    built.publish(long.path());
    let mut grown = Vec::new();
    for (what, words) in commands(&request) {
        let before = peak(&words, short.path());
        let mut after = peak(&words, long.path());
        if after - before >= ROOM_KIB {
            // One peak in many is higher, for no reason that is in the log.
            after = after.min(peak(&words, long.path()));
        }
        println!("{what}: {before} KiB, then {after} KiB");
        if after - before >= ROOM_KIB {
            grown.push(what);
        }
    }
    assert!(grown.is_empty(), "memory grows with the log: {grown:?}");
}
