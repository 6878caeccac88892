//! One record of the journal: what was signed, renewed or settled, and the bytes that say so.
//!
//! ```text
//! record  = length (4, big-endian) || length check (4) || payload || payload check (8)
//! length check  = SHA-256("medanchor/sdk-journal-length/v1"  || offset u64be || length)[..4]
//! payload check = SHA-256("medanchor/sdk-journal-payload/v1" || offset u64be || payload)[..8]
//! payload = {1: 1, 2: [event, ...]}        signed, about to be posted
//!         | {1: 2, 2: [id, ...], 3: event} signed anew: takes the place of these, oldest first
//!         | {1: 3, 2: [id, ...]}           settled: anchored with a receipt, or refused for good
//! ```
//!
//! The checks cover the offset, so bytes of an older file that turn up in another place are no record.

use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::{EventId, sha256};

/// Bytes before the payload.
pub(super) const HEAD: usize = 8;
/// Bytes after the payload.
pub(super) const CHECK: usize = 8;
/// The longest payload.
pub(super) const MAX_PAYLOAD: usize = 8 << 20;
/// The longest event: 4 KiB and a signature, with room to spare.
const MAX_EVENT: usize = 5 << 10;
/// The most items in one record; far above what fits the payload.
const MAX_ITEMS: usize = 1 << 17;

/// What one record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// These events were signed and may have been posted.
    Signed(Vec<Vec<u8>>),
    /// The event takes the place of earlier ones that say the same, oldest first.
    Renewed {
        earlier: Vec<EventId>,
        event: Vec<u8>,
    },
    /// These events need no further work.
    Settled(Vec<EventId>),
}

impl Record {
    /// The payload's one encoding.
    pub(super) fn payload(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Signed(events) => {
                writer.map(2).key(1).uint(1);
                writer.key(2).array(events.len());
                for event in events {
                    writer.bytes(event);
                }
            }
            Self::Renewed { earlier, event } => {
                writer.map(3).key(1).uint(2);
                write_ids(writer.key(2), earlier);
                writer.key(3).bytes(event);
            }
            Self::Settled(ids) => {
                writer.map(2).key(1).uint(3);
                write_ids(writer.key(2), ids);
            }
        }
        writer.into_bytes()
    }

    fn from_payload(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        let entries = reader.map_between(2..=3)?;
        let at = reader.position();
        let record = match (reader.key(1)?.uint()?, entries) {
            (1, 2) => {
                let count = reader.key(2)?.array(1..=MAX_ITEMS)?;
                let events = (0..count).map(|_| reader.bytes(MAX_EVENT).map(<[u8]>::to_vec));
                Self::Signed(events.collect::<Result<_, _>>()?)
            }
            (2, 3) => Self::Renewed {
                earlier: read_ids(reader.key(2)?)?,
                event: reader.key(3)?.bytes(MAX_EVENT)?.to_vec(),
            },
            (3, 2) => Self::Settled(read_ids(reader.key(2)?)?),
            _ => {
                return Err(CborError {
                    at,
                    fault: CborFault::Value,
                });
            }
        };
        reader.finish()?;
        Ok(record)
    }
}

fn write_ids(writer: &mut Writer, ids: &[EventId]) {
    writer.array(ids.len());
    for id in ids {
        writer.bytes(id.as_bytes());
    }
}

fn read_ids(reader: &mut Reader<'_>) -> Result<Vec<EventId>, CborError> {
    let count = reader.array(1..=MAX_ITEMS)?;
    (0..count)
        .map(|_| reader.fixed().map(EventId::new))
        .collect()
}

fn length_check(offset: u64, length: [u8; 4]) -> [u8; 4] {
    let domain = b"medanchor/sdk-journal-length/v1";
    let hash = sha256(&[domain, &offset.to_be_bytes(), &length]);
    std::array::from_fn(|n| hash[n]) // 4 of 32 bytes
}

fn payload_check(offset: u64, payload: &[u8]) -> [u8; CHECK] {
    let domain = b"medanchor/sdk-journal-payload/v1";
    let hash = sha256(&[domain, &offset.to_be_bytes(), payload]);
    std::array::from_fn(|n| hash[n]) // 8 of 32 bytes
}

/// The bytes of a record that will stand at `offset`; `None` if its payload is too long.
pub(super) fn encode(offset: u64, record: &Record) -> Option<Vec<u8>> {
    let payload = record.payload();
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= MAX_PAYLOAD)?;
    let length = length.to_be_bytes();
    let mut bytes = Vec::with_capacity(HEAD + payload.len() + CHECK);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&length_check(offset, length));
    bytes.extend_from_slice(&payload);
    bytes.extend_from_slice(&payload_check(offset, &payload));
    Some(bytes)
}

/// Reads the record that stands at `offset`, which `bytes` begin with, and how long it is. `None` if
/// no whole and intact record stands there.
pub(super) fn decode(offset: u64, bytes: &[u8]) -> Option<(Record, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<4>()?;
    if *check != length_check(offset, *length) {
        return None;
    }
    let size = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (payload, rest) = rest
        .split_at_checked(size)
        .filter(|_| size <= MAX_PAYLOAD)?;
    let (check, _) = rest.split_first_chunk::<CHECK>()?;
    if *check != payload_check(offset, payload) {
        return None;
    }
    let record = Record::from_payload(payload).ok()?;
    Some((record, HEAD + size + CHECK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_record() -> impl Strategy<Value = Record> {
        let event = || prop::collection::vec(any::<u8>(), 0..64);
        let id = || any::<[u8; 32]>().prop_map(EventId::new);
        prop_oneof![
            prop::collection::vec(event(), 1..5).prop_map(Record::Signed),
            (prop::collection::vec(id(), 1..4), event())
                .prop_map(|(earlier, event)| Record::Renewed { earlier, event }),
            prop::collection::vec(id(), 1..5).prop_map(Record::Settled),
        ]
    }

    proptest! {
        #[test]
        fn a_record_reads_back_at_its_own_offset_only(record in any_record(), offset: u32) {
            let offset = u64::from(offset);
            let bytes = encode(offset, &record).unwrap();
            prop_assert_eq!(decode(offset, &bytes), Some((record, bytes.len())));
            prop_assert_eq!(decode(offset + 1, &bytes), None);
        }

        #[test]
        fn a_flipped_bit_is_no_record(record in any_record(), place: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = encode(9, &record).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            prop_assert_eq!(decode(9, &bytes), None);
        }
    }
}
