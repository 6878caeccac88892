//! Fetches tiles and bundles from the root downwards, on a few threads.
//!
//! What always holds: the rightmost tiles together lead to the signed root; every other tile leads to
//! a hash of the tile above it, and every entry to a hash of its tile, before it is renamed into
//! place. A file that is in place already counts only if it does the same. What is held in memory is
//! a tile and a bundle a thread.

use super::folder::Folder;
use super::remote::Remote;
use crate::entries::{FULL, MAX_BUNDLE, MAX_TILE};
use crate::fault::{Failure, Fault, Trouble};
use crate::source::Source;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::bundle::{BundleId, append_entry, read_entries};
use medanchor_ledger::merkle::tile::{FULL_WIDTH, Tile, TileId, TileNodes, TileReader};
use medanchor_ledger::merkle::{leaf_hash, root_at, root_of_leaves};
use medanchor_ledger::{Index, ReadFailed, Size, TreeHash};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The highest level of tiles that a log of 2^64 entries has.
const TOP_LEVEL: u8 = 7;

/// The partial tiles at the right edge of a log, one a level at most.
pub(crate) struct Edges(Vec<Tile>);

impl TileReader for &Edges {
    fn tile(&self, id: TileId) -> Result<Tile, ReadFailed> {
        let tile = self.0.iter().find(|tile| tile.id() == id);
        tile.cloned()
            .ok_or_else(|| ReadFailed(format!("{id} is not at the edge").into()))
    }
}

/// Fetches the rightmost tiles of a log and checks that they lead to its root.
pub(crate) fn edges(remote: &Remote, head: &Checkpoint) -> Result<Edges, Failure> {
    remote.attempt(|| {
        let mut tiles = Vec::new();
        for level in 0..=TOP_LEVEL {
            let last = (head.size.0 >> (u32::from(level) * 8)) / FULL;
            let id = TileId::at(level, last, head.size);
            if let Some(id) = id.filter(|id| id.full() != *id) {
                tiles.push(read_tile(&*remote.source, id)?);
            }
        }
        let edges = Edges(tiles);
        let root = root_at(&TileNodes::new(&edges, head.size), head.size);
        if root.is_ok_and(|root| root == head.root) {
            return Ok(edges);
        }
        Err(Fault::Root { size: head.size }.into())
    })
}

fn read_tile(source: &dyn Source, id: TileId) -> Result<Tile, Failure> {
    let path = id.to_string();
    let found = match source.read(&path, MAX_TILE)? {
        Some(bytes) => Some(bytes),
        None => source.read(&id.full().to_string(), MAX_TILE)?,
    };
    let missing = || Fault::Missing { path: path.clone() };
    decode_tile(id, &found.ok_or_else(missing)?).map_err(Into::into)
}

fn decode_tile(id: TileId, bytes: &[u8]) -> Result<Tile, Fault> {
    let path = id.to_string();
    Tile::decode(id, bytes).map_err(|cause| Fault::TileShape { path, cause })
}

/// What was fetched.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) files: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// A log on its way into the folder of a mirror.
pub(crate) struct Tree<'m> {
    pub(crate) remote: &'m Remote,
    pub(crate) folder: &'m Folder,
    pub(crate) edges: &'m Edges,
    /// The size of the log that the mirror has whole.
    pub(crate) old: Size,
    pub(crate) new: Size,
    pub(crate) fetched: &'m Fetched,
}

impl Tree<'_> {
    /// Fetches all that the larger log has and the smaller one had not, the highest tiles first.
    /// `tick` is told how many entries have come.
    pub(crate) fn fetch(&self, threads: usize, tick: &(dyn Fn(u64) + Sync)) -> Result<(), Failure> {
        for level in (0..=TOP_LEVEL).rev() {
            let tiles = TileId::grown(self.old, self.new).filter(|id| id.level() == level);
            self.each(tiles, threads, |id| {
                self.take(id)?;
                tick(if level == 0 {
                    u64::from(id.width().get())
                } else {
                    0
                });
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Drops the partial files that full ones have replaced.
    pub(crate) fn drop_partials(&self) {
        let full = TileId::grown(self.old, self.new).filter(|id| id.full() == *id);
        for id in full {
            self.folder.drop_partials(&id.to_string());
            if let Some(bundle) = bundle_of(id, self.new) {
                self.folder.drop_partials(&bundle.to_string());
            }
        }
    }

    /// Does `work` for every tile on some threads; the first failure ends all.
    fn each(
        &self,
        tiles: impl Iterator<Item = TileId> + Send,
        threads: usize,
        work: impl Fn(TileId) -> Result<(), Failure> + Sync,
    ) -> Result<(), Failure> {
        let (tiles, ended) = (Mutex::new(tiles), AtomicBool::new(false));
        let failure: Mutex<Option<Failure>> = Mutex::new(None);
        let next = || {
            let mut tiles = tiles.lock().unwrap_or_else(PoisonError::into_inner);
            (!ended.load(Ordering::Relaxed)).then(|| tiles.next())?
        };
        let run = || {
            while let Some(id) = next() {
                let done = match self.remote.stop.is_set() {
                    true => Err(Trouble::Stopped.into()),
                    false => work(id),
                };
                if let Err(error) = done {
                    ended.store(true, Ordering::Relaxed);
                    let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert(error);
                }
            }
        };
        let panicked = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(run)).collect();
            let joined = workers.into_iter().map(|worker| worker.join().is_err());
            joined.fold(false, |panicked, lost| panicked | lost)
        });
        if panicked {
            return Err(Trouble::Panicked.into());
        }
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), Err)
    }

    /// A tile, and its bundle if it is of level 0, in place and right.
    fn take(&self, id: TileId) -> Result<(), Failure> {
        let tile = match self.edges.0.iter().find(|tile| tile.id() == id) {
            Some(tile) => {
                self.write(&id.to_string(), &tile.encode())?;
                tile.clone()
            }
            None => self.full_tile(id)?,
        };
        match bundle_of(id, self.new) {
            Some(bundle) => self.bundle(bundle, &tile),
            None => Ok(()),
        }
    }

    fn full_tile(&self, id: TileId) -> Result<Tile, Failure> {
        let wanted = self.above(id)?;
        let leads = |tile: &Tile| root_of_leaves(tile.hashes().iter().copied()) == wanted;
        if let Some(tile) = self.folder.tile(id)?.filter(leads) {
            return Ok(tile);
        }
        let path = id.to_string();
        let tile = self.remote.file(&path, &path, MAX_TILE, |bytes| {
            let tile = decode_tile(id, bytes)?;
            if leads(&tile) {
                Ok(tile)
            } else {
                Err(wrong_tile(id))
            }
        })?;
        self.write(&path, &tile.encode())?;
        Ok(tile)
    }

    /// What the tile above says of a full tile.
    fn above(&self, id: TileId) -> Result<TreeHash, Failure> {
        let missing = || Fault::Missing {
            path: format!("the tile above {id}"),
        };
        let above = TileId::at(id.level() + 1, id.index() / FULL, self.new);
        let tile = self.folder.tile(above.ok_or_else(missing)?)?;
        let place = usize::try_from(id.index() % FULL).unwrap_or(usize::MAX);
        let hash = tile.as_ref().and_then(|tile| tile.hashes().get(place));
        Ok(*hash.ok_or_else(missing)?)
    }

    fn bundle(&self, id: BundleId, tile: &Tile) -> Result<(), Failure> {
        let path = id.to_string();
        let in_place = self.folder.log().read(&path, MAX_BUNDLE)?;
        if in_place
            .is_some_and(|bytes| exact_bundle(id, &bytes, tile).is_ok_and(|exact| exact == bytes))
        {
            return Ok(());
        }
        let full = id.full().to_string();
        let bytes = self.remote.file(&path, &full, MAX_BUNDLE, |bytes| {
            exact_bundle(id, bytes, tile)
        })?;
        self.write(&path, &bytes)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.folder.write(path, bytes)?;
        self.fetched.files.fetch_add(1, Ordering::Relaxed);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.fetched.bytes.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }
}

/// The bundle of the entries whose hashes a tile of level 0 holds.
fn bundle_of(id: TileId, size: Size) -> Option<BundleId> {
    (id.level() == 0).then(|| BundleId::at(id.index(), size))?
}

/// The bytes of a bundle of exactly the entries that its name says and its tile's hashes commit to.
fn exact_bundle(id: BundleId, bytes: &[u8], tile: &Tile) -> Result<Vec<u8>, Fault> {
    let path = id.to_string();
    let shape = |cause| Fault::TileShape {
        path: path.clone(),
        cause,
    };
    let entries = read_entries(id, bytes).map_err(shape)?;
    let mut exact = Vec::with_capacity(bytes.len());
    for (place, (entry, hash)) in (0..).zip(entries.iter().zip(tile.hashes())) {
        if leaf_hash(entry) != *hash {
            return Err(Fault::Differs {
                path,
                index: Index(id.index().saturating_mul(FULL).saturating_add(place)),
            });
        }
        append_entry(&mut exact, entry).map_err(shape)?;
    }
    Ok(exact)
}

fn wrong_tile(id: TileId) -> Fault {
    let width = 1u64
        .checked_shl(u32::from(id.level()) * 8)
        .unwrap_or(u64::MAX)
        .saturating_mul(u64::from(FULL_WIDTH));
    let first = id.index().saturating_mul(width);
    Fault::Differs {
        path: id.to_string(),
        index: Index(first),
    }
}
