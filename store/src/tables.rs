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

use crate::StoreError;
use crate::files::make_folder;
use crate::layer::Layers;
use crate::rows::row;
use crate::rows::{Place, RowLog};
use crate::snapshot::Snapshot;
use medanchor_ledger::state::{
    Bucket, BucketChange, BucketRoot, Path as StatePath, Prefix, StateMap,
};
use medanchor_ledger::{Index, NetworkId, Size};
use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) const BUCKET_ROW: usize = BucketRoot::ENCODED + Place::ENCODED;

pub(crate) const BUCKETS: TableDefinition<&[u8], &[u8; BUCKET_ROW]> =
    TableDefinition::new("buckets");
pub(crate) const EVENTS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("events");
pub(crate) const HEIGHTS: TableDefinition<u64, (u64, u64, u64)> = TableDefinition::new("heights");
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

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
    /// Taken by the thread that saves, for as long as that takes.
    rows: Mutex<RowLog>,
}

impl Tables {
    /// Opens the database in `folder`, or makes an empty one for `network`, with the state as it was
    /// saved last. redb keeps at most about `cache` bytes of pages in memory.
    pub(crate) fn open(
        folder: &Path,
        network: NetworkId,
        cache: usize,
        segment_bytes: u64,
    ) -> Result<(Self, Snapshot), StoreError> {
        let path = folder.join("state.redb");
        let database = open_database(&path, cache)?;
        prepare(&database, &path, network)?;
        let rows = folder.join("rows");
        make_folder(&rows)?;
        let buckets = database.begin_read()?.open_table(BUCKETS)?;
        let (roots, places) = read_buckets(&buckets)?;
        let rows = RowLog::open(&rows, segment_bytes, places.into_iter())?;
        let map = StateMap::load(roots).map_err(|_| MAP_DAMAGED)?;
        let snapshot = Snapshot::new(&database, rows.files(), map)?;
        Ok((
            Self {
                database,
                rows: Mutex::new(rows),
            },
            snapshot,
        ))
    }

    /// Writes the changes since `before` and what belongs to their height, durably. Gives the state
    /// after them, whose map is `map`.
    pub(crate) fn save(
        &self,
        before: &Snapshot,
        layers: &Layers,
        map: StateMap,
        head: &[u8],
        log: &[u8],
    ) -> Result<Snapshot, StoreError> {
        let mut rows = self.rows();
        let transaction = begin(&self.database)?;
        save_buckets(&transaction, &mut rows, before, layers)?;
        save_history(&transaction, layers)?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert("head", head)?;
            meta.insert("log", log)?;
        }
        rows.sync()?;
        transaction.commit()?;
        for dead in rows.take_dead() {
            crate::files::remove(&dead)?;
        }
        Snapshot::new(&self.database, rows.files(), map)
    }

    fn rows(&self) -> MutexGuard<'_, RowLog> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

pub(crate) type Buckets = ReadOnlyTable<&'static [u8], &'static [u8; BUCKET_ROW]>;

type Roots = Vec<(Prefix, BucketRoot)>;

fn read_buckets(table: &Buckets) -> Result<(Roots, Vec<Place>), StoreError> {
    let (mut roots, mut places) = (Vec::new(), Vec::new());
    for entry in table.iter()? {
        let (key, value) = entry?;
        let prefix = Prefix::decode(key.value()).map_err(|_| MAP_DAMAGED)?;
        let (root, place) = decode_bucket(value.value());
        roots.push((prefix, root));
        places.extend((root.count > 0).then_some(place));
    }
    Ok((roots, places))
}

fn encode_bucket(root: BucketRoot, place: Option<Place>) -> [u8; BUCKET_ROW] {
    let mut bytes = [0; BUCKET_ROW];
    let (first, second) = bytes.split_at_mut(BucketRoot::ENCODED);
    first.copy_from_slice(&root.encode());
    second.copy_from_slice(&place.map(|place| place.encode()).unwrap_or_default());
    bytes
}

pub(crate) fn decode_bucket(bytes: &[u8; BUCKET_ROW]) -> (BucketRoot, Place) {
    let (mut root, mut place) = ([0; BucketRoot::ENCODED], [0; Place::ENCODED]);
    root.copy_from_slice(&bytes[..BucketRoot::ENCODED]);
    place.copy_from_slice(&bytes[BucketRoot::ENCODED..]);
    (BucketRoot::decode(&root), Place::decode(&place))
}

type BucketTable<'t> = redb::Table<'t, &'static [u8], &'static [u8; BUCKET_ROW]>;

/// Writes the changed buckets in the order of their prefixes: neighbours share the pages of the
/// table.
fn save_buckets(
    transaction: &WriteTransaction,
    rows: &mut RowLog,
    before: &Snapshot,
    layers: &Layers,
) -> Result<(), StoreError> {
    let mut table = transaction.open_table(BUCKETS)?;
    for (prefix, change) in layers.buckets() {
        let key = prefix.encode();
        let old = match change {
            BucketChange::Write { bucket, .. } => {
                let place = rows.append(&row_of(before, layers, prefix, bucket)?)?;
                put(
                    &mut table,
                    &key,
                    change.root().map(|root| encode_bucket(root, Some(place))),
                )?
            }
            BucketChange::Empty | BucketChange::Remove => put(
                &mut table,
                &key,
                change.root().map(|root| encode_bucket(root, None)),
            )?,
        };
        old.into_iter().for_each(|place| rows.release(place));
    }
    reclaim(&mut table, rows)
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

/// The row of a changed bucket: its values are new, or stand in the rows of before.
fn row_of(
    before: &Snapshot,
    layers: &Layers,
    prefix: &Prefix,
    bucket: &Bucket,
) -> Result<Vec<u8>, StoreError> {
    let old = before.rows_over(prefix, bucket)?;
    let value = |path: &StatePath| match layers.find_ref(|layer| layer.values.get(path)) {
        Some(value) => value.as_deref(),
        None => old.iter().find_map(|row| row.value(path)),
    };
    row::encode(prefix, bucket, value).ok_or(MAP_DAMAGED)
}

/// Copies what counts out of the emptiest segments until old rows take no more room than they may.
fn reclaim(table: &mut BucketTable<'_>, rows: &mut RowLog) -> Result<(), StoreError> {
    while let Some(number) = rows.emptiest() {
        let mut kept = Vec::new();
        rows.scan(number, |place, bytes| {
            let Some(key) = row::prefix(&bytes).map(|prefix| prefix.encode()) else {
                return Ok(());
            };
            let entry = table.get(key.as_slice())?;
            let counts = entry.is_some_and(|entry| decode_bucket(entry.value()).1 == place);
            kept.extend(counts.then_some((key, bytes, place)));
            Ok(())
        })?;
        for (key, bytes, old) in kept {
            let place = rows.append(&bytes)?;
            let entry = table
                .get(key.as_slice())?
                .map(|entry| decode_bucket(entry.value()).0);
            let root = entry.ok_or(MAP_DAMAGED)?;
            put(table, &key, Some(encode_bucket(root, Some(place))))?;
            rows.release(old);
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

fn save_history(transaction: &WriteTransaction, layers: &Layers) -> Result<(), StoreError> {
    let mut events = transaction.open_table(EVENTS)?;
    for (id, index) in layers.events() {
        events.insert(id.as_bytes(), index.0)?;
    }
    let mut heights = transaction.open_table(HEIGHTS)?;
    for (height, row) in layers.heights() {
        heights.insert(height.0, (row.first.0, row.size.0, row.certificate))?;
    }
    Ok(())
}
