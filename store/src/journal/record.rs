//! The bytes of the journal: the header of a segment, and its records.
//!
//! Numbers are big-endian. A segment opens with
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `MEDJRNL1` |
//! | 16 | network id |
//! | 8 | number of the segment |
//! | 8 | height decided last before the segment |
//! | 8 | salt, drawn when the segment was made |
//! | 4 | CRC-32 of the bytes above |
//!
//! and goes on with records of
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `MREC` |
//! | 1 | kind: 1 body, 2 proposal, 3 decision |
//! | 4 | length of the payload |
//! | 4 | CRC-32 of: salt, position of the record in the file (8 bytes), kind, length, payload |
//! | | the payload |
//!
//! | kind | payload |
//! |---|---|
//! | body | height (8), value id (32), body |
//! | proposal | height (8), value id (32), round (4), body; no body if a record before has it |
//! | decision | height (8), value id (32), length of the certificate (4), certificate, body; no body if a record before has it |
//!
//! The salt is not known outside the home, so nobody can send an event that, torn out of a half
//! written record, looks like a record of its own.

use medanchor_ledger::{Height, NetworkId, Round, ValueId};

const SEGMENT_MAGIC: &[u8; 8] = b"MEDJRNL1";
pub(super) const RECORD_MAGIC: &[u8; 4] = b"MREC";
pub(super) const SEGMENT_HEADER: usize = 52;
pub(super) const RECORD_HEADER: usize = 13;
/// The longest payload: a body of 2 MiB and a certificate fit many times.
pub(super) const MAX_PAYLOAD: usize = 8 << 20;

/// The head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) network: NetworkId,
    pub(super) number: u64,
    pub(super) base: Height,
    pub(super) salt: [u8; 8],
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = [SEGMENT_MAGIC.as_slice(), self.network.as_bytes()].concat();
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.base.0.to_be_bytes());
        bytes.extend(self.salt);
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    /// Reads the header at the start of a segment; `None` if it is not one.
    pub(super) fn decode(file: &[u8]) -> Option<Self> {
        let bytes = file.first_chunk::<SEGMENT_HEADER>()?;
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields(covered.strip_prefix(SEGMENT_MAGIC)?);
        let header = Self {
            network: NetworkId::new(*fields.take()?),
            number: u64::from_be_bytes(*fields.take()?),
            base: Height(u64::from_be_bytes(*fields.take()?)),
            salt: *fields.take()?,
        };
        (u32::from_be_bytes(*crc) == crc32fast::hash(covered)).then_some(header)
    }
}

/// One record. A body that is empty stands in an earlier record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) height: Height,
    pub(super) value: ValueId,
    pub(super) kind: Kind<'a>,
    pub(super) body: &'a [u8],
}

/// What a record says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// This home executed it and may vote for it.
    Body,
    /// This home proposed it.
    Proposal(Round),
    /// It was decided, under this certificate.
    Decision(&'a [u8]),
}

impl<'a> Record<'a> {
    fn payload(&self) -> Option<Vec<u8>> {
        let mut bytes = self.height.0.to_be_bytes().to_vec();
        bytes.extend(self.value.as_bytes());
        match self.kind {
            Kind::Body => {}
            Kind::Proposal(round) => bytes.extend(round.0.to_be_bytes()),
            Kind::Decision(certificate) => {
                bytes.extend(u32::try_from(certificate.len()).ok()?.to_be_bytes());
                bytes.extend(certificate);
            }
        }
        bytes.extend(self.body);
        (bytes.len() <= MAX_PAYLOAD).then_some(bytes)
    }

    /// The record's bytes at `position` of a segment with `salt`; `None` if it is too long.
    pub(super) fn encode(&self, salt: [u8; 8], position: u64) -> Option<Vec<u8>> {
        let payload = self.payload()?;
        let length = u32::try_from(payload.len()).ok()?.to_be_bytes();
        let kind = match self.kind {
            Kind::Body => 1,
            Kind::Proposal(_) => 2,
            Kind::Decision(_) => 3,
        };
        let crc = checksum(salt, position, kind, length, &payload);
        let head = [
            RECORD_MAGIC.as_slice(),
            &[kind],
            &length,
            &crc.to_be_bytes(),
        ]
        .concat();
        Some([head, payload].concat())
    }

    /// Reads the record at the start of `bytes`, which stand at `position`, and its length.
    pub(super) fn decode(bytes: &'a [u8], salt: [u8; 8], position: u64) -> Option<(Self, usize)> {
        let mut fields = Fields(bytes.strip_prefix(RECORD_MAGIC)?);
        let [kind] = *fields.take::<1>()?;
        let length = *fields.take::<4>()?;
        let crc = u32::from_be_bytes(*fields.take()?);
        let size = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let payload = fields.0.get(..size).filter(|_| size <= MAX_PAYLOAD)?;
        if checksum(salt, position, kind, length, payload) != crc {
            return None;
        }
        Some((Self::parse(kind, payload)?, RECORD_HEADER + size))
    }

    fn parse(kind: u8, payload: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        let height = Height(u64::from_be_bytes(*fields.take()?));
        let value = ValueId::new(*fields.take()?);
        let kind = match kind {
            1 => Kind::Body,
            2 => Kind::Proposal(Round(u32::from_be_bytes(*fields.take()?))),
            3 => {
                let length = usize::try_from(u32::from_be_bytes(*fields.take()?)).ok()?;
                let (certificate, rest) = fields.0.split_at_checked(length)?;
                fields = Fields(rest);
                Kind::Decision(certificate)
            }
            _ => return None,
        };
        Some(Self {
            height,
            value,
            kind,
            body: fields.0,
        })
    }
}

fn checksum(salt: [u8; 8], position: u64, kind: u8, length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt);
    hasher.update(&position.to_be_bytes());
    hasher.update(&[kind]);
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// Takes fixed-size fields off the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(field)
    }
}
