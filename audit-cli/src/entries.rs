//! Reads the log's entries in order and holds every hash against the tiles.
//!
//! What always holds: entries are handed out only after their leaf hashes were found in the tiles
//! of level 0; every hash of every tile of the log is computed from the entries and compared; at
//! the end the root is the checkpoint's. What is held in memory is one bundle and one tile a level.

use crate::fault::{Failure, Fault};
use crate::source::Source;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::bundle::{BundleId, MAX_ENTRY};
use medanchor_ledger::merkle::tile::{FULL_WIDTH, Tile, TileId};
use medanchor_ledger::merkle::{Frontier, leaf_hash, root_of_leaves};
use medanchor_ledger::seal::EntryKind;
use medanchor_ledger::{Height, Index, Size, TreeHash};

pub(crate) const FULL: u64 = FULL_WIDTH as u64;
pub(crate) const MAX_TILE: u64 = FULL * 32;
pub(crate) const MAX_BUNDLE: u64 = FULL * (MAX_ENTRY as u64 + 2);

/// The entries of one bundle, in order.
pub(crate) type Bundle = Vec<Box<[u8]>>;

/// Reads a log's bundles and tiles from the first to the last.
pub(crate) struct Entries<'s> {
    source: &'s dyn Source,
    checkpoint: Checkpoint,
    frontier: Frontier,
    next: u64,
    /// The tile of each level above 0 that was compared last.
    tiles: Vec<Option<Tile>>,
}

impl<'s> Entries<'s> {
    pub(crate) fn new(source: &'s dyn Source, checkpoint: Checkpoint) -> Self {
        Self {
            source,
            checkpoint,
            frontier: Frontier::new(),
            next: 0,
            tiles: Vec::new(),
        }
    }

    /// The next bundle, or none after the last; `height` is the one that its first entry is of.
    pub(crate) fn next_bundle(&mut self, height: Height) -> Result<Option<Bundle>, Failure> {
        let mut entries = Vec::with_capacity(usize::from(FULL_WIDTH));
        let there = self.each_of_next(height, |entry| entries.push(entry.into()))?;
        Ok(there.then_some(entries))
    }

    /// Gives the entries of the next bundle to `each`, or says that there is none after the last;
    /// `height` is the one that its first entry is of. What `each` was given counts only if all of
    /// the bundle holds.
    pub(crate) fn each_of_next(
        &mut self,
        height: Height,
        each: impl FnMut(&[u8]),
    ) -> Result<bool, Failure> {
        let Some(id) = BundleId::at(self.next, self.checkpoint.size) else {
            return self.finish().map(|()| false);
        };
        let bytes = fetch(self.source, id)?;
        let tile = self.tile(0, self.next)?;
        self.compare(id, &bytes, &tile, height, each)?;
        self.append(&tile)?;
        self.next += 1;
        Ok(true)
    }

    fn finish(&self) -> Result<(), Failure> {
        let size = self.checkpoint.size;
        if self.frontier.size() == size && self.frontier.root() == self.checkpoint.root {
            return Ok(());
        }
        Err(Fault::Root { size }.into())
    }

    fn tile(&self, level: u8, index: u64) -> Result<Tile, Failure> {
        let missing = |path| Failure::from(Fault::Missing { path });
        let Some(id) = TileId::at(level, index, self.checkpoint.size) else {
            return Err(missing(format!("tile/{level}")));
        };
        let path = id.to_string();
        let found = match self.source.read(&path, MAX_TILE)? {
            Some(bytes) => Some(bytes),
            None if id.full() == id => None,
            None => self.source.read(&id.full().to_string(), MAX_TILE)?,
        };
        let bytes = found.ok_or_else(|| missing(path.clone()))?;
        Tile::decode(id, &bytes).map_err(|cause| Fault::TileShape { path, cause }.into())
    }

    /// Splits a bundle and compares each entry's hash with the tile's.
    fn compare(
        &self,
        id: BundleId,
        bytes: &[u8],
        tile: &Tile,
        mut height: Height,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Failure> {
        let mut rest = bytes;
        for (place, hash) in (0..).zip(tile.hashes()) {
            match take_entry(&mut rest) {
                Some(entry) if leaf_hash(entry) == *hash => {
                    each(entry);
                    if EntryKind::of(entry) == EntryKind::Seal {
                        height = height.next();
                    }
                }
                _ => return Err(self.judge(id, bytes, tile, place, height)),
            }
        }
        // The full bundle may stand in for a partial one; its later entries are not of this log.
        let stand_in = id.full() != id && skip_to_full(rest, tile.hashes().len());
        if rest.is_empty() || stand_in {
            return Ok(());
        }
        let last = Index(self.next * FULL + (tile.hashes().len() as u64).saturating_sub(1));
        Err(Fault::Trailing {
            path: id.to_string(),
            last,
        }
        .into())
    }

    /// An entry and its hash in the tile disagree: says which of them the log did not commit to.
    fn judge(
        &self,
        id: BundleId,
        bytes: &[u8],
        tile: &Tile,
        place: u64,
        height: Height,
    ) -> Failure {
        let index = Index(self.next * FULL + place);
        let mut rest = bytes;
        let mut hashes = Vec::new();
        while hashes.len() < tile.hashes().len()
            && let Some(entry) = take_entry(&mut rest)
        {
            hashes.push(leaf_hash(entry));
        }
        if hashes.len() == tile.hashes().len() && self.is_committed(&hashes) {
            let path = tile.id().to_string();
            return Fault::Tile {
                path,
                place,
                first: index,
                last: index,
            }
            .into();
        }
        Fault::Entry {
            index,
            path: id.to_string(),
            height,
        }
        .into()
    }

    /// Whether the log commits to these leaf hashes of the bundle that is being read.
    fn is_committed(&self, hashes: &[TreeHash]) -> bool {
        if hashes.len() as u64 == FULL
            && let Ok(above) = self.tile(1, self.next / FULL)
        {
            let at = usize::try_from(self.next % FULL).ok();
            let known = at.and_then(|at| above.hashes().get(at));
            return known == Some(&root_of_leaves(hashes.iter().copied()));
        }
        let mut frontier = self.frontier.clone();
        hashes.iter().for_each(|hash| frontier.append(*hash));
        frontier.size() == self.checkpoint.size && frontier.root() == self.checkpoint.root
    }

    /// Appends a tile's hashes and compares all that they complete with the tiles above.
    fn append(&mut self, tile: &Tile) -> Result<(), Failure> {
        let mut above = Vec::new();
        for hash in tile.hashes() {
            self.frontier.append_with(*hash, |level, index, hash| {
                if level > 0 && level % 8 == 0 {
                    above.push((level / 8, index, hash));
                }
            });
        }
        above
            .into_iter()
            .try_for_each(|(level, index, hash)| self.check_above(level, index, hash))
    }

    fn check_above(&mut self, level: u8, index: u64, hash: TreeHash) -> Result<(), Failure> {
        let slot = usize::from(level);
        if self.tiles.len() <= slot {
            self.tiles.resize(slot + 1, None);
        }
        let kept = self.tiles.get(slot).and_then(Option::as_ref);
        let tile = match kept.filter(|tile| tile.id().index() == index / FULL) {
            Some(tile) => tile.clone(),
            None => self.tile(level, index / FULL)?,
        };
        let place = index % FULL;
        let at = usize::try_from(place).ok();
        if at.and_then(|at| tile.hashes().get(at)) != Some(&hash) {
            let width = 1u64 << (u32::from(level) * 8);
            let (first, last) = (Index(index * width), Index((index + 1) * width - 1));
            return Err(Fault::Tile {
                path: tile.id().to_string(),
                place,
                first,
                last,
            }
            .into());
        }
        if let Some(slot) = self.tiles.get_mut(slot) {
            *slot = Some(tile);
        }
        Ok(())
    }
}

/// The bytes of a bundle: of the file of its width, or of the full one that replaced it.
pub(crate) fn fetch(source: &dyn Source, id: BundleId) -> Result<Vec<u8>, Failure> {
    let path = id.to_string();
    let found = match source.read(&path, MAX_BUNDLE)? {
        Some(bytes) => Some(bytes),
        None if id.full() == id => None,
        None => source.read(&id.full().to_string(), MAX_BUNDLE)?,
    };
    found.ok_or_else(|| Fault::Missing { path }.into())
}

/// Takes the next entry off a bundle's bytes.
pub(crate) fn take_entry<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *rest = after;
    Some(entry)
}

/// Whether exactly the entries are left that a full bundle has after the first `taken`.
fn skip_to_full(mut rest: &[u8], taken: usize) -> bool {
    let missing = usize::from(FULL_WIDTH).saturating_sub(taken);
    (0..missing).all(|_| take_entry(&mut rest).is_some()) && rest.is_empty()
}

/// The size of the log that was read so far, for progress.
impl Entries<'_> {
    pub(crate) const fn size(&self) -> Size {
        self.frontier.size()
    }
}
