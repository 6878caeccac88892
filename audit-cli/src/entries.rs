//! The log's bundles, read and hashed on every core, held against the tiles in the log's order.
//!
//! What always holds: entries are handed out only after their leaf hashes were found in the tiles
//! of level 0; every hash of every tile of the log is computed from the entries and compared; at
//! the end the root is the checkpoint's. What is held in memory is a few bundles for each thread, and
//! one tile a level.

use crate::fault::{Failure, Fault};
use crate::pipeline::in_order;
use crate::source::Source;
use medanchor_ledger::block::MAX_ENTRY_BYTES;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::bundle::{BundleId, MAX_ENTRY};
use medanchor_ledger::merkle::tile::{FULL_WIDTH, Tile, TileId};
use medanchor_ledger::merkle::{Entry, Frontier, leaf_hash, root_of_leaves};
use medanchor_ledger::seal::EntryKind;
use medanchor_ledger::{Height, Index, TreeHash};
use std::ops::{ControlFlow, Range};

pub(crate) const FULL: u64 = FULL_WIDTH as u64;
pub(crate) const MAX_TILE: u64 = FULL * 32;
pub(crate) const MAX_BUNDLE: u64 = FULL * (MAX_ENTRY as u64 + 2);

/// The level of a full bundle's root in the tree.
const BUNDLE_LEVEL: u8 = 8;
/// Bundles that a thread takes at a time: enough that handing them over costs little.
const TAKEN: u64 = 4;

/// What is asked of a bundle beside that it holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// Its entries, up to the first that no block can hold: nobody has a use for more.
    Entries,
}

/// A bundle whose entries have the hashes that stand in its tile.
pub(crate) struct Bundle {
    /// In order; none if they were not asked for.
    pub(crate) entries: Vec<Entry>,
    subtree: Subtree,
    /// How many of its entries are seals.
    seals: u64,
}

impl Bundle {
    /// How many entries it has, whether they were kept or not.
    pub(crate) fn count(&self) -> u64 {
        match &self.subtree {
            Subtree::Full(_) => FULL,
            Subtree::Part(tile) => tile.hashes().len() as u64,
        }
    }
}

/// What a bundle adds to the tree.
enum Subtree {
    Full(TreeHash),
    Part(Tile),
}

/// Why a bundle is not handed out.
enum Unfit {
    Failure(Failure),
    Differs(Box<Difference>),
}

/// A bundle that disagrees with its tile, first at `place`.
struct Difference {
    id: BundleId,
    bytes: Vec<u8>,
    tile: Tile,
    place: usize,
}

impl<F: Into<Failure>> From<F> for Unfit {
    fn from(failure: F) -> Self {
        Self::Failure(failure.into())
    }
}

/// Reads the log of `checkpoint` on `workers` threads and gives its bundles to `each`, in order, until
/// that has seen enough. An end that is good says that the root is the checkpoint's too.
pub(crate) fn each_bundle(
    source: &dyn Source,
    checkpoint: &Checkpoint,
    workers: usize,
    keep: Keep,
    mut each: impl FnMut(Bundle) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let files = Files { source, checkpoint };
    let mut tree = Tree::new(&files);
    let count = checkpoint.size.0.div_ceil(FULL);
    let mut jobs = (0..count)
        .step_by(TAKEN as usize)
        .map(|first| first..count.min(first + TAKEN));
    let mut stopped = false;
    in_order(
        move || Ok(jobs.next()),
        workers,
        |job| files.bundles(job, keep),
        |bundles| {
            for bundle in bundles {
                if each(tree.accept(bundle)?)?.is_break() {
                    stopped = true;
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    if stopped { Ok(()) } else { tree.finish() }
}

/// The files of the log, to be read by any thread.
struct Files<'s> {
    source: &'s dyn Source,
    checkpoint: &'s Checkpoint,
}

impl Files<'_> {
    /// Some bundles in order, the last of them the first that is not fit.
    fn bundles(&self, indexes: Range<u64>, keep: Keep) -> Vec<Result<Bundle, Unfit>> {
        let mut bundles = Vec::with_capacity(TAKEN as usize);
        for index in indexes {
            let bundle = self.bundle(index, keep);
            let ended = bundle.is_err();
            bundles.push(bundle);
            if ended {
                break;
            }
        }
        bundles
    }

    /// Reads a bundle and compares each entry's hash with that in its tile.
    fn bundle(&self, index: u64, keep: Keep) -> Result<Bundle, Unfit> {
        let size = self.checkpoint.size;
        let id = BundleId::at(index, size).ok_or(Fault::Root { size })?;
        let bytes = fetch(self.source, id)?;
        let tile = self.tile(0, index)?;
        let (mut rest, mut entries, mut seals) = (&*bytes, Vec::new(), 0);
        if keep == Keep::Entries {
            entries.reserve_exact(tile.hashes().len());
        }
        let mut keeps = keep == Keep::Entries;
        for (place, hash) in tile.hashes().iter().enumerate() {
            let entry = take_entry(&mut rest);
            let found = entry.map(|entry| {
                seals += u64::from(EntryKind::of(entry) == EntryKind::Seal);
                if !keeps {
                    return leaf_hash(entry);
                }
                keeps = entry.len() <= MAX_ENTRY_BYTES;
                let entry = Entry::new(entry.into());
                let hash = entry.hash();
                entries.push(entry);
                hash
            });
            if found != Some(*hash) {
                let difference = Difference {
                    id,
                    bytes,
                    tile,
                    place,
                };
                return Err(Unfit::Differs(Box::new(difference)));
            }
        }
        // The full bundle may stand in for a partial one; its later entries are not of this log.
        let stand_in = id.full() != id && skip_to_full(rest, tile.hashes().len());
        if !rest.is_empty() && !stand_in {
            let path = id.to_string();
            let last = Index(index * FULL + (tile.hashes().len() as u64).saturating_sub(1));
            return Err(Fault::Trailing { path, last }.into());
        }
        let subtree = match id.full() == id {
            true => Subtree::Full(root_of_leaves(tile.hashes().iter().copied())),
            false => Subtree::Part(tile),
        };
        Ok(Bundle {
            entries,
            subtree,
            seals,
        })
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
}

/// What the bundles so far make of the tree.
struct Tree<'s> {
    files: &'s Files<'s>,
    frontier: Frontier,
    /// The height of the next entry.
    height: Height,
    /// The tile of each level above 0 that was compared last.
    tiles: Vec<Option<Tile>>,
}

impl<'s> Tree<'s> {
    const fn new(files: &'s Files<'s>) -> Self {
        Self {
            files,
            frontier: Frontier::new(),
            height: Height(0),
            tiles: Vec::new(),
        }
    }

    /// Appends the next bundle and compares all hashes that it completes with the tiles above.
    fn accept(&mut self, bundle: Result<Bundle, Unfit>) -> Result<Bundle, Failure> {
        let bundle = bundle.map_err(|unfit| match unfit {
            Unfit::Failure(failure) => failure,
            Unfit::Differs(difference) => self.judge(&difference),
        })?;
        let mut above = Vec::new();
        let mut completed = |level, index, hash| {
            if level > 0 && level % 8 == 0 {
                above.push((level / 8, index, hash));
            }
        };
        match &bundle.subtree {
            Subtree::Full(root) => {
                // Only the last bundle is a part of one, so that all begin at a multiple of their size.
                let size = self.files.checkpoint.size;
                let appended = self.frontier.append_subtree(BUNDLE_LEVEL, *root, completed);
                appended.map_err(|_| Fault::Root { size })?;
            }
            Subtree::Part(tile) => {
                for hash in tile.hashes() {
                    self.frontier.append_with(*hash, &mut completed);
                }
            }
        }
        for (level, index, hash) in above {
            self.check_above(level, index, hash)?;
        }
        self.height = Height(self.height.0.saturating_add(bundle.seals));
        Ok(bundle)
    }

    fn finish(&self) -> Result<(), Failure> {
        let Checkpoint { size, root, .. } = self.files.checkpoint;
        if self.frontier.size() == *size && self.frontier.root() == *root {
            return Ok(());
        }
        Err(Fault::Root { size: *size }.into())
    }

    /// An entry and its hash in the tile disagree: says which of them the log did not commit to.
    fn judge(&self, difference: &Difference) -> Failure {
        let Difference {
            id,
            bytes,
            tile,
            place,
        } = difference;
        let (mut rest, mut hashes) = (&**bytes, Vec::new());
        let mut height = self.height;
        while hashes.len() < tile.hashes().len()
            && let Some(entry) = take_entry(&mut rest)
        {
            if hashes.len() < *place && EntryKind::of(entry) == EntryKind::Seal {
                height = height.next();
            }
            hashes.push(leaf_hash(entry));
        }
        let place = *place as u64;
        let index = Index(id.index() * FULL + place);
        if hashes.len() == tile.hashes().len() && self.is_committed(id, &hashes) {
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

    /// Whether the log commits to these leaf hashes of the bundle after those that were accepted.
    fn is_committed(&self, id: &BundleId, hashes: &[TreeHash]) -> bool {
        if hashes.len() as u64 == FULL
            && let Ok(above) = self.files.tile(1, id.index() / FULL)
        {
            let at = usize::try_from(id.index() % FULL).ok();
            let known = at.and_then(|at| above.hashes().get(at));
            return known == Some(&root_of_leaves(hashes.iter().copied()));
        }
        let mut frontier = self.frontier.clone();
        hashes.iter().for_each(|hash| frontier.append(*hash));
        let Checkpoint { size, root, .. } = self.files.checkpoint;
        frontier.size() == *size && frontier.root() == *root
    }

    fn check_above(&mut self, level: u8, index: u64, hash: TreeHash) -> Result<(), Failure> {
        let slot = usize::from(level);
        if self.tiles.len() <= slot {
            self.tiles.resize(slot + 1, None);
        }
        let kept = self.tiles.get_mut(slot).and_then(Option::take);
        let tile = match kept.filter(|tile| tile.id().index() == index / FULL) {
            Some(tile) => tile,
            None => self.files.tile(level, index / FULL)?,
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
