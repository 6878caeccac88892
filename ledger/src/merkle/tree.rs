//! Hashes of leaves and nodes, and roots computed from stored complete subtrees.

use super::Frontier;
use crate::{ReadFailed, Size, TreeHash, hash::sha256};
use std::io;

/// Hashes an entry as a leaf: SHA-256(0x00 || entry) (RFC 9162 2.1.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> TreeHash {
    TreeHash::new(sha256(&[&[0x00], entry]))
}

/// Hashes two children into their parent: SHA-256(0x01 || left || right) (RFC 9162 2.1.1).
#[must_use]
pub fn node_hash(left: &TreeHash, right: &TreeHash) -> TreeHash {
    let mut block = [0x01; 65];
    let (_, children) = block.split_at_mut(1);
    let (first, second) = children.split_at_mut(32);
    first.copy_from_slice(left.as_bytes());
    second.copy_from_slice(right.as_bytes());
    TreeHash::new(sha256(&[&block]))
}

/// The root of a tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> TreeHash {
    TreeHash::new(sha256(&[]))
}

/// Where complete subtrees can be read from: tiles on disk, a mirror, memory.
pub trait NodeReader {
    /// The hash over the `2^level` leaves from `index * 2^level` on.
    ///
    /// # Errors
    ///
    /// [`ReadFailed`] if the store lacks the node or cannot be read.
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed>;
}

impl<R: NodeReader + ?Sized> NodeReader for &R {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        (**self).node(level, index)
    }
}

/// Leaf hashes in memory as a [`NodeReader`]; inner nodes are computed anew at every call, so it
/// suits trees of up to some thousands of leaves.
#[derive(Clone, Copy, Debug)]
pub struct Leaves<'a>(pub &'a [TreeHash]);

impl NodeReader for Leaves<'_> {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        let range = (|| {
            let width = 1usize.checked_shl(u32::from(level))?;
            let start = usize::try_from(index).ok()?.checked_mul(width)?;
            self.0.get(start..start.checked_add(width)?)
        })();
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such node in this tree");
        range
            .map(|leaves| root_of_leaves(leaves.iter().copied()))
            .ok_or_else(|| ReadFailed(missing().into()))
    }
}

/// The root over `leaves`, in order.
#[must_use]
pub fn root_of_leaves(leaves: impl IntoIterator<Item = TreeHash>) -> TreeHash {
    let mut frontier = Frontier::new();
    leaves.into_iter().for_each(|leaf| frontier.append(leaf));
    frontier.root()
}

/// The root of the first `size` leaves, from stored nodes: at most 64 reads.
///
/// # Errors
///
/// [`ReadFailed`] if a node cannot be read.
pub fn root_at(nodes: &impl NodeReader, size: Size) -> Result<TreeHash, ReadFailed> {
    range_root(nodes, 0, size.0)
}

/// The root over leaves `start..end`, where `start` is a multiple of the smallest power of two
/// that is not below `end - start`: the only ranges an RFC 9162 tree has.
pub(super) fn range_root(
    nodes: &impl NodeReader,
    start: u64,
    end: u64,
) -> Result<TreeHash, ReadFailed> {
    let mut subtrees = Vec::new();
    let mut next = start;
    for level in peak_levels(end.saturating_sub(start)) {
        subtrees.push(nodes.node(level, next >> level)?);
        next = next.saturating_add(1 << level);
    }
    Ok(join(&subtrees))
}

/// Joins complete subtrees, largest first, into one root, from the right.
pub(super) fn join(subtrees: &[TreeHash]) -> TreeHash {
    let joined = subtrees
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| node_hash(&left, &right));
    joined.unwrap_or_else(empty_root)
}

/// The levels of the complete subtrees that `size` leaves fall into, largest first.
pub(super) fn peak_levels(size: u64) -> impl Iterator<Item = u8> {
    (0..64u8).rev().filter(move |level| size >> level & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_rfc() {
        let hex = |hash: TreeHash| hash.to_string();
        assert_eq!(
            hex(empty_root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex(leaf_hash(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            hex(leaf_hash(b"L123456")),
            "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
        );
    }

    #[test]
    fn a_node_cannot_be_presented_as_a_leaf() {
        let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let forged = [left.as_bytes().as_slice(), right.as_bytes()].concat();
        assert_ne!(leaf_hash(&forged), node_hash(&left, &right));
    }

    #[test]
    fn a_node_outside_the_tree_is_a_failed_read() {
        let leaves = [leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")];
        let tree = Leaves(&leaves);
        assert!(tree.node(1, 0).is_ok());
        assert!(tree.node(1, 1).is_err());
        assert!(tree.node(63, 1).is_err());
        assert!(tree.node(200, u64::MAX).is_err());
    }
}
