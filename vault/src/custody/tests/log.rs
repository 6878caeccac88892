//! The release log survives power cuts, and refuses every other damage.

use super::*;
use medanchor_ledger::merkle::{leaf_hash, root_of_leaves, verify_consistency, verify_inclusion};
use medanchor_ledger::{Index, Size};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn released(number: u8) -> Released {
    Released {
        request: EventId::new([number; 32]),
        record: record(),
        epoch: EPOCH,
        index: ShareIndex::new(number % 16 + 1).unwrap(),
        answer: [number; 32],
        time: Time(NOON.0 + u64::from(number)),
    }
}

fn file(count: u8) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("releases");
    let mut log = ReleaseLog::create(&path, NETWORK).unwrap();
    for number in 0..count {
        assert_eq!(log.append(&released(number)).unwrap(), Index(number.into()));
    }
    (folder, path)
}

fn open(path: &Path) -> Result<ReleaseLog, LogError> {
    ReleaseLog::open(path, NETWORK, None)
}

#[test]
fn entries_roots_and_proofs_come_back() {
    let (_folder, path) = file(21);
    let mut log = open(&path).unwrap();
    let leaves: Vec<_> = (0..21)
        .map(|number| leaf_hash(&released(number).encode()))
        .collect();
    for size in 0..=21u64 {
        let so_far = leaves.iter().copied().take(usize::try_from(size).unwrap());
        let root = log.root_at(Size(size)).unwrap();
        assert_eq!(root, root_of_leaves(so_far));
        for place in 0..size {
            let proof = log.inclusion(Index(place), Size(size)).unwrap();
            let leaf = &leaves[usize::try_from(place).unwrap()];
            let verified = verify_inclusion(Index(place), Size(size), leaf, &proof, &root);
            assert_eq!(verified, Ok(()));
        }
        if size > 0 {
            let proof = log.consistency(Size(size), Size(21)).unwrap();
            let last = log.root_at(Size(21)).unwrap();
            let verified = verify_consistency(Size(size), &root, Size(21), &last, &proof);
            assert_eq!(verified, Ok(()));
        }
    }
    assert_eq!(log.root_at(Size(22)), None);
    assert_eq!(log.entry(Index(13)).unwrap(), released(13));
    let twice = log.append(&released(13)).err();
    assert!(matches!(twice, Some(LogError::Logged { .. })));
    assert_eq!(log.of_request(&EventId::new([99; 32])).unwrap(), None);
}

#[test]
fn a_torn_tail_is_cut_at_every_length() {
    let (_folder, path) = file(3);
    let whole = fs::read(&path).unwrap();
    for length in 32 + 2 * 192..32 + 3 * 192 {
        // The disk may have got the file's new length before all of its bytes.
        for bytes in [
            whole[..length].to_vec(),
            [&whole[..length], &[0; 400]].concat(),
        ] {
            let bytes = &bytes[..bytes.len().min(whole.len())];
            let lost = bytes.len() < whole.len() || bytes.ends_with(&[0; 4]);
            if !lost {
                continue; // one to three bytes of the checksum are not all there: damage
            }
            fs::write(&path, bytes).unwrap();
            let mut log = open(&path).unwrap();
            assert_eq!(log.size(), Size(2), "{length}");
            log.append(&released(2)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }
}

/// The third entry lies in two sectors, of which the disk may have got either first.
#[test]
fn an_entry_of_which_one_sector_was_written_is_cut_and_only_the_last_one() {
    let (_folder, path) = file(3);
    let whole = fs::read(&path).unwrap();
    for lost in [416..512, 512..608] {
        let mut bytes = whole.clone();
        bytes[lost].fill(0);
        fs::write(&path, &bytes).unwrap();
        let mut log = open(&path).unwrap();
        assert_eq!(log.size(), Size(2));
        log.append(&released(2)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
        fs::write(&path, [&bytes[..], &whole[416..]].concat()).unwrap();
        assert!(matches!(
            open(&path).err(),
            Some(LogError::Damaged { at: 416 })
        ));
    }
    let mut bytes = whole.clone();
    bytes[416..500].fill(0);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(
        open(&path).err(),
        Some(LogError::Damaged { at: 416 })
    ));
}

#[test]
fn every_flipped_bit_is_refused_with_its_position() {
    let (_folder, path) = file(3);
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bad).unwrap();
        let frame = (bit / 8).checked_sub(32).map(|at| at / 192 * 192 + 32);
        match (open(&path).err(), frame) {
            (Some(LogError::Format { .. } | LogError::OtherNetwork { .. }), None) => {}
            (Some(LogError::Damaged { at }), Some(frame)) => assert_eq!(at, frame as u64),
            (other, _) => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn a_log_that_lost_what_was_anchored_is_refused() {
    let (_folder, path) = file(3);
    let root = open(&path).unwrap().root_at(Size(3)).unwrap();
    assert!(ReleaseLog::open(&path, NETWORK, Some((Size(3), root))).is_ok());
    let other = ReleaseLog::open(&path, NETWORK, Some((Size(2), root))).err();
    assert!(matches!(other, Some(LogError::Shrunk { size: Size(2) })));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 192]).unwrap();
    let shrunk = ReleaseLog::open(&path, NETWORK, Some((Size(3), root))).err();
    assert!(matches!(shrunk, Some(LogError::Shrunk { size: Size(3) })));
    assert!(matches!(
        ReleaseLog::open(&path, NetworkId::new([8; 16]), None),
        Err(LogError::OtherNetwork { found: NETWORK })
    ));
}

#[test]
fn the_format_is_frozen() {
    let (_folder, path) = file(1);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(
        hex::encode(medanchor_ledger::sha256(&[&bytes])),
        "df03f8f1c8677f93a10db1eb0c66096ec1577eb193eaf018898c7162fee0ff54"
    );
}

proptest! {
    #[test]
    fn an_entry_survives_its_encoding(
        request in any::<[u8; 32]>(),
        owner in "[a-z0-9]{1,40}",
        version in 1u32..,
        epoch in 1u32..,
        index in 1u8..=16,
        time in any::<u64>(),
    ) {
        let mut released = released(1);
        released.request = EventId::new(request);
        released.record.owner = owner.parse().unwrap();
        released.record.record.version = version;
        released.epoch = epoch;
        released.index = ShareIndex::new(index).unwrap();
        released.time = Time(time);
        prop_assert_eq!(Released::decode(&released.encode()), Ok(released.clone()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("releases");
        let mut log = ReleaseLog::create(&path, NETWORK).unwrap();
        log.append(&released).unwrap();
        prop_assert_eq!(open(&path).unwrap().entry(Index(0)).unwrap(), released);
    }
}

/// Whoever reads the log does not keep the custodian from writing it, and sees what was there.
#[test]
fn a_snapshot_stays_as_it_was_while_the_log_grows() {
    let (_folder, path) = file(5);
    let mut log = open(&path).unwrap();
    let snapshot = log.snapshot().unwrap();
    log.append(&released(5)).unwrap();
    assert_eq!(snapshot.size(), Size(5));
    assert_eq!(Some(snapshot.root()), log.root_at(Size(5)));
    let entries = snapshot.entries(Index(3), 1000).unwrap();
    assert_eq!(entries, [released(3), released(4)]);
    for first in [6, 9, 1 << 56, u64::MAX / 192, u64::MAX - 1, u64::MAX] {
        let beyond = log.snapshot().unwrap().entries(Index(first), 1000).unwrap();
        assert!(beyond.is_empty(), "{first}");
    }
    log.continues(Size(5), &log.root_at(Size(5)).unwrap())
        .unwrap();
    let shrunk = log.continues(Size(7), &log.root_at(Size(5)).unwrap());
    assert!(matches!(shrunk, Err(LogError::Shrunk { .. })));
}
