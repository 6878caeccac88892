//! The state database: tables of redb, written by one thread in transactions that carry their
//! height.
//!
//! What always holds: a transaction moves the tables from one decided height to a later one, whole
//! or not at all; values and buckets carry a CRC-32 of their bytes, so that a bit the disk changed is
//! a failed read and never a wrong verdict.
//!
//! | table | key | value |
//! |---|---|---|
//! | `values` | path of the state key (32) | CRC-32 (4), value |
//! | `buckets` | prefix as the ledger encodes it | CRC-32 (4), bucket as the ledger encodes it |
//! | `roots` | the same prefix | root and count of the bucket (34) |
//! | `events` | event id (32) | index in the log |
//! | `heights` | height | first index, size after the block, place of its certificate in `log/certificates` |
//! | `meta` | name | `format`, `network`, `head`, `log` |

use crate::StoreError;
use crate::layer::Layer;
use medanchor_ledger::state::{
    Bucket, BucketChange, BucketRoot, Path as StatePath, Prefix, StateMap,
};
use medanchor_ledger::{EventId, Height, Index, NetworkId, Size};
use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    WriteTransaction,
};
use std::path::Path;

const VALUES: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("values");
const BUCKETS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("buckets");
const ROOTS: TableDefinition<&[u8], &[u8; BucketRoot::ENCODED]> = TableDefinition::new("roots");
const EVENTS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("events");
const HEIGHTS: TableDefinition<u64, (u64, u64, u64)> = TableDefinition::new("heights");
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

const FORMAT: &[u8] = b"medanchor/state/v1";

/// Where a block's entries and certificate stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeightRow {
    pub(crate) first: Index,
    pub(crate) size: Size,
    /// Where its record begins in the file of certificates.
    pub(crate) certificate: u64,
}

/// The database of one home.
#[derive(Debug)]
pub(crate) struct Tables {
    database: Database,
}

impl Tables {
    /// Opens the database, or makes an empty one for `network`. redb keeps at most about `cache`
    /// bytes of pages in memory.
    pub(crate) fn open(path: &Path, network: NetworkId, cache: usize) -> Result<Self, StoreError> {
        let tables = Self {
            database: redb::Builder::new().set_cache_size(cache).create(path)?,
        };
        let transaction = tables.begin()?;
        {
            let mut meta = transaction.open_table(META)?;
            let format = meta.get("format")?.map(|row| row.value().to_vec());
            let found = meta.get("network")?.map(|row| row.value().to_vec());
            match (format, found) {
                (None, None) => {
                    meta.insert("format", FORMAT)?;
                    meta.insert("network", network.as_bytes().as_slice())?;
                }
                (Some(format), Some(found)) if format == FORMAT => {
                    check_network(path, network, &found)?;
                }
                _ => {
                    return Err(StoreError::Contradiction {
                        what: "format of the state",
                    });
                }
            }
            transaction.open_table(VALUES)?;
            transaction.open_table(BUCKETS)?;
            transaction.open_table(ROOTS)?;
            transaction.open_table(EVENTS)?;
            transaction.open_table(HEIGHTS)?;
        }
        transaction.commit()?;
        Ok(tables)
    }

    fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    /// Writes a layer and what belongs to its height, durably.
    pub(crate) fn save(&self, layer: &Layer, head: &[u8], log: &[u8]) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        save_values(&transaction, layer)?;
        save_buckets(&transaction, layer)?;
        save_history(&transaction, layer)?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert("head", head)?;
            meta.insert("log", log)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The tables as they are now, for as long as the snapshot lives.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let transaction = self.database.begin_read()?;
        Ok(Snapshot {
            values: transaction.open_table(VALUES)?,
            buckets: transaction.open_table(BUCKETS)?,
            roots: transaction.open_table(ROOTS)?,
            events: transaction.open_table(EVENTS)?,
            heights: transaction.open_table(HEIGHTS)?,
            meta: transaction.open_table(META)?,
        })
    }
}

fn check_network(path: &Path, network: NetworkId, found: &[u8]) -> Result<(), StoreError> {
    if found == network.as_bytes() {
        return Ok(());
    }
    let shown = NetworkId::try_from(found).map(|found| found.to_string());
    Err(StoreError::OtherNetwork {
        path: path.to_owned(),
        expected: network.to_string(),
        found: shown.unwrap_or_else(|_| "unknown".to_owned()),
    })
}

/// Rows are written in the order of their keys: neighbours then share the pages that are rewritten.
fn save_values(transaction: &WriteTransaction, layer: &Layer) -> Result<(), TableError> {
    let mut table = transaction.open_table(VALUES)?;
    let mut rows: Vec<_> = layer.values.iter().collect();
    rows.sort_unstable_by_key(|(path, _)| **path);
    for (path, value) in rows {
        match value {
            Some(value) => insert_guarded(&mut table, path.as_bytes(), value)?,
            None => drop(table.remove(path.as_bytes())?),
        }
    }
    Ok(())
}

fn save_buckets(transaction: &WriteTransaction, layer: &Layer) -> Result<(), TableError> {
    let mut buckets = transaction.open_table(BUCKETS)?;
    let mut roots = transaction.open_table(ROOTS)?;
    let mut rows: Vec<_> = layer.buckets.iter().collect();
    rows.sort_unstable_by_key(|(prefix, _)| **prefix);
    for (prefix, change) in rows {
        let key = prefix.encode();
        let key = key.as_slice();
        match change {
            BucketChange::Write { bucket, .. } => {
                insert_guarded(&mut buckets, key, &bucket.encode())?;
            }
            BucketChange::Empty | BucketChange::Remove => drop(buckets.remove(key)?),
        }
        match change.root() {
            Some(root) => drop(roots.insert(key, &root.encode())?),
            None => drop(roots.remove(key)?),
        }
    }
    Ok(())
}

fn save_history(transaction: &WriteTransaction, layer: &Layer) -> Result<(), TableError> {
    let mut events = transaction.open_table(EVENTS)?;
    let mut rows: Vec<_> = layer.events.iter().collect();
    rows.sort_unstable_by_key(|(id, _)| **id);
    for (id, index) in rows {
        events.insert(id.as_bytes(), index.0)?;
    }
    let mut heights = transaction.open_table(HEIGHTS)?;
    for (height, row) in &layer.heights {
        heights.insert(height.0, (row.first.0, row.size.0, row.certificate))?;
    }
    Ok(())
}

fn insert_guarded<K: redb::Key>(
    table: &mut redb::Table<'_, K, &'static [u8]>,
    key: K::SelfType<'_>,
    bytes: &[u8],
) -> Result<(), redb::StorageError> {
    let mut row = table.insert_reserve(key, bytes.len() + 4)?;
    let (crc, rest) = row.as_mut().split_at_mut(4);
    crc.copy_from_slice(&crc32fast::hash(bytes).to_be_bytes());
    rest.copy_from_slice(bytes);
    Ok(())
}

/// The bytes of a guarded row, if they are those that were written.
fn guarded<'a>(row: &'a [u8], what: &'static str) -> Result<&'a [u8], StoreError> {
    row.split_first_chunk::<4>()
        .filter(|(crc, bytes)| crc32fast::hash(bytes).to_be_bytes() == **crc)
        .map(|(_, bytes)| bytes)
        .ok_or(StoreError::Contradiction { what })
}

/// The tables at one height. Any number of threads may read it while later heights are written.
pub(crate) struct Snapshot {
    values: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
    buckets: ReadOnlyTable<&'static [u8], &'static [u8]>,
    roots: ReadOnlyTable<&'static [u8], &'static [u8; BucketRoot::ENCODED]>,
    events: ReadOnlyTable<&'static [u8; 32], u64>,
    heights: ReadOnlyTable<u64, (u64, u64, u64)>,
    meta: ReadOnlyTable<&'static str, &'static [u8]>,
}

impl Snapshot {
    pub(crate) fn value(&self, path: &StatePath) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.values.get(path.as_bytes())?;
        row.map(|row| guarded(row.value(), "value of a state key").map(<[u8]>::to_vec))
            .transpose()
    }

    pub(crate) fn bucket(&self, prefix: &Prefix) -> Result<Bucket, StoreError> {
        let what = "bucket of the state map";
        let row = self.buckets.get(prefix.encode().as_slice())?;
        let row = row.ok_or(StoreError::Contradiction { what })?;
        let bucket = Bucket::decode(guarded(row.value(), what)?);
        bucket.map_err(|_| StoreError::Contradiction { what })
    }

    pub(crate) fn event(&self, id: &EventId) -> Result<Option<Index>, StoreError> {
        Ok(self
            .events
            .get(id.as_bytes())?
            .map(|row| Index(row.value())))
    }

    pub(crate) fn height(&self, height: Height) -> Result<Option<HeightRow>, StoreError> {
        Ok(self
            .heights
            .get(height.0)?
            .map(|row| height_row(row.value())))
    }

    /// The height whose block holds the entry at `index`, by its row.
    pub(crate) fn height_at(
        &self,
        index: Index,
        tip: Height,
    ) -> Result<Option<Height>, StoreError> {
        let (mut low, mut high) = (0, tip.0);
        while low < high {
            let middle = low.midpoint(high);
            match self.height(Height(middle))? {
                Some(row) if row.size.0 > index.0 => high = middle,
                _ => low = middle + 1,
            }
        }
        let found = self.height(Height(low))?;
        Ok(found
            .filter(|row| row.size.0 > index.0)
            .map(|_| Height(low)))
    }

    pub(crate) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.meta.get(name)?.map(|row| row.value().to_vec()))
    }

    /// The state map, from the roots of its buckets.
    pub(crate) fn map(&self) -> Result<StateMap, StoreError> {
        let damaged = || StoreError::Contradiction {
            what: "roots of the state map",
        };
        let mut roots = Vec::new();
        for row in self.roots.iter()? {
            let (key, root) = row?;
            let prefix = Prefix::decode(key.value()).map_err(|_| damaged())?;
            roots.push((prefix, BucketRoot::decode(root.value())));
        }
        StateMap::load(roots).map_err(|_| damaged())
    }
}

fn height_row((first, size, certificate): (u64, u64, u64)) -> HeightRow {
    HeightRow {
        first: Index(first),
        size: Size(size),
        certificate,
    }
}
