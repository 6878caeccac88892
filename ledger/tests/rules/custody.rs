//! Custody: records that are dealt to custodians, dealt anew, and the custodians' logs.

use crate::world::*;
use medanchor_ledger::event::{
    Custody, CustodyLog, Event, EventBody, RecordCustody, RecordReshare, RecordSupersede,
    UnsignedEvent, VerifyError,
};
use medanchor_ledger::merkle::empty_root;
use medanchor_ledger::rules::{CustodianSet, Record, ReleaseLog, Rule, TagIndex};
use medanchor_ledger::{RecordHandle, Size, Tag, TreeHash};

/// Record `number` under the tag of the same number, dealt so.
pub fn dealt(number: u8, custody: Custody) -> RecordCustody {
    RecordCustody {
        seal: seal(number, number),
        custody,
    }
}

fn reshare(epoch: u32, multiples: &[u64]) -> RecordReshare {
    RecordReshare {
        record: RecordHandle::new([1; 16]),
        version: 1,
        custody: custody(epoch, multiples),
    }
}

fn log(size: u64, root: u8) -> CustodyLog {
    CustodyLog {
        size: Size(size),
        root: TreeHash::new([root; 32]),
    }
}

/// A network in which two of three custodians do.
pub fn custodial() -> World {
    let mut world = World::with_custodians();
    world.adopt(&custodians(1, 2, &CUSTODIANS[..3]));
    world
}

fn record(world: &World) -> Record {
    let key = Record::key(&name(HOSPITAL), &RecordHandle::new([1; 16]));
    world.value(&key).unwrap()
}

#[test]
fn a_record_is_dealt_to_the_current_custodians() {
    let mut world = custodial();
    let first = world.apply(HOSPITAL, dealt(1, custody(1, &[2, 3])));
    let kept = record(&world);
    assert_eq!(kept.custody, Some(custody(1, &[2, 3])));
    assert_eq!((kept.sealed.event, kept.version), (first.id(), 1));
    let tag: TagIndex = world
        .value(&TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16])))
        .unwrap();
    assert_eq!(tag.count, 1);
    let again = dealt(1, custody(1, &[4, 5]));
    let refused = world.refuse(HOSPITAL, again, Rule::RecordExists);
    assert_eq!(refused.winner, Some(kept.sealed));
    let mut second = dealt(2, custody(1, &[2, 3]));
    second.seal.version = 2;
    world.refuse(HOSPITAL, second, Rule::RecordVersion);
}

#[test]
fn without_custodians_nothing_is_dealt() {
    let mut world = World::with_custodians();
    let rule = Rule::CustodyEpochAhead;
    let refused = world.refuse(HOSPITAL, dealt(1, custody(1, &[2, 3])), rule);
    assert!(refused.later(), "they may take over yet");
}

#[test]
fn a_record_is_dealt_in_the_current_epoch() {
    let mut world = custodial();
    let ahead = dealt(1, custody(2, &[2, 3]));
    world.refuse(HOSPITAL, ahead.clone(), Rule::CustodyEpochAhead);
    let adopted = world.adopt(&custodians(2, 2, &CUSTODIANS[1..]));
    let past = dealt(1, custody(1, &[2, 3]));
    let refused = world.refuse(HOSPITAL, past, Rule::CustodyEpochPast);
    assert_eq!(refused.winner.unwrap().event, adopted.id());
    world.apply(HOSPITAL, ahead);
}

#[test]
fn there_are_as_many_points_as_custodians_do() {
    let mut world = custodial();
    for points in [&[2][..], &[2, 3, 4]] {
        let wrong = dealt(1, custody(1, points));
        world.refuse(HOSPITAL, wrong, Rule::CustodyPoints);
    }
}

#[test]
fn nobody_is_its_own_custodian() {
    let mut world = custodial();
    for member in &CUSTODIANS[..3] {
        let own = dealt(1, custody(1, &[2, 3]));
        world.refuse(member, own, Rule::CustodyOwn);
    }
    world.apply(CUSTODIANS[3], dealt(1, custody(1, &[2, 3])));
}

#[test]
fn points_that_are_none_are_refused_with_the_signature() {
    let mut world = custodial();
    let points = custody(1, &[2, 3]);
    let seal = seal(1, 1);
    let supersede = RecordSupersede {
        record: seal.record,
        version: 2,
        class: seal.class,
        commitment: seal.commitment,
        ciphertext: seal.ciphertext,
        vault_part: seal.vault_part,
        key_check: seal.key_check,
        custody: Some(points.clone()),
    };
    let bodies: [EventBody; 3] = [
        dealt(1, points.clone()).into(),
        supersede.into(),
        reshare(1, &[2, 3]).into(),
    ];
    let mut negative = *points.points()[1].as_bytes();
    negative[0] ^= 1;
    for body in bodies {
        for wrong in [[0; 32], [0xff; 32], negative] {
            let event = world.unsigned(HOSPITAL, body.clone());
            let bent = with_point(event, points.points()[1].as_bytes(), &wrong);
            let verdict = bent.verify(&key_of(HOSPITAL).public_key());
            assert_eq!(verdict, Err(VerifyError::Points));
        }
    }
}

/// The event with another point in its bytes, signed as it then stands.
fn with_point(unsigned: UnsignedEvent, from: &[u8], to: &[u8]) -> Event {
    let key = key_of(unsigned.issuer.as_str());
    let bend = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let mut places = bytes.windows(from.len());
        let at = places.position(|window| window == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let good = unsigned.sign(&key).unwrap();
    let bent = Event::decode(&bend(good.encoded())).unwrap();
    let signature = key.sign(&bent.sign_bytes());
    let mut bytes = bent.encoded().to_vec();
    let start = bytes.len() - 64;
    bytes[start..].copy_from_slice(signature.as_bytes());
    Event::decode(&bytes).unwrap()
}

#[test]
fn a_record_is_dealt_anew_under_the_same_secrets_point() {
    let mut world = custodial();
    world.apply(HOSPITAL, dealt(1, custody(1, &[2, 3])));
    world.refuse(HOSPITAL, reshare(1, &[2, 9]), Rule::RecordReshared);
    let early = world.refuse(HOSPITAL, reshare(2, &[2, 9]), Rule::CustodyEpochAhead);
    assert!(early.later());
    world.adopt(&custodians(2, 3, &CUSTODIANS));
    let other = reshare(2, &[3, 4, 5]);
    let refused = world.refuse(HOSPITAL, other, Rule::RecordOtherSecret);
    assert!(!refused.later());
    world.refuse(HOSPITAL, reshare(2, &[2, 9]), Rule::CustodyPoints);
    let mut ahead = reshare(2, &[2, 8, 9]);
    ahead.version = 2;
    world.refuse(HOSPITAL, ahead, Rule::RecordVersionAhead);
    world.apply(HOSPITAL, reshare(2, &[2, 8, 9]));
    assert_eq!(record(&world).custody, Some(custody(2, &[2, 8, 9])));
    let again = world.refuse(HOSPITAL, reshare(2, &[2, 8, 9]), Rule::RecordReshared);
    assert!(!again.later());
    let tag: TagIndex = world
        .value(&TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16])))
        .unwrap();
    assert_eq!(tag.count, 2);
}

#[test]
fn a_record_is_dealt_anew_only_by_its_owner_and_if_it_was_dealt() {
    let mut world = custodial();
    world.apply(HOSPITAL, seal(1, 1));
    world.refuse(HOSPITAL, reshare(1, &[2, 3]), Rule::RecordNoCustody);
    let stranger = world.refuse(OTHER_HOSPITAL, reshare(1, &[2, 3]), Rule::RecordUnknown);
    assert!(stranger.later());
}

#[test]
fn the_set_of_a_past_epoch_stays_for_records_that_it_holds() {
    let mut world = custodial();
    world.apply(HOSPITAL, dealt(1, custody(1, &[2, 3])));
    world.adopt(&custodians(2, 2, &CUSTODIANS[1..]));
    let held = record(&world).custody.unwrap().epoch();
    let set: CustodianSet = world.value(&CustodianSet::key(held)).unwrap();
    assert_eq!(set.custodians.find(&name(CUSTODIANS[0])).unwrap().0, 1);
}

#[test]
fn a_log_of_releases_only_grows() {
    let mut world = custodial();
    let who = CUSTODIANS[0];
    let mut empty = log(0, 0);
    empty.root = empty_root();
    world.apply(who, empty);
    world.apply(who, log(3, 3));
    let newest = world.apply(who, log(3, 3));
    let shorter = world.refuse(who, log(2, 2), Rule::CustodyLogShorter);
    assert_eq!(shorter.winner.unwrap().event, newest.id());
    world.apply(CUSTODIANS[1], log(2, 2));
    let kept: ReleaseLog = world.value(&ReleaseLog::key(&name(who))).unwrap();
    assert_eq!((kept.size, kept.anchored.event), (Size(3), newest.id()));
}

#[test]
fn two_roots_of_one_size_are_evidence() {
    let mut world = custodial();
    let first = world.apply(CUSTODIANS[0], log(3, 3));
    let refused = world.refuse(CUSTODIANS[0], log(3, 4), Rule::CustodyLogTwoRoots);
    assert_eq!(refused.winner.unwrap().event, first.id());
    assert_eq!(refused.rule.fault().as_str(), "signer");
}

#[test]
fn only_a_custodian_keeps_a_log_of_releases() {
    let mut world = custodial();
    world.refuse(HOSPITAL, log(1, 1), Rule::SignerRole);
    world.apply(CUSTODIANS[3], log(1, 1));
}
