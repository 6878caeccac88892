//! Units: each one's steps in order of time, who takes them, and how they are gathered into events.
//!
//! What always holds: a planned step follows from the unit's earlier planned steps as the ledger's
//! rules want it (commissioned first and once, shipped by its holder, received by whom it was
//! shipped to, dispensed by a hospital or pharmacy that holds it).

use super::actors::{Directory, Role};
use super::{Action, Lot, Plan, Planned, PlannedUnit};
use crate::import::code::UnitCode;
use crate::import::item::{Items, Location, StepKind, UnitStep};
use crate::import::reason::Reason;
use medanchor_ledger::ParticipantName;
use std::collections::{BTreeMap, BTreeSet};

/// Units that one event on the ledger may name.
const MAX_UNITS: usize = 128;

pub(super) fn plan(plan: &mut Plan, items: &Items, directory: &Directory<'_>) {
    let repeated = repeated_events(items);
    let mut histories: BTreeMap<&UnitCode, Vec<usize>> = BTreeMap::new();
    for (index, step) in items.units.iter().enumerate() {
        if repeated.contains(&step.event.source) {
            plan.leave_out(&step.source, Reason::Repeated);
        } else {
            histories.entry(&step.code).or_default().push(index);
        }
    }
    let order = |index: &usize| {
        items
            .units
            .get(*index)
            .map(|step| (step.event.time, step.event.kind, *index))
    };
    let (mut lots, mut moves, mut left_out) = (Lots::default(), Vec::new(), BTreeMap::new());
    for mut history in histories.into_values() {
        history.sort_by_key(order);
        let mut walk = History {
            items,
            directory,
            history: &history,
            lots: &mut lots,
            state: State::None,
        };
        for (place, &index) in history.iter().enumerate() {
            match walk.step(place, index) {
                Ok(made) => moves.push(made),
                Err(reason) => {
                    left_out.insert(index, reason);
                }
            }
        }
    }
    for (index, reason) in left_out {
        if let Some(step) = items.units.get(index) {
            plan.leave_out(&step.source, reason);
        }
    }
    moves.sort_by_key(|made| order(&made.unit.step));
    gather(plan, items, lots, moves);
}

/// Events that stand in the input a second time, byte for byte.
fn repeated_events(items: &Items) -> BTreeSet<&Location> {
    let mut first = BTreeMap::new();
    let mut repeated = BTreeSet::new();
    for step in &items.units {
        let event = &step.event;
        if *first.entry(&event.original).or_insert(&event.source) != &event.source {
            repeated.insert(&event.source);
        }
    }
    repeated
}

/// The lots met so far.
#[derive(Default)]
struct Lots {
    known: BTreeMap<Lot, usize>,
    list: Vec<Lot>,
}

impl Lots {
    fn index(&mut self, lot: Lot) -> usize {
        let next = self.list.len();
        *self.known.entry(lot).or_insert_with_key(|lot| {
            self.list.push(lot.clone());
            next
        })
    }
}

/// One step that one unit takes.
struct Move {
    unit: PlannedUnit,
    by: ParticipantName,
    /// The receiver of a shipment, the sender of what is received.
    other: Option<ParticipantName>,
}

#[derive(Clone)]
enum State {
    None,
    Held {
        by: ParticipantName,
        lot: usize,
    },
    Sent {
        from: ParticipantName,
        to: ParticipantName,
        lot: usize,
    },
    Dispensed,
}

/// One unit's way.
struct History<'a> {
    items: &'a Items,
    directory: &'a Directory<'a>,
    history: &'a [usize],
    lots: &'a mut Lots,
    state: State,
}

impl History<'_> {
    fn at(&self, place: usize) -> Option<&UnitStep> {
        self.history
            .get(place)
            .and_then(|&index| self.items.units.get(index))
    }

    /// Takes the step at `place` of the history, which is `index` among the items.
    fn step(&mut self, place: usize, index: usize) -> Result<Move, Reason> {
        let items = self.items;
        let step = items.units.get(index).ok_or(Reason::NeverCommissioned)?;
        let before = place.checked_sub(1).and_then(|before| self.at(before));
        if before.is_some_and(|before| before.event.source == step.event.source) {
            return Err(out_of_turn(step, "stands in the same event already"));
        }
        let (made, state) = match step.event.kind {
            StepKind::Commission => self.commission(step)?,
            StepKind::Ship => self.ship(place, step)?,
            StepKind::Receive => self.receive(step)?,
            StepKind::Dispense => self.dispense(step)?,
        };
        self.state = state;
        let (by, other, lot) = made;
        Ok(Move {
            unit: PlannedUnit { step: index, lot },
            by,
            other,
        })
    }

    fn commission(&mut self, step: &UnitStep) -> Result<(Made, State), Reason> {
        if !matches!(self.state, State::None) {
            return Err(Reason::CommissionedBefore);
        }
        let named = self
            .naming(&step.event.places)
            .or(step.event.places.first());
        let roles = [Role::Manufacturer];
        let by = self
            .directory
            .acting(named.map(String::as_str), &roles, &step.event.source)?;
        let product = step.code.product().to_owned();
        let number = step.event.lot.clone();
        let lot = self.lots.index(Lot {
            maker: by.clone(),
            product,
            number,
        });
        Ok(((by.clone(), None, lot), State::Held { by, lot }))
    }

    fn ship(&self, place: usize, step: &UnitStep) -> Result<(Made, State), Reason> {
        let (by, lot) = self.holder(step)?;
        let sender = self
            .naming(&step.event.from)
            .or(self.naming(&step.event.places));
        self.check_named(sender, &by, step, "is held by another participant")?;
        let to = self.destination(place, step, &by)?;
        if to == by {
            return Err(out_of_turn(step, "is there already"));
        }
        let state = State::Sent {
            from: by.clone(),
            to: to.clone(),
            lot,
        };
        Ok(((by, Some(to), lot), state))
    }

    /// To whom: the destination that the event names, or the place where the unit is received
    /// next, or one drawn by what the event says.
    fn destination(
        &self,
        place: usize,
        step: &UnitStep,
        by: &ParticipantName,
    ) -> Result<ParticipantName, Reason> {
        let later = || {
            self.history
                .iter()
                .skip(place + 1)
                .filter_map(|&at| self.items.units.get(at))
        };
        let next = later()
            .next()
            .filter(|next| next.event.kind == StepKind::Receive);
        let arrival = next.and_then(|next| {
            self.naming(&next.event.to)
                .or_else(|| self.naming(&next.event.places))
        });
        let named = self.naming(&step.event.to).or(arrival);
        if let Some(member) = named.and_then(|text| self.directory.named(text)) {
            return Ok(member.name.clone());
        }
        let onward = later().find(|later| later.event.kind != StepKind::Receive);
        let dispensed = onward.is_some_and(|later| later.event.kind == StepKind::Dispense);
        let roles: &[Role] = match dispensed {
            true => &[Role::Pharmacy, Role::Hospital],
            false => &[Role::Distributor, Role::Pharmacy, Role::Hospital],
        };
        let key = step
            .event
            .to
            .first()
            .map_or(&*step.event.source.file, String::as_str);
        let drawn = self.directory.drawn(key, roles, Some(by));
        drawn.ok_or(Reason::NoParticipant("the destination"))
    }

    fn receive(&self, step: &UnitStep) -> Result<(Made, State), Reason> {
        let State::Sent { from, to, lot } = self.state.clone() else {
            return Err(self.wrong_state(step));
        };
        let receiver = self
            .naming(&step.event.to)
            .or(self.naming(&step.event.places));
        self.check_named(receiver, &to, step, "was sent to another participant")?;
        let sender = self.naming(&step.event.from);
        self.check_named(sender, &from, step, "was sent by another participant")?;
        Ok(((to.clone(), Some(from), lot), State::Held { by: to, lot }))
    }

    fn dispense(&self, step: &UnitStep) -> Result<(Made, State), Reason> {
        let (by, lot) = self.holder(step)?;
        let place = self.naming(&step.event.places);
        self.check_named(place, &by, step, "is held by another participant")?;
        let role = self.directory.role(&by);
        if !matches!(role, Some(Role::Hospital | Role::Pharmacy)) {
            return Err(out_of_turn(
                step,
                "is held by one that is neither hospital nor pharmacy",
            ));
        }
        Ok(((by, None, lot), State::Dispensed))
    }

    fn holder(&self, step: &UnitStep) -> Result<(ParticipantName, usize), Reason> {
        match &self.state {
            State::Held { by, lot } => Ok((by.clone(), *lot)),
            _ => Err(self.wrong_state(step)),
        }
    }

    fn wrong_state(&self, step: &UnitStep) -> Reason {
        let commissions = |index: &usize| {
            let step = self.items.units.get(*index);
            step.is_some_and(|step| step.event.kind == StepKind::Commission)
        };
        match self.state {
            State::None if !self.history.iter().any(commissions) => Reason::NeverCommissioned,
            State::None => out_of_turn(step, "is not commissioned before that time"),
            State::Held { .. } => out_of_turn(step, "was not shipped before that time"),
            State::Sent { .. } => out_of_turn(step, "is on its way"),
            State::Dispensed => out_of_turn(step, "was dispensed before"),
        }
    }

    /// The first of the texts that names a participant.
    fn naming<'t>(&self, texts: &'t [String]) -> Option<&'t String> {
        texts
            .iter()
            .find(|text| self.directory.named(text).is_some())
    }

    /// Refuses a step in which the event names another participant than the unit's way says.
    fn check_named(
        &self,
        named: Option<&String>,
        expected: &ParticipantName,
        step: &UnitStep,
        state: &'static str,
    ) -> Result<(), Reason> {
        let member = named.and_then(|text| self.directory.named(text));
        if member.is_some_and(|member| member.name != *expected) {
            return Err(out_of_turn(step, state));
        }
        Ok(())
    }
}

/// By whom, with whom, and of which lot.
type Made = (ParticipantName, Option<ParticipantName>, usize);

fn out_of_turn(step: &UnitStep, state: &'static str) -> Reason {
    Reason::OutOfTurn {
        step: step.event.kind.name(),
        state,
    }
}

/// Gathers moves of one event between the same participants into steps of at most 128 units, one
/// lot each when they are commissioned and one maker each otherwise, and sets their waves.
fn gather(plan: &mut Plan, items: &Items, lots: Lots, moves: Vec<Move>) {
    for (lot, opened) in lots.list.iter().enumerate() {
        let (by, action) = (opened.maker.clone(), Action::OpenLot { lot });
        plan.steps.push(Planned {
            wave: 0,
            by,
            action,
        });
    }
    plan.lots = lots.list;
    let mut groups: Vec<Vec<Move>> = Vec::new();
    let mut open: BTreeMap<_, usize> = BTreeMap::new();
    for made in moves {
        let Some(step) = items.units.get(made.unit.step) else {
            continue;
        };
        let commissioned = (step.event.kind == StepKind::Commission).then_some(made.unit.lot);
        let maker = plan.lots.get(made.unit.lot).map(|lot| lot.maker.clone());
        let key = (
            &step.event.source,
            made.by.clone(),
            made.other.clone(),
            maker,
            commissioned,
        );
        let at = *open.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) if group.len() < MAX_UNITS => group.push(made),
            _ => {
                open.insert(key, groups.len());
                groups.push(vec![made]);
            }
        }
    }
    let mut waves: BTreeMap<&UnitCode, u32> = BTreeMap::new();
    for group in groups {
        let codes = group
            .iter()
            .filter_map(|made| items.units.get(made.unit.step))
            .map(|one| &one.code);
        let codes: Vec<&UnitCode> = codes.collect();
        let last = codes.iter().filter_map(|code| waves.get(code)).max();
        let wave = last.map_or(1, |last| last.saturating_add(1));
        waves.extend(codes.into_iter().map(|code| (code, wave)));
        plan.steps.extend(step_of(&plan.lots, items, group, wave));
    }
}

fn step_of(lots: &[Lot], items: &Items, group: Vec<Move>, wave: u32) -> Option<Planned> {
    let first = group.first()?;
    let kind = items.units.get(first.unit.step)?.event.kind;
    let (lot, by, other) = (first.unit.lot, first.by.clone(), first.other.clone());
    let maker = lots.get(lot)?.maker.clone();
    let units = group.into_iter().map(|made| made.unit).collect();
    let action = match kind {
        StepKind::Commission => Action::Commission { lot, units },
        StepKind::Ship => Action::Ship {
            maker,
            units,
            to: other?,
        },
        StepKind::Receive => Action::Receive {
            maker,
            units,
            from: other?,
        },
        StepKind::Dispense => Action::Dispense { maker, units },
    };
    Some(Planned { wave, by, action })
}
