//! COSE Receipts (RFC 9942) over the log's tree (`RFC9162_SHA256`), one for each validator.
//!
//! What always holds: a receipt has one encoding; what its protected header and its proof both say
//! agrees; the signature covers the root, the log's origin, the validator, the size and the time, so
//! a receipt can be moved to no other log and no other size. A validator makes one signature for a
//! checkpoint, and the receipts of all entries under that checkpoint carry it. One receipt is one
//! validator's word: [`Quorum`] is what a quorum of them proves.
//!
//! | bytes | what |
//! |---|---|
//! | `d2 84` | tag 18, array of four: COSE_Sign1 |
//! | bstr | protected: `{1: -8, 4: kid, 15: {1: "origin/validator", 2: "checkpoint/SIZE", 6: seconds}, 395: 1}` |
//! | map | unprotected: `{396: {-1: [bstr [size, index, path]]}}` or `{396: {-2: [bstr [old size, size, path]]}}` |
//! | `f6` | payload: detached, the root that the proof leads to |
//! | `58 40` + 64 | Ed25519 signature over `["Signature1", protected, h'', root]` |

mod codec;
mod head;
mod quorum;
mod statement;

pub use head::Head;
pub use quorum::{CoseUnproved, Quorum, QuorumOfConsistency};
pub use statement::TransparentStatement;

use crate::cbor::CborError;
use crate::event::DecodeError;
use crate::merkle::{ProofError, leaf_hash, root_from_consistency, root_from_inclusion};
use crate::signature::Signature;
use crate::{Index, Size, TreeHash};

/// What a receipt proves about the tree under the signed root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CoseProof {
    /// An entry is in it.
    Inclusion {
        /// Where.
        index: Index,
        /// Siblings from the leaf upwards, 1 to 64.
        path: Vec<TreeHash>,
    },
    /// It begins with an earlier tree.
    Consistency {
        /// The size of that tree, at least 1 and below the size of the later one.
        old: Size,
        /// The path of RFC 9162 2.1.4.1, 1 to 64 hashes.
        path: Vec<TreeHash>,
    },
}

/// One validator's receipt, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CoseReceipt {
    /// What is signed beside the root.
    pub head: Head,
    /// What leads to the root.
    pub proof: CoseProof,
    /// The validator's signature.
    pub signature: Signature,
}

/// Bytes that are no COSE receipt, or no list or statement of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoseReceiptError {
    /// Longer than it may be.
    #[error("{what} has at most {max} bytes; fetch it again")]
    Size {
        /// What.
        what: &'static str,
        /// The most bytes.
        max: usize,
    },
    /// Not the one encoding.
    #[error(transparent)]
    Encoding(#[from] CborError),
    /// Signed with an algorithm that receipts do not use.
    #[error("a COSE receipt of this log is signed with algorithm -8 (EdDSA), not {found}")]
    Algorithm {
        /// The COSE algorithm that came.
        found: i64,
    },
    /// Another tree, or another kind of proof.
    #[error("a COSE receipt of this log proves by RFC9162_SHA256 (1); read it with another tool")]
    Structure,
    /// Issuer or subject is not of the form that receipts of this log have.
    #[error(
        "issuer and subject of a COSE receipt are origin/validator and checkpoint/size; fetch it again"
    )]
    Claims,
    /// The protected header and the proof name two sizes.
    #[error("the proof of a COSE receipt is for another size than is signed; do not trust it")]
    Disagreement,
    /// What a statement carries is not an event.
    #[error("the statement is not an event of a Medanchor log: {0}")]
    Event(#[from] DecodeError),
}

impl CoseReceipt {
    /// The longest receipt that is read.
    pub const MAX_BYTES: usize = 4096;

    /// The longest path.
    pub const MAX_HASHES: usize = 64;

    /// The most receipts in a list or a statement.
    pub const MAX_RECEIPTS: usize = crate::validator::ValidatorSet::MAX;

    /// The root to which the proof leads from an entry.
    ///
    /// # Errors
    /// [`CoseUnproved::Kind`] for a proof of consistency, and what [`root_from_inclusion`] says.
    pub fn root_of_entry(&self, entry: &[u8]) -> Result<TreeHash, CoseUnproved> {
        match &self.proof {
            CoseProof::Inclusion { index, path } => Ok(root_from_inclusion(
                *index,
                self.head.size,
                &leaf_hash(entry),
                path,
            )?),
            CoseProof::Consistency { .. } => Err(CoseUnproved::Kind),
        }
    }

    /// The root to which the proof leads from an earlier checkpoint that the verifier holds.
    ///
    /// # Errors
    /// [`CoseUnproved::Kind`] for a proof of inclusion, [`CoseUnproved::OtherStart`], and what
    /// [`root_from_consistency`] says.
    pub fn root_of_successor(
        &self,
        old: Size,
        old_root: &TreeHash,
    ) -> Result<TreeHash, CoseUnproved> {
        match &self.proof {
            CoseProof::Consistency { old: found, .. } if *found != old => {
                Err(CoseUnproved::OtherStart {
                    found: *found,
                    wanted: old,
                })
            }
            CoseProof::Consistency { path, .. } => {
                Ok(root_from_consistency(old, old_root, self.head.size, path)?)
            }
            CoseProof::Inclusion { .. } => Err(CoseUnproved::Kind),
        }
    }
}

impl From<ProofError> for CoseUnproved {
    fn from(error: ProofError) -> Self {
        Self::Proof(error)
    }
}
