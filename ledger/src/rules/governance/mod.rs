//! Governance: who takes part, in which roles, with which keys, under which rules.
//!
//! What always holds: participants and roles are those of genesis (later releases change them by
//! proposals that authorities approve, as custodians and signing keys change now); an event applies only
//! if its signer is a participant and its key is registered for the signer, at that place in the log and
//! before its block; a validator's operational key signs `inspection.output` alone, and nothing while the
//! validator has no signing key.

mod keys;
mod proposal;

pub use keys::KeysChanged;
pub use proposal::Proposal;
pub(super) use proposal::{approve, propose};

use super::value::{StateValue, kind};
use super::{Refusal, Rule, Turn, inspection};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{DecodeError, ParticipantKeys};
use crate::signature::PublicKey;
use crate::state::StateKey;
use crate::{KeyId, ParticipantName};

/// The rules of this release.
pub const RULES_VERSION: u32 = 1;

/// What a participant may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Issues prescriptions, dispenses units.
    Hospital,
    /// Redeems prescriptions, dispenses units.
    Pharmacy,
    /// Opens lots, commissions units.
    Manufacturer,
    /// Passes units on.
    Distributor,
    /// Inspects.
    Regulator,
    /// Holds shares of records' keys.
    Custodian,
}

impl Role {
    /// Every role, in the order of their codes.
    pub const ALL: [Self; 6] = [
        Self::Hospital,
        Self::Pharmacy,
        Self::Manufacturer,
        Self::Distributor,
        Self::Regulator,
        Self::Custodian,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Hospital => 1,
            Self::Pharmacy => 2,
            Self::Manufacturer => 3,
            Self::Distributor => 4,
            Self::Regulator => 5,
            Self::Custodian => 6,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hospital => "hospital",
            Self::Pharmacy => "pharmacy",
            Self::Manufacturer => "manufacturer",
            Self::Distributor => "distributor",
            Self::Regulator => "regulator",
            Self::Custodian => "custodian",
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }
}

/// A participant's roles and keys, as the state holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Ascending, each once, at least one.
    roles: Box<[Role]>,
    /// With their ids; ascending by key, each once. At least one in genesis; none where all are revoked.
    keys: Box<[(KeyId, PublicKey)]>,
}

impl Participant {
    /// The most keys that a participant has at a time.
    pub const MAX_KEYS: usize = 8;

    /// Sorts roles and keys; `None` if there are no roles, no keys or too many keys, or a repeat.
    #[must_use]
    pub fn new(mut roles: Vec<Role>, mut keys: Vec<PublicKey>) -> Option<Self> {
        roles.sort_unstable();
        keys.sort_unstable();
        Self::of(&roles, &keys).filter(|made| !made.keys.is_empty())
    }

    /// The same participant with these keys.
    fn with_keys(&self, keys: &ParticipantKeys) -> Self {
        Self {
            roles: self.roles.clone(),
            keys: with_ids(keys.keys()),
        }
    }

    /// Of roles and keys in their order.
    fn of(roles: &[Role], keys: &[PublicKey]) -> Option<Self> {
        let unique = |sorted: bool| sorted.then_some(());
        unique(roles.is_sorted_by(|a, b| a < b) && !roles.is_empty())?;
        unique(keys.is_sorted_by(|a, b| a < b) && keys.len() <= Self::MAX_KEYS)?;
        Some(Self {
            roles: roles.into(),
            keys: with_ids(keys),
        })
    }

    /// Where the state holds the participant `name`.
    #[must_use]
    pub fn key(name: &ParticipantName) -> StateKey {
        StateKey::named(kind::PARTICIPANT, name)
    }

    /// The roles, ascending.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The registered keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.keys.iter().map(|(_, key)| key)
    }

    /// Whether it has the role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The registered key of that id.
    #[must_use]
    pub fn registered(&self, id: &KeyId) -> Option<&PublicKey> {
        let found = self.keys.iter().find(|(known, _)| known == id);
        found.map(|(_, key)| key)
    }

    pub(crate) fn write_parts(&self, writer: &mut Writer) {
        writer.array(self.roles.len());
        for role in &self.roles {
            writer.uint(u64::from(role.code()));
        }
        writer.array(self.keys.len());
        for key in self.keys() {
            writer.bytes(&key.encode());
        }
    }

    pub(crate) fn read_parts(
        reader: &mut Reader<'_>,
        least_keys: usize,
        decode_key: fn(&[u8]) -> Result<PublicKey, crate::signature::KeyError>,
    ) -> Result<Self, DecodeError> {
        let order = reader.fault(CborFault::Order);
        let count = reader.array(1..=Role::ALL.len())?;
        let roles: Result<Vec<_>, DecodeError> = (0..count).map(|_| read_role(reader)).collect();
        let roles = roles?;
        let count = reader.array(least_keys..=Self::MAX_KEYS)?;
        let read_key = |_| {
            let bytes = reader.fixed::<{ PublicKey::ENCODED_LENGTH }>()?;
            let what = "a participant's key";
            decode_key(&bytes).map_err(|_| DecodeError::Key { what })
        };
        let keys: Result<Vec<_>, DecodeError> = (0..count).map(read_key).collect();
        let keys = keys?;
        Self::of(&roles, &keys).ok_or(order.into())
    }
}

fn with_ids(keys: &[PublicKey]) -> Box<[(KeyId, PublicKey)]> {
    keys.iter().map(|key| (key.id(), *key)).collect()
}

fn read_role(reader: &mut Reader<'_>) -> Result<Role, DecodeError> {
    let value = reader.fault(CborFault::Value);
    Role::from_code(reader.narrow()?).ok_or(value.into())
}

impl StateValue for Participant {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.write_parts(writer.array(2));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2..=2)?;
        // The keys were judged when they were registered; all of them may be revoked.
        Self::read_parts(reader, 0, PublicKey::decode_registered)
    }
}

/// The rules version, as the state holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulesVersion(pub u32);

impl RulesVersion {
    /// Where the state holds it.
    #[must_use]
    pub fn key() -> StateKey {
        StateKey::single(kind::RULES_VERSION)
    }
}

impl StateValue for RulesVersion {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        writer.array(1).uint(u64::from(self.0));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(1..=1)?;
        Ok(Self(reader.narrow()?))
    }
}

/// The signer must be a participant that registered the key it signed with, in an earlier block: whoever
/// checks a block looks keys up in the state before it.
pub(super) fn admit_signer(turn: &mut Turn<'_, '_>) -> Result<(), Refusal> {
    let signer = turn.signer()?.ok_or(Rule::SignerUnknown)?;
    let key = turn.event().key_id();
    if signer.registered(&key).is_some() {
        return match turn.had_before_the_block(&key) {
            true => Ok(()),
            false => Err(Rule::SignerNewKey.into()),
        };
    }
    // A participant without keys is suspended, and its node with it.
    let suspended = signer.keys().len() == 0;
    match !suspended && inspection::may_sign(turn, &key)? {
        true => Ok(()),
        false => Err(Rule::SignerKey.into()),
    }
}

/// The signer must have one of `roles`.
pub(super) fn require_role(turn: &mut Turn<'_, '_>, roles: &[Role]) -> Result<(), Refusal> {
    let signer = turn.signer()?.ok_or(Rule::SignerUnknown)?;
    if roles.iter().any(|role| signer.has(*role)) {
        Ok(())
    } else {
        Err(Rule::SignerRole.into())
    }
}
