//! What is claimed to stand under a key, with its proof.

use super::{DocumentError, NotProved, Part};
use crate::ReadFailed;
use crate::StateRoot;
use crate::cbor::{Reader, Writer};
use crate::rules::StateValue;
use crate::state::{StateKey, StateMap, StateProof};

/// A value, or its absence, and the proof of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateClaim {
    /// The value; none for absence.
    pub value: Option<Vec<u8>>,
    /// The proof.
    pub proof: StateProof,
}

impl StateClaim {
    /// The longest value: no rule writes one of more than a few thousand bytes.
    pub const MAX_VALUE: usize = 64 * 1024;

    /// The longest proof: head, siblings, another leaf.
    pub(super) const MAX_PROOF: usize = StateProof::MAX_SIBLINGS * 32 + 96;

    /// The most bytes of a claim.
    pub(super) const MAX_BYTES: usize = Self::MAX_VALUE + Self::MAX_PROOF + 16;

    /// What `map` holds under `key`, proved.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn of(map: &StateMap, key: &StateKey) -> Result<Self, ReadFailed> {
        let path = key.path();
        Ok(Self {
            value: map.value(&path)?,
            proof: map.prove(&path)?,
        })
    }

    /// Checks it against the root of a state.
    pub(super) fn verify(
        &self,
        root: &StateRoot,
        key: &StateKey,
        part: Part,
    ) -> Result<(), NotProved> {
        let verdict = self.proof.verify(root, &key.path(), self.value.as_deref());
        verdict.map_err(|error| NotProved::Claim { part, error })
    }

    /// Checks it, and reads the value.
    pub(super) fn read_verified<T: StateValue>(
        &self,
        root: &StateRoot,
        key: &StateKey,
        part: Part,
    ) -> Result<Option<T>, NotProved> {
        self.verify(root, key, part)?;
        let value = self.value.as_deref().map(T::decode).transpose();
        value.map_err(|error| NotProved::Value { part, error })
    }

    pub(super) fn write_value(&self, writer: &mut Writer) {
        match &self.value {
            Some(value) => writer.bytes(value),
            None => writer.null(),
        };
    }

    pub(super) fn write_proof(&self, writer: &mut Writer) {
        writer.bytes(&self.proof.encode());
    }

    /// An array of value and proof.
    pub(super) fn write(&self, writer: &mut Writer) {
        self.write_value(writer.array(2));
        self.write_proof(writer);
    }

    pub(super) fn read_value(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, DocumentError> {
        if reader.null() {
            return Ok(None);
        }
        Ok(Some(reader.bytes(Self::MAX_VALUE)?.to_vec()))
    }

    pub(super) fn read_proof(reader: &mut Reader<'_>) -> Result<StateProof, DocumentError> {
        Ok(StateProof::decode(reader.bytes(Self::MAX_PROOF)?)?)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DocumentError> {
        reader.array(2..=2)?;
        Ok(Self {
            value: Self::read_value(reader)?,
            proof: Self::read_proof(reader)?,
        })
    }
}
