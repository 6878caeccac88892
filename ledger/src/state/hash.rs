//! The three cases that define the root of a set of leaves.

use super::Path;
use crate::{StateRoot, sha256};

/// Root of the empty set.
pub const EMPTY_ROOT: StateRoot = StateRoot::new([0; 32]);

const LEAF: &[u8; 23] = b"medanchor/state-leaf/v1";
const NODE: &[u8; 23] = b"medanchor/state-node/v1";

/// Root of a set of one: SHA-256("medanchor/state-leaf/v1" ‖ path ‖ SHA-256(value)).
#[must_use]
pub fn leaf_root(path: &Path, value: &[u8]) -> StateRoot {
    leaf_root_of_hash(path, &sha256(&[value]))
}

/// [`leaf_root`], given SHA-256 of the value.
pub(super) fn leaf_root_of_hash(path: &Path, value: &[u8; 32]) -> StateRoot {
    tagged(LEAF, path.as_bytes(), value)
}

/// Root of a set of two or more, from the roots of those whose next path bit is 0 and 1:
/// SHA-256("medanchor/state-node/v1" ‖ left ‖ right).
#[must_use]
pub fn node_root(left: &StateRoot, right: &StateRoot) -> StateRoot {
    tagged(NODE, left.as_bytes(), right.as_bytes())
}

/// One call over 87 bytes is cheaper than three: the hasher copies no partial blocks.
fn tagged(tag: &[u8; 23], first: &[u8; 32], second: &[u8; 32]) -> StateRoot {
    let mut input = [0; 23 + 32 + 32];
    input[..23].copy_from_slice(tag);
    input[23..55].copy_from_slice(first);
    input[55..].copy_from_slice(second);
    StateRoot::new(sha256(&[&input]))
}
