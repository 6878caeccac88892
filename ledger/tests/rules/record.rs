//! Records and the index of their tags.

use crate::access::{decided, request};
use crate::consent::grant;
use crate::custody::{custodial, dealt};
use crate::world::*;
use medanchor_ledger::event::{
    Custody, Destroyed, ErasureReason, EventKind, RecordErase, RecordSupersede,
};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::rules::{Anchored, Decision, DenialReason, Record, Rule, TagIndex};
use medanchor_ledger::{ClassHandle, Index, RecordHandle, Tag};

/// Version `version` of record `number`, of class 1.
pub fn supersede(number: u8, version: u32, custody: Option<Custody>) -> RecordSupersede {
    let seal = seal(number, number);
    RecordSupersede {
        record: seal.record,
        version,
        class: seal.class,
        commitment: seal.commitment,
        ciphertext: seal.ciphertext,
        vault_part: seal.vault_part,
        key_check: seal.key_check,
        custody,
    }
}

/// The end of record `number`, whose newest version is `version`.
pub fn erase(number: u8, version: u32, destroyed: u8) -> RecordErase {
    RecordErase {
        record: RecordHandle::new([number; 16]),
        version,
        reason: ErasureReason::SubjectRequest,
        destroyed: Destroyed::new(destroyed).unwrap(),
        certificate: commitment(number),
    }
}

fn kept(world: &World) -> Record {
    let key = Record::key(&name(HOSPITAL), &RecordHandle::new([1; 16]));
    world.value(&key).unwrap()
}

#[test]
fn a_record_is_sealed_once_under_its_handle() {
    let mut world = World::new();
    let first = world.apply(HOSPITAL, seal(1, 1));
    let refused = world.refuse(HOSPITAL, seal(1, 2), Rule::RecordExists);
    let index = Index(1);
    let event = first.id();
    assert_eq!(refused.winner, Some(Anchored { event, index }));
    assert!(!refused.later());
}

#[test]
fn another_owner_may_use_the_same_handle() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world.apply(OTHER_HOSPITAL, seal(1, 1));
    let key = |owner| Record::key(&name(owner), &RecordHandle::new([1; 16]));
    let record: Record = world.value(&key(HOSPITAL)).unwrap();
    let other: Record = world.value(&key(OTHER_HOSPITAL)).unwrap();
    assert_ne!(record.sealed, other.sealed);
}

#[test]
fn a_new_record_starts_with_version_1() {
    let mut world = World::new();
    let mut second = seal(1, 1);
    second.version = 2;
    world.refuse(HOSPITAL, second, Rule::RecordVersion);
}

#[test]
fn every_seal_moves_its_tag_and_no_other() {
    let mut world = World::new();
    let first = world.event(HOSPITAL, seal(1, 1));
    let second = world.event(HOSPITAL, seal(2, 1));
    let elsewhere = world.event(OTHER_HOSPITAL, seal(1, 1));
    let (_, block) = world.block(&[first.clone(), second.clone(), elsewhere]);
    let link = |event, index| TagLink {
        anchored: Anchored { event, index },
        time: block.seal.time,
        kind: EventKind::RecordSeal,
        outcome: 0,
    };
    let expected = TagIndex::EMPTY
        .after(&link(first.id(), Index(1)))
        .after(&link(second.id(), Index(2)));
    let key = |owner| TagIndex::key(&name(owner), &Tag::new([1; 16]));
    assert_eq!(world.value(&key(HOSPITAL)), Some(expected));
    let other: TagIndex = world.value(&key(OTHER_HOSPITAL)).unwrap();
    assert_eq!(other.count, 1);
    assert_eq!(world.value::<TagIndex>(&key(PHARMACY)), None);
}

#[test]
fn versions_follow_one_another() {
    let mut world = World::new();
    let early = world.refuse(HOSPITAL, supersede(1, 2, None), Rule::RecordUnknown);
    assert!(early.later());
    let first = world.apply(HOSPITAL, seal(1, 1));
    let refused = world.refuse(HOSPITAL, supersede(1, 1, None), Rule::RecordVersionPast);
    assert_eq!(refused.winner.unwrap().event, first.id());
    let gap = world.refuse(HOSPITAL, supersede(1, 3, None), Rule::RecordVersionAhead);
    assert!(gap.later());
    let mut second = supersede(1, 2, None);
    second.class = ClassHandle::new([2; 16]);
    let second = world.apply(HOSPITAL, second);
    let record = kept(&world);
    assert_eq!(
        (record.version, record.class),
        (2, ClassHandle::new([2; 16]))
    );
    assert_eq!(
        (record.sealed.event, record.newest().event),
        (first.id(), second.id())
    );
    let late = world.refuse(HOSPITAL, supersede(1, 2, None), Rule::RecordVersionPast);
    assert_eq!(late.winner.unwrap().event, second.id());
    world.apply(HOSPITAL, supersede(1, 3, None));
    let tag: TagIndex = world
        .value(&TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16])))
        .unwrap();
    assert_eq!(tag.count, 3);
}

#[test]
fn one_block_makes_one_version() {
    let mut world = World::new();
    let events = [
        world.event(HOSPITAL, seal(1, 1)),
        world.event(HOSPITAL, supersede(1, 2, None)),
    ];
    let (verdicts, _) = world.block(&events);
    let rejection = verdicts[1].unwrap_err();
    assert_eq!(rejection.rule, Rule::RecordVersionSoon);
    assert!(rejection.later());
    assert_eq!(world.block(&events[1..]).0, [Ok(())]);
}

#[test]
fn nobody_else_supersedes_or_erases_a_record() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world.refuse(OTHER_HOSPITAL, supersede(1, 2, None), Rule::RecordUnknown);
    let erased = erase(1, 1, Destroyed::VAULT_PART);
    world.refuse(OTHER_HOSPITAL, erased, Rule::RecordUnknown);
}

#[test]
fn a_record_in_custody_stays_in_custody() {
    let mut world = custodial();
    world.apply(HOSPITAL, seal(1, 1));
    world.apply(HOSPITAL, supersede(1, 2, Some(custody(1, &[2, 3]))));
    let refused = world.refuse(HOSPITAL, supersede(1, 3, None), Rule::RecordCustodyLost);
    assert!(!refused.later());
    let wrong = supersede(1, 3, Some(custody(1, &[2])));
    world.refuse(HOSPITAL, wrong, Rule::CustodyPoints);
    world.apply(HOSPITAL, supersede(1, 3, Some(custody(1, &[5, 6]))));
    assert_eq!(kept(&world).custody, Some(custody(1, &[5, 6])));
}

#[test]
fn nothing_happens_to_an_erased_record() {
    let mut world = custodial();
    world.apply(HOSPITAL, dealt(1, custody(1, &[2, 3])));
    let vault_part = Destroyed::VAULT_PART;
    let gap = world.refuse(HOSPITAL, erase(1, 2, vault_part), Rule::RecordVersionAhead);
    assert!(gap.later());
    let end = world.apply(HOSPITAL, erase(1, 1, vault_part | Destroyed::SHARES));
    let erased = kept(&world).erased.unwrap();
    assert_eq!(erased.by.event, end.id());
    assert!(erased.destroyed.contains(Destroyed::SHARES));
    let later = supersede(1, 2, Some(custody(1, &[2, 3])));
    let refused = [
        world.refuse(HOSPITAL, later, Rule::RecordErased),
        world.refuse(HOSPITAL, erase(1, 1, vault_part), Rule::RecordErased),
    ];
    for refused in refused {
        assert_eq!(refused.winner, Some(erased.by));
        assert!(!refused.later());
    }
    let again = world.refuse(HOSPITAL, seal(1, 2), Rule::RecordExists);
    assert_eq!(
        again.winner,
        Some(kept(&world).sealed),
        "its handle stays taken"
    );
}

#[test]
fn an_erasure_is_said_again_only_to_add_to_what_was_destroyed() {
    let mut world = custodial();
    world.apply(HOSPITAL, dealt(1, custody(1, &[2, 3])));
    let (part, payload) = (Destroyed::VAULT_PART, Destroyed::PAYLOAD);
    let first = world.apply(HOSPITAL, erase(1, 1, part | payload));
    for other in [part, payload | Destroyed::SHARES, part | payload] {
        let refused = world.refuse(HOSPITAL, erase(1, 1, other), Rule::RecordErased);
        assert_eq!(refused.winner.unwrap().event, first.id());
    }
    let all = part | payload | Destroyed::SHARES;
    let never = world.refuse(HOSPITAL, erase(1, 2, all), Rule::RecordErased);
    assert!(!never.later(), "no version follows an erased one");
    world.apply(HOSPITAL, erase(1, 1, all));
    let erased = kept(&world).erased.unwrap();
    assert_eq!(
        erased.by.event,
        first.id(),
        "it ended when it was erased first"
    );
    assert!(erased.destroyed.contains(all));
    world.refuse(HOSPITAL, erase(1, 1, all), Rule::RecordErased);
}

#[test]
fn an_erasure_is_of_the_newest_version() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    let second = world.apply(HOSPITAL, supersede(1, 2, None));
    let old = erase(1, 1, Destroyed::VAULT_PART);
    let refused = world.refuse(HOSPITAL, old, Rule::RecordVersionPast);
    assert_eq!(refused.winner.unwrap().event, second.id());
    world.apply(HOSPITAL, erase(1, 2, Destroyed::VAULT_PART));
}

#[test]
fn shares_that_never_were_are_not_destroyed() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world.refuse(
        HOSPITAL,
        erase(1, 1, Destroyed::SHARES),
        Rule::RecordNoCustody,
    );
}

#[test]
fn a_request_for_an_erased_record_is_denied() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world.apply(HOSPITAL, grant(1));
    let before = decided(&mut world, PHARMACY, request(1));
    assert_eq!(before, Decision::Permitted);
    world.apply(HOSPITAL, erase(1, 1, Destroyed::VAULT_PART));
    let after = decided(&mut world, PHARMACY, request(2));
    assert_eq!(after, Decision::Denied(DenialReason::Erased));
    let stranger = decided(&mut world, OTHER_PHARMACY, request(3));
    assert_eq!(
        stranger,
        Decision::Denied(DenialReason::Grantee),
        "what the consent says comes first"
    );
}

#[test]
fn a_request_is_decided_on_the_class_of_the_newest_version() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world.apply(HOSPITAL, grant(1));
    let mut other = supersede(1, 2, None);
    other.class = ClassHandle::new([2; 16]);
    world.apply(HOSPITAL, other);
    let after = decided(&mut world, PHARMACY, request(1));
    assert_eq!(after, Decision::Denied(DenialReason::Class));
}
