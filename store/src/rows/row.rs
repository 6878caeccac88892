//! The bytes of one row: a bucket of the state map with the values of its leaves.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | CRC-32 of everything below |
//! | 4 | length of everything below |
//! | 1 | length of the prefix |
//! | | prefix, as the ledger encodes it |
//! | 2 | number of leaves |
//! | | bucket, as the ledger encodes it |
//! | 4 each | lengths of the values, in the order of the leaves |
//! | | the values |
//!
//! Numbers are big-endian.

use medanchor_ledger::state::{Bucket, Path, Prefix};
use std::ops::Range;
use std::sync::Arc;

/// Checksum and length.
pub(crate) const HEAD: usize = 8;
/// The longest row that is read: twenty values of 3 MiB.
pub(crate) const MAX_ROW: usize = 64 << 20;

/// A row that was read and whose checksum holds.
#[derive(Debug)]
pub(crate) struct Row {
    bytes: Vec<u8>,
    prefix: Prefix,
    bucket: Arc<Bucket>,
    /// Where the lengths of the values begin; the values follow them to the end.
    lengths: usize,
}

/// The bytes of a row; `value` gives that of a leaf.
pub(crate) fn encode<'v>(
    prefix: &Prefix,
    bucket: &Bucket,
    value: impl Fn(&Path) -> Option<&'v [u8]>,
) -> Option<Vec<u8>> {
    let values: Option<Vec<&[u8]>> = bucket.paths().map(value).collect();
    let values = values?;
    let size: usize = values.iter().map(|value| value.len() + 4).sum();
    let around = HEAD + 1 + Prefix::MAX_ENCODED + 2;
    let mut bytes = Vec::with_capacity(around + Bucket::encoded_length(bucket.count()) + size);
    bytes.resize(HEAD, 0);
    let prefix = prefix.encode();
    bytes.push(u8::try_from(prefix.len()).ok()?);
    bytes.extend(prefix);
    bytes.extend(u16::try_from(bucket.count()).ok()?.to_be_bytes());
    bucket.encode_into(&mut bytes);
    for value in &values {
        bytes.extend(u32::try_from(value.len()).ok()?.to_be_bytes());
    }
    values
        .iter()
        .for_each(|value| bytes.extend_from_slice(value));
    let (head, rest) = bytes.split_first_chunk_mut::<HEAD>()?;
    let length = u32::try_from(rest.len()).ok()?;
    let crc = crc32fast::hash(rest);
    head.copy_from_slice(&[crc.to_be_bytes(), length.to_be_bytes()].concat());
    (bytes.len() <= MAX_ROW).then_some(bytes)
}

/// The checksum of a row and its length without its head.
pub(crate) fn head(head: &[u8; HEAD]) -> (u32, usize) {
    let (crc, length) = head.split_at(4);
    let number = |bytes: &[u8]| bytes.iter().fold(0u32, |n, byte| n << 8 | u32::from(*byte));
    (
        number(crc),
        usize::try_from(number(length)).unwrap_or(usize::MAX),
    )
}

impl Row {
    /// Reads a row that is exactly `bytes`.
    pub(crate) fn decode(bytes: Vec<u8>) -> Option<Self> {
        let (first, body) = bytes.split_first_chunk::<HEAD>()?;
        let (crc, length) = head(first);
        if length != body.len() || crc32fast::hash(body) != crc {
            return None;
        }
        let (&prefix_length, rest) = body.split_first()?;
        let (prefix, rest) = rest.split_at_checked(prefix_length.into())?;
        let (count, rest) = rest.split_first_chunk::<2>()?;
        let count = usize::from(u16::from_be_bytes(*count));
        let (bucket, rest) = rest.split_at_checked(Bucket::encoded_length(count))?;
        let lengths = bytes.len() - rest.len();
        let (prefix, bucket) = (Prefix::decode(prefix).ok()?, Bucket::decode(bucket).ok()?);
        let row = Self {
            bytes,
            prefix,
            bucket: Arc::new(bucket),
            lengths,
        };
        (row.range(count)?.start == row.bytes.len()).then_some(row)
    }

    pub(crate) const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    pub(crate) const fn bucket(&self) -> &Arc<Bucket> {
        &self.bucket
    }

    /// Bytes on disk.
    pub(crate) const fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The value of a leaf.
    pub(crate) fn value(&self, path: &Path) -> Option<&[u8]> {
        self.bytes.get(self.range(self.bucket.place(path)?)?)
    }

    /// Where the value at a place stands; an empty range at the end of all values.
    fn range(&self, place: usize) -> Option<Range<usize>> {
        let count = self.bucket.count();
        let lengths = self
            .bytes
            .get(self.lengths..self.lengths.checked_add(4 * count)?)?;
        let lengths = lengths.as_chunks::<4>().0;
        let length = |bytes: &[u8; 4]| usize::try_from(u32::from_be_bytes(*bytes)).ok();
        let before = lengths
            .get(..place)?
            .iter()
            .try_fold(0usize, |sum, bytes| sum.checked_add(length(bytes)?))?;
        let start = self.lengths.checked_add(4 * count)?.checked_add(before)?;
        let own = lengths.get(place).map_or(Some(0), length)?;
        Some(start..start.checked_add(own)?)
    }
}

/// The prefix of a row whose checksum holds.
pub(crate) fn prefix(bytes: &[u8]) -> Option<Prefix> {
    let (first, body) = bytes.split_first_chunk::<HEAD>()?;
    let (crc, length) = head(first);
    let (&prefix_length, rest) = body.split_first()?;
    let good = length == body.len() && crc32fast::hash(body) == crc;
    Prefix::decode(rest.get(..usize::from(prefix_length)).filter(|_| good)?).ok()
}
