//! How fast an audit is here. Not part of the tests: run it with
//! `cargo test --release -p medanchor-audit --test measure -- --ignored --nocapture`; `BLOCKS=300`
//! before it for a longer log, of 1,000 events a block.

mod support;

use medanchor_ledger::event::{EventBody, LotOpen};
use medanchor_ledger::*;
use support::{Built, verify};

#[test]
#[ignore = "it measures and asserts no time"]
fn audit_rate() {
    let mut built = Built::new("measure.example");
    let blocks = std::env::var("BLOCKS").ok();
    let blocks = blocks.and_then(|text| text.parse().ok()).unwrap_or(40u64);
    for block in 0..blocks {
        let body = |event: u64| {
            let mut lot = [1; 16];
            lot[..8].copy_from_slice(&(block * 1_000 + event).to_be_bytes());
            let commitment = Commitment::new(TreeHash::new([2; 32]));
            EventBody::LotOpen(LotOpen {
                lot: LotHandle::new(lot),
                commitment,
            })
        };
        built.block((0..1_000).map(body).collect());
    }
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    let (code, report) = verify(folder.path());
    assert_eq!(code, 0, "{report:#}");
    println!(
        "{} events with signatures in {} s on one preparing thread: {} entries a second",
        report["events"], report["seconds"], report["entries_per_second"]
    );
}
