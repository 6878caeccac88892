//! What every event must meet: network, time window, newness, signer and key.

use crate::world::*;
use medanchor_ledger::event::{EventBody, LotOpen, Verified};
use medanchor_ledger::rules::{MAX_AHEAD_MILLIS, Rejection, Rule};
use medanchor_ledger::{LotHandle, NetworkId, Time};

const AHEAD: i64 = MAX_AHEAD_MILLIS as i64;

fn lot(number: u8) -> EventBody {
    let lot = LotHandle::new([number; 16]);
    let commitment = commitment(number);
    LotOpen { lot, commitment }.into()
}

/// An event whose not-after lies `ahead` milliseconds after the next block.
fn with_not_after(world: &mut World, ahead: i64) -> Verified {
    let mut unsigned = world.unsigned(MAKER, lot(1));
    unsigned.not_after = Time(world.now.saturating_add_signed(ahead));
    let key = key_of(MAKER);
    unsigned
        .sign(&key)
        .unwrap()
        .verify(&key.public_key())
        .unwrap()
}

fn verdict(world: &mut World, event: Verified) -> Result<(), Rejection> {
    world.block(&[event]).0[0]
}

#[test]
fn an_event_of_another_network_is_refused() {
    let mut world = World::new();
    let mut unsigned = world.unsigned(MAKER, lot(1));
    unsigned.network = NetworkId::new([7; 16]);
    let key = key_of(MAKER);
    let event = unsigned
        .sign(&key)
        .unwrap()
        .verify(&key.public_key())
        .unwrap();
    assert_eq!(verdict(&mut world, event), Err(Rule::EventNetwork.into()));
}

#[test]
fn an_event_applies_up_to_its_not_after_and_not_a_millisecond_later() {
    let mut world = World::new();
    let event = with_not_after(&mut world, 0);
    assert_eq!(verdict(&mut world, event), Ok(()));
    let mut world = World::new();
    let event = with_not_after(&mut world, -1);
    let refused = verdict(&mut world, event).unwrap_err();
    assert_eq!(refused.rule, Rule::EventExpired);
    assert!(!refused.later());
}

#[test]
fn a_not_after_is_at_most_fifteen_minutes_ahead() {
    let mut world = World::new();
    let event = with_not_after(&mut world, AHEAD);
    assert_eq!(verdict(&mut world, event), Ok(()));
    let mut world = World::new();
    let event = with_not_after(&mut world, AHEAD + 1);
    assert_eq!(
        verdict(&mut world, event),
        Err(Rule::EventTooFarAhead.into())
    );
}

#[test]
fn an_event_applies_once_in_a_block_and_once_in_its_window() {
    let mut world = World::new();
    let event = world.event(MAKER, lot(1));
    let replayed = Err(Rule::EventReplayed.into());
    let twice = [event.clone(), event.clone()];
    assert_eq!(world.block(&twice).0, [Ok(()), replayed]);
    assert_eq!(verdict(&mut world, event.clone()), replayed);
    world.now = event.not_after().0;
    assert_eq!(verdict(&mut world, event.clone()), replayed);
    world.now = event.not_after().0 + 1;
    assert_eq!(verdict(&mut world, event), Err(Rule::EventExpired.into()));
}

#[test]
fn the_same_statement_signed_again_is_a_replay() {
    let mut world = World::new();
    let unsigned = world.unsigned(MAKER, lot(1));
    let key = key_of(MAKER);
    let first = unsigned.clone().sign(&key).unwrap();
    let again = unsigned.sign(&key).unwrap();
    assert_eq!(first.id(), again.id());
}

#[test]
fn a_stranger_is_refused() {
    let mut world = World::new();
    let stranger = Err(Rule::SignerUnknown.into());
    assert_eq!(world.try_apply("nobody", lot(1)), stranger);
}

#[test]
fn a_key_that_is_not_registered_for_the_signer_is_refused() {
    let mut world = World::new();
    let unsigned = world.unsigned(MAKER, lot(1));
    let key = key_of(OTHER_MAKER);
    let event = unsigned
        .sign(&key)
        .unwrap()
        .verify(&key.public_key())
        .unwrap();
    assert_eq!(verdict(&mut world, event), Err(Rule::SignerKey.into()));
}
