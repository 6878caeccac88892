//! Other implementations of the same tree as oracles, for every size from 0 to 300.

use super::support::Nodes;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::merkle::tile::{Tile, TileId, TileNodes, TileReader};
use medanchor_ledger::merkle::{
    consistency_proof, inclusion_proof, leaf_hash, root_at, verify_consistency, verify_inclusion,
};
use medanchor_ledger::{Index, ReadFailed, Size, TreeHash};
use proptest::prelude::*;
use sha2_of_ct_merkle::Sha256;
use std::cell::RefCell;
use std::collections::BTreeSet;

const LARGEST: u64 = 300;

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

fn grown(size: u64) -> Nodes {
    let mut nodes = Nodes::default();
    (0..size).for_each(|number| nodes.append(&entry(number)));
    nodes
}

fn hashes(bytes: &[u8]) -> Vec<TreeHash> {
    bytes
        .chunks(32)
        .map(|chunk| chunk.try_into().unwrap())
        .collect()
}

fn bytes(proof: &[TreeHash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[test]
fn roots_and_proofs_are_those_of_ct_merkle() {
    let (mut ours, mut theirs) = (Nodes::default(), MemoryBackedTree::<Sha256, Vec<u8>>::new());
    let mut roots = vec![ours.frontier.root()];
    assert_eq!(roots[0].as_bytes()[..], theirs.root().as_bytes()[..]);
    for size in 1..=LARGEST {
        ours.append(&entry(size - 1));
        theirs.push(entry(size - 1));
        let root = ours.frontier.root();
        roots.push(root);
        assert_eq!(root.as_bytes()[..], theirs.root().as_bytes()[..], "{size}");
        let their_root = RootHash::<Sha256>::new((*root.as_bytes()).into(), size);
        for index in 0..size {
            let proof = inclusion_proof(&ours, Index(index), Size(size)).unwrap();
            let expected = theirs.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(proof, hashes(expected.as_bytes()), "{index} of {size}");
            let leaf = leaf_hash(&entry(index));
            assert_eq!(
                verify_inclusion(Index(index), Size(size), &leaf, &proof, &root),
                Ok(())
            );
            let proof = InclusionProof::try_from_bytes(bytes(&proof)).unwrap();
            assert!(
                their_root
                    .verify_inclusion(&entry(index), index, &proof)
                    .is_ok()
            );
        }
        for old in 1..=size {
            let proof = consistency_proof(&ours, Size(old), Size(size)).unwrap();
            let expected = theirs.prove_consistency(usize::try_from(size - old).unwrap());
            assert_eq!(proof, hashes(expected.as_bytes()), "{old} to {size}");
            let old_root = roots[usize::try_from(old).unwrap()];
            assert_eq!(
                verify_consistency(Size(old), &old_root, Size(size), &root, &proof),
                Ok(())
            );
            let proof = ConsistencyProof::try_from_bytes(bytes(&proof)).unwrap();
            let old_root = RootHash::new((*old_root.as_bytes()).into(), old);
            assert!(their_root.verify_consistency(&old_root, &proof).is_ok());
        }
    }
}

/// Our nodes in the order in which `tlog_tiles` stores its hashes.
struct Stored<'a>(&'a Nodes);

impl tlog_tiles::HashReader for Stored<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        use medanchor_ledger::merkle::NodeReader;
        let read = |index: &u64| {
            let (level, place) = tlog_tiles::split_stored_hash_index(*index);
            tlog_tiles::Hash(*self.0.node(level, place).unwrap().as_bytes())
        };
        Ok(indexes.iter().map(read).collect())
    }
}

fn ours(hashes: Vec<tlog_tiles::Hash>) -> Vec<TreeHash> {
    hashes
        .into_iter()
        .map(|hash| TreeHash::new(hash.0))
        .collect()
}

#[test]
fn roots_and_proofs_are_those_of_tlog_tiles() {
    let nodes = grown(LARGEST);
    let stored = Stored(&nodes);
    for size in 0..=LARGEST {
        let root = root_at(&nodes, Size(size)).unwrap();
        assert_eq!(
            root.as_bytes(),
            &tlog_tiles::tree_hash(size, &stored).unwrap().0,
            "{size}"
        );
        for index in 0..size {
            let proof = inclusion_proof(&nodes, Index(index), Size(size)).unwrap();
            let expected = tlog_tiles::prove_record(size, index, &stored).unwrap();
            assert_eq!(proof, ours(expected), "{index} of {size}");
        }
        for old in 1..=size {
            let proof = consistency_proof(&nodes, Size(old), Size(size)).unwrap();
            let expected = tlog_tiles::prove_tree(size, old, &stored).unwrap();
            assert_eq!(proof, ours(expected), "{old} to {size}");
        }
    }
}

/// Their path has the tile height, 8, which C2SP fixes and leaves out.
fn their_path(tile: &tlog_tiles::Tile) -> String {
    tile.path()
        .replacen("tile/8/", "tile/", 1)
        .replace("tile/data/", "tile/entries/")
}

#[test]
fn tiles_are_those_of_tlog_tiles() {
    let nodes = grown(LARGEST);
    for old in 0..=LARGEST {
        for size in old..=LARGEST {
            let made: Vec<_> = TileId::grown(Size(old), Size(size)).collect();
            let expected = tlog_tiles::Tile::new_tiles(8, old, size);
            let paths: Vec<_> = made.iter().map(ToString::to_string).collect();
            assert_eq!(paths, expected.iter().map(their_path).collect::<Vec<_>>());
        }
    }
    for size in 0..=LARGEST {
        let made = TileId::grown(Size(0), Size(size));
        let expected = tlog_tiles::Tile::new_tiles(8, 0, size);
        for (id, theirs) in made.zip(expected) {
            let data = Tile::read(id, &nodes).unwrap().encode();
            assert_eq!(
                data,
                theirs.read_data(&Stored(&nodes)).unwrap(),
                "{id} of {size}"
            );
        }
    }
}

#[test]
fn bundles_stand_beside_the_tiles_of_leaves() {
    for size in 0..=LARGEST {
        let bundles: Vec<_> = BundleId::grown(Size(0), Size(size))
            .map(|b| b.to_string())
            .collect();
        let tiles = TileId::grown(Size(0), Size(size)).filter(|tile| tile.level() == 0);
        let tiles = tiles.map(|tile| tile.to_string().replacen("tile/0/", "tile/entries/", 1));
        assert_eq!(bundles, tiles.collect::<Vec<_>>());
    }
}

/// Tiles as a store would give them, and which ones were asked for.
struct Published<'a> {
    nodes: &'a Nodes,
    size: Size,
    asked: RefCell<BTreeSet<TileId>>,
}

impl TileReader for Published<'_> {
    fn tile(&self, id: TileId) -> Result<Tile, ReadFailed> {
        assert_eq!(
            TileId::at(id.level(), id.index(), self.size),
            Some(id),
            "not published"
        );
        self.asked.borrow_mut().insert(id);
        Tile::read(id, self.nodes)
    }
}

#[test]
fn proofs_read_from_the_tiles_of_a_size_are_the_same() {
    let nodes = grown(70_000);
    for size in [1, 2, 255, 256, 257, 4095, 65_535, 65_536, 65_537, 70_000].map(Size) {
        let tiles = Published {
            nodes: &nodes,
            size,
            asked: RefCell::default(),
        };
        let from_tiles = TileNodes::new(tiles, size);
        assert_eq!(
            root_at(&from_tiles, size).unwrap(),
            root_at(&nodes, size).unwrap()
        );
        for index in [0, size.0 / 3, size.0 / 2, size.0 - 1].map(Index) {
            let proof = inclusion_proof(&from_tiles, index, size).unwrap();
            assert_eq!(proof, inclusion_proof(&nodes, index, size).unwrap());
        }
        for old in [1, size.0 / 3 + 1, size.0].map(Size) {
            let proof = consistency_proof(&from_tiles, old, size).unwrap();
            assert_eq!(proof, consistency_proof(&nodes, old, size).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_changed_inclusion_proof_holds(
        size in 1u64..300, place: prop::sample::Index, bit in 0usize..256, what in 0usize..6,
    ) {
        let nodes = grown(size);
        let index = place.index(usize::try_from(size).unwrap()) as u64;
        let (mut root, mut leaf) = (nodes.frontier.root(), leaf_hash(&entry(index)));
        let (mut at, mut of) = (Index(index), Size(size));
        let mut proof = inclusion_proof(&nodes, at, of).unwrap();
        let flip = |hash: &TreeHash| {
            let mut bytes = *hash.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            TreeHash::new(bytes)
        };
        match what {
            0 => root = flip(&root),
            1 => leaf = flip(&leaf),
            2 => at = Index(index ^ 1 << (bit % 9)),
            3 => proof.push(root),
            4 if !proof.is_empty() => drop(proof.pop()),
            5 if !proof.is_empty() => {
                let place = bit % proof.len();
                proof[place] = flip(&proof[place]);
            }
            // A proof may fit several sizes; a smaller size that drops a level never fits.
            _ => of = Size(size.next_power_of_two() * 2 + 1),
        }
        prop_assert!(verify_inclusion(at, of, &leaf, &proof, &root).is_err());
    }

    #[test]
    fn no_changed_consistency_proof_holds(
        old in 1u64..299, more in 1u64..200, bit in 0usize..256, what in 0usize..5,
    ) {
        let nodes = grown(old + more);
        let (from, to) = (Size(old), Size(old + more));
        let (mut old_root, mut new_root) = (root_at(&nodes, from).unwrap(), nodes.frontier.root());
        let mut proof = consistency_proof(&nodes, from, to).unwrap();
        let flip = |hash: &TreeHash| {
            let mut bytes = *hash.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            TreeHash::new(bytes)
        };
        match what {
            0 => old_root = flip(&old_root),
            1 => new_root = flip(&new_root),
            2 => proof.push(new_root),
            3 => drop(proof.pop()),
            _ => {
                let place = bit % proof.len();
                proof[place] = flip(&proof[place]);
            }
        }
        prop_assert!(verify_consistency(from, &old_root, to, &new_root, &proof).is_err());
    }
}
