//! The file of one range of the log.

use crate::StoreError;
use medanchor_ledger::state::Path as KeyPath;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The most entries of a range: their places fit 16 bits.
pub(super) const MAX_RANGE: u64 = 1 << 16;
/// Bytes of a row.
const ROW: usize = 10;
/// Rows that are read at once: paths are hashes, so that a row stands near its share of the file.
const WINDOW: u64 = 512;

/// One event that moved a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    /// First 8 bytes of the path of the tag's state key.
    pub(super) path: u64,
    /// Where in the range.
    pub(super) place: u16,
}

impl Row {
    fn read(bytes: &[u8; ROW]) -> Self {
        let (path, place) = bytes.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        Self {
            path: number(path),
            // Two bytes fit 16 bits.
            place: u16::try_from(number(place)).unwrap_or(u16::MAX),
        }
    }
}

/// The first 8 bytes of a path.
pub(super) fn short(path: &KeyPath) -> u64 {
    let first = path.as_bytes().first_chunk::<8>().copied();
    u64::from_be_bytes(first.unwrap_or_default())
}

pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}"))
}

/// Rows in ascending order, as a file.
pub(super) fn encode(rows: &[Row]) -> Vec<u8> {
    let bytes = |row: &Row| [&row.path.to_be_bytes()[..], &row.place.to_be_bytes()].concat();
    rows.iter().flat_map(bytes).collect()
}

/// Whether the file is there; it is renamed into place when it is whole.
pub(super) fn is_whole(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len().is_multiple_of(ROW as u64))
}

/// The places of one path in the range, ascending.
pub(super) fn find(path: &Path, wanted: u64) -> Result<Vec<u16>, StoreError> {
    let failed = |error| StoreError::io("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let count = file.metadata().map_err(failed)?.len() / ROW as u64;
    let read = |first: u64, rows: u64| {
        // At most two windows, or what is asked for after them.
        let mut bytes = vec![0; usize::try_from(rows).unwrap_or_default() * ROW];
        file.read_exact_at(&mut bytes, first * ROW as u64)
            .map_err(failed)?;
        let rows = bytes.as_chunks::<ROW>().0.iter().map(Row::read);
        Ok::<Vec<Row>, StoreError>(rows.collect())
    };
    let mut next = first_window(count, wanted);
    // Back until a row before the wanted ones is read, or the beginning.
    while next > 0 && read(next, 1)?.first().is_some_and(|row| row.path >= wanted) {
        next = next.saturating_sub(WINDOW);
    }
    let mut places = Vec::new();
    while next < count {
        let rows = read(next, WINDOW.min(count - next))?;
        next += rows.len() as u64;
        let ours = rows.iter().filter(|row| row.path == wanted);
        places.extend(ours.map(|row| row.place));
        if rows.last().is_none_or(|row| row.path > wanted) {
            break;
        }
    }
    Ok(places)
}

/// A little before where the path's share of the rows says that it stands.
fn first_window(count: u64, wanted: u64) -> u64 {
    let share = (u128::from(wanted) * u128::from(count)) >> 64;
    // Less than the count, which fits.
    u64::try_from(share)
        .unwrap_or_default()
        .saturating_sub(WINDOW / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(mut rows: Vec<Row>, wanted: u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), 7);
        rows.sort_unstable();
        std::fs::write(&path, encode(&rows)).unwrap();
        assert!(is_whole(&path));
        let ours = rows.iter().filter(|row| row.path == wanted);
        let expected: Vec<u16> = ours.map(|row| row.place).collect();
        assert_eq!(find(&path, wanted).unwrap(), expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_there_is_found(paths in prop::collection::vec(prop_oneof![any::<u64>(), 0..4u64, Just(u64::MAX)], 0..3000), pick: prop::sample::Index) {
            let rows: Vec<_> = (0u16..).zip(&paths).map(|(place, path)| Row { path: *path, place }).collect();
            let wanted = paths.get(pick.index(paths.len().max(1))).copied().unwrap_or(3);
            check(rows, wanted);
        }
    }

    #[test]
    fn a_tag_that_fills_the_range_is_found_whole() {
        let row = |place| Row {
            path: 1 << 40,
            place,
        };
        check((0..u16::MAX).map(row).collect(), 1 << 40);
    }
}
