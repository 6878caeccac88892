//! Computes a draw again from the events: proofs, seed, places, answers.
//!
//! What always holds: nothing but the populations is taken from the state; the rest of the state is
//! held against what follows from the events. That the rules accepted an event is no reason to believe it here.

use super::gather::{Gathered, Opened};
use crate::fault::Fault;
use medanchor_ledger::draw::{DrawInput, draw, item_leaf};
use medanchor_ledger::event::InspectionAnswer;
use medanchor_ledger::merkle::verify_inclusion;
use medanchor_ledger::rules::{DrawState, Inspection, Population};
use medanchor_ledger::validator::quorum;
use medanchor_ledger::{
    DrawSeed, Index, ItemCommitment, OutputHash, ParticipantName, PopulationHandle, Size, Time,
};
use std::collections::BTreeMap;

/// An inspection that holds.
pub(crate) struct Checked<'g> {
    pub(crate) opened: &'g Opened,
    pub(crate) population: &'g Population,
    pub(crate) outputs_by: Time,
    pub(crate) state: DrawState,
    /// The outputs that count, by validator.
    pub(crate) outputs: BTreeMap<ParticipantName, OutputHash>,
    /// None while nothing is drawn.
    pub(crate) seed: Option<DrawSeed>,
    /// The drawn places, in the order of the draw.
    pub(crate) places: Vec<u64>,
    /// The items that were shown, by number of the draw.
    pub(crate) answered: BTreeMap<u16, ItemCommitment>,
    /// How often this list, by its root, was drawn from, by whatever name.
    pub(crate) draws: Draws,
    pub(crate) of_owner: Counts,
}

/// How often was drawn, and how many of these draws are void.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draws {
    pub(crate) all: usize,
    pub(crate) void: usize,
}

impl Draws {
    fn add(&mut self, state: DrawState) {
        self.all += 1;
        self.void += usize::from(state == DrawState::Void);
    }
}

/// What the log has of an owner, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Populations that it fixed.
    pub(crate) fixed: u64,
    /// Those of them that were drawn from.
    pub(crate) inspected: usize,
    pub(crate) draws: Draws,
}

/// What the log has of a population's owner: a list that is fixed again with one item changed has
/// another root, and only people can tell whether two lists are of one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfOwner {
    /// How many populations it fixed.
    pub(crate) fixed: u64,
    /// Those that were drawn from.
    pub(crate) inspected: BTreeMap<PopulationHandle, Draws>,
}

impl OfOwner {
    fn counts(&self) -> Counts {
        let add = |sum: Draws, one: &Draws| Draws {
            all: sum.all + one.all,
            void: sum.void + one.void,
        };
        Counts {
            fixed: self.fixed,
            inspected: self.inspected.len(),
            draws: self.inspected.values().fold(Draws::default(), add),
        }
    }
}

impl Checked<'_> {
    /// Validators whose output does not count: none came, or none in time.
    pub(crate) fn without_output(&self) -> impl Iterator<Item = &ParticipantName> {
        let given = |name: &&ParticipantName| !self.outputs.contains_key(*name);
        self.opened.validators.iter().filter(given)
    }

    /// The draws that are not answered, each with its place.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = (u16, u64)> {
        let all = (0..).zip(self.places.iter().copied());
        all.filter(|(number, _)| !self.answered.contains_key(number))
    }

    pub(crate) fn quorum(&self) -> usize {
        quorum(self.opened.validators.len())
    }
}

fn fault(opened: &Opened, what: &'static str) -> Fault {
    Fault::Inspection {
        opener: opened.opener.clone(),
        inspection: opened.body.inspection,
        what,
    }
}

/// Checks every inspection of a log whose newest block is of time `now`.
pub(crate) fn all(gathered: &Gathered, now: Time) -> Result<Vec<Checked<'_>>, Fault> {
    let opened = gathered.inspections.iter();
    let mut checked: Vec<_> = opened
        .map(|opened| one(gathered, opened, now))
        .collect::<Result<_, _>>()?;
    count(gathered, &mut checked);
    Ok(checked)
}

/// The owners whose populations were drawn from.
pub(crate) fn owners<'g>(
    gathered: &Gathered,
    checked: &[Checked<'g>],
) -> BTreeMap<&'g ParticipantName, OfOwner> {
    let mut owners: BTreeMap<_, OfOwner> = BTreeMap::new();
    for one in checked {
        let body = &one.opened.body;
        let owner = owners.entry(&body.owner).or_default();
        owner.fixed = gathered.fixed.get(&body.owner).copied().unwrap_or_default();
        let population = owner.inspected.entry(body.population).or_default();
        population.add(one.state);
    }
    owners
}

fn count(gathered: &Gathered, checked: &mut [Checked<'_>]) {
    let root = |one: &Checked<'_>| *one.population.root.as_bytes();
    let mut draws: BTreeMap<[u8; 32], Draws> = BTreeMap::new();
    for one in &*checked {
        draws.entry(root(one)).or_default().add(one.state);
    }
    let owners = owners(gathered, checked);
    let counts = owners.iter().map(|(name, owner)| (*name, owner.counts()));
    let counts: BTreeMap<_, _> = counts.collect();
    for one in checked {
        one.draws = draws.get(&root(one)).copied().unwrap_or_default();
        let counts = counts.get(&one.opened.body.owner);
        one.of_owner = counts.copied().unwrap_or_default();
    }
}

fn one<'g>(gathered: &'g Gathered, opened: &'g Opened, now: Time) -> Result<Checked<'g>, Fault> {
    let body = &opened.body;
    let no_population = "its population was not fixed before it was opened";
    let population = gathered
        .population(opened)
        .filter(|population| population.fixed.index < opened.at.index)
        .ok_or_else(|| fault(opened, no_population))?;
    let input = DrawInput {
        network: gathered.network,
        opener: &opened.opener,
        inspection: body.inspection,
        owner: &body.owner,
        population: body.population,
        root: population.root,
        count: population.count,
        sample: body.sample,
        seal: opened.seal,
    };
    let outputs_by = opened.at.time.plus_millis(body.window.into());
    let outputs = outputs(opened, &input, outputs_by)?;
    let state = state(opened, outputs.len(), outputs_by, now);
    let seed = (state == DrawState::Drawn).then(|| input.seed(&outputs));
    let places = seed.map(|seed| draw(&seed, population.count, body.sample));
    let mut checked = Checked {
        opened,
        population,
        outputs_by,
        state,
        outputs,
        seed,
        places: places.unwrap_or_default(),
        answered: BTreeMap::new(),
        draws: Draws::default(),
        of_owner: Counts::default(),
    };
    for (at, answer) in &opened.answers {
        if at.time > body.answer_by {
            return Err(fault(opened, "an answer came too late and was taken"));
        }
        let item = answered(&checked, answer).map_err(|what| fault(opened, what))?;
        checked.answered.insert(answer.number, item);
    }
    Ok(checked)
}

fn outputs(
    opened: &Opened,
    input: &DrawInput<'_>,
    by: Time,
) -> Result<BTreeMap<ParticipantName, OutputHash>, Fault> {
    let mut outputs = BTreeMap::new();
    for output in &opened.outputs {
        let name = &output.validator;
        let Some(key) = opened.keys.get(name) else {
            return Err(fault(
                opened,
                "an output counts whose key is not older than it",
            ));
        };
        if !opened.validators.contains(name) || output.at.time > by {
            return Err(fault(
                opened,
                "an output counts that came too late or from no validator",
            ));
        }
        let Ok(found) = output.proof.verify(key, &input.of(name)) else {
            return Err(fault(opened, "the proof of an output does not hold"));
        };
        if outputs.insert(name.clone(), found.hash()).is_some() {
            return Err(fault(opened, "a validator's output counts twice"));
        }
    }
    Ok(outputs)
}

fn state(opened: &Opened, outputs: usize, by: Time, now: Time) -> DrawState {
    let validators = opened.validators.len();
    match outputs {
        all if all >= validators => DrawState::Drawn,
        _ if now <= by => DrawState::Waiting,
        enough if enough >= quorum(validators) => DrawState::Drawn,
        _ => DrawState::Void,
    }
}

fn answered(
    checked: &Checked<'_>,
    answer: &InspectionAnswer,
) -> Result<ItemCommitment, &'static str> {
    let place = checked.places.get(usize::from(answer.number));
    let place = *place.ok_or("a draw is answered that was not drawn")?;
    if checked.answered.contains_key(&answer.number) {
        return Err("a draw is answered twice");
    }
    let population = checked.population;
    let (leaf, size) = (item_leaf(&answer.item), Size(population.count));
    let proof = answer.proof.as_slice();
    verify_inclusion(Index(place), size, &leaf, proof, &population.root)
        .map_err(|_| "an answer shows another item than the drawn one")?;
    Ok(answer.item)
}

/// Holds what the state says of an inspection against what its events give.
pub(crate) fn against_state(
    checked: &Checked<'_>,
    stored: Option<&Inspection>,
) -> Result<(), Fault> {
    let unanswered =
        (0..checked.opened.body.sample).filter(|number| !checked.answered.contains_key(number));
    let agrees = stored.is_some_and(|stored| {
        stored.outputs == checked.outputs
            && stored.outputs_by == checked.outputs_by
            && stored.seal.is_none_or(|seal| seal == checked.opened.seal)
            && stored.answered.missing().eq(unanswered)
    });
    if agrees {
        Ok(())
    } else {
        Err(fault(
            checked.opened,
            "the state says other than its events",
        ))
    }
}
