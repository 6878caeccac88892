//! The tables of the database at one height, to be read.

use crate::StoreError;
use crate::tables::{EVENTS, HEIGHTS, HeightRow, META};
use medanchor_ledger::{EventId, Height, Index, Size};
use redb::{Database, ReadOnlyTable, ReadableDatabase};

/// The tables at one height. Any number of threads may read it while later heights are written.
pub(crate) struct Snapshot {
    events: ReadOnlyTable<&'static [u8; 32], u64>,
    heights: ReadOnlyTable<u64, (u64, u64, u64)>,
    meta: ReadOnlyTable<&'static str, &'static [u8]>,
}

impl Snapshot {
    pub(crate) fn new(database: &Database) -> Result<Self, StoreError> {
        let transaction = database.begin_read()?;
        Ok(Self {
            events: transaction.open_table(EVENTS)?,
            heights: transaction.open_table(HEIGHTS)?,
            meta: transaction.open_table(META)?,
        })
    }

    pub(crate) fn event(&self, id: &EventId) -> Result<Option<Index>, StoreError> {
        Ok(self
            .events
            .get(id.as_bytes())?
            .map(|row| Index(row.value())))
    }

    pub(crate) fn height(&self, height: Height) -> Result<Option<HeightRow>, StoreError> {
        let row = self.heights.get(height.0)?.map(|row| row.value());
        Ok(row.map(|(first, size, certificate)| HeightRow {
            first: Index(first),
            size: Size(size),
            certificate,
        }))
    }

    /// The height, up to `tip`, whose block holds the entry at `index`.
    pub(crate) fn height_at(
        &self,
        index: Index,
        tip: Height,
    ) -> Result<Option<Height>, StoreError> {
        height_holding(index, tip, |height| self.height(height))
    }

    pub(crate) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.meta.get(name)?.map(|row| row.value().to_vec()))
    }
}

/// The height, up to `tip`, whose block holds the entry at `index`, by bisection over its rows.
pub(crate) fn height_holding(
    index: Index,
    tip: Height,
    row: impl Fn(Height) -> Result<Option<HeightRow>, StoreError>,
) -> Result<Option<Height>, StoreError> {
    let (mut low, mut high) = (0, tip.0);
    while low < high {
        let middle = low.midpoint(high);
        match row(Height(middle))? {
            Some(row) if row.size.0 > index.0 => high = middle,
            _ => low = middle + 1,
        }
    }
    let found = row(Height(low))?;
    Ok(found
        .filter(|row| row.size.0 > index.0)
        .map(|_| Height(low)))
}
