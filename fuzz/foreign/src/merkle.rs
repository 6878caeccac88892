//! The Merkle log: its files, and its proofs against the definition and against `ct-merkle`.

use crate::{Choices, Seeds, Target, reprinted, rewritten};
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use medanchor_ledger::merkle::bundle::{BundleId, MAX_ENTRY, append_entry, read_entries};
use medanchor_ledger::merkle::tile::{Tile, TileId};
use medanchor_ledger::merkle::{
    Frontier, Leaves, consistency_proof, inclusion_proof, leaf_hash, root_at, verify_consistency,
    verify_inclusion,
};
use medanchor_ledger::{Index, Size, TreeHash};
use sha2_of_ct_merkle::Sha256;
use std::sync::LazyLock;

const TILES: Seeds = Seeds::of("vectors/tiles", "good-tile-0", ".bin").holding(with_width);
const OTHER_TILES: Seeds = Seeds::of("vectors/tiles", "good-tile-1", ".bin").holding(with_width);
const NO_TILES: Seeds = Seeds::of("vectors/tiles", "rejected-tile", ".bin").holding(with_width);
const BUNDLES: Seeds = Seeds::of("vectors/tiles", "good-tile-ent", ".bin").holding(with_width);
const NO_BUNDLES: Seeds = Seeds::of("vectors/tiles", "rejected-bundle", ".bin").holding(with_width);
const FRONTIERS: Seeds = Seeds::of("vectors/tiles", "", ".bin");
/// Four bytes choose a size and a place, and no change.
const PLACES: Seeds = Seeds::of("vectors/tiles", "good-tile", ".bin").holding(|_, bytes| {
    let places = bytes.chunks_exact(4).take(8);
    places.map(<[u8]>::to_vec).chain([bytes.clone()]).collect()
});

/// The width of a tile or bundle, less one, before its bytes; those that are refused were made of 44
/// hashes or entries.
fn with_width(name: &str, bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let width = if name.contains(".p-1.") { 1 } else { 44 };
    vec![[&[width - 1], &bytes[..]].concat()]
}

pub(crate) const TARGETS: &[Target] = &[
    Target::new("tile", &[TILES, OTHER_TILES, NO_TILES], tile),
    Target::new(
        "tile-path",
        &[Seeds::of("vectors/tiles", "good-paths-of", ".txt")],
        path,
    ),
    Target::new("bundle", &[BUNDLES, NO_BUNDLES], bundle),
    Target::new("frontier", &[FRONTIERS], frontier),
    Target::new("inclusion", &[PLACES], inclusion),
    Target::new("consistency", &[PLACES], consistency),
];

const LARGEST: u64 = 300;

/// The leaf hashes of a log, and its root at every size.
static LOG: LazyLock<(Vec<TreeHash>, Vec<TreeHash>)> = LazyLock::new(|| {
    let leaves: Vec<_> = (0..LARGEST).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    let roots = (0..=LARGEST).map(|size| root_at(&Leaves(&leaves), Size(size)).expect("leaves"));
    let roots = roots.collect();
    (leaves, roots)
});

pub(crate) fn prepare() {
    LazyLock::force(&LOG);
}

/// The first byte is the width of the tile, less one.
fn tile(bytes: &[u8]) -> bool {
    let Some((width, bytes)) = bytes.split_first() else {
        return false;
    };
    let size = Size(u64::from(*width) + 1);
    let Some(id) = TileId::at(0, 0, size) else {
        return false;
    };
    let Ok(tile) = Tile::decode(id, bytes) else {
        return false;
    };
    assert_eq!(tile.hashes().len() as u64, size.0);
    assert!(bytes.starts_with(&tile.encode()), "a tile of other hashes");
    true
}

fn path(bytes: &[u8]) -> bool {
    let is_path = |line: &[u8]| {
        let tile = reprinted::<TileId>(line);
        let bundle = reprinted::<BundleId>(line);
        assert!(tile.is_none() || bundle.is_none(), "one path, two files");
        tile.is_some() || bundle.is_some()
    };
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter(|line| is_path(line)).count() > 0
}

/// The first byte is the number of entries, less one.
fn bundle(bytes: &[u8]) -> bool {
    let Some((width, bytes)) = bytes.split_first() else {
        return false;
    };
    let size = Size(u64::from(*width) + 1);
    let Some(id) = BundleId::at(0, size) else {
        return false;
    };
    let Ok(entries) = read_entries(id, bytes) else {
        return false;
    };
    let mut written = Vec::new();
    for entry in &entries {
        assert!(entry.len() <= MAX_ENTRY);
        append_entry(&mut written, entry).expect("an entry that was read");
    }
    assert!(bytes.starts_with(&written) && entries.len() as u64 == size.0);
    true
}

fn frontier(bytes: &[u8]) -> bool {
    rewritten(bytes, Frontier::decode(bytes).ok(), Frontier::encode).is_some()
}

/// A right proof with some changes, then whatever is left of the input as hashes.
fn changed(choices: &mut Choices<'_>, mut proof: Vec<TreeHash>) -> Vec<TreeHash> {
    for _ in 0..choices.byte() % 3 {
        let at = usize::try_from(choices.below(proof.len() as u64)).unwrap_or(0);
        match choices.byte() % 4 {
            0 => proof.push(LOG.0[0]),
            1 => drop(proof.pop()),
            2 if at + 1 < proof.len() => proof.swap(at, at + 1),
            _ => {
                if let Some(hash) = proof.get_mut(at) {
                    let mut bytes = *hash.as_bytes();
                    bytes[usize::from(choices.byte() % 32)] ^= choices.byte();
                    *hash = TreeHash::new(bytes);
                }
            }
        }
    }
    let (rest, _) = choices.0.as_chunks::<32>();
    proof.extend(rest.iter().copied().map(TreeHash::new));
    proof
}

fn joined(proof: &[TreeHash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn their_root(root: &TreeHash, size: u64) -> RootHash<Sha256> {
    RootHash::new((*root.as_bytes()).into(), size)
}

fn inclusion(bytes: &[u8]) -> bool {
    let mut choices = Choices(bytes);
    let size = 1 + choices.below(LARGEST);
    let index = choices.below(size);
    let right = inclusion_proof(&Leaves(&LOG.0), Index(index), Size(size)).expect("a proof");
    let proof = changed(&mut choices, right.clone());
    let (at, root) = (
        usize::try_from(index).unwrap_or(0),
        LOG.1[usize::try_from(size).unwrap_or(0)],
    );
    let ours = verify_inclusion(Index(index), Size(size), &LOG.0[at], &proof, &root).is_ok();
    assert_eq!(
        ours,
        proof == right,
        "a second proof of one fact, or the right one refused"
    );
    let entry = index.to_be_bytes();
    let theirs = InclusionProof::<Sha256>::try_from_bytes(joined(&proof)).is_ok_and(|proof| {
        their_root(&root, size)
            .verify_inclusion(&entry, index, &proof)
            .is_ok()
    });
    assert_eq!(ours, theirs, "ct-merkle judges otherwise");
    ours
}

fn consistency(bytes: &[u8]) -> bool {
    let mut choices = Choices(bytes);
    let new = 1 + choices.below(LARGEST);
    let old = 1 + choices.below(new);
    let right = consistency_proof(&Leaves(&LOG.0), Size(old), Size(new)).expect("a proof");
    let proof = changed(&mut choices, right.clone());
    let root_of = |size| LOG.1[usize::try_from(size).unwrap_or(0)];
    let (old_root, new_root) = (root_of(old), root_of(new));
    let ours = verify_consistency(Size(old), &old_root, Size(new), &new_root, &proof).is_ok();
    assert_eq!(
        ours,
        proof == right,
        "a second proof of one fact, or the right one refused"
    );
    let theirs = ConsistencyProof::<Sha256>::try_from_bytes(joined(&proof)).is_ok_and(|proof| {
        let old_root = their_root(&old_root, old);
        their_root(&new_root, new)
            .verify_consistency(&old_root, &proof)
            .is_ok()
    });
    assert_eq!(ours, theirs, "ct-merkle judges otherwise");
    ours
}
