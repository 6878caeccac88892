//! The file of certificates: whole under the published checkpoint, whenever a start ends.

use crate::published::published_home;
use crate::world::*;
use medanchor_ledger::certificate::{Certificate, Vote, VoteKind};
use medanchor_ledger::execute::{Executed, View};
use medanchor_ledger::{Height, Round};
use medanchor_store::{LogReader, Store, StoreError};
use std::fs;
use std::path::Path;

#[test]
fn certificates_are_there_once_whatever_was_saved_before_a_crash() {
    let home = tempfile::tempdir().unwrap();
    let mut images = vec![image(home.path())];
    for round in 0..4 {
        let store = open(images[round].path(), lazy()).unwrap();
        let executed = decide(&store, 40);
        store
            .publish(executed.head.frontier.size(), &checkpoint(&executed))
            .unwrap();
        decide(&store, 1);
        images.push(image(images[round].path()));
    }
    let image = &images[4];
    let store = open(image.path(), lazy()).unwrap();
    let heights: Vec<_> = store
        .published_log()
        .certificates(0)
        .unwrap()
        .map(|record| Certificate::decode(&record.unwrap()).unwrap().height().0)
        .collect();
    assert_eq!(store.view().head().height, Height(8));
    assert_eq!(heights, (1..=8).collect::<Vec<_>>());
}

/// A home as a kill leaves it: one block saved, then published blocks, then one that is not.
fn killed_home() -> (tempfile::TempDir, Vec<Executed>) {
    let home = published_home(&[3]);
    let store = open(home.path(), lazy()).unwrap();
    let mut blocks: Vec<_> = (0..3).map(|_| decide(&store, 3)).collect();
    let newest = &blocks[2];
    let size = newest.head.frontier.size();
    store.publish(size, &checkpoint(newest)).unwrap();
    blocks.push(decide(&store, 3));
    (image(home.path()), blocks)
}

fn framed(record: &[u8]) -> Vec<u8> {
    let length = u32::try_from(record.len()).unwrap();
    [&length.to_be_bytes()[..], record].concat()
}

fn append(path: &Path, tail: &[u8]) {
    fs::write(path, [&fs::read(path).unwrap()[..], tail].concat()).unwrap();
}

/// A certificate of the same block from another round, longer than the first.
fn other_certificate(executed: &Executed) -> Vec<u8> {
    let (height, round, value) = (executed.seal.height, Round(300), executed.value_id);
    let vote = Vote {
        network: genesis().network_id(),
        kind: VoteKind::Precommit,
        height,
        round,
        value: Some(value),
        validator: hospital(),
    };
    let signatures = vec![(hospital(), vote.sign(&key(1)))];
    let certificate = Certificate::new(height, round, value, signatures);
    certificate.unwrap().encode()
}

fn certificates_of(home: &Path) -> Vec<Vec<u8>> {
    let records = LogReader::new(&home.join("log")).certificates(0).unwrap();
    records.map(Result::unwrap).collect()
}

/// The file was cut to the saved height at every start, and whole again only once all blocks were
/// replayed: whoever read the folder in between found no certificates under the checkpoint.
#[test]
fn a_start_that_fails_or_runs_keeps_the_certificates_under_the_checkpoint() {
    let (home, _) = killed_home();
    let path = home.path().join("log/certificates");
    let before = fs::read(&path).unwrap();
    assert_eq!(certificates_of(home.path()).len(), 4);
    for last in [1, 3] {
        let failed = Store::open(home.path(), &genesis(), lazy(), |view, block| {
            match block.height.0 <= last {
                true => replay(view, block),
                false => Err("the start ends here".into()),
            }
        });
        assert!(matches!(failed, Err(StoreError::Replay { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    let store = Store::open(home.path(), &genesis(), lazy(), |view, block| {
        assert_eq!(fs::read(&path).unwrap(), before);
        replay(view, block)
    });
    drop(store.unwrap());
    assert_eq!(certificates_of(home.path()).len(), 5);
}

#[test]
fn what_is_torn_behind_the_published_certificates_is_cut_and_written_again() {
    let (clean, blocks) = killed_home();
    let unpublished = blocks.last().unwrap();
    let whole = framed(&certificate(unpublished));
    let zeroed = [&whole[..whole.len() - 64], &[0; 64]].concat();
    let tails = [&[0xff; 64][..], &whole[..3], &whole[..40], &zeroed];
    for tail in tails {
        let home = image(clean.path());
        append(&home.path().join("log/certificates"), tail);
        let store = open(home.path(), lazy()).unwrap();
        decide(&store, 3);
        store.close().unwrap();
        let found = certificates_of(home.path());
        assert_eq!(found.len(), 6);
        assert_eq!(
            found[1..5],
            blocks.iter().map(certificate).collect::<Vec<_>>()
        );
        open(home.path(), lazy()).unwrap();
    }
}

/// Several certificates of one height may be valid, and a reader may have the one that was published.
#[test]
fn another_certificate_of_a_published_height_stays_and_one_that_was_not_published_does_not() {
    let (clean, blocks) = killed_home();
    for (height, published) in [(2, true), (4, true), (5, false)] {
        let home = image(clean.path());
        let path = home.path().join("log/certificates");
        append(&path, &framed(&certificate(&blocks[3])));
        let other = other_certificate(&blocks[height - 2]);
        let mut records = certificates_of(home.path());
        records[height - 1].clone_from(&other);
        let file: Vec<u8> = records.iter().flat_map(|record| framed(record)).collect();
        fs::write(&path, &file).unwrap();
        let store = open(home.path(), lazy()).unwrap();
        decide(&store, 3);
        store.close().unwrap();
        let found = certificates_of(home.path());
        assert_eq!(found.len(), 6);
        assert_eq!(found[height - 1] == other, published, "{height}");
        let store = open(home.path(), lazy()).unwrap();
        for height in 1..=6 {
            let block = store.block(Height(height)).unwrap().unwrap();
            assert_eq!(block.height, Height(height));
        }
    }
}

#[test]
fn a_certificate_under_the_checkpoint_whose_signature_was_damaged_is_written_again() {
    let (clean, blocks) = killed_home();
    for other in [certificate(&blocks[1]), other_certificate(&blocks[1])] {
        let home = image(clean.path());
        let mut records = certificates_of(home.path());
        records[2].clone_from(&other);
        *records[2].last_mut().unwrap() ^= 1;
        let file: Vec<u8> = records.iter().flat_map(|record| framed(record)).collect();
        fs::write(home.path().join("log/certificates"), file).unwrap();
        let store = open(home.path(), lazy()).unwrap();
        store.close().unwrap();
        let wanted: Vec<_> = blocks.iter().map(certificate).collect();
        assert_eq!(certificates_of(home.path())[1..], wanted);
        open(home.path(), lazy()).unwrap();
    }
}
