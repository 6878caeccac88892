//! Records and the index of their tags.

use crate::world::*;
use medanchor_ledger::event::EventKind;
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::rules::{Anchored, Record, Rule, TagIndex};
use medanchor_ledger::{Index, RecordHandle, Tag};

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
