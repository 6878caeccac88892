//! The signing keys that a participant has from a change on: the whole list, so that one change adds and
//! revokes.
//!
//! `[participant, number, [keys]]`: changes of one participant's keys are numbered from 1 without a gap,
//! so that a proposal that lay for a while cannot bring revoked keys back; a key is an algorithm byte and
//! the key, ascending, each once. With no key at all the participant signs nothing until the next change.

use super::{BuildError, DecodeError};
use crate::ParticipantName;
use crate::cbor::{CborFault, Reader, Writer};
use crate::rules::Participant;
use crate::signature::{KeyError, PublicKey};

/// The signing keys of a participant after one change of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantKeys {
    participant: ParticipantName,
    number: u32,
    keys: Box<[PublicKey]>,
}

impl ParticipantKeys {
    /// The keys after change `number` of the participant's, which counts from 1; in any order.
    ///
    /// # Errors
    /// [`BuildError`] when there are too many, one stands there twice, or the number is 0.
    pub fn new(
        participant: ParticipantName,
        number: u32,
        mut keys: Vec<PublicKey>,
    ) -> Result<Self, BuildError> {
        let (max, found) = (Participant::MAX_KEYS, keys.len());
        if found > max {
            return Err(BuildError::Keys { max, found });
        }
        keys.sort_unstable();
        if !keys.is_sorted_by(|a, b| a < b) {
            return Err(BuildError::KeyTwice);
        }
        if number == 0 {
            return Err(BuildError::Number);
        }
        Ok(Self {
            participant,
            number,
            keys: keys.into(),
        })
    }

    /// Whose they are.
    #[must_use]
    pub const fn participant(&self) -> &ParticipantName {
        &self.participant
    }

    /// Which change of the participant's keys it is, from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The keys, ascending.
    #[must_use]
    pub const fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Whether signatures under each of the keys can be trusted.
    ///
    /// # Errors
    /// [`KeyError`] of the first that is not acceptable.
    pub fn check(&self) -> Result<(), KeyError> {
        let checked = |key: &PublicKey| PublicKey::decode(&key.encode()).map(|_| ());
        self.keys.iter().try_for_each(checked)
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.array(3).text(self.participant.as_str());
        writer.uint(u64::from(self.number)).array(self.keys.len());
        for key in &self.keys {
            writer.bytes(&key.encode());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(3..=3)?;
        let participant = reader.parsed(ParticipantName::MAX_LENGTH)?;
        let zero = reader.fault(CborFault::Range);
        let number = reader.narrow()?;
        if number == 0 {
            return Err(zero.into());
        }
        let order = reader.fault(CborFault::Order);
        let count = reader.array(0..=Participant::MAX_KEYS)?;
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            let bytes = reader.fixed::<{ PublicKey::ENCODED_LENGTH }>()?;
            let what = "a signing key";
            let key = PublicKey::decode_registered(&bytes);
            keys.push(key.map_err(|_| DecodeError::Key { what })?);
        }
        let sorted = keys.is_sorted_by(|a, b| a < b);
        sorted.then_some(()).ok_or(order)?;
        Ok(Self {
            participant,
            number,
            keys: keys.into(),
        })
    }
}
