//! Crash images, built byte by byte.

use super::record::{RECORD_HEADER, SEGMENT_HEADER};
use super::*;
use std::fs;
use tempfile::TempDir;

const NETWORK: NetworkId = NetworkId::new([7; 16]);
const SEGMENT: u64 = 600;

fn value(n: u8) -> ValueId {
    ValueId::new([n; 32])
}

fn body(n: u8) -> Vec<u8> {
    vec![n; 100]
}

fn known(settled: u64, protected: u64) -> Known {
    Known {
        settled: Height(settled),
        protected: Height(protected),
    }
}

fn open(folder: &TempDir, known: Known) -> Result<Journal, StoreError> {
    Journal::open(folder.path(), NETWORK, known, SEGMENT)
}

/// A journal of `decided` heights, each a body and a decision that refers to it.
fn journal_of(decided: u8) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&folder, Known::default()).unwrap();
    for n in 1..=decided {
        let height = Height(n.into());
        journal.keep_body(height, value(n), &body(n)).unwrap();
        journal
            .decide(height, value(n), &[n; 40], &body(n))
            .unwrap();
    }
    folder
}

fn last_segment(folder: &TempDir) -> PathBuf {
    let number = *segment::list(folder.path()).unwrap().last().unwrap();
    segment::path(folder.path(), number)
}

/// Length of a decision whose body stands before it.
const DECISION: usize = RECORD_HEADER + 8 + 32 + 4 + 40;

#[test]
fn what_was_written_is_there_when_opened_again() {
    let folder = journal_of(5);
    let journal = open(&folder, known(0, 5)).unwrap();
    assert_eq!(journal.tip(), Height(5));
    for n in 1..=5 {
        let block = journal.block(Height(n.into())).unwrap().unwrap();
        assert_eq!((block.value, block.body), (value(n), body(n)));
        assert_eq!(block.certificate, [n; 40]);
    }
    assert_eq!(journal.block(Height(6)).unwrap(), None);
}

#[test]
fn undecided_bodies_and_proposals_outlive_a_crash_until_their_height_is_decided() {
    let folder = journal_of(1);
    let journal = open(&folder, Known::default()).unwrap();
    let height = Height(2);
    journal
        .keep_proposal(height, Round(0), value(20), &body(20))
        .unwrap();
    journal.keep_body(height, value(21), &body(21)).unwrap();
    journal
        .keep_proposal(height, Round(3), value(21), &body(21))
        .unwrap();
    let other = journal.keep_proposal(height, Round(3), value(20), &body(20));
    assert!(matches!(other, Err(StoreError::Refused { .. })));
    drop(journal);

    let journal = open(&folder, Known::default()).unwrap();
    assert_eq!(
        journal.proposal(height, Round(0)).unwrap(),
        Some((value(20), body(20)))
    );
    assert_eq!(
        journal.proposal(height, Round(3)).unwrap(),
        Some((value(21), body(21)))
    );
    assert_eq!(journal.proposal(height, Round(1)).unwrap(), None);
    assert_eq!(journal.undecided(height).unwrap().len(), 2);
    journal.decide(height, value(21), &[9], &[]).unwrap();
    assert_eq!(journal.undecided(height).unwrap(), []);
    assert_eq!(journal.block(height).unwrap().unwrap().body, body(21));
    assert!(journal.keep_body(height, value(22), &body(22)).is_err());
}

#[test]
fn a_decision_of_a_value_that_came_by_sync_brings_its_body() {
    let folder = journal_of(1);
    let journal = open(&folder, Known::default()).unwrap();
    journal
        .decide(Height(2), value(2), &[2; 40], &body(2))
        .unwrap();
    assert!(journal.decide(Height(4), value(4), &[], &body(4)).is_err());
    drop(journal);
    let journal = open(&folder, known(0, 2)).unwrap();
    assert_eq!(journal.block(Height(2)).unwrap().unwrap().body, body(2));
}

#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    let folder = journal_of(2);
    let path = last_segment(&folder);
    let whole = fs::read(&path).unwrap();
    let start = whole.len() - DECISION;
    for end in start..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        let journal = open(&folder, known(0, 1)).unwrap();
        assert_eq!(journal.tip(), Height(1), "torn at {end}");
        assert_eq!(journal.undecided(Height(2)).unwrap().len(), 1);
        assert_eq!(fs::metadata(&path).unwrap().len(), start as u64);
        journal
            .decide(Height(2), value(2), &[2; 40], &body(2))
            .unwrap();
        assert_eq!(open(&folder, known(0, 2)).unwrap().tip(), Height(2));
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_tail_whose_length_was_written_but_not_its_bytes_is_cut() {
    let folder = journal_of(2);
    let path = last_segment(&folder);
    let mut bytes = fs::read(&path).unwrap();
    let start = bytes.len() - DECISION;
    bytes[start..].fill(0);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(open(&folder, known(0, 1)).unwrap().tip(), Height(1));
}

#[test]
fn a_torn_tail_below_what_was_built_on_is_damage() {
    let folder = journal_of(2);
    let path = last_segment(&folder);
    let whole = fs::read(&path).unwrap();
    let start = whole.len() - DECISION;
    for cut in [whole.len() - 1, start] {
        fs::write(&path, &whole[..cut]).unwrap();
        match open(&folder, known(0, 2)) {
            Err(StoreError::Damaged { position, .. }) => assert_eq!(position, start as u64),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            fs::metadata(&path).unwrap().len(),
            cut as u64,
            "nothing is cut"
        );
    }
}

#[test]
fn a_flipped_bit_before_the_last_record_is_refused_with_its_place() {
    let folder = journal_of(1);
    let path = last_segment(&folder);
    let whole = fs::read(&path).unwrap();
    for at in SEGMENT_HEADER..whole.len() - DECISION {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        match open(&folder, Known::default()) {
            Err(StoreError::Damaged {
                path: named,
                position,
                ..
            }) => {
                assert_eq!((named, position), (path.clone(), SEGMENT_HEADER as u64));
            }
            other => panic!("{other:?} with byte {at} changed"),
        }
    }
}

#[test]
fn a_damaged_header_is_refused_at_every_byte() {
    let folder = journal_of(1);
    let path = last_segment(&folder);
    let whole = fs::read(&path).unwrap();
    for at in 0..SEGMENT_HEADER {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(
            open(&folder, Known::default()),
            Err(StoreError::Damaged { position: 0, .. })
        ));
    }
}

#[test]
fn damage_in_an_older_segment_is_refused_also_at_its_end() {
    let folder = journal_of(8);
    let first = segment::path(folder.path(), 0);
    let bytes = fs::read(&first).unwrap();
    fs::write(&first, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(
        open(&folder, Known::default()),
        Err(StoreError::Damaged { .. })
    ));
}

#[test]
fn a_missing_segment_is_named() {
    for number in [0, 1] {
        let folder = journal_of(8);
        assert!(segment::list(folder.path()).unwrap().len() > 2);
        fs::remove_file(segment::path(folder.path(), number)).unwrap();
        assert!(matches!(
            open(&folder, Known::default()),
            Err(StoreError::Missing { .. })
        ));
    }
}

#[test]
fn an_emptied_folder_is_refused_once_blocks_were_decided() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        open(&folder, known(3, 3)),
        Err(StoreError::Missing { .. })
    ));
}

#[test]
fn files_left_half_written_are_no_segments() {
    let folder = journal_of(3);
    fs::write(
        folder.path().join("00000000000000000009.journal.new"),
        b"half",
    )
    .unwrap();
    assert_eq!(open(&folder, Known::default()).unwrap().tip(), Height(3));
}

#[test]
fn trimming_drops_whole_segments_and_the_rest_opens() {
    let folder = journal_of(9);
    let journal = open(&folder, Known::default()).unwrap();
    let before = segment::list(folder.path()).unwrap().len();
    journal.trim(Height(6)).unwrap();
    assert!(segment::list(folder.path()).unwrap().len() < before);
    assert_eq!(journal.block(Height(6)).unwrap(), None);
    for journal in [journal, open(&folder, known(6, 9)).unwrap()] {
        assert_eq!(journal.tip(), Height(9));
        for n in 7..=9 {
            assert_eq!(
                journal.block(Height(n)).unwrap().unwrap().body,
                body(n as u8)
            );
        }
    }
    assert!(matches!(
        open(&folder, known(0, 9)),
        Err(StoreError::Missing { .. })
    ));
}

/// Story: a peer asks for a block at the very moment in which its segment is dropped. The block is
/// in the log by then, so that is no failure of the disk.
#[test]
fn a_block_that_is_trimmed_while_it_is_read_is_gone_and_not_damaged() {
    const LAST: u8 = 120;
    let folder = tempfile::tempdir().unwrap();
    // Each record has a segment of its own.
    let journal = Journal::open(folder.path(), NETWORK, Known::default(), 1).unwrap();
    for n in 1..=LAST {
        let height = Height(n.into());
        journal
            .decide(height, value(n), &[n; 40], &body(n))
            .unwrap();
    }
    let journal = &journal;
    std::thread::scope(|scope| {
        let (sender, read) = std::sync::mpsc::channel();
        scope.spawn(move || {
            for n in 1..LAST {
                let height = Height(n.into());
                assert!(journal.block(height).unwrap().is_some());
                sender.send(height).unwrap();
                while let Some(block) = journal.block(height).unwrap() {
                    assert_eq!((block.body, block.certificate), (body(n), vec![n; 40]));
                }
            }
        });
        for height in read {
            journal.trim(height).unwrap();
        }
    });
    assert_eq!(
        journal.block(Height(LAST.into())).unwrap().unwrap().body,
        body(LAST)
    );
}

#[test]
fn a_journal_of_another_network_is_refused() {
    let folder = journal_of(1);
    let other = Journal::open(
        folder.path(),
        NetworkId::new([8; 16]),
        Known::default(),
        SEGMENT,
    );
    assert!(matches!(other, Err(StoreError::OtherNetwork { .. })));
}

/// Story: an event may hold any bytes. If one could hold a whole record, the home of a node that
/// lost power while writing that block would look damaged instead of torn.
#[test]
fn a_record_inside_a_torn_body_is_not_taken_for_one() {
    let folder = journal_of(1);
    let path = last_segment(&folder);
    let at = fs::metadata(&path).unwrap().len();
    let inner = Record {
        height: Height(2),
        value: value(2),
        kind: Kind::Body,
        body: &body(2),
    };
    let guessed_place = at + RECORD_HEADER as u64 + 40;
    let body = inner.encode([0; 8], guessed_place).unwrap();
    let journal = open(&folder, Known::default()).unwrap();
    journal.keep_body(Height(2), value(3), &body).unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut torn = bytes.clone();
    torn[usize::try_from(at).unwrap() + 20] ^= 1;
    fs::write(&path, torn).unwrap();
    assert_eq!(open(&folder, known(0, 1)).unwrap().tip(), Height(1));
}

#[test]
fn a_writer_that_failed_stays_stopped() {
    let folder = journal_of(1);
    let mut journal = open(&folder, Known::default()).unwrap();
    let read_only = File::open(last_segment(&folder)).unwrap();
    journal.writer.get_mut().unwrap().file = read_only;
    let write = |journal: &Journal| journal.keep_body(Height(2), value(2), &body(2));
    assert!(matches!(write(&journal), Err(StoreError::Io { .. })));
    assert!(matches!(write(&journal), Err(StoreError::Stopped { .. })));
    drop(journal);
    assert_eq!(open(&folder, known(0, 1)).unwrap().tip(), Height(1));
}
