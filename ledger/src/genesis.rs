//! Genesis: the file that a network starts from and is known by.
//!
//! What always holds: a genesis file has one encoding; its SHA-256 names the network, so that
//! nothing signed for one network counts in another; every key in it is acceptable and stands
//! there once; validators and authorities are participants.
//!
//! `{0: "medanchor/genesis/v1", 1: network name, 2: time, 3: rules version, 4: [validators],
//! 5: [participants], 6: {1: k, 2: [authorities]}, 7: publisher key or null}`; a validator is
//! `{1: name, 2: consensus key, 3: log key, 4: cosigner key, 5: COSE key}`, a participant
//! `{1: name, 2: [[roles], [keys]]}`; lists are sorted; a key is an algorithm byte and the key.

mod codec;
mod error;
mod name;

pub use error::GenesisError;
pub use name::NetworkName;

use crate::note::{KeyName, NoteKey, VerifierKey};
use crate::policy::Policy;
use crate::rules::{Participant, RULES_VERSION};
use crate::signature::PublicKey;
use crate::validator::ValidatorSet;
use crate::{GenesisHash, NetworkId, ParticipantName, Time, sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The most bytes of a genesis file.
pub const MAX_GENESIS_BYTES: usize = 1 << 20;

/// The most participants that a network starts with.
pub const MAX_GENESIS_PARTICIPANTS: usize = 1000;

/// Who decides on changes: any `threshold` of the participants named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// How many must approve, 1 to the number of names.
    pub threshold: u16,
    /// The participants that may approve.
    pub names: BTreeSet<ParticipantName>,
}

/// What a genesis file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisSpec {
    /// The network's name.
    pub name: NetworkName,
    /// The time of height 0.
    pub time: Time,
    /// Who votes and cosigns.
    pub validators: ValidatorSet,
    /// Who takes part, with roles and keys.
    pub participants: BTreeMap<ParticipantName, Participant>,
    /// Who decides on changes.
    pub authorities: Authorities,
    /// The key under which checkpoints are handed to outside witnesses, if there are any.
    pub publisher: Option<PublicKey>,
}

/// A genesis file and all that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    spec: GenesisSpec,
    encoded: Box<[u8]>,
    hash: GenesisHash,
    origin: KeyName,
    policy: Policy,
}

impl Genesis {
    /// Writes the genesis file of a new network.
    ///
    /// # Errors
    /// [`GenesisError`] says what does not fit together.
    pub fn new(spec: GenesisSpec) -> Result<Self, GenesisError> {
        check(&spec)?;
        let encoded = codec::encode(&spec);
        if encoded.len() > MAX_GENESIS_BYTES {
            return Err(GenesisError::Size);
        }
        Self::of(spec, encoded)
    }

    /// Reads a genesis file.
    ///
    /// # Errors
    /// [`GenesisError`] for all but the one encoding of a sound genesis.
    pub fn decode(bytes: &[u8]) -> Result<Self, GenesisError> {
        if bytes.len() > MAX_GENESIS_BYTES {
            return Err(GenesisError::Size);
        }
        let spec = codec::decode(bytes)?;
        check(&spec)?;
        Self::of(spec, bytes.to_vec())
    }

    fn of(spec: GenesisSpec, encoded: Vec<u8>) -> Result<Self, GenesisError> {
        let hash = GenesisHash::new(sha256(&[&encoded]));
        let origin: KeyName = format!("{}/{}", spec.name, network_id(&hash)).parse()?;
        let policy = Policy::of_validators(&origin, &spec.validators)?;
        Ok(Self {
            spec,
            encoded: encoded.into(),
            hash,
            origin,
            policy,
        })
    }

    /// The bytes of the file.
    #[must_use]
    pub const fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// What it says.
    #[must_use]
    pub const fn spec(&self) -> &GenesisSpec {
        &self.spec
    }

    /// SHA-256 of the file.
    #[must_use]
    pub const fn hash(&self) -> GenesisHash {
        self.hash
    }

    /// The first 16 bytes of the hash: what events are bound to.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        network_id(&self.hash)
    }

    /// The origin of the network's log: name/network id.
    #[must_use]
    pub const fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// The policy of its validators.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The validators of the first heights.
    #[must_use]
    pub const fn validators(&self) -> &ValidatorSet {
        &self.spec.validators
    }

    /// The key by which checkpoints handed to outside witnesses are judged (note type 0x01, name =
    /// origin), if the network has one.
    #[must_use]
    pub fn publisher_key(&self) -> Option<VerifierKey> {
        let key = NoteKey::Ed25519(self.spec.publisher?);
        Some(VerifierKey::new(self.origin.clone(), key))
    }

    /// The rules of the first heights.
    #[must_use]
    pub const fn rules_version(&self) -> u32 {
        RULES_VERSION
    }
}

fn network_id(hash: &GenesisHash) -> NetworkId {
    let (id, _) = hash.as_bytes().split_at(16);
    // A hash has 32 bytes, so there are always 16.
    id.try_into().unwrap_or(NetworkId::new([0; 16]))
}

fn check(spec: &GenesisSpec) -> Result<(), GenesisError> {
    let found = spec.participants.len();
    if !(1..=MAX_GENESIS_PARTICIPANTS).contains(&found) {
        return Err(GenesisError::Participants { found });
    }
    let validators = spec.validators.iter().map(|validator| &validator.name);
    for name in validators.chain(&spec.authorities.names) {
        if !spec.participants.contains_key(name) {
            return Err(GenesisError::NotAParticipant { name: name.clone() });
        }
    }
    let approvers = 1..=spec.authorities.names.len();
    if !approvers.contains(&usize::from(spec.authorities.threshold)) {
        return Err(GenesisError::Threshold);
    }
    check_keys(spec)
}

fn check_keys(spec: &GenesisSpec) -> Result<(), GenesisError> {
    let mut seen: BTreeSet<&PublicKey> = spec.publisher.iter().collect();
    let validators = spec.validators.iter().map(|validator| {
        let keys: Vec<_> = validator.keys().into();
        (&validator.name, keys)
    });
    let participants = spec.participants.iter();
    let participants = participants.map(|(name, participant)| (name, participant.keys().collect()));
    for (name, keys) in validators.chain(participants) {
        if !keys.into_iter().all(|key| seen.insert(key)) {
            return Err(GenesisError::SharedKey { name: name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
