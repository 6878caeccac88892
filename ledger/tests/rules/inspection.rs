//! Inspections: who may do what when, what counts, and what stays visible.

use crate::world::*;
use medanchor_ledger::draw::{commit_item, item_leaf};
use medanchor_ledger::event::{
    InspectionAnswer, InspectionOpen, InspectionOutput, InspectionPopulation, ItemProof, Verified,
};
use medanchor_ledger::execute::View;
use medanchor_ledger::merkle::{Leaves, inclusion_proof, root_of_leaves};
use medanchor_ledger::rules::{
    DrawState, Inspection, Population, Rejection, Rule, RunningDraws, StateValue,
};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::vrf::{VrfProof, VrfSecretKey};
use medanchor_ledger::{
    Index, InspectionHandle, ItemCommitment, OutputHash, PopulationHandle, Size, Time, TreeHash,
};
use proptest::prelude::*;

pub const VALIDATORS: [&str; 4] = [MAKER, HOSPITAL, PHARMACY, REGULATOR];
pub const WINDOW: u32 = 60_000;
const POPULATION: PopulationHandle = PopulationHandle::new([9; 16]);
const COUNT: u16 = 40;
const SAMPLE: u16 = 10;

const MORE_REGULATORS: [&str; 4] = ["b-regulator", "c-regulator", "d-regulator", "e-regulator"];

/// Four inspections each.
fn opener(number: u8) -> &'static str {
    match (number - 1) / 4 {
        0 => REGULATOR,
        other => MORE_REGULATORS[usize::from(other) - 1],
    }
}

pub fn handle(number: u8) -> InspectionHandle {
    InspectionHandle::new([number; 16])
}

fn item(number: u16) -> ItemCommitment {
    commit_item(&[7; 32], &number.to_be_bytes())
}

fn leaves() -> Vec<TreeHash> {
    (0..COUNT).map(|number| item_leaf(&item(number))).collect()
}

pub fn population() -> InspectionPopulation {
    InspectionPopulation {
        population: POPULATION,
        root: root_of_leaves(leaves()),
        count: COUNT.into(),
        commitment: commitment(1),
    }
}

impl World {
    /// The hospital's population of 40 items is inspected: ten are drawn.
    pub fn opening(&self, number: u8) -> InspectionOpen {
        InspectionOpen {
            inspection: handle(number),
            owner: name(HOSPITAL),
            population: POPULATION,
            sample: SAMPLE,
            window: WINDOW,
            answer_by: Time(self.now + 90 * MINUTE),
            commitment: commitment(2),
        }
    }

    /// Every validator's keys, the population and the inspection `number` are in the log.
    pub fn opened(number: u8) -> Self {
        let mut world = Self::new();
        world.open(REGULATOR, number);
        world
    }

    pub fn open(&mut self, opener: &str, number: u8) {
        for who in VALIDATORS {
            self.apply(who, draw_keys(who).1);
        }
        self.apply(HOSPITAL, population());
        let opening = self.opening(number);
        self.apply(opener, opening);
    }

    pub fn inspection(&self, number: u8) -> Inspection {
        self.value(&Inspection::key(&name(REGULATOR), &handle(number)))
            .unwrap()
    }

    /// What `who`'s node would say.
    pub fn output(&self, who: &str, number: u8) -> InspectionOutput {
        self.output_under(who, number, &draw_keys(who).0)
    }

    /// The same under another key.
    pub fn output_under(&self, who: &str, number: u8, key: &VrfSecretKey) -> InspectionOutput {
        let (opener, inspection) = (name(REGULATOR), self.inspection(number));
        let head = self.state.head();
        let seal = inspection.seal.unwrap_or(head.seal_hash);
        let input = inspection.input(head.network, &opener, handle(number), seal);
        let proof = key.prove(&input.of(&name(who))).unwrap();
        InspectionOutput {
            opener: opener.clone(),
            inspection: handle(number),
            proof,
        }
    }

    pub fn give(&mut self, who: &str, number: u8) -> Result<(), Rejection> {
        let output = self.output(who, number);
        self.try_apply(who, output)
    }

    fn drawn(&self, number: u8) -> Vec<u64> {
        let head = self.state.head();
        self.inspection(number)
            .drawn(
                head.network,
                &name(REGULATOR),
                handle(number),
                Time(self.now),
            )
            .unwrap()
    }

    fn answer_with(&self, number: u16, item: ItemCommitment, place: u64) -> InspectionAnswer {
        let proof = inclusion_proof(&Leaves(&leaves()), Index(place), Size(COUNT.into())).unwrap();
        InspectionAnswer {
            opener: name(REGULATOR),
            inspection: handle(1),
            number,
            item,
            proof: ItemProof::new(proof).unwrap(),
            commitment: commitment(3),
        }
    }

    fn answer(&self, number: u16) -> InspectionAnswer {
        let place = self.drawn(1)[usize::from(number)];
        self.answer_with(number, item(u16::try_from(place).unwrap()), place)
    }

    /// The window of the outputs is over.
    pub fn let_the_window_pass(&mut self) {
        self.now += u64::from(WINDOW);
    }
}

#[test]
fn an_inspection_runs_from_population_to_answers() {
    let mut world = World::opened(1);
    let opened = world.inspection(1);
    assert_eq!((opened.validators, opened.sample), (4, SAMPLE));
    assert_eq!(opened.seal, None);
    let seal = world.state.head().seal_hash;
    for who in VALIDATORS {
        assert_eq!(
            world.inspection(1).draw_state(Time(world.now)),
            DrawState::Waiting
        );
        world.give(who, 1).unwrap();
    }
    // All are there: nobody can withhold any more, so nobody needs to wait.
    let inspection = world.inspection(1);
    assert_eq!(inspection.seal, Some(seal));
    assert_eq!(inspection.draw_state(Time(world.now)), DrawState::Drawn);
    let drawn = world.drawn(1);
    assert_eq!(drawn.len(), usize::from(SAMPLE));
    for number in 0..SAMPLE - 1 {
        let answer = world.answer(number);
        world.apply(HOSPITAL, answer);
    }
    let missing: Vec<_> = world.inspection(1).answered.missing().collect();
    assert_eq!(missing, [SAMPLE - 1], "what was not answered stays visible");
}

#[test]
fn the_seal_is_that_of_the_opening_block_however_late_the_outputs_come() {
    let mut world = World::opened(1);
    let seal = world.state.head().seal_hash;
    world.block(&[]);
    assert_eq!(world.inspection(1).seal, Some(seal));
    world.block(&[]);
    assert_eq!(world.inspection(1).seal, Some(seal));
    world.give(MAKER, 1).unwrap();
    // In a block in which nothing else happens the state changes once, and never again.
    let root = world.state.map().root();
    world.block(&[]);
    assert_eq!(world.state.map().root(), root);
}

#[test]
fn an_output_in_the_opening_block_waits_for_its_seal() {
    let mut world = World::opened(1);
    let opening = world.opening(2);
    let open = world.event(REGULATOR, opening);
    let proof = VrfProof::new([1; 80]);
    let (opener, inspection) = (name(REGULATOR), handle(2));
    let body = InspectionOutput {
        opener,
        inspection,
        proof,
    };
    let output = world.event(MAKER, body);
    let (verdicts, _) = world.block(&[open, output]);
    assert_eq!(verdicts[0], Ok(()));
    assert_eq!(verdicts[1], Err(Rule::InspectionUnsealed.into()));
    assert!(verdicts[1].unwrap_err().later());
}

#[test]
fn a_quorum_of_outputs_makes_a_draw_when_no_more_may_come() {
    let mut world = World::opened(1);
    for who in [MAKER, HOSPITAL, PHARMACY] {
        world.give(who, 1).unwrap();
    }
    let waiting = world.answer_with(0, item(0), 0);
    assert!(
        world
            .refuse(HOSPITAL, waiting, Rule::InspectionUndrawn)
            .later()
    );
    world.let_the_window_pass();
    let late = world.output(REGULATOR, 1);
    world.refuse(REGULATOR, late, Rule::InspectionOutputLate);
    let answer = world.answer(0);
    world.apply(HOSPITAL, answer);
}

#[test]
fn without_a_quorum_of_outputs_nothing_is_drawn_for_good() {
    let mut world = World::opened(1);
    for who in [MAKER, HOSPITAL] {
        world.give(who, 1).unwrap();
    }
    world.let_the_window_pass();
    let answer = world.answer_with(0, item(0), 0);
    let void = world.refuse(HOSPITAL, answer, Rule::InspectionVoid);
    assert!(!void.later());
    assert_eq!(
        world.inspection(1).draw_state(Time(world.now)),
        DrawState::Void
    );
    // A second attempt is another inspection of the same population, which all can see.
    let opening = world.opening(2);
    world.apply(REGULATOR, opening);
    assert_eq!(world.inspection(1).root, world.inspection(2).root);
}

#[test]
fn an_output_counts_up_to_the_last_millisecond_of_the_window() {
    let mut world = World::opened(1);
    world.now = world.inspection(1).outputs_by.0;
    world.give(MAKER, 1).unwrap();
    let mut world = World::opened(1);
    world.now = world.inspection(1).outputs_by.0 + 1;
    let late = world.output(MAKER, 1);
    world.refuse(MAKER, late, Rule::InspectionOutputLate);
}

#[test]
fn a_validator_gives_one_output_and_only_its_own() {
    let mut world = World::opened(1);
    world.give(MAKER, 1).unwrap();
    let again = world.output(MAKER, 1);
    world.refuse(MAKER, again, Rule::InspectionOutputExists);
    let anothers = world.output(MAKER, 1);
    world.refuse(HOSPITAL, anothers, Rule::InspectionProof);
    let opening = world.opening(2);
    world.apply(REGULATOR, opening);
    let mut of_first = world.output(PHARMACY, 1);
    of_first.inspection = handle(2);
    world.refuse(PHARMACY, of_first, Rule::InspectionProof);
    let outsiders = world.output(OTHER_PHARMACY, 1);
    world.refuse(OTHER_PHARMACY, outsiders, Rule::InspectionValidator);
}

#[test]
fn keys_serve_only_inspections_that_were_opened_later() {
    let mut world = World::new();
    for who in [MAKER, HOSPITAL, PHARMACY] {
        world.apply(who, draw_keys(who).1);
    }
    world.apply(HOSPITAL, population());
    let opening = world.opening(1);
    world.apply(REGULATOR, opening);
    world.apply(REGULATOR, draw_keys(REGULATOR).1);
    let output = world.output(REGULATOR, 1);
    world.refuse(REGULATOR, output, Rule::InspectionKeyLate);
    let opening = world.opening(2);
    world.apply(REGULATOR, opening);
    world.give(REGULATOR, 2).unwrap();
}

#[test]
fn keys_are_registered_by_validators_and_serve_nothing_else() {
    let mut world = World::new();
    let keys = draw_keys(MAKER).1;
    world.refuse(OTHER_MAKER, keys, Rule::InspectionValidator);
    let mut shared = keys;
    shared.operational = key_of(MAKER).public_key();
    world.refuse(MAKER, shared, Rule::InspectionKeyShared);
    let mut one = keys;
    one.operational =
        medanchor_ledger::signature::PublicKey::ed25519(*keys.vrf.as_bytes()).unwrap();
    world.refuse(MAKER, one, Rule::InspectionKeyShared);
    world.apply(MAKER, keys);
    let mut others = keys;
    others.vrf = draw_keys(HOSPITAL).1.vrf;
    world.refuse(MAKER, others, Rule::InspectionKeyExists);
}

/// The body, signed with the operational key of `who`'s node.
pub fn by_node(
    world: &mut World,
    who: &str,
    body: impl Into<medanchor_ledger::event::EventBody>,
) -> Verified {
    under(world, who, body, &operational(who))
}

/// The body, signed with this key.
pub fn under(
    world: &mut World,
    who: &str,
    body: impl Into<medanchor_ledger::event::EventBody>,
    key: &SigningKey,
) -> Verified {
    let unsigned = world.unsigned(who, body);
    let signed = unsigned.sign(key).unwrap();
    signed.verify(&key.public_key()).unwrap()
}

#[test]
fn the_nodes_key_signs_outputs_and_nothing_else() {
    let mut world = World::opened(1);
    let output = world.output(MAKER, 1);
    let given = by_node(&mut world, MAKER, output);
    assert_eq!(world.block(&[given]).0, [Ok(())]);
    let bodies: [medanchor_ledger::event::EventBody; 3] = [
        seal(1, 1).into(),
        draw_keys(MAKER).1.into(),
        population().into(),
    ];
    for body in bodies {
        let event = by_node(&mut world, MAKER, body);
        assert_eq!(world.block(&[event]).0, [Err(Rule::SignerKey.into())]);
    }
    let output = world.output(HOSPITAL, 1);
    let key = operational(MAKER);
    let unsigned = world.unsigned(HOSPITAL, output);
    let of_another = unsigned
        .sign(&key)
        .unwrap()
        .verify(&key.public_key())
        .unwrap();
    assert_eq!(world.block(&[of_another]).0, [Err(Rule::SignerKey.into())]);
}

#[test]
fn a_key_that_lets_its_holder_cheat_is_not_verified() {
    let mut world = World::new();
    let mut keys = draw_keys(MAKER).1;
    let mut identity = [0; 32];
    identity[0] = 1;
    keys.vrf = medanchor_ledger::vrf::VrfPublicKey::registered(identity);
    let key = key_of(MAKER);
    let event = world.unsigned(MAKER, keys).sign(&key).unwrap();
    let refused = event.verify(&key.public_key()).unwrap_err();
    assert!(refused.to_string().contains("small order"), "{refused}");
}

#[test]
fn a_regulator_opens_an_inspection_of_what_is_there() {
    let mut world = World::new();
    let opening = world.opening(1);
    world.refuse(HOSPITAL, opening.clone(), Rule::SignerRole);
    assert!(
        world
            .refuse(
                REGULATOR,
                opening.clone(),
                Rule::InspectionPopulationUnknown
            )
            .later()
    );
    let mut nobodys = opening.clone();
    nobodys.owner = name("nobody");
    world.refuse(REGULATOR, nobodys, Rule::InspectionOwnerUnknown);
    world.apply(HOSPITAL, population());
    assert!(
        world
            .refuse(REGULATOR, opening.clone(), Rule::InspectionKeysMissing)
            .later()
    );
    for who in [MAKER, HOSPITAL, PHARMACY] {
        world.apply(who, draw_keys(who).1);
    }
    let mut more = opening.clone();
    more.sample = COUNT + 1;
    world.refuse(REGULATOR, more, Rule::InspectionSample);
    let mut hasty = opening.clone();
    // A millisecond less than an hour for answers, after the window of the block that would open it.
    hasty.answer_by = Time(world.now + u64::from(WINDOW) + 60 * MINUTE - 1);
    world.refuse(REGULATOR, hasty, Rule::InspectionPeriod);
    let mut just = world.opening(9);
    just.answer_by = Time(world.now + u64::from(WINDOW) + 60 * MINUTE);
    world.apply(REGULATOR, just);
    world.apply(REGULATOR, opening);
    let again = world.opening(1);
    world.refuse(REGULATOR, again, Rule::InspectionExists);
    world.refuse(HOSPITAL, population(), Rule::InspectionPopulationExists);
    let fixed: Population = world
        .value(&Population::key(&name(HOSPITAL), &POPULATION))
        .unwrap();
    assert_eq!(fixed.count, u64::from(COUNT));
}

#[test]
fn sixteen_draws_run_at_a_time_and_leave_the_list_when_they_are_over() {
    let mut world = World::with_regulators(&MORE_REGULATORS);
    world.open(REGULATOR, 1);
    for number in 2..=16 {
        let opening = world.opening(number);
        world.apply(opener(number), opening);
    }
    let opening = world.opening(17);
    let last = MORE_REGULATORS[3];
    assert!(world.refuse(last, opening, Rule::InspectionTooMany).later());
    world.let_the_window_pass();
    world.block(&[]);
    assert_eq!(world.value::<RunningDraws>(&RunningDraws::key()), None);
    let opening = world.opening(17);
    world.apply(REGULATOR, opening);
    let running: RunningDraws = world.value(&RunningDraws::key()).unwrap();
    assert_eq!(running.0.len(), 1);
}

#[test]
fn one_regulator_cannot_keep_the_others_from_opening() {
    let mut world = World::with_regulators(&MORE_REGULATORS);
    world.open(REGULATOR, 1);
    for number in 2..=4 {
        let opening = world.opening(number);
        world.apply(REGULATOR, opening);
    }
    let opening = world.opening(5);
    let refused = world.refuse(REGULATOR, opening.clone(), Rule::InspectionTooManyOwn);
    assert!(refused.later());
    world.apply(MORE_REGULATORS[0], opening);
    world.let_the_window_pass();
    world.block(&[]);
    let opening = world.opening(5);
    world.apply(REGULATOR, opening);
}

#[test]
fn what_names_no_inspection_waits_or_is_refused_for_good() {
    let mut world = World::opened(1);
    let mut unknown = world.output(MAKER, 1);
    unknown.inspection = handle(5);
    assert!(
        world
            .refuse(MAKER, unknown.clone(), Rule::InspectionUnknown)
            .later()
    );
    unknown.opener = name(HOSPITAL);
    world.refuse(MAKER, unknown, Rule::InspectionOpenerUnknown);
}

#[test]
fn an_answer_is_the_owners_for_the_drawn_item_once_and_in_time() {
    let mut world = World::opened(1);
    for who in VALIDATORS {
        world.give(who, 1).unwrap();
    }
    let answer = world.answer(0);
    world.refuse(REGULATOR, answer.clone(), Rule::InspectionNotOwner);
    let place = world.drawn(1)[0];
    let undrawn = (0..u64::from(COUNT))
        .find(|place| !world.drawn(1).contains(place))
        .unwrap();
    let easier = world.answer_with(0, item(u16::try_from(undrawn).unwrap()), undrawn);
    world.refuse(HOSPITAL, easier, Rule::InspectionItem);
    let invented = world.answer_with(0, item(500), place);
    world.refuse(HOSPITAL, invented, Rule::InspectionItem);
    let mut beyond = answer.clone();
    beyond.number = SAMPLE;
    world.refuse(HOSPITAL, beyond, Rule::InspectionNumber);
    world.apply(HOSPITAL, answer.clone());
    let again = world.event(HOSPITAL, answer);
    assert_eq!(
        world.block(&[again]).0,
        [Err(Rule::InspectionAnswered.into())]
    );
    let late = world.answer(1);
    world.now = world.inspection(1).answer_by.0 + 1;
    world.refuse(HOSPITAL, late, Rule::InspectionAnswerLate);
}

#[derive(Clone, Debug)]
enum Step {
    Output(usize),
    Answer(u16),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4usize).prop_map(Step::Output),
        3 => (0..SAMPLE).prop_map(Step::Answer),
        1 => (0..40_000u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In whatever order outputs and answers come: outputs count once and in time only, nothing is
    /// answered before a draw, and the draw follows from who is in it and not from the order.
    #[test]
    fn the_draw_depends_on_who_is_in_it_alone(steps in steps()) {
        let mut world = World::opened(1);
        let (mut given, mut answered) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        let by = world.inspection(1).outputs_by;
        for step in steps {
            let in_time = world.now <= by.0;
            let drawn = given.len() == 4 || (!in_time && given.len() == 3);
            match step {
                Step::Output(who) => {
                    let who = VALIDATORS[who];
                    let applies = in_time && !given.contains(who);
                    prop_assert_eq!(world.give(who, 1).is_ok(), applies);
                    if applies { given.insert(who); }
                }
                Step::Answer(number) => {
                    let answer = if drawn { world.answer(number) } else { world.answer_with(number, item(0), 0) };
                    let applies = drawn && answered.insert(number);
                    prop_assert_eq!(world.try_apply(HOSPITAL, answer).is_ok(), applies);
                }
                Step::Wait(millis) => world.now += millis,
            }
        }
        let inspection = world.inspection(1);
        prop_assert_eq!(inspection.outputs.len(), given.len());
        prop_assert_eq!(inspection.answered.missing().count(), usize::from(SAMPLE) - answered.len());
        // The same outputs in the order of the names, in a world of their own.
        let mut other = World::opened(1);
        for who in &given { other.give(who, 1).unwrap(); }
        let outputs: Vec<(_, OutputHash)> = other.inspection(1).outputs.into_iter().collect();
        prop_assert_eq!(outputs, inspection.outputs.clone().into_iter().collect::<Vec<_>>());
        let decoded = Inspection::decode(&inspection.encode());
        prop_assert_eq!(decoded.as_ref(), Ok(&inspection));
    }
}
