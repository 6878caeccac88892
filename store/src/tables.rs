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
use crate::rows::{Place, RowLog};
use crate::snapshot::Snapshot;
use crate::{Options, StoreError};
use medanchor_ledger::state::{
    BucketCell, BucketChange, BucketNow, BucketRoot, Moves, Prefix, StateMap, StoredBucket,
};
use medanchor_ledger::{Index, NetworkId, Size};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::collections::BTreeMap;
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

/// The state map as the last transaction has it.
#[derive(Debug)]
struct Stored {
    rows: RowLog,
    parts: PlaceParts,
    map: StateMap,
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
            map: map.clone(),
        });
        Ok((Self { database, stored }, snapshot, map))
    }

    /// Writes a batch and what belongs to its height, durably; its buckets are then read from here.
    /// Maps that are in use are to be told where buckets were moved to.
    pub(crate) fn save(&self, batch: Batch<'_>) -> Result<(Snapshot, Moves), StoreError> {
        let mut stored = self.stored();
        let transaction = begin(&self.database)?;
        let saved = save_map(&transaction, &mut stored, batch.map)?;
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
        stored.map = saved.map;
        Ok((Snapshot::new(&self.database)?, saved.moves))
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one save moves into the database.
pub(crate) struct Batch<'b> {
    pub(crate) fresh: &'b Fresh,
    /// The map, which came of the one that was saved last.
    pub(crate) map: &'b StateMap,
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
    map: StateMap,
    /// Where the buckets of cells are from now on.
    written: Vec<(Arc<BucketCell>, StoredBucket)>,
    moves: Moves,
}

/// Writes the changed buckets in the order of their prefixes, and wins room back.
fn save_map(
    transaction: &WriteTransaction,
    stored: &mut Stored,
    map: &StateMap,
) -> Result<Saved, StoreError> {
    let Stored {
        rows,
        parts,
        map: before,
    } = stored;
    let diff = map.since(before);
    let map = map.moved(&diff.moves);
    let first = rows.writing();
    let mut written = Vec::with_capacity(diff.changes.len());
    let mut spots = Vec::with_capacity(diff.changes.len());
    for change in &diff.changes {
        spots.push((change.prefix, save_bucket(rows, change, &mut written)?));
    }
    let mut moves: BTreeMap<_, _> = diff.moves.into_iter().collect();
    let mut copied = Vec::new();
    while let Some(number) = rows.emptiest(first) {
        for (prefix, root, row) in reclaim(rows, &map, number)? {
            copied.push((prefix, Some((root, Some(Place::of(&row))))));
            moves.insert(prefix, row);
        }
    }
    let moves: Moves = moves.into_iter().collect();
    let map = map.moved(&moves);
    let all = |each: &mut dyn FnMut(Prefix, Spot)| each_spot(&map, &spots, each);
    parts.write(transaction, spots.iter().chain(&copied).copied(), all)?;
    Ok(Saved {
        map,
        written,
        moves,
    })
}

/// Appends the row of a change, if it has one; gives what stands under its prefix from now on.
fn save_bucket(
    rows: &mut RowLog,
    change: &BucketChange,
    written: &mut Vec<(Arc<BucketCell>, StoredBucket)>,
) -> Result<Spot, StoreError> {
    if let Some(before) = &change.before {
        rows.release(Place::of(before));
    }
    let (root, cell) = match &change.now {
        BucketNow::Written(root, cell) => (*root, cell),
        BucketNow::Empty => return Ok(Some((BucketRoot::EMPTY, None))),
        BucketNow::Removed => return Ok(None),
    };
    let bucket = cell.bucket().map_err(|_| MAP_DAMAGED)?;
    let row = rows.append(&change.prefix, &bucket)?;
    let place = Place::of(&row);
    written.push((Arc::clone(cell), row));
    Ok(Some((root, Some(place))))
}

/// Hands over what stands under every prefix of a map. The `spots` of those that changed are in the
/// same order; the buckets of the others are stored.
fn each_spot(map: &StateMap, spots: &[(Prefix, Spot)], each: &mut dyn FnMut(Prefix, Spot)) {
    let mut changed = spots.iter().peekable();
    map.each_stored(|prefix, root, row| {
        while changed.next_if(|(before, _)| *before < prefix).is_some() {}
        match changed.next_if(|(same, _)| *same == prefix) {
            Some((_, spot)) => each(prefix, *spot),
            None => each(prefix, Some((root, row.as_ref().map(Place::of)))),
        }
    });
}

/// Copies what counts out of a segment; gives where it is now.
fn reclaim(
    rows: &mut RowLog,
    map: &StateMap,
    number: u32,
) -> Result<Vec<(Prefix, BucketRoot, StoredBucket)>, StoreError> {
    let mut kept = Vec::new();
    rows.scan(number, |place, bytes| {
        let found = row::prefix(bytes).and_then(|prefix| Some((prefix, map.stored(&prefix)?)));
        if let Some((prefix, (root, stored))) = found
            && Place::of(&stored) == place
        {
            kept.push((prefix, root, place, bytes.to_vec()));
        }
        Ok(())
    })?;
    let mut moves = Vec::with_capacity(kept.len());
    for (prefix, root, old, bytes) in kept {
        moves.push((prefix, root, rows.append_row(old, &bytes)?));
        rows.release(old);
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
