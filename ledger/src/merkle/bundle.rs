//! Entry bundles: up to 256 entries of the log in one file, each after its 16-bit length (C2SP
//! `tlog-tiles`, log entries).
//!
//! What always holds: a decoded bundle has exactly as many entries as its name says and not a
//! byte more.

use super::tile::{TileError, TileId, Width, parse_place, write_place};
use crate::Size;
use std::{fmt, str::FromStr};

/// One entry bundle of a log.
///
/// ```
/// # use medanchor_ledger::merkle::bundle::BundleId;
/// let bundle: BundleId = "tile/entries/x001/000.p/7".parse().unwrap();
/// assert_eq!((bundle.index(), bundle.width().get()), (1000, 7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId {
    index: u64,
    width: Width,
}

impl BundleId {
    /// The bundle `index` of a log of `size` entries, if it has one.
    #[must_use]
    pub fn at(index: u64, size: Size) -> Option<Self> {
        TileId::at(0, index, size).map(Self::beside)
    }

    /// The bundles that a log of `new` entries has and one of `old` entries had not, in order.
    pub fn grown(old: Size, new: Size) -> impl Iterator<Item = Self> {
        TileId::grown(old, new)
            .take_while(|tile| tile.level() == 0)
            .map(Self::beside)
    }

    /// The bundle of the entries whose hashes a tile of level 0 holds.
    const fn beside(tile: TileId) -> Self {
        Self {
            index: tile.index(),
            width: tile.width(),
        }
    }

    /// The place of the bundle; its first entry has index 256 times that.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many entries it has.
    #[must_use]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// The same bundle when it is full.
    #[must_use]
    pub const fn full(&self) -> Self {
        Self {
            width: Width::FULL,
            ..*self
        }
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/entries/")?;
        write_place(f, self.index, self.width)
    }
}

impl FromStr for BundleId {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let place = path.strip_prefix("tile/entries/").ok_or(TileError::Path)?;
        let (index, width) = parse_place(place)?;
        Ok(Self { index, width })
    }
}

/// The longest entry, in bytes.
pub const MAX_ENTRY: usize = 0xffff;

/// Appends an entry to a bundle's bytes.
///
/// # Errors
///
/// [`TileError::EntrySize`] above [`MAX_ENTRY`]; nothing is appended then.
pub fn append_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let length = u16::try_from(entry.len()).map_err(|_| TileError::EntrySize)?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads the entries of a bundle; they borrow its bytes. The bytes may also be those of the full
/// bundle that replaced a partial one: its first entries are given then.
///
/// # Errors
///
/// [`TileError::Length`] if there are fewer or more entries, or an entry is cut short.
pub fn read_entries(id: BundleId, bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(usize::from(id.width.get()));
    let mut rest = bytes;
    while !rest.is_empty() && entries.len() < usize::from(Width::FULL.get()) {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(TileError::Length)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(TileError::Length)?;
        entries.push(entry);
        rest = after;
    }
    let allowed = [id.width, Width::FULL].map(|width| usize::from(width.get()));
    if !rest.is_empty() || !allowed.contains(&entries.len()) {
        return Err(TileError::Length);
    }
    entries.truncate(usize::from(id.width.get()));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        entries
            .iter()
            .for_each(|entry| append_entry(&mut bytes, entry).unwrap());
        bytes
    }

    fn id(width: usize) -> BundleId {
        BundleId::at(0, Size(width as u64)).unwrap()
    }

    #[test]
    fn an_entry_too_long_for_its_length_is_refused() {
        let mut bytes = Vec::new();
        assert_eq!(
            append_entry(&mut bytes, &[0; 65536]),
            Err(TileError::EntrySize)
        );
        assert!(bytes.is_empty());
        append_entry(&mut bytes, &[0; 65535]).unwrap();
        assert_eq!(read_entries(id(1), &bytes).unwrap(), [&[0u8; 65535][..]]);
    }

    #[test]
    fn a_bundle_with_too_few_or_too_many_entries_is_refused() {
        let bytes = bundle(&[b"a".to_vec(), b"".to_vec(), b"c".to_vec()]);
        assert_eq!(read_entries(id(3), &bytes).unwrap(), [&b"a"[..], b"", b"c"]);
        for width in [1, 2, 4, 256] {
            assert_eq!(
                read_entries(id(width), &bytes),
                Err(TileError::Length),
                "{width}"
            );
        }
        let too_many = bundle(&vec![vec![1]; 257]);
        assert_eq!(read_entries(id(256), &too_many), Err(TileError::Length));
    }

    #[test]
    fn the_full_bundle_stands_in_for_a_partial_one() {
        let bytes = bundle(
            &(0..256u16)
                .map(|n| n.to_be_bytes().to_vec())
                .collect::<Vec<_>>(),
        );
        assert_eq!(read_entries(id(2), &bytes).unwrap(), [&[0, 0][..], &[0, 1]]);
    }

    #[test]
    fn every_truncation_of_a_bundle_is_refused() {
        let bytes = bundle(&[b"first".to_vec(), b"second".to_vec()]);
        for end in 0..bytes.len() {
            assert_eq!(
                read_entries(id(2), &bytes[..end]),
                Err(TileError::Length),
                "{end}"
            );
        }
    }

    #[test]
    fn growth_names_the_bundles_that_changed() {
        let paths: Vec<_> = BundleId::grown(Size(255), Size(513))
            .map(|b| b.to_string())
            .collect();
        assert_eq!(
            paths,
            [
                "tile/entries/000",
                "tile/entries/001",
                "tile/entries/002.p/1"
            ]
        );
        assert_eq!("tile/0/000".parse::<BundleId>(), Err(TileError::Path));
    }

    proptest! {
        #[test]
        fn entries_survive_their_bundle(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..=256)) {
            let bytes = bundle(&entries);
            let read = read_entries(id(entries.len()), &bytes).unwrap();
            prop_assert_eq!(read, entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), width in 1u64..=256) {
            let _ = read_entries(BundleId::at(0, Size(width)).unwrap(), &bytes);
        }
    }
}
