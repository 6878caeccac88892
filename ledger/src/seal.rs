//! Block seals: the last entry of each block, which ties the log, the state and the policies of
//! one height together.
//!
//! What always holds: a seal has one encoding, a map that starts with the byte `0xad`, so that it
//! never passes for an event, which starts with `0xd2`. Only the seal of height 0 has no proposer;
//! its previous-seal hash is the hash of the genesis file.

use crate::cbor::{Reader, Writer};
use crate::event::DecodeError;
use crate::merkle::leaf_hash;
use crate::{
    Height, Index, ParticipantName, PolicyHash, Round, Size, StateRoot, Time, TreeHash, ValueId,
    sha256,
};

/// The most bytes a seal has.
pub const MAX_SEAL_BYTES: usize = 512;

const FORMAT: &str = "medanchor/seal/v1";

/// The last entry of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The block's height.
    pub height: Height,
    /// The round in which the block was first built; proposing it again changes no byte.
    pub round: Round,
    /// The proposer of that round; none for height 0.
    pub proposer: Option<ParticipantName>,
    /// The block's time, later than that of the block before.
    pub time: Time,
    /// Where the block's first entry stands in the log.
    pub first: Index,
    /// Number of events in the block; the seal follows them.
    pub count: u64,
    /// Root of the log before the block.
    pub log_root: TreeHash,
    /// Leaf hash of the seal before; for height 0 the genesis hash.
    pub previous: TreeHash,
    /// Root of the state after the block.
    pub state_root: StateRoot,
    /// The rules by which the block was executed.
    pub rules_version: u32,
    /// The policy of this height.
    pub policy: PolicyHash,
    /// The policy of the next height.
    pub next_policy: PolicyHash,
}

impl Seal {
    /// The entry.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(MAX_SEAL_BYTES);
        writer.map(13);
        writer.key(0).text(FORMAT);
        writer.key(1).uint(self.height.0);
        writer.key(2).uint(u64::from(self.round.0));
        match &self.proposer {
            Some(name) => writer.key(3).text(name.as_str()),
            None => writer.key(3).null(),
        };
        writer.key(4).uint(self.time.0);
        writer.key(5).uint(self.first.0);
        writer.key(6).uint(self.count);
        writer.key(7).bytes(self.log_root.as_bytes());
        writer.key(8).bytes(self.previous.as_bytes());
        writer.key(9).bytes(self.state_root.as_bytes());
        writer.key(10).uint(u64::from(self.rules_version));
        writer.key(11).bytes(self.policy.as_bytes());
        writer.key(12).bytes(self.next_policy.as_bytes());
        writer.into_bytes()
    }

    /// Reads an entry that is a seal.
    ///
    /// # Errors
    /// [`DecodeError`] for all but the one encoding of a seal.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (max, found) = (MAX_SEAL_BYTES, bytes.len());
        if found > max {
            let what = "the seal";
            return Err(DecodeError::Oversize { what, max, found });
        }
        let mut reader = Reader::new(bytes);
        reader.map(13)?;
        reader.key(0)?.constant(FORMAT)?;
        let seal = Self {
            height: Height(reader.key(1)?.uint()?),
            round: Round(reader.key(2)?.narrow()?),
            proposer: read_proposer(reader.key(3)?)?,
            time: Time(reader.key(4)?.uint()?),
            first: Index(reader.key(5)?.uint()?),
            count: reader.key(6)?.uint()?,
            log_root: TreeHash::new(reader.key(7)?.fixed()?),
            previous: TreeHash::new(reader.key(8)?.fixed()?),
            state_root: StateRoot::new(reader.key(9)?.fixed()?),
            rules_version: reader.key(10)?.narrow()?,
            policy: PolicyHash::new(reader.key(11)?.fixed()?),
            next_policy: PolicyHash::new(reader.key(12)?.fixed()?),
        };
        reader.finish()?;
        if seal.proposer.is_some() != (seal.height > Height(0)) {
            let what = "a seal names a proposer, except that of height 0";
            return Err(DecodeError::Disagreement { what });
        }
        Ok(seal)
    }

    /// The hash of a seal is its leaf hash in the log (RFC 9162 2.1.1).
    #[must_use]
    pub fn hash(&self) -> TreeHash {
        leaf_hash(&self.encode())
    }

    /// The size of the log after the block, if it is a size that a log can have.
    #[must_use]
    pub fn size_after(&self) -> Option<Size> {
        let seal_index = self.first.0.checked_add(self.count)?;
        seal_index.checked_add(1).map(Size)
    }
}

fn read_proposer(reader: &mut Reader<'_>) -> Result<Option<ParticipantName>, DecodeError> {
    if reader.null() {
        return Ok(None);
    }
    Ok(Some(reader.parsed(ParticipantName::MAX_LENGTH)?))
}

/// What validators vote on: SHA-256 over domain, height, size and log root after the block.
#[must_use]
pub fn value_id(height: Height, size: Size, root: &TreeHash) -> ValueId {
    ValueId::new(sha256(&[
        b"medanchor/value/v1",
        &height.0.to_be_bytes(),
        &size.0.to_be_bytes(),
        root.as_bytes(),
    ]))
}

/// An entry of the log, told apart by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// An event: it starts with `0xd2`.
    Event,
    /// A block's seal: it starts otherwise, and is the last entry of its block.
    Seal,
}

impl EntryKind {
    /// What the bytes of an entry must be decoded as.
    #[must_use]
    pub fn of(entry: &[u8]) -> Self {
        if entry.first() == Some(&0xd2) {
            Self::Event
        } else {
            Self::Seal
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Seal {
        Seal {
            height: Height(7),
            round: Round(1),
            proposer: Some("north-hospital".parse().unwrap()),
            time: Time(1_700_000_000_123),
            first: Index(40),
            count: 3,
            log_root: TreeHash::new([1; 32]),
            previous: TreeHash::new([2; 32]),
            state_root: StateRoot::new([3; 32]),
            rules_version: 1,
            policy: PolicyHash::new([4; 32]),
            next_policy: PolicyHash::new([5; 32]),
        }
    }

    #[test]
    fn a_seal_survives_its_encoding_and_never_looks_like_an_event() {
        let seal = sample();
        assert_eq!(Seal::decode(&seal.encode()), Ok(seal.clone()));
        assert_eq!(EntryKind::of(&seal.encode()), EntryKind::Seal);
        assert_eq!(seal.size_after(), Some(Size(44)));
    }

    #[test]
    fn only_height_0_has_no_proposer() {
        let nameless = Seal {
            proposer: None,
            ..sample()
        };
        let genesis = Seal {
            height: Height(0),
            ..nameless.clone()
        };
        let named = Seal {
            height: Height(0),
            ..sample()
        };
        assert!(Seal::decode(&nameless.encode()).is_err());
        assert!(Seal::decode(&named.encode()).is_err());
        assert!(Seal::decode(&genesis.encode()).is_ok());
    }

    #[test]
    fn a_value_id_depends_on_height_size_and_root() {
        let root = TreeHash::new([9; 32]);
        let id = value_id(Height(1), Size(2), &root);
        assert_ne!(id, value_id(Height(2), Size(2), &root));
        assert_ne!(id, value_id(Height(1), Size(3), &root));
        assert_ne!(id, value_id(Height(1), Size(2), &TreeHash::new([8; 32])));
    }

    #[test]
    fn a_seal_that_overflows_the_log_has_no_size() {
        let seal = Seal {
            first: Index(u64::MAX),
            ..sample()
        };
        assert_eq!(seal.size_after(), None);
    }
}
