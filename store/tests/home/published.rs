//! The published folder, as an auditor reads it.

use crate::world::*;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::merkle::tile::{TileId, TileNodes};
use medanchor_ledger::merkle::{leaf_hash, root_at, root_of_leaves};
use medanchor_ledger::{Size, TreeHash};
use medanchor_store::{LogReader, Store, StoreError};
use std::fs;
use std::path::Path;

/// The roots that the bundles and the tiles of a folder give for a size.
fn roots(folder: &Path, size: Size) -> (TreeHash, TreeHash) {
    let reader = LogReader::new(folder);
    let mut leaves = Vec::new();
    for id in BundleId::grown(Size(0), size) {
        let hash = |entries: &[&[u8]]| leaves.extend(entries.iter().map(|entry| leaf_hash(entry)));
        reader.entries(id, hash).unwrap();
    }
    let tiles = root_at(&TileNodes::new(reader, size), size).unwrap();
    (root_of_leaves(leaves), tiles)
}

#[test]
fn a_checkpoint_stands_on_files_that_give_its_root() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let log = home.path().join("log");
    for events in [0, 10, 300, 255, 700, 0] {
        let executed = decide(&store, events);
        let size = executed.head.frontier.size();
        store.publish(size, &checkpoint(&executed)).unwrap();
        assert_eq!(store.published(), size);
        assert_eq!(
            roots(&log, size),
            (executed.log_root(), executed.log_root())
        );
        let reader = LogReader::new(&log);
        assert_eq!(reader.checkpoint().unwrap().unwrap(), checkpoint(&executed));
    }
}

#[test]
fn every_published_size_can_be_read_from_the_folder_and_over_the_store() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let mut published = Vec::new();
    for events in [5, 90, 200, 300] {
        let executed = decide(&store, events);
        store
            .publish(executed.head.frontier.size(), &checkpoint(&executed))
            .unwrap();
        published.push((executed.head.frontier.size(), executed.log_root()));
        for (size, root) in &published {
            assert_eq!(roots(&home.path().join("log"), *size), (*root, *root));
            for id in TileId::grown(Size(0), *size) {
                let bytes = store.tile(id).unwrap().unwrap();
                assert_eq!(bytes.len(), 32 * usize::from(id.width().get()));
            }
            for id in BundleId::grown(Size(0), *size) {
                assert!(store.bundle(id).unwrap().is_some());
            }
        }
    }
    let beyond: TileId = "tile/0/099".parse().unwrap();
    assert_eq!(store.tile(beyond).unwrap(), None);
}

#[test]
fn partial_files_go_when_the_full_one_is_there() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let tiles = home.path().join("log/tile");
    let executed = decide(&store, 20);
    store
        .publish(executed.head.frontier.size(), &checkpoint(&executed))
        .unwrap();
    assert!(tiles.join("0/000.p/22").is_file());
    assert!(tiles.join("entries/000.p/22").is_file());
    let executed = decide(&store, 300);
    store
        .publish(executed.head.frontier.size(), &checkpoint(&executed))
        .unwrap();
    assert!(tiles.join("0/000").is_file() && tiles.join("entries/000").is_file());
    assert!(!tiles.join("0/000.p").exists() && !tiles.join("entries/000.p").exists());
}

#[test]
fn a_checkpoint_that_ends_inside_a_block_or_goes_back_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let first = decide(&store, 3);
    let second = decide(&store, 3);
    let size = |executed: &Executed| executed.head.frontier.size();
    for wrong in [0, 2, size(&first).0 + 1, size(&second).0 + 1] {
        let refused = store.publish(Size(wrong), b"");
        assert!(
            matches!(refused, Err(StoreError::Refused { .. })),
            "{wrong}"
        );
    }
    store.publish(size(&second), &checkpoint(&second)).unwrap();
    let back = store.publish(size(&first), &checkpoint(&first));
    assert!(matches!(back, Err(StoreError::Refused { .. })));
    store.publish(size(&second), &checkpoint(&second)).unwrap();
}

#[test]
fn genesis_policies_and_certificates_are_in_the_folder() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let blocks: Vec<_> = (0..4).map(|_| decide(&store, 2)).collect();
    let last = blocks.last().unwrap();
    store
        .publish(last.head.frontier.size(), &checkpoint(last))
        .unwrap();
    let reader = store.published_log();
    let genesis = genesis();
    assert_eq!(reader.genesis().unwrap().unwrap(), genesis.encoded());
    let policy = genesis.policy();
    assert_eq!(
        reader.policy(&policy.hash()).unwrap().unwrap(),
        policy.as_bytes()
    );
    let certificates: Vec<_> = reader
        .certificates(0)
        .unwrap()
        .map(|record| Certificate::decode(&record.unwrap()))
        .collect();
    assert_eq!(certificates.len(), 4);
    for (executed, certificate) in blocks.iter().zip(certificates) {
        let certificate = certificate.unwrap();
        assert_eq!(certificate.height(), executed.seal.height);
        assert_eq!(certificate.value(), executed.value_id);
    }
}

pub fn published_home(blocks: &[u16]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    for events in blocks {
        let executed = decide(&store, *events);
        store
            .publish(executed.head.frontier.size(), &checkpoint(&executed))
            .unwrap();
    }
    store.close().unwrap();
    home
}

#[test]
fn leftovers_of_a_crash_while_publishing_do_no_harm() {
    let home = published_home(&[300]);
    let log = home.path().join("log");
    for name in ["checkpoint.new", "tile/0/001.new", "tile/entries/001.new"] {
        fs::write(log.join(name), b"half").unwrap();
    }
    let store = open(home.path(), lazy()).unwrap();
    let executed = decide(&store, 300);
    store
        .publish(executed.head.frontier.size(), &checkpoint(&executed))
        .unwrap();
    assert_eq!(roots(&log, store.published()).0, executed.log_root());
}

#[test]
fn a_damaged_tile_at_the_edge_is_refused() {
    let home = published_home(&[600, 600]);
    let tile = home.path().join("log/tile/0/001");
    let good = fs::read(&tile).unwrap();
    let mut bad = good.clone();
    bad[100] ^= 1;
    fs::write(&tile, bad).unwrap();
    let refused = open(home.path(), lazy());
    assert!(matches!(refused, Err(StoreError::Contradiction { .. })));
    fs::write(&tile, &good[..40]).unwrap();
    assert!(matches!(
        open(home.path(), lazy()),
        Err(StoreError::Damaged { .. })
    ));
    fs::remove_file(&tile).unwrap();
    assert!(matches!(
        open(home.path(), lazy()),
        Err(StoreError::Missing { .. })
    ));
    fs::write(&tile, good).unwrap();
    open(home.path(), lazy()).unwrap();
}

#[test]
fn a_checkpoint_or_certificates_cut_short_are_refused() {
    for name in ["checkpoint", "certificates"] {
        let home = published_home(&[5, 5]);
        let path = home.path().join("log").join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, &good[..good.len() - 9]).unwrap();
        let refused: Result<Store, _> = open(home.path(), lazy());
        assert!(refused.is_err(), "{name}");
    }
}

/// It was once replaced by the chain of genesis alone, without a word.
#[test]
fn a_policy_chain_that_is_none_is_refused_and_left_as_it_is() {
    let home = published_home(&[5]);
    let path = home.path().join("log/policy-chain");
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() - 9]).unwrap();
    let refused: Result<Store, _> = open(home.path(), lazy());
    let named = matches!(&refused, Err(StoreError::Damaged { path: named, .. }) if *named == path);
    assert!(named, "{:?}", refused.err());
    assert_eq!(fs::read(&path).unwrap(), &good[..good.len() - 9]);
}

#[test]
fn a_reader_refuses_files_larger_than_their_kind() {
    let folder = tempfile::tempdir().unwrap();
    let reader = LogReader::new(folder.path());
    assert_eq!(reader.checkpoint().unwrap(), None);
    fs::write(folder.path().join("checkpoint"), vec![b'x'; 1 << 20]).unwrap();
    assert!(matches!(
        reader.checkpoint(),
        Err(StoreError::Damaged { .. })
    ));
    fs::write(folder.path().join("certificates"), [0xff; 64]).unwrap();
    let records: Vec<_> = reader.certificates(0).unwrap().collect();
    assert!(matches!(
        records[..],
        [Err(StoreError::Damaged { position: 0, .. })]
    ));
}

#[test]
fn a_home_that_lost_its_data_is_refused_and_keeps_what_it_published() {
    let home = published_home(&[5, 5]);
    fs::remove_dir_all(home.path().join("data")).unwrap();
    let certificates = home.path().join("log/certificates");
    let before = fs::read(&certificates).unwrap();
    for _ in 0..2 {
        assert!(matches!(
            open(home.path(), lazy()),
            Err(StoreError::Missing { .. })
        ));
        assert_eq!(fs::read(&certificates).unwrap(), before);
    }
}

#[test]
fn signatures_are_added_to_the_checkpoint_only_while_it_is_the_newest() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), lazy()).unwrap();
    let reader = LogReader::new(&home.path().join("log"));
    let first = decide(&store, 3);
    let second = decide(&store, 3);
    let (small, large) = (first.head.frontier.size(), second.head.frontier.size());
    store.publish(small, &checkpoint(&first)).unwrap();
    let more = [&checkpoint(&first)[..], b"a line that only grows\n"].concat();
    assert!(store.add_to_checkpoint(small, &more).unwrap());
    assert_eq!(reader.checkpoint().unwrap().unwrap(), more);
    store.publish(large, &checkpoint(&second)).unwrap();
    assert!(!store.add_to_checkpoint(small, &more).unwrap());
    assert_eq!(reader.checkpoint().unwrap().unwrap(), checkpoint(&second));
    assert_eq!(reader.witnessed().unwrap(), None);
    store.keep_witnessed(&more).unwrap();
    assert_eq!(reader.witnessed().unwrap().unwrap(), more);
}
