//! The file of cosignatures: whatever a source serves, what is appended continues the mirror's own file.

use super::support::server::serve;
use super::support::{Built, cosign, framed, verify, write};
use super::{folder, holds, mirror, published, text};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

const FILE: &str = "cosignatures";

/// The records of the blocks of these heights, by all validators.
fn records(built: &Built, heights: RangeInclusive<usize>) -> Vec<Vec<u8>> {
    let checkpoints = built.checkpoints();
    let of = |height| (0..4).map(move |number| (height, number));
    let all = heights.flat_map(of);
    let record = |(height, number): (usize, u8)| cosign(&checkpoints[height], number).encode();
    all.map(record).collect()
}

fn serves(folder: &Path, records: Vec<Vec<u8>>) {
    write(folder, FILE, &framed(records.into_iter()));
}

fn kept(dir: &Path) -> Vec<u8> {
    fs::read(dir.join(FILE)).expect("a file")
}

#[test]
fn an_older_record_is_not_appended_behind_a_newer_one() {
    let (small, large) = (Built::busy(20), Built::busy(40));
    let (first, second) = (published(&small), published(&large));
    let dir = folder();
    assert_eq!(mirror(text(first.path()), dir.path(), &[]).0, 0);
    let before = kept(dir.path());
    let older = [
        records(&large, 1..=20),
        records(&large, 3..=3),
        records(&large, 21..=40),
    ];
    serves(second.path(), older.concat());
    let (code, said) = mirror(&serve(second.path()), dir.path(), &[]);
    assert!(code == 1 && said.contains("smaller size"), "{said}");
    assert!(kept(dir.path()) == before);
    holds(dir.path(), small.size());
    serves(second.path(), records(&large, 1..=40));
    assert_eq!(mirror(&serve(second.path()), dir.path(), &[]).0, 0);
    holds(dir.path(), large.size());
}

#[test]
fn an_honest_source_whose_records_align_with_older_ones_is_read_from_its_beginning() {
    let (small, large) = (Built::busy(30), Built::busy(40));
    let (first, second) = (published(&small), published(&large));
    serves(first.path(), records(&small, 25..=30));
    let later = records(&large, 20..=40);
    let as_long: Vec<Vec<u8>> = later.iter().take(24).cloned().collect();
    serves(second.path(), later);
    let dir = folder();
    assert_eq!(mirror(text(first.path()), dir.path(), &[]).0, 0);
    let aligned = framed(as_long.into_iter());
    assert_eq!(kept(dir.path()).len(), aligned.len());
    let (code, said) = mirror(&serve(second.path()), dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    let (code, report) = verify(dir.path());
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["cosignatures"]["records"], 21 * 4);
}

#[test]
fn a_file_that_is_out_of_order_heals() {
    let (small, large) = (Built::busy(30), Built::busy(40));
    let (first, second) = (published(&small), published(&large));
    serves(second.path(), records(&large, 20..=40));
    let dir = folder();
    assert_eq!(mirror(text(first.path()), dir.path(), &[]).0, 0);
    // As long as what the source has of these heights, so that its next records fit behind it.
    let poisoned = [records(&small, 25..=30), records(&small, 20..=24)].concat();
    serves(dir.path(), poisoned);
    assert_eq!(verify(dir.path()).0, 1);
    let (code, said) = mirror(&serve(second.path()), dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    holds(dir.path(), large.size());
}

#[test]
fn what_was_there_before_is_not_written_again_and_ends_somewhen() {
    let (small, large) = (Built::busy(20), Built::busy(40));
    let (first, second) = (published(&small), published(&large));
    let dir = folder();
    assert_eq!(mirror(text(first.path()), dir.path(), &[]).0, 0);
    let before = kept(dir.path());
    let last = records(&large, 20..=20).pop().expect("a record");
    let with = |times| {
        let again = vec![last.clone(); times];
        [records(&large, 1..=20), again, records(&large, 21..=40)].concat()
    };
    serves(second.path(), with(50_000));
    let (code, said) = mirror(&serve(second.path()), dir.path(), &[]);
    assert!(code == 1 && said.contains("again and again"), "{said}");
    assert!(kept(dir.path()) == before);
    serves(second.path(), with(300));
    let (code, said) = mirror(&serve(second.path()), dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    let wanted = framed(records(&large, 1..=40).into_iter());
    assert!(kept(dir.path()) == wanted, "each record once");
    holds(dir.path(), large.size());
}

/// A node that was killed as it published may have written a quorum again.
#[test]
fn a_source_that_said_something_again_is_read_on_where_it_ended() {
    let (small, large) = (Built::busy(20), Built::busy(40));
    let source = published(&small);
    let third = || records(&large, 3..=3);
    let again = [
        records(&large, 1..=3),
        third(),
        third(),
        records(&large, 4..=20),
    ];
    let again = again.concat();
    serves(source.path(), again.clone());
    let dir = folder();
    let served = serve(source.path());
    assert_eq!(mirror(&served, dir.path(), &[]).0, 0);
    large.publish(source.path());
    let mut all = framed([again, records(&large, 21..=40)].concat().into_iter());
    // Nobody who goes on looks there again.
    all[9] ^= 1;
    write(source.path(), FILE, &all);
    let (code, said) = mirror(&served, dir.path(), &[]);
    assert_eq!(code, 0, "{said}");
    holds(dir.path(), large.size());
    let wanted = framed(records(&large, 1..=40).into_iter());
    assert!(kept(dir.path()) == wanted, "each record once");
    // From another source, and from one that was read anew, the place means nothing.
    let other = published(&large);
    let fresh = folder();
    assert_eq!(mirror(text(source.path()), fresh.path(), &[]).0, 1);
    assert_eq!(mirror(text(other.path()), fresh.path(), &[]).0, 0);
    holds(fresh.path(), large.size());
}
