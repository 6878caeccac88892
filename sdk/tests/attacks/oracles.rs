//! The same attacks through code that others wrote: some of it falls for them, so the holes are real.

use crate::judge::{Attack, Hex, Input};
use crate::{files, folder};
use medanchor_ledger::merkle::{Leaves, leaf_hash, node_hash, root_at};
use medanchor_ledger::{Size, TreeHash};
use rs_merkle::{Hasher, MerkleProof, MerkleTree, algorithms::Sha256};
use std::collections::BTreeMap;
use tlog_tiles::{HashReader, TileHashReader};

fn input(name: &str) -> Input {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str::<Attack>(&text).unwrap().input
}

/// The tree of RFC 9162 as `rs_merkle` would have it.
#[derive(Clone)]
struct Rfc;

impl Hasher for Rfc {
    type Hash = [u8; 32];

    fn hash(bytes: &[u8]) -> [u8; 32] {
        *leaf_hash(bytes).as_bytes()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        let join = |right: &[u8; 32]| node_hash(&TreeHash::new(*left), &TreeHash::new(*right));
        right.map_or(*left, |right| *join(right).as_bytes())
    }
}

fn array(bytes: &Hex) -> [u8; 32] {
    bytes.0.as_slice().try_into().unwrap()
}

#[test]
fn rs_merkle_accepts_wrong_inclusion_proofs() {
    let mut accepted = Vec::new();
    for (name, _) in files() {
        if let Input::Inclusion {
            index,
            size,
            root,
            leaf,
            proof,
        } = input(&name)
        {
            let proof = MerkleProof::<Rfc>::new(proof.iter().map(array).collect());
            let (index, size) = (
                usize::try_from(index).unwrap(),
                usize::try_from(size).unwrap(),
            );
            if proof.verify(array(&root), &[index], &[array(&leaf)], size) {
                accepted.push(name);
            }
        }
    }
    let holes = ["control-inclusion", "inclusion-trailing-hash"];
    assert_eq!(accepted, holes);
}

#[test]
fn rs_merkle_accepts_a_second_leaf_at_one_place() {
    let leaves: Vec<_> = (0..4u8).map(|n| Rfc::hash(&[n])).collect();
    let tree = MerkleTree::<Rfc>::from_leaves(&leaves);
    let (root, proof) = (tree.root().unwrap(), tree.proof(&[0, 1]));
    let forged = Rfc::hash(b"forged");
    assert!(proof.verify(root, &[0, 1, 1], &[leaves[0], leaves[1], forged], 4));
}

/// With its own hashes, which tell leaves and nodes not apart.
#[test]
fn rs_merkle_accepts_an_inner_node_as_an_entry() {
    let leaves: Vec<_> = (0..4u8).map(|n| Sha256::hash(&[n])).collect();
    let root = MerkleTree::<Sha256>::from_leaves(&leaves).root().unwrap();
    let entry = [leaves[0], leaves[1]].concat();
    let beside = Sha256::hash(&[leaves[2], leaves[3]].concat());
    let proof = MerkleProof::<Sha256>::new(vec![beside]);
    assert!(proof.verify(root, &[0], &[Sha256::hash(&entry)], 2));
    // Here the entry's hash is none of the tree's.
    let ours: Vec<_> = (0..4u8).map(|n| leaf_hash(&[n])).collect();
    let joined = [*ours[0].as_bytes(), *ours[1].as_bytes()].concat();
    assert_ne!(leaf_hash(&joined), node_hash(&ours[0], &ours[1]));
}

/// Bitcoin's rule: the last of an odd number is taken twice.
fn bitcoins_root(level: &[[u8; 32]]) -> [u8; 32] {
    if let [root] = level {
        return *root;
    }
    let pairs = level.chunks(2);
    let above = pairs.map(|pair| Sha256::hash(&[pair[0], *pair.last().unwrap()].concat()));
    bitcoins_root(&above.collect::<Vec<_>>())
}

#[test]
fn a_last_leaf_taken_twice_gives_two_lists_one_root() {
    let three: Vec<_> = (0..3u8).map(|n| Sha256::hash(&[n])).collect();
    let four = [&three[..], &three[2..]].concat();
    assert_eq!(bitcoins_root(&three), bitcoins_root(&four));
    let ours = |list: &[[u8; 32]]| {
        let leaves: Vec<_> = list.iter().copied().map(TreeHash::new).collect();
        root_at(&Leaves(&leaves), Size(leaves.len() as u64)).unwrap()
    };
    assert_ne!(ours(&three), ours(&four));
}

/// A server's tiles.
struct Served(BTreeMap<String, Hex>);

impl tlog_tiles::TileReader for Served {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let path = |tile: &tlog_tiles::Tile| tile.path().replacen("tile/8/", "tile/", 1);
        Ok(tiles
            .iter()
            .map(|tile| self.0[&path(tile)].0.clone())
            .collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn tlog_tiles_vouches_for_a_hash_of_a_forged_tile() {
    let Input::Tiles {
        size,
        root,
        index,
        leaf,
        tiles,
    } = input("tiles-forged-below-the-root")
    else {
        panic!("tiles")
    };
    let served = Served(tiles);
    let reader = TileHashReader::new(size, tlog_tiles::Hash(array(&root)), &served);
    let place = tlog_tiles::stored_hash_index(0, index);
    let vouched = reader.read_hashes(&[place]).unwrap();
    assert_eq!(vouched[0].0, array(&leaf), "the forged leaf");
}

/// Where a reader has no such hole, it says the same of every proof as ours does.
#[test]
fn tlog_tiles_gives_every_proof_the_same_verdict() {
    let hash = |bytes: &Hex| tlog_tiles::Hash(array(bytes));
    let mut judged = 0;
    for (name, text) in files() {
        let attack: Attack = serde_json::from_str(&text).unwrap();
        let theirs = match &attack.input {
            Input::Inclusion {
                index,
                size,
                root,
                leaf,
                proof,
            } => {
                let proof = proof.iter().map(hash).collect();
                tlog_tiles::check_record(&proof, *size, hash(root), *index, hash(leaf)).is_ok()
            }
            Input::Consistency {
                old_size,
                old_root,
                new_size,
                new_root,
                proof,
            } => {
                let proof = proof.iter().map(hash).collect();
                let (old, new) = (hash(old_root), hash(new_root));
                tlog_tiles::check_tree(&proof, *new_size, new, *old_size, old).is_ok()
            }
            _ => continue,
        };
        assert_eq!(theirs, attack.expected.error.is_none(), "{name}");
        judged += 1;
    }
    assert!(judged >= 15, "{judged}");
}
