//! Wrapped secrets survive torn tails and are refused when damaged.

use super::*;
use crate::secret::InstitutionKey;
use std::path::PathBuf;

const NETWORK: NetworkId = NetworkId::new([1; 16]);

fn keeper(byte: u8) -> KeyKeeper {
    KeyKeeper::in_memory(&InstitutionKey::new([byte; 32]))
}

fn name(handle: u8, version: u32) -> Name {
    Name {
        kind: Kind::Vault,
        handle: [handle; 16],
        version,
    }
}

fn secret(slots: &mut Slots, name: &Name) -> Option<[u8; 32]> {
    match slots.get(name).unwrap() {
        Held::Secret(secret) => Some(*secret),
        Held::Erased | Held::Nothing => None,
    }
}

/// A file with three secrets.
fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let mut slots = Slots::create(&path, keeper(2), NETWORK).unwrap();
    slots
        .put(&[(name(1, 1), &[11; 32]), (name(1, 2), &[12; 32])])
        .unwrap();
    slots.put(&[(name(2, 1), &[21; 32])]).unwrap();
    (folder, path)
}

fn open(path: &Path) -> Result<Slots, SlotsError> {
    Slots::open(path, keeper(2), NETWORK)
}

#[test]
fn secrets_come_back_under_their_names_and_none_is_replaced() {
    let (_folder, path) = file();
    let mut slots = open(&path).unwrap();
    assert_eq!(secret(&mut slots, &name(1, 2)), Some([12; 32]));
    assert_eq!(slots.versions(Kind::Vault, [1; 16]), [1, 2]);
    assert!(matches!(slots.get(&name(9, 1)), Ok(Held::Nothing)));
    assert!(matches!(
        slots.put(&[(name(1, 1), &[0; 32])]),
        Err(SlotsError::Taken)
    ));
}

#[test]
fn an_erased_secret_leaves_no_byte_of_its_wrap() {
    let (_folder, path) = file();
    let before = std::fs::read(&path).unwrap()[SLOT + 24..SLOT + 84].to_vec();
    let mut slots = open(&path).unwrap();
    slots.erase(&name(1, 1)).unwrap();
    slots.erase(&name(1, 1)).unwrap();
    assert!(matches!(slots.get(&name(1, 1)), Ok(Held::Erased)));
    let mut slots = open(&path).unwrap();
    assert!(matches!(slots.get(&name(1, 1)), Ok(Held::Erased)));
    assert_eq!(secret(&mut slots, &name(1, 2)), Some([12; 32]));
    let after = std::fs::read(&path).unwrap();
    assert!(!after.windows(12).any(|window| {
        before
            .windows(12)
            .any(|old| old == window && old != [0; 12])
    }));
}

#[test]
fn a_torn_tail_is_cut_at_every_length() {
    let (_folder, path) = file();
    let whole = std::fs::read(&path).unwrap();
    for length in 3 * SLOT..4 * SLOT {
        std::fs::write(&path, &whole[..length]).unwrap();
        let mut slots = open(&path).unwrap();
        assert_eq!(secret(&mut slots, &name(1, 2)), Some([12; 32]));
        assert!(matches!(slots.get(&name(2, 1)), Ok(Held::Nothing)));
        slots.put(&[(name(3, 1), &[31; 32])]).unwrap();
        assert_eq!(
            secret(&mut open(&path).unwrap(), &name(3, 1)),
            Some([31; 32])
        );
    }
}

#[test]
fn zeros_that_a_power_cut_left_are_passed_over() {
    let (_folder, path) = file();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(
        &path,
        [
            &whole[..2 * SLOT],
            &[0; SLOT],
            &whole[3 * SLOT..],
            &[0; 300],
        ]
        .concat(),
    )
    .unwrap();
    let mut slots = open(&path).unwrap();
    assert_eq!(secret(&mut slots, &name(2, 1)), Some([21; 32]));
    slots.put(&[(name(3, 1), &[31; 32])]).unwrap();
    assert_eq!(
        secret(&mut open(&path).unwrap(), &name(3, 1)),
        Some([31; 32])
    );
    assert!(matches!(
        open(&path).unwrap().get(&name(1, 2)),
        Ok(Held::Nothing)
    ));
}

#[test]
fn every_flipped_bit_is_refused_with_its_position() {
    let (_folder, path) = file();
    let whole = std::fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &bad).unwrap();
        let slot = bit / 8 / SLOT * SLOT;
        match open(&path).err() {
            Some(
                SlotsError::Format { .. } | SlotsError::OtherNetwork { .. } | SlotsError::OtherKey,
            ) => {
                assert_eq!(slot, 0)
            }
            Some(SlotsError::Damaged { at }) => assert_eq!(at, slot as u64),
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn another_key_or_network_opens_nothing() {
    let (_folder, path) = file();
    let named = Slots::open(&path, keeper(9), NETWORK).err();
    assert!(matches!(named, Some(SlotsError::OtherKey)));
    // A file of an early release does not name its key.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[32..48].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    assert!(wrapped_under(&path).unwrap().is_none());
    assert_eq!(
        secret(&mut open(&path).unwrap(), &name(1, 1)),
        Some([11; 32])
    );
    let mut slots = Slots::open(&path, keeper(9), NETWORK).unwrap();
    assert!(matches!(
        slots.get(&name(1, 1)),
        Err(SlotsError::WrongKey { at: SLOT_BYTES })
    ));
    let other = Slots::open(&path, keeper(2), NetworkId::new([9; 16]));
    assert!(matches!(
        other,
        Err(SlotsError::OtherNetwork { found: NETWORK })
    ));
}

#[test]
fn a_slot_moved_under_another_name_does_not_open() {
    let (_folder, path) = file();
    let mut bytes = std::fs::read(&path).unwrap();
    let mut slot: [u8; SLOT] = bytes[SLOT..2 * SLOT].try_into().unwrap();
    slot[4..8].copy_from_slice(&7u32.to_be_bytes());
    bytes[SLOT..2 * SLOT].copy_from_slice(&checked(slot));
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(
        open(&path).unwrap().get(&name(1, 7)),
        Err(SlotsError::WrongKey { .. })
    ));
}

fn halves() -> [Name; 2] {
    [Kind::Share, Kind::Blinding].map(|kind| Name { kind, ..name(4, 1) })
}

fn share_of(value: [u8; 32], blinding: [u8; 32], note: Note) -> NotedShare {
    let [first, second] = halves();
    let halves = [
        (first, Zeroizing::new(value)),
        (second, Zeroizing::new(blinding)),
    ];
    (halves, note)
}

#[test]
fn a_share_comes_back_with_its_note_and_not_under_another() {
    let (_folder, path) = file();
    let [share, blinding] = halves();
    let mut slots = open(&path).unwrap();
    let both = share_of([41; 32], [42; 32], [7; 40]);
    let twice = slots.put_shares(&[both.clone(), both.clone()], &[]);
    assert!(
        matches!(twice, Err(SlotsError::Taken)),
        "one name, one slot"
    );
    slots.put_shares(&[both], &[]).unwrap();
    let mut slots = open(&path).unwrap();
    let (held, note) = slots.get_noted(&blinding).unwrap();
    assert!(matches!(held, Held::Secret(secret) if *secret == [42; 32]) && note == [7; 40]);
    let mut bytes = std::fs::read(&path).unwrap();
    let mut slot: [u8; SLOT] = bytes[4 * SLOT..5 * SLOT].try_into().unwrap();
    slot[84] ^= 1;
    bytes[4 * SLOT..5 * SLOT].copy_from_slice(&checked(slot));
    std::fs::write(&path, &bytes).unwrap();
    let moved = open(&path).unwrap().get(&share);
    assert!(matches!(moved, Err(SlotsError::WrongKey { .. })));
    let mut slots = open(&path).unwrap();
    slots.erase(&blinding).unwrap();
    let erased = std::fs::read(&path).unwrap();
    assert_eq!(erased[5 * SLOT + 24..6 * SLOT - 4], [0; 100]);
    assert!(open(&path).is_ok());
}

/// Nobody was told of a half, so the next try may bring other shares.
#[test]
fn the_half_of_a_share_that_a_power_cut_left_is_replaced() {
    let [share, blinding] = halves();
    for kept in [share, blinding] {
        let (_folder, path) = file();
        let mut slots = open(&path).unwrap();
        let first = share_of([41; 32], [42; 32], [7; 40]);
        slots.put_shares(&[first], &[]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        match kept == share {
            true => bytes.truncate(5 * SLOT + 60),
            false => bytes[4 * SLOT..5 * SLOT].fill(0),
        }
        std::fs::write(&path, &bytes).unwrap();
        let mut slots = open(&path).unwrap();
        let second = share_of([51; 32], [52; 32], [8; 40]);
        slots.put_shares(&[second], &[]).unwrap();
        let mut slots = open(&path).unwrap();
        assert_eq!(secret(&mut slots, &share), Some([51; 32]));
        assert_eq!(secret(&mut slots, &blinding), Some([52; 32]));
    }
}

#[test]
fn halves_that_were_left_and_new_shares_are_kept_with_one_sync() {
    let (_folder, path) = file();
    let mut slots = open(&path).unwrap();
    let first = share_of([41; 32], [42; 32], [7; 40]);
    slots.put_shares(std::slice::from_ref(&first), &[]).unwrap();
    let [share, _] = halves();
    let other = Name {
        handle: [5; 16],
        ..share
    };
    let other_blinding = Name {
        kind: Kind::Blinding,
        ..other
    };
    let halves = [(other, [51; 32]), (other_blinding, [52; 32])];
    let second: NotedShare = (
        halves.map(|(name, half)| (name, Zeroizing::new(half))),
        [8; 40],
    );
    for (shares, syncs) in [
        (vec![], 0),
        (vec![first.clone()], 1),
        (vec![first, second], 1),
    ] {
        let before = slots.syncs().count();
        slots.put_shares(&shares, &[]).unwrap();
        assert_eq!(slots.syncs().count() - before, syncs);
    }
    let mut slots = open(&path).unwrap();
    assert_eq!(secret(&mut slots, &share), Some([41; 32]));
    assert_eq!(secret(&mut slots, &other_blinding), Some([52; 32]));
}

#[test]
fn many_are_erased_with_one_sync_and_what_is_erased_is_not_written_again() {
    let (_folder, path) = file();
    let mut slots = open(&path).unwrap();
    let all = [
        (Kind::Vault, [1; 16]),
        (Kind::Vault, [2; 16]),
        (Kind::Vault, [9; 16]),
    ];
    slots.erase(&name(1, 2)).unwrap();
    for _ in 0..2 {
        slots.erase_versions(&all).unwrap();
        assert_eq!(slots.syncs().count(), 2);
    }
    assert!(slots.is_erased(&name(2, 1)) && !slots.holds(Kind::Vault));
}

/// A disk that was full for a moment took a part of an append, and the same name was appended again: the
/// next opening found it twice, and refused the file as damaged.
#[test]
fn what_a_failed_append_left_is_not_found_beside_what_came_after() {
    let (_folder, path) = file();
    let mut slots = open(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let left = checked(name(6, 1).head(ERASED));
    std::fs::write(&path, [&whole[..], &left, &left, &left[..77]].concat()).unwrap();
    slots.put(&[(name(6, 1), &[61; 32])]).unwrap();
    assert_eq!(
        secret(&mut open(&path).unwrap(), &name(6, 1)),
        Some([61; 32])
    );
    assert_eq!(std::fs::read(&path).unwrap().len(), whole.len() + SLOT);
}

/// A row was written over an emptied slot, and the disk failed: the slot passed for empty, was not emptied
/// again, and the row was there at the next opening.
#[test]
fn a_slot_that_was_being_written_over_is_not_taken_for_an_erased_one() {
    let (_folder, path) = file();
    let mut slots = open(&path).unwrap();
    let rows = (Kind::Dealt, [0; 16]);
    let place = Name {
        kind: rows.0,
        handle: rows.1,
        version: 0,
    };
    slots.put_shares(&[], &[(place, [8; 80])]).unwrap();
    slots.erase_versions(&[rows]).unwrap();
    slots.syncs().fail_next();
    assert!(slots.put_shares(&[], &[(place, [9; 80])]).is_err());
    slots.erase_versions(&[rows]).unwrap();
    assert!(open(&path).unwrap().rows().unwrap().is_empty());
}

#[test]
fn a_secret_that_has_no_note_may_not_carry_one() {
    let (_folder, path) = file();
    let mut bytes = std::fs::read(&path).unwrap();
    let mut slot: [u8; SLOT] = bytes[SLOT..2 * SLOT].try_into().unwrap();
    slot[100] = 1;
    bytes[SLOT..2 * SLOT].copy_from_slice(&checked(slot));
    std::fs::write(&path, &bytes).unwrap();
    let refused = open(&path).err();
    assert!(matches!(
        refused,
        Some(SlotsError::Damaged { at: SLOT_BYTES })
    ));
}

#[test]
fn what_is_wrapped_anew_opens_with_the_new_key_only_and_what_was_erased_stays_so() {
    let (folder, path) = file();
    let mut slots = open(&path).unwrap();
    slots.erase(&name(1, 1)).unwrap();
    let next = folder.path().join("next");
    let mut slots = slots.rewrap(&next, keeper(3)).unwrap();
    slots.put(&[(name(3, 1), &[31; 32])]).unwrap();
    let mut again = Slots::open(&next, keeper(3), NETWORK).unwrap();
    for slots in [&mut slots, &mut again] {
        assert!(matches!(slots.get(&name(1, 1)), Ok(Held::Erased)));
        assert_eq!(secret(slots, &name(1, 2)), Some([12; 32]));
        assert_eq!(secret(slots, &name(2, 1)), Some([21; 32]));
        assert_eq!(secret(slots, &name(3, 1)), Some([31; 32]));
    }
    assert!(matches!(open(&next), Err(SlotsError::OtherKey)));
}

#[test]
fn a_row_is_kept_with_a_share_written_over_by_the_next_and_wrapped_under_no_key() {
    let (folder, path) = file();
    let mut slots = open(&path).unwrap();
    let place = Name {
        kind: Kind::Dealt,
        handle: [0; 16],
        version: 0,
    };
    let share = share_of([41; 32], [42; 32], [7; 40]);
    for (shares, row) in [(vec![share], [8; 80]), (vec![], [9; 80])] {
        let before = slots.syncs().count();
        slots.put_shares(&shares, &[(place, row)]).unwrap();
        assert_eq!(slots.syncs().count() - before, 1);
        assert_eq!(open(&path).unwrap().rows().unwrap(), [row]);
    }
    let mut slots = slots
        .rewrap(&folder.path().join("next"), keeper(3))
        .unwrap();
    assert_eq!(slots.rows().unwrap(), [[9; 80]]);
    for row in [[1; 80], [2; 80]] {
        slots.erase_versions(&[(Kind::Dealt, [0; 16])]).unwrap();
        assert!(slots.rows().unwrap().is_empty());
        slots.put_shares(&[], &[(place, row)]).unwrap();
        assert_eq!(slots.rows().unwrap(), [row]);
    }
    // A row has zeros behind it.
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.chunks(SLOT).position(|slot| slot[1] == 7).unwrap() * SLOT;
    let mut slot: [u8; SLOT] = bytes[at..at + SLOT].try_into().unwrap();
    slot[104] = 1;
    bytes[at..at + SLOT].copy_from_slice(&checked(slot));
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(&path), Err(SlotsError::Damaged { .. })));
}
