//! A validator's signatures over a checkpoint as they travel between nodes, and their gathering
//! into a note with a quorum.
//!
//! What always holds: a record is counted only for the very size and root it names, only if both
//! of its signatures, and that for COSE receipts if it is there, hold under that validator's keys, and once for each validator, however often
//! it comes. A note is given only when a quorum has been counted.

use crate::cbor::{CborError, Reader, Writer};
use crate::checkpoint::{Checkpoint, cosigner_key, log_key};
use crate::cose_receipt::{CoseProof, CoseReceipt, Head};
use crate::note::{KeyName, Note, NoteError, NoteSignature};
use crate::signature::{Signature, SigningKey, verify_note};
use crate::validator::{Validator, ValidatorSet};
use crate::{KeyId, ParticipantName, Size, Time, TreeHash};
use std::collections::BTreeMap;

/// One validator's signatures over one checkpoint.
///
/// Bytes: CBOR map {1: size, 2: root, 3: validator, 4: log signature, 5: time in seconds since
/// 1970, 6: cosignature, 7: COSE receipt signature, which may be left out}.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cosignature {
    /// The size of the log.
    pub size: Size,
    /// Its root.
    pub root: TreeHash,
    /// Who signs.
    pub validator: ParticipantName,
    /// Signature as the log over the checkpoint's text.
    pub log: Signature,
    /// When the cosignature was made, in seconds since 1970.
    pub seconds: u64,
    /// Cosignature over time and text.
    pub cosigner: Signature,
    /// Signature of a COSE receipt over the same root and time ([`crate::cose_receipt`]).
    pub cose: Option<Signature>,
}

/// A record of signatures that does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignatureError {
    /// The bytes are not the encoding of a record.
    #[error(transparent)]
    Encoding(#[from] CborError),
    /// Signed by somebody who is not in the set.
    #[error("{validator} is not a validator of this size; check it against the set of its height")]
    Stranger {
        /// Who.
        validator: ParticipantName,
    },
    /// It is for another size.
    #[error("the signatures of {validator} are for {found} entries, not {wanted}; keep them apart")]
    Size {
        /// Whose.
        validator: ParticipantName,
        /// The size signed.
        found: Size,
        /// The size gathered for.
        wanted: Size,
    },
    /// It signs another root for the same size.
    #[error("{validator} signed another root for {size} entries; keep the record as evidence")]
    Fork {
        /// Who.
        validator: ParticipantName,
        /// The size.
        size: Size,
    },
    /// A signature does not hold.
    #[error("a signature of {validator} does not hold; do not trust whoever sent it")]
    Signature {
        /// Whose.
        validator: ParticipantName,
    },
    /// Origin and validator together are too long for a key name.
    #[error(transparent)]
    Name(#[from] NoteError),
}

impl Cosignature {
    /// The longest encoding.
    pub const MAX_BYTES: usize = 320;

    /// Signs a checkpoint as the log and as a cosigner. To be called only for a checkpoint that
    /// follows a decided and synced block: one root for a size, ever.
    ///
    /// # Errors
    ///
    /// [`NoteError::KeyName`] if origin and name together are too long for a key name.
    pub fn sign(
        checkpoint: &Checkpoint,
        validator: &ParticipantName,
        log: &SigningKey,
        cosigner: &SigningKey,
        time: Time,
    ) -> Result<Self, CosignatureError> {
        let (cosigned, log) = (
            checkpoint.cosign(validator, cosigner, time)?,
            checkpoint.sign(log),
        );
        let broken = || CosignatureError::Signature {
            validator: validator.clone(),
        };
        let raw = |bytes: &[u8]| Signature::try_from(bytes).map_err(|_| broken());
        Ok(Self {
            size: checkpoint.size,
            root: checkpoint.root,
            validator: validator.clone(),
            log: raw(log.bytes())?,
            seconds: time.0 / 1000,
            cosigner: raw(cosigned.bytes().get(8..).unwrap_or_default())?,
            cose: None,
        })
    }

    /// Adds the signature of COSE receipts under the same root; to be called for what [`Self::sign`]
    /// gave for this checkpoint.
    #[must_use]
    pub fn with_cose(mut self, checkpoint: &Checkpoint, key: &SigningKey) -> Self {
        let head = self.cose_head(&checkpoint.origin, key.public_key().id());
        self.cose = Some(head.sign(&self.root, key));
        self
    }

    /// What the signature of COSE receipts covers beside the root.
    #[must_use]
    pub fn cose_head(&self, origin: &KeyName, key: KeyId) -> Head {
        Head {
            origin: origin.clone(),
            validator: self.validator.clone(),
            key,
            size: self.size,
            seconds: self.seconds,
        }
    }

    /// The bytes of the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(Self::MAX_BYTES);
        writer.map(6 + usize::from(self.cose.is_some()));
        writer.key(1).uint(self.size.0);
        writer.key(2).bytes(self.root.as_bytes());
        writer.key(3).text(self.validator.as_str());
        writer.key(4).bytes(self.log.as_bytes());
        writer.key(5).uint(self.seconds);
        writer.key(6).bytes(self.cosigner.as_bytes());
        if let Some(cose) = &self.cose {
            writer.key(7).bytes(cose.as_bytes());
        }
        writer.into_bytes()
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    ///
    /// # Errors
    ///
    /// [`CosignatureError::Encoding`] says what is wrong and where.
    pub fn decode(bytes: &[u8]) -> Result<Self, CosignatureError> {
        let mut reader = Reader::new(bytes);
        let entries = reader.map_between(6..=7)?;
        let record = Self {
            size: Size(reader.key(1)?.uint()?),
            root: TreeHash::new(reader.key(2)?.fixed()?),
            validator: reader.key(3)?.parsed(ParticipantName::MAX_LENGTH)?,
            log: Signature::new(reader.key(4)?.fixed()?),
            seconds: reader.key(5)?.uint()?,
            cosigner: Signature::new(reader.key(6)?.fixed()?),
            cose: match entries {
                7 => Some(Signature::new(reader.key(7)?.fixed()?)),
                _ => None,
            },
        };
        reader.finish()?;
        Ok(record)
    }

    /// The two signature lines that the record stands for, judged under the validator's keys.
    fn lines(
        &self,
        checkpoint: &Checkpoint,
        validator: &Validator,
    ) -> Result<Lines, CosignatureError> {
        let text = checkpoint.to_string();
        let broken = |_| CosignatureError::Signature {
            validator: self.validator.clone(),
        };
        let log = log_key(&checkpoint.origin, validator);
        let cosigner = cosigner_key(&checkpoint.origin, validator)?;
        let stamped = [&self.seconds.to_be_bytes()[..], self.cosigner.as_bytes()].concat();
        let lines = Lines {
            log: NoteSignature::new(&log, self.log.as_bytes()),
            cosigner: NoteSignature::new(&cosigner, &stamped),
        };
        log.verify(&text, &lines.log).map_err(broken)?;
        cosigner.verify(&text, &lines.cosigner).map_err(broken)?;
        if let Some(cose) = &self.cose {
            let head = self.cose_head(&checkpoint.origin, validator.cose.id());
            verify_note(&validator.cose, &head.sign_bytes(&checkpoint.root), cose)
                .map_err(broken)?;
        }
        Ok(lines)
    }
}

#[derive(Clone, Debug)]
struct Lines {
    log: NoteSignature,
    cosigner: NoteSignature,
}

/// Gathers the validators' signatures over one checkpoint until a quorum is held.
#[derive(Clone, Debug)]
pub struct Gathering {
    checkpoint: Checkpoint,
    set: ValidatorSet,
    counted: BTreeMap<ParticipantName, (Cosignature, Lines)>,
}

/// What a record added to a gathering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// That validator's signatures had been counted before.
    Known,
    /// One more is counted; the number says how many are still missing, 0 from the quorum on.
    Counted {
        /// How many validators are missing to a quorum.
        missing: usize,
    },
}

impl Gathering {
    /// Starts to gather for a checkpoint, whose root this node computed itself.
    #[must_use]
    pub const fn new(checkpoint: Checkpoint, set: ValidatorSet) -> Self {
        Self {
            checkpoint,
            set,
            counted: BTreeMap::new(),
        }
    }

    /// The checkpoint.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The validators whose signatures count.
    #[must_use]
    pub const fn set(&self) -> &ValidatorSet {
        &self.set
    }

    /// Judges a record and counts it. A validator that is already counted is not judged again.
    ///
    /// # Errors
    ///
    /// [`CosignatureError`] says why the record does not count; nothing has changed then. A
    /// [`CosignatureError::Fork`] is reported only if its signatures hold, so it is evidence.
    pub fn add(&mut self, record: &Cosignature) -> Result<Added, CosignatureError> {
        let validator =
            self.set
                .get(&record.validator)
                .ok_or_else(|| CosignatureError::Stranger {
                    validator: record.validator.clone(),
                })?;
        if record.size != self.checkpoint.size {
            return Err(self.other_size(record));
        }
        if record.root != self.checkpoint.root {
            record.lines(
                &Checkpoint {
                    root: record.root,
                    ..self.checkpoint.clone()
                },
                validator,
            )?;
            let (validator, size) = (record.validator.clone(), record.size);
            return Err(CosignatureError::Fork { validator, size });
        }
        if self.counted.contains_key(&record.validator) {
            return Ok(Added::Known);
        }
        let lines = record.lines(&self.checkpoint, validator)?;
        self.counted
            .insert(record.validator.clone(), (record.clone(), lines));
        Ok(Added::Counted {
            missing: self.missing(),
        })
    }

    fn other_size(&self, record: &Cosignature) -> CosignatureError {
        let validator = record.validator.clone();
        CosignatureError::Size {
            validator,
            found: record.size,
            wanted: self.checkpoint.size,
        }
    }

    /// How many validators are missing to a quorum.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.set.quorum().saturating_sub(self.counted.len())
    }

    /// The records counted so far, in the order of names.
    pub fn records(&self) -> impl Iterator<Item = &Cosignature> {
        self.counted.values().map(|(record, _)| record)
    }

    /// The checkpoint as a note with one log signature and exactly a quorum of cosignatures, those
    /// first in the order of names; none before a quorum is held. It is what receipts carry: small.
    #[must_use]
    pub fn note(&self) -> Option<Note> {
        self.note_of(1, self.set.quorum())
    }

    /// The checkpoint as a note with every log signature and every cosignature counted so far;
    /// none before a quorum is held.
    #[must_use]
    pub fn full_note(&self) -> Option<Note> {
        self.note_of(self.counted.len(), self.counted.len())
    }

    /// The COSE receipts that carry `proof` under this checkpoint: of exactly a quorum, those first
    /// in the order of names. None before a quorum has sent COSE signatures.
    #[must_use]
    pub fn cose_receipts(&self, proof: &CoseProof) -> Option<Vec<CoseReceipt>> {
        let origin = &self.checkpoint.origin;
        let receipt = |record: &Cosignature| {
            let key = self.set.get(&record.validator)?.cose.id();
            Some(CoseReceipt {
                head: record.cose_head(origin, key),
                proof: proof.clone(),
                signature: record.cose?,
            })
        };
        let quorum = self.set.quorum();
        let receipts: Vec<_> = self.records().filter_map(receipt).take(quorum).collect();
        (receipts.len() == quorum).then_some(receipts)
    }

    fn note_of(&self, logs: usize, cosigners: usize) -> Option<Note> {
        if self.missing() > 0 {
            return None;
        }
        let lines = || self.counted.values().map(|(_, lines)| lines);
        let logs = lines().map(|lines| lines.log.clone()).take(logs);
        let cosigners = lines().map(|lines| lines.cosigner.clone()).take(cosigners);
        // Every line was made from a key name, and there are at most twice 100 signatures.
        Note::new(
            &self.checkpoint.to_string(),
            logs.chain(cosigners).collect(),
        )
        .ok()
    }
}
