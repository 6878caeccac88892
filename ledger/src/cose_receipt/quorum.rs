//! Judging receipts: what a quorum of a set's COSE keys proves.
//!
//! What always holds: a validator counts once, however many of its receipts come; all receipts lead
//! to one root of one size; one receipt that does not hold condemns them all.

use super::{CoseReceipt, Head};
use crate::checkpoint::Checkpoint;
use crate::merkle::ProofError;
use crate::note::KeyName;
use crate::policy::CoseKeys;
use crate::signature::verify_note;
use crate::{Index, ParticipantName, Size, TreeHash};
use std::collections::BTreeMap;

/// COSE receipts that prove nothing under these keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoseUnproved {
    /// A receipt is of another log.
    #[error("a COSE receipt is of the log {found}; use the keys of that network")]
    OtherLog {
        /// Its origin.
        found: KeyName,
    },
    /// The keys were not made for logs of this size.
    #[error(
        "the policy for sizes {first} to {last} does not count at size {size}; take what the validators of that size signed, and their policy"
    )]
    OutsideRange {
        /// The size of the receipt.
        size: Size,
        /// The first size the keys stand for.
        first: Size,
        /// The last one.
        last: Size,
    },
    /// Somebody signed who is not in the set.
    #[error("{validator} is no validator of this size; use the policy chain, or do not trust it")]
    Stranger {
        /// Who.
        validator: ParticipantName,
    },
    /// The key id is not that of the validator's COSE key.
    #[error("the receipt of {validator} names another key than its COSE key; do not trust it")]
    Key {
        /// Whose.
        validator: ParticipantName,
    },
    /// A signature does not hold over the root that the proof leads to: the entry, the proof or the
    /// signature is not what was signed.
    #[error("the COSE receipt of {validator} does not hold for this entry; do not trust it")]
    Signature {
        /// Whose.
        validator: ParticipantName,
    },
    /// The receipts are for different sizes, entries' places or roots.
    #[error("the COSE receipts are not all under one root; ask one node for all of them")]
    Mixed,
    /// A proof of inclusion was wanted and one of consistency came, or the other way round.
    #[error("the COSE receipt proves something else; ask for a receipt of the other kind")]
    Kind,
    /// The proof starts from another size than the checkpoint that is held.
    #[error("the proof starts at {found} entries, not {wanted}; ask for one from that size")]
    OtherStart {
        /// Where it starts.
        found: Size,
        /// The size of the checkpoint that is held.
        wanted: Size,
    },
    /// The proof is malformed, or leads from another root.
    #[error(transparent)]
    Proof(ProofError),
    /// Too few validators signed.
    #[error("{found} validators signed COSE receipts and {needed} are needed; fetch them all")]
    NoQuorum {
        /// How many signed.
        found: usize,
        /// How many make a quorum.
        needed: usize,
    },
}

/// What a quorum of COSE receipts of inclusion proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    checkpoint: Checkpoint,
    index: Index,
    validators: BTreeMap<ParticipantName, u64>,
}

impl Quorum {
    /// Checks that a quorum of `keys` signed receipts for `entry`, all under one root.
    ///
    /// # Errors
    /// [`CoseUnproved`] says what does not hold.
    pub fn verify(
        receipts: &[CoseReceipt],
        entry: &[u8],
        keys: &CoseKeys,
    ) -> Result<Self, CoseUnproved> {
        let mut index = None;
        let root_of = |receipt: &CoseReceipt| {
            let root = receipt.root_of_entry(entry)?;
            if let super::CoseProof::Inclusion { index: found, .. } = receipt.proof {
                match index.replace(found) {
                    Some(other) if other != found => return Err(CoseUnproved::Mixed),
                    _ => {}
                }
            }
            Ok(root)
        };
        let (checkpoint, validators) = count(receipts, keys, root_of)?;
        Ok(Self {
            checkpoint,
            index: index.ok_or(CoseUnproved::Kind)?,
            validators,
        })
    }

    /// Origin, size and root that the quorum signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Where the entry stands in the log.
    #[must_use]
    pub const fn index(&self) -> Index {
        self.index
    }

    /// Whose COSE keys signed, and when, in seconds since 1970.
    #[must_use]
    pub const fn validators(&self) -> &BTreeMap<ParticipantName, u64> {
        &self.validators
    }
}

/// What a quorum of COSE receipts of consistency proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumOfConsistency {
    checkpoint: Checkpoint,
    validators: BTreeMap<ParticipantName, u64>,
}

impl QuorumOfConsistency {
    /// Checks that a quorum of `keys` signed a root whose tree begins with that of the checkpoint
    /// `old`, which the verifier must hold itself: a start that the log chose would prove nothing.
    ///
    /// # Errors
    /// [`CoseUnproved`] says what does not hold.
    pub fn verify(
        receipts: &[CoseReceipt],
        old: &Checkpoint,
        keys: &CoseKeys,
    ) -> Result<Self, CoseUnproved> {
        if old.origin != *keys.origin() {
            return Err(CoseUnproved::OtherLog {
                found: old.origin.clone(),
            });
        }
        let root_of = |receipt: &CoseReceipt| receipt.root_of_successor(old.size, &old.root);
        let (checkpoint, validators) = count(receipts, keys, root_of)?;
        Ok(Self {
            checkpoint,
            validators,
        })
    }

    /// Origin, size and root of the later log, which the quorum signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Whose COSE keys signed, and when, in seconds since 1970.
    #[must_use]
    pub const fn validators(&self) -> &BTreeMap<ParticipantName, u64> {
        &self.validators
    }
}

type Counted = (Checkpoint, BTreeMap<ParticipantName, u64>);

fn count(
    receipts: &[CoseReceipt],
    keys: &CoseKeys,
    mut root_of: impl FnMut(&CoseReceipt) -> Result<TreeHash, CoseUnproved>,
) -> Result<Counted, CoseUnproved> {
    let (mut signed, mut validators) = (None, BTreeMap::new());
    for receipt in receipts {
        check_head(&receipt.head, keys)?;
        let root = root_of(receipt)?;
        let found = (receipt.head.size, root);
        if *signed.get_or_insert(found) != found {
            return Err(CoseUnproved::Mixed);
        }
        check_signature(receipt, &root, keys)?;
        validators.insert(receipt.head.validator.clone(), receipt.head.seconds);
    }
    let (found, needed) = (validators.len(), keys.quorum());
    let enough = signed.filter(|_| found >= needed);
    let (size, root) = enough.ok_or(CoseUnproved::NoQuorum { found, needed })?;
    let origin = keys.origin().clone();
    Ok((Checkpoint { origin, size, root }, validators))
}

fn check_head(head: &Head, keys: &CoseKeys) -> Result<(), CoseUnproved> {
    if head.origin != *keys.origin() {
        return Err(CoseUnproved::OtherLog {
            found: head.origin.clone(),
        });
    }
    let (first, last) = keys.sizes();
    if (first..=last).contains(&head.size) {
        Ok(())
    } else {
        let size = head.size;
        Err(CoseUnproved::OutsideRange { size, first, last })
    }
}

fn check_signature(
    receipt: &CoseReceipt,
    root: &TreeHash,
    keys: &CoseKeys,
) -> Result<(), CoseUnproved> {
    let validator = || receipt.head.validator.clone();
    let key = keys
        .get(&receipt.head.validator)
        .ok_or_else(|| CoseUnproved::Stranger {
            validator: validator(),
        })?;
    if key.id() != receipt.head.key {
        return Err(CoseUnproved::Key {
            validator: validator(),
        });
    }
    verify_note(key, &receipt.head.sign_bytes(root), &receipt.signature).map_err(|_| {
        CoseUnproved::Signature {
            validator: validator(),
        }
    })
}
