//! Keys of random outputs that are replaced: which registration counts, and for which draw.

use crate::inspection::{VALIDATORS, WINDOW, handle, population, under};
use crate::world::*;
use medanchor_ledger::event::{
    Change, GovernancePropose, InspectionKey, InspectionOutput, ParticipantKeys, Verified,
};
use medanchor_ledger::rules::{DrawKey, OutputKeys, Rule, StateValue};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::vrf::VrfPublicKey;
use medanchor_ledger::{ProposalHandle, Time};
use proptest::prelude::*;
use std::num::NonZeroU32;

/// The keys of the maker's registration `number`.
fn keys(number: u8) -> InspectionKey {
    draw_keys_of(MAKER, number).1
}

impl World {
    fn draw_key(&self, who: &str) -> DrawKey {
        self.value(&DrawKey::key(&name(who))).unwrap()
    }

    /// The maker's output for the inspection `draw` under the keys of its registration `number`.
    fn makers(&self, draw: u8, number: u8) -> InspectionOutput {
        self.output_under(MAKER, draw, &draw_keys_of(MAKER, number).0)
    }

    /// The same, signed by the maker's node.
    fn by_makers_node(&mut self, draw: u8, number: u8) -> Verified {
        let output = self.makers(draw, number);
        under(self, MAKER, output, &operational_of(MAKER, number))
    }

    /// The regulator opens the inspection `draw`.
    fn open_also(&mut self, draw: u8) {
        let opening = self.opening(draw);
        self.apply(REGULATOR, opening);
    }

    fn rules(&mut self, events: &[Verified]) -> Vec<Option<Rule>> {
        let (verdicts, _) = self.block(events);
        let rules = verdicts.iter().map(|one| one.err().map(|one| one.rule));
        rules.collect()
    }
}

#[test]
fn an_old_registration_brings_no_replaced_keys_back() {
    let mut world = World::new();
    world.apply(MAKER, keys(1));
    // Signed in time, and kept back until the keys were replaced.
    let stale = world.event(MAKER, keys(1));
    let replaced = world.apply(MAKER, keys(2));
    let refused = world.block(&[stale]).0[0].unwrap_err();
    assert_eq!(refused.rule, Rule::InspectionKeyExists);
    assert_eq!(refused.winner.unwrap().event, replaced.id());
    assert!(!refused.later());
    let known = world.draw_key(MAKER);
    assert_eq!((known.number, known.registered.event), (2, replaced.id()));
    assert_eq!(known.keys, OutputKeys::from(&keys(2)));
    assert_eq!(known.replaced, None, "no draw runs that needs the old ones");
}

#[test]
fn of_two_registrations_of_one_number_the_first_in_the_log_wins() {
    let mut world = World::new();
    world.apply(MAKER, keys(1));
    let other = InspectionKey {
        replaces: NonZeroU32::new(1),
        ..keys(3)
    };
    let both = [
        world.event(MAKER, keys(2)),
        world.event(MAKER, other),
        world.event(MAKER, keys(3)),
    ];
    let exists = Some(Rule::InspectionKeyExists);
    assert_eq!(world.rules(&both), [None, exists, None]);
    assert_eq!(world.draw_key(MAKER).keys, OutputKeys::from(&keys(3)));
}

#[test]
fn registrations_follow_one_another_without_a_gap() {
    let mut world = World::new();
    let refused = world.refuse(MAKER, keys(2), Rule::InspectionKeyAhead);
    assert!(refused.later(), "the first may come yet");
    world.apply(MAKER, keys(1));
    let mut far = keys(2);
    far.replaces = NonZeroU32::new(u32::MAX);
    world.refuse(MAKER, far, Rule::InspectionKeyAhead);
    world.apply(MAKER, keys(2));
}

#[test]
fn nobody_replaces_the_keys_of_another() {
    let mut world = World::opened(1);
    let before = world.draw_key(MAKER);
    world.refuse(OTHER_MAKER, keys(2), Rule::InspectionValidator);
    // What another validator signs is of its own keys.
    world.apply(HOSPITAL, keys(2));
    assert_eq!(world.draw_key(MAKER), before);
    // A node replaces nothing, its own keys neither.
    let by_node = under(&mut world, MAKER, keys(2), &operational(MAKER));
    assert_eq!(world.rules(&[by_node]), [Some(Rule::SignerKey)]);
    world.give(MAKER, 1).unwrap();
}

#[test]
fn keys_replaced_while_a_draw_runs_choose_no_output_and_lose_none() {
    let mut world = World::opened(1);
    world.apply(MAKER, keys(2));
    let chosen = world.makers(1, 2);
    world.refuse(MAKER, chosen, Rule::InspectionProof);
    world.open_also(2);
    let old = world.makers(2, 1);
    world.refuse(MAKER, old, Rule::InspectionProof);
    let (first, second) = (world.makers(1, 1), world.makers(2, 2));
    world.apply(MAKER, first);
    world.apply(MAKER, second);
    // The draw is the same as if nothing had been replaced.
    let mut other = World::opened(1);
    other.give(MAKER, 1).unwrap();
    let outputs = |world: &World| world.inspection(1).outputs;
    assert_eq!(outputs(&world), outputs(&other));
}

#[test]
fn in_one_block_the_order_of_the_log_says_which_draw_has_which_keys() {
    let mut world = World::opened(1);
    let before = world.opening(2);
    let after = world.opening(3);
    let events = [
        world.event(REGULATOR, before),
        world.event(MAKER, keys(2)),
        world.event(REGULATOR, after),
    ];
    assert_eq!(world.rules(&events), [None; 3]);
    let wrong = Some(Rule::InspectionProof);
    for (draw, number, verdict) in [(2, 2, wrong), (2, 1, None), (3, 1, wrong), (3, 2, None)] {
        let output = world.makers(draw, number);
        let event = world.event(MAKER, output);
        assert_eq!(world.rules(&[event]), [verdict], "{draw} under {number}");
    }
}

#[test]
fn a_nodes_keys_sign_for_the_draws_that_they_serve() {
    let mut world = World::opened(1);
    world.apply(MAKER, keys(2));
    world.open_also(2);
    let unknown = Some(Rule::SignerKey);
    for (draw, number, verdict) in [(1, 2, unknown), (2, 1, unknown), (1, 1, None), (2, 2, None)] {
        let event = world.by_makers_node(draw, number);
        assert_eq!(world.rules(&[event]), [verdict], "{draw} under {number}");
    }
    // What is not open yet will be served by the newest keys.
    let mut coming = world.makers(2, 2);
    coming.inspection = handle(9);
    let old = under(&mut world, MAKER, coming.clone(), &operational(MAKER));
    let new = under(&mut world, MAKER, coming, &operational_of(MAKER, 2));
    let verdicts = world.rules(&[old, new]);
    assert_eq!(verdicts, [unknown, Some(Rule::InspectionUnknown)]);
}

#[test]
fn an_output_that_was_signed_before_the_keys_were_replaced_counts_after_it() {
    let mut world = World::opened(1);
    let waiting = world.by_makers_node(1, 1);
    let replaced = world.event(MAKER, keys(2));
    assert_eq!(world.rules(&[replaced, waiting]), [None, None]);
    assert_eq!(world.inspection(1).outputs.len(), 1);
}

#[test]
fn the_next_replacement_waits_for_the_draws_of_the_keys_before() {
    let mut world = World::opened(1);
    let until = world.inspection(1).outputs_by;
    world.apply(MAKER, keys(2));
    let known = world.draw_key(MAKER).replaced.unwrap();
    assert_eq!((known.until, known.keys), (until, (&keys(1)).into()));
    // One that opens later does not make it wait longer.
    world.now += u64::from(WINDOW) / 2;
    world.open_also(2);
    world.now = until.0;
    let refused = world.refuse(MAKER, keys(3), Rule::InspectionKeyServes);
    assert!(refused.later());
    world.now = until.0 + 1;
    world.apply(MAKER, keys(3));
    let late = world.makers(1, 1);
    world.refuse(MAKER, late, Rule::InspectionOutputLate);
    let second = world.by_makers_node(2, 2);
    assert_eq!(world.rules(&[second]), [None]);
    world.let_the_window_pass();
    let known = world.draw_key(MAKER).replaced.unwrap();
    assert_eq!(known.keys, (&keys(2)).into());
    let gone = world.by_makers_node(2, 2);
    assert_eq!(world.rules(&[gone]), [Some(Rule::InspectionOutputExists)]);
}

#[test]
fn a_key_that_counts_or_still_serves_has_one_use() {
    let mut world = World::with_custodians();
    world.open(REGULATOR, 1);
    let mut crossed = keys(2);
    crossed.vrf = VrfPublicKey::new(*keys(1).operational.as_bytes()).unwrap();
    world.refuse(MAKER, crossed, Rule::InspectionKeyShared);
    let mut crossed = keys(2);
    crossed.operational = PublicKey::ed25519(*keys(1).vrf.as_bytes()).unwrap();
    world.refuse(MAKER, crossed, Rule::InspectionKeyShared);
    let mut crossed = keys(2);
    crossed.operational = key_of(MAKER).public_key();
    world.refuse(MAKER, crossed, Rule::InspectionKeyShared);
    // One of the two may stay.
    let mut half = keys(2);
    half.operational = keys(1).operational;
    world.apply(MAKER, half);
    let old = vec![PublicKey::ed25519(*keys(1).vrf.as_bytes()).unwrap()];
    let proposal = GovernancePropose {
        proposal: ProposalHandle::new([1; 16]),
        change: Change::Keys(ParticipantKeys::new(name(MAKER), 1, old).unwrap()),
    };
    world.refuse(REGULATOR, proposal, Rule::GovernanceSharedKey);
}

/// What is tried: a registration of the maker's under a number, of keys of that or another one, an opening, an output of
/// the maker's under some keys, or time that passes.
#[derive(Clone, Debug)]
enum Step {
    Register(u8, u8),
    Open,
    Output(u8, u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..5u8, 1..5u8).prop_map(|(number, keys)| Step::Register(number, keys)),
        2 => Just(Step::Open),
        5 => (1..5u8, 1..5u8).prop_map(|(draw, keys)| Step::Output(draw, keys)),
        1 => (0..50_000u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

/// A draw, as the model has it.
struct Draw {
    /// The keys under which it takes the maker's output, settled when it was opened.
    keys: Option<u8>,
    by: u64,
    given: bool,
}

/// What the rules should remember of the maker: all its registrations and all draws.
#[derive(Default)]
struct Model {
    registered: Vec<u8>,
    /// Until when the keys before the newest serve.
    until: Option<u64>,
    draws: Vec<Draw>,
}

impl Model {
    fn register(&mut self, now: u64, number: u8, keys: u8) -> bool {
        let next = usize::from(number) == self.registered.len() + 1;
        if !next || self.until.is_some_and(|until| now <= until) {
            return false;
        }
        let running = self.draws.iter().map(|draw| draw.by);
        let last = running.filter(|by| now <= *by).max();
        self.until = last.filter(|_| !self.registered.is_empty());
        self.registered.push(keys);
        true
    }

    fn open(&mut self, now: u64) {
        self.draws.push(Draw {
            keys: self.registered.last().copied(),
            by: now + u64::from(WINDOW),
            given: false,
        });
    }

    fn output(&mut self, now: u64, draw: u8, keys: u8) -> bool {
        let draw = &mut self.draws[usize::from(draw) - 1];
        let fits = now <= draw.by && !draw.given && draw.keys == Some(keys);
        draw.given |= fits;
        fits
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A draw takes the output under the keys that were there when it was opened, whatever comes after.
    #[test]
    fn the_keys_of_a_draw_are_settled_when_it_opens(steps in steps()) {
        let mut world = World::new();
        for who in &VALIDATORS[1..] {
            world.apply(who, draw_keys(who).1);
        }
        world.apply(HOSPITAL, population());
        let mut model = Model::default();
        for step in steps {
            let now = world.now;
            match step {
                Step::Register(number, of) => {
                    let body = InspectionKey { replaces: keys(number).replaces, ..keys(of) };
                    let applies = model.register(now, number, of);
                    prop_assert_eq!(world.try_apply(MAKER, body).is_ok(), applies);
                }
                // One opener has four that run at most.
                Step::Open if model.draws.len() < 4 => {
                    model.open(now);
                    world.open_also(u8::try_from(model.draws.len()).unwrap());
                }
                Step::Output(draw, of) if usize::from(draw) <= model.draws.len() => {
                    let output = world.makers(draw, of);
                    let applies = model.output(now, draw, of);
                    prop_assert_eq!(world.try_apply(MAKER, output).is_ok(), applies);
                }
                Step::Wait(millis) => world.now += millis,
                _ => {}
            }
        }
        let known: Option<DrawKey> = world.value(&DrawKey::key(&name(MAKER)));
        prop_assert_eq!(known.map_or(0, |known| known.number as usize), model.registered.len());
        prop_assert_eq!(known.and_then(|known| known.replaced).map(|one| one.until), model.until.map(Time));
        if let Some(known) = known {
            prop_assert_eq!(DrawKey::decode(&known.encode()), Ok(known));
        }
    }
}
