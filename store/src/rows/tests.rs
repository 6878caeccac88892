//! Room is won back, and nothing that counts is lost with it.

use crate::layer::{Layer, Layers};
use crate::snapshot::Snapshot;
use crate::tables::Tables;
use medanchor_ledger::NetworkId;
use medanchor_ledger::ReadFailed;
use medanchor_ledger::state::{Bucket, BucketReader, Prefix, StateKey};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const SEGMENT: u64 = 30_000;

struct Saved(Snapshot);

impl BucketReader for Saved {
    fn bucket(&self, prefix: &Prefix) -> Result<Arc<Bucket>, ReadFailed> {
        Ok(self.0.bucket(prefix)?)
    }
}

fn open(folder: &Path) -> (Tables, Saved) {
    let network = NetworkId::new([1; 16]);
    let (tables, snapshot) = Tables::open(folder, network, 1 << 20, SEGMENT).unwrap();
    (tables, Saved(snapshot))
}

fn key(n: u16) -> StateKey {
    StateKey::new(&n.to_be_bytes()).unwrap()
}

type Changes = BTreeMap<StateKey, Option<Vec<u8>>>;

fn save(tables: &Tables, before: &Saved, changes: &Changes) -> Saved {
    let update = before.0.map().update(before, changes).unwrap();
    let mut layer = Layer::default();
    let value = |value: &Option<Vec<u8>>| value.as_deref().map(Into::into);
    layer
        .values
        .extend(changes.iter().map(|(key, new)| (key.path(), value(new))));
    layer.buckets.extend(
        update
            .buckets()
            .iter()
            .map(|(prefix, new)| (*prefix, new.clone())),
    );
    let mut layers = Layers::default();
    layers.push(layer);
    Saved(
        tables
            .save(&before.0, &layers, update.map().clone(), b"head", b"log")
            .unwrap(),
    )
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder.join("rows")).unwrap();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn values_are_what_they_were_last_set_to_while_room_is_won_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut tables, mut saved) = open(folder.path());
    let mut model = BTreeMap::new();
    for round in 0..60u16 {
        let changed = (0..120).map(|n| (n * 7 + round * 31) % 700);
        let new = |n: u16| {
            let value = vec![(round % 251) as u8; usize::from(n % 90) + 1];
            (key(n), (n % 11 != round % 11).then_some(value))
        };
        let changes: Changes = changed.map(new).collect();
        saved = save(&tables, &saved, &changes);
        model.extend(changes);
        if round % 20 == 19 {
            drop((tables, saved));
            (tables, saved) = open(folder.path());
        }
        for (key, value) in &model {
            assert_eq!(saved.0.value(&key.path()).unwrap(), *value);
        }
    }
    let written_once = 60 * 100 * 100;
    assert!(
        bytes_in(folder.path()) < written_once,
        "old rows were dropped"
    );
}

#[test]
fn a_snapshot_reads_rows_whose_segments_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (tables, saved) = open(folder.path());
    let all = |fill: u8| {
        (0..300)
            .map(|n| (key(n), Some(vec![fill; 100])))
            .collect::<Changes>()
    };
    let first = save(&tables, &saved, &all(0));
    let mut last = save(&tables, &first, &all(1));
    for fill in 2..9 {
        last = save(&tables, &last, &all(fill));
    }
    for n in 0..300 {
        assert_eq!(first.0.value(&key(n).path()).unwrap(), Some(vec![0; 100]));
        assert_eq!(last.0.value(&key(n).path()).unwrap(), Some(vec![8; 100]));
    }
}
