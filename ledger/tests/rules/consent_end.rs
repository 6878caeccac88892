//! Ends of consents by the patient's key, whoever anchors them.

use crate::access::{decided, request};
use crate::consent::{consent, grant, revoke};
use crate::world::*;
use medanchor_ledger::event::consent::Tags;
use medanchor_ledger::event::{AccessRequest, ConsentEnd, ConsentGrant, VerifyError};
use medanchor_ledger::rules::{Consent, Decision, DenialReason, Rule, TagIndex};
use medanchor_ledger::signature::{KeyError, PublicKey, Signature};
use medanchor_ledger::{Ender, NetworkId, Tag};

/// [`grant`], which the patient can end.
fn endable(world: &World, number: u8) -> ConsentGrant {
    ConsentGrant {
        ender: Some(ender(world.network(), number)),
        ..grant(number)
    }
}

/// A network with record 1 and the consent 1, which the patient can end.
fn granted() -> World {
    let mut world = World::new();
    world.apply(HOSPITAL, seal(1, 1));
    world.apply(HOSPITAL, endable(&world, 1));
    world
}

fn verify(world: &mut World, end: ConsentEnd) -> Result<(), VerifyError> {
    let key = key_of(PHARMACY);
    let event = world.unsigned(PHARMACY, end).sign(&key).unwrap();
    event.verify(&key.public_key()).map(drop)
}

#[test]
fn a_patient_ends_a_consent_through_any_participant() {
    for who in [PHARMACY, OTHER_HOSPITAL, REGULATOR, MAKER, HOSPITAL] {
        let mut world = granted();
        let before = decided(&mut world, PHARMACY, request(1));
        assert_eq!(before, Decision::Permitted);
        let ended = world.apply(who, end(world.network(), 1));
        let after = decided(&mut world, PHARMACY, request(2));
        assert_eq!(after, Decision::Denied(DenialReason::Revoked));
        let key = Consent::key(&name(HOSPITAL), &consent(1));
        let state: Consent = world.value(&key).unwrap();
        assert_eq!(state.revoked.unwrap().event, ended.id());
    }
}

#[test]
fn the_end_counts_from_its_place_in_the_block() {
    let mut world = granted();
    let events = [
        world.event(PHARMACY, request(1)),
        world.event(OTHER_HOSPITAL, end(world.network(), 1)),
        world.event(PHARMACY, request(2)),
    ];
    let (verdicts, _) = world.block(&events);
    assert_eq!(verdicts, [Ok(()); 3]);
    let decision = |world: &World, number: u16| {
        let key = medanchor_ledger::rules::Request::key(&name(PHARMACY), &request(number).request);
        let known: medanchor_ledger::rules::Request = world.value(&key).unwrap();
        known.decision
    };
    assert_eq!(decision(&world, 1), Decision::Permitted);
    assert_eq!(decision(&world, 2), Decision::Denied(DenialReason::Revoked));
}

#[test]
fn a_consent_ends_once_whoever_ends_it() {
    let mut world = granted();
    let ended = world.apply(PHARMACY, end(world.network(), 1));
    let again = end(world.network(), 1);
    for who in [PHARMACY, REGULATOR] {
        let refused = world.refuse(who, again.clone(), Rule::ConsentRevoked);
        assert_eq!(refused.winner.unwrap().event, ended.id());
    }
    world.refuse(HOSPITAL, revoke(1), Rule::ConsentRevoked);
    world.refuse(HOSPITAL, endable(&world, 1), Rule::ConsentExists);
    world.apply(HOSPITAL, endable(&world, 2));
    let revoked = world.apply(HOSPITAL, revoke(2));
    let late = world.refuse(PHARMACY, end(world.network(), 2), Rule::ConsentRevoked);
    assert_eq!(late.winner.unwrap().event, revoked.id());
}

#[test]
fn the_end_of_a_first_consent_ends_its_chain() {
    let mut world = granted();
    let below = ConsentGrant {
        root: Some(consent(1)),
        ..grant(2)
    };
    world.apply(HOSPITAL, below);
    let asked = |number| AccessRequest {
        consent: consent(2),
        ..request(number)
    };
    let before = decided(&mut world, PHARMACY, asked(1));
    assert_eq!(before, Decision::Permitted);
    let network = world.network();
    // What is below has no ender of its own, and another key is no key.
    world.refuse(PHARMACY, end(network, 2), Rule::ConsentNoEnder);
    let ended = world.apply(PHARMACY, end(network, 1));
    let after = decided(&mut world, PHARMACY, asked(2));
    assert_eq!(after, Decision::Denied(DenialReason::Revoked));
    let later = ConsentGrant {
        root: Some(consent(1)),
        ..endable(&world, 3)
    };
    let refused = world.refuse(HOSPITAL, later, Rule::ConsentRootRevoked);
    assert_eq!(refused.winner.unwrap().event, ended.id());
}

#[test]
fn a_consent_that_continues_another_ends_alone_by_its_own_key() {
    let mut world = granted();
    let again = ConsentGrant {
        root: Some(consent(1)),
        ..endable(&world, 2)
    };
    world.apply(HOSPITAL, again);
    let asked = |number, by| AccessRequest {
        consent: consent(by),
        ..request(number)
    };
    let network = world.network();
    // The key of the first one ends the chain, by the end of the first one alone.
    world.refuse(
        PHARMACY,
        end_by(network, 2, &ending(1)),
        Rule::ConsentOtherEnder,
    );
    world.apply(PHARMACY, end(network, 2));
    let by_again = decided(&mut world, PHARMACY, asked(1, 2));
    let by_first = decided(&mut world, PHARMACY, asked(2, 1));
    assert_eq!(
        (by_again, by_first),
        (Decision::Denied(DenialReason::Revoked), Decision::Permitted)
    );
}

#[test]
fn an_end_of_what_is_not_there_waits_or_is_refused() {
    let mut world = World::new();
    let network = world.network();
    let early = world.refuse(PHARMACY, end(network, 1), Rule::ConsentUnknown);
    assert!(early.later());
    let mut nowhere = end(network, 1);
    nowhere.owner = name("nobody");
    let key = ending(1);
    let signed = ConsentEnd::sign_bytes(network, &nowhere.owner, &consent(1), &key.public_key());
    nowhere.signature = key.sign(&signed);
    let refused = world.refuse(PHARMACY, nowhere, Rule::ConsentOwnerUnknown);
    assert!(!refused.later());
    world.apply(HOSPITAL, grant(1));
    let refused = world.refuse(PHARMACY, end(network, 1), Rule::ConsentNoEnder);
    assert!(!refused.later());
}

#[test]
fn another_key_ends_nothing() {
    let mut world = granted();
    world.apply(HOSPITAL, endable(&world, 2));
    let network = world.network();
    for stranger in [ending(2), key_of(HOSPITAL), key_of(PHARMACY)] {
        let forged = end_by(network, 1, &stranger);
        let refused = world.refuse(PHARMACY, forged, Rule::ConsentOtherEnder);
        assert!(!refused.later());
    }
    assert_eq!(
        decided(&mut world, PHARMACY, request(1)),
        Decision::Permitted
    );
}

/// An ender that is copied from another consent names no key of anybody's.
#[test]
fn an_ender_is_of_one_consent_of_one_owner_of_one_network() {
    let mut world = World::new();
    let network = world.network();
    let copied = ConsentGrant {
        ender: Some(ender(network, 1)),
        ..grant(2)
    };
    world.apply(HOSPITAL, copied);
    let key = ending(1);
    world.refuse(PHARMACY, end_by(network, 2, &key), Rule::ConsentOtherEnder);
    let public = key.public_key();
    let of =
        |network, owner: &str, number| Ender::of(network, &name(owner), &consent(number), &public);
    let own = of(network, HOSPITAL, 1);
    for other in [
        of(NetworkId::new([9; 16]), HOSPITAL, 1),
        of(network, OTHER_HOSPITAL, 1),
        of(network, HOSPITAL, 2),
    ] {
        assert_ne!(own, other);
    }
}

#[test]
fn a_signature_for_another_consent_owner_or_network_does_not_hold() {
    let mut world = granted();
    let network = world.network();
    let own = end(network, 1);
    assert_eq!(verify(&mut world, own.clone()), Ok(()));
    let mut changed = vec![own.clone(); 4];
    changed[0].consent = consent(2);
    changed[1].owner = name(OTHER_HOSPITAL);
    changed[2].key = ending(2).public_key();
    changed[3] = end(NetworkId::new([9; 16]), 1);
    let mut bytes = *own.signature.as_bytes();
    bytes[7] ^= 1;
    changed.push(ConsentEnd {
        signature: Signature::new(bytes),
        ..own
    });
    for end in changed {
        assert_eq!(verify(&mut world, end), Err(VerifyError::EndSignature));
    }
}

/// Anybody can sign for a key of small order, so an end under one is everybody's.
#[test]
fn an_ending_key_of_small_order_is_refused() {
    let mut world = granted();
    let identity: [u8; 33] = std::array::from_fn(|place| u8::from(place < 2));
    let weak = ConsentEnd {
        key: PublicKey::decode_registered(&identity).unwrap(),
        ..end(world.network(), 1)
    };
    let refused = verify(&mut world, weak);
    assert_eq!(refused, Err(VerifyError::EndKey(KeyError::SmallOrder)));
}

#[test]
fn an_end_moves_every_listed_tag_of_the_owner_and_none_of_the_signer() {
    let mut world = World::new();
    let mut wide = endable(&world, 1);
    wide.tags = Tags::new((1..=64).map(|tag| Tag::new([tag; 16]))).unwrap();
    world.apply(HOSPITAL, wide);
    world.apply(OTHER_HOSPITAL, end(world.network(), 1));
    for tag in 1..=64 {
        let count = |who| {
            let index = world.value::<TagIndex>(&TagIndex::key(&name(who), &Tag::new([tag; 16])));
            index.map(|index| index.count)
        };
        assert_eq!((count(HOSPITAL), count(OTHER_HOSPITAL)), (Some(2), None));
    }
}
