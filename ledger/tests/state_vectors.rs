//! Golden bytes of the state map: `vectors/state/`. Set `MEDANCHOR_WRITE_VECTORS` to write the
//! files of a format that is not frozen yet.

use medanchor_ledger::StateRoot;
use medanchor_ledger::state::{Bucket, BucketNow, Changes, Prefix, StateKey, StateMap, StateProof};
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
    match update.changes().as_ref() {
        [change] if change.prefix == Prefix::ROOT => match &change.now {
            BucketNow::Written(_, cell) => cell.bucket().unwrap().as_bytes().to_vec(),
            other => panic!("{other:?}"),
        },
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

/// A key of the map of 300 pairs, its proof, and what the map holds under it.
fn proved(key: &str) -> (StateKey, StateProof, Option<Vec<u8>>) {
    let update = StateMap::empty().update(&changes(&pairs(300))).unwrap();
    let key = StateKey::new(key.as_bytes()).unwrap();
    let proof = update.map().prove(&key.path()).unwrap();
    let value = update.map().value(&key.path()).unwrap();
    (key, proof, value)
}

fn root_of_300() -> StateRoot {
    StateMap::empty()
        .update(&changes(&pairs(300)))
        .unwrap()
        .root()
}

/// One line each: key, value or a dash, proof.
fn proof_file(key: &str) -> String {
    let (key, proof, value) = proved(key);
    let value = value.map_or_else(|| "-".to_owned(), hex::encode);
    let proof = hex::encode(proof.encode());
    format!("{}\n{value}\n{proof}\n", hex::encode(key.as_bytes()))
}

fn read_proof(name: &str) -> (StateKey, Option<Vec<u8>>, Vec<u8>) {
    let text = fs::read_to_string(file(name)).unwrap();
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap();
    let key = StateKey::new(&hex::decode(next()).unwrap()).unwrap();
    let value = Some(next()).filter(|line| *line != "-");
    (
        key,
        value.map(|line| hex::decode(line).unwrap()),
        hex::decode(next()).unwrap(),
    )
}

#[test]
fn proofs_are_frozen_and_hold() {
    let root = root_of_300();
    for (name, key) in [
        ("proof-of-presence.txt", "key 7"),
        ("proof-of-absence-other.txt", "key 358"),
        ("proof-of-absence-nothing.txt", "key 301"),
    ] {
        check(name, &proof_file(key));
        let (key, value, proof) = read_proof(name);
        let proof = StateProof::decode(&proof).unwrap();
        assert_eq!(
            proof.verify(&root, &key.path(), value.as_deref()),
            Ok(()),
            "{name}"
        );
    }
}

/// Proofs that decode and prove nothing, made from right ones.
fn wrong_proofs() -> Vec<(&'static str, String)> {
    let file = |key: &StateKey, value: Option<&[u8]>, proof: &[u8]| {
        let value = value.map_or_else(|| "-".to_owned(), hex::encode);
        format!(
            "{}\n{value}\n{}\n",
            hex::encode(key.as_bytes()),
            hex::encode(proof)
        )
    };
    let (key, proof, value) = proved("key 7");
    let (other, beside, _) = proved("key 8");
    let (absent, nothing, _) = proved("key 301");
    let good = proof.encode();
    let mut flipped = good.clone();
    flipped[20] ^= 1;
    let mut exchanged = good.clone();
    exchanged[5..69].rotate_left(32);
    let end = good.len() - 1;
    let mut emptied = good.clone();
    emptied[end] = 1;
    let mut claimed = nothing.encode();
    *claimed.last_mut().unwrap() = 0;
    vec![
        ("wrong-proof-value.txt", file(&key, Some(b"value 8"), &good)),
        (
            "wrong-proof-of-another-key.txt",
            file(&other, value.as_deref(), &good),
        ),
        (
            "wrong-proof-beside.txt",
            file(&key, value.as_deref(), &beside.encode()),
        ),
        (
            "wrong-proof-sibling-flipped.txt",
            file(&key, value.as_deref(), &flipped),
        ),
        (
            "wrong-proof-siblings-exchanged.txt",
            file(&key, value.as_deref(), &exchanged),
        ),
        (
            "wrong-proof-absence-of-what-is-there.txt",
            file(&key, None, &emptied),
        ),
        (
            "wrong-proof-absence-claimed-of-a-value.txt",
            file(&key, None, &good),
        ),
        (
            "wrong-proof-value-where-nothing-is.txt",
            file(&absent, Some(b"x"), &claimed),
        ),
    ]
}

#[test]
fn wrong_proofs_prove_nothing() {
    let root = root_of_300();
    for (name, text) in wrong_proofs() {
        check(name, &text);
        let (key, value, proof) = read_proof(name);
        let proof = StateProof::decode(&proof).unwrap();
        let verdict = proof.verify(&root, &key.path(), value.as_deref());
        assert!(verdict.is_err(), "{name}");
    }
}

/// Bytes that are no proof.
fn rejected_proofs() -> [(&'static str, Vec<u8>); 5] {
    let good = proved("key 7").1.encode();
    let mut version = good.clone();
    version[1] = 2;
    let mut kind = good.clone();
    *kind.last_mut().unwrap() = 2;
    let odd = [&[0x83, 1, 0x58, 33], [0; 33].as_slice(), &[0]].concat();
    let deep = [&[0x83, 1, 0x59, 0x20, 0x20], [1; 257 * 32].as_slice(), &[0]].concat();
    let trailing = [good.as_slice(), &[0]].concat();
    [
        ("rejected-proof-version.hex", version),
        ("rejected-proof-kind.hex", kind),
        ("rejected-proof-half-a-sibling.hex", odd),
        ("rejected-proof-257-siblings.hex", deep),
        ("rejected-proof-trailing.hex", trailing),
    ]
}

#[test]
fn bytes_that_are_no_proof_are_refused() {
    for (name, bytes) in rejected_proofs() {
        check(name, &(hex::encode(bytes) + "\n"));
        let bytes = hex::decode(fs::read_to_string(file(name)).unwrap().trim()).unwrap();
        assert!(StateProof::decode(&bytes).is_err(), "{name}");
    }
}
