//! The state document: one key's value, or its absence, at one height.

use super::{DocumentError, NotProved, Part, SealProof, StateClaim};
use crate::cbor::{Reader, Writer};
use crate::policy::{CheckpointPolicy, VerifiedCheckpoint};
use crate::state::StateKey;
use crate::{Height, Time};

const FORMAT: &str = "medanchor/state-proof/v1";

/// A state document, not yet judged.
///
/// CBOR: {0: "medanchor/state-proof/v1", 1: key, 2: value or null, 3: proof of the map, 4: the seal's
/// entry, 5: the seal's receipt}, all but the first as byte strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDocument {
    /// The key.
    pub key: StateKey,
    /// What the state holds under it.
    pub claim: StateClaim,
    /// The seal whose state root it is proved against.
    pub seal: SealProof,
}

/// What a state document proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedState {
    /// The height whose state it speaks of.
    pub height: Height,
    /// The time of that height's block.
    pub time: Time,
    /// The key.
    pub key: StateKey,
    /// The value; none for absence.
    pub value: Option<Vec<u8>>,
    /// The checkpoint it rests on, and whose signatures were counted for it.
    pub checkpoint: VerifiedCheckpoint,
}

impl StateDocument {
    /// The longest document.
    pub const MAX_BYTES: usize =
        StateKey::MAX_LENGTH + StateClaim::MAX_BYTES + SealProof::MAX_BYTES + 64;

    /// Checks it by a policy, without any network.
    ///
    /// # Errors
    /// [`NotProved`] says what does not hold.
    pub fn verify(&self, policy: &dyn CheckpointPolicy) -> Result<VerifiedState, NotProved> {
        let seal = self.seal.verify(policy)?;
        self.claim
            .verify(&seal.seal.state_root, &self.key, Part::State)?;
        Ok(VerifiedState {
            height: seal.seal.height,
            time: seal.seal.time,
            key: self.key.clone(),
            value: self.claim.value.clone(),
            checkpoint: seal.receipt.checkpoint().clone(),
        })
    }

    /// The one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(4096);
        writer.map(6);
        writer.key(0).text(FORMAT);
        writer.key(1).bytes(self.key.as_bytes());
        self.claim.write_value(writer.key(2));
        self.claim.write_proof(writer.key(3));
        self.seal.write(&mut writer, 4);
        writer.into_bytes()
    }

    /// Reads what [`Self::encode`] gives.
    ///
    /// # Errors
    /// [`DocumentError`] for other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DocumentError> {
        super::check_size("a state document", bytes, Self::MAX_BYTES)?;
        let mut reader = Reader::new(bytes);
        reader.map(6)?;
        reader.key(0)?.constant(FORMAT)?;
        let key = StateKey::new(reader.key(1)?.bytes(StateKey::MAX_LENGTH)?)?;
        let document = Self {
            key,
            claim: StateClaim {
                value: StateClaim::read_value(reader.key(2)?)?,
                proof: StateClaim::read_proof(reader.key(3)?)?,
            },
            seal: SealProof::read(&mut reader, 4)?,
        };
        reader.finish()?;
        Ok(document)
    }
}
