//! Receipts: proof, without any network, that an entry is in the log (C2SP `tlog-proof` v1).
//!
//! What always holds: a receipt that verifies shows that this entry stands at this index of the
//! log of that origin, under a root that a log key of the policy signed and a quorum of its
//! witnesses cosigned. It encodes to the very bytes it was parsed from. Its extra bytes are signed
//! by nobody. A plain signed-note reader checks one log key and no quorum: [`VerifiedReceipt`]
//! says which keys were checked here.

use crate::checkpoint::parse_decimal;
use crate::consistency::parse_hashes;
use crate::merkle::{ProofError, leaf_hash, verify_inclusion};
use crate::note::{Note, NoteError};
use crate::policy::{CheckpointPolicy, Distrust, VerifiedCheckpoint};
use crate::{Index, Size, TreeHash};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that an entry is in a log, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Where the entry stands in the log.
    pub index: Index,
    /// Siblings from the leaf upwards, at most [`Receipt::MAX_HASHES`].
    pub proof: Vec<TreeHash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
    /// Bytes that nobody signed, for the application.
    pub extra: Option<Vec<u8>>,
}

/// Bytes that are not a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Longer than [`Receipt::MAX_BYTES`].
    #[error("a receipt has at most 262144 bytes; fetch it again")]
    Size,
    /// Not UTF-8.
    #[error("a receipt is UTF-8 text; fetch it again")]
    Text,
    /// The first line is another.
    #[error("a receipt begins with c2sp.org/tlog-proof@v1; give the .tlog-proof file")]
    Header,
    /// The extra line is not base64.
    #[error("the extra line of a receipt is base64; fetch it again")]
    Extra,
    /// There is no index line, or its number is malformed.
    #[error("a receipt has an index line with a decimal number; fetch it again")]
    Index,
    /// A line of the proof is not the base64 of 32 bytes, or there are more than 64.
    #[error("the proof in a receipt is at most 64 lines of base64 of 32 bytes; fetch it again")]
    Proof,
    /// What follows the blank line is not a note.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// A receipt that proves nothing under this policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unproved {
    /// The checkpoint is not to be trusted.
    #[error(transparent)]
    Checkpoint(#[from] Distrust),
    /// The entry is not in the log where the receipt says.
    #[error(transparent)]
    Inclusion(#[from] ProofError),
}

/// What a receipt proved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifiedReceipt {
    index: Index,
    leaf: TreeHash,
    checkpoint: VerifiedCheckpoint,
}

impl VerifiedReceipt {
    /// Where the entry stands in the log.
    #[must_use]
    pub const fn index(&self) -> Index {
        self.index
    }

    /// The entry's leaf hash.
    #[must_use]
    pub const fn leaf(&self) -> TreeHash {
        self.leaf
    }

    /// The size of the log under whose root it was proved.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.checkpoint.checkpoint().size
    }

    /// The checkpoint, and which log keys and which cosigners were counted for it.
    #[must_use]
    pub const fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }
}

impl Receipt {
    /// The longest receipt that is parsed.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// The longest proof: a log has fewer than 2^64 entries.
    pub const MAX_HASHES: usize = 64;

    /// Checks that `entry` is in the log, by a policy and without any network.
    ///
    /// # Errors
    ///
    /// [`Unproved`] says what does not hold.
    pub fn verify(
        &self,
        entry: &[u8],
        policy: &dyn CheckpointPolicy,
    ) -> Result<VerifiedReceipt, Unproved> {
        let checkpoint = policy.verify_checkpoint(&self.checkpoint)?;
        let (leaf, head) = (leaf_hash(entry), checkpoint.checkpoint());
        verify_inclusion(self.index, head.size, &leaf, &self.proof, &head.root)?;
        Ok(VerifiedReceipt {
            index: self.index,
            leaf,
            checkpoint,
        })
    }

    /// Reads a receipt.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(ReceiptError::Size);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ReceiptError::Text)?;
        let rest = text
            .strip_prefix(HEADER)
            .and_then(|rest| rest.strip_prefix('\n'));
        let (extra, rest) = parse_extra(rest.ok_or(ReceiptError::Header)?)?;
        let (index, rest) = parse_index(rest).ok_or(ReceiptError::Index)?;
        let (proof, rest) = parse_hashes(rest, Self::MAX_HASHES).ok_or(ReceiptError::Proof)?;
        Ok(Self {
            index,
            proof,
            checkpoint: Note::parse(rest.as_bytes())?,
            extra,
        })
    }
}

fn parse_extra(text: &str) -> Result<(Option<Vec<u8>>, &str), ReceiptError> {
    let Some(rest) = text.strip_prefix("extra ") else {
        return Ok((None, text));
    };
    let (line, rest) = rest.split_once('\n').ok_or(ReceiptError::Extra)?;
    let extra = STANDARD.decode(line).map_err(|_| ReceiptError::Extra)?;
    if extra.is_empty() {
        Err(ReceiptError::Extra)
    } else {
        Ok((Some(extra), rest))
    }
}

fn parse_index(text: &str) -> Option<(Index, &str)> {
    let (line, rest) = text.strip_prefix("index ")?.split_once('\n')?;
    Some((Index(parse_decimal(line)?), rest))
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = self.extra.as_deref().filter(|extra| !extra.is_empty()) {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
