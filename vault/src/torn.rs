//! What a power cut leaves of the last entry of a file that only grows.

/// Bytes that a disk writes whole or not at all; a page of memory is several of them.
const SECTOR: u64 = 512;

/// Whether a last entry, `frame` at byte `at` of a file whose length had reached the disk, can be one that was
/// never finished: zeros at its end, or in one of the two sectors that it lies in. Entries are shorter than a
/// sector and end with four bytes of a checksum, which are all zero once in four thousand million times, and
/// then they are right.
#[must_use]
pub fn unfinished(frame: &[u8], at: u64) -> bool {
    let to_sector = usize::try_from(SECTOR - at % SECTOR).unwrap_or(frame.len());
    let zeros = |part: &[u8]| !part.is_empty() && part.iter().all(|byte| *byte == 0);
    let of_two = frame.split_at_checked(to_sector);
    let one_sector = of_two.is_some_and(|(before, after)| zeros(before) || zeros(after));
    one_sector || frame.ends_with(&[0; 4])
}
