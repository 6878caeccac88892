//! States of kept heights, and where the events of a tag stand.

use crate::world::*;
use medanchor_ledger::execute::View;
use medanchor_ledger::rules::TagIndex;
use medanchor_ledger::rules::tag::moved;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{Height, Index, Size, Tag};
use medanchor_store::{Options, Store, Tagged};

fn key(number: u8) -> StateKey {
    TagIndex::key(&hospital(), &Tag::new([number; 16]))
}

/// Where the log itself says that the tag's events stand.
fn expected(store: &Store, key: &StateKey) -> Vec<Index> {
    let view = store.view();
    let size = view.head().frontier.size();
    let bears = |index: &Index| {
        let entry = store.entry(*index).unwrap().unwrap();
        let event = medanchor_ledger::event::Event::decode(&entry);
        event.is_ok_and(|event| {
            let moved = moved(&event, *index, view.map()).unwrap();
            moved.iter().any(|(found, _)| found == key)
        })
    };
    (0..size.0).map(Index).filter(bears).collect()
}

/// Ranges so short that there are several, some of which end inside a block.
fn ranged() -> Options {
    Options {
        history_range: 64,
        ..eager()
    }
}

#[track_caller]
fn check(store: &Store) {
    let size = store.view().head().frontier.size();
    for number in 0..8 {
        let (key, all) = (key(number), expected(store, &key(number)));
        assert_eq!(all.is_empty(), number == 7);
        let found = |skip, limit, size| store.tagged(&key, skip, limit, size).unwrap();
        assert_eq!(found(0, usize::MAX, size), Tagged::Found(all.clone()));
        let some: Vec<_> = all.iter().skip(2).take(3).copied().collect();
        assert_eq!(found(2, 3, size), Tagged::Found(some));
        let early = all.iter().filter(|index| index.0 < 20).copied().collect();
        assert_eq!(found(0, usize::MAX, Size(20)), Tagged::Found(early));
    }
}

#[test]
fn events_of_a_tag_are_found_across_ranges_and_restarts() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), ranged()).unwrap();
    (0..6).for_each(|_| drop(decide(&store, 50)));
    check(&store);
    store.close().unwrap();
    let store = open(home.path(), ranged()).unwrap();
    check(&store);
    decide(&store, 50);
    check(&store);
    store.close().unwrap();
    let files = home.path().join("data/histories");
    assert!(std::fs::read_dir(&files).unwrap().count() > 3);
    std::fs::remove_file(files.join("0000000001")).unwrap();
    let store = open(home.path(), ranged()).unwrap();
    check(&store);
    assert!(files.join("0000000001").exists());
}

#[test]
fn an_older_home_gets_its_index() {
    let home = tempfile::tempdir().unwrap();
    let without = Options {
        histories: false,
        ..eager()
    };
    let store = open(home.path(), without).unwrap();
    (0..3).for_each(|_| drop(decide(&store, 50)));
    let found = store.tagged(&key(1), 0, 1, Size(1)).unwrap();
    assert_eq!(found, Tagged::Off);
    store.close().unwrap();
    check(&open(home.path(), ranged()).unwrap());
}

#[test]
fn states_of_kept_heights_are_those_that_their_seals_name() {
    let home = tempfile::tempdir().unwrap();
    let few = Options {
        kept_heights: 4,
        ..eager()
    };
    let store = open(home.path(), few).unwrap();
    let mut roots = vec![store.view().map().root()];
    for _ in 0..9 {
        decide(&store, 20);
        roots.push(store.view().map().root());
    }
    assert_eq!(store.oldest_state(), Some(Height(6)));
    for (height, root) in (0..).zip(&roots) {
        let state = store.state_at(Height(height));
        assert_eq!(state.is_some(), height >= 6, "{height}");
        let Some(state) = state else { continue };
        assert_eq!(state.root(), *root);
        // Also where later heights replaced buckets before or after they were saved.
        let path = key(1).path();
        let value = state.value(&path).unwrap();
        let proof = state.prove(&path).unwrap();
        assert_eq!(proof.verify(root, &path, value.as_deref()), Ok(()));
    }
    assert!(store.newest_published_state().is_none());
}
