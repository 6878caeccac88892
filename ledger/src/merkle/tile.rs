//! Tiles: the Merkle tree as files of up to 256 hashes (C2SP `tlog-tiles`).
//!
//! What always holds: tile level L holds nodes of tree level 8L; a tile of a tree is full or it
//! is the rightmost of its level; a path names exactly one tile and a tile has exactly one path;
//! a tile's bytes are exactly 32 for each hash of its width.

use super::tree::{NodeReader, root_of_leaves};
use crate::{ReadFailed, Size, TreeHash};
use std::{fmt, io, str::FromStr};

/// Hashes, or entries, that a full tile or bundle holds.
pub const FULL_WIDTH: u16 = 256;

/// A path or bytes that are not a tile or a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// The path is not one that C2SP tlog-tiles defines.
    #[error(
        "not a tile path; use tile/<level or entries>/<index in groups of three digits>[.p/<1 to 255>]"
    )]
    Path,
    /// The width is not 1 to 256, or the level above 63, or the index beyond every log.
    #[error("no log has such a tile; ask for a level up to 63 and a width of 1 to 256")]
    Range,
    /// The bytes have another length than the width demands.
    #[error("a tile of this width has another length; fetch it again")]
    Length,
    /// An entry is longer than its 16-bit length can say.
    #[error("an entry of a bundle has at most 65535 bytes; split the payload from the entry")]
    EntrySize,
}

/// The width of a tile: 1 to 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Width(u16);

impl Width {
    /// The width of a full tile.
    pub const FULL: Self = Self(FULL_WIDTH);

    /// A width of 1 to 256.
    ///
    /// # Errors
    ///
    /// [`TileError::Range`] for any other number.
    pub fn new(width: u16) -> Result<Self, TileError> {
        if (1..=FULL_WIDTH).contains(&width) {
            Ok(Self(width))
        } else {
            Err(TileError::Range)
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// How many hashes the tile at `index` has when its level has `nodes` of them, if any.
    pub(super) fn within(index: u64, nodes: u64) -> Option<Self> {
        let here = nodes.checked_sub(index.checked_mul(u64::from(FULL_WIDTH))?)?;
        Self::new(u16::try_from(here.min(u64::from(FULL_WIDTH))).ok()?).ok()
    }
}

/// One tile of hashes.
///
/// ```
/// # use medanchor_ledger::merkle::tile::TileId;
/// let tile: TileId = "tile/1/x001/x234/067.p/8".parse().unwrap();
/// assert_eq!((tile.level(), tile.index(), tile.width().get()), (1, 1_234_067, 8));
/// assert_eq!(tile.to_string(), "tile/1/x001/x234/067.p/8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
    width: Width,
}

impl TileId {
    /// The highest tile level; logs of 2^64 entries reach level 7.
    pub const MAX_LEVEL: u8 = 63;

    /// The tile `index` of a level at a width.
    ///
    /// # Errors
    ///
    /// [`TileError::Range`] for a level above 63 or an index that no log reaches.
    pub fn new(level: u8, index: u64, width: Width) -> Result<Self, TileError> {
        if level > Self::MAX_LEVEL || index >= MAX_INDEX {
            return Err(TileError::Range);
        }
        Ok(Self {
            level,
            index,
            width,
        })
    }

    /// The tile level: its hashes are nodes of tree level `8 * level`.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The place of the tile in its level.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes it has.
    #[must_use]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// The same tile when it is full: what may be fetched once a partial one is gone.
    #[must_use]
    pub const fn full(&self) -> Self {
        Self {
            width: Width::FULL,
            ..*self
        }
    }

    /// The tile at `level` and `index` of a log of `size` entries, if it has one.
    #[must_use]
    pub fn at(level: u8, index: u64, size: Size) -> Option<Self> {
        let nodes = size.0.checked_shr(u32::from(level) * 8).unwrap_or(0);
        Self::new(level, index, Width::within(index, nodes)?).ok()
    }

    /// The tiles that a log of `new` entries has and one of `old` entries had not, lowest level
    /// first, each once and at its final width. From 0, all tiles of the log.
    pub fn grown(old: Size, new: Size) -> impl Iterator<Item = Self> {
        (0..8u8).flat_map(move |level| {
            let (had, has) = (old.0 >> (level * 8), new.0 >> (level * 8));
            let tiles = if has > had {
                had / 256..has.div_ceil(256)
            } else {
                0..0
            };
            tiles.filter_map(move |index| Self::at(level, index, new))
        })
    }
}

/// Indexes from here on are beyond a log of 2^64 entries.
pub(super) const MAX_INDEX: u64 = 1 << 56;

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        write_place(f, self.index, self.width)
    }
}

impl FromStr for TileId {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let rest = path.strip_prefix("tile/").ok_or(TileError::Path)?;
        let (level, place) = rest.split_once('/').ok_or(TileError::Path)?;
        let (index, width) = parse_place(place)?;
        Self::new(parse_number(level).ok_or(TileError::Path)?, index, width)
    }
}

/// Writes `x001/x234/067` and, for a partial tile, `.p/8`.
pub(super) fn write_place(f: &mut fmt::Formatter<'_>, index: u64, width: Width) -> fmt::Result {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    while let Some(group) = groups.pop() {
        let (mark, end) = if groups.is_empty() {
            ("", "")
        } else {
            ("x", "/")
        };
        write!(f, "{mark}{group:03}{end}")?;
    }
    if width == Width::FULL {
        Ok(())
    } else {
        write!(f, ".p/{}", width.0)
    }
}

/// Reads what [`write_place`] wrote, and nothing else.
pub(super) fn parse_place(place: &str) -> Result<(u64, Width), TileError> {
    let (path, width) = match place.split_once(".p/") {
        Some((path, width)) => {
            let width = parse_number(width).filter(|width| (1..FULL_WIDTH).contains(width));
            (path, Width::new(width.ok_or(TileError::Path)?)?)
        }
        None => (place, Width::FULL),
    };
    let index = parse_index(path).ok_or(TileError::Path)?;
    if index < MAX_INDEX {
        Ok((index, width))
    } else {
        Err(TileError::Range)
    }
}

fn parse_index(path: &str) -> Option<u64> {
    let (mut index, mut groups) = (0u64, path.split('/').peekable());
    // The first of several groups cannot be 000: the index would have a shorter path.
    if groups.peek() == Some(&"x000") {
        return None;
    }
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() {
            group.strip_prefix('x')?
        } else {
            group
        };
        if digits.len() != 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some(index)
}

/// A decimal number without leading zeros or sign.
fn parse_number<T: FromStr + ToString>(text: &str) -> Option<T> {
    text.parse()
        .ok()
        .filter(|number: &T| number.to_string() == text)
}

/// A tile with its hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    id: TileId,
    hashes: Box<[TreeHash]>,
}

impl Tile {
    /// Reads the bytes of a tile; they may be those of a wider tile of the same place, as when a
    /// partial tile was replaced by the full one.
    ///
    /// # Errors
    ///
    /// [`TileError::Length`] unless the bytes are 32 for each hash of that width, or the full one.
    pub fn decode(id: TileId, bytes: &[u8]) -> Result<Self, TileError> {
        let (chunks, rest) = bytes.as_chunks::<32>();
        let allowed = [id.width, Width::FULL].map(|width| usize::from(width.0));
        if !rest.is_empty() || !allowed.contains(&chunks.len()) {
            return Err(TileError::Length);
        }
        let hashes = chunks.iter().take(usize::from(id.width.0));
        Ok(Self {
            id,
            hashes: hashes.copied().map(TreeHash::new).collect(),
        })
    }

    /// The hashes of a tile, from the complete subtrees that a store keeps.
    ///
    /// # Errors
    ///
    /// [`ReadFailed`] if one of them cannot be read.
    pub fn read(id: TileId, nodes: &impl NodeReader) -> Result<Self, ReadFailed> {
        let first = id.index * u64::from(FULL_WIDTH);
        let level = id.level.saturating_mul(8);
        let places = first..first + u64::from(id.width.0);
        let hashes: Result<_, _> = places.map(|place| nodes.node(level, place)).collect();
        Ok(Self {
            id,
            hashes: hashes?,
        })
    }

    /// Which tile this is.
    #[must_use]
    pub const fn id(&self) -> TileId {
        self.id
    }

    /// Its hashes.
    #[must_use]
    pub const fn hashes(&self) -> &[TreeHash] {
        &self.hashes
    }

    /// Its bytes: the hashes, one after the other.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.hashes
            .iter()
            .flat_map(|hash| *hash.as_bytes())
            .collect()
    }
}

/// Where tiles can be read from.
pub trait TileReader {
    /// The tile of exactly that width.
    ///
    /// # Errors
    ///
    /// [`ReadFailed`] if it is missing or damaged.
    fn tile(&self, id: TileId) -> Result<Tile, ReadFailed>;
}

/// The nodes of a log of `size` entries, read from its tiles. It keeps nothing: a reader that
/// proves much keeps its tiles itself.
#[derive(Clone, Copy, Debug)]
pub struct TileNodes<R> {
    tiles: R,
    size: Size,
}

impl<R: TileReader> TileNodes<R> {
    /// The nodes of the log of `size` entries.
    pub const fn new(tiles: R, size: Size) -> Self {
        Self { tiles, size }
    }
}

impl<R: TileReader> NodeReader for TileNodes<R> {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        let missing = || ReadFailed(io::Error::from(io::ErrorKind::NotFound).into());
        let (id, hashes) = locate(level, index, self.size).ok_or_else(missing)?;
        let tile = self.tiles.tile(id)?;
        let hashes = tile.hashes.get(hashes).ok_or_else(missing)?;
        Ok(root_of_leaves(hashes.iter().copied()))
    }
}

/// The tile of a log of `size` entries in which a node stands, and the hashes there that join
/// into it.
fn locate(level: u8, index: u64, size: Size) -> Option<(TileId, std::ops::Range<usize>)> {
    let count = 1u64 << (level % 8);
    let first = index.checked_mul(count)?;
    let id = TileId::at(level / 8, first / 256, size)?;
    let start = usize::try_from(first % 256).ok()?;
    Some((id, start..start + usize::try_from(count).ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Leaves, leaf_hash};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_log_of_70000_entries_has_the_tiles_of_the_specification() {
        let tiles: Vec<_> = TileId::grown(Size(0), Size(70_000)).collect();
        let full = |level| {
            tiles
                .iter()
                .filter(move |t| t.level == level && t.width == Width::FULL)
        };
        assert_eq!((full(0).count(), full(1).count()), (273, 1));
        let partial: Vec<_> = tiles.iter().filter(|t| t.width != Width::FULL).collect();
        let partial: Vec<_> = partial.iter().map(|t| (t.level, t.width.get())).collect();
        assert_eq!(partial, [(0, 112), (1, 17), (2, 1)]);
    }

    #[test]
    fn growth_names_only_what_changed() {
        let paths = |old, new| {
            TileId::grown(Size(old), Size(new))
                .map(|t| t.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(paths(255, 256), ["tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(paths(256, 257), ["tile/0/001.p/1"]);
        assert_eq!(
            paths(250, 513),
            [
                "tile/0/000",
                "tile/0/001",
                "tile/0/002.p/1",
                "tile/1/000.p/2"
            ]
        );
        assert!(paths(70_000, 70_000).is_empty());
    }

    #[test]
    fn a_path_that_is_not_the_only_one_is_refused() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/000/001",
            "tile/0/x00/001",
            "tile/0/001/x002",
            "/tile/0/000",
            "tile/00/000",
            "tile/+1/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1.p/1",
            "tile/0/-01",
            "tile/0/000/",
            "tile/256/000",
            "tile/entries/000",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
            "tile/0/\u{661}00",
        ] {
            assert_eq!(path.parse::<TileId>(), Err(TileError::Path), "{path}");
        }
        assert_eq!("tile/64/000".parse::<TileId>(), Err(TileError::Range));
        assert_eq!(
            "tile/0/x999/x999/x999/x999/x999/999".parse::<TileId>(),
            Err(TileError::Range)
        );
    }

    #[test]
    fn a_tile_of_another_length_is_refused() {
        let id: TileId = "tile/0/000.p/3".parse().unwrap();
        for length in [0, 32, 95, 97, 128, 8191, 8193] {
            assert_eq!(
                Tile::decode(id, &vec![0; length]),
                Err(TileError::Length),
                "{length}"
            );
        }
        assert_eq!(Tile::decode(id, &[0; 96]).unwrap().hashes().len(), 3);
        assert_eq!(Tile::decode(id, &[0; 8192]).unwrap().hashes().len(), 3);
    }

    struct FromLeaves<'a>(Leaves<'a>);

    impl TileReader for FromLeaves<'_> {
        fn tile(&self, id: TileId) -> Result<Tile, ReadFailed> {
            Tile::read(id, &self.0)
        }
    }

    #[test]
    fn nodes_read_from_tiles_are_those_of_the_tree() {
        let leaves: Vec<_> = (0..600u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let tree = Leaves(&leaves);
        let tiles = TileNodes::new(FromLeaves(tree), Size(600));
        for level in 0..10u8 {
            for index in 0..600 >> level {
                assert_eq!(
                    tiles.node(level, index).unwrap(),
                    tree.node(level, index).unwrap()
                );
            }
            assert!(tiles.node(level, 600 >> level).is_err());
        }
        assert!(tiles.node(255, u64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn a_tile_survives_its_path(level in 0u8..64, index in 0..MAX_INDEX, width in 1u16..=256) {
            let tile = TileId::new(level, index, Width::new(width).unwrap()).unwrap();
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn an_accepted_path_is_the_only_one(path in "tile/[0-9]{1,2}/(x[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
            if let Ok(tile) = path.parse::<TileId>() {
                prop_assert_eq!(tile.to_string(), path);
            }
        }
    }
}
