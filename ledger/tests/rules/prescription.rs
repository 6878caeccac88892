//! Prescriptions: issue, redeem once, void; never both.

use crate::record::erase;
use crate::world::*;
use medanchor_ledger::Time;
use medanchor_ledger::event::{
    Destroyed, Fraction, Fractions, PrescriptionRedeem, PrescriptionVoid, VerifyError, VoidReason,
};
use medanchor_ledger::rules::{Prescription, Rule, Standing};
use medanchor_ledger::signature::{KeyError, PublicKey};

fn void(number: u8) -> PrescriptionVoid {
    PrescriptionVoid {
        prescription: prescription(number),
        reason: VoidReason(1),
    }
}

fn issued() -> World {
    let mut world = World::new();
    world.prescribe(HOSPITAL, 1);
    world
}

#[test]
fn only_a_hospital_issues() {
    let mut world = World::new();
    for who in [PHARMACY, MAKER, DISTRIBUTOR, REGULATOR] {
        world.refuse(who, issue(1), Rule::SignerRole);
    }
    world.prescribe(HOSPITAL, 1);
}

#[test]
fn a_prescription_waits_for_its_record() {
    let mut world = World::new();
    let early = world.refuse(HOSPITAL, issue(1), Rule::PrescriptionRecordUnknown);
    assert!(early.later());
    world.apply(HOSPITAL, seal(2, 1));
    world.refuse(HOSPITAL, issue(1), Rule::PrescriptionRecordUnknown);
    let sealed = world.event(HOSPITAL, seal(1, 1));
    let issue = world.event(HOSPITAL, issue(1));
    assert_eq!(world.block(&[sealed, issue]).0, [Ok(()), Ok(())]);
}

#[test]
fn a_prescription_is_for_a_record_of_its_issuers_own() {
    let mut world = World::new();
    world.apply(OTHER_HOSPITAL, seal(1, 1));
    world.refuse(HOSPITAL, issue(1), Rule::PrescriptionRecordUnknown);
    world.apply(OTHER_HOSPITAL, issue(1));
}

/// Nobody could ever show what was ordered.
#[test]
fn nothing_is_prescribed_by_a_record_that_is_erased() {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    let end = world.apply(HOSPITAL, erase(1, 1, Destroyed::VAULT_PART));
    let refused = world.refuse(HOSPITAL, issue(1), Rule::RecordErased);
    assert_eq!(refused.winner.unwrap().event, end.id());
    assert!(!refused.later());
}

#[test]
fn a_prescription_outlives_its_record() {
    let mut world = issued();
    world.apply(HOSPITAL, erase(1, 1, Destroyed::VAULT_PART));
    let redeem = world.redemption(PHARMACY, 1);
    world.apply(PHARMACY, redeem);
}

#[test]
fn what_stays_wrong_is_said_before_the_missing_record() {
    let mut world = issued();
    let mut again = issue(1);
    again.record = issue(2).record;
    world.refuse(HOSPITAL, again, Rule::PrescriptionExists);
    let mut over = issue(2);
    over.expires = Time(world.now);
    world.refuse(HOSPITAL, over, Rule::PrescriptionExpiresEarly);
}

#[test]
fn a_prescription_is_issued_once_under_its_handle() {
    let mut world = issued();
    world.refuse(HOSPITAL, issue(1), Rule::PrescriptionExists);
    world.prescribe(OTHER_HOSPITAL, 1);
}

#[test]
fn a_prescription_is_for_a_time_to_come() {
    let mut world = World::new();
    let mut over = issue(1);
    over.expires = Time(world.now);
    world.refuse(HOSPITAL, over, Rule::PrescriptionExpiresEarly);
}

#[test]
fn a_pharmacy_redeems_once() {
    let mut world = issued();
    let redeem = world.redemption(PHARMACY, 1);
    let winner = world.apply(PHARMACY, redeem.clone());
    let again = world.refuse(PHARMACY, redeem, Rule::PrescriptionRedeemed);
    assert_eq!(again.winner.unwrap().event, winner.id());
    assert!(!again.later());
    let key = Prescription::key(&name(HOSPITAL), &prescription(1));
    let state: Prescription = world.value(&key).unwrap();
    assert_eq!(state.standing, Standing::Redeemed(again.winner.unwrap()));
    assert_eq!(state.claims, 1);
}

#[test]
fn second_redemption_in_the_same_block_loses_to_the_first() {
    let mut world = issued();
    let (mine, theirs) = (
        world.redemption(PHARMACY, 1),
        world.redemption(OTHER_PHARMACY, 1),
    );
    let first = world.event(OTHER_PHARMACY, theirs);
    let second = world.event(PHARMACY, mine);
    let (verdicts, block) = world.block(&[first.clone(), second]);
    let lost = verdicts[1].unwrap_err();
    assert_eq!(verdicts[0], Ok(()));
    assert_eq!(lost.rule, Rule::PrescriptionRedeemed);
    let winner = lost.winner.unwrap();
    assert_eq!((winner.event, winner.index), (first.id(), block.seal.first));
    assert_eq!(block.events.len(), 1);
}

#[test]
fn only_a_pharmacy_redeems() {
    let mut world = issued();
    for who in [HOSPITAL, MAKER, DISTRIBUTOR, REGULATOR] {
        let redeem = world.redemption(who, 1);
        world.refuse(who, redeem, Rule::SignerRole);
    }
}

#[test]
fn a_redemption_before_the_issue_waits_for_it() {
    let mut world = World::new();
    let redeem = world.redemption(PHARMACY, 1);
    let early = world.refuse(PHARMACY, redeem.clone(), Rule::PrescriptionUnknown);
    assert!(early.later());
    let sealed = world.event(HOSPITAL, seal(1, 1));
    let issue = world.event(HOSPITAL, issue(1));
    let redeem = world.event(PHARMACY, redeem);
    assert_eq!(world.block(&[sealed, issue, redeem]).0, [Ok(()); 3]);
}

/// No order of arrival brings these to life, so nobody waits for them.
#[test]
fn a_redemption_that_can_never_apply_does_not_wait_for_the_issue() {
    let mut world = World::new();
    let mut nobodys = world.redemption(PHARMACY, 1);
    nobodys.issuer = name(MAKER);
    let nobodys = world.claimed(nobodys, PHARMACY, &token(1));
    let refused = world.refuse(PHARMACY, nobodys, Rule::PrescriptionIssuerUnknown);
    assert!(!refused.later());
    let mut late = world.redemption(PHARMACY, 1);
    late.claim_not_after = Time(world.now - 1);
    let late = world.claimed(late, PHARMACY, &token(1));
    let refused = world.refuse(PHARMACY, late, Rule::PrescriptionClaimExpired);
    assert!(!refused.later());
    let refused = world.refuse(PHARMACY, void(1), Rule::SignerRole);
    assert!(!refused.later());
}

#[test]
fn a_prescription_is_redeemed_before_its_expiry_and_not_at_it() {
    for (offset, verdict) in [(1, Ok(())), (0, Err(Rule::PrescriptionExpired.into()))] {
        let mut world = issued();
        world.now = START + 60 * MINUTE - offset;
        let redeem = world.redemption(PHARMACY, 1);
        assert_eq!(world.try_apply(PHARMACY, redeem), verdict);
    }
}

#[test]
fn a_claim_holds_up_to_its_not_after() {
    for (offset, verdict) in [(0, Ok(())), (1, Err(Rule::PrescriptionClaimExpired.into()))] {
        let mut world = issued();
        let mut redeem = world.redemption(PHARMACY, 1);
        redeem.claim_not_after = Time(world.now - offset);
        let redeem = world.claimed(redeem, PHARMACY, &token(1));
        assert_eq!(world.try_apply(PHARMACY, redeem), verdict);
    }
}

#[test]
fn claims_count_up_from_one() {
    let mut world = issued();
    for number in [0, 2, u64::MAX] {
        let mut redeem = world.redemption(PHARMACY, 1);
        redeem.claim_number = number;
        let redeem = world.claimed(redeem, PHARMACY, &token(1));
        world.refuse(PHARMACY, redeem, Rule::PrescriptionClaimNumber);
    }
}

#[test]
fn a_claim_under_another_token_is_refused() {
    let mut world = issued();
    let mut redeem = world.redemption(PHARMACY, 1);
    redeem.token_key = token(2).public_key();
    let redeem = world.claimed(redeem, PHARMACY, &token(2));
    world.refuse(PHARMACY, redeem, Rule::PrescriptionToken);
}

fn verify(world: &mut World, who: &str, redeem: PrescriptionRedeem) -> Result<(), VerifyError> {
    let key = key_of(who);
    let event = world.unsigned(who, redeem).sign(&key).unwrap();
    event.verify(&key.public_key()).map(drop)
}

#[test]
fn a_claim_cannot_be_redirected_to_another_pharmacy() {
    let mut world = issued();
    let stolen = world.redemption(PHARMACY, 1);
    assert_eq!(verify(&mut world, PHARMACY, stolen.clone()), Ok(()));
    let refused = verify(&mut world, OTHER_PHARMACY, stolen);
    assert_eq!(refused, Err(VerifyError::ClaimSignature));
}

/// Anybody can sign for a key of small order, so a prescription under one is everybody's.
#[test]
fn a_token_key_of_small_order_is_refused() {
    let mut world = World::new();
    let mut weak = issue(1);
    let identity: [u8; 33] = std::array::from_fn(|place| u8::from(place < 2));
    weak.token_key = PublicKey::decode_registered(&identity).unwrap();
    let key = key_of(HOSPITAL);
    let event = world.unsigned(HOSPITAL, weak).sign(&key).unwrap();
    let refused = event.verify(&key.public_key());
    assert_eq!(refused, Err(VerifyError::TokenKey(KeyError::SmallOrder)));
}

#[test]
fn a_claim_covers_number_time_issuer_and_prescription() {
    let mut world = issued();
    let claim = world.redemption(PHARMACY, 1);
    let mut changed = [claim.clone(), claim.clone(), claim.clone(), claim];
    changed[0].claim_number = 2;
    changed[1].claim_not_after.0 += 1;
    changed[2].issuer = name(OTHER_HOSPITAL);
    changed[3].prescription = prescription(2);
    for redeem in changed {
        let refused = verify(&mut world, PHARMACY, redeem);
        assert_eq!(refused, Err(VerifyError::ClaimSignature));
    }
}

#[test]
fn the_lines_are_those_that_were_ordered() {
    let mut world = issued();
    for lines in [1, 3, 16] {
        let mut redeem = world.redemption(PHARMACY, 1);
        redeem.fractions = Fractions::new(vec![Fraction::WHOLE; lines]).unwrap();
        world.refuse(PHARMACY, redeem, Rule::PrescriptionLines);
    }
}

#[test]
fn no_more_is_handed_out_than_was_ordered() {
    let mut world = issued();
    let mut over = world.redemption(PHARMACY, 1);
    over.fractions = Fractions::new([Fraction(1), Fraction(1_000_001)]).unwrap();
    world.refuse(PHARMACY, over, Rule::PrescriptionQuantity);
    let mut part = world.redemption(PHARMACY, 1);
    part.fractions = Fractions::new([Fraction(0), Fraction(500_000)]).unwrap();
    world.apply(PHARMACY, part);
}

#[test]
fn the_issuer_voids_what_was_not_redeemed() {
    let mut world = issued();
    world.refuse(OTHER_HOSPITAL, void(1), Rule::PrescriptionUnknown);
    let voided = world.apply(HOSPITAL, void(1));
    let redeem = world.redemption(PHARMACY, 1);
    let lost = world.refuse(PHARMACY, redeem, Rule::PrescriptionVoided);
    assert_eq!(lost.winner.unwrap().event, voided.id());
    world.refuse(HOSPITAL, void(1), Rule::PrescriptionVoided);
}

#[test]
fn what_was_redeemed_is_not_voided() {
    let mut world = issued();
    let redeem = world.redemption(PHARMACY, 1);
    let redeemed = world.apply(PHARMACY, redeem);
    let lost = world.refuse(HOSPITAL, void(1), Rule::PrescriptionRedeemed);
    assert_eq!(lost.winner.unwrap().event, redeemed.id());
}

#[test]
fn of_void_and_redemption_in_one_block_the_first_wins() {
    for void_first in [true, false] {
        let mut world = issued();
        let redeem = world.redemption(PHARMACY, 1);
        let mut events = [
            world.event(HOSPITAL, void(1)),
            world.event(PHARMACY, redeem),
        ];
        if !void_first {
            events.reverse();
        }
        let (verdicts, _) = world.block(&events);
        assert!(verdicts[0].is_ok());
        assert_eq!(
            verdicts[1].unwrap_err().winner.unwrap().event,
            events[0].id()
        );
    }
}
