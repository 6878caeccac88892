//! The state database: tables of redb and the rows of the state map, written by one thread in
//! transactions that carry their height.
//!
//! What always holds: a transaction moves everything from one decided height to a later one, whole
//! or not at all. Rows carry a checksum, so that a bit the disk changed is a failed read and never a
//! wrong verdict.
//!
//! | table | key | value |
//! |---|---|---|
//! | `places` | number | roots of buckets and places of their rows ([`crate::places`]) |
//! | `events` | event id (32) | index in the log |
//! | `heights` | height | first index, size after the block, place of its certificate in `log/certificates` |
//! | `meta` | name | `format`, `network`, `head`, `log` |

use crate::files::make_folder;
use crate::pending::Fresh;
use crate::places::{MAP_DAMAGED, PLACES, PlaceParts, Spot, Standing};
use crate::rows::row;
use crate::rows::{MovedRows, Place, RowLog};
use crate::snapshot::Snapshot;
use crate::{Options, StoreError};
use medanchor_ledger::state::{
    BucketCell, BucketChange, BucketMove, BucketNow, BucketRoot, Prefix, StateMap, StoredBucket,
};
use medanchor_ledger::{Index, NetworkId, Size};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) const EVENTS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("events");
pub(crate) const HEIGHTS: TableDefinition<u64, (u64, u64, u64)> = TableDefinition::new("heights");
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

const FORMAT: &[u8] = b"medanchor/state/v3";

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
    stored: Mutex<Stored>,
}

/// The buckets of the state map as the last transaction has them.
#[derive(Debug)]
struct Stored {
    rows: RowLog,
    parts: PlaceParts,
    moved: MovedRows,
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
        let (parts, places) = PlaceParts::read(&database.begin_read()?.open_table(PLACES)?)?;
        let rows = places.iter().filter_map(|(_, _, place)| *place);
        let rows = RowLog::open(&folder, options.segment_bytes, options.rows_bytes, rows)?;
        let map = load(&rows, &places)?;
        let snapshot = Snapshot::new(&database)?;
        let stored = Mutex::new(Stored {
            rows,
            parts,
            moved: MovedRows::default(),
        });
        Ok((Self { database, stored }, snapshot, map))
    }

    /// Writes a batch and what belongs to its height, durably; its buckets are then read from here.
    /// Maps that are in use are to be told where buckets were moved to, in the order of the saves.
    pub(crate) fn save(&self, batch: Batch<'_>) -> Result<(Snapshot, Vec<BucketMove>), StoreError> {
        let mut stored = self.stored();
        let transaction = begin(&self.database)?;
        let saved = save_map(&transaction, &mut stored, &batch)?;
        save_history(&transaction, batch.fresh)?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert("head", batch.head)?;
            meta.insert("log", batch.log)?;
        }
        stored.rows.sync()?;
        transaction.commit()?;
        for dead in stored.rows.take_dead() {
            crate::files::remove(&dead)?;
        }
        for (cell, row) in saved.written {
            cell.put_away(row);
        }
        Ok((Snapshot::new(&self.database)?, saved.moves))
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one save moves into the database.
pub(crate) struct Batch<'b> {
    pub(crate) fresh: &'b Fresh,
    /// The map, which came of the one that was saved last,
    pub(crate) map: &'b StateMap,
    /// by these updates.
    pub(crate) changes: &'b [Arc<[BucketChange]>],
    pub(crate) head: &'b [u8],
    pub(crate) log: &'b [u8],
}

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
    transaction.open_table(PLACES)?;
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

/// The map of stored places. Reads no row.
fn load(rows: &RowLog, places: &[Standing]) -> Result<StateMap, StoreError> {
    let place = |(prefix, root, place): &Standing| {
        let row = place.map(|place| rows.row(place).ok_or(MAP_DAMAGED));
        Ok((*prefix, *root, row.transpose()?))
    };
    let places: Result<Vec<_>, StoreError> = places.iter().map(place).collect();
    StateMap::load(&places?).map_err(|_| MAP_DAMAGED)
}

/// What a save did to the map.
struct Saved {
    /// Where the buckets of cells are from now on.
    written: Vec<(Arc<BucketCell>, StoredBucket)>,
    moves: Vec<BucketMove>,
}

/// Writes the changed buckets in the order of their prefixes, and wins room back.
fn save_map(
    transaction: &WriteTransaction,
    stored: &mut Stored,
    batch: &Batch<'_>,
) -> Result<Saved, StoreError> {
    let changes = BucketChange::net(batch.changes);
    let first = stored.rows.writing();
    let mut written = Vec::with_capacity(changes.len());
    let mut spots = Vec::with_capacity(changes.len());
    for change in &changes {
        let spot = stored.save_bucket(change, &mut written)?;
        spots.push((change.prefix, spot));
    }
    let (mut moves, mut copied) = (Vec::new(), Vec::new());
    while let Some(number) = stored.rows.emptiest(first) {
        for (root, moved) in reclaim(&mut stored.rows, &stored.moved, batch.map, number)? {
            copied.push((moved.prefix, Some((root, Some(Place::of(&moved.to))))));
            moves.push(moved);
        }
    }
    moves.sort_by_key(|moved| moved.prefix);
    stored.moved.push(&moves);
    let Stored { parts, moved, .. } = stored;
    let whole = Cell::new(true);
    let all = |each: &mut dyn FnMut(Prefix, Spot)| {
        each_spot(batch.map, &spots, moved, &mut |prefix, spot| {
            whole.set(whole.get() && has_row_if_leaves(spot));
            each(prefix, spot);
        });
    };
    parts.write(transaction, spots.iter().chain(&copied).copied(), all)?;
    if !whole.get() {
        return Err(MAP_DAMAGED);
    }
    Ok(Saved { written, moves })
}

impl Stored {
    /// Appends the row of a change, if it has one; gives what stands under its prefix from now on.
    fn save_bucket(
        &mut self,
        change: &BucketChange,
        written: &mut Vec<(Arc<BucketCell>, StoredBucket)>,
    ) -> Result<Spot, StoreError> {
        if let Some(before) = change.before() {
            self.rows.release(self.moved.now(Place::of(&before)))?;
        }
        let (root, cell) = match &change.now {
            BucketNow::Written(root, cell) => (*root, cell),
            BucketNow::Empty => return Ok(Some((BucketRoot::EMPTY, None))),
            BucketNow::Removed => return Ok(None),
        };
        let bucket = cell.bucket().map_err(|_| MAP_DAMAGED)?;
        let row = self.rows.append(&change.prefix, &bucket)?;
        let place = Place::of(&row);
        written.push((Arc::clone(cell), row));
        Ok(Some((root, Some(place))))
    }
}

fn has_row_if_leaves(spot: Spot) -> bool {
    spot.is_none_or(|(root, place)| (root.count > 0) == place.is_some())
}

/// Hands over what stands under every prefix of a map. The `spots` of those that changed are in the
/// same order; the buckets of the others are stored, where the map says or where they were `moved` to.
fn each_spot(
    map: &StateMap,
    spots: &[(Prefix, Spot)],
    moved: &MovedRows,
    each: &mut dyn FnMut(Prefix, Spot),
) {
    let mut changed = spots.iter().peekable();
    map.each_stored(|prefix, root, row| {
        while changed.next_if(|(before, _)| *before < prefix).is_some() {}
        match changed.next_if(|(same, _)| *same == prefix) {
            Some((_, spot)) => each(prefix, *spot),
            None => {
                let place = row.map(|row| moved.now(Place::of(&row)));
                each(prefix, Some((root, place)));
            }
        }
    });
}

/// Copies what counts out of a segment; gives where it is now. What counts is what the map has there:
/// a row that was not released and that the map has elsewhere would bring an old bucket back.
fn reclaim(
    rows: &mut RowLog,
    before: &MovedRows,
    map: &StateMap,
    number: u32,
) -> Result<Vec<(BucketRoot, BucketMove)>, StoreError> {
    let mut kept = Vec::new();
    rows.scan(number, |place, bytes| {
        let found = row::prefix(bytes).and_then(|prefix| Some((prefix, map.stored(&prefix)?)));
        let (prefix, (root, row)) = found.ok_or(MAP_DAMAGED)?;
        if before.now(Place::of(&row)) != place {
            return Err(MAP_DAMAGED);
        }
        kept.push((prefix, root, place, bytes.to_vec()));
        Ok(())
    })?;
    let mut moves = Vec::with_capacity(kept.len());
    for (prefix, root, old, bytes) in kept {
        let to = rows.append_row(old, &bytes)?;
        let from = (old.segment, old.offset);
        moves.push((root, BucketMove { prefix, from, to }));
        rows.release(old)?;
    }
    if !rows.is_empty(number) {
        return Err(StoreError::Contradiction {
            what: "rows of the state",
        });
    }
    rows.forget(number);
    Ok(moves)
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
