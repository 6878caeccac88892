//! A bucket: the sorted leaves under one prefix, and the roots of its four slots.
//!
//! What always holds: 1 to [`Bucket::MAX_LEAVES`] leaves, their paths strictly ascending. The slot
//! roots (two bits below the prefix) are kept so that a change recomputes the hashes of its own
//! slot and the three nodes above the slots, about 7 hashes instead of 20.

use super::hash::{EMPTY_ROOT, node_root};
use super::{Path, StateKey, leaf_root};
use crate::StateRoot;
use std::collections::BTreeMap;

const SLOTS: usize = 4;
const HASH: usize = 32;

/// The leaf of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) path: Path,
    pub(super) root: StateRoot,
}

/// What happens to one key's leaf: it is set, or it goes.
#[derive(Clone, Copy)]
pub(super) struct LeafChange {
    pub(super) path: Path,
    pub(super) root: Option<StateRoot>,
}

impl LeafChange {
    /// The changes of a batch in the order of their paths.
    pub(super) fn sorted(changes: &BTreeMap<StateKey, Option<Vec<u8>>>) -> Vec<Self> {
        let change = |(key, value): (&StateKey, &Option<Vec<u8>>)| {
            let path = key.path();
            Self {
                path,
                root: value.as_ref().map(|value| leaf_root(&path, value)),
            }
        };
        let mut sorted: Vec<Self> = changes.iter().map(change).collect();
        sorted.sort_unstable_by_key(|change| change.path);
        sorted
    }
}

/// The sorted leaves under one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    slots: [StateRoot; SLOTS],
    leaves: Vec<Leaf>,
}

impl Bucket {
    /// The most leaves a bucket holds; one more splits it. Fewer would make the tree above larger,
    /// which is in memory; more would make a store write more for each change.
    pub const MAX_LEAVES: usize = 20;

    /// Length of the encoding of a bucket of `count` leaves.
    #[must_use]
    pub const fn encoded_length(count: usize) -> usize {
        (SLOTS + 2 * count) * HASH
    }

    /// Number of leaves, at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.leaves.len()
    }

    /// The bytes on disk: four slot roots of 32 bytes, then for each leaf its path and its root.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::encoded_length(self.leaves.len()));
        self.encode_into(&mut bytes);
        bytes
    }

    /// Appends what [`Self::encode`] gives.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        for slot in &self.slots {
            bytes.extend_from_slice(slot.as_bytes());
        }
        for leaf in &self.leaves {
            bytes.extend_from_slice(leaf.path.as_bytes());
            bytes.extend_from_slice(leaf.root.as_bytes());
        }
    }

    /// Reads what [`Self::encode`] gave. Slot roots are not recomputed: guard stored bytes with a
    /// checksum.
    ///
    /// # Errors
    ///
    /// When the length is not that of 1 to [`Self::MAX_LEAVES`] leaves, or they are not in order.
    pub fn decode(bytes: &[u8]) -> Result<Self, BucketFault> {
        let (hashes, rest) = bytes.as_chunks::<HASH>();
        let (slots, rows) = hashes
            .split_first_chunk::<SLOTS>()
            .ok_or(BucketFault::Length)?;
        let (rows, half_row) = rows.as_chunks::<2>();
        let fits = (1..=Self::MAX_LEAVES).contains(&rows.len());
        if !fits || !rest.is_empty() || !half_row.is_empty() {
            return Err(BucketFault::Length);
        }
        if !rows.is_sorted_by(|[a, _], [b, _]| a < b) {
            return Err(BucketFault::Order);
        }
        let leaf = |[path, root]: &[[u8; HASH]; 2]| Leaf {
            path: Path::new(*path),
            root: StateRoot::new(*root),
        };
        Ok(Self {
            slots: slots.map(StateRoot::new),
            leaves: rows.iter().map(leaf).collect(),
        })
    }

    /// The bucket of `leaves` (1 to [`Self::MAX_LEAVES`], in order) under a prefix of `depth` bits.
    pub(super) fn new(depth: u16, leaves: Vec<Leaf>) -> Self {
        Self::with_slots(depth, leaves, [None; SLOTS])
    }

    /// The paths of the leaves, in order.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.leaves.iter().map(|leaf| &leaf.path)
    }

    /// The place of a leaf among [`Self::paths`], if it is there.
    #[must_use]
    pub fn place(&self, path: &Path) -> Option<usize> {
        self.leaves
            .binary_search_by_key(path, |leaf| leaf.path)
            .ok()
    }

    pub(super) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// The root of the leaves, under a prefix of `depth` bits.
    pub(super) fn root(&self, depth: u16) -> StateRoot {
        let mut counts = [0usize; SLOTS];
        for leaf in self.leaves.iter() {
            if let Some(count) = counts.get_mut(slot(&leaf.path, depth)) {
                *count += 1;
            }
        }
        let mut subtrees = [(EMPTY_ROOT, 0); SLOTS];
        for (subtree, known) in subtrees.iter_mut().zip(self.slots.iter().zip(counts)) {
            *subtree = (*known.0, known.1);
        }
        fold(&subtrees).0
    }

    /// The bucket of `leaves`, which are this one's after `changes`; slots that no change touches
    /// keep their roots.
    pub(super) fn changed(&self, depth: u16, leaves: Vec<Leaf>, changes: &[LeafChange]) -> Self {
        let mut known = self.slots.map(Some);
        for change in changes {
            if let Some(root) = known.get_mut(slot(&change.path, depth)) {
                *root = None;
            }
        }
        Self::with_slots(depth, leaves, known)
    }

    fn with_slots(depth: u16, leaves: Vec<Leaf>, known: [Option<StateRoot>; SLOTS]) -> Self {
        let mut slots = [EMPTY_ROOT; SLOTS];
        let mut rest = leaves.as_slice();
        for (number, (root, known)) in slots.iter_mut().zip(known).enumerate() {
            let end = rest.partition_point(|leaf| slot(&leaf.path, depth) <= number);
            let (inside, after) = rest.split_at(end);
            *root = known.unwrap_or_else(|| subtree_root(inside, depth + 2));
            rest = after;
        }
        Self { slots, leaves }
    }
}

/// `leaves` after `changes`, both in order of their paths.
pub(super) fn merge(leaves: &[Leaf], changes: &[LeafChange]) -> Vec<Leaf> {
    let mut merged = Vec::with_capacity(leaves.len() + changes.len());
    let mut rest = leaves;
    for change in changes {
        let before = rest.partition_point(|leaf| leaf.path < change.path);
        let (kept, after) = rest.split_at(before);
        merged.extend_from_slice(kept);
        rest = match after.split_first() {
            Some((old, after)) if old.path == change.path => after,
            _ => after,
        };
        merged.extend(change.root.map(|root| Leaf {
            path: change.path,
            root,
        }));
    }
    merged.extend_from_slice(rest);
    merged
}

/// The root of leaves that agree on their first `depth` bits, by the definition.
fn subtree_root(leaves: &[Leaf], depth: u16) -> StateRoot {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => leaf.root,
        many => {
            let (left, right) = many.split_at(many.partition_point(|leaf| !leaf.path.bit(depth)));
            node_root(
                &subtree_root(left, depth + 1),
                &subtree_root(right, depth + 1),
            )
        }
    }
}

/// Root and count of neighbouring subtrees, given those of each.
fn fold(subtrees: &[(StateRoot, usize)]) -> (StateRoot, usize) {
    if let [one] = subtrees {
        return *one;
    }
    let (left, right) = subtrees.split_at(subtrees.len() / 2);
    let ((left, in_left), (right, in_right)) = (fold(left), fold(right));
    let root = match (in_left, in_right) {
        (0, 0) => EMPTY_ROOT,
        (1, 0) => left,
        (0, 1) => right,
        _ => node_root(&left, &right),
    };
    (root, in_left + in_right)
}

/// The two bits after the first `depth`, as a number.
fn slot(path: &Path, depth: u16) -> usize {
    let bits = |i| usize::from(path.bit(depth + i));
    bits(0) << 1 | bits(1)
}

/// Bytes that are no bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BucketFault {
    /// The length is not that of any bucket.
    #[error("a stored bucket of the state map has an impossible length; restore the state")]
    Length,
    /// The paths do not ascend.
    #[error("a stored bucket of the state map is out of order; restore the state")]
    Order,
    /// The leaves are not those the tree above expects.
    #[error("a stored bucket of the state map is not the one its tree expects; restore the state")]
    Unexpected,
}

impl From<BucketFault> for crate::ReadFailed {
    fn from(fault: BucketFault) -> Self {
        Self(Box::new(fault))
    }
}
