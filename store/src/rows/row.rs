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

/// Checksum and length.
pub(crate) const HEAD: usize = 8;
/// The longest row that is read: twenty values of 3 MiB.
pub(crate) const MAX_ROW: usize = 64 << 20;

/// A row that was read and whose checksum holds.
#[derive(Debug)]
pub(crate) struct Row {
    prefix: Prefix,
    bucket: Bucket,
    values: Vec<Box<[u8]>>,
    length: usize,
}

/// The bytes of a row; `value` gives that of a leaf.
pub(crate) fn encode<'v>(
    prefix: &Prefix,
    bucket: &Bucket,
    value: impl Fn(&Path) -> Option<&'v [u8]>,
) -> Option<Vec<u8>> {
    let values: Option<Vec<&[u8]>> = bucket.paths().map(value).collect();
    let values = values?;
    let mut bytes = vec![0; HEAD];
    let prefix = prefix.encode();
    bytes.push(u8::try_from(prefix.len()).ok()?);
    bytes.extend(prefix);
    bytes.extend(u16::try_from(bucket.count()).ok()?.to_be_bytes());
    bytes.extend(bucket.encode());
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
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first_chunk::<HEAD>()?;
        let (crc, length) = head(first);
        if length != rest.len() || crc32fast::hash(rest) != crc {
            return None;
        }
        let (&prefix_length, rest) = rest.split_first()?;
        let (prefix, rest) = rest.split_at_checked(prefix_length.into())?;
        let (count, rest) = rest.split_first_chunk::<2>()?;
        let count = usize::from(u16::from_be_bytes(*count));
        let (bucket, rest) = rest.split_at_checked(Bucket::encoded_length(count))?;
        let (lengths, mut rest) = rest.split_at_checked(4 * count)?;
        let mut values = Vec::with_capacity(count);
        for length in lengths.as_chunks::<4>().0 {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (value, after) = rest.split_at_checked(length)?;
            values.push(value.into());
            rest = after;
        }
        let prefix = Prefix::decode(prefix).ok()?;
        let bucket = Bucket::decode(bucket).ok()?;
        let length = bytes.len();
        rest.is_empty().then_some(Self {
            prefix,
            bucket,
            values,
            length,
        })
    }

    pub(crate) const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    pub(crate) const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Bytes on disk.
    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    /// The value of a leaf.
    pub(crate) fn value(&self, path: &Path) -> Option<&[u8]> {
        let place = self.bucket.place(path)?;
        self.values.get(place).map(|value| &**value)
    }
}
