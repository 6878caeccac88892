//! What one height leaves for the next.

use super::Halt;
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::DecodeError;
use crate::merkle::Frontier;
use crate::rules::RULES_VERSION;
use crate::schedule::Schedule;
use crate::seal::Seal;
use crate::validator::ValidatorSet;
use crate::{Height, NetworkId, ParticipantName, PolicyHash, Time, TreeHash};
use std::collections::BTreeMap;

/// What one height leaves for the next: all that executing a block needs beside the state.
///
/// It follows from the log alone; the store keeps it, in the encoding given here, so that it need
/// not replay the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The network.
    pub network: NetworkId,
    /// The height.
    pub height: Height,
    /// The time of its block.
    pub time: Time,
    /// The leaf hash of its seal.
    pub seal_hash: TreeHash,
    /// The log after its block.
    pub frontier: Frontier,
    /// The rules of the next height.
    pub rules_version: u32,
    /// The policy of the next height.
    pub next_policy: PolicyHash,
    /// Who proposes at the next height.
    pub schedule: Schedule,
}

impl Head {
    /// The most bytes of an encoded head that are read.
    pub const MAX_BYTES: usize = 32 << 10;

    /// The next height.
    #[must_use]
    pub const fn next_height(&self) -> Height {
        self.height.next()
    }

    /// What is left after the block of `seal`, with the log at `frontier`.
    pub(crate) fn after(&self, seal: &Seal, seal_hash: TreeHash, frontier: Frontier) -> Self {
        Self {
            network: self.network,
            height: seal.height,
            time: seal.time,
            seal_hash,
            frontier,
            rules_version: self.rules_version,
            next_policy: seal.next_policy,
            schedule: self.schedule.after(seal.round),
        }
    }

    /// Stops where the rules are not known.
    pub(crate) fn require_known_rules(&self) -> Result<(), Halt> {
        let (found, known) = (self.rules_version, RULES_VERSION);
        if found == known {
            Ok(())
        } else {
            Err(Halt::UnknownRules { found, known })
        }
    }

    /// The head's one encoding, for the store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(512);
        writer.array(9);
        writer.bytes(self.network.as_bytes());
        writer.uint(self.height.0).uint(self.time.0);
        writer.bytes(self.seal_hash.as_bytes());
        writer.bytes(&self.frontier.encode());
        writer.uint(u64::from(self.rules_version));
        writer.bytes(self.next_policy.as_bytes());
        writer.array(self.schedule.validators().len());
        for name in self.schedule.validators() {
            writer.text(name.as_str());
        }
        writer.array(self.schedule.misses().len());
        for (name, (height, slot)) in self.schedule.misses() {
            writer.array(3).text(name.as_str());
            writer.uint(height.0).uint(u64::from(*slot));
        }
        writer.into_bytes()
    }

    /// Reads what [`Head::encode`] gives.
    ///
    /// # Errors
    /// [`DecodeError`] for other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.array(9..=9)?;
        let network = NetworkId::new(reader.fixed()?);
        let (height, time) = (Height(reader.uint()?), Time(reader.uint()?));
        let seal_hash = TreeHash::new(reader.fixed()?);
        let frontier = read_frontier(&mut reader)?;
        let rules_version = reader.narrow()?;
        let next_policy = PolicyHash::new(reader.fixed()?);
        let validators = read_validators(&mut reader)?;
        let misses = read_misses(&mut reader)?;
        reader.finish()?;
        let schedule = Schedule::restore(validators, misses, height.next());
        Ok(Self {
            network,
            height,
            time,
            seal_hash,
            frontier,
            rules_version,
            next_policy,
            schedule,
        })
    }
}

fn read_frontier(reader: &mut Reader<'_>) -> Result<Frontier, DecodeError> {
    let value = reader.fault(CborFault::Value);
    Frontier::decode(reader.bytes(8 + 64 * 32)?).map_err(|_| value.into())
}

fn read_name(reader: &mut Reader<'_>) -> Result<ParticipantName, DecodeError> {
    Ok(reader.parsed(ParticipantName::MAX_LENGTH)?)
}

fn read_validators(reader: &mut Reader<'_>) -> Result<Vec<ParticipantName>, DecodeError> {
    let order = reader.fault(CborFault::Order);
    let count = reader.array(1..=ValidatorSet::MAX)?;
    let names: Result<Vec<_>, _> = (0..count).map(|_| read_name(reader)).collect();
    let names = names?;
    if names.is_sorted_by(|a, b| a < b) {
        Ok(names)
    } else {
        Err(order.into())
    }
}

fn read_misses(
    reader: &mut Reader<'_>,
) -> Result<BTreeMap<ParticipantName, (Height, u32)>, DecodeError> {
    let order = reader.fault(CborFault::Order);
    let count = reader.array(0..=ValidatorSet::MAX)?;
    let mut misses = BTreeMap::new();
    for _ in 0..count {
        reader.array(3..=3)?;
        let name = read_name(reader)?;
        if misses
            .last_key_value()
            .is_some_and(|(last, _)| *last >= name)
        {
            return Err(order.into());
        }
        misses.insert(name, (Height(reader.uint()?), reader.narrow()?));
    }
    Ok(misses)
}
