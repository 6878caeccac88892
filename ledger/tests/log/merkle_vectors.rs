//! Official proofs, right and wrong, and the reference tree of Certificate Transparency.

use super::support::{Nodes, shared_data};
use base64::{Engine, engine::general_purpose::STANDARD};
use medanchor_ledger::hash::sha256;
use medanchor_ledger::merkle::{
    ProofError, consistency_proof, empty_root, leaf_hash, verify_consistency, verify_inclusion,
};
use medanchor_ledger::{Index, Size, TreeHash};
use serde::Deserialize;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// Roots of another length than 32 bytes cannot even be given to our functions. So that such a
/// case is still judged by its sizes and its proof, they are mapped to hashes of their bytes,
/// equal where those are equal.
fn root(base64: &str) -> TreeHash {
    let bytes = STANDARD.decode(base64).unwrap();
    TreeHash::try_from(bytes.as_slice()).unwrap_or_else(|_| TreeHash::new(sha256(&[&bytes])))
}

/// None if an element of the proof is no hash: a decoder refuses it before any proof is checked.
fn proof(lines: &Option<Vec<String>>) -> Option<Vec<TreeHash>> {
    lines.iter().flatten().map(|line| hash(line)).collect()
}

fn hash(line: &str) -> Option<TreeHash> {
    STANDARD.decode(line).ok()?.as_slice().try_into().ok()
}

fn each_file(folder: &Path, check: &mut impl FnMut(&Path, &[u8])) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += each_file(&path, check);
        } else {
            check(&path, &fs::read(&path).unwrap());
            count += 1;
        }
    }
    count
}

#[test]
fn every_official_inclusion_proof_gets_the_right_verdict() {
    let Some(folder) = shared_data("tlog/transparency-dev-merkle/testdata/inclusion") else {
        return;
    };
    let mut accepted = 0;
    let count = each_file(&folder, &mut |path, json| {
        let case: Inclusion = serde_json::from_slice(json).unwrap();
        let (index, size) = (Index(case.leaf_idx), Size(case.tree_size));
        let holds = proof(&case.proof)
            .zip(hash(&case.leaf_hash))
            .is_some_and(|(proof, leaf)| {
                verify_inclusion(index, size, &leaf, &proof, &root(&case.root)).is_ok()
            });
        assert_eq!(holds, !case.want_err, "{}", path.display());
        accepted += usize::from(holds);
    });
    assert!(
        count >= 90 && accepted == 6,
        "{count} files, {accepted} accepted"
    );
}

#[test]
fn every_official_consistency_proof_gets_the_right_verdict() {
    let Some(folder) = shared_data("tlog/transparency-dev-merkle/testdata/consistency") else {
        return;
    };
    let mut accepted = 0;
    let count = each_file(&folder, &mut |path, json| {
        let case: Consistency = serde_json::from_slice(json).unwrap();
        let (old, new) = (Size(case.size1), Size(case.size2));
        let holds = proof(&case.proof).is_some_and(|proof| {
            let (old_root, new_root) = (root(&case.root1), root(&case.root2));
            verify_consistency(old, &old_root, new, &new_root, &proof).is_ok()
        });
        assert_eq!(holds, !case.want_err, "{}", path.display());
        accepted += usize::from(holds);
    });
    assert!(
        count >= 90 && accepted == 6,
        "{count} files, {accepted} accepted"
    );
}

#[derive(Deserialize)]
struct Reference {
    leaves_hex: Vec<String>,
    roots_hex: Vec<TreeHashText>,
}

#[derive(Deserialize)]
struct TreeHashText(String);

#[test]
fn the_reference_tree_has_its_published_roots() {
    let Some(file) = shared_data("tlog/rfc6962-8leaves.json") else {
        return;
    };
    let reference: Reference = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut nodes = Nodes::default();
    assert_eq!(nodes.frontier.root().to_string(), reference.roots_hex[0].0);
    for (leaf, root) in reference.leaves_hex.iter().zip(&reference.roots_hex[1..]) {
        nodes.append(&hex::decode(leaf).unwrap());
        assert_eq!(nodes.frontier.root().to_string(), root.0);
    }
}

#[test]
fn consistency_with_the_empty_log_proves_nothing_and_is_refused() {
    let (old, new) = (empty_root(), leaf_hash(b"a"));
    for size in [0, 1, 7] {
        let verdict = verify_consistency(Size(0), &old, Size(size), &new, &[]);
        assert_eq!(verdict, Err(ProofError::FromEmptyTree), "{size}");
    }
    assert!(consistency_proof(&Nodes::default(), Size(0), Size(0)).is_err());
}

#[test]
fn equal_sizes_need_equal_roots_and_an_empty_proof() {
    let (one, other) = (leaf_hash(b"a"), leaf_hash(b"b"));
    let verdict = |new, proof: &[TreeHash]| verify_consistency(Size(3), &one, Size(3), new, proof);
    assert_eq!(verdict(&one, &[]), Ok(()));
    assert_eq!(verdict(&other, &[]), Err(ProofError::Root));
    assert_eq!(verdict(&one, &[other]), Err(ProofError::Length));
}

#[test]
fn a_log_that_shrank_is_refused() {
    let root = leaf_hash(b"a");
    let verdict = verify_consistency(Size(2), &root, Size(1), &root, &[]);
    assert_eq!(
        verdict,
        Err(ProofError::Shrunk {
            old: Size(2),
            new: Size(1)
        })
    );
}

#[test]
fn an_inner_node_cannot_be_proved_as_an_entry() {
    let mut nodes = Nodes::default();
    (0..4u8).for_each(|n| nodes.append(&[n]));
    let root = nodes.frontier.root();
    let (left, right) = (leaf_hash(&[0]), leaf_hash(&[1]));
    let children = [left.as_bytes().as_slice(), right.as_bytes()].concat();
    let uncle = medanchor_ledger::merkle::node_hash(&leaf_hash(&[2]), &leaf_hash(&[3]));
    // As the second preimage of RFC 6962 2.1: the node's children offered as one leaf.
    for size in [2, 4] {
        let leaf = leaf_hash(&children);
        assert!(verify_inclusion(Index(0), Size(size), &leaf, &[uncle], &root).is_err());
    }
}
