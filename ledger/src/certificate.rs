//! What validators sign while they agree on a block, and the proof that they did.
//!
//! What always holds: the bytes of a vote and of a proposal name their kind and their network, so
//! no signature can be carried from one to the other; a certificate that verifies holds precommits
//! of at least a quorum of the set, each validator once, for one value in one round. Whether the
//! value is right is for whoever executes the block to say.

use crate::cbor::{CborError, CborFault, Reader, Writer};
use crate::signature::{Signature, Signed, SigningKey, verify, verify_batch};
use crate::validator::{Validator, ValidatorSet};
use crate::{Height, NetworkId, ParticipantName, Round, ValueId};

const VOTE_DOMAIN: &str = "medanchor/vote/v1";
const PROPOSAL_DOMAIN: &str = "medanchor/proposal/v1";

/// The step of consensus that a vote belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoteKind {
    /// For a value seen to be valid in a round.
    Prevote,
    /// To commit to a value in a round.
    Precommit,
}

impl VoteKind {
    const fn code(self) -> u64 {
        match self {
            Self::Prevote => 1,
            Self::Precommit => 2,
        }
    }
}

/// A validator's vote in one round of one height.
///
/// Signed bytes: CBOR array of `"medanchor/vote/v1"`, network id, kind (1 prevote, 2 precommit),
/// height, round, value id or null, validator's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote {
    /// The network.
    pub network: NetworkId,
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// The value voted for, or none (nil).
    pub value: Option<ValueId>,
    /// Who votes.
    pub validator: ParticipantName,
}

impl Vote {
    /// The bytes that the vote's signature covers.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(128);
        writer
            .array(7)
            .text(VOTE_DOMAIN)
            .bytes(self.network.as_bytes());
        writer
            .uint(self.kind.code())
            .uint(self.height.0)
            .uint(self.round.0.into());
        match &self.value {
            Some(value) => writer.bytes(value.as_bytes()),
            None => writer.null(),
        };
        writer.text(self.validator.as_str());
        writer.into_bytes()
    }

    /// Signs the vote with the validator's consensus key.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(&self.signed_bytes())
    }

    /// Checks that the named validator is in the set and signed this vote.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Stranger`] or [`CertificateError::Signature`].
    pub fn verify(
        &self,
        signature: &Signature,
        set: &ValidatorSet,
    ) -> Result<(), CertificateError> {
        let validator = member(set, &self.validator)?;
        verify(&validator.consensus, &self.signed_bytes(), signature).map_err(|_| {
            CertificateError::Signature {
                validator: self.validator.clone(),
            }
        })
    }
}

/// A proposer's proposal of a value.
///
/// Signed bytes: CBOR array of `"medanchor/proposal/v1"`, network id, height, round, proof-of-lock
/// round or null, value id, proposer's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proposal {
    /// The network.
    pub network: NetworkId,
    /// The height.
    pub height: Height,
    /// The round in which it is proposed.
    pub round: Round,
    /// The earlier round in which a quorum prevoted for it, if it is proposed again.
    pub pol_round: Option<Round>,
    /// The value.
    pub value: ValueId,
    /// Who proposes.
    pub proposer: ParticipantName,
}

impl Proposal {
    /// The bytes that the proposal's signature covers.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(128);
        writer
            .array(7)
            .text(PROPOSAL_DOMAIN)
            .bytes(self.network.as_bytes());
        writer.uint(self.height.0).uint(self.round.0.into());
        match self.pol_round {
            Some(round) => writer.uint(round.0.into()),
            None => writer.null(),
        };
        writer
            .bytes(self.value.as_bytes())
            .text(self.proposer.as_str());
        writer.into_bytes()
    }

    /// Signs the proposal with the proposer's consensus key.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(&self.signed_bytes())
    }

    /// Checks that the named proposer is in the set and signed this proposal. Whether it was the
    /// proposer's turn is for the schedule to say.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Stranger`] or [`CertificateError::Signature`].
    pub fn verify(
        &self,
        signature: &Signature,
        set: &ValidatorSet,
    ) -> Result<(), CertificateError> {
        let proposer = member(set, &self.proposer)?;
        verify(&proposer.consensus, &self.signed_bytes(), signature).map_err(|_| {
            CertificateError::Signature {
                validator: self.proposer.clone(),
            }
        })
    }
}

fn member<'s>(
    set: &'s ValidatorSet,
    name: &ParticipantName,
) -> Result<&'s Validator, CertificateError> {
    set.get(name).ok_or_else(|| CertificateError::Stranger {
        validator: name.clone(),
    })
}

/// A certificate that does not show agreement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes are not the encoding of a certificate.
    #[error(transparent)]
    Encoding(#[from] CborError),
    /// More signatures than a set can have validators, or none.
    #[error("a certificate has 1 to 100 signatures, not {found}; fetch it again")]
    Count {
        /// How many came.
        found: usize,
    },
    /// A validator signs twice.
    #[error("validator {validator} is counted twice; do not trust whoever served the certificate")]
    Duplicate {
        /// Who.
        validator: ParticipantName,
    },
    /// Somebody signs who is not in the set of this height.
    #[error("{validator} is not a validator of this height; check it against the height's own set")]
    Stranger {
        /// Who.
        validator: ParticipantName,
    },
    /// A signature does not hold for this network, height, round and value.
    #[error("the signature of {validator} does not hold; do not trust whoever served it")]
    Signature {
        /// Whose.
        validator: ParticipantName,
    },
    /// Too few validators signed.
    #[error("{found} validators signed and {needed} are needed; fetch the whole certificate")]
    NoQuorum {
        /// How many signed.
        found: usize,
        /// How many make a quorum.
        needed: usize,
    },
}

/// Precommits for one value in one round, ordered by validator.
///
/// Bytes: CBOR map {1: height, 2: round, 3: value id, 4: [[name, signature], ..]} with the names
/// in ascending order. The network is not in it, but every signature covers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Certificate {
    height: Height,
    round: Round,
    value: ValueId,
    signatures: Box<[(ParticipantName, Signature)]>,
}

impl Certificate {
    /// The longest encoding.
    pub const MAX_BYTES: usize = 64 + ValidatorSet::MAX * (ParticipantName::MAX_LENGTH + 69);

    /// Puts a certificate together; the signatures may come in any order.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Count`] or [`CertificateError::Duplicate`].
    pub fn new(
        height: Height,
        round: Round,
        value: ValueId,
        mut signatures: Vec<(ParticipantName, Signature)>,
    ) -> Result<Self, CertificateError> {
        if !(1..=ValidatorSet::MAX).contains(&signatures.len()) {
            return Err(CertificateError::Count {
                found: signatures.len(),
            });
        }
        signatures.sort();
        let twice = signatures.windows(2).find_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => Some(one.clone()),
            _ => None,
        });
        match twice {
            Some(validator) => Err(CertificateError::Duplicate { validator }),
            None => Ok(Self {
                height,
                round,
                value,
                signatures: signatures.into(),
            }),
        }
    }

    /// The height of the block.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The round in which it was decided.
    #[must_use]
    pub const fn round(&self) -> Round {
        self.round
    }

    /// The value that was decided.
    #[must_use]
    pub const fn value(&self) -> ValueId {
        self.value
    }

    /// Who signed, in the order of names.
    #[must_use]
    pub const fn signatures(&self) -> &[(ParticipantName, Signature)] {
        &self.signatures
    }

    /// Checks that a quorum of `set` precommitted this value on `network`, and that every
    /// signature in the certificate is a member's and holds.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] says what is wrong.
    pub fn verify(&self, set: &ValidatorSet, network: NetworkId) -> Result<(), CertificateError> {
        let (found, needed) = (self.signatures.len(), set.quorum());
        if found < needed {
            return Err(CertificateError::NoQuorum { found, needed });
        }
        let mut votes = Vec::with_capacity(found);
        for (name, signature) in &self.signatures {
            let key = &member(set, name)?.consensus;
            votes.push((key, self.vote_of(name, network).signed_bytes(), signature));
        }
        let batch: Vec<_> = votes
            .iter()
            .map(|(key, message, signature)| Signed {
                key,
                message,
                signature,
            })
            .collect();
        verify_batch(&batch).map_err(|bad| self.blame(&bad))
    }

    fn vote_of(&self, validator: &ParticipantName, network: NetworkId) -> Vote {
        Vote {
            network,
            kind: VoteKind::Precommit,
            height: self.height,
            round: self.round,
            value: Some(self.value),
            validator: validator.clone(),
        }
    }

    fn blame(&self, bad: &[usize]) -> CertificateError {
        let first = bad.first().and_then(|place| self.signatures.get(*place));
        match first {
            Some((name, _)) => CertificateError::Signature {
                validator: name.clone(),
            },
            None => CertificateError::Count { found: 0 },
        }
    }

    /// The bytes of the certificate.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(64 + self.signatures.len() * 96);
        writer.map(4);
        writer.key(1).uint(self.height.0);
        writer.key(2).uint(self.round.0.into());
        writer.key(3).bytes(self.value.as_bytes());
        writer.key(4).array(self.signatures.len());
        for (name, signature) in &self.signatures {
            writer
                .array(2)
                .text(name.as_str())
                .bytes(signature.as_bytes());
        }
        writer.into_bytes()
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Encoding`] says what is wrong and where.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(bytes);
        reader.map(4)?;
        let height = Height(reader.key(1)?.uint()?);
        let round = Round(reader.key(2)?.narrow()?);
        let value = ValueId::new(reader.key(3)?.fixed()?);
        let count = reader.key(4)?.array(1..=ValidatorSet::MAX)?;
        let mut signatures: Vec<(ParticipantName, Signature)> = Vec::with_capacity(count);
        for _ in 0..count {
            let at = reader.fault(CborFault::Order);
            reader.array(2..=2)?;
            let name = reader.parsed(ParticipantName::MAX_LENGTH)?;
            if signatures.last().is_some_and(|(last, _)| *last >= name) {
                return Err(at.into());
            }
            signatures.push((name, Signature::new(reader.fixed()?)));
        }
        reader.finish()?;
        Ok(Self {
            height,
            round,
            value,
            signatures: signatures.into(),
        })
    }
}
