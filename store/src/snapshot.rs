//! The saved state at one height, to be read.

use crate::StoreError;
use crate::rows::RowFiles;
use crate::rows::row::Row;
use crate::tables::{
    BUCKETS, Buckets, EVENTS, HEIGHTS, HeightRow, MAP_DAMAGED, META, decode_bucket,
};
use medanchor_ledger::state::{Bucket, Path as StatePath, Prefix, StateMap};
use medanchor_ledger::{EventId, Height, Index, Size};
use redb::{Database, ReadOnlyTable, ReadableDatabase};
use std::sync::Arc;

/// The tables at one height. Any number of threads may read it while later heights are written.
pub(crate) struct Snapshot {
    buckets: Buckets,
    events: ReadOnlyTable<&'static [u8; 32], u64>,
    heights: ReadOnlyTable<u64, (u64, u64, u64)>,
    meta: ReadOnlyTable<&'static str, &'static [u8]>,
    rows: RowFiles,
    map: StateMap,
}

impl Snapshot {
    pub(crate) fn new(
        database: &Database,
        rows: RowFiles,
        map: StateMap,
    ) -> Result<Self, StoreError> {
        let transaction = database.begin_read()?;
        Ok(Self {
            buckets: transaction.open_table(BUCKETS)?,
            events: transaction.open_table(EVENTS)?,
            heights: transaction.open_table(HEIGHTS)?,
            meta: transaction.open_table(META)?,
            rows,
            map,
        })
    }

    /// The state map.
    pub(crate) const fn map(&self) -> &StateMap {
        &self.map
    }

    pub(crate) fn value(&self, path: &StatePath) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(prefix) = self.map.locate(path) else {
            return Ok(None);
        };
        Ok(self.row(&prefix)?.value(path).map(<[u8]>::to_vec))
    }

    pub(crate) fn bucket(&self, prefix: &Prefix) -> Result<Arc<Bucket>, StoreError> {
        Ok(Arc::clone(self.row(prefix)?.bucket()))
    }

    fn row(&self, prefix: &Prefix) -> Result<Arc<Row>, StoreError> {
        let entry = self.buckets.get(prefix.encode().as_slice())?;
        let (_, place) = decode_bucket(entry.ok_or(MAP_DAMAGED)?.value());
        let row = self.rows.read(place)?;
        if row.prefix() == prefix {
            Ok(row)
        } else {
            Err(MAP_DAMAGED)
        }
    }

    /// The rows that hold the leaves of a later bucket under `prefix`, as far as they are here.
    pub(crate) fn rows_over(
        &self,
        prefix: &Prefix,
        bucket: &Bucket,
    ) -> Result<Vec<Arc<Row>>, StoreError> {
        let mut rows: Vec<Arc<Row>> = Vec::new();
        for path in bucket.paths() {
            if rows.last().is_some_and(|row| row.prefix().covers(path)) {
                continue;
            }
            if let Some(found) = self.map.locate(path) {
                rows.push(self.row(&found)?);
            }
        }
        debug_assert!(
            rows.len() < 2
                || rows
                    .iter()
                    .all(|row| row.prefix().length() > prefix.length())
        );
        Ok(rows)
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
