//! Full tiles in memory with all their inner nodes, so that a proof costs a look-up a node and not
//! 255 hashes a tile.

use crate::StoreError;
use medanchor_ledger::TreeHash;
use medanchor_ledger::merkle::node_hash;
use medanchor_ledger::merkle::tile::{Tile, TileId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Tiles kept, 16 KiB each.
const KEPT: usize = 64;

/// The eight rows of a full tile: 256 hashes, 128, … 2.
#[derive(Debug)]
struct Rows(Vec<Vec<TreeHash>>);

impl Rows {
    fn of(tile: &Tile) -> Self {
        let mut rows = vec![tile.hashes().to_vec()];
        while let Some(below) = rows.last().filter(|row| row.len() > 2) {
            let (pairs, _) = below.as_chunks::<2>();
            let row = pairs
                .iter()
                .map(|[left, right]| node_hash(left, right))
                .collect();
            rows.push(row);
        }
        Self(rows)
    }
}

/// The full tiles read last.
#[derive(Debug, Default)]
pub(crate) struct TileCache {
    tiles: Mutex<VecDeque<(TileId, Arc<Rows>)>>,
}

impl TileCache {
    /// The node `place` of row `row` of a full tile.
    pub(crate) fn node(
        &self,
        id: TileId,
        row: usize,
        place: usize,
        read: impl FnOnce(TileId) -> Result<Tile, StoreError>,
    ) -> Result<Option<TreeHash>, StoreError> {
        let rows = match self.find(id) {
            Some(rows) => rows,
            None => self.keep(id, Rows::of(&read(id)?)),
        };
        Ok(rows.0.get(row).and_then(|row| row.get(place)).copied())
    }

    fn find(&self, id: TileId) -> Option<Arc<Rows>> {
        let mut tiles = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        let place = tiles.iter().rposition(|(known, _)| *known == id)?;
        let found = tiles.remove(place)?;
        let rows = Arc::clone(&found.1);
        tiles.push_back(found);
        Some(rows)
    }

    fn keep(&self, id: TileId, rows: Rows) -> Arc<Rows> {
        let rows = Arc::new(rows);
        let mut tiles = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        if tiles.len() >= KEPT {
            tiles.pop_front();
        }
        tiles.push_back((id, Arc::clone(&rows)));
        rows
    }
}
