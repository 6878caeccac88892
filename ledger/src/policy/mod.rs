//! Policies: whose signatures make a checkpoint trustworthy (C2SP `tlog-policy`).
//!
//! What always holds: a policy keeps the very bytes it was read from, and its hash is theirs; a
//! checkpoint passes only if a listed log whose name is the checkpoint's origin signed it and the
//! quorum is met, each witness counting once and by one way only; one bad signature by a listed
//! key condemns the note, and no two keys of a policy claim the same signature. A [`PolicyRange`] refuses checkpoints of sizes it was not made for.

use crate::checkpoint::{Checkpoint, CheckpointError, cosigner_key, log_key};
use crate::hash::sha256;
use crate::note::{Held, KeyName, Note, NoteError, VerifierKey};
use crate::validator::ValidatorSet;
use crate::{PolicyHash, Size};
use std::collections::BTreeSet;
use std::fmt::Write as _;

mod chain;
mod cose;
mod parse;
mod policies;

pub use chain::{ChainError, Link, PolicyChain};
pub use cose::{CoseKeys, NoCoseKeys};
pub use parse::PolicyError;
pub use policies::{CheckpointPolicy, Policies, Turn};

/// A policy file, read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    source: Box<[u8]>,
    logs: Vec<VerifierKey>,
    /// Witnesses and groups in the order of their lines; members point to earlier places.
    names: Vec<Named>,
    /// The place that must be satisfied; none for `quorum none`.
    quorum: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Named {
    name: Box<[u8]>,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Rule {
    Witness(VerifierKey),
    Group { needed: usize, members: Vec<usize> },
}

/// A checkpoint that a policy does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// The note is not one.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note's text is not a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A signature that claims to be by a key of the policy does not hold.
    #[error("the signature of {key} does not hold; do not trust whoever served this checkpoint")]
    Signature {
        /// The name of the key.
        key: KeyName,
    },
    /// No log of the policy signed the checkpoint.
    #[error(
        "no log key of this policy signed a checkpoint of {origin}; use that network's policy, or its whole policy chain"
    )]
    NoLog {
        /// The origin of the checkpoint.
        origin: KeyName,
    },
    /// The quorum is not met.
    #[error(
        "{cosigners} witnesses of the policy cosigned, which is no quorum; fetch it again later, and the policy chain"
    )]
    NoQuorum {
        /// How many witnesses of the policy cosigned.
        cosigners: usize,
    },
    /// The policy does not stand for logs of this size, whoever signed.
    #[error(
        "the policy for sizes {first} to {last} does not count at size {size}; take what the validators of that size signed, and their policy"
    )]
    OutsideRange {
        /// The size of the checkpoint.
        size: Size,
        /// The first size the policy is valid for.
        first: Size,
        /// The last one.
        last: Size,
    },
}

/// A witness whose cosignature held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cosigner {
    /// The key it signed with.
    pub key: VerifierKey,
    /// When, in seconds since 1970. Covered by the cosignature; no rule depends on it.
    pub seconds: u64,
}

/// A checkpoint that a policy accepted, and whose signatures were checked for that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    logs: Vec<VerifierKey>,
    cosigners: Vec<Cosigner>,
    policy: PolicyHash,
}

impl VerifiedCheckpoint {
    /// Origin, size and root.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The policy's log keys that signed it: one at least.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The policy's witnesses that cosigned it: enough for the quorum.
    #[must_use]
    pub fn cosigners(&self) -> &[Cosigner] {
        &self.cosigners
    }

    /// The policy that accepted it.
    #[must_use]
    pub const fn policy(&self) -> PolicyHash {
        self.policy
    }
}

impl Policy {
    /// The longest policy file.
    pub const MAX_BYTES: usize = 512 * 1024;

    /// The most logs, witnesses and groups, of each.
    pub const MAX_NAMES: usize = 128;

    /// The policy of a network's validators: each one's log key as a log, each one's cosigner key
    /// as a witness named `origin/validator`, and floor(2n/3) + 1 of these as the quorum.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Note`] if origin and a validator's name are too long for a key name,
    /// [`PolicyError::AmbiguousKey`] if two log keys have the same four-byte id.
    pub fn of_validators(origin: &KeyName, set: &ValidatorSet) -> Result<Self, PolicyError> {
        let (mut logs, mut witnesses) = (String::new(), String::new());
        let mut group = format!("group validators {}", set.quorum());
        for validator in set {
            let cosigner = cosigner_key(origin, validator)?;
            let name = cosigner.name().clone();
            // Writing to a string cannot fail.
            let _ = writeln!(logs, "log {}", log_key(origin, validator));
            let _ = writeln!(witnesses, "witness {name} {cosigner}");
            let _ = write!(group, " {name}");
        }
        Self::parse(format!("{logs}\n{witnesses}\n{group}\nquorum validators\n").as_bytes())
    }

    /// The bytes of the file.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.source
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn hash(&self) -> PolicyHash {
        PolicyHash::new(sha256(&[&self.source]))
    }

    /// The log keys.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses' keys, in the order of the file.
    pub fn witnesses(&self) -> impl Iterator<Item = &VerifierKey> {
        self.names.iter().filter_map(|named| match &named.rule {
            Rule::Witness(key) => Some(key),
            Rule::Group { .. } => None,
        })
    }

    /// Checks a checkpoint of any size. Prefer [`PolicyRange::verify_checkpoint`], which also
    /// knows for which sizes the policy stands.
    ///
    /// # Errors
    ///
    /// [`Distrust`] says why the checkpoint is not to be trusted.
    pub fn verify_checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint, Distrust> {
        let checkpoint: Checkpoint = note.text().parse()?;
        let ours = self
            .logs
            .iter()
            .filter(|key| *key.name() == checkpoint.origin);
        let mut logs = Vec::new();
        for key in ours {
            if held(note, key)?.is_some() {
                logs.push(key.clone());
            }
        }
        if logs.is_empty() {
            return Err(Distrust::NoLog {
                origin: checkpoint.origin,
            });
        }
        let (cosigners, met) = self.count(note)?;
        if !met {
            return Err(Distrust::NoQuorum {
                cosigners: cosigners.len(),
            });
        }
        Ok(VerifiedCheckpoint {
            checkpoint,
            logs,
            cosigners,
            policy: self.hash(),
        })
    }

    /// The witnesses that cosigned, and whether they meet the quorum.
    fn count(&self, note: &Note) -> Result<(Vec<Cosigner>, bool), Distrust> {
        let (mut cosigners, mut satisfied) = (Vec::new(), BTreeSet::new());
        for (place, named) in self.names.iter().enumerate() {
            let met = match &named.rule {
                Rule::Witness(key) => {
                    let cosigner = cosigner(note, key)?;
                    cosigners.extend(cosigner.clone());
                    cosigner.is_some()
                }
                Rule::Group { needed, members } => {
                    members
                        .iter()
                        .filter(|member| satisfied.contains(*member))
                        .count()
                        >= *needed
                }
            };
            if met {
                satisfied.insert(place);
            }
        }
        let met = self.quorum.is_none_or(|quorum| satisfied.contains(&quorum));
        Ok((cosigners, met))
    }
}

fn held(note: &Note, key: &VerifierKey) -> Result<Option<Held>, Distrust> {
    note.signed_by(key).map_err(|_| Distrust::Signature {
        key: key.name().clone(),
    })
}

fn cosigner(note: &Note, key: &VerifierKey) -> Result<Option<Cosigner>, Distrust> {
    match held(note, key)? {
        Some(Held::At(seconds)) => Ok(Some(Cosigner {
            key: key.clone(),
            seconds,
        })),
        _ => Ok(None),
    }
}

/// A policy and the sizes of the log for which it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyRange {
    policy: Policy,
    first: Size,
    last: Size,
}

impl PolicyRange {
    /// A policy for the sizes from `first` to `last`, both included.
    #[must_use]
    pub const fn new(policy: Policy, first: Size, last: Size) -> Self {
        Self {
            policy,
            first,
            last,
        }
    }

    /// A policy for every size from `first` on, until another one follows it.
    #[must_use]
    pub const fn from(policy: Policy, first: Size) -> Self {
        Self::new(policy, first, Size(u64::MAX))
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The first and the last size for which it stands.
    #[must_use]
    pub const fn sizes(&self) -> (Size, Size) {
        (self.first, self.last)
    }

    /// Whether the policy stands for logs of that size.
    #[must_use]
    pub fn contains(&self, size: Size) -> bool {
        (self.first..=self.last).contains(&size)
    }

    /// Checks a checkpoint.
    ///
    /// # Errors
    ///
    /// [`Distrust`] says why the checkpoint is not to be trusted.
    pub fn verify_checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint, Distrust> {
        let size = note.text().parse::<Checkpoint>()?.size;
        if !self.contains(size) {
            return Err(self.outside(size));
        }
        self.policy.verify_checkpoint(note)
    }

    const fn outside(&self, size: Size) -> Distrust {
        let (first, last) = (self.first, self.last);
        Distrust::OutsideRange { size, first, last }
    }
}
