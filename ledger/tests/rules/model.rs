//! The rules against a naive model: random statements about few things, so that they collide.

use crate::record::{erase, supersede};
use crate::unit::{commission, dispense, lot, receive, ship};
use crate::world::*;
use medanchor_ledger::event::{Destroyed, EventBody, PrescriptionVoid, VoidReason};
use medanchor_ledger::execute::View;
use proptest::prelude::*;
use std::collections::BTreeMap;

const WHO: [&str; 4] = [MAKER, HOSPITAL, PHARMACY, OTHER_PHARMACY];

#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    Commission(u8),
    Ship(u8, usize),
    Receive(u8, usize),
    Dispense(u8),
    Seal(u8),
    Supersede(u8, u32),
    Erase(u8, u32),
    Issue(u8),
    Redeem(u8),
    Void(u8),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let unit = 1..4u8;
    let who = 0..WHO.len();
    let step = prop_oneof![
        Just(Step::Open),
        unit.clone().prop_map(Step::Commission),
        (unit.clone(), who.clone()).prop_map(|(unit, to)| Step::Ship(unit, to)),
        (unit.clone(), who.clone()).prop_map(|(unit, from)| Step::Receive(unit, from)),
        unit.clone().prop_map(Step::Dispense),
        unit.clone().prop_map(Step::Seal),
        (unit.clone(), 1..5u32).prop_map(|(unit, version)| Step::Supersede(unit, version)),
        (unit.clone(), 1..5u32).prop_map(|(unit, version)| Step::Erase(unit, version)),
        unit.clone().prop_map(Step::Issue),
        unit.clone().prop_map(Step::Redeem),
        unit.prop_map(Step::Void),
    ];
    prop::collection::vec((who, step), 1..60)
}

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Stock(usize),
    Transit(usize, usize),
    Gone,
}

#[derive(Clone, Copy, PartialEq)]
enum Paper {
    Open,
    Done,
}

#[derive(Clone, Copy)]
struct Sealed {
    version: u32,
    /// The block of the newest version.
    block: usize,
    erased: bool,
}

/// What the rules should remember, said as simply as can be.
#[derive(Default)]
struct Model {
    lot: bool,
    units: BTreeMap<u8, Where>,
    /// By owner and number.
    records: BTreeMap<(usize, u8), Sealed>,
    /// How many blocks there were before.
    block: usize,
    papers: BTreeMap<u8, Paper>,
}

impl Model {
    /// Applies the step and says whether it applies.
    fn step(&mut self, who: usize, step: Step) -> bool {
        let is = |name: &str| WHO[who] == name;
        let pharmacy = is(PHARMACY) || is(OTHER_PHARMACY);
        let unit = |number| self.units.get(&number).copied();
        let paper = |number| self.papers.get(&number).copied();
        let (unit, paper) = match step {
            Step::Open if is(MAKER) && !self.lot => {
                self.lot = true;
                return true;
            }
            Step::Commission(n) if is(MAKER) && self.lot && unit(n).is_none() => {
                (Some((n, Where::Stock(who))), None)
            }
            Step::Ship(n, to) if unit(n) == Some(Where::Stock(who)) && to != who => {
                (Some((n, Where::Transit(who, to))), None)
            }
            Step::Receive(n, from) if unit(n) == Some(Where::Transit(from, who)) => {
                (Some((n, Where::Stock(who))), None)
            }
            Step::Dispense(n)
                if unit(n) == Some(Where::Stock(who)) && (pharmacy || is(HOSPITAL)) =>
            {
                (Some((n, Where::Gone)), None)
            }
            Step::Seal(n) => return self.seal(who, n),
            Step::Supersede(n, version) => return self.supersede(who, n, version),
            Step::Erase(n, version) => return self.erase(who, n, version),
            Step::Issue(n) if is(HOSPITAL) && paper(n).is_none() && self.lives(who, n) => {
                (None, Some((n, Paper::Open)))
            }
            Step::Redeem(n) if pharmacy && paper(n) == Some(Paper::Open) => {
                (None, Some((n, Paper::Done)))
            }
            Step::Void(n) if is(HOSPITAL) && paper(n) == Some(Paper::Open) => {
                (None, Some((n, Paper::Done)))
            }
            _ => return false,
        };
        self.units.extend(unit);
        self.papers.extend(paper);
        true
    }

    /// Whether the record was sealed and not erased since.
    fn lives(&self, who: usize, number: u8) -> bool {
        let record = self.records.get(&(who, number));
        record.is_some_and(|record| !record.erased)
    }

    fn seal(&mut self, who: usize, number: u8) -> bool {
        let (version, block, erased) = (1, self.block, false);
        let sealed = Sealed {
            version,
            block,
            erased,
        };
        let free = !self.records.contains_key(&(who, number));
        self.records.entry((who, number)).or_insert(sealed);
        free
    }

    fn supersede(&mut self, who: usize, number: u8, version: u32) -> bool {
        let block = self.block;
        let known = self.records.get_mut(&(who, number));
        let next =
            |one: &&mut Sealed| !one.erased && one.version + 1 == version && one.block < block;
        let found = known.filter(next);
        found.is_some_and(|one| {
            (one.version, one.block) = (version, block);
            true
        })
    }

    fn erase(&mut self, who: usize, number: u8, version: u32) -> bool {
        let known = self.records.get_mut(&(who, number));
        let found = known.filter(|one| !one.erased && one.version == version);
        found.is_some_and(|one| {
            one.erased = true;
            true
        })
    }
}

fn body(world: &World, who: usize, step: Step) -> EventBody {
    match step {
        Step::Open => lot().into(),
        Step::Commission(n) => commission(n..=n).into(),
        Step::Ship(n, to) => ship(n..=n, WHO[to]).into(),
        Step::Receive(n, from) => receive(n..=n, WHO[from]).into(),
        Step::Dispense(n) => dispense(n..=n).into(),
        Step::Seal(n) => seal(n, n).into(),
        Step::Supersede(n, version) => supersede(n, version, None).into(),
        Step::Erase(n, version) => erase(n, version, Destroyed::VAULT_PART).into(),
        Step::Issue(n) => issue(n).into(),
        Step::Redeem(n) => world.redemption(WHO[who], n).into(),
        Step::Void(n) => PrescriptionVoid {
            prescription: prescription(n),
            reason: VoidReason(0),
        }
        .into(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In one block or in many, the rules allow what the model allows, and the state is the same.
    #[test]
    fn rules_allow_what_the_model_allows(steps in steps(), size in 1..20usize) {
        let mut world = World::new();
        let mut model = Model::default();
        for chunk in steps.chunks(size) {
            let bodies: Vec<_> = chunk.iter().map(|(who, step)| body(&world, *who, *step)).collect();
            let events: Vec<_> = chunk
                .iter()
                .zip(bodies)
                .map(|((who, _), body)| world.event(WHO[*who], body))
                .collect();
            let allowed: Vec<_> = chunk.iter().map(|(who, step)| model.step(*who, *step)).collect();
            let (verdicts, _) = world.block(&events);
            model.block += 1;
            let verdicts: Vec<_> = verdicts.iter().map(Result::is_ok).collect();
            prop_assert_eq!(verdicts, allowed, "{:?}", chunk);
        }
        prop_assert!(world.state.head().height.0 > 0);
    }
}
