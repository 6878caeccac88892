//! Consistency receipts: proof, without any network, that an earlier checkpoint's log is the
//! beginning of a later one's.
//!
//! What always holds: a receipt that verifies shows that the log of the later size, under a root
//! that the policy accepts, begins with the very entries under the earlier root. The earlier
//! checkpoint is the verifier's own: a start that whoever made the receipt chose would prove nothing.
//! The empty log is no start, since every log begins with it; of equal sizes the roots are equal and
//! the proof is empty. A receipt encodes to the very bytes it was parsed from.
//!
//! ```text
//! medanchor/tlog-consistency@v1
//! old <size> <root, base64>
//! <hash, base64>                one line for each hash of RFC 9162 2.1.4.1, in its order
//!
//! <the later checkpoint, a signed note>
//! ```

use crate::checkpoint::{Checkpoint, parse_decimal, parse_hash};
use crate::merkle::{ProofError, verify_consistency};
use crate::note::{Note, NoteError};
use crate::policy::{CheckpointPolicy, Distrust, VerifiedCheckpoint};
use crate::{Size, TreeHash};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

const HEADER: &str = "medanchor/tlog-consistency@v1";

/// A proof that a log has only grown, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConsistencyReceipt {
    /// The earlier size.
    pub old: Size,
    /// The root that whoever made the receipt says the log had then.
    pub old_root: TreeHash,
    /// The path, at most [`ConsistencyReceipt::MAX_HASHES`].
    pub proof: Vec<TreeHash>,
    /// The later checkpoint, signed.
    pub checkpoint: Note,
}

/// Bytes that are not a consistency receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsistencyError {
    /// Longer than [`ConsistencyReceipt::MAX_BYTES`].
    #[error("a consistency receipt has at most 262144 bytes; fetch it again")]
    Size,
    /// Not UTF-8.
    #[error("a consistency receipt is UTF-8 text; fetch it again")]
    Text,
    /// The first line is another.
    #[error(
        "a consistency receipt begins with medanchor/tlog-consistency@v1; give the .tlog-consistency file"
    )]
    Header,
    /// The second line is not an earlier size and root.
    #[error("the second line of a consistency receipt is old, a size and a root; fetch it again")]
    Old,
    /// A line of the proof is not the base64 of 32 bytes, or there are more than 64.
    #[error(
        "the proof in a consistency receipt is at most 64 lines of base64 of 32 bytes; fetch it again"
    )]
    Proof,
    /// What follows the blank line is not a note.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// A consistency receipt that proves nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Inconsistent {
    /// The later checkpoint is not to be trusted.
    #[error(transparent)]
    Checkpoint(#[from] Distrust),
    /// The earlier checkpoint is of another log.
    #[error("the two checkpoints are of two logs; give checkpoints of one network")]
    OtherLog,
    /// The receipt starts from another size than the checkpoint that is held.
    #[error("the receipt starts at {found} entries, not {wanted}; ask for one from that size")]
    OtherStart {
        /// Where it starts.
        found: Size,
        /// The size of the checkpoint that is held.
        wanted: Size,
    },
    /// The later log does not begin with the earlier one, or the proof is malformed.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl ConsistencyReceipt {
    /// The longest receipt that is parsed.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// The longest proof: a log has fewer than 2^64 entries.
    pub const MAX_HASHES: usize = 64;

    /// Checks that the log of `old`, a checkpoint that the verifier holds and trusts, is the
    /// beginning of the log of this receipt's checkpoint, which the policy must accept.
    ///
    /// # Errors
    ///
    /// [`Inconsistent`] says what does not hold. [`ProofError::Root`] and [`ProofError::Shrunk`] with
    /// two signed checkpoints are evidence of a fork or a rollback: keep both.
    pub fn verify(
        &self,
        old: &Checkpoint,
        policy: &dyn CheckpointPolicy,
    ) -> Result<VerifiedCheckpoint, Inconsistent> {
        let verified = policy.verify_checkpoint(&self.checkpoint)?;
        let new = verified.checkpoint();
        if new.origin != old.origin {
            return Err(Inconsistent::OtherLog);
        }
        if self.old != old.size {
            return Err(Inconsistent::OtherStart {
                found: self.old,
                wanted: old.size,
            });
        }
        if self.old_root != old.root {
            return Err(ProofError::Root.into());
        }
        verify_consistency(old.size, &old.root, new.size, &new.root, &self.proof)?;
        Ok(verified)
    }

    /// Reads a receipt.
    ///
    /// # Errors
    ///
    /// [`ConsistencyError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConsistencyError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(ConsistencyError::Size);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ConsistencyError::Text)?;
        let rest = text
            .strip_prefix(HEADER)
            .and_then(|rest| rest.strip_prefix('\n'))
            .ok_or(ConsistencyError::Header)?;
        let (old, old_root, rest) = parse_old(rest).ok_or(ConsistencyError::Old)?;
        let (proof, rest) = parse_hashes(rest, Self::MAX_HASHES).ok_or(ConsistencyError::Proof)?;
        Ok(Self {
            old,
            old_root,
            proof,
            checkpoint: Note::parse(rest.as_bytes())?,
        })
    }
}

fn parse_old(text: &str) -> Option<(Size, TreeHash, &str)> {
    let (line, rest) = text.strip_prefix("old ")?.split_once('\n')?;
    let (size, root) = line.split_once(' ')?;
    Some((Size(parse_decimal(size)?), parse_hash(root)?, rest))
}

/// The hashes of a proof, one a line up to a blank line, and what follows that.
pub(crate) fn parse_hashes(mut text: &str, most: usize) -> Option<(Vec<TreeHash>, &str)> {
    let mut hashes = Vec::new();
    loop {
        let (line, rest) = text.split_once('\n')?;
        text = rest;
        if line.is_empty() {
            return Some((hashes, text));
        }
        if hashes.len() == most {
            return None;
        }
        hashes.push(parse_hash(line)?);
    }
}

impl fmt::Display for ConsistencyReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base64 = |hash: &TreeHash| STANDARD.encode(hash.as_bytes());
        writeln!(f, "{HEADER}\nold {} {}", self.old, base64(&self.old_root))?;
        for hash in &self.proof {
            writeln!(f, "{}", base64(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
