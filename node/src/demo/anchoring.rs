//! Takes all steps of the plan: each institution seals, signs and posts its own at its own node,
//! all at once, wave after wave; in the middle of it one validator loses power.
//!
//! What always holds: a step is posted after all it depends on has a receipt.

use super::books::Books;
use super::cast;
use super::stage::Stage;
use super::steps::{Signed, Signer};
use super::world::World;
use anyhow::anyhow;
use medanchor_ledger::ParticipantName;
use medanchor_sdk::import::Planned;
use medanchor_sdk::{AnchorError, Anchored, GrantTicket};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many steps one institution posts at once.
const AT_ONCE: usize = 64;

/// What came of the steps.
#[derive(Default)]
pub struct Outcome {
    /// The tickets of the consents that were anchored.
    pub tickets: Vec<GrantTicket>,
    /// How many items of the input are anchored.
    pub items: usize,
    /// How many items stand in steps of which an event was not anchored.
    pub items_refused: usize,
    /// How long it took.
    pub took: Duration,
    /// How many events had receipts when the validator was killed.
    pub before_kill: usize,
}

/// Steps that may be taken at once, by institution.
type Round<'a> = BTreeMap<&'a ParticipantName, Vec<&'a Planned>>;

/// Takes all steps; kills the regulator's node half-way.
pub fn take(
    world: &World,
    signer: &Signer<'_>,
    steps: &[Planned],
    books: &mut Books,
    stage: &Stage,
) -> anyhow::Result<Outcome> {
    let rounds = rounds(steps);
    let start = Instant::now();
    let mut outcome = Outcome::default();
    for (number, round) in rounds.iter().enumerate() {
        let kill_now = number == rounds.len() / 2;
        if kill_now {
            outcome.before_kill = books.ids.len();
        }
        for signed in take_round(world, signer, round, kill_now)? {
            enter(signed, books, &mut outcome)?;
            stage.step();
        }
    }
    if rounds.is_empty() {
        world.kill(cast::REGULATOR)?;
    }
    outcome.took = start.elapsed();
    Ok(outcome)
}

/// Splits the waves into rounds of a size that shows progress.
fn rounds(steps: &[Planned]) -> Vec<Round<'_>> {
    let mut rounds = Vec::new();
    for wave in steps.chunk_by(|one, other| one.wave == other.wave) {
        let mut by_name = Round::new();
        for step in wave {
            by_name.entry(&step.by).or_default().push(step);
        }
        let longest = by_name.values().map(Vec::len).max().unwrap_or(0);
        for first in (0..longest).step_by(AT_ONCE) {
            let part =
                by_name
                    .iter()
                    .filter(|(_, steps)| steps.len() > first)
                    .map(|(name, steps)| {
                        (
                            *name,
                            steps.iter().skip(first).take(AT_ONCE).copied().collect(),
                        )
                    });
            rounds.push(part.collect());
        }
    }
    rounds
}

/// A step and what became of each of its events.
struct Taken {
    signed: Signed,
    results: Vec<Result<Anchored, AnchorError>>,
}

fn take_round(
    world: &World,
    signer: &Signer<'_>,
    round: &Round<'_>,
    kill: bool,
) -> anyhow::Result<Vec<Taken>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = round
            .iter()
            .map(|(name, steps)| scope.spawn(move || take_steps(world, signer, name, steps)))
            .collect();
        if kill {
            world.kill(cast::REGULATOR)?;
        }
        let mut all = Vec::new();
        for thread in threads {
            all.extend(
                thread
                    .join()
                    .map_err(|_| anyhow!("an institution's thread broke off"))??,
            );
        }
        Ok(all)
    })
}

/// One institution's part of a round: sign all, post them together, wait for the receipts.
fn take_steps(
    world: &World,
    signer: &Signer<'_>,
    name: &ParticipantName,
    steps: &[&Planned],
) -> anyhow::Result<Vec<Taken>> {
    signer.seal_ahead(world.sdk(name)?, steps)?;
    let signed: Vec<Signed> = steps
        .iter()
        .map(|step| signer.sign(step))
        .collect::<Result<_, _>>()?;
    let events = signed
        .iter()
        .flat_map(|step| step.events.iter().cloned())
        .collect();
    let mut results = world.sdk(name)?.anchor_batch(events).into_iter();
    let taken = signed.into_iter().map(|signed| {
        let results = results.by_ref().take(signed.events.len()).collect();
        Taken { signed, results }
    });
    Ok(taken.collect())
}

fn enter(taken: Taken, books: &mut Books, outcome: &mut Outcome) -> anyhow::Result<()> {
    let Taken { signed, results } = taken;
    if books.enter(&signed.sources, results)? {
        outcome.items += signed.items;
        outcome.tickets.extend(signed.tickets);
    } else {
        outcome.items_refused += signed.items;
    }
    Ok(())
}
