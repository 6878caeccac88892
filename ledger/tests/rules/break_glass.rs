//! Break-glass: opened without a consent, judged afterwards by somebody else.

use crate::access::request;
use crate::consent::grant;
use crate::world::*;
use medanchor_ledger::event::{
    AccessBreakGlass, AccessReview, Destroyed, ErasureReason, EventKind, KemSuite, ReaderKey,
    RecordErase, Verdict,
};
use medanchor_ledger::rules::break_glass::REVIEW_MILLIS;
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::rules::{
    BreakGlass, Decision, DenialReason, OpenReviews, Review, Rule, TagIndex,
};
use medanchor_ledger::{RecordHandle, Tag, Time};

const HOUR: u64 = 60 * MINUTE;

/// Break-glass `number` on the hospital's record 1.
pub fn glass(number: u16) -> AccessBreakGlass {
    AccessBreakGlass {
        request: request(number).request,
        owner: name(HOSPITAL),
        record: RecordHandle::new([1; 16]),
        reader_key: ReaderKey {
            suite: KemSuite::XWing,
            hash: [6; 32],
        },
        commitment: commitment(9),
    }
}

/// The review of `requester`'s break-glass `number`.
pub fn review(requester: &str, number: u16) -> AccessReview {
    AccessReview {
        requester: name(requester),
        request: request(number).request,
        verdict: Verdict::Justified,
        commitment: commitment(8),
    }
}

/// The end of the signer's record.
pub fn erase(record: u8) -> RecordErase {
    RecordErase {
        record: RecordHandle::new([record; 16]),
        version: 1,
        reason: ErasureReason::SubjectRequest,
        destroyed: Destroyed::new(Destroyed::VAULT_PART).unwrap(),
        certificate: commitment(6),
    }
}

/// A network where the hospital has sealed record 1.
fn sealed() -> World {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world
}

/// The same, and the other hospital has opened record 1 by break-glass 1.
fn opened() -> World {
    let mut world = sealed();
    world.apply(OTHER_HOSPITAL, glass(1));
    world
}

fn kept(world: &World, requester: &str, number: u16) -> BreakGlass {
    let key = BreakGlass::key(&name(requester), &request(number).request);
    world.value(&key).unwrap()
}

/// The open reviews of the other hospital, as they count at the next block's time.
fn open_reviews(world: &World) -> OpenReviews {
    let open: Option<OpenReviews> = world.value(&OpenReviews::key(&name(OTHER_HOSPITAL)));
    open.unwrap_or_default().at(Time(world.now))
}

fn tag_of_record_1(world: &World) -> TagIndex {
    let key = TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16]));
    world.value(&key).unwrap()
}

#[test]
fn a_hospital_opens_a_record_without_a_consent_and_owes_a_review() {
    let mut world = sealed();
    let time = Time(world.now);
    let event = world.apply(OTHER_HOSPITAL, glass(1));
    let found = kept(&world, OTHER_HOSPITAL, 1);
    assert_eq!(found.requested.event, event.id());
    assert_eq!(found.decision, Decision::Permitted);
    assert_eq!((found.time, found.reader_key), (time, glass(1).reader_key));
    assert_eq!(REVIEW_MILLIS, 72 * HOUR);
    let due = Time(time.0 + 72 * HOUR);
    assert_eq!((found.review_by, &found.review), (Some(due), &None));
    assert!(!found.is_overdue(due));
    assert!(found.is_overdue(Time(due.0 + 1)));
}

#[test]
fn who_is_no_hospital_breaks_no_glass() {
    let mut world = sealed();
    for who in [PHARMACY, MAKER, DISTRIBUTOR, REGULATOR] {
        world.refuse(who, glass(1), Rule::SignerRole);
    }
}

#[test]
fn an_unknown_record_is_denied_moves_no_tag_and_needs_no_review() {
    let mut world = World::new();
    world.apply(OTHER_HOSPITAL, glass(1));
    let found = kept(&world, OTHER_HOSPITAL, 1);
    assert_eq!(
        found.decision,
        Decision::Denied(DenialReason::UnknownRecord)
    );
    assert_eq!(found.review_by, None);
    assert!(!found.is_overdue(Time(u64::MAX)));
    let tag = TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16]));
    assert_eq!(world.value::<TagIndex>(&tag), None);
    assert_eq!(open_reviews(&world).ahead.len(), 0);
    let body = review(OTHER_HOSPITAL, 1);
    world.refuse(REGULATOR, body, Rule::AccessNothingToReview);
}

#[test]
fn a_record_sealed_after_its_denial_does_not_move_its_tag_for_it() {
    let mut world = World::new();
    let denied = world.event(OTHER_HOSPITAL, glass(1));
    let sealing = world.event(HOSPITAL, seal(1, 1));
    assert_eq!(world.block(&[denied, sealing]).0, [Ok(()), Ok(())]);
    assert_eq!(tag_of_record_1(&world).count, 1);
}

#[test]
fn an_erased_record_is_denied_moves_its_tag_and_needs_no_review() {
    let mut world = opened();
    world.apply(HOSPITAL, erase(1));
    let before = tag_of_record_1(&world).count;
    world.apply(OTHER_HOSPITAL, glass(2));
    let found = kept(&world, OTHER_HOSPITAL, 2);
    assert_eq!(found.decision, Decision::Denied(DenialReason::Erased));
    assert_eq!(found.review_by, None);
    assert_eq!(tag_of_record_1(&world).count, before + 1);
    // What was opened before is still reviewed.
    world.apply(HOSPITAL, review(OTHER_HOSPITAL, 1));
    assert_eq!(tag_of_record_1(&world).count, before + 2);
}

#[test]
fn denials_of_break_glass_count_with_those_of_requests() {
    let mut world = World::new();
    let denied = |world: &mut World, n: u16| match n % 2 {
        0 => world.event(OTHER_HOSPITAL, request(n)),
        _ => world.event(OTHER_HOSPITAL, glass(n)),
    };
    let events: Vec<_> = (0..258).map(|n| denied(&mut world, n)).collect();
    let (verdicts, _) = world.block(&events);
    assert!(verdicts[..256].iter().all(Result::is_ok));
    assert_eq!(verdicts[256..], [Err(Rule::AccessDenials.into()); 2]);
}

#[test]
fn a_handle_is_used_once_under_a_consent_or_without() {
    let mut world = sealed();
    world.apply(HOSPITAL, grant(1));
    let first = world.apply(OTHER_HOSPITAL, glass(1));
    for again in [
        glass(1).into(),
        medanchor_ledger::event::EventBody::from(request(1)),
    ] {
        let lost = world.refuse(OTHER_HOSPITAL, again, Rule::AccessExists);
        assert_eq!(lost.winner.unwrap().event, first.id());
    }
    let asked = world.apply(OTHER_HOSPITAL, request(2));
    let lost = world.refuse(OTHER_HOSPITAL, glass(2), Rule::AccessExists);
    assert_eq!(lost.winner.unwrap().event, asked.id());
    world.apply(HOSPITAL, glass(1));
}

#[test]
fn an_opening_and_its_review_extend_the_tags_chain() {
    let mut world = sealed();
    let before = tag_of_record_1(&world);
    let (_, first) = {
        let event = world.event(OTHER_HOSPITAL, glass(1));
        world.block(&[event])
    };
    let mut unjustified = review(OTHER_HOSPITAL, 1);
    unjustified.verdict = Verdict::NotJustified;
    let (_, second) = {
        let event = world.event(HOSPITAL, unjustified);
        world.block(&[event])
    };
    let found = kept(&world, OTHER_HOSPITAL, 1);
    let links = [
        TagLink {
            anchored: found.requested,
            time: first.seal.time,
            kind: EventKind::AccessBreakGlass,
            outcome: 0,
        },
        TagLink {
            anchored: found.review.unwrap().reviewed,
            time: second.seal.time,
            kind: EventKind::AccessReview,
            outcome: 2,
        },
    ];
    let expected = links.iter().fold(before, |tag, link| tag.after(link));
    assert_eq!(tag_of_record_1(&world), expected);
}

#[test]
fn the_owner_or_a_regulator_reviews() {
    for who in [HOSPITAL, REGULATOR] {
        let mut world = opened();
        let time = Time(world.now);
        let event = world.apply(who, review(OTHER_HOSPITAL, 1));
        let found = kept(&world, OTHER_HOSPITAL, 1);
        let Some(Review {
            reviewed,
            reviewer,
            verdict,
            time: at,
        }) = &found.review
        else {
            panic!("there is a review");
        };
        assert_eq!((reviewed.event, at), (event.id(), &time));
        assert_eq!((reviewer, *verdict), (&name(who), Verdict::Justified));
        assert!(!found.was_reviewed_late() && !found.is_overdue(Time(u64::MAX)));
        assert_eq!(open_reviews(&world).ahead.len(), 0);
    }
}

#[test]
fn nobody_else_reviews_and_nobody_itself() {
    let mut world = opened();
    for who in [PHARMACY, OTHER_PHARMACY, MAKER] {
        world.refuse(who, review(OTHER_HOSPITAL, 1), Rule::AccessReviewer);
    }
    world.refuse(
        OTHER_HOSPITAL,
        review(OTHER_HOSPITAL, 1),
        Rule::AccessOwnReview,
    );
}

#[test]
fn what_an_owner_opened_of_its_own_only_a_regulator_reviews() {
    let mut world = sealed();
    world.apply(HOSPITAL, glass(1));
    world.refuse(HOSPITAL, review(HOSPITAL, 1), Rule::AccessOwnReview);
    world.refuse(OTHER_HOSPITAL, review(HOSPITAL, 1), Rule::AccessReviewer);
    world.apply(REGULATOR, review(HOSPITAL, 1));
}

#[test]
fn a_second_review_loses_to_the_first() {
    let mut world = opened();
    let first = world.apply(HOSPITAL, review(OTHER_HOSPITAL, 1));
    let mut other = review(OTHER_HOSPITAL, 1);
    other.verdict = Verdict::NotJustified;
    let lost = world.refuse(REGULATOR, other, Rule::AccessReviewed);
    assert_eq!(lost.winner.unwrap().event, first.id());
    assert_eq!(
        kept(&world, OTHER_HOSPITAL, 1).review.unwrap().verdict,
        Verdict::Justified
    );
}

#[test]
fn what_is_not_there_yet_is_waited_for_and_what_never_can_be_is_not() {
    let mut world = sealed();
    world.apply(OTHER_HOSPITAL, request(2));
    let early = world.refuse(
        REGULATOR,
        review(OTHER_HOSPITAL, 1),
        Rule::AccessBreakGlassUnknown,
    );
    assert!(early.later());
    let never = [
        (review(PHARMACY, 1), Rule::AccessRequesterUnknown),
        (review("nobody", 1), Rule::AccessRequesterUnknown),
        (review(OTHER_HOSPITAL, 2), Rule::AccessNothingToReview),
    ];
    for (body, rule) in never {
        assert!(!world.refuse(REGULATOR, body, rule).later());
    }
}

#[test]
fn a_late_review_is_taken_and_stays_late() {
    let mut world = opened();
    let due = kept(&world, OTHER_HOSPITAL, 1).review_by.unwrap();
    world.apply(OTHER_HOSPITAL, glass(2));
    world.now = due.0;
    world.apply(HOSPITAL, review(OTHER_HOSPITAL, 1));
    assert!(!kept(&world, OTHER_HOSPITAL, 1).was_reviewed_late());
    world.now = kept(&world, OTHER_HOSPITAL, 2).review_by.unwrap().0 + 1;
    assert!(kept(&world, OTHER_HOSPITAL, 2).is_overdue(Time(world.now)));
    world.apply(HOSPITAL, review(OTHER_HOSPITAL, 2));
    assert!(kept(&world, OTHER_HOSPITAL, 2).was_reviewed_late());
}

/// Has the other hospital break glass `numbers` in one block.
fn break_all(world: &mut World, numbers: std::ops::Range<u16>) {
    let events: Vec<_> = numbers
        .map(|number| world.event(OTHER_HOSPITAL, glass(number)))
        .collect();
    assert!(world.block(&events).0.iter().all(Result::is_ok));
}

#[test]
fn with_64_overdue_reviews_the_next_break_glass_waits_for_one() {
    let mut world = sealed();
    break_all(&mut world, 0..64);
    // 64 that are open stop nobody; after three days and the hour they do.
    break_all(&mut world, 64..65);
    world.apply(HOSPITAL, review(OTHER_HOSPITAL, 64));
    assert_eq!(open_reviews(&world).overdue, 0);
    world.now += 73 * HOUR;
    assert_eq!(open_reviews(&world).overdue, 64);
    let refused = world.refuse(OTHER_HOSPITAL, glass(65), Rule::AccessReviewsOverdue);
    assert!(refused.later());
    world.apply(HOSPITAL, glass(1));
    world.apply(REGULATOR, review(OTHER_HOSPITAL, 0));
    assert_eq!(open_reviews(&world).overdue, 63);
    world.apply(OTHER_HOSPITAL, glass(65));
}

#[test]
fn a_review_counts_as_overdue_from_the_end_of_its_hour() {
    let mut world = opened();
    let due = kept(&world, OTHER_HOSPITAL, 1).review_by.unwrap().0;
    let hour_ends = (due / HOUR + 1) * HOUR;
    world.now = hour_ends - 1;
    assert_eq!(open_reviews(&world).overdue, 0);
    world.now = hour_ends;
    assert_eq!(open_reviews(&world).overdue, 1);
}

#[test]
fn however_many_reviews_are_open_their_count_stays_small() {
    let mut world = sealed();
    for number in 0..80 {
        world.apply(OTHER_HOSPITAL, glass(number));
        world.now += HOUR;
        if number >= 60 {
            world.apply(REGULATOR, review(OTHER_HOSPITAL, number - 60));
        }
    }
    let open = open_reviews(&world);
    assert!(open.ahead.len() <= 73);
    let ahead: u64 = open.ahead.values().sum();
    assert_eq!(open.overdue + ahead, 60);
}
