//! What the state map costs on disk. Not a test of the product: run it with
//! `cargo test -p medanchor-store --release -- --ignored --nocapture state_map_cost`.

use crate::layer::{Layer, Layers};
use crate::snapshot::Snapshot;
use crate::tables::Tables;
use medanchor_ledger::state::{Bucket, BucketReader, Prefix, StateKey, StateMap};
use medanchor_ledger::{NetworkId, ReadFailed};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

struct Reader {
    layers: Layers,
    snapshot: Snapshot,
}

impl BucketReader for Reader {
    fn bucket(&self, prefix: &Prefix) -> Result<Arc<Bucket>, ReadFailed> {
        use medanchor_ledger::state::BucketChange::Write;
        match self.layers.find(|layer| layer.buckets.get(prefix).cloned()) {
            Some(Write { bucket, .. }) => Ok(bucket),
            Some(_) => Err(ReadFailed("removed".into())),
            None => Ok(self.snapshot.bucket(prefix)?),
        }
    }
}

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
    let (tables, snapshot) =
        Tables::open(folder.path(), network, (cache as usize) << 20, u64::MAX).unwrap();
    let mut reader = Reader {
        layers: Layers::default(),
        snapshot,
    };
    let mut map = StateMap::empty();
    let (mut update_cpu, mut layer_cpu, mut save_cpu) = (0, 0, 0);
    println!("keys | update | layer | save us/key | wall us/key | MiB resident | MiB on disk");
    let mut wall = Instant::now();
    for number in 0..total / batch {
        let change = |n: u32| {
            let key = StateKey::new(&[&[7u8; 28], n.to_be_bytes().as_slice()].concat()).unwrap();
            (
                key,
                Some([[n as u8; 28].as_slice(), &n.to_be_bytes(), &[5; 32]].concat()),
            )
        };
        let first = number * batch;
        let changes: BTreeMap<_, _> = (first..first + batch).map(change).collect();
        let start = cpu();
        for key in changes.keys() {
            assert_eq!(
                reader.snapshot.value(&key.path()).unwrap(),
                None,
                "the rules look first"
            );
        }
        let update = map.update(&reader, &changes).unwrap();
        map.apply(&update).unwrap();
        let updated = cpu();
        update_cpu += updated - start;
        let mut layer = Layer::default();
        layer.values.extend(
            changes
                .iter()
                .map(|(key, value)| (key.path(), value.as_deref().map(Into::into))),
        );
        layer.buckets.extend(
            update
                .buckets()
                .iter()
                .map(|(p, change)| (*p, change.clone())),
        );
        reader.layers.push(layer);
        let layered = cpu();
        layer_cpu += layered - updated;
        if number % per_save == per_save - 1 {
            let (before, layers) = (&reader.snapshot, &reader.layers);
            let snapshot = tables
                .save(before, layers, map.clone(), b"head", b"log")
                .unwrap();
            reader = Reader {
                layers: Layers::default(),
                snapshot,
            };
            save_cpu += cpu() - layered;
        }
        let done = first + batch;
        if done % (total / 10) == 0 {
            let per_key = |micros: u64| micros as f64 / f64::from(total / 10);
            let disk = disk(folder.path()) >> 20;
            println!(
                "{done} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {disk}",
                per_key(update_cpu),
                per_key(layer_cpu),
                per_key(save_cpu),
                wall.elapsed().as_micros() as f64 / f64::from(total / 10),
                resident()
            );
            (update_cpu, layer_cpu, save_cpu, wall) = (0, 0, 0, Instant::now());
        }
    }
    drop(reader);
    drop(tables);
    let start = Instant::now();
    let (_tables, snapshot) = Tables::open(folder.path(), network, 32 << 20, u64::MAX).unwrap();
    assert_eq!(snapshot.map().root(), map.root());
    println!("opened again in {:?}", start.elapsed());
}
