//! A custodian's word that it has destroyed its shares of a record.
//!
//! What always holds: the word names every version and every epoch that it is about, and the event of
//! the ledger that asked for it; so it stands for one erasure alone, or for one version and
//! the epochs before the one that it moved to.
//! Whether a custodian keeps its word nobody can see.
//!
//! | key | word, domain `medanchor/shares-destroyed/v1` |
//! |---|---|
//! | 1 to 3 | network id (16 bytes), owner, record (16) |
//! | 4 | the last version whose shares are destroyed, from 1 |
//! | 5 | custodian |
//! | 6 | the last epoch whose shares are destroyed; all before it are meant, too |
//! | 7 | the first version |
//! | 8 | the first `record.erase`; for a move, the event that sealed the version (event id, 32) |
//! | 9 | how many shares the custodian had held of them |

use super::place::{Custodied, epoch, name};
use super::signed::Body;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::{EventId, ParticipantName};

/// What a custodian says that it destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharesDestroyed {
    /// Whose record, and the last version.
    pub record: Custodied,
    /// The first version; all between are meant.
    pub first_version: u32,
    /// Who held shares.
    pub custodian: ParticipantName,
    /// The last epoch; all before it are meant.
    pub epoch: u32,
    /// The erasure; for a move, what sealed the version.
    pub event: EventId,
    /// How many shares were held, all of them destroyed now.
    pub shares: u32,
}

impl Body for SharesDestroyed {
    const DOMAIN: &'static [u8] = b"medanchor/shares-destroyed/v1";

    fn write(&self, writer: &mut Writer) {
        self.record.write(writer.map(9));
        writer.key(5).text(self.custodian.as_str());
        writer.key(6).uint(u64::from(self.epoch));
        writer.key(7).uint(u64::from(self.first_version));
        writer.key(8).bytes(self.event.as_bytes());
        writer.key(9).uint(u64::from(self.shares));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.map(9)?;
        let record = Custodied::read(reader)?;
        let custodian = name(reader.key(5)?)?;
        let epoch = epoch(reader.key(6)?)?;
        let key = reader.key(7)?;
        let range = key.fault(CborFault::Range);
        let first_version = key.narrow()?;
        if !(1..=record.record.version).contains(&first_version) {
            return Err(range);
        }
        Ok(Self {
            record,
            first_version,
            custodian,
            epoch,
            event: EventId::new(reader.key(8)?.fixed()?),
            shares: reader.key(9)?.narrow()?,
        })
    }
}
