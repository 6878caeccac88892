//! Access: permitted or denied, and both kept.

use crate::consent::{OPENING, consent, grant, revoke};
use crate::world::*;
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::{
    AccessRequest, ConsentGrant, EventKind, GranteeOpening, KemSuite, ReaderKey,
};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::rules::{Decision, DenialReason, Request, Rule, TagIndex};
use medanchor_ledger::{
    ClassHandle, MemberCommitment, PurposeHandle, RecordHandle, RequestHandle, Tag, Time,
};

/// Request `number` for the hospital's record 1 under its consent 1, which allows `PHARMACY`.
pub fn request(number: u16) -> AccessRequest {
    let mut handle = [0; 16];
    handle[..2].copy_from_slice(&number.to_be_bytes());
    AccessRequest {
        request: RequestHandle::new(handle),
        owner: name(HOSPITAL),
        record: RecordHandle::new([1; 16]),
        consent: consent(1),
        purpose: PurposeHandle::new([1; 16]),
        opening: OPENING,
        member: None,
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [5; 32],
        },
        commitment: commitment(9),
    }
}

fn consenting(grant: ConsentGrant) -> World {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world.apply(HOSPITAL, grant);
    world
}

pub fn decided(world: &mut World, who: &str, body: AccessRequest) -> Decision {
    let key = Request::key(&name(who), &body.request);
    let event = world.apply(who, body);
    let request: Request = world.value(&key).unwrap();
    assert_eq!(request.requested.event, event.id());
    request.decision
}

#[track_caller]
fn denied(grant: ConsentGrant, reason: DenialReason) {
    let decision = decided(&mut consenting(grant), PHARMACY, request(1));
    assert_eq!(decision, Decision::Denied(reason));
}

#[test]
fn a_grantee_may_read_what_the_consent_covers() {
    let mut world = consenting(grant(1));
    assert_eq!(
        decided(&mut world, PHARMACY, request(1)),
        Decision::Permitted
    );
    let key = Request::key(&name(PHARMACY), &request(1).request);
    let kept: Request = world.value(&key).unwrap();
    assert_eq!(kept.reader_key, request(1).reader_key);
    assert_eq!(kept.time, world.state_time());
}

#[test]
fn a_member_of_a_grantee_may_read_with_the_members_commitment() {
    let member = MemberCommitment::new([3; 32]);
    let mut team = grant(1);
    team.grantees = Grantees::new([OPENING.grantee(&name(PHARMACY), Some(&member))]).unwrap();
    let mut world = consenting(team);
    let mut asked = request(1);
    asked.member = Some(member);
    assert_eq!(decided(&mut world, PHARMACY, asked), Decision::Permitted);
    let outsider = decided(&mut world, PHARMACY, request(2));
    assert_eq!(outsider, Decision::Denied(DenialReason::Grantee));
}

#[test]
fn an_unknown_record_is_denied_and_moves_no_tag() {
    let mut world = World::new();
    let decision = decided(&mut world, PHARMACY, request(1));
    assert_eq!(decision, Decision::Denied(DenialReason::UnknownRecord));
    let key = TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16]));
    assert_eq!(world.value::<TagIndex>(&key), None);
}

#[test]
fn without_consent_access_is_denied_and_recorded() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    let decision = decided(&mut world, PHARMACY, request(1));
    assert_eq!(decision, Decision::Denied(DenialReason::UnknownConsent));
}

#[test]
fn a_consent_of_another_owner_does_not_count() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world.apply(OTHER_HOSPITAL, grant(1));
    let decision = decided(&mut world, PHARMACY, request(1));
    assert_eq!(decision, Decision::Denied(DenialReason::UnknownConsent));
}

#[test]
fn a_revoked_consent_ends_access_in_the_same_block() {
    let mut world = consenting(grant(1));
    let before = world.event(PHARMACY, request(1));
    let revocation = world.event(HOSPITAL, revoke(1));
    let after = world.event(PHARMACY, request(2));
    let (verdicts, _) = world.block(&[before, revocation, after]);
    assert_eq!(verdicts, [Ok(()); 3]);
    let decision = |world: &World, number| {
        let key = Request::key(&name(PHARMACY), &request(number).request);
        world.value::<Request>(&key).unwrap().decision
    };
    assert_eq!(decision(&world, 1), Decision::Permitted);
    assert_eq!(decision(&world, 2), Decision::Denied(DenialReason::Revoked));
}

#[test]
fn revoking_the_first_consent_of_a_chain_ends_all_that_continue_it() {
    let mut world = consenting(grant(2));
    let mut next = grant(1);
    next.root = Some(consent(2));
    world.apply(HOSPITAL, next);
    assert_eq!(
        decided(&mut world, PHARMACY, request(1)),
        Decision::Permitted
    );
    world.apply(HOSPITAL, revoke(2));
    let decision = decided(&mut world, PHARMACY, request(2));
    assert_eq!(decision, Decision::Denied(DenialReason::Revoked));
}

#[test]
fn a_consent_holds_from_its_first_to_before_its_last_moment() {
    let (first, last) = (START + 10 * MINUTE, START + 20 * MINUTE);
    let mut timed = grant(1);
    (timed.not_before, timed.not_after) = (Time(first), Time(last));
    let expected = [
        (first - 1, Decision::Denied(DenialReason::NotYetValid)),
        (first, Decision::Permitted),
        (last - 1, Decision::Permitted),
        (last, Decision::Denied(DenialReason::Expired)),
    ];
    for (time, decision) in expected {
        let mut world = consenting(timed.clone());
        world.now = time;
        assert_eq!(
            decided(&mut world, PHARMACY, request(1)),
            decision,
            "{}",
            time - START
        );
    }
}

#[test]
fn what_the_consent_does_not_cover_is_denied() {
    let mut other = grant(1);
    other.tags = Tags::new([Tag::new([2; 16])]).unwrap();
    denied(other, DenialReason::Tag);
    let mut other = grant(1);
    other.classes = Classes::new([ClassHandle::new([2; 16])]).unwrap();
    denied(other, DenialReason::Class);
    let mut other = grant(1);
    other.purposes = Purposes::new([PurposeHandle::new([2; 16])]).unwrap();
    denied(other, DenialReason::Purpose);
}

#[test]
fn whoever_copies_the_opening_is_not_the_grantee() {
    let mut world = consenting(grant(1));
    let thief = decided(&mut world, OTHER_PHARMACY, request(1));
    assert_eq!(thief, Decision::Denied(DenialReason::Grantee));
    let mut wrong = request(2);
    wrong.opening = GranteeOpening::new([0; 16]);
    let decision = decided(&mut world, PHARMACY, wrong);
    assert_eq!(decision, Decision::Denied(DenialReason::Grantee));
}

#[test]
fn the_first_failing_reason_is_recorded() {
    let mut nothing = grant(1);
    nothing.tags = Tags::new([Tag::new([2; 16])]).unwrap();
    nothing.purposes = Purposes::new([PurposeHandle::new([2; 16])]).unwrap();
    nothing.not_before = Time(START + 20 * MINUTE);
    denied(nothing, DenialReason::NotYetValid);
}

#[test]
fn a_request_handle_is_used_once() {
    let mut world = consenting(grant(1));
    let first = world.apply(PHARMACY, request(1));
    let again = world.refuse(PHARMACY, request(1), Rule::AccessExists);
    assert_eq!(again.winner.unwrap().event, first.id());
    assert_eq!(decided(&mut world, OTHER_PHARMACY, request(1)).code(), 9);
}

#[test]
fn decisions_on_a_known_record_extend_its_tags_chain_with_their_outcome() {
    let mut world = consenting(grant(1));
    let key = TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16]));
    let before: TagIndex = world.value(&key).unwrap();
    assert_eq!(before.count, 2, "a seal and a grant");
    let thief = world.event(OTHER_PHARMACY, request(1));
    let (_, block) = world.block(std::slice::from_ref(&thief));
    let request_key = Request::key(&name(OTHER_PHARMACY), &request(1).request);
    let kept: Request = world.value(&request_key).unwrap();
    let link = TagLink {
        anchored: kept.requested,
        time: block.seal.time,
        kind: EventKind::AccessRequest,
        outcome: DenialReason::Grantee.code(),
    };
    assert_eq!(world.value(&key), Some(before.after(&link)));
}

#[test]
fn one_block_denies_256_requests_of_a_participant_and_no_more() {
    let mut world = World::new();
    let events: Vec<_> = (0..257)
        .map(|n| world.event(PHARMACY, request(n)))
        .collect();
    let other = world.event(OTHER_PHARMACY, request(0));
    let all: Vec<_> = events.iter().cloned().chain([other]).collect();
    let (verdicts, _) = world.block(&all);
    let (refused, rest) = (verdicts[256], [&verdicts[..256], &verdicts[257..]].concat());
    assert!(rest.iter().all(Result::is_ok));
    assert_eq!(refused, Err(Rule::AccessDenials.into()));
    assert!(refused.unwrap_err().later());
    assert_eq!(world.block(&events[256..]).0, [Ok(())]);
}

impl World {
    fn state_time(&self) -> Time {
        use medanchor_ledger::execute::View;
        self.state.head().time
    }
}
