//! The Merkle tree of RFC 9162 section 2.1 over SHA-256: the log, payload fields and telemetry
//! batches all stand on it.
//!
//! What always holds: a leaf is hashed with prefix 0x00 and an inner node with 0x01, so neither
//! can pass for the other; a proof is accepted only if it has exactly the length that its index
//! and sizes demand and leads to exactly the root that was given; nothing here trusts a node it
//! read, a proof built from wrong nodes simply does not verify.

pub mod bundle;
mod entry;
mod frontier;
mod proof;
pub mod tile;
mod tree;

pub use entry::Entry;
pub use frontier::{Frontier, FrontierError};
pub use proof::{
    NoProof, ProofError, consistency_proof, inclusion_proof, root_from_consistency,
    root_from_inclusion, verify_consistency, verify_inclusion,
};
pub use tree::{Leaves, NodeReader, empty_root, leaf_hash, node_hash, root_at, root_of_leaves};
