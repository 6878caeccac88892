//! State tables that are not those of the log beside them are refused when the home is opened, and
//! blocks that are not the next one when they come.

use crate::world::*;
use medanchor_ledger::execute::execute_genesis;
use medanchor_store::{ScratchState, StoreError};
use redb::{Database, ReadableTable, TableDefinition};
use std::fs;
use std::path::Path;

/// Lists of: length of the prefix in bits, its bits in whole bytes, number of leaves, and, unless there
/// are none or the number is 255, root (32), segment, offset and length of the row.
const PLACES: TableDefinition<u64, &[u8]> = TableDefinition::new("places");

fn saved_home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    decide(&store, 300);
    store.close().unwrap();
    home
}

/// Changes the first bucket with leaves that was saved last as a bug would: the database's own checks
/// hold. Hands over what follows the prefix.
fn change_a_bucket(home: &Path, change: impl FnOnce(&mut [u8])) {
    let database = Database::open(home.join("data/state.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(PLACES).unwrap();
        let (number, mut part) = {
            let (number, part) = table.last().unwrap().unwrap();
            (number.value(), part.value().to_vec())
        };
        let count = |at: usize| at + 1 + usize::from(part[at]).div_ceil(8);
        let mut at = 0;
        while matches!(part[count(at)], 0 | 255) {
            at = count(at) + 1;
        }
        let at = count(at);
        change(&mut part[at..]);
        table.insert(number, part.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn a_state_that_the_last_seal_does_not_name_is_refused() {
    let home = saved_home();
    change_a_bucket(home.path(), |bucket| bucket[1] ^= 1);
    let refused = open(home.path(), lazy()).err().unwrap();
    assert!(matches!(refused, StoreError::OtherState { height: 1, .. }));
    assert!(refused.to_string().contains("--restored"), "{refused}");
}

#[test]
fn a_bucket_of_more_leaves_than_there_may_be_is_refused() {
    let home = saved_home();
    change_a_bucket(home.path(), |bucket| bucket[0] = 21);
    assert!(matches!(
        open(home.path(), lazy()),
        Err(StoreError::Contradiction { .. })
    ));
}

#[test]
fn a_state_of_an_older_format_is_refused() {
    let home = saved_home();
    let database = Database::open(home.path().join("data/state.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
    let older = b"medanchor/state/v2".as_slice();
    let mut table = transaction.open_table(meta).unwrap();
    assert!(table.insert("format", older).unwrap().is_some());
    drop(table);
    transaction.commit().unwrap();
    drop(database);
    let refused = open(home.path(), lazy()).err().unwrap();
    assert!(refused.to_string().contains("--restored"), "{refused}");
}

#[test]
fn a_bucket_whose_segment_is_not_there_is_refused() {
    let home = saved_home();
    change_a_bucket(home.path(), |bucket| bucket[36] = 77);
    assert!(matches!(
        open(home.path(), lazy()),
        Err(StoreError::Missing { .. })
    ));
}

#[test]
fn a_segment_that_was_cut_short_is_refused_with_its_place() {
    let home = saved_home();
    let folder = fs::read_dir(home.path().join("data/rows")).unwrap();
    let segment = folder.map(|entry| entry.unwrap().path()).max().unwrap();
    let length = fs::metadata(&segment).unwrap().len();
    let file = fs::File::options().write(true).open(&segment).unwrap();
    file.set_len(length - 1).unwrap();
    match open(home.path(), lazy()) {
        Err(StoreError::Damaged { path, position, .. }) => {
            assert_eq!((path, position), (segment, length - 1));
        }
        other => panic!("opened: {}", other.is_ok()),
    }
}

#[test]
fn a_block_that_changed_no_value_is_applied_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = execute_genesis(&genesis()).unwrap();
    let mut state = ScratchState::new(folder.path(), &first, lazy()).unwrap();
    let empty = next(state.view(), 0);
    assert_eq!(empty.map_update.base(), empty.map_update.root());
    state.apply(&empty).unwrap();
    let again = state.apply(&empty);
    assert!(matches!(again, Err(StoreError::Refused { .. })));
}
