//! The tiles of a log as nodes for proofs and roots.
//!
//! What always holds: a tile has the shape that its name demands. Whether its hashes are those of the
//! log is for whoever asks: they were compared before, or the proof that is made of them is checked
//! against a signed root.

use crate::entries::MAX_TILE;
use crate::fault::Trouble;
use crate::source::Source;
use medanchor_ledger::ReadFailed;
use medanchor_ledger::merkle::tile::{Tile, TileId, TileReader};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

/// What is said when a tile cannot be read.
pub(crate) fn unreadable(error: &ReadFailed) -> Trouble {
    crate::source::unreadable("tile", error)
}

/// How many tiles of a level are kept: a proof from one size to another needs those at the ends of both.
const KEPT: usize = 4;

/// The tiles of a source; the last few of each level are kept.
pub(crate) struct CheckedTiles<'s> {
    source: &'s dyn Source,
    last: Mutex<BTreeMap<u8, VecDeque<Tile>>>,
}

impl<'s> CheckedTiles<'s> {
    pub(crate) const fn new(source: &'s dyn Source) -> Self {
        Self {
            source,
            last: Mutex::new(BTreeMap::new()),
        }
    }
}

impl TileReader for CheckedTiles<'_> {
    fn tile(&self, id: TileId) -> Result<Tile, ReadFailed> {
        if let Ok(last) = self.last.lock()
            && let Some(tiles) = last.get(&id.level())
            && let Some(tile) = tiles.iter().find(|tile| tile.id() == id)
        {
            return Ok(tile.clone());
        }
        let read = |path: String| {
            let bytes = self.source.read(&path, MAX_TILE);
            bytes.map_err(|error| ReadFailed(error.to_string().into()))
        };
        let bytes = match read(id.to_string())? {
            Some(bytes) => Some(bytes),
            None => read(id.full().to_string())?,
        };
        let bytes = bytes.ok_or_else(|| ReadFailed(format!("{id} is missing").into()))?;
        let tile = Tile::decode(id, &bytes).map_err(|error| ReadFailed(error.into()))?;
        if let Ok(mut last) = self.last.lock() {
            let tiles = last.entry(id.level()).or_default();
            tiles.truncate(KEPT - 1);
            tiles.push_front(tile.clone());
        }
        Ok(tile)
    }
}
