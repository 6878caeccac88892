//! Inclusion and consistency proofs: built from stored nodes, checked against roots.
//!
//! Checking follows the loops of RFC 9162 2.1.3.2 and 2.1.4.2 step by step. Two things the RFC
//! leaves to the caller are refused here: a proof of consistency with the empty tree, which says
//! nothing, and hashes left over at the end.

use super::tree::{NodeReader, node_hash, range_root};
use crate::{Index, ReadFailed, Size, TreeHash};

/// A proof that does not prove what it was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The index lies outside the tree.
    #[error(
        "entry {index} lies outside a log of {size} entries; ask for a proof in a later checkpoint"
    )]
    OutsideTree {
        /// The entry that was to be proved.
        index: Index,
        /// The size of the tree.
        size: Size,
    },
    /// The later tree is smaller than the earlier one.
    #[error("the log shrank from {old} to {new} entries; keep both checkpoints as evidence")]
    Shrunk {
        /// The earlier size.
        old: Size,
        /// The later size.
        new: Size,
    },
    /// Every tree is consistent with the empty one, so such a proof says nothing.
    #[error("a proof of consistency with the empty log proves nothing; start from a size above 0")]
    FromEmptyTree,
    /// The proof has more or fewer hashes than the sizes demand.
    #[error("the proof has too many or too few hashes; fetch it again")]
    Length,
    /// The proof leads to another root.
    #[error("the proof leads to another root; do not trust whoever served it")]
    Root,
}

/// A proof that could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoProof {
    /// There is no such proof.
    #[error(transparent)]
    Impossible(#[from] ProofError),
    /// A node could not be read.
    #[error(transparent)]
    Read(#[from] ReadFailed),
}

/// The root to which `proof` leads from `leaf` at `index` of `size`.
///
/// # Errors
///
/// [`ProofError::OutsideTree`] or [`ProofError::Length`].
pub fn root_from_inclusion(
    index: Index,
    size: Size,
    leaf: &TreeHash,
    proof: &[TreeHash],
) -> Result<TreeHash, ProofError> {
    if index.0 >= size.0 {
        return Err(ProofError::OutsideTree { index, size });
    }
    let (mut node, mut last, mut hash) = (index.0, size.0 - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            (node, last) = climb_to_right_child(node, last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last == 0 {
        Ok(hash)
    } else {
        Err(ProofError::Length)
    }
}

/// Checks that `leaf` is entry `index` of the tree of `size` leaves with `root` (RFC 9162
/// 2.1.3.2).
///
/// # Errors
///
/// [`ProofError`] says what is wrong with the proof.
pub fn verify_inclusion(
    index: Index,
    size: Size,
    leaf: &TreeHash,
    proof: &[TreeHash],
    root: &TreeHash,
) -> Result<(), ProofError> {
    let found = root_from_inclusion(index, size, leaf, proof)?;
    if found == *root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// Checks that the tree of `new` leaves with `new_root` begins with the `old` leaves of
/// `old_root` (RFC 9162 2.1.4.2). Equal sizes need equal roots and an empty proof.
///
/// # Errors
///
/// [`ProofError`] says what is wrong with the proof.
pub fn verify_consistency(
    old: Size,
    old_root: &TreeHash,
    new: Size,
    new_root: &TreeHash,
    proof: &[TreeHash],
) -> Result<(), ProofError> {
    let found = root_from_consistency(old, old_root, new, proof)?;
    if found == *new_root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// The root of the tree of `new` leaves to which `proof` leads from the `old` leaves of `old_root`,
/// for whoever does not know it yet and checks a signature over it. Equal sizes need an empty proof
/// and give the same root.
///
/// # Errors
///
/// [`ProofError`] says what is wrong with the proof.
pub fn root_from_consistency(
    old: Size,
    old_root: &TreeHash,
    new: Size,
    proof: &[TreeHash],
) -> Result<TreeHash, ProofError> {
    check_sizes(old, new)?;
    if old == new {
        let empty = proof.is_empty().then_some(*old_root);
        return empty.ok_or(ProofError::Length);
    }
    let (first, rest) = if old.0.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError::Length)?
    };
    let (old_found, new_found) = roots_from_consistency(old, new, first, rest)?;
    if old_found == *old_root {
        Ok(new_found)
    } else {
        Err(ProofError::Root)
    }
}

fn check_sizes(old: Size, new: Size) -> Result<(), ProofError> {
    if old.0 == 0 {
        return Err(ProofError::FromEmptyTree);
    }
    if new < old {
        Err(ProofError::Shrunk { old, new })
    } else {
        Ok(())
    }
}

/// Climbs from the largest subtree that both trees end in; `old` is at least 1 and below `new`.
fn roots_from_consistency(
    old: Size,
    new: Size,
    first: &TreeHash,
    rest: &[TreeHash],
) -> Result<(TreeHash, TreeHash), ProofError> {
    let shared = (old.0 - 1).trailing_ones();
    let (mut node, mut last) = ((old.0 - 1) >> shared, (new.0 - 1) >> shared);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            (node, last) = climb_to_right_child(node, last);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last == 0 {
        Ok((old_hash, new_hash))
    } else {
        Err(ProofError::Length)
    }
}

/// A node without a right sibling moves up unchanged until it is a right child or the root.
fn climb_to_right_child(node: u64, last: u64) -> (u64, u64) {
    let levels = if node == 0 { 0 } else { node.trailing_zeros() };
    (node >> levels, last >> levels)
}

/// Builds the proof that entry `index` is in the tree of the first `size` leaves: siblings from
/// the leaf upwards (RFC 9162 2.1.3.1).
///
/// # Errors
///
/// [`NoProof`] if there is no such entry or a node cannot be read.
pub fn inclusion_proof(
    nodes: &impl NodeReader,
    index: Index,
    size: Size,
) -> Result<Vec<TreeHash>, NoProof> {
    if index.0 >= size.0 {
        return Err(ProofError::OutsideTree { index, size }.into());
    }
    let (mut start, mut end, mut siblings) = (0, size.0, Vec::new());
    while end - start > 1 {
        let middle = start + split(end - start);
        if index.0 < middle {
            siblings.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            siblings.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    siblings.reverse();
    Ok(siblings)
}

/// Builds the proof that the tree of `new` leaves begins with that of `old` leaves (RFC 9162
/// 2.1.4.1).
///
/// # Errors
///
/// [`NoProof`] if `old` is 0 or above `new`, or a node cannot be read.
pub fn consistency_proof(
    nodes: &impl NodeReader,
    old: Size,
    new: Size,
) -> Result<Vec<TreeHash>, NoProof> {
    check_sizes(old, new)?;
    let (mut start, mut end, mut siblings) = (0, new.0, Vec::new());
    while old.0 < end {
        let middle = start + split(end - start);
        if old.0 <= middle {
            siblings.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            siblings.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    if start > 0 {
        siblings.push(range_root(nodes, start, end)?);
    }
    siblings.reverse();
    Ok(siblings)
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}
