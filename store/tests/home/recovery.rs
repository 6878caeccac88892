//! Crash images: the files of a home as they stand while the store is open.

use crate::world::*;
use medanchor_ledger::execute::View;
use medanchor_ledger::merkle::{inclusion_proof, leaf_hash, verify_inclusion};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{Height, Index, Round};
use medanchor_store::{Options, Store, StoreError};
use std::fs;
use std::time::{Duration, Instant};

/// Everything that two stores of the same history answer alike.
fn assert_same(a: &Store, b: &Store) {
    let (left, right) = (a.view(), b.view());
    assert_eq!(left.head(), right.head());
    assert_eq!(left.map().root(), right.map().root());
    for height in 0..=left.head().height.0 {
        let height = Height(height);
        assert_eq!(a.block(height).unwrap(), b.block(height).unwrap());
        assert_eq!(
            left.block_range(height).unwrap(),
            right.block_range(height).unwrap()
        );
    }
    for index in 0..left.head().frontier.size().0 {
        let entry = a.entry(Index(index)).unwrap();
        assert!(entry.is_some());
        assert_eq!(entry, b.entry(Index(index)).unwrap());
    }
}

#[test]
fn a_home_that_saved_nothing_is_replayed_from_its_journal() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    for _ in 0..6 {
        decide(&store, 60);
    }
    let image = image(home.path());
    assert_same(&store, &open(image.path(), lazy()).unwrap());
}

#[test]
fn a_home_that_saved_some_heights_replays_the_others_only() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    for _ in 0..5 {
        decide(&store, 90);
    }
    store.close().unwrap();
    let mut replayed = Vec::new();
    let store = open(home.path(), lazy()).unwrap();
    for _ in 0..3 {
        decide(&store, 90);
    }
    let image = image(home.path());
    let again = Store::open(image.path(), &genesis(), lazy(), |view, block| {
        replayed.push(block.height.0);
        replay(view, block)
    });
    assert_same(&store, &again.unwrap());
    assert_eq!(replayed, [6, 7, 8]);
}

#[test]
fn a_store_that_saves_all_the_time_answers_like_one_that_never_does() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let eager = open(home.path(), eager()).unwrap();
    let lazy = open(other.path(), lazy()).unwrap();
    for events in [0, 1, 254, 300, 7, 600] {
        decide(&eager, events);
        decide(&lazy, events);
        assert_same(&eager, &lazy);
    }
}

#[test]
fn blocks_are_found_when_their_journal_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let blocks: Vec<_> = (0..8).map(|_| decide(&store, 100)).collect();
    store.close().unwrap();
    let journal = home.path().join("data/journal");
    assert!(
        fs::read_dir(&journal).unwrap().count() < 8,
        "segments were dropped"
    );
    let store = open(home.path(), lazy()).unwrap();
    for executed in blocks {
        let block = store.block(executed.seal.height).unwrap().unwrap();
        assert_eq!(block.body, executed.encode_block());
        assert_eq!(block.value, executed.value_id);
        assert_eq!(block.certificate, certificate(&executed));
    }
}

#[test]
fn events_and_values_are_found_before_and_after_they_are_saved() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let executed = decide(&store, 300);
    let check = |store: &Store| {
        let view = store.view();
        for (place, event) in executed.events.iter().enumerate() {
            let index = Index(executed.seal.first.0 + place as u64);
            assert_eq!(store.index_of(&event.id()).unwrap(), Some(index));
            assert_eq!(view.height_of(index).unwrap(), Some(Height(1)));
            assert!(view.seen(&event.id()).unwrap());
        }
        for (path, value) in &*executed.changes {
            assert_eq!(view.map().value(path).unwrap(), *value);
        }
        assert_eq!(view.value(&StateKey::single(0xee)).unwrap(), None);
        assert_eq!(view.height_of(Index(302)).unwrap(), None);
    };
    check(&store);
    store.close().unwrap();
    check(&open(home.path(), lazy()).unwrap());
}

#[test]
fn a_view_keeps_its_height_while_later_ones_are_decided_and_saved() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), eager()).unwrap();
    decide(&store, 50);
    let view = store.view();
    let (twin, rival) = (next(&view, 40), next(&view, 41));
    for _ in 0..5 {
        decide(&store, 200);
    }
    assert_eq!(view.head().height, Height(1));
    assert_eq!(next(&view, 40).value_id, twin.value_id);
    assert_eq!(next(&view, 41).value_id, rival.value_id);
    assert!(matches!(
        store.commit(&twin, &[1]),
        Err(StoreError::Refused { .. })
    ));
}

#[test]
fn proofs_hold_at_every_size_wherever_the_nodes_are() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let mut sizes = Vec::new();
    for events in [200, 3, 500, 80] {
        let executed = decide(&store, events);
        sizes.push((executed.head.frontier.size(), executed.log_root()));
    }
    let check = |store: &Store| {
        for (size, root) in &sizes {
            for index in (0..size.0).step_by(13) {
                let proof = inclusion_proof(&store.nodes(), Index(index), *size).unwrap();
                let leaf = leaf_hash(&store.entry(Index(index)).unwrap().unwrap());
                verify_inclusion(Index(index), *size, &leaf, &proof, root).unwrap();
            }
        }
    };
    check(&store);
    store.close().unwrap();
    check(&open(home.path(), lazy()).unwrap());
}

#[test]
fn a_journal_torn_in_its_last_decision_decides_it_again() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    decide(&store, 3);
    let body = next(&store.view(), 4);
    store
        .journal()
        .keep_body(Height(2), body.value_id, &body.encode_block())
        .unwrap();
    store
        .journal()
        .keep_proposal(Height(2), Round(1), body.value_id, &[])
        .unwrap();
    store.commit(&body, &certificate(&body)).unwrap();
    let image = image(home.path());
    let segment = image
        .path()
        .join("data/journal/00000000000000000000.journal");
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() - 1]).unwrap();

    let again = open(image.path(), lazy()).unwrap();
    assert_eq!(again.view().head().height, Height(1));
    let undecided = again.journal().undecided(Height(2)).unwrap();
    assert_eq!(undecided.len(), 1);
    assert_eq!(undecided[0].body, body.encode_block());
    assert_eq!(undecided[0].proposed, [Round(1)]);
    again.commit(&body, &certificate(&body)).unwrap();
    assert_same(&store, &again);
}

#[test]
fn a_journal_that_lost_a_cosigned_height_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    decide(&store, 3);
    decide(&store, 3);
    store.mark_cosigned(Height(2)).unwrap();
    let image = image(home.path());
    let segment = image
        .path()
        .join("data/journal/00000000000000000000.journal");
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(
        open(image.path(), lazy()),
        Err(StoreError::Damaged { .. })
    ));
}

#[test]
fn a_replay_that_ends_elsewhere_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    decide(&store, 3);
    let image = image(home.path());
    let other = Store::open(image.path(), &genesis(), lazy(), |view, _| {
        Ok(next(view, 4))
    });
    assert!(matches!(other, Err(StoreError::Contradiction { .. })));
}

#[test]
fn one_process_and_one_network_a_home() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    assert!(matches!(
        open(home.path(), lazy()),
        Err(StoreError::HomeInUse { .. })
    ));
    drop(store);
    let other = Store::open(home.path(), &genesis_of("other.example"), lazy(), replay);
    assert!(matches!(other, Err(StoreError::OtherNetwork { .. })));
}

#[test]
fn a_changed_byte_of_the_state_is_a_failed_read_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let executed = decide(&store, 300);
    store.close().unwrap();
    let (path, value) = executed.changes.iter().next().unwrap();
    let value = value.as_deref().unwrap();
    let mut changed = 0;
    for entry in fs::read_dir(home.path().join("data/rows")).unwrap() {
        let file = entry.unwrap().path();
        let mut bytes = fs::read(&file).unwrap();
        let places = bytes.windows(value.len()).enumerate();
        let places = places
            .filter(|(_, window)| *window == value)
            .map(|(place, _)| place);
        for place in places.collect::<Vec<_>>() {
            bytes[place] ^= 1;
            changed += 1;
        }
        fs::write(&file, bytes).unwrap();
    }
    assert!(changed > 0);
    let store = open(home.path(), lazy()).unwrap();
    let failed = store.view().map().value(path).unwrap_err();
    assert!(failed.to_string().contains("damaged at byte"), "{failed}");
}

#[test]
fn rows_that_were_never_committed_are_ignored_and_missing_ones_refused() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    decide(&store, 300);
    store.close().unwrap();
    let rows = home.path().join("data/rows");
    let segments = || {
        fs::read_dir(&rows)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    for path in segments() {
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(b"a row that was being written when the power went");
        fs::write(&path, bytes).unwrap();
    }
    let unused = rows.join("0000000099.rows");
    fs::write(&unused, b"half a row").unwrap();
    let store = open(home.path(), eager()).unwrap();
    assert!(!unused.exists());
    for _ in 0..3 {
        decide(&store, 100);
    }
    store.close().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    assert_eq!(store.view().head().height, Height(4));
    drop(store);
    segments().for_each(|path| fs::remove_file(path).unwrap());
    assert!(matches!(
        open(home.path(), lazy()),
        Err(StoreError::Missing { .. })
    ));
}

#[test]
fn a_changed_byte_anywhere_in_the_database_is_refused_or_harmless() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    decide(&store, 300);
    let root = store.view().map().root();
    store.close().unwrap();
    let path = home.path().join("data/state.redb");
    let good = fs::read(&path).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for at in (0..used).step_by(used / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&path, bad).unwrap();
        match open(home.path(), lazy()) {
            Ok(store) => assert_eq!(store.view().map().root(), root),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}

#[test]
fn deciding_waits_for_the_disk_when_memory_is_full() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tight = Options {
        save_bytes: 1,
        ..lazy()
    };
    let tight = open(home.path(), tight).unwrap();
    let lazy = open(other.path(), lazy()).unwrap();
    for _ in 0..12 {
        decide(&tight, 30);
        decide(&lazy, 30);
    }
    assert_same(&tight, &lazy);
}

#[test]
fn a_save_that_failed_stops_the_store_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), eager()).unwrap();
    decide(&store, 10);
    drop(store);
    let image = image(home.path());
    let store = open(image.path(), eager()).unwrap();
    fs::remove_dir_all(image.path().join("data/rows")).unwrap();
    fs::write(image.path().join("data/rows"), b"no folder").unwrap();
    let executed = next(&store.view(), 10);
    store.commit(&executed, &certificate(&executed)).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while store.health().is_ok() && Instant::now() < patience {
        std::thread::yield_now();
    }
    let refused = store.commit(&next(&store.view(), 1), &[]);
    assert!(matches!(refused, Err(StoreError::Stopped { .. })));
    assert!(store.close().is_err());
    fs::remove_file(image.path().join("data/rows")).unwrap();
    let rows = crate::world::image(&home.path().join("data/rows"));
    fs::rename(rows.path(), image.path().join("data/rows")).unwrap();
    let store = open(image.path(), lazy()).unwrap();
    assert_eq!(store.view().head().height, Height(2));
}

#[test]
fn entries_of_many_places_are_those_that_stand_there_wherever_they_are() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    for events in [200, 3, 500, 80] {
        decide(&store, events);
    }
    let size = store.view().head().frontier.size().0;
    let check = |store: &Store| {
        for step in [1, 7, 255, 256, 700] {
            let places: Vec<_> = (3..size).step_by(step).map(Index).collect();
            let mut found = Vec::new();
            let each = |index, entry: &[u8]| {
                found.push((index, Some(entry.to_vec())));
                Ok::<_, StoreError>(())
            };
            store.each_entry(&places, each).unwrap();
            let alone = places
                .iter()
                .map(|place| (*place, store.entry(*place).unwrap()));
            assert_eq!(found, alone.collect::<Vec<_>>());
        }
        let mut seen = 0;
        let each = |_, _: &[u8]| {
            seen += 1;
            Ok::<_, StoreError>(())
        };
        let refused = store.each_entry(&[Index(2), Index(size)], each);
        assert!(matches!(refused, Err(StoreError::Contradiction { .. })));
        assert_eq!(seen, 1);
    };
    check(&store);
    store.close().unwrap();
    check(&open(home.path(), lazy()).unwrap());
}
