//! What sealing costs here. Not part of the tests: run it with
//! `cargo test -p medanchor-vault --test measure -- --ignored --nocapture`.

use medanchor_ledger::{NetworkId, RecordHandle};
use medanchor_vault::secret::DataKey;
use medanchor_vault::{RecordVersion, ToSeal, Vault, seal};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
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

/// What was measured on.
fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let debug = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    format!(
        "{} x {cpus}, load {}, {debug} build",
        name.unwrap_or("?"),
        load.trim()
    )
}

/// The best of many tries, in bytes a second: others use the machine, too.
fn best(bytes: usize, mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..2000 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    bytes as f64 / best
}

#[test]
#[ignore = "it measures and asserts no time"]
fn sealing_beside_ring() {
    const SIZE: usize = 1 << 16;
    let record = RecordVersion {
        network: NetworkId::new([1; 16]),
        record: RecordHandle::new([2; 16]),
        version: 1,
    };
    let (key, payload) = (DataKey::new([3; 32]), vec![7; SIZE]);
    let ring = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[3; 32]).unwrap());
    let mut buffer = payload.clone();
    let ring_alone = best(SIZE, || {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = ring.seal_in_place_separate_tag(nonce, Aad::empty(), &mut buffer);
        std::hint::black_box(tag.unwrap().as_ref());
    });
    let sealing = best(SIZE, || {
        std::hint::black_box(seal::seal(&record, &key, &payload).unwrap());
    });
    let large = vec![7; 64 * SIZE];
    let many = best(large.len(), || {
        std::hint::black_box(seal::seal(&record, &key, &large).unwrap());
    });
    println!("{}", machine());
    println!(
        "ring's AES-256-GCM over 64 KiB in place: {:.2} GB/s; a payload of 64 KiB sealed: {:.2} ({:.0}%); of 4 MiB: {:.2} ({:.0}%)",
        ring_alone / 1e9,
        sealing / 1e9,
        100.0 * sealing / ring_alone,
        many / 1e9,
        100.0 * many / ring_alone,
    );
}
