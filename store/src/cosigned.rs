//! The cosignature records of one size, found in the file that holds those of all sizes.
//!
//! What always holds: records stand in the order of their sizes, so they are found by bisection:
//! some dozen reads of a few hundred bytes, however long the file is, and no index in memory or on
//! disk. A place in the middle of the file is taken for the start of a record only if two records,
//! or one and the end, follow each other from there. Nothing is judged here.

use crate::StoreError;
use crate::log::records::Records;
use medanchor_ledger::Size;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::validator::ValidatorSet;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A record with its length.
const LONGEST: usize = 4 + Cosignature::MAX_BYTES;

/// Room for two records from any place on.
const WINDOW: usize = 3 * LONGEST;

/// The most records of a size that are given: each validator's, twice.
const MOST: usize = 2 * ValidatorSet::MAX;

/// The records of `size` in the file at `path`; none if there are none or there is no file.
pub(crate) fn records_of(path: &Path, size: Size) -> Result<Vec<Cosignature>, StoreError> {
    let failed = |error| StoreError::io("read", path, error);
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(failed)?,
    };
    let (mut low, mut high) = (0, file.metadata().map_err(failed)?.len());
    while high - low > WINDOW as u64 {
        let middle = low + (high - low) / 2;
        match next_record(&file, middle).map_err(failed)? {
            Some((start, found)) if found < size && start < high => low = start,
            _ => high = middle,
        }
    }
    // What follows the last whole record is being written just now.
    let records = Records::open(path, low, Cosignature::MAX_BYTES)?.map_while(Result::ok);
    let records = records.map_while(|record| Cosignature::decode(&record).ok());
    let upwards = records.skip_while(|record| record.size < size);
    let of_size = upwards.take_while(|record| record.size == size);
    Ok(of_size.take(MOST).collect())
}

/// Where the first record at or after `place` starts, and its size.
fn next_record(file: &File, place: u64) -> std::io::Result<Option<(u64, Size)>> {
    let mut window = [0; WINDOW];
    let mut filled = 0;
    while let Some(rest) = window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, place + filled as u64)? {
            0 => break,
            more => filled += more,
        }
    }
    let window = window.get(..filled).unwrap_or_default();
    let ends = filled < WINDOW;
    let found = (0..filled.min(LONGEST)).find_map(|at| {
        let (record, rest) = split_record(window.get(at..)?)?;
        let goes_on = split_record(rest).is_some() || (rest.is_empty() && ends);
        goes_on.then_some((place + at as u64, record.size))
    });
    Ok(found)
}

fn split_record(bytes: &[u8]) -> Option<(Cosignature, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > Cosignature::MAX_BYTES {
        return None;
    }
    let (record, rest) = rest.split_at_checked(length)?;
    Some((Cosignature::decode(record).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::records::framed;
    use medanchor_ledger::TreeHash;
    use medanchor_ledger::signature::Signature;

    fn record(size: u64, validator: &str) -> Cosignature {
        Cosignature {
            size: Size(size),
            root: TreeHash::new([3; 32]),
            validator: validator.parse().unwrap(),
            // Zeros look like the first bytes of a length.
            log: Signature::new([0; 64]),
            seconds: 1_800_000_000 + size,
            cosigner: Signature::new([1; 64]),
            cose: size.is_multiple_of(2).then_some(Signature::new([0; 64])),
        }
    }

    fn file_of(sizes: impl Iterator<Item = u64>) -> tempfile::NamedTempFile {
        let names = ["clinic", "a-hospital-with-a-long-name", "state"];
        let mut bytes = Vec::new();
        for size in sizes {
            for name in names {
                bytes.extend(framed(&record(size, name).encode()).unwrap());
            }
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn every_size_is_found_with_all_its_records_and_no_other() {
        for count in [0, 1, 2, 3, 50, 1000] {
            let file = file_of((0..count).map(|n| n * 3 + 1));
            for size in 0..count * 3 + 3 {
                let found = records_of(file.path(), Size(size)).unwrap();
                let expected = if size % 3 == 1 && size < count * 3 {
                    3
                } else {
                    0
                };
                assert_eq!(found.len(), expected, "{size} of {count}");
                assert!(found.iter().all(|record| record.size == Size(size)));
            }
        }
    }

    #[test]
    fn a_torn_tail_hides_nothing_before_it() {
        let file = file_of(1..=40);
        let mut bytes = std::fs::read(file.path()).unwrap();
        bytes.truncate(bytes.len() - 7);
        std::fs::write(file.path(), bytes).unwrap();
        assert_eq!(records_of(file.path(), Size(39)).unwrap().len(), 3);
        assert_eq!(records_of(file.path(), Size(40)).unwrap().len(), 2);
    }

    #[test]
    fn bytes_that_are_no_records_end_the_search() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for noise in [vec![0; 100_000], vec![0xff; 100_000]] {
            std::fs::write(file.path(), noise).unwrap();
            assert_eq!(records_of(file.path(), Size(5)).unwrap(), []);
        }
        assert_eq!(
            records_of(Path::new("/nowhere/at/all"), Size(5)).unwrap(),
            []
        );
    }
}
