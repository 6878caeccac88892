//! Proof that a log was forked: two signed checkpoints of one log that cannot both be true.
//!
//! What always holds: what was read here is a contradiction, whoever signed it. Either two roots for
//! one size; or a size and a root, and a larger checkpoint with the proof that its log had another
//! root at that size. [`Fork::verify`] says whose keys signed both: an honest validator never does.
//! It encodes to the very bytes it was parsed from, and needs no network and no log to be judged.
//!
//! ```text
//! medanchor/fork@v1
//! root <base64: the root that the larger log had at the smaller size>   only where sizes differ
//! <base64: a hash of the proof that leads from there to the larger root, RFC 9162 2.1.4>   each
//!
//! <the note of the smaller checkpoint; of equal sizes, that of the smaller root>
//!
//! <the other note>
//! ```

use crate::TreeHash;
use crate::checkpoint::{Checkpoint, CheckpointError, parse_hash};
use crate::merkle::{ProofError, verify_consistency};
use crate::note::{KeyName, Note, NoteError, VerifierKey};
use crate::policy::Policy;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::collections::BTreeSet;
use std::fmt;

const HEADER: &str = "medanchor/fork@v1";

/// Two signed checkpoints that contradict each other; whose signatures they are is not yet judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fork {
    earlier: (Note, Checkpoint),
    later: (Note, Checkpoint),
    proof: Option<LaterRoot>,
}

/// What the larger log had at the smaller size, and the proof of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaterRoot {
    /// The root that the larger log had at the smaller size.
    pub root: TreeHash,
    /// The consistency proof from there to the larger root; at most [`Fork::MAX_HASHES`] hashes.
    pub proof: Vec<TreeHash>,
}

/// Bytes or checkpoints that are no proof of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// Longer than [`Fork::MAX_BYTES`].
    #[error("evidence of a fork has at most 270336 bytes; get the file again")]
    Size,
    /// Not UTF-8.
    #[error("evidence of a fork is UTF-8 text; get the file again")]
    Text,
    /// The first line is another.
    #[error("evidence of a fork begins with medanchor/fork@v1; give the evidence file")]
    Header,
    /// Not header, note and note, with a blank line between.
    #[error("evidence of a fork is a header and two notes, a blank line between; get it again")]
    Shape,
    /// The root line or a hash is not base64 of 32 bytes, or there are too many.
    #[error(
        "the proof in evidence of a fork is a root and at most 128 lines of base64 of 32 bytes"
    )]
    Proof,
    /// It can be written in another way.
    #[error("the evidence is not in its one form: the smaller checkpoint comes first")]
    Form,
    /// A note is none.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A note's text is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoints are of two logs.
    #[error("the two checkpoints are of different logs, which prove nothing about each other")]
    OtherLog,
    /// The checkpoints agree.
    #[error("the two checkpoints do not contradict each other, so nothing is proved")]
    Consistent,
    /// The proof does not lead to the larger root.
    #[error("the proof does not show what the larger log had at the smaller size: {0}")]
    Unproved(ProofError),
}

/// Evidence that convicts nobody under a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unconvincing {
    /// A signature that claims to be by a key of the policy does not hold.
    #[error("the signature of {key} in the evidence does not hold; do not trust whoever gave it")]
    Signature {
        /// The name of the key.
        key: KeyName,
    },
    /// No key of the policy signed both.
    #[error(
        "no key of this policy signed both checkpoints, so nobody is convicted; use that network's policy"
    )]
    Nobody,
}

/// Whose keys signed both sides of a fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convicted {
    /// The policy's log keys and witnesses that signed both: each broke its promise. None where two
    /// policies without a key in common each accept their side.
    pub both: Vec<VerifierKey>,
    /// Whether the policy accepts the earlier checkpoint, and the later one. If one policy accepts
    /// both, more than a third of the validators are at fault.
    pub accepted: (bool, bool),
}

impl Fork {
    /// The longest file.
    pub const MAX_BYTES: usize = 2 * Note::MAX_BYTES + 8192;
    /// The most hashes of a proof.
    pub const MAX_HASHES: usize = 128;

    /// Puts two notes in order and checks that they contradict each other; `later_root` is needed
    /// where their sizes differ, and only there.
    ///
    /// # Errors
    ///
    /// [`ForkError`] says why they prove nothing.
    pub fn new(one: Note, other: Note, later_root: Option<LaterRoot>) -> Result<Self, ForkError> {
        let read = |note: Note| -> Result<_, ForkError> {
            let checkpoint: Checkpoint = note.text().parse()?;
            Ok((note, checkpoint))
        };
        let (one, other) = (read(one)?, read(other)?);
        if one.1.origin != other.1.origin {
            return Err(ForkError::OtherLog);
        }
        let order = |checkpoint: &Checkpoint| (checkpoint.size, checkpoint.root);
        let (earlier, later) = match order(&one.1) <= order(&other.1) {
            true => (one, other),
            false => (other, one),
        };
        contradict(&earlier.1, &later.1, later_root.as_ref())?;
        Ok(Self {
            earlier,
            later,
            proof: later_root,
        })
    }

    /// The smaller checkpoint.
    #[must_use]
    pub const fn earlier(&self) -> &Checkpoint {
        &self.earlier.1
    }

    /// The larger one.
    #[must_use]
    pub const fn later(&self) -> &Checkpoint {
        &self.later.1
    }

    /// What the larger log had at the smaller size; none where the sizes are equal.
    #[must_use]
    pub const fn later_root(&self) -> Option<&LaterRoot> {
        self.proof.as_ref()
    }

    /// The signed notes of the smaller checkpoint and of the larger one.
    #[must_use]
    pub const fn notes(&self) -> (&Note, &Note) {
        (&self.earlier.0, &self.later.0)
    }

    /// Says whose keys signed both checkpoints.
    ///
    /// # Errors
    ///
    /// [`Unconvincing`] if no key of the policy did, or a signature does not hold.
    pub fn verify(&self, policy: &Policy) -> Result<Convicted, Unconvincing> {
        self.verify_by(policy, policy)
    }

    /// The same where the smaller checkpoint has another policy than the larger one: a key counts if
    /// both name it, and if each policy accepts its side the fork is proved though no key signed both.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`].
    pub fn verify_by(&self, earlier: &Policy, later: &Policy) -> Result<Convicted, Unconvincing> {
        let keys_of = |policy| keys(policy, &self.earlier.1.origin);
        let named: BTreeSet<&VerifierKey> = keys_of(later).collect();
        let mut both = Vec::new();
        for key in keys_of(earlier).filter(|key| named.contains(key)) {
            let signed = |note: &Note| match note.signed_by(key) {
                Ok(held) => Ok(held.is_some()),
                Err(_) => Err(Unconvincing::Signature {
                    key: key.name().clone(),
                }),
            };
            if signed(&self.earlier.0)? & signed(&self.later.0)? {
                both.push(key.clone());
            }
        }
        let accepted = (
            earlier.verify_checkpoint(&self.earlier.0).is_ok(),
            later.verify_checkpoint(&self.later.0).is_ok(),
        );
        let by_two = earlier != later && accepted == (true, true);
        if both.is_empty() && !by_two {
            return Err(Unconvincing::Nobody);
        }
        Ok(Convicted { both, accepted })
    }

    /// Reads evidence.
    ///
    /// # Errors
    ///
    /// [`ForkError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForkError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(ForkError::Size);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ForkError::Text)?;
        let rest = text.strip_prefix(HEADER).ok_or(ForkError::Header)?;
        let rest = rest.strip_prefix('\n').ok_or(ForkError::Header)?;
        let (proof, rest) = match rest.strip_prefix('\n') {
            Some(rest) => (None, rest),
            None => {
                let (lines, rest) = rest.split_once("\n\n").ok_or(ForkError::Shape)?;
                (Some(parse_proof(lines)?), rest)
            }
        };
        let (one, other) = split_notes(rest).ok_or(ForkError::Shape)?;
        let (one, other) = (Note::parse(one.as_bytes())?, Note::parse(other.as_bytes())?);
        let fork = Self::new(one, other, proof)?;
        if fork.to_string() == text {
            Ok(fork)
        } else {
            Err(ForkError::Form)
        }
    }
}

/// The keys of a policy whose signatures under that log's checkpoints count.
fn keys<'p>(policy: &'p Policy, origin: &'p KeyName) -> impl Iterator<Item = &'p VerifierKey> {
    let logs = policy.logs().iter();
    let logs = logs.filter(move |key| key.name() == origin);
    logs.chain(policy.witnesses())
}

fn contradict(
    earlier: &Checkpoint,
    later: &Checkpoint,
    later_root: Option<&LaterRoot>,
) -> Result<(), ForkError> {
    let Some(LaterRoot { root, proof }) = later_root else {
        return match (earlier.size == later.size, earlier.root == later.root) {
            (true, false) => Ok(()),
            (true, true) => Err(ForkError::Consistent),
            (false, _) => Err(ForkError::Proof),
        };
    };
    if earlier.size == later.size || proof.len() > Fork::MAX_HASHES {
        return Err(ForkError::Proof);
    }
    verify_consistency(earlier.size, root, later.size, &later.root, proof)
        .map_err(ForkError::Unproved)?;
    if *root == earlier.root {
        return Err(ForkError::Consistent);
    }
    Ok(())
}

fn parse_proof(lines: &str) -> Result<LaterRoot, ForkError> {
    let mut lines = lines.split('\n');
    let root = lines.next().and_then(|line| line.strip_prefix("root "));
    let root = root.and_then(parse_hash).ok_or(ForkError::Proof)?;
    let mut proof = Vec::new();
    for line in lines {
        if proof.len() == Fork::MAX_HASHES {
            return Err(ForkError::Proof);
        }
        proof.push(parse_hash(line).ok_or(ForkError::Proof)?);
    }
    Ok(LaterRoot { root, proof })
}

/// The text of a checkpoint has no blank line, so the first ends its text and the second its note.
fn split_notes(text: &str) -> Option<(&str, &str)> {
    let first = text.find("\n\n")?.checked_add(2)?;
    let second = text.get(first..)?.find("\n\n")?;
    let end = first.checked_add(second)?.checked_add(1)?;
    let (one, rest) = text.split_at_checked(end)?;
    Some((one, rest.strip_prefix('\n')?))
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(LaterRoot { root, proof }) = &self.proof {
            writeln!(f, "root {}", STANDARD.encode(root.as_bytes()))?;
            for hash in proof {
                writeln!(f, "{}", STANDARD.encode(hash.as_bytes()))?;
            }
        }
        write!(f, "\n{}\n{}", self.earlier.0, self.later.0)
    }
}
