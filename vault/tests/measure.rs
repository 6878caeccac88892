//! What sealing costs here. Not part of the tests: run it with
//! `cargo test -p medanchor-vault --test measure -- --ignored --nocapture`.

use medanchor_ledger::{NetworkId, RecordHandle};
use medanchor_vault::{ToSeal, Vault};

use std::time::Instant;

const RECORDS: u16 = 200;

#[test]
#[ignore = "it measures and asserts no time"]
fn one_by_one_and_together() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let vault = Vault::create(folder.path(), NetworkId::new([1; 16])).unwrap();
    let payload = format!("{{\"text\":\"{}\"}}", "x".repeat(2000));
    let record = |kind: u8, number: u16| {
        let mut handle = [kind; 16];
        handle[..2].copy_from_slice(&number.to_be_bytes());
        RecordHandle::new(handle)
    };
    let start = Instant::now();
    for number in 0..RECORDS {
        vault
            .seal(record(1, number), 1, payload.as_bytes())
            .unwrap();
    }
    let alone = start.elapsed();
    let batch: Vec<ToSeal<'_>> = (0..RECORDS)
        .map(|number| ToSeal {
            record: record(2, number),
            version: 1,
            payload: payload.as_bytes(),
        })
        .collect();
    let start = Instant::now();
    vault.seal_many(&batch).unwrap();
    let together = start.elapsed();
    println!(
        "{RECORDS} records of {} bytes, durable: {:.2} ms a record one by one, {:.3} ms together",
        payload.len(),
        alone.as_secs_f64() * 1000.0 / f64::from(RECORDS),
        together.as_secs_f64() * 1000.0 / f64::from(RECORDS)
    );
}
