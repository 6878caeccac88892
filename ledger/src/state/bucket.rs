//! A bucket: the leaves under one prefix with their values, in the bytes that a store keeps.
//!
//! What always holds: 1 to [`Bucket::MAX_LEAVES`] leaves, their paths strictly ascending, each with
//! its value. The slot roots (two bits below the prefix) are kept so that a change recomputes the
//! hashes of its own slot and the three nodes above the slots, about 7 hashes instead of 20.
//! A bucket is read where it lies: nothing is copied out of its bytes but what is asked for.

use super::hash::{EMPTY_ROOT, leaf_root, node_root};
use super::proof::{End, end_at};
use super::{Changes, Path};
use crate::StateRoot;
use std::ops::Range;

const SLOTS: usize = 4;
const HASH: usize = 32;
const LEAF: usize = 2 * HASH;
/// The count, then the slot roots.
const HEAD: usize = 2 + SLOTS * HASH;
/// Where a value ends, counted from where the first one begins.
const END: usize = 4;

/// One leaf, wherever its bytes lie.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub(super) path: Path,
    pub(super) root: StateRoot,
    pub(super) value: &'a [u8],
}

/// What happens to one key's leaf: it is set, or it goes.
#[derive(Clone, Copy)]
pub(super) struct LeafChange<'a> {
    pub(super) path: Path,
    pub(super) leaf: Option<Leaf<'a>>,
}

impl<'a> LeafChange<'a> {
    /// The changes of a batch in the order of their paths.
    pub(super) fn sorted(changes: &'a Changes) -> Vec<Self> {
        let change = |(path, value): (&Path, &'a Option<Vec<u8>>)| Self {
            path: *path,
            leaf: value.as_deref().map(|value| Leaf {
                path: *path,
                root: leaf_root(path, value),
                value,
            }),
        };
        changes.iter().map(change).collect()
    }
}

/// The leaves under one prefix, with their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    bytes: Box<[u8]>,
    /// Where the bucket begins in them.
    start: usize,
}

impl Bucket {
    /// The most leaves a bucket holds: what a reader takes from a store. An update makes smaller ones.
    pub const MAX_LEAVES: usize = 20;

    /// Number of leaves, at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.leaves().len()
    }

    /// The bytes on disk: number of leaves (2), four slot roots of 32 bytes, for each leaf its path
    /// and its root, for each leaf where its value ends (4, counted from where the first begins), the
    /// values. Numbers are big-endian.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Reads what [`Self::as_bytes`] gave, from `start` of `bytes` to their end. Roots are not
    /// recomputed: guard stored bytes with a checksum.
    ///
    /// # Errors
    ///
    /// When the length is not that of 1 to [`Self::MAX_LEAVES`] leaves and their values, or they are
    /// not in order.
    pub fn decode(bytes: Vec<u8>, start: usize) -> Result<Self, BucketFault> {
        let bytes = bytes.into_boxed_slice();
        let found = bytes.get(start..).ok_or(BucketFault::Length)?;
        let count = count_of(found).ok_or(BucketFault::Length)?;
        let lists = HEAD + count * (LEAF + END);
        let fits = (1..=Self::MAX_LEAVES).contains(&count) && found.len() >= lists;
        if !fits {
            return Err(BucketFault::Length);
        }
        let bucket = Self { bytes, start };
        let ends = || bucket.ends().iter().map(|end| u32::from_be_bytes(*end));
        let whole = ends().next_back().and_then(|end| usize::try_from(end).ok());
        if !ends().is_sorted() || whole != bucket.as_bytes().len().checked_sub(lists) {
            return Err(BucketFault::Length);
        }
        if !bucket.leaves().is_sorted_by(|a, b| path(a) < path(b)) {
            return Err(BucketFault::Order);
        }
        Ok(bucket)
    }

    /// The bucket of `leaves` (1 to [`Self::MAX_LEAVES`], in order) under a prefix of `depth` bits,
    /// and its root. Slots whose roots are `known` are not hashed again.
    pub(super) fn build(
        depth: u16,
        leaves: &[Leaf<'_>],
        known: [Option<StateRoot>; SLOTS],
    ) -> (Self, StateRoot) {
        let mut subtrees = [(EMPTY_ROOT, 0); SLOTS];
        let mut rest = leaves;
        for (number, (subtree, known)) in subtrees.iter_mut().zip(known).enumerate() {
            let end = rest.partition_point(|leaf| slot(&leaf.path, depth) <= number);
            let (inside, after) = rest.split_at(end);
            let root = known.unwrap_or_else(|| subtree_root(inside, depth + 2));
            *subtree = (root, inside.len());
            rest = after;
        }
        let bytes = encode(&subtrees, leaves).into_boxed_slice();
        (Self { bytes, start: 0 }, fold(&subtrees).0)
    }

    /// The slot roots that hold still after `changes`, under a prefix of `depth` bits.
    pub(super) fn untouched(
        &self,
        depth: u16,
        changes: &[LeafChange<'_>],
    ) -> [Option<StateRoot>; SLOTS] {
        let mut known = [None; SLOTS];
        let roots = self.as_bytes().get(2..HEAD).unwrap_or_default();
        for (known, root) in known.iter_mut().zip(roots.as_chunks::<HASH>().0) {
            *known = Some(StateRoot::new(*root));
        }
        for change in changes {
            if let Some(root) = known.get_mut(slot(&change.path, depth)) {
                *root = None;
            }
        }
        known
    }

    /// The paths of the leaves, in order.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = Path> + DoubleEndedIterator {
        self.leaves().iter().map(path)
    }

    /// The value of a leaf, if it is there, under a prefix of `depth` bits.
    ///
    /// Paths are hashes, so the bits after the prefix say about where in the bucket a leaf stands: the
    /// search begins there and looks at one or two rows, where halving would look at four, each of
    /// them far away in memory.
    #[must_use]
    pub fn value(&self, depth: u16, wanted: &Path) -> Option<&[u8]> {
        let rows = self.leaves();
        let guess = (rows.len() * usize::from(wanted.bits_after(depth))) >> 16;
        let (before, after) = rows.split_at_checked(guess)?;
        let back = before.iter().rev().take_while(|row| path(row) >= *wanted);
        let on = after.iter().take_while(|row| path(row) < *wanted);
        let place = guess + on.count() - back.count();
        let found = rows.get(place).is_some_and(|row| path(row) == *wanted);
        found.then(|| self.value_at(place)).flatten()
    }

    /// How many bytes of memory it takes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the leaves that are left after `changes`, all in order of their paths.
    pub(super) fn merge<'a>(&'a self, changes: &[LeafChange<'a>], into: &mut Vec<Leaf<'a>>) {
        let mut at = 0;
        let rows = self.leaves();
        for change in changes {
            let rest = rows.get(at..).unwrap_or_default();
            let before = at + rest.partition_point(|row| path(row) < change.path);
            self.push(at..before, into);
            let replaced = rows.get(before).is_some_and(|row| path(row) == change.path);
            at = before + usize::from(replaced);
            into.extend(change.leaf);
        }
        self.push(at..rows.len(), into);
    }

    /// Appends some leaves.
    pub(super) fn push<'a>(&'a self, places: Range<usize>, into: &mut Vec<Leaf<'a>>) {
        let rows = self.leaves().get(places.clone()).unwrap_or_default();
        into.extend(places.zip(rows).map(|(place, row)| Leaf {
            path: path(row),
            root: StateRoot::new(half(row, 1)),
            value: self.value_at(place).unwrap_or_default(),
        }));
    }

    /// The rest of the way to `path`, below a prefix of `depth` bits: appends the siblings beside it
    /// and gives what it ends at.
    pub(super) fn prove(&self, depth: u16, path: &Path, siblings: &mut Vec<StateRoot>) -> End {
        let mut all = Vec::with_capacity(self.count());
        self.push(0..self.count(), &mut all);
        let (mut inside, mut depth) = (all.as_slice(), depth);
        while inside.len() > 1 {
            let middle = inside.partition_point(|leaf| !leaf.path.bit(depth));
            let (left, right) = inside.split_at(middle);
            let (way, beside) = if path.bit(depth) {
                (right, left)
            } else {
                (left, right)
            };
            depth += 1;
            siblings.push(subtree_root(beside, depth));
            inside = way;
        }
        end_at(path, inside.first().map(|leaf| (&leaf.path, leaf.value)))
    }

    fn value_at(&self, place: usize) -> Option<&[u8]> {
        let ends = self.ends();
        let end = |place: usize| usize::try_from(u32::from_be_bytes(*ends.get(place)?)).ok();
        let start = place.checked_sub(1).map_or(Some(0), end)?;
        let values = HEAD + ends.len() * (LEAF + END);
        self.as_bytes().get(values + start..values + end(place)?)
    }

    fn leaves(&self) -> &[[u8; LEAF]] {
        let bytes = self.as_bytes();
        let length = count_of(bytes).unwrap_or_default() * LEAF;
        let leaves = bytes.get(HEAD..HEAD + length).unwrap_or_default();
        leaves.as_chunks::<LEAF>().0
    }

    fn ends(&self) -> &[[u8; END]] {
        let bytes = self.as_bytes();
        let count = count_of(bytes).unwrap_or_default();
        let start = HEAD + count * LEAF;
        let ends = bytes.get(start..start + count * END).unwrap_or_default();
        ends.as_chunks::<END>().0
    }
}

fn encode(subtrees: &[(StateRoot, usize); SLOTS], leaves: &[Leaf<'_>]) -> Vec<u8> {
    let values: usize = leaves.iter().map(|leaf| leaf.value.len()).sum();
    let mut bytes = Vec::with_capacity(HEAD + leaves.len() * (LEAF + END) + values);
    // At most MAX_LEAVES, which fits.
    bytes.extend(
        u16::try_from(leaves.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    for (root, _) in subtrees {
        bytes.extend_from_slice(root.as_bytes());
    }
    for leaf in leaves {
        bytes.extend_from_slice(leaf.path.as_bytes());
        bytes.extend_from_slice(leaf.root.as_bytes());
    }
    let mut end = 0u32;
    for leaf in leaves {
        // Values are bounded by what an event may hold, so that the sum fits.
        end = end.saturating_add(u32::try_from(leaf.value.len()).unwrap_or(u32::MAX));
        bytes.extend(end.to_be_bytes());
    }
    for leaf in leaves {
        bytes.extend_from_slice(leaf.value);
    }
    bytes
}

fn count_of(bytes: &[u8]) -> Option<usize> {
    let count = bytes.first_chunk::<2>()?;
    Some(usize::from(u16::from_be_bytes(*count)))
}

#[inline]
fn path(row: &[u8; LEAF]) -> Path {
    Path::new(half(row, 0))
}

#[inline]
fn half(row: &[u8; LEAF], which: usize) -> [u8; HASH] {
    let halves = row.as_chunks::<HASH>().0;
    halves.get(which).copied().unwrap_or_default()
}

/// The root of leaves that agree on their first `depth` bits, by the definition.
fn subtree_root(leaves: &[Leaf<'_>], depth: u16) -> StateRoot {
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
