//! Room is won back, and nothing that counts is lost with it.

use crate::pending::Fresh;
use crate::snapshot::Snapshot;
use crate::tables::{Batch, Tables};
use crate::{Options, StoreError};
use medanchor_ledger::NetworkId;
use medanchor_ledger::state::{BucketMove, Changes, StateKey, StateMap};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn open(folder: &Path) -> (Tables, StateMap) {
    let (tables, _, map) = try_open(folder).unwrap();
    (tables, map)
}

fn try_open(folder: &Path) -> Result<(Tables, Snapshot, StateMap), StoreError> {
    let network = NetworkId::new([1; 16]);
    let options = Options {
        cache_bytes: 1 << 20,
        rows_bytes: 10_000,
        segment_bytes: 30_000,
        ..Options::default()
    };
    Tables::open(folder, network, options)
}

fn key(n: u16) -> StateKey {
    StateKey::new(&n.to_be_bytes()).unwrap()
}

fn save(tables: &Tables, before: &StateMap, changes: &Changes) -> StateMap {
    let (map, moves) = save_moving(tables, before, changes);
    map.moved(&moves)
}

/// Saves, and gives the map as it is for whom nobody told where buckets were moved to.
fn save_moving(
    tables: &Tables,
    before: &StateMap,
    changes: &Changes,
) -> (StateMap, Vec<BucketMove>) {
    let update = before.update(changes).unwrap();
    let map = update.map().clone();
    let batch = Batch {
        fresh: &Fresh::default(),
        map: &map,
        changes: &[Arc::clone(update.changes())],
        head: b"head",
        log: b"log",
    };
    let (_, moves) = tables.save(batch).unwrap();
    (map, moves)
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder.join("rows")).unwrap();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn values_are_what_they_were_last_set_to_while_room_is_won_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut tables, mut map) = open(folder.path());
    let mut model: BTreeMap<_, _> = BTreeMap::new();
    for round in 0..60u16 {
        let changed = (0..120).map(|n| (n * 7 + round * 31) % 700);
        let new = |n: u16| {
            let value = vec![(round % 251) as u8; usize::from(n % 90) + 1];
            (key(n).path(), (n % 11 != round % 11).then_some(value))
        };
        let changes: Changes = changed.map(new).collect();
        map = save(&tables, &map, &changes);
        model.extend(changes);
        if round % 20 == 19 {
            drop((tables, map));
            (tables, map) = open(folder.path());
        }
        for (path, value) in &model {
            assert_eq!(map.value(path).unwrap(), *value);
        }
    }
    let written_once = 60 * 100 * 100;
    assert!(
        bytes_in(folder.path()) < written_once,
        "old rows were dropped"
    );
}

/// A block may be executed over a map while a save moves that map's buckets, and while the next does:
/// what is saved then came of a map that was told late, and its buckets are found, and their old rows
/// forgotten, all the same.
#[test]
fn a_map_that_is_told_late_of_moves_is_saved_like_one_that_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let (mut tables, mut map) = open(folder.path());
    let (mut model, mut moved) = (BTreeMap::new(), 0);
    let mut untold: Vec<Vec<BucketMove>> = Vec::new();
    for round in 0..300u16 {
        // Mostly the same few keys, so that most buckets stay where they are until they are moved.
        let seldom = |n: u16| (n * 97 + round * 31) % 700;
        let changed = (0..10).map(|n| if n < 2 { seldom(n) } else { n });
        let new = |n: u16| (key(n).path(), Some(vec![(round % 251) as u8; 50]));
        let changes: Changes = changed.map(new).collect();
        let (next, moves) = save_moving(&tables, &map, &changes);
        moved += moves.len();
        untold.push(moves);
        map = next;
        if untold.len() > 2 {
            map = map.moved(&untold.remove(0));
        }
        model.extend(changes);
        if round % 30 == 29 {
            let root = map.root();
            drop((tables, map));
            untold.clear();
            (tables, map) = open(folder.path());
            assert_eq!(map.root(), root);
        }
        for (path, value) in &model {
            assert_eq!(map.value(path).unwrap(), *value);
        }
    }
    assert!(moved > 50, "{moved} buckets were moved");
    assert!(bytes_in(folder.path()) < 500_000, "old rows were dropped");
}

#[test]
fn restarts_do_not_leave_a_file_each() {
    let folder = tempfile::tempdir().unwrap();
    let (tables, map) = open(folder.path());
    let mut model: Changes = (0..700)
        .map(|n| (key(n).path(), Some(vec![0xff; 50])))
        .collect();
    drop(save(&tables, &map, &model));
    drop((tables, map));
    for start in 0..60u8 {
        let (tables, map) = open(folder.path());
        let change = (key(u16::from(start) * 11).path(), Some(vec![start; 50]));
        let map = save(&tables, &map, &[change.clone()].into());
        model.extend([change]);
        for (path, value) in &model {
            assert_eq!(map.value(path).unwrap(), *value);
        }
        let files = fs::read_dir(folder.path().join("rows")).unwrap().count();
        assert!(files <= 24, "{files} files after {start} starts");
    }
}

#[test]
fn a_segment_that_cannot_be_opened_is_not_called_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (tables, map) = open(folder.path());
    let change = (key(1).path(), Some(vec![1; 50]));
    drop(save(&tables, &map, &[change].into()));
    drop((tables, map));
    let segment = folder.path().join("rows/0000000000.rows");
    fs::remove_file(&segment).unwrap();
    assert!(matches!(
        try_open(folder.path()),
        Err(StoreError::Missing { .. })
    ));
    // A link to itself: the system says that there are too many, and not that there is no file.
    std::os::unix::fs::symlink(&segment, &segment).unwrap();
    assert!(matches!(
        try_open(folder.path()),
        Err(StoreError::Io { .. })
    ));
}

#[test]
fn an_old_map_reads_rows_whose_segments_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (tables, empty) = open(folder.path());
    let all = |fill: u8| {
        (0..300)
            .map(|n| (key(n).path(), Some(vec![fill; 100])))
            .collect::<Changes>()
    };
    let first = save(&tables, &empty, &all(0));
    let mut last = save(&tables, &first, &all(1));
    for fill in 2..9 {
        last = save(&tables, &last, &all(fill));
    }
    for n in 0..300 {
        assert_eq!(first.value(&key(n).path()).unwrap(), Some(vec![0; 100]));
        assert_eq!(last.value(&key(n).path()).unwrap(), Some(vec![8; 100]));
    }
}
