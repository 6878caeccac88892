//! Consents: grant, continue, revoke.

use crate::access::{decided, request};
use crate::world::*;
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::{AccessRequest, ConsentGrant, ConsentRevoke, GranteeOpening};
use medanchor_ledger::rules::{Consent, Decision, DenialReason, Rule, TagIndex};
use medanchor_ledger::{ClassHandle, ConsentHandle, PurposeHandle, Tag, Time};

/// What ties a grantee to the consents of these tests.
pub const OPENING: GranteeOpening = GranteeOpening::new([42; 16]);

pub fn consent(number: u8) -> ConsentHandle {
    ConsentHandle::new([number; 16])
}

pub fn revoke(number: u8) -> ConsentRevoke {
    ConsentRevoke {
        consent: consent(number),
    }
}

/// Lets `PHARMACY` read class 1 under tag 1 for purpose 1, for half an hour from the start.
pub fn grant(number: u8) -> ConsentGrant {
    ConsentGrant {
        consent: consent(number),
        root: None,
        tags: Tags::new([Tag::new([1; 16])]).unwrap(),
        grantees: Grantees::new([OPENING.grantee(&name(PHARMACY), None)]).unwrap(),
        purposes: Purposes::new([PurposeHandle::new([1; 16])]).unwrap(),
        classes: Classes::new([ClassHandle::new([1; 16])]).unwrap(),
        not_before: Time(START),
        not_after: Time(START + 30 * MINUTE),
        commitment: commitment(number),
        ender: None,
    }
}

fn continuing(number: u8, root: u8) -> ConsentGrant {
    ConsentGrant {
        root: Some(consent(root)),
        ..grant(number)
    }
}

#[test]
fn a_consent_is_granted_once_under_its_handle() {
    let mut world = World::new();
    let first = world.apply(HOSPITAL, grant(1));
    let refused = world.refuse(HOSPITAL, grant(1), Rule::ConsentExists);
    assert_eq!(refused.winner.unwrap().event, first.id());
}

#[test]
fn a_consent_is_for_a_time_to_come() {
    let mut world = World::new();
    let mut backwards = grant(1);
    backwards.not_before = backwards.not_after;
    world.refuse(HOSPITAL, backwards, Rule::ConsentPeriod);
    let mut over = grant(1);
    over.not_after = Time(world.now);
    world.refuse(HOSPITAL, over, Rule::ConsentPeriod);
    let mut short = grant(1);
    short.not_after = Time(world.now + 1);
    world.apply(HOSPITAL, short);
}

#[test]
fn a_consent_is_revoked_once_by_whoever_granted_it() {
    let mut world = World::new();
    world.apply(HOSPITAL, grant(1));
    let early = world.refuse(OTHER_HOSPITAL, revoke(1), Rule::ConsentUnknown);
    assert!(early.later());
    let revoked = world.apply(HOSPITAL, revoke(1));
    let again = world.refuse(HOSPITAL, revoke(1), Rule::ConsentRevoked);
    assert_eq!(again.winner.unwrap().event, revoked.id());
    let state: Consent = world
        .value(&Consent::key(&name(HOSPITAL), &consent(1)))
        .unwrap();
    assert_eq!(state.revoked, again.winner);
}

#[test]
fn a_revoked_consent_is_not_granted_again() {
    let mut world = World::new();
    world.apply(HOSPITAL, grant(1));
    world.apply(HOSPITAL, revoke(1));
    world.refuse(HOSPITAL, grant(1), Rule::ConsentExists);
}

#[test]
fn a_chain_continues_its_first_consent_while_that_stands() {
    let mut world = World::new();
    let early = world.refuse(HOSPITAL, continuing(2, 1), Rule::ConsentRootUnknown);
    assert!(early.later());
    world.apply(HOSPITAL, grant(1));
    world.apply(HOSPITAL, continuing(2, 1));
    world.refuse(HOSPITAL, continuing(3, 2), Rule::ConsentRootNotFirst);
    world.refuse(OTHER_HOSPITAL, continuing(2, 1), Rule::ConsentRootUnknown);
    let revoked = world.apply(HOSPITAL, revoke(1));
    let late = world.refuse(HOSPITAL, continuing(3, 1), Rule::ConsentRootRevoked);
    assert_eq!(late.winner.unwrap().event, revoked.id());
}

#[test]
fn a_chain_lies_in_the_time_of_its_first_consent() {
    let mut world = World::new();
    let first = grant(1);
    world.apply(HOSPITAL, first.clone());
    let with = |number, not_before, not_after| ConsentGrant {
        not_before: Time(not_before),
        not_after: Time(not_after),
        ..continuing(number, 1)
    };
    let (begin, end) = (first.not_before.0, first.not_after.0);
    for (begin, end) in [(begin, end + 1), (begin - 1, end), (begin, u64::MAX)] {
        let refused = world.refuse(HOSPITAL, with(2, begin, end), Rule::ConsentRootPeriod);
        assert!(!refused.later(), "it can never apply");
    }
    world.apply(HOSPITAL, with(2, begin, end));
    world.apply(HOSPITAL, with(3, begin + 1, end - 1));
    // So nothing of the chain permits once the first consent has run out.
    world.apply(HOSPITAL, seal(1, 1));
    let under_the_chain = |number| AccessRequest {
        consent: consent(2),
        ..request(number)
    };
    let before = decided(&mut world, PHARMACY, under_the_chain(1));
    assert_eq!(before, Decision::Permitted);
    world.now = end;
    let after = decided(&mut world, PHARMACY, under_the_chain(2));
    assert_eq!(after, Decision::Denied(DenialReason::Expired));
}

#[test]
fn granting_and_revoking_move_every_listed_tag() {
    let mut world = World::new();
    let mut wide = grant(1);
    wide.tags = Tags::new((1..=64).map(|tag| Tag::new([tag; 16]))).unwrap();
    world.apply(HOSPITAL, wide);
    world.apply(HOSPITAL, revoke(1));
    for tag in 1..=64 {
        let key = TagIndex::key(&name(HOSPITAL), &Tag::new([tag; 16]));
        let index: TagIndex = world.value(&key).unwrap();
        assert_eq!(index.count, 2, "{tag}");
    }
}
