//! What an erasure leaves, costs and forbids.

use super::super::tests::{NETWORK, record, shared};
use super::*;
use crate::keeper::KeyKeeper;
use crate::secret::InstitutionKey;
use std::path::Path;

const EPOCH: u32 = 7;

fn keeper() -> KeyKeeper {
    KeyKeeper::in_memory(&InstitutionKey::new([4; 32]))
}

fn open(folder: &Path) -> Slots {
    Slots::open(&folder.join("keys"), keeper(), NETWORK).unwrap()
}

fn at(version: u32) -> Custodied {
    let mut record = record();
    record.record.version = version;
    record
}

fn keep_one(slots: &mut Slots, version: u32, epoch: u32) -> Result<(), ShareError> {
    let (points, mut shares) = shared();
    let one = ToKeep {
        record: &at(version),
        index: ShareIndex::new(1).unwrap(),
        points: &points,
        share: shares.remove(0),
    };
    keep(slots, epoch, &[one], &[])
}

fn held(slots: &mut Slots, version: u32, epoch: u32) -> Result<(), ShareError> {
    let (points, _) = shared();
    let place = (ShareIndex::new(1).unwrap(), &points);
    get(slots, &at(version), epoch, place).map(drop)
}

/// A store with shares of versions 1 to `versions`, every other one of an earlier epoch.
fn store(folder: &Path, versions: u32) -> Slots {
    let mut slots = Slots::create(&folder.join("keys"), keeper(), NETWORK).unwrap();
    for version in 1..=versions {
        keep_one(&mut slots, version, EPOCH - version % 2).unwrap();
    }
    slots
}

/// An owner that asked for the same erasure again and again had a custodian wait for its disk once for each
/// slot, each time, while nobody else got an answer.
#[test]
fn an_erasure_waits_for_the_disk_twice_however_many_shares_there_are_and_again_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut slots = store(folder.path(), 40);
    let before = slots.syncs().count();
    for _ in 0..3 {
        assert_eq!(erase_all(&mut slots, &record(), EPOCH).unwrap(), 40);
        assert_eq!(slots.syncs().count(), before + 2);
    }
    assert_eq!(erase(&mut slots, &record(), 1..EPOCH).unwrap(), 1);
    assert_eq!(slots.syncs().count(), before + 2);
}

/// Whoever erased a record of many versions had every custodian write a slot for each version and epoch,
/// also where it had never held anything.
#[test]
fn a_record_that_was_never_held_costs_one_slot_and_is_never_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut slots = store(folder.path(), 0);
    let length = || std::fs::metadata(folder.path().join("keys")).unwrap().len();
    let before = length();
    for (version, epoch) in [(1_000_000, 5_000), (1, 1), (7, 9)] {
        assert_eq!(erase_all(&mut slots, &at(version), epoch).unwrap(), 0);
        assert_eq!(length(), before + 128);
    }
    for mut slots in [slots, open(folder.path())] {
        for (version, epoch) in [(1, 1), (3, EPOCH), (1_000_002, 5_001), (u32::MAX, u32::MAX)] {
            let refused = keep_one(&mut slots, version, epoch);
            assert!(
                matches!(refused, Err(ShareError::Erased)),
                "{version} {epoch}"
            );
        }
        let mut other = record();
        other.owner = "south-hospital".parse().unwrap();
        let (points, _) = shared();
        let place = (ShareIndex::new(1).unwrap(), &points);
        let nothing = get(&mut slots, &other, EPOCH, place).map(drop);
        assert!(
            matches!(nothing, Err(ShareError::NotHeld)),
            "another owner's"
        );
    }
}

/// Every state of the file that a power cut may leave of an erasure: the marker whole, torn or missing, and
/// each share overwritten or not.
#[test]
fn an_erasure_that_was_cut_off_is_ended_by_the_next_and_holds_once_the_marker_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    drop(store(folder.path(), 2));
    let before = std::fs::read(&path).unwrap();
    erase_all(&mut open(folder.path()), &record(), EPOCH).unwrap();
    let after = std::fs::read(&path).unwrap();
    assert_eq!((before.len(), after.len()), (128 * 5, 128 * 6));
    for cut in 0..32_usize {
        for tail in [0, 60, 128] {
            let slot = |at: usize| match cut & (1 << at) {
                0 => &before[128 * at..128 * (at + 1)],
                _ => &after[128 * at..128 * (at + 1)],
            };
            let mut left: Vec<u8> = (0..5).flat_map(slot).copied().collect();
            left.extend_from_slice(&after[before.len()..before.len() + tail]);
            std::fs::write(&path, left).unwrap();
            let mut slots = open(folder.path());
            if tail == 128 {
                for version in 1..=2 {
                    let gone = held(&mut slots, version, EPOCH - version % 2);
                    assert!(matches!(gone, Err(ShareError::Erased)));
                }
            }
            assert_eq!(erase_all(&mut slots, &record(), EPOCH).unwrap(), 2);
            assert!(std::fs::read(&path).unwrap() == after, "{cut} {tail}");
        }
    }
}

#[test]
fn what_an_earlier_release_buried_is_known_as_erased() {
    let folder = tempfile::tempdir().unwrap();
    let mut slots = store(folder.path(), 0);
    let [_, blinding] = names(&at(3), EPOCH);
    slots.bury(&blinding).unwrap();
    let refused = keep_one(&mut open(folder.path()), 3, EPOCH);
    assert!(matches!(refused, Err(ShareError::Erased)));
    keep_one(&mut open(folder.path()), 4, EPOCH).unwrap();
}
