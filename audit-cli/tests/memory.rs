//! Memory stays flat in the length of the log. A test of its own, since the system counts the largest
//! child of a whole process.

mod support;

use medanchor_ledger::event::{EventBody, LotOpen};
use medanchor_ledger::{Commitment, LotHandle, TreeHash};
use nix::sys::resource::{UsageWho, getrusage};
use std::path::Path;
use support::{Built, ends};

/// What the longer log may take beyond the shorter one: far less than its entries.
const ROOM_KIB: i64 = 12 << 10;

fn grow(built: &mut Built, blocks: u64) {
    for block in 0..blocks {
        let size = built.size();
        let body = |event: u64| {
            let mut lot = [1; 16];
            lot[..8].copy_from_slice(&(block * 1_000 + event).to_be_bytes());
            lot[8..].copy_from_slice(&size.to_be_bytes());
            let commitment = Commitment::new(TreeHash::new([2; 32]));
            EventBody::LotOpen(LotOpen {
                lot: LotHandle::new(lot),
                commitment,
            })
        };
        let bodies = (0..500).map(body).collect();
        built.block(bodies);
    }
}

/// The largest that any child of this process has been so far, in KiB.
fn peak() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a usage");
    usage.max_rss()
}

fn run(log: &Path) -> i64 {
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let log = text(log);
    for tier in ["hashes", "signatures", "rules"] {
        let args = [
            "verify",
            &log,
            "--tier",
            tier,
            "--memory",
            "1",
            "--threads",
            "1",
        ];
        let (code, said) = ends(&args);
        assert_eq!(code, 0, "{said}");
    }
    let copy = tempfile::tempdir().expect("a folder");
    let (code, said) = ends(&["mirror", &log, &text(copy.path())]);
    assert_eq!(code, 0, "{said}");
    peak()
}

#[test]
fn twice_as_long_a_log_takes_no_more_memory_to_verify_and_to_mirror() {
    let mut built = Built::new("memory.example");
    let (short, long) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    // More than all windows that the pipeline has in flight, so that both fill them.
    grow(&mut built, 48);
    built.publish(short.path());
    grow(&mut built, 48);
    built.publish(long.path());
    let before = run(short.path());
    let after = run(long.path());
    println!("{before} KiB, then {after} KiB");
    assert!(after - before < ROOM_KIB, "{before} KiB became {after} KiB");
}
