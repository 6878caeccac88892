//! An event with the receipts that make it transparent (RFC 9943: Transparent Statement).
//!
//! What always holds: the leaf of the log is the event with its empty unprotected header; a
//! statement is that event with the receipts in header 394 and nothing else changed, so taking them
//! off gives the log's very bytes.

use super::codec::{check_size, read_list, write_list};
use super::{CoseReceipt, CoseReceiptError};
use crate::cbor::{Reader, Writer};
use crate::event::{Event, MAX_EVENT_BYTES, MAX_UNSIGNED_BYTES};

const COSE_SIGN1: u64 = 18;
const RECEIPTS: i64 = 394;

/// An event and the receipts that came with it, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransparentStatement {
    /// The event, whose bytes are the entry of the log.
    pub event: Event,
    /// The receipts: 1 to [`CoseReceipt::MAX_RECEIPTS`].
    pub receipts: Vec<CoseReceipt>,
}

impl TransparentStatement {
    /// The longest statement that is read.
    pub const MAX_BYTES: usize =
        MAX_EVENT_BYTES + CoseReceipt::MAX_RECEIPTS * (CoseReceipt::MAX_BYTES + 3) + 8;

    /// The statement's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // An event was read or written as tag, array, protected header, empty map, payload and
        // signature, so the first two items are always there.
        let entry = self.event.encoded();
        let end = protected_end(entry).unwrap_or_default();
        let (protected, rest) = entry.split_at(end);
        let mut writer = Writer::with_capacity(entry.len() + self.receipts.len() * 1024);
        writer.raw(protected).map(1).key(RECEIPTS);
        write_list(&mut writer, &self.receipts);
        writer.raw(rest.get(1..).unwrap_or_default());
        writer.into_bytes()
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CoseReceiptError`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, CoseReceiptError> {
        check_size("a transparent statement", bytes, Self::MAX_BYTES)?;
        let mut reader = Reader::new(bytes);
        reader.tag(COSE_SIGN1)?;
        reader.array(4..=4)?;
        reader.bytes(MAX_UNSIGNED_BYTES)?;
        let protected = bytes.get(..reader.position()).unwrap_or_default();
        reader.map(1)?;
        let receipts = read_list(reader.key(RECEIPTS)?)?;
        let rest = bytes.get(reader.position()..).unwrap_or_default();
        let entry = [protected, &[0xa0], rest].concat();
        Ok(Self {
            event: Event::decode(&entry)?,
            receipts,
        })
    }
}

fn protected_end(entry: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(entry);
    reader.tag(COSE_SIGN1).ok()?;
    reader.array(4..=4).ok()?;
    reader.bytes(MAX_UNSIGNED_BYTES).ok()?;
    Some(reader.position())
}
