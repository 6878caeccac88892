//! The bytes of one row: a bucket of the state map, values and all.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | CRC-32 of everything below |
//! | 4 | length of everything below |
//! | 1 | length of the prefix |
//! | | prefix, as the ledger encodes it |
//! | | bucket, as the ledger encodes it |
//!
//! Numbers are big-endian.

use medanchor_ledger::state::{Bucket, Prefix};

/// Checksum and length.
pub(crate) const HEAD: usize = 8;
/// No row is shorter: a bucket has a count, four roots and a leaf.
pub(crate) const MIN_ROW: usize = HEAD + 2 + 2 + 4 * 32 + 2 * 32 + 4;
/// The longest row that is read: twenty values of 3 MiB.
pub(crate) const MAX_ROW: usize = 64 << 20;

/// Appends the row of a bucket to `bytes`; gives its length, or nothing if it is too long.
pub(crate) fn encode(prefix: &Prefix, bucket: &Bucket, bytes: &mut Vec<u8>) -> Option<u32> {
    let start = bytes.len();
    let bits = prefix.bytes();
    bytes.extend([0; HEAD]);
    bytes.push(u8::try_from(bits.len() + 1).ok()?);
    bytes.extend_from_slice(bits);
    bytes.push(prefix.length());
    bytes.extend_from_slice(bucket.as_bytes());
    let (head, rest) = bytes.get_mut(start..)?.split_first_chunk_mut::<HEAD>()?;
    let length = u32::try_from(rest.len()).ok()?;
    let (crc, field) = head.split_at_mut(4);
    crc.copy_from_slice(&crc32fast::hash(rest).to_be_bytes());
    field.copy_from_slice(&length.to_be_bytes());
    let row = HEAD + rest.len();
    u32::try_from(row).ok().filter(|_| row <= MAX_ROW)
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

/// The bucket of a row that is exactly `bytes`, if its checksum holds.
pub(crate) fn decode(bytes: Vec<u8>) -> Option<Bucket> {
    if !is_whole(&bytes) {
        return None;
    }
    let (_, rest) = parts(bytes.get(HEAD..)?)?;
    let start = bytes.len() - rest.len();
    Bucket::decode(bytes, start).ok()
}

/// The prefix of a row, whatever its checksum says.
pub(crate) fn prefix(bytes: &[u8]) -> Option<Prefix> {
    let (_, body) = bytes.split_first_chunk::<HEAD>()?;
    Prefix::decode(parts(body)?.0).ok()
}

/// Whether `bytes` are exactly one row and its checksum holds.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    bytes
        .split_first_chunk::<HEAD>()
        .is_some_and(|(first, body)| {
            let (crc, length) = head(first);
            length == body.len() && crc32fast::hash(body) == crc
        })
}

/// Prefix and bucket, of what follows the head.
fn parts(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&prefix, rest) = body.split_first()?;
    rest.split_at_checked(prefix.into())
}
