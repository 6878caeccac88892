//! Golden bytes of the state map: `vectors/state/`. Set `MEDANCHOR_WRITE_VECTORS` to write the
//! files of a format that is not frozen yet.

use medanchor_ledger::state::{Bucket, BucketChange, Changes, Prefix, StateKey, StateMap};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

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

fn changes(pairs: &BTreeMap<StateKey, Option<Vec<u8>>>) -> Changes {
    pairs
        .iter()
        .map(|(key, value)| (key.path(), value.clone()))
        .collect()
}

/// One line a pair, `key value` in hex, then the root.
fn root_file(count: u16) -> String {
    let pairs = pairs(count);
    let root = StateMap::empty().update(&changes(&pairs)).unwrap().root();
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
    let update = StateMap::empty().update(&changes(&pairs(count))).unwrap();
    match update.buckets() {
        [(Prefix::ROOT, BucketChange::Write(cell))] => cell.bucket().unwrap().as_bytes().to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bucket_bytes_are_frozen() {
    check("bucket-v2-of-3.hex", &(hex::encode(bucket_of(3)) + "\n"));
}

/// Count, slot roots, three leaves, three ends, the values.
fn rejected() -> [(&'static str, Vec<u8>); 6] {
    let good = bucket_of(3);
    let mut none = good.clone();
    none[..2].copy_from_slice(&[0, 0]);
    let mut many = good.clone();
    many[..2].copy_from_slice(&[0, 21]);
    let short = good[..good.len() - 1].to_vec();
    let long = [good.as_slice(), &[0]].concat();
    let mut disordered = good.clone();
    disordered[130..258].rotate_left(64);
    let mut backwards = good.clone();
    backwards[322..330].rotate_left(4);
    [
        ("rejected-bucket-v2-empty.hex", none),
        ("rejected-bucket-v2-too-many.hex", many),
        ("rejected-bucket-v2-short.hex", short),
        ("rejected-bucket-v2-long.hex", long),
        ("rejected-bucket-v2-out-of-order.hex", disordered),
        ("rejected-bucket-v2-ends-descend.hex", backwards),
    ]
}

#[test]
fn damaged_buckets_are_refused() {
    for (name, bytes) in rejected() {
        check(name, &(hex::encode(bytes) + "\n"));
        let bytes = hex::decode(fs::read_to_string(file(name)).unwrap().trim()).unwrap();
        assert!(Bucket::decode(bytes, 0).is_err(), "{name}");
    }
}
