//! The right edge of the log in memory: what is not yet in full files.
//!
//! What always holds: every entry from `base` on is here, and every node of the tree that stands in
//! a tile that is not full or not written yet. Below the edge, files have everything.

use crate::StoreError;
use medanchor_ledger::merkle::tile::{Tile, TileId, Width};
use medanchor_ledger::merkle::{Frontier, leaf_hash, node_hash, root_of_leaves};
use medanchor_ledger::{Index, Size, TreeHash};
use std::collections::VecDeque;
use std::sync::Arc;

const FULL: u64 = 256;

/// The nodes of one tree level from `first` on.
#[derive(Clone, Debug, Default)]
struct Row {
    first: u64,
    hashes: VecDeque<TreeHash>,
}

impl Row {
    fn get(&self, index: u64) -> Option<TreeHash> {
        let place = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.hashes.get(place).copied()
    }

    fn drop_below(&mut self, first: u64) {
        let gone = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.hashes.drain(..gone.min(self.hashes.len()));
        self.first = self.first.max(first);
    }
}

/// The right edge of the log.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    frontier: Frontier,
    base: u64,
    entries: VecDeque<Arc<[u8]>>,
    rows: Vec<Row>,
}

impl Edge {
    /// The edge of a log whose first `base` entries (a multiple of 256) are in full files, from the
    /// full tiles that `read` gives.
    pub(crate) fn restore(
        base: Size,
        read: impl Fn(TileId) -> Result<Tile, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut edge = Self {
            base: base.0,
            ..Self::default()
        };
        for level in 0..64u8 {
            let row = edge.restored_row(level, &read)?;
            edge.rows.push(row);
        }
        let mut encoded = base.0.to_be_bytes().to_vec();
        for level in (0..64u8).rev().filter(|level| base.0 >> level & 1 == 1) {
            let peak = edge
                .node(level, (base.0 >> level) - 1)
                .ok_or(CONTRADICTION)?;
            encoded.extend(peak.as_bytes());
        }
        edge.frontier = Frontier::decode(&encoded).map_err(|_| CONTRADICTION)?;
        Ok(edge)
    }

    /// The nodes of a tree level that stand in the tile that is not full at `base`.
    fn restored_row(
        &self,
        level: u8,
        read: &impl Fn(TileId) -> Result<Tile, StoreError>,
    ) -> Result<Row, StoreError> {
        let (first, end) = (first_kept(level, self.base), self.base >> level);
        let mut row = Row {
            first,
            hashes: VecDeque::new(),
        };
        for index in first..end {
            let hash = if level.is_multiple_of(8) {
                let id = TileId::new(level / 8 - 1, index, Width::FULL);
                let tile = read(id.map_err(|_| CONTRADICTION)?)?;
                root_of_leaves(tile.hashes().iter().copied())
            } else {
                let child = |index| self.node(level - 1, index).ok_or(CONTRADICTION);
                node_hash(&child(2 * index)?, &child(2 * index + 1)?)
            };
            row.hashes.push_back(hash);
        }
        Ok(row)
    }

    pub(crate) fn append(&mut self, entry: Arc<[u8]>) {
        let rows = &mut self.rows;
        self.frontier
            .append_with(leaf_hash(&entry), |level, _, hash| {
                let level = usize::from(level);
                if rows.len() <= level {
                    rows.resize_with(level + 1, Row::default);
                }
                if let Some(row) = rows.get_mut(level) {
                    row.hashes.push_back(hash);
                }
            });
        self.entries.push_back(entry);
    }

    pub(crate) fn size(&self) -> Size {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> TreeHash {
        self.frontier.root()
    }

    /// Entries below are in full files.
    pub(crate) fn base(&self) -> Size {
        Size(self.base)
    }

    pub(crate) fn entry(&self, index: Index) -> Option<Arc<[u8]>> {
        let place = usize::try_from(index.0.checked_sub(self.base)?).ok()?;
        self.entries.get(place).cloned()
    }

    pub(crate) fn node(&self, level: u8, index: u64) -> Option<TreeHash> {
        self.rows.get(usize::from(level))?.get(index)
    }

    /// Forgets what full files have once the first `base` entries are in them.
    pub(crate) fn settle(&mut self, base: Size) {
        let gone = usize::try_from(base.0.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.entries.drain(..gone.min(self.entries.len()));
        self.base = self.base.max(base.0);
        for (level, row) in (0u8..).zip(&mut self.rows) {
            row.drop_below(first_kept(level, self.base));
        }
    }
}

const CONTRADICTION: StoreError = StoreError::Contradiction {
    what: "edge of the log",
};

/// The first node of a tree level that is not in a full tile when `base` entries are in full files.
fn first_kept(level: u8, base: u64) -> u64 {
    let tiles = base
        .checked_shr(8 * (u32::from(level / 8) + 1))
        .unwrap_or(0);
    tiles * (FULL >> (level % 8))
}
