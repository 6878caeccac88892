//! One proof for several leaves of an RFC 9162 tree.
//!
//! What always holds: the proof holds the hashes of exactly the largest subtrees without a shown
//! leaf, from left to right; a proof with one hash more or fewer leads to no root.

use medanchor_ledger::TreeHash;
use medanchor_ledger::merkle::{empty_root, leaf_hash, node_hash};
use std::ops::Range;

/// Hash of the tree's leaf for this leaf digest.
pub(crate) fn leaf(digest: &[u8; 32]) -> TreeHash {
    leaf_hash(digest)
}

/// The root over `leaves`.
pub(crate) fn root(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// The hashes that lead from the leaves at `shown`, ascending places, to the root.
pub(crate) fn prove(leaves: &[TreeHash], shown: &[usize]) -> Vec<TreeHash> {
    let mut proof = Vec::new();
    prove_range(leaves, 0, shown, &mut proof);
    proof
}

fn prove_range(leaves: &[TreeHash], start: usize, shown: &[usize], proof: &mut Vec<TreeHash>) {
    if shown.is_empty() {
        proof.push(root(leaves));
    } else if leaves.len() > 1 {
        let (left, right) = leaves.split_at(split(leaves.len()));
        let middle = start + left.len();
        let (shown_left, shown_right) =
            shown.split_at(shown.partition_point(|place| *place < middle));
        prove_range(left, start, shown_left, proof);
        prove_range(right, middle, shown_right, proof);
    }
}

/// The root that `shown` (ascending places below `count`, with leaf hashes) and `proof` lead to.
pub(crate) fn root_from(
    count: usize,
    shown: &[(usize, TreeHash)],
    proof: &[TreeHash],
) -> Option<TreeHash> {
    let ascending = shown
        .windows(2)
        .all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
    let below_count = shown.last().is_some_and(|(place, _)| *place < count);
    if !ascending || !below_count {
        return None;
    }
    let mut rest = proof.iter();
    let root = range_root(0..count, shown, &mut rest)?;
    rest.next().is_none().then_some(root)
}

fn range_root<'p>(
    range: Range<usize>,
    shown: &[(usize, TreeHash)],
    proof: &mut impl Iterator<Item = &'p TreeHash>,
) -> Option<TreeHash> {
    match (range.len(), shown) {
        (_, []) => proof.next().copied(),
        (1, [(_, hash)]) => Some(*hash),
        (length, _) => {
            let middle = range.start + split(length);
            let (left, right) = shown.split_at(shown.partition_point(|(place, _)| *place < middle));
            let left = range_root(range.start..middle, left, proof)?;
            let right = range_root(middle..range.end, right, proof)?;
            Some(node_hash(&left, &right))
        }
    }
}

/// The largest power of two below `count`, which is at least 2 (RFC 9162 2.1.1).
fn split(count: usize) -> usize {
    count.div_ceil(2).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::merkle::root_of_leaves;
    use proptest::prelude::*;

    fn tree(count: usize) -> Vec<TreeHash> {
        (0..count)
            .map(|place| leaf(&medanchor_ledger::sha256(&[&place.to_be_bytes()])))
            .collect()
    }

    #[test]
    fn the_split_is_the_largest_power_of_two_below() {
        let splits: Vec<_> = (2..=9).map(split).collect();
        assert_eq!(splits, [1, 2, 2, 4, 4, 4, 4, 8]);
    }

    #[test]
    fn roots_are_those_of_the_ledger() {
        for count in 0..70 {
            assert_eq!(root(&tree(count)), root_of_leaves(tree(count)), "{count}");
        }
    }

    proptest! {
        #[test]
        fn any_choice_of_leaves_proves_the_root(count in 1usize..80, mask in any::<u128>()) {
            let leaves = tree(count);
            let shown: Vec<_> = (0..count).filter(|place| mask >> place & 1 == 1).collect();
            prop_assume!(!shown.is_empty());
            let proof = prove(&leaves, &shown);
            let with_hashes: Vec<_> = shown.iter().map(|place| (*place, leaves[*place])).collect();
            prop_assert_eq!(root_from(count, &with_hashes, &proof), Some(root(&leaves)));
            let mut longer = proof.clone();
            longer.push(leaves[0]);
            prop_assert_eq!(root_from(count, &with_hashes, &longer), None);
            if let Some((_, shorter)) = proof.split_last() {
                prop_assert_eq!(root_from(count, &with_hashes, shorter), None);
            }
        }
    }

    #[test]
    fn places_out_of_order_repeated_or_beyond_the_end_lead_nowhere() {
        let leaves = tree(4);
        let pair = |a: usize, b: usize| [(a, leaves[0]), (b, leaves[1])];
        for shown in [pair(1, 0), pair(1, 1), pair(0, 4)] {
            assert_eq!(root_from(4, &shown, &[leaves[2], leaves[3]]), None);
        }
        assert_eq!(root_from(0, &[], &[]), None);
    }
}
