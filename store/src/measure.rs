//! What the state map costs on disk. Not a test of the product: run it with
//! `cargo test -p medanchor-store --release -- --ignored --nocapture state_map_cost`.

use crate::Options;
use crate::pending::{Fresh, Pending};
use crate::tables::{Batch, Tables};
use medanchor_ledger::NetworkId;
use medanchor_ledger::state::{Changes, StateKey};
use std::time::Instant;

/// CPU of this process in microseconds, user and system.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let on_cpu: u64 = text.split(' ').next().unwrap().parse().unwrap();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let all: u64 = tasks
        .filter_map(|task| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        })
        .sum();
    all.max(on_cpu) / 1000
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

fn disk(folder: &std::path::Path) -> u64 {
    let size = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            disk(&path)
        } else {
            path.metadata().unwrap().len()
        }
    };
    std::fs::read_dir(folder).unwrap().map(size).sum()
}

#[test]
#[ignore = "a measurement"]
fn state_map_cost() {
    let number = |name: &str, default: u32| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (total, batch) = (number("KEYS", 1_000_000), number("BATCH", 1000));
    let (per_save, cache) = (number("PER_SAVE", 10), number("CACHE_MIB", 32));
    let base = env!("CARGO_MANIFEST_DIR");
    let folder = tempfile::tempdir_in(format!("{base}/../target")).unwrap();
    let network = NetworkId::new([1; 16]);
    let options = Options {
        cache_bytes: (cache as usize) << 20,
        ..Options::default()
    };
    let (tables, _, mut map) = Tables::open(folder.path(), network, options).unwrap();
    let mut pending = Pending::default();
    let (mut update_cpu, mut pending_cpu, mut save_cpu) = (0, 0, 0);
    println!(
        "keys | look-up and update | pending | save us/key | wall us/key | MiB resident | MiB on disk"
    );
    let mut wall = Instant::now();
    for number in 0..total / batch {
        let change = |n: u32| {
            let key = StateKey::new(&[&[7u8; 28], n.to_be_bytes().as_slice()].concat()).unwrap();
            let value = [[n as u8; 28].as_slice(), &n.to_be_bytes(), &[5; 32]].concat();
            (key.path(), Some(value))
        };
        let first = number * batch;
        let changes: Changes = (first..first + batch).map(change).collect();
        let start = cpu();
        for path in changes.keys() {
            assert_eq!(map.value(path).unwrap(), None, "the rules look first");
        }
        let update = map.update(&changes).unwrap();
        map.apply(&update).unwrap();
        let updated = cpu();
        update_cpu += updated - start;
        pending.absorb_update(&update);
        drop(update);
        let absorbed = cpu();
        pending_cpu += absorbed - updated;
        if number % per_save == per_save - 1 {
            let batch = Batch {
                buckets: std::mem::take(&mut pending).into_sorted(),
                fresh: &Fresh::default(),
                map: &map,
                head: b"head",
                log: b"log",
            };
            tables.save(batch).unwrap();
            save_cpu += cpu() - absorbed;
        }
        let done = first + batch;
        if done % (total / 10) == 0 {
            let per_key = |micros: u64| micros as f64 / f64::from(total / 10);
            let disk = disk(folder.path()) >> 20;
            println!(
                "{done} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {disk}",
                per_key(update_cpu),
                per_key(pending_cpu),
                per_key(save_cpu),
                wall.elapsed().as_micros() as f64 / f64::from(total / 10),
                resident()
            );
            (update_cpu, pending_cpu, save_cpu, wall) = (0, 0, 0, Instant::now());
        }
    }
    drop(tables);
    let start = Instant::now();
    let (_tables, _, again) = Tables::open(folder.path(), network, options).unwrap();
    assert_eq!(again.root(), map.root());
    println!("opened again in {:?}", start.elapsed());
}
