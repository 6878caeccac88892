//! The state database: tables of redb and the rows of the state map, written by one thread in
//! transactions that carry their height.
//!
//! What always holds: a transaction moves everything from one decided height to a later one, whole
//! or not at all. Rows carry a checksum, so that a bit the disk changed is a failed read and never a
//! wrong verdict.
//!
//! | table | key | value |
//! |---|---|---|
//! | `buckets` | prefix as the ledger encodes it | root and count of the bucket (34), place of its row (12) |
//! | `events` | event id (32) | index in the log |
//! | `heights` | height | first index, size after the block, place of its certificate in `log/certificates` |
//! | `meta` | name | `format`, `network`, `head`, `log` |

use crate::files::make_folder;
use crate::pending::Fresh;
use crate::rows::row;
use crate::rows::{Place, RowLog, StoredRow};
use crate::snapshot::Snapshot;
use crate::{Options, StoreError};
use medanchor_ledger::state::{Bucket, BucketCell, BucketChange, BucketRoot, Prefix, StateMap};
use medanchor_ledger::{Index, NetworkId, Size};
use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) const BUCKET_ROW: usize = BucketRoot::ENCODED + Place::ENCODED;

pub(crate) const BUCKETS: TableDefinition<&[u8], &[u8; BUCKET_ROW]> =
    TableDefinition::new("buckets");
pub(crate) const EVENTS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("events");
pub(crate) const HEIGHTS: TableDefinition<u64, (u64, u64, u64)> = TableDefinition::new("heights");
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

const FORMAT: &[u8] = b"medanchor/state/v2";

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
    /// Taken by the thread that saves, for as long as that takes.
    rows: Mutex<RowLog>,
}

impl Tables {
    /// Opens the database in `folder`, or makes an empty one for `network`, with the state as it was
    /// saved last.
    pub(crate) fn open(
        folder: &Path,
        network: NetworkId,
        options: Options,
    ) -> Result<(Self, Snapshot, StateMap), StoreError> {
        let path = folder.join("state.redb");
        let database = open_database(&path, options.cache_bytes)?;
        prepare(&database, &path, network)?;
        let folder = folder.join("rows");
        make_folder(&folder)?;
        let buckets = read_buckets(&database.begin_read()?.open_table(BUCKETS)?)?;
        let places = buckets.iter().filter(|(_, root, _)| root.count > 0);
        let places = places.map(|(_, _, place)| *place);
        let rows = RowLog::open(&folder, options.segment_bytes, options.rows_bytes, places)?;
        let map = load(&rows, buckets)?;
        let snapshot = Snapshot::new(&database)?;
        let rows = Mutex::new(rows);
        Ok((Self { database, rows }, snapshot, map))
    }

    /// Writes a batch and what belongs to its height, durably; its buckets are then read from here.
    pub(crate) fn save(&self, batch: Batch<'_>) -> Result<Snapshot, StoreError> {
        let mut rows = self.rows();
        let transaction = begin(&self.database)?;
        let stored = save_buckets(&transaction, &mut rows, batch.map, batch.buckets)?;
        save_history(&transaction, batch.fresh)?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert("head", batch.head)?;
            meta.insert("log", batch.log)?;
        }
        rows.sync()?;
        transaction.commit()?;
        for dead in rows.take_dead() {
            crate::files::remove(&dead)?;
        }
        for (cell, row) in stored {
            cell.put_away(Box::new(row));
        }
        Snapshot::new(&self.database)
    }

    fn rows(&self) -> MutexGuard<'_, RowLog> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one save moves into the database.
pub(crate) struct Batch<'b> {
    /// The newest change of each bucket, in the order of their prefixes.
    pub(crate) buckets: Vec<(Prefix, BucketChange)>,
    pub(crate) fresh: &'b Fresh,
    /// The map after all of it.
    pub(crate) map: &'b StateMap,
    pub(crate) head: &'b [u8],
    pub(crate) log: &'b [u8],
}

pub(crate) const MAP_DAMAGED: StoreError = StoreError::Contradiction {
    what: "buckets of the state map",
};

/// Opens the file after checking every page of it: redb trusts what it reads later.
fn open_database(path: &Path, cache: usize) -> Result<Database, StoreError> {
    let what = "the database's own checks do not hold";
    let damaged = || StoreError::Damaged {
        path: path.to_owned(),
        position: 0,
        what,
    };
    let open = || {
        let mut builder = redb::Builder::new();
        builder
            .set_cache_size(cache)
            .set_check_integrity_on_open(true)
            .create(path)
    };
    // A header that makes no sense is met with a panic in places.
    match std::panic::catch_unwind(open) {
        Ok(Err(redb::DatabaseError::Storage(redb::StorageError::Corrupted(_)))) | Err(_) => {
            Err(damaged())
        }
        Ok(opened) => Ok(opened?),
    }
}

fn begin(database: &Database) -> Result<WriteTransaction, StoreError> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// Makes the tables, or checks whose they are.
fn prepare(database: &Database, path: &Path, network: NetworkId) -> Result<(), StoreError> {
    let transaction = begin(database)?;
    let (format, found) = {
        let meta = transaction.open_table(META)?;
        let read = |name| {
            meta.get(name)
                .map(|row| row.map(|row| row.value().to_vec()))
        };
        (read("format")?, read("network")?)
    };
    match (format, found) {
        (None, None) => {
            let mut meta = transaction.open_table(META)?;
            meta.insert("format", FORMAT)?;
            meta.insert("network", network.as_bytes().as_slice())?;
        }
        (Some(format), Some(found)) if format == FORMAT => {
            check_network(path, network, &found)?;
            return Ok(transaction.abort()?);
        }
        _ => {
            return Err(StoreError::Contradiction {
                what: "format of the state",
            });
        }
    }
    transaction.open_table(BUCKETS)?;
    transaction.open_table(EVENTS)?;
    transaction.open_table(HEIGHTS)?;
    Ok(transaction.commit()?)
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

type Buckets = ReadOnlyTable<&'static [u8], &'static [u8; BUCKET_ROW]>;

fn read_buckets(table: &Buckets) -> Result<Vec<(Prefix, BucketRoot, Place)>, StoreError> {
    let mut buckets = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        let prefix = Prefix::decode(key.value()).map_err(|_| MAP_DAMAGED)?;
        let (root, place) = decode_bucket(value.value());
        buckets.push((prefix, root, place));
    }
    Ok(buckets)
}

/// The map of stored buckets. Reads no row.
fn load(rows: &RowLog, buckets: Vec<(Prefix, BucketRoot, Place)>) -> Result<StateMap, StoreError> {
    let wrong = |(_, root, place): &(Prefix, BucketRoot, Place)| {
        usize::from(root.count) > Bucket::MAX_LEAVES || root.count > 0 && rows.row(*place).is_none()
    };
    if buckets.iter().any(wrong) {
        return Err(MAP_DAMAGED);
    }
    let cell = |(prefix, root, place): (Prefix, BucketRoot, Place)| {
        let row = (root.count > 0).then(|| rows.row(place));
        let cell = row
            .flatten()
            .map(|row| BucketCell::stored(root, Box::new(row)));
        (prefix, cell)
    };
    StateMap::load(buckets.into_iter().map(cell)).map_err(|_| MAP_DAMAGED)
}

fn encode_bucket(root: BucketRoot, place: Option<Place>) -> [u8; BUCKET_ROW] {
    let mut bytes = [0; BUCKET_ROW];
    let (first, second) = bytes.split_at_mut(BucketRoot::ENCODED);
    first.copy_from_slice(&root.encode());
    second.copy_from_slice(&place.map(|place| place.encode()).unwrap_or_default());
    bytes
}

fn decode_bucket(bytes: &[u8; BUCKET_ROW]) -> (BucketRoot, Place) {
    let (mut root, mut place) = ([0; BucketRoot::ENCODED], [0; Place::ENCODED]);
    root.copy_from_slice(&bytes[..BucketRoot::ENCODED]);
    place.copy_from_slice(&bytes[BucketRoot::ENCODED..]);
    (BucketRoot::decode(&root), Place::decode(&place))
}

type BucketTable<'t> = redb::Table<'t, &'static [u8], &'static [u8; BUCKET_ROW]>;

/// Where the buckets of cells stand now.
type Stored = Vec<(Arc<BucketCell>, StoredRow)>;

/// Writes the changed buckets in the order of their prefixes: neighbours share the pages of the
/// table. `map` is the one after the changes.
fn save_buckets(
    transaction: &WriteTransaction,
    rows: &mut RowLog,
    map: &StateMap,
    changes: Vec<(Prefix, BucketChange)>,
) -> Result<Stored, StoreError> {
    let mut table = transaction.open_table(BUCKETS)?;
    let mut stored = Vec::with_capacity(changes.len());
    for (prefix, change) in changes {
        let root = change.root();
        let place = match change {
            BucketChange::Write(cell) => {
                let bucket = cell.bucket().map_err(|_| MAP_DAMAGED)?;
                let row = rows.append(&prefix, &bucket)?;
                row.keep(bucket);
                let place = row.place();
                stored.push((cell, row));
                Some(place)
            }
            BucketChange::Empty | BucketChange::Remove => None,
        };
        let entry = root.map(|root| encode_bucket(root, place));
        let old = put(&mut table, &prefix.encode(), entry)?;
        old.into_iter().for_each(|place| rows.release(place));
    }
    reclaim(&mut table, rows, map, &mut stored)?;
    Ok(stored)
}

/// Replaces or removes an entry; gives the place of the row that it had.
fn put(
    table: &mut BucketTable<'_>,
    key: &[u8],
    bytes: Option<[u8; BUCKET_ROW]>,
) -> Result<Option<Place>, StoreError> {
    let old = match bytes {
        Some(bytes) => table.insert(key, &bytes)?,
        None => table.remove(key)?,
    };
    let old = old.map(|old| decode_bucket(old.value()));
    Ok(old.and_then(|(root, place)| (root.count > 0).then_some(place)))
}

/// Copies what counts out of the emptiest segments until old rows take no more room than they may.
fn reclaim(
    table: &mut BucketTable<'_>,
    rows: &mut RowLog,
    map: &StateMap,
    stored: &mut Stored,
) -> Result<(), StoreError> {
    while let Some(number) = rows.emptiest() {
        let mut kept = Vec::new();
        rows.scan(number, |place, bytes| {
            let Some(prefix) = row::prefix(&bytes) else {
                return Ok(());
            };
            let entry = table.get(prefix.encode().as_slice())?;
            let found = entry.map(|entry| decode_bucket(entry.value()));
            let counts = found.filter(|(_, found)| *found == place);
            kept.extend(counts.map(|(root, _)| (prefix, root, bytes, place)));
            Ok(())
        })?;
        for (prefix, root, bytes, old) in kept {
            let row = rows.append_row(&bytes)?;
            put(
                table,
                &prefix.encode(),
                Some(encode_bucket(root, Some(row.place()))),
            )?;
            rows.release(old);
            let cell = map.cell(&prefix).ok_or(MAP_DAMAGED)?;
            stored.push((Arc::clone(cell), row));
        }
        if !rows.is_empty(number) {
            return Err(StoreError::Contradiction {
                what: "rows of the state",
            });
        }
        rows.forget(number);
    }
    Ok(())
}

/// Writes events in the order of their ids: neighbours share the pages of the table.
fn save_history(transaction: &WriteTransaction, fresh: &Fresh) -> Result<(), StoreError> {
    let mut events = transaction.open_table(EVENTS)?;
    let mut new: Vec<_> = fresh.events.iter().collect();
    new.sort_unstable_by_key(|(id, _)| *id);
    for (id, index) in new {
        events.insert(id.as_bytes(), index.0)?;
    }
    let mut heights = transaction.open_table(HEIGHTS)?;
    for (height, row) in &fresh.heights {
        heights.insert(height.0, (row.first.0, row.size.0, row.certificate))?;
    }
    Ok(())
}
