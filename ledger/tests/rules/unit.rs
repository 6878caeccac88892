//! Units: commission, ship, receive, dispense.

use crate::world::*;
use medanchor_ledger::event::{
    LotOpen, UnitCommission, UnitDispense, UnitReceive, UnitShip, Units, Verified,
};
use medanchor_ledger::rules::{Place, Rejection, Rule, Unit};
use medanchor_ledger::{LotHandle, UnitHandle};

pub fn handles(range: std::ops::RangeInclusive<u8>) -> Units {
    Units::new(range.map(|number| UnitHandle::new([number; 16]))).unwrap()
}

pub fn lot() -> LotOpen {
    LotOpen {
        lot: LotHandle::new([1; 16]),
        commitment: commitment(1),
    }
}

pub fn commission(range: std::ops::RangeInclusive<u8>) -> UnitCommission {
    UnitCommission {
        lot: LotHandle::new([1; 16]),
        units: handles(range),
    }
}

pub fn ship(range: std::ops::RangeInclusive<u8>, to: &str) -> UnitShip {
    UnitShip {
        maker: name(MAKER),
        units: handles(range),
        to: name(to),
    }
}

pub fn receive(range: std::ops::RangeInclusive<u8>, from: &str) -> UnitReceive {
    UnitReceive {
        maker: name(MAKER),
        units: handles(range),
        from: name(from),
    }
}

pub fn dispense(range: std::ops::RangeInclusive<u8>) -> UnitDispense {
    UnitDispense {
        maker: name(MAKER),
        units: handles(range),
    }
}

/// Units 1 to 4 in the maker's stock.
fn stocked() -> World {
    let mut world = World::new();
    world.apply(MAKER, lot());
    world.apply(MAKER, commission(1..=4));
    world
}

/// Units 1 to 4 in the pharmacy's stock.
fn delivered() -> World {
    let mut world = stocked();
    world.apply(MAKER, ship(1..=4, PHARMACY));
    world.apply(PHARMACY, receive(1..=4, MAKER));
    world
}

fn unit(world: &World, number: u8) -> Unit {
    let key = Unit::key(&name(MAKER), &UnitHandle::new([number; 16]));
    world.value(&key).unwrap()
}

#[test]
fn only_a_manufacturer_opens_lots_and_commissions() {
    let mut world = World::new();
    for who in [HOSPITAL, PHARMACY, DISTRIBUTOR, REGULATOR] {
        world.refuse(who, lot(), Rule::SignerRole);
        world.refuse(who, commission(1..=1), Rule::SignerRole);
    }
}

#[test]
fn a_lot_is_opened_once() {
    let mut world = World::new();
    let opened = world.apply(MAKER, lot());
    let again = world.refuse(MAKER, lot(), Rule::LotExists);
    assert_eq!(again.winner.unwrap().event, opened.id());
    world.apply(OTHER_MAKER, lot());
}

#[test]
fn units_belong_to_an_open_lot_of_their_maker() {
    let mut world = World::new();
    let early = world.refuse(MAKER, commission(1..=1), Rule::LotUnknown);
    assert!(early.later());
    world.apply(MAKER, lot());
    world.refuse(OTHER_MAKER, commission(1..=1), Rule::LotUnknown);
    world.apply(MAKER, commission(1..=1));
}

#[test]
fn a_unit_is_commissioned_once() {
    let mut world = stocked();
    let again = world.refuse(MAKER, commission(4..=5), Rule::UnitExists);
    assert_eq!(again.winner, Some(unit(&world, 1).commissioned));
    let key = Unit::key(&name(MAKER), &UnitHandle::new([5; 16]));
    assert_eq!(
        world.value::<Unit>(&key),
        None,
        "all of an event's units, or none"
    );
}

#[test]
fn units_pass_from_hand_to_hand() {
    let mut world = delivered();
    let holder = name(PHARMACY);
    assert_eq!(unit(&world, 1).place, Place::InStock { holder });
    world.apply(PHARMACY, ship(1..=2, DISTRIBUTOR));
    world.apply(DISTRIBUTOR, receive(1..=2, PHARMACY));
    world.apply(DISTRIBUTOR, ship(1..=2, HOSPITAL));
    world.apply(HOSPITAL, receive(1..=2, DISTRIBUTOR));
    let dispensed = world.apply(HOSPITAL, dispense(1..=1));
    assert_eq!(
        unit(&world, 1).place,
        Place::Dispensed { by: name(HOSPITAL) }
    );
    assert_eq!(unit(&world, 1).moved.event, dispensed.id());
}

#[test]
fn a_shipment_before_the_commissioning_waits() {
    let mut world = World::new();
    world.apply(MAKER, lot());
    let early = world.refuse(MAKER, ship(1..=1, PHARMACY), Rule::UnitUnknown);
    assert!(early.later());
    let ship = world.event(MAKER, ship(1..=1, PHARMACY));
    let commission = world.event(MAKER, commission(1..=1));
    let receive = world.event(PHARMACY, receive(1..=1, MAKER));
    assert_eq!(world.block(&[commission, ship, receive]).0, [Ok(()); 3]);
}

#[test]
fn only_the_holder_ships_and_only_from_stock() {
    let mut world = stocked();
    world.refuse(PHARMACY, ship(1..=1, HOSPITAL), Rule::UnitNotHolder);
    world.apply(MAKER, ship(1..=1, PHARMACY));
    world.refuse(MAKER, ship(1..=1, HOSPITAL), Rule::UnitNotInStock);
    world.refuse(PHARMACY, ship(1..=1, HOSPITAL), Rule::UnitNotInStock);
}

#[test]
fn units_go_to_another_participant() {
    let mut world = stocked();
    world.refuse(MAKER, ship(1..=1, "nobody"), Rule::UnitReceiverUnknown);
    world.refuse(MAKER, ship(1..=1, MAKER), Rule::UnitSelfShipment);
}

#[test]
fn only_the_named_receiver_receives_and_names_the_sender() {
    let mut world = stocked();
    let early = world.refuse(PHARMACY, receive(1..=1, MAKER), Rule::UnitNotShipped);
    assert!(early.later());
    world.apply(MAKER, ship(1..=1, PHARMACY));
    world.refuse(HOSPITAL, receive(1..=1, MAKER), Rule::UnitOtherReceiver);
    world.refuse(PHARMACY, receive(1..=1, DISTRIBUTOR), Rule::UnitOtherSender);
    world.apply(PHARMACY, receive(1..=1, MAKER));
    world.refuse(PHARMACY, receive(1..=1, MAKER), Rule::UnitNotShipped);
}

#[test]
fn only_the_holder_dispenses_and_only_with_the_role() {
    let mut world = delivered();
    world.refuse(OTHER_PHARMACY, dispense(1..=1), Rule::UnitNotHolder);
    world.refuse(MAKER, dispense(1..=1), Rule::SignerRole);
    world.refuse(DISTRIBUTOR, dispense(1..=1), Rule::SignerRole);
    world.apply(PHARMACY, ship(1..=1, HOSPITAL));
    world.refuse(PHARMACY, dispense(1..=1), Rule::UnitNotInStock);
    world.apply(HOSPITAL, receive(1..=1, PHARMACY));
    world.apply(HOSPITAL, dispense(1..=1));
}

#[test]
fn a_unit_is_dispensed_once_and_then_stays() {
    let mut world = delivered();
    let first = world.apply(PHARMACY, dispense(1..=1));
    let again = world.refuse(PHARMACY, dispense(1..=1), Rule::UnitDispensed);
    assert_eq!(again.winner.unwrap().event, first.id());
    world.refuse(PHARMACY, ship(1..=1, HOSPITAL), Rule::UnitDispensed);
    world.refuse(HOSPITAL, receive(1..=1, PHARMACY), Rule::UnitDispensed);
    world.refuse(MAKER, commission(1..=1), Rule::UnitExists);
}

#[test]
fn a_unit_is_never_dispensed_twice_in_one_block() {
    let mut world = delivered();
    let first = world.event(PHARMACY, dispense(1..=2));
    let second = world.event(PHARMACY, dispense(2..=3));
    let (verdicts, _) = world.block(&[first.clone(), second]);
    let lost = verdicts[1].unwrap_err();
    assert_eq!(lost.rule, Rule::UnitDispensed);
    assert_eq!(lost.winner.unwrap().event, first.id());
    let holder = name(PHARMACY);
    assert_eq!(unit(&world, 3).place, Place::InStock { holder });
}

/// Two institutions' backlogs after an outage: what the second one brings may come first.
#[test]
fn whoever_does_not_hold_a_unit_yet_waits_through_every_order_of_arrival() {
    let mut world = stocked();
    let back = world.event(MAKER, receive(1..=1, PHARMACY));
    let on = world.event(MAKER, ship(1..=1, HOSPITAL));
    world.apply(MAKER, ship(1..=1, PHARMACY));
    waits(&mut world, &back, Rule::UnitOtherReceiver);
    waits(&mut world, &on, Rule::UnitNotInStock);
    world.apply(PHARMACY, receive(1..=1, MAKER));
    waits(&mut world, &back, Rule::UnitNotShipped);
    waits(&mut world, &on, Rule::UnitNotHolder);
    world.apply(PHARMACY, ship(1..=1, MAKER));
    assert_eq!(world.block(&[back, on]).0, [Ok(()), Ok(())]);
}

/// The event does not apply to where unit 1 is now, and may later.
fn waits(world: &mut World, event: &Verified, rule: Rule) {
    let expected = Rejection::lost_to(rule, unit(world, 1).moved);
    let (verdicts, _) = world.block(std::slice::from_ref(event));
    assert_eq!(verdicts, [Err(expected)]);
    assert!(expected.later());
}

#[test]
fn a_unit_of_nobody_who_makes_units_is_not_waited_for() {
    let mut world = stocked();
    for maker in ["nobody", PHARMACY] {
        let mut body = dispense(1..=1);
        body.maker = name(maker);
        let refused = world.refuse(PHARMACY, body, Rule::UnitMakerUnknown);
        assert!(!refused.later());
    }
    let mut body = dispense(1..=1);
    body.maker = name(OTHER_MAKER);
    assert!(world.refuse(PHARMACY, body, Rule::UnitUnknown).later());
}

#[test]
fn a_shipment_that_nobody_can_make_is_not_waited_for() {
    let mut world = stocked();
    let own = world.refuse(PHARMACY, receive(1..=1, PHARMACY), Rule::UnitSelfShipment);
    let nobodys = world.refuse(PHARMACY, receive(1..=1, "nobody"), Rule::UnitSenderUnknown);
    assert!(!own.later() && !nobodys.later());
}

#[test]
fn one_dispensed_unit_ends_the_waiting_for_the_others() {
    let mut world = delivered();
    let first = world.apply(PHARMACY, dispense(3..=3));
    for (who, range) in [(PHARMACY, 3..=9), (HOSPITAL, 1..=3)] {
        let refused = world.refuse(who, dispense(range), Rule::UnitDispensed);
        assert_eq!(refused.winner.unwrap().event, first.id());
        assert!(!refused.later());
    }
    assert!(
        world
            .refuse(PHARMACY, dispense(4..=9), Rule::UnitUnknown)
            .later()
    );
}

#[test]
fn a_unit_that_lives_already_is_not_commissioned_when_its_lot_opens_later() {
    let mut world = stocked();
    let mut other_lot = commission(4..=5);
    other_lot.lot = LotHandle::new([2; 16]);
    let refused = world.refuse(MAKER, other_lot, Rule::UnitExists);
    assert!(!refused.later());
}

#[test]
fn two_makers_may_use_the_same_handle() {
    let mut world = stocked();
    world.apply(OTHER_MAKER, lot());
    world.apply(OTHER_MAKER, commission(1..=4));
    let mut other = ship(1..=1, PHARMACY);
    other.maker = name(OTHER_MAKER);
    world.refuse(MAKER, other.clone(), Rule::UnitNotHolder);
    world.apply(OTHER_MAKER, other);
}

#[test]
fn a_whole_life_fits_into_one_block() {
    let mut world = World::new();
    let events: Vec<Verified> = vec![
        world.event(MAKER, lot()),
        world.event(MAKER, commission(1..=128)),
        world.event(MAKER, ship(1..=128, PHARMACY)),
        world.event(PHARMACY, receive(1..=128, MAKER)),
        world.event(PHARMACY, dispense(1..=128)),
    ];
    assert_eq!(world.block(&events).0, [Ok(()); 5]);
}
