//! The right edge of a growing tree: all that appending and the root need, in at most 64 hashes.

use super::tree::{join, node_hash, peak_levels};
use crate::{Size, TreeHash};

/// The complete subtrees along a tree's right edge, largest first.
///
/// There is exactly one for each set bit of the size. Its bytes are the size as a big-endian
/// `u64`, then those hashes, nothing else.
///
/// ```
/// # use medanchor_ledger::merkle::{Frontier, leaf_hash, node_hash};
/// let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
/// let mut frontier = Frontier::new();
/// frontier.append(a);
/// frontier.append(b);
/// assert_eq!(frontier.root(), node_hash(&a, &b));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<TreeHash>,
}

/// Bytes that are not a frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError {
    /// The bytes are not 8 plus 32 for each set bit of the size.
    #[error("a frontier of this size has another length; read it again from a good copy")]
    Length,
    /// A size that no log reaches.
    #[error("a frontier of more than 2^62 leaves; read it again from a good copy")]
    Size,
    /// A subtree that cannot stand where the tree ends.
    #[error("a subtree of 2^{level} leaves does not begin after {size} of them; append its leaves")]
    Unaligned {
        /// The level of the subtree.
        level: u8,
        /// How many leaves the tree has.
        size: Size,
    },
}

impl Frontier {
    /// The largest size that is decoded. No sequence of appends gets from here to `u64::MAX`.
    pub const MAX_DECODED_SIZE: u64 = 1 << 62;

    /// The frontier of an empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            size: 0,
            peaks: Vec::new(),
        }
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> Size {
        Size(self.size)
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        join(&self.peaks)
    }

    /// Appends a leaf.
    pub fn append(&mut self, leaf: TreeHash) {
        self.append_with(leaf, |_, _, _| {});
    }

    /// Appends a leaf and hands over every subtree that it completes, the leaf first, as
    /// (level, index, hash): what a [`super::NodeReader`] will be asked for.
    pub fn append_with(&mut self, leaf: TreeHash, completed: impl FnMut(u8, u64, TreeHash)) {
        self.append_aligned(0, leaf, completed);
    }

    /// Appends a complete subtree of `2^level` leaves whose root is `hash`, and hands over every
    /// subtree that it completes, itself first, as [`Self::append_with`] does.
    ///
    /// # Errors
    ///
    /// [`FrontierError::Unaligned`] if the size of the tree is no multiple of that of the subtree, or
    /// becomes too large; nothing is appended then.
    pub fn append_subtree(
        &mut self,
        level: u8,
        hash: TreeHash,
        completed: impl FnMut(u8, u64, TreeHash),
    ) -> Result<(), FrontierError> {
        let leaves = 1u64.checked_shl(level.into());
        let fits = |leaves: &u64| {
            self.size.is_multiple_of(*leaves)
                && self.size.saturating_add(*leaves) <= Self::MAX_DECODED_SIZE
        };
        if leaves.filter(fits).is_none() {
            let size = self.size();
            return Err(FrontierError::Unaligned { level, size });
        }
        self.append_aligned(level, hash, completed);
        Ok(())
    }

    /// Appends a subtree that begins at a multiple of its `2^level` leaves, as every leaf does.
    fn append_aligned(
        &mut self,
        level: u8,
        hash: TreeHash,
        mut completed: impl FnMut(u8, u64, TreeHash),
    ) {
        let leaves = 1u64 << level;
        let (mut level, mut hash) = (level, hash);
        completed(level, self.size >> level, hash);
        while self.size >> level & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node_hash(&left, &hash);
            level += 1;
            completed(level, self.size >> level, hash);
        }
        self.peaks.push(hash);
        self.size += leaves;
    }

    /// The bytes of the frontier.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        self.peaks
            .iter()
            .for_each(|peak| bytes.extend_from_slice(peak.as_bytes()));
        bytes
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    ///
    /// [`FrontierError`] for any other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrontierError> {
        let (size, hashes) = bytes
            .split_first_chunk::<8>()
            .ok_or(FrontierError::Length)?;
        let size = u64::from_be_bytes(*size);
        if size > Self::MAX_DECODED_SIZE {
            return Err(FrontierError::Size);
        }
        let (chunks, rest) = hashes.as_chunks::<32>();
        if !rest.is_empty() || chunks.len() != peak_levels(size).count() {
            return Err(FrontierError::Length);
        }
        Ok(Self {
            size,
            peaks: chunks.iter().copied().map(TreeHash::new).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Leaves, NodeReader, empty_root, leaf_hash, root_of_leaves};
    use super::*;
    use proptest::prelude::*;

    fn frontier_of(count: u64) -> Frontier {
        let mut frontier = Frontier::new();
        (0..count).for_each(|n| frontier.append(leaf_hash(&n.to_be_bytes())));
        frontier
    }

    #[test]
    fn an_empty_frontier_has_the_empty_root() {
        assert_eq!(Frontier::new().root(), empty_root());
        assert_eq!(Frontier::decode(&[0; 8]), Ok(Frontier::new()));
    }

    #[test]
    fn every_completed_subtree_is_handed_over_once() {
        let leaves: Vec<_> = (0..21u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let (mut frontier, mut nodes) = (Frontier::new(), Vec::new());
        for leaf in &leaves {
            frontier.append_with(*leaf, |level, index, hash| nodes.push((level, index, hash)));
        }
        let expected: u64 = (0..5).map(|level| 21u64 >> level).sum();
        assert_eq!(nodes.len() as u64, expected);
        for (level, index, hash) in nodes {
            assert_eq!(Leaves(&leaves).node(level, index).unwrap(), hash);
        }
    }

    #[test]
    fn a_subtree_is_appended_where_it_can_stand_and_nowhere_else() {
        let leaf = |n: u64| leaf_hash(&n.to_be_bytes());
        for (size, level) in [(0, 3), (8, 3), (12, 2), (16, 3), (5, 0), (0, 0)] {
            let leaves = size..size + (1 << level);
            let root = root_of_leaves(leaves.clone().map(leaf));
            let (mut whole, mut single) = (frontier_of(size), frontier_of(size));
            let (mut by_whole, mut by_single) = (Vec::new(), Vec::new());
            let kept =
                whole.append_subtree(level, root, |at, n, hash| by_whole.push((at, n, hash)));
            assert_eq!(kept, Ok(()));
            leaves.for_each(|n| {
                single.append_with(leaf(n), |at, n, hash| by_single.push((at, n, hash)));
            });
            by_single.retain(|(at, ..)| *at >= level);
            assert_eq!(
                (whole, by_whole),
                (single, by_single),
                "{size} and 2^{level}"
            );
        }
        let largest = Frontier {
            size: Frontier::MAX_DECODED_SIZE,
            peaks: vec![leaf(0)],
        };
        for (frontier, level) in [(frontier_of(4), 3), (frontier_of(0), 64), (largest, 0)] {
            let mut same = frontier.clone();
            let size = frontier.size();
            let refused = same.append_subtree(level, leaf(0), |_, _, _| unreachable!());
            assert_eq!(refused, Err(FrontierError::Unaligned { level, size }));
            assert_eq!(same, frontier);
        }
    }

    #[test]
    fn decoding_refuses_bytes_of_another_size() {
        let bytes = frontier_of(5).encode();
        assert_eq!(
            Frontier::decode(&bytes[..bytes.len() - 1]),
            Err(FrontierError::Length)
        );
        assert_eq!(Frontier::decode(&bytes[..40]), Err(FrontierError::Length));
        assert_eq!(
            Frontier::decode(&[bytes.clone(), vec![0; 32]].concat()),
            Err(FrontierError::Length)
        );
        assert_eq!(Frontier::decode(&[]), Err(FrontierError::Length));
        assert_eq!(Frontier::decode(&[0xff; 8]), Err(FrontierError::Size));
    }

    proptest! {
        #[test]
        fn a_frontier_survives_its_encoding_and_goes_on(size in 0u64..700, more in 0u64..40) {
            let mut decoded = Frontier::decode(&frontier_of(size).encode()).unwrap();
            (size..size + more).for_each(|n| decoded.append(leaf_hash(&n.to_be_bytes())));
            prop_assert_eq!(&decoded, &frontier_of(size + more));
            let leaves = (0..size + more).map(|n| leaf_hash(&n.to_be_bytes()));
            prop_assert_eq!(decoded.root(), root_of_leaves(leaves));
        }
    }
}
