//! What a log and a witness say to each other: add-checkpoint (C2SP `tlog-witness`).
//!
//! What always holds: a request is bounded in size and in hashes and encodes to the very bytes it
//! was parsed from; a witness that follows [`advance`] cosigns a log's first checkpoint as it comes
//! and after that only what provably continues the last one it cosigned, so it never cosigns two
//! checkpoints that cannot both be.

use crate::checkpoint::{Checkpoint, parse_decimal, parse_hash};
use crate::merkle::{ProofError, empty_root, verify_consistency};
use crate::note::{Held, Note, NoteError, NoteSignature, VerifierKey};
use crate::{Size, TreeHash};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// The media type of an answer that tells the size of the checkpoint cosigned last.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// A request to cosign a checkpoint, nothing of which is judged yet.
///
/// Text: `old SIZE`, at most 63 lines of base64 with a hash each, an empty line, a signed note.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddCheckpoint {
    /// The size of the checkpoint that the witness is thought to have cosigned last; 0 for none.
    pub old: Size,
    /// The consistency proof from there, empty from 0.
    pub proof: Vec<TreeHash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// Bytes that are not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Longer than [`AddCheckpoint::MAX_BYTES`].
    #[error("a request has at most 135168 bytes; send fewer signatures")]
    Size,
    /// Not UTF-8.
    #[error("a request is UTF-8 text; see C2SP tlog-witness")]
    Text,
    /// The first line is not `old` and a size.
    #[error("a request begins with a line of \"old\" and a size without leading zeros")]
    Old,
    /// A line of the proof is not the base64 of 32 bytes, or there are more than 63.
    #[error("the proof in a request is at most 63 lines of base64 of 32 bytes, then an empty line")]
    Proof,
    /// What follows the empty line is not a note.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl AddCheckpoint {
    /// The longest request.
    pub const MAX_BYTES: usize = Note::MAX_BYTES + 4096;

    /// The longest proof.
    pub const MAX_HASHES: usize = 63;

    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`RequestError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(RequestError::Size);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RequestError::Text)?;
        let (old, rest) = text.split_once('\n').ok_or(RequestError::Old)?;
        let old = old.strip_prefix("old ").and_then(parse_decimal);
        let (proof, note) = parse_proof(rest)?;
        Ok(Self {
            old: Size(old.ok_or(RequestError::Old)?),
            proof,
            checkpoint: Note::parse(note.as_bytes())?,
        })
    }
}

fn parse_proof(mut text: &str) -> Result<(Vec<TreeHash>, &str), RequestError> {
    let mut proof = Vec::new();
    loop {
        let (line, rest) = text.split_once('\n').ok_or(RequestError::Proof)?;
        text = rest;
        if line.is_empty() {
            return Ok((proof, text));
        }
        if proof.len() == AddCheckpoint::MAX_HASHES {
            return Err(RequestError::Proof);
        }
        proof.push(parse_hash(line).ok_or(RequestError::Proof)?);
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Why a witness does not cosign a checkpoint whose signature it trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The old size is above that of the checkpoint.
    #[error("the old size {old} is above the checkpoint's {new}; give the size cosigned before")]
    OldAboveNew {
        /// The old size.
        old: Size,
        /// The size of the checkpoint.
        new: Size,
    },
    /// The witness cosigned another size last.
    #[error("the checkpoint cosigned last has {size} entries; send a proof from there")]
    Conflict {
        /// That size; 0 if there was none.
        size: Size,
    },
    /// An empty log with another root than that of the empty tree.
    #[error("a log without entries has the root of the empty tree, not this one")]
    EmptyRoot,
    /// There are hashes where none are needed.
    #[error("from size 0 no proof is needed; send none")]
    NeedlessProof,
    /// The proof does not hold.
    #[error("the checkpoint does not continue the one cosigned last: {0}")]
    Proof(#[from] ProofError),
}

/// Whether a witness that cosigned `last` may cosign `next`, whose signatures it has checked, upon
/// a request with this old size and proof.
///
/// # Errors
///
/// [`Refusal`]; the witness's `last` stays what it was.
pub fn advance(
    last: Option<&Checkpoint>,
    old: Size,
    proof: &[TreeHash],
    next: &Checkpoint,
) -> Result<(), Refusal> {
    let new = next.size;
    if old > new {
        return Err(Refusal::OldAboveNew { old, new });
    }
    let size = last.map_or(Size(0), |last| last.size);
    if old != size {
        return Err(Refusal::Conflict { size });
    }
    if new == Size(0) && next.root != empty_root() {
        return Err(Refusal::EmptyRoot);
    }
    match last.filter(|last| last.size > Size(0)) {
        Some(last) => Ok(verify_consistency(old, &last.root, new, &next.root, proof)?),
        None if proof.is_empty() => Ok(()),
        None => Err(Refusal::NeedlessProof),
    }
}

/// An answer of a witness that is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It is not text of signature lines, or not one number on a line.
    #[error("the witness's answer is not what C2SP tlog-witness asks for")]
    Malformed,
    /// No line is by the witness's key.
    #[error(
        "the witness's answer has no cosignature by its key; compare the key that is configured"
    )]
    NoCosignature,
    /// A line that claims the witness's key does not hold, or has no time.
    #[error("a cosignature in the witness's answer does not hold")]
    Broken,
}

/// The longest answer that is looked at.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Reads the signature lines that a witness answered, and gives those by `keys`, one for each, that
/// hold for the checkpoint's text. Lines by other keys are ignored.
///
/// # Errors
///
/// [`AnswerError`]; one line that claims a key and does not hold condemns the answer.
pub fn cosignatures(
    answer: &[u8],
    text: &str,
    keys: &[VerifierKey],
) -> Result<Vec<NoteSignature>, AnswerError> {
    let lines = signature_lines(answer).ok_or(AnswerError::Malformed)?;
    let mut held = Vec::new();
    for key in keys {
        let mut by_key = lines.iter().filter(|line| key.claims(line));
        for line in by_key.clone() {
            match key.verify(text, line) {
                Ok(Held::At(seconds)) if seconds > 0 => {}
                _ => return Err(AnswerError::Broken),
            }
        }
        held.extend(by_key.next().cloned());
    }
    if held.is_empty() {
        return Err(AnswerError::NoCosignature);
    }
    Ok(held)
}

fn signature_lines(answer: &[u8]) -> Option<Vec<NoteSignature>> {
    if answer.len() > MAX_ANSWER_BYTES {
        return None;
    }
    let text = std::str::from_utf8(answer).ok()?.strip_suffix('\n')?;
    text.split('\n').map(|line| line.parse().ok()).collect()
}

/// Reads the size that a witness answered.
///
/// # Errors
///
/// [`AnswerError::Malformed`] unless it is a decimal number without leading zeros and a newline.
pub fn conflict_size(answer: &[u8]) -> Result<Size, AnswerError> {
    let text = std::str::from_utf8(answer).ok();
    let text = text.and_then(|text| text.strip_suffix('\n'));
    text.and_then(parse_decimal)
        .map(Size)
        .ok_or(AnswerError::Malformed)
}
