//! An owner's deals that are not known to be on the ledger: how many are taken, and what ends one's wait.

use super::*;
use crate::custody::custodian::{MAX_UNANCHORED, waiting::Waiting};
use crate::custody::deal::deal_out;
use std::io::Write;

/// The deal of an owner's record to the first custodian.
fn deal(owner: &str, record: u8, version: u32) -> Signed<Deal> {
    let custodied = Custodied {
        owner: named(owner),
        record: RecordVersion {
            network: NETWORK,
            record: RecordHandle::new([record; 16]),
            version,
        },
    };
    let members = members(&NAMES);
    let dealt = deal_out(&custodied, EPOCH, 3, &members, &secret(), signs(owner));
    dealt.unwrap().1.swap_remove(0)
}

fn take(
    custodian: &mut Custodian,
    owner: &str,
    deals: &[Signed<Deal>],
) -> Result<(), CustodianError> {
    let (dealer, key) = (signer(owner).public_key(), share_key(NAMES[0]));
    let taken = custodian.accept_all(deals, &dealer, &seat(0), &key, signs(NAMES[0]));
    taken.map(drop)
}

fn again(folder: &tempfile::TempDir) -> Custodian {
    let mut custodian =
        Custodian::open(folder.path(), &InstitutionKey::new([4; 32]), NETWORK, None).unwrap();
    custodian.set_bound(2);
    custodian
}

fn is_full(result: &Result<(), CustodianError>) -> bool {
    matches!(result, Err(CustodianError::TooManyUnanchored { bound: 2 }))
}

const NORTH: &str = "north-hospital";

#[test]
fn an_owner_at_its_bound_deals_no_more_and_others_do() {
    let folder = tempfile::tempdir().unwrap();
    drop(store(&folder));
    let mut custodian = again(&folder);
    let [one, two, three] = [1, 2, 3].map(|n| deal(NORTH, n, 1));
    // Together they are one too many, and none is kept or counted.
    let all = [one.clone(), two.clone(), three.clone()];
    assert!(is_full(&take(&mut custodian, NORTH, &all)));
    assert_eq!(custodian.room(&named(NORTH)), 2);
    take(&mut custodian, NORTH, std::slice::from_ref(&one)).unwrap();
    take(&mut custodian, NORTH, &[one.clone(), two.clone()]).unwrap();
    assert_eq!(
        custodian.room(&named(NORTH)),
        0,
        "the same deal is counted once"
    );
    assert!(is_full(&take(
        &mut custodian,
        NORTH,
        std::slice::from_ref(&three)
    )));
    take(
        &mut custodian,
        "south-hospital",
        &[deal("south-hospital", 3, 1)],
    )
    .unwrap();
    drop(custodian);
    let mut custodian = again(&folder);
    assert!(
        is_full(&take(&mut custodian, NORTH, std::slice::from_ref(&three))),
        "a restart forgets nothing"
    );
    take(&mut custodian, NORTH, &[two]).unwrap();

    // Told what the ledger has, it takes more; what was told of others' records is not this owner's.
    let told = (RecordHandle::new([1; 16]), 1);
    custodian
        .anchored(&named("south-hospital"), &[told])
        .unwrap();
    assert!(is_full(&take(
        &mut custodian,
        NORTH,
        std::slice::from_ref(&three)
    )));
    custodian.anchored(&named(NORTH), &[told]).unwrap();
    take(&mut custodian, NORTH, &[three]).unwrap();
    drop(custodian);
    let mut custodian = again(&folder);
    assert_eq!(custodian.room(&named(NORTH)), 0);
    // Nothing was destroyed: the first share is held as ever.
    take(&mut custodian, NORTH, &[one]).unwrap();
}

#[test]
fn the_oldest_are_asked_for_first_and_each_in_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut custodian = store(&folder);
    let dealt = [(1, 1), (2, 1), (2, 2), (3, 1)];
    for (record, version) in dealt {
        take(&mut custodian, NORTH, &[deal(NORTH, record, version)]).unwrap();
    }
    let mut next = |most| {
        let all = custodian.unanchored(&named(NORTH), most);
        let small = |(record, version): (RecordHandle, u32)| (record.as_bytes()[0], version);
        all.into_iter().map(small).collect::<Vec<_>>()
    };
    assert_eq!(next(3), [(1, 1), (2, 1), (2, 2)]);
    assert_eq!(next(2), [(3, 1), (1, 1)]);
    // A version on the ledger says that those before it are.
    let newest = (RecordHandle::new([2; 16]), 2);
    custodian.anchored(&named(NORTH), &[newest]).unwrap();
    assert_eq!(custodian.room(&named(NORTH)), MAX_UNANCHORED - 2);
    assert!(custodian.unanchored(&named("nobody"), 9).is_empty());
}

#[test]
fn what_a_power_cut_left_of_a_row_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    drop(store(&folder));
    let mut custodian = again(&folder);
    take(&mut custodian, NORTH, &[deal(NORTH, 1, 1)]).unwrap();
    drop(custodian);
    let path = folder.path().join("deals");
    let whole = std::fs::read(&path).unwrap();
    for (record, torn) in (2..).zip([vec![0; 80], vec![7; 33], vec![0; 200]]) {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(&torn).unwrap();
        drop(file);
        let mut custodian = again(&folder);
        assert_eq!(custodian.room(&named(NORTH)), 1);
        take(&mut custodian, NORTH, &[deal(NORTH, record, 1)]).unwrap();
        drop(custodian);
        assert_eq!(
            again(&folder).room(&named(NORTH)),
            0,
            "the next row is whole"
        );
        std::fs::write(&path, &whole).unwrap();
    }
    // A store of an earlier release has no such file; another network's is refused.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(again(&folder).room(&named(NORTH)), 2);
    let mut other = whole.clone();
    other[16] ^= 1;
    std::fs::write(&path, other).unwrap();
    let opened = Custodian::open(folder.path(), &InstitutionKey::new([4; 32]), NETWORK, None);
    assert!(matches!(opened, Err(CustodianError::Deals(_))));
}

/// How many slots of the store are of kind 7, and hold a row.
fn rows_beside(folder: &tempfile::TempDir) -> usize {
    let keys = std::fs::read(folder.path().join("keys")).unwrap();
    let slots = keys.chunks_exact(128).skip(1);
    slots.filter(|slot| slot[..2] == [1, 7]).count()
}

/// The file of deals is not waited for with every deal: what a power cut takes out of it stands beside the shares.
#[test]
fn rows_that_a_power_cut_took_come_back_from_beside_their_shares() {
    let folder = tempfile::tempdir().unwrap();
    let mut custodian = store(&folder);
    let path = folder.path().join("deals");
    let before = std::fs::read(&path).unwrap();
    let [one, two] = [1, 2].map(|n| deal(NORTH, n, 1));
    take(&mut custodian, NORTH, std::slice::from_ref(&one)).unwrap();
    take(&mut custodian, NORTH, &[one, two]).unwrap();
    let told = (RecordHandle::new([2; 16]), 1);
    custodian.anchored(&named(NORTH), &[told]).unwrap();
    drop(custodian);
    assert_eq!(rows_beside(&folder), 2);
    let whole = std::fs::read(&path).unwrap();
    for (left, room) in [(&whole[..], 1), (&before[..], 0), (&whole[..32 + 80], 0)] {
        let copy = tempfile::tempdir().unwrap();
        for name in ["keys", "releases"] {
            std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        std::fs::write(copy.path().join("deals"), left).unwrap();
        for _ in 0..2 {
            assert_eq!(again(&copy).room(&named(NORTH)), room);
            assert_eq!(rows_beside(&copy), 0, "the file has them");
        }
    }
}

#[test]
fn few_rows_stand_beside_shares_and_none_of_many_that_came_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut custodian = store(&folder);
    let mut together = |records: std::ops::Range<u8>| {
        let deals: Vec<_> = records.map(|record| deal(NORTH, record, 1)).collect();
        take(&mut custodian, NORTH, &deals).unwrap();
        rows_beside(&folder)
    };
    assert_eq!(together(0..65), 0);
    assert_eq!(together(65..67), 2);
    // They do not fit beside the two, so the file is waited for, and the places are free.
    assert_eq!(together(67..130), 2);
    assert_eq!(together(130..131), 2);
    assert_eq!(together(131..194), 64);
    drop(custodian);
    let mut custodian = again(&folder);
    assert_eq!(custodian.unanchored(&named(NORTH), 999).len(), 194);
    assert_eq!(rows_beside(&folder), 0);
    take(
        &mut custodian,
        "south-hospital",
        &[deal("south-hospital", 3, 1)],
    )
    .unwrap();
    assert_eq!(rows_beside(&folder), 1, "an emptied slot is used again");
}

/// A try that failed after the deal was counted had left its row in the system's memory: the next try found the
/// deal known, wrote its row nowhere, and acknowledged.
#[test]
fn a_deal_that_is_tried_again_has_its_row_beside_its_share() {
    let one = deal(NORTH, 1, 1);
    let deals = |folder: &tempfile::TempDir| folder.path().join("deals");
    type Try = fn(&mut Custodian, &Signed<Deal>) -> Result<(), CustodianError>;
    let refused: Try = |custodian, one| take(custodian, NORTH, &[one.clone(), one.clone()]);
    let failed: Try = |custodian, one| {
        custodian.syncs()[1].fail_next();
        take(custodian, NORTH, std::slice::from_ref(one))
    };
    for first in [refused, failed] {
        let folder = tempfile::tempdir().unwrap();
        let mut custodian = store(&folder);
        let before = std::fs::read(deals(&folder)).unwrap();
        assert!(first(&mut custodian, &one).is_err());
        take(&mut custodian, NORTH, std::slice::from_ref(&one)).unwrap();
        drop(custodian);
        // What the power cut took: the file was never waited for.
        std::fs::write(deals(&folder), &before).unwrap();
        assert_eq!(again(&folder).room(&named(NORTH)), 1);
    }
    // Killed in between: the opening waits for what the process left, and the next try is as above.
    let folder = tempfile::tempdir().unwrap();
    drop(store(&folder));
    let before = std::fs::read(deals(&folder)).unwrap();
    let mut killed = Waiting::open(&deals(&folder), NETWORK, &[]).unwrap();
    let record = RecordHandle::new([1; 16]);
    killed.enter(&named(NORTH), &[(record, 1)]).unwrap();
    drop(killed);
    let mut custodian = again(&folder);
    assert_eq!(custodian.syncs()[0].count(), 1);
    take(&mut custodian, NORTH, &[one]).unwrap();
    drop(custodian);
    std::fs::write(deals(&folder), &before).unwrap();
    assert_eq!(again(&folder).room(&named(NORTH)), 1);
}

/// No row beside a share is written over before the file of deals is on disk.
#[test]
fn the_file_is_waited_for_before_the_first_row_beside_a_share_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut custodian = store(&folder);
    let path = folder.path().join("deals");
    for record in 0..64 {
        take(&mut custodian, NORTH, &[deal(NORTH, record, 1)]).unwrap();
    }
    let opened = 1;
    assert_eq!(custodian.syncs()[0].count(), opened);
    assert_eq!(rows_beside(&folder), 64);
    let before = std::fs::read(folder.path().join("keys")).unwrap();
    let next = deal(NORTH, 64, 1);
    custodian.syncs()[0].fail_next();
    let failed = take(&mut custodian, NORTH, std::slice::from_ref(&next));
    assert!(matches!(failed, Err(CustodianError::Deals(_))));
    let after = std::fs::read(folder.path().join("keys")).unwrap();
    assert!(before == after, "nothing was kept, and no row went");

    // What the disk lost is not asked of it a second time: all is written anew.
    std::fs::write(&path, &std::fs::read(&path).unwrap()[..32]).unwrap();
    take(&mut custodian, NORTH, std::slice::from_ref(&next)).unwrap();
    assert_eq!(custodian.syncs()[0].count(), opened + 2);
    drop(custodian);
    let mut custodian = again(&folder);
    assert_eq!(custodian.syncs()[0].count(), 1, "an opening waits once");
    assert_eq!(custodian.unanchored(&named(NORTH), 99).len(), 65);
    custodian.set_bound(99);
    take(&mut custodian, NORTH, &[deal(NORTH, 65, 1)]).unwrap();
    assert_eq!(custodian.syncs()[0].count(), 1);
}

/// Rows of so many deals that the ledger has that the next makes the file be written anew.
fn nearly_anew(folder: &tempfile::TempDir) {
    let mut waiting = Waiting::open(&folder.path().join("deals"), NETWORK, &[]).unwrap();
    let owner = named("south-hospital");
    let dealt: Vec<_> = (0..2048_u16)
        .map(|n| {
            (
                RecordHandle::new([n.to_be_bytes(); 8].concat().try_into().unwrap()),
                1,
            )
        })
        .collect();
    waiting.enter(&owner, &dealt).unwrap();
    waiting.anchored(&owner, &dealt).unwrap();
}

#[test]
fn rows_beside_shares_that_could_not_be_emptied_are_emptied_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    drop(store(&folder));
    nearly_anew(&folder);
    let mut custodian = again(&folder);
    let [one, two] = [1, 2].map(|n| deal(NORTH, n, 1));
    take(&mut custodian, NORTH, &[one]).unwrap();
    custodian.syncs()[1].fail_next();
    let told = (RecordHandle::new([1; 16]), 1);
    let failed = custodian.anchored(&named(NORTH), &[told]);
    assert!(matches!(failed, Err(CustodianError::Share(_))));
    // A deal that comes now is beside its share, and may not be when its own file was not waited for.
    take(&mut custodian, NORTH, &[two]).unwrap();
    let syncs = |custodian: &Custodian| custodian.syncs().map(|syncs| syncs.count());
    let [deals, keys] = syncs(&custodian);
    for _ in 0..2 {
        custodian.anchored(&named(NORTH), &[]).unwrap();
        assert_eq!(syncs(&custodian), [deals + 1, keys + 1]);
        assert_eq!(rows_beside(&folder), 0);
    }
    drop(custodian);
    assert_eq!(again(&folder).room(&named(NORTH)), 1);
}

/// The file had its name and the folder could not be waited for: rows went on into the file before, which had
/// no name any more.
#[test]
fn rows_go_into_the_file_that_has_the_name_though_its_folder_failed() {
    let folder = tempfile::tempdir().unwrap();
    nearly_anew(&folder);
    let path = folder.path().join("deals");
    let mut waiting = Waiting::open(&path, NETWORK, &[]).unwrap();
    let (owner, dealt) = (named(NORTH), |n| (RecordHandle::new([n; 16]), 1));
    waiting.enter(&owner, &[dealt(1)]).unwrap();
    waiting.syncs.fail_next();
    assert!(waiting.anchored(&owner, &[dealt(1)]).is_err());
    assert_eq!(std::fs::read(&path).unwrap().len(), 32);
    waiting.enter(&owner, &[dealt(2)]).unwrap();
    drop(waiting);
    let mut waiting = Waiting::open(&path, NETWORK, &[]).unwrap();
    assert_eq!(waiting.next(&owner, 9), [dealt(2)]);
}

/// Rows that say nothing any more do not pile up.
#[test]
fn the_file_stays_small_however_much_is_dealt_and_anchored() {
    let folder = tempfile::tempdir().unwrap();
    let mut waiting = Waiting::open(&folder.path().join("deals"), NETWORK, &[]).unwrap();
    let owner = named(NORTH);
    for round in 0..40_u32 {
        let dealt: Vec<_> = (0..200_u32)
            .map(|n| {
                let mut handle = [0; 16];
                handle[..4].copy_from_slice(&(round * 200 + n).to_be_bytes());
                (RecordHandle::new(handle), 1)
            })
            .collect();
        waiting.enter(&owner, &dealt).unwrap();
        waiting.anchored(&owner, &dealt[1..]).unwrap();
    }
    assert_eq!(waiting.count(&owner), 40);
    let length = || {
        std::fs::metadata(folder.path().join("deals"))
            .unwrap()
            .len()
    };
    assert!(length() < 80 * 5_000, "{}", length());
    drop(waiting);
    let waiting = Waiting::open(&folder.path().join("deals"), NETWORK, &[]).unwrap();
    assert_eq!(waiting.count(&owner), 40);
}

/// The file as `vectors/custodian-deals` has it: written so, and read or refused.
#[test]
fn the_file_is_frozen() {
    let vectors =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/custodian-deals");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deals");
    let (north, south) = (named(NORTH), named("south-hospital"));
    let dealt = |record: u8, version| (RecordHandle::new([record; 16]), version);
    let mut waiting = Waiting::open(&path, NETWORK, &[]).unwrap();
    waiting.enter(&north, &[dealt(2, 3)]).unwrap();
    waiting.enter(&south, &[dealt(4, 1)]).unwrap();
    waiting.enter(&north, &[dealt(5, 1)]).unwrap();
    waiting.anchored(&north, &[dealt(2, 3)]).unwrap();
    let good = std::fs::read(vectors.join("good.deals")).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), good);
    let mut seen = 0;
    for entry in std::fs::read_dir(vectors).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|end| end != "deals") {
            continue;
        }
        std::fs::copy(&file, &path).unwrap();
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let read = Waiting::open(&path, NETWORK, &[]).map(|mut waiting| {
            let souths = waiting.count(&south);
            (waiting.next(&north, 9), souths)
        });
        match stem.starts_with("rejected-") {
            true => assert!(read.is_err(), "{stem}"),
            false => {
                let souths = usize::from(stem != "good-damaged-row");
                assert_eq!(read.unwrap(), (vec![dealt(5, 1)], souths), "{stem}");
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 7);
}
