//! The emergency path: while the network is cut, an owner opens records of its own, in a journal that
//! counts and chains its entries. Afterwards each entry is anchored, in its order.
//!
//! ```text
//! head before the first entry = 32 zero bytes
//! head after an entry         = SHA-256("medanchor/emergency/v1" || head before || counter as u64
//!                               || record || version as u32 || claimed time as u64 || commitment)
//! ```

use super::list::{read_commitment, read_handle};
use super::record::read_version;
use super::{Body, DecodeError, Subject};
use crate::cbor::{CborFault, Reader, Writer};
use crate::{Commitment, JournalHead, ParticipantName, RecordHandle, Time, sha256};

impl JournalHead {
    /// The head of a journal without entries.
    pub const EMPTY: Self = Self::new([0; 32]);
}

/// `access.emergency`: the signer opened one of its own records by its emergency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessEmergency {
    /// The entry's number in the signer's emergency journal, from 1.
    pub counter: u64,
    /// The record, among the signer's.
    pub record: RecordHandle,
    /// The version of the document that was opened.
    pub version: u32,
    /// When it was opened, as the signer says; nobody can check it.
    pub claimed: Time,
    /// The journal's head before this entry.
    pub previous: JournalHead,
    /// The salted commitment to who read and why.
    pub commitment: Commitment,
}

impl AccessEmergency {
    /// The journal's head after this entry.
    #[must_use]
    pub fn head(&self) -> JournalHead {
        JournalHead::new(sha256(&[
            b"medanchor/emergency/v1",
            self.previous.as_bytes(),
            &self.counter.to_be_bytes(),
            self.record.as_bytes(),
            &self.version.to_be_bytes(),
            &self.claimed.0.to_be_bytes(),
            &self.commitment.to_bytes(),
        ]))
    }
}

impl Body for AccessEmergency {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("record", issuer, self.record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(6);
        writer.key(1).uint(self.counter);
        writer.key(2).bytes(self.record.as_bytes());
        writer.key(3).uint(u64::from(self.version));
        writer.key(4).uint(self.claimed.0);
        writer.key(5).bytes(self.previous.as_bytes());
        writer.key(6).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(6)?;
        Ok(Self {
            counter: read_entry_counter(reader.key(1)?)?,
            record: read_handle(reader.key(2)?)?,
            version: read_version(reader.key(3)?)?,
            claimed: Time(reader.key(4)?.uint()?),
            previous: JournalHead::new(reader.key(5)?.fixed()?),
            commitment: read_commitment(reader.key(6)?)?,
        })
    }
}

fn read_entry_counter(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let range = reader.fault(CborFault::Range);
    match reader.uint()? {
        0 => Err(range.into()),
        counter => Ok(counter),
    }
}

/// A number of lost entries: one or more, and no more than there ever were.
fn read_lost(reader: &mut Reader<'_>, counter: u64) -> Result<u64, DecodeError> {
    let range = reader.fault(CborFault::Range);
    let lost = reader.uint()?;
    match (1..=counter).contains(&lost) {
        true => Ok(lost),
        false => Err(range.into()),
    }
}

/// Where the key of an emergency journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum JournalKeyKind {
    /// In a file: it can be copied, and the journal with it, so the owner is outside the claim that
    /// every opening is seen (DESIGN.md section 7, Care never waits).
    File = 1,
    /// In hardware that counts, and gives neither key nor counter away.
    Hardware = 2,
    /// In a token that counts what its owner's software opens, and that nobody can set back; but it would
    /// unwrap for other software without counting, so the owner is outside the claim as with a file.
    Token = 3,
}

impl JournalKeyKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::File, Self::Hardware, Self::Token];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Hardware => 2,
            Self::Token => 3,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Hardware => "hardware",
            Self::Token => "token",
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = reader.fault(CborFault::Value);
        let code: u8 = reader.narrow()?;
        let known = Self::ALL.into_iter().find(|known| known.code() == code);
        known.ok_or(value.into())
    }
}

/// `emergency.journal`: where the signer's emergency journal stands, once a day even when nothing was
/// opened. The first one, with counter 0, registers the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmergencyJournal {
    /// The number of its last entry; 0 when it has none.
    pub counter: u64,
    /// Its head.
    pub head: JournalHead,
    /// Where its key is kept, as the signer says.
    pub key_kind: JournalKeyKind,
    /// How many entries, the last ones up to the counter, are lost: they were counted, and nobody can say
    /// any more what was opened. 0, which nearly every statement has, stands in no byte.
    pub lost: u64,
}

impl EmergencyJournal {
    /// Whether this is what a journal without entries says.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        (self.counter, self.head, self.lost) == (0, JournalHead::EMPTY, 0)
    }
}

impl Body for EmergencyJournal {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::single("emergency", issuer)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(3 + usize::from(self.lost > 0));
        writer.key(1).uint(self.counter);
        writer.key(2).bytes(self.head.as_bytes());
        writer.key(3).uint(u64::from(self.key_kind.code()));
        if self.lost > 0 {
            writer.key(4).uint(self.lost);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let entries = reader.map_between(3..=4)?;
        let counter = reader.key(1)?.uint()?;
        Ok(Self {
            counter,
            head: JournalHead::new(reader.key(2)?.fixed()?),
            key_kind: JournalKeyKind::read(reader.key(3)?)?,
            lost: match entries {
                4 => read_lost(reader.key(4)?, counter)?,
                _ => 0,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TreeHash;

    fn entry() -> AccessEmergency {
        AccessEmergency {
            counter: 1,
            record: RecordHandle::new([2; 16]),
            version: 3,
            claimed: Time(4),
            previous: JournalHead::EMPTY,
            commitment: Commitment::new(TreeHash::new([5; 32])),
        }
    }

    #[test]
    fn every_part_of_an_entry_changes_the_head() {
        let bends: [fn(&mut AccessEmergency); 6] = [
            |entry| entry.counter = 9,
            |entry| entry.record = RecordHandle::new([9; 16]),
            |entry| entry.version = 9,
            |entry| entry.claimed = Time(9),
            |entry| entry.previous = JournalHead::new([9; 32]),
            |entry| entry.commitment = Commitment::new(TreeHash::new([9; 32])),
        ];
        let mut heads = vec![entry().head()];
        for bend in bends {
            let mut bent = entry();
            bend(&mut bent);
            heads.push(bent.head());
        }
        heads.sort_unstable();
        heads.dedup();
        assert_eq!(heads.len(), 7);
    }
}
