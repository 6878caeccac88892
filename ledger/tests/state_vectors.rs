//! Golden bytes of the state map: `vectors/state/`. Set `MEDANCHOR_WRITE_VECTORS` to write the
//! files of a format that is not frozen yet.

use medanchor_ledger::ReadFailed;
use medanchor_ledger::state::{Bucket, BucketChange, BucketReader, Prefix, StateKey, StateMap};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

struct NoBuckets;

impl BucketReader for NoBuckets {
    fn bucket(&self, _: &Prefix) -> Result<Arc<Bucket>, ReadFailed> {
        Err(ReadFailed("nothing is stored".into()))
    }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../vectors/state")
        .join(name)
}

fn check(name: &str, text: &str) {
    if std::env::var_os("MEDANCHOR_WRITE_VECTORS").is_some() {
        fs::create_dir_all(file("")).unwrap();
        fs::write(file(name), text).unwrap();
    }
    assert_eq!(fs::read_to_string(file(name)).unwrap(), text, "{name}");
}

fn pairs(count: u16) -> BTreeMap<StateKey, Option<Vec<u8>>> {
    let key = |n: u16| StateKey::new(format!("key {n}").as_bytes()).unwrap();
    (0..count)
        .map(|n| (key(n), Some(format!("value {n}").into_bytes())))
        .collect()
}

/// One line a pair, `key value` in hex, then the root.
fn root_file(count: u16) -> String {
    let pairs = pairs(count);
    let root = StateMap::empty().update(&NoBuckets, &pairs).unwrap().root();
    let line = |(key, value): (&StateKey, &Option<Vec<u8>>)| {
        let value = value.as_ref().map(hex::encode).unwrap_or_default();
        format!("{} {value}\n", hex::encode(key.as_bytes()))
    };
    pairs.iter().map(line).collect::<String>() + &format!("root {root}\n")
}

#[test]
fn roots_are_frozen() {
    for count in [0, 1, 2, 3, 20, 21, 300] {
        check(&format!("root-of-{count}.txt"), &root_file(count));
    }
}

fn bucket_of(count: u16) -> Vec<u8> {
    let update = StateMap::empty().update(&NoBuckets, &pairs(count)).unwrap();
    match update.buckets().get(&Prefix::ROOT) {
        Some(BucketChange::Write { bucket, .. }) => bucket.encode(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bucket_bytes_are_frozen() {
    check("bucket-of-3.hex", &(hex::encode(bucket_of(3)) + "\n"));
}

fn rejected() -> [(&'static str, Vec<u8>); 4] {
    let good = bucket_of(3);
    let empty = good[..128].to_vec();
    let short = good[..good.len() - 1].to_vec();
    let half_a_leaf = good[..good.len() - 32].to_vec();
    let mut disordered = good.clone();
    disordered[128..256].rotate_left(64);
    [
        ("rejected-bucket-empty.hex", empty),
        ("rejected-bucket-short.hex", short),
        ("rejected-bucket-half-a-leaf.hex", half_a_leaf),
        ("rejected-bucket-out-of-order.hex", disordered),
    ]
}

#[test]
fn damaged_buckets_are_refused() {
    for (name, bytes) in rejected() {
        check(name, &(hex::encode(bytes) + "\n"));
        let bytes = hex::decode(fs::read_to_string(file(name)).unwrap().trim()).unwrap();
        assert!(Bucket::decode(&bytes).is_err(), "{name}");
    }
}
