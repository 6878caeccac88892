//! Proofs of what the map holds under one key, or that it holds nothing, against a root.
//!
//! What always holds: a proof that verifies says what the pairs under that root are, by the
//! definition of the root alone; no proof of a value and of its absence verify against one root,
//! unless somebody found two inputs with one SHA-256.

use super::Path;
use super::hash::{EMPTY_ROOT, leaf_root, leaf_root_of_hash, node_root};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::DecodeError;
use crate::{StateRoot, sha256};

/// What stands where a key's path ends in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The key's own leaf.
    Own,
    /// Nothing.
    Nothing,
    /// The leaf of another key: its path, and SHA-256 of its value.
    Other { path: Path, value: [u8; 32] },
}

/// A proof about one key, not yet judged.
///
/// CBOR: `[1, siblings, 0]` where the key's own leaf stands in its place, `[1, siblings, 1]` where
/// nothing does, `[1, siblings, 2, path, SHA-256 of the value]` where another key's leaf does. The
/// siblings are 32-byte roots in one byte string, the one nearest the root of the map first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateProof {
    pub(super) siblings: Vec<StateRoot>,
    pub(super) end: End,
}

/// A proof that proves nothing about this key, value and root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateProofError {
    /// It is a proof of a value, and none was given, or the other way round.
    #[error(
        "the proof is of a value where absence is claimed, or of absence where a value is; ask for the key again"
    )]
    Claim,
    /// The leaf that stands in the place cannot stand there, or is the key's own.
    #[error(
        "the leaf that the proof shows does not stand in the key's place; ask for the key again"
    )]
    Place,
    /// It leads to another root.
    #[error("the proof leads to another state root; check it against the seal of its height")]
    Root,
}

impl StateProof {
    /// The most siblings: one for each bit of a path.
    pub const MAX_SIBLINGS: usize = 256;

    const VERSION: u64 = 1;
    const OWN: u64 = 0;
    const NOTHING: u64 = 1;
    const OTHER: u64 = 2;

    /// Checks that the map with this root holds `value` at `path`, or nothing for `None`.
    ///
    /// # Errors
    /// [`StateProofError`] when that is not proved.
    pub fn verify(
        &self,
        root: &StateRoot,
        path: &Path,
        value: Option<&[u8]>,
    ) -> Result<(), StateProofError> {
        let end = match (&self.end, value) {
            (End::Own, Some(value)) => leaf_root(path, value),
            (End::Nothing, None) => EMPTY_ROOT,
            (End::Other { path: other, value }, None) => {
                if other == path || !self.shares_place(path, other) {
                    return Err(StateProofError::Place);
                }
                leaf_root_of_hash(other, value)
            }
            _ => return Err(StateProofError::Claim),
        };
        if self.climb(path, end) == *root {
            Ok(())
        } else {
            Err(StateProofError::Root)
        }
    }

    /// Whether the siblings stand beside the way to both paths.
    fn shares_place(&self, path: &Path, other: &Path) -> bool {
        (0u16..)
            .zip(&self.siblings)
            .all(|(depth, _)| path.bit(depth) == other.bit(depth))
    }

    fn climb(&self, path: &Path, end: StateRoot) -> StateRoot {
        let mut depth = self.siblings.len();
        self.siblings.iter().rev().fold(end, |below, sibling| {
            depth = depth.saturating_sub(1);
            // At most 256 siblings are read, so the depth fits.
            if path.bit(u16::try_from(depth).unwrap_or(u16::MAX)) {
                node_root(sibling, &below)
            } else {
                node_root(&below, sibling)
            }
        })
    }

    /// The one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let siblings: Vec<u8> = self
            .siblings
            .iter()
            .flat_map(|root| *root.as_bytes())
            .collect();
        let mut writer = Writer::with_capacity(siblings.len() + 80);
        let (items, end) = match &self.end {
            End::Own => (3, Self::OWN),
            End::Nothing => (3, Self::NOTHING),
            End::Other { .. } => (5, Self::OTHER),
        };
        writer
            .array(items)
            .uint(Self::VERSION)
            .bytes(&siblings)
            .uint(end);
        if let End::Other { path, value } = &self.end {
            writer.bytes(path.as_bytes()).bytes(value);
        }
        writer.into_bytes()
    }

    /// Reads what [`StateProof::encode`] gives.
    ///
    /// # Errors
    /// [`DecodeError`] for other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let items = reader.array(3..=5)?;
        let wrong = reader.fault(CborFault::Value);
        if reader.uint()? != Self::VERSION {
            return Err(wrong.into());
        }
        let wrong = reader.fault(CborFault::Value);
        let (siblings, rest) = reader.bytes(Self::MAX_SIBLINGS * 32)?.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(wrong.into());
        }
        let siblings = siblings.iter().map(|root| StateRoot::new(*root)).collect();
        let wrong = reader.fault(CborFault::Value);
        let end = match (items, reader.uint()?) {
            (3, Self::OWN) => End::Own,
            (3, Self::NOTHING) => End::Nothing,
            (5, Self::OTHER) => End::Other {
                path: Path::new(reader.fixed()?),
                value: reader.fixed()?,
            },
            _ => return Err(wrong.into()),
        };
        reader.finish()?;
        Ok(Self { siblings, end })
    }
}

/// The end of a way: what of `leaf` a proof about `path` shows.
pub(super) fn end_at(path: &Path, leaf: Option<(&Path, &[u8])>) -> End {
    match leaf {
        None => End::Nothing,
        Some((found, _)) if found == path => End::Own,
        Some((found, value)) => End::Other {
            path: *found,
            value: sha256(&[value]),
        },
    }
}
