//! What every custody message names: one version of a record, and a place in a set of custodians.

use super::points::ShareIndex;
use crate::seal::RecordVersion;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::{NetworkId, ParticipantName, RecordHandle};

/// One version of a record, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Custodied {
    /// Who sealed it, and dealt its shares.
    pub owner: ParticipantName,
    /// Network, record and version.
    pub record: RecordVersion,
}

/// A custodian's place in the set of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The custodian.
    pub custodian: ParticipantName,
    /// The set's epoch.
    pub epoch: u32,
    /// The place in the set.
    pub index: ShareIndex,
}

impl Custodied {
    /// Writes the map entries 1 to 4.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.key(1).bytes(self.record.network.as_bytes());
        writer.key(2).text(self.owner.as_str());
        writer.key(3).bytes(self.record.record.as_bytes());
        writer.key(4).uint(u64::from(self.record.version));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        let network = NetworkId::new(reader.key(1)?.fixed()?);
        let owner = name(reader.key(2)?)?;
        let record = RecordHandle::new(reader.key(3)?.fixed()?);
        let key = reader.key(4)?;
        let range = key.fault(CborFault::Range);
        let version = key.narrow()?;
        if version == 0 {
            return Err(range);
        }
        let record = RecordVersion {
            network,
            record,
            version,
        };
        Ok(Self { owner, record })
    }
}

impl Place {
    /// Writes three map entries from `first` on.
    pub(super) fn write(&self, first: i64, writer: &mut Writer) {
        writer.key(first).text(self.custodian.as_str());
        writer.key(first + 1).uint(u64::from(self.epoch));
        writer.key(first + 2).uint(u64::from(self.index.get()));
    }

    pub(super) fn read(first: i64, reader: &mut Reader<'_>) -> Result<Self, CborError> {
        Ok(Self {
            custodian: name(reader.key(first)?)?,
            epoch: epoch(reader.key(first + 1)?)?,
            index: ShareIndex::read(reader.key(first + 2)?)?,
        })
    }
}

/// Epochs count from 1, as the ledger's do.
pub(super) fn epoch(reader: &mut Reader<'_>) -> Result<u32, CborError> {
    let range = reader.fault(CborFault::Range);
    match reader.narrow()? {
        0 => Err(range),
        epoch => Ok(epoch),
    }
}

pub(super) fn name(reader: &mut Reader<'_>) -> Result<ParticipantName, CborError> {
    reader.parsed(ParticipantName::MAX_LENGTH)
}

/// The context under which something is sealed: a domain and a map of all that binds it.
pub(super) fn context(domain: &[u8], entries: usize, bound: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.raw(domain).map(entries);
    bound(&mut writer);
    writer.into_bytes()
}
