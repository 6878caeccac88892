//! An entry and its leaf hash, which is computed once however many ask for it.
//!
//! What always holds: the hash is the leaf hash of the bytes.

use super::leaf_hash;
use crate::TreeHash;

/// An entry of a log, hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    bytes: Box<[u8]>,
    hash: TreeHash,
}

impl Entry {
    /// Hashes an entry.
    #[must_use]
    pub fn new(bytes: Box<[u8]>) -> Self {
        let hash = leaf_hash(&bytes);
        Self { bytes, hash }
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its leaf hash.
    #[must_use]
    pub const fn hash(&self) -> TreeHash {
        self.hash
    }

    /// Its bytes and its leaf hash.
    pub(crate) fn into_parts(self) -> (Box<[u8]>, TreeHash) {
        (self.bytes, self.hash)
    }
}
