//! What happens between founding and audit, step by step: everything is anchored, raced for, read, opened,
//! erased, and the validator that lost power comes back.

use super::anchoring::{self, Outcome};
use super::audit::seconds;
use super::books::Books;
use super::cast;
use super::city::City;
use super::claims::tally;
use super::custody::{self, Custody, DOCUMENT};
use super::emergency::{self, Emergency};
use super::erasure::{self, Erasure};
use super::input::Input;
use super::scenes::{self, Decisions, Denial, Race};
use super::stage::Stage;
use super::steps::Signer;
use super::summary::Crash;
use super::world::{PATIENCE, World};
use medanchor_ledger::Time;
use medanchor_sdk::{GrantTicket, Policy, verify_receipt};
use std::time::{Duration, Instant};

/// What happened.
pub struct Story {
    /// What came of the input.
    pub outcome: Outcome,
    /// Two pharmacies and one prescription.
    pub race: Race,
    /// Reads under consent.
    pub reads: Decisions,
    /// The read without one.
    pub denial: Denial,
    /// A record in custody.
    pub custody: Custody,
    /// Its opening while custodians were out of reach.
    pub emergency: Emergency,
    /// Its end.
    pub erasure: Erasure,
    /// The validator that lost power.
    pub crash: Crash,
    /// Whether all nodes showed the same checkpoint at the end.
    pub same_root: bool,
    /// How many receipts hold offline.
    pub receipts_hold: usize,
}

/// Plays it all.
pub fn play(
    world: &mut World,
    input: &Input,
    now: Time,
    books: &mut Books,
) -> anyhow::Result<Story> {
    let mut outcome = anchor(world, input, now, books)?;
    let tickets = std::mem::take(&mut outcome.tickets);
    let (race, reads, denial) = race_and_read(world, &tickets, now, books)?;
    let (custody, emergency, erasure) = keep_in_custody(world, input, now, books)?;
    let crash = come_back(world, books, outcome.before_kill)?;
    let same_root = all_on_one_root(world)?;
    let receipts_hold = check_receipts(world, books)?;
    Ok(Story {
        outcome,
        race,
        reads,
        denial,
        custody,
        emergency,
        erasure,
        crash,
        same_root,
        receipts_hold,
    })
}

fn race_and_read(
    world: &World,
    tickets: &[GrantTicket],
    now: Time,
    books: &mut Books,
) -> anyhow::Result<(Race, Decisions, Denial)> {
    let stage = Stage::begin(
        "Two pharmacies redeem one prescription at the same moment",
        0,
    )?;
    let raced = scenes::issue_raced(world, now, books)?;
    let race = scenes::race(world, &raced, now, books)?;
    stage.end(format!("{} won, {} was refused", race.winner, race.loser))?;

    let reads = tickets.iter().map(|ticket| ticket.records.len()).sum();
    let stage = Stage::begin("Reading records, with and without consent", reads)?;
    let reads = scenes::read_under_consent(world, tickets, books, &stage)?;
    let denial = scenes::read_without_consent(world, raced.record, now, books)?;
    stage.end(format!(
        "under consent: {}; without: denied and recorded",
        tally(&reads)
    ))?;
    Ok((race, reads, denial))
}

/// The life of a record in custody, from its sealing to its erasure.
fn keep_in_custody(
    world: &mut World,
    input: &Input,
    now: Time,
    books: &mut Books,
) -> anyhow::Result<(Custody, Emergency, Erasure)> {
    let document = input.import.items.prescriptions.first();
    let document = document.map_or(DOCUMENT, |one| one.original.as_bytes());
    let stage = Stage::begin(
        "A record whose key three custodians share, one of them away",
        0,
    )?;
    let mut city = City::found(world, books)?;
    emergency::make_key(&city, books)?;
    let kept = custody::seal(&city, document, now, books)?;
    let custody = custody::play(world, &mut city, &kept, now, books)?;
    stage.end(format!(
        "opened by {} through two custodians and the owner; without a consent {}",
        custody.reader, custody.denied
    ))?;

    let stage = Stage::begin(
        "Every custodian is out of reach, and somebody needs that record now",
        0,
    )?;
    let emergency = emergency::play(&mut city, &kept, books)?;
    stage.end(format!(
        "journalled as entry {}, opened, anchored afterwards; the patient's list has {} window(s) without proof",
        emergency.entry, emergency.unproven_windows
    ))?;

    let stage = Stage::begin("Its patient has that record erased", 0)?;
    let erasure = erasure::play(&city, &kept, books)?;
    city.stop();
    world.renew_vault_key(cast::HOSPITAL)?;
    stage.end(format!(
        "{} custodians confirmed; a read is {}",
        erasure.confirmed.len(),
        erasure.denied
    ))?;
    Ok((custody, emergency, erasure))
}

/// Takes every step of the plan.
fn anchor(world: &World, input: &Input, now: Time, books: &mut Books) -> anyhow::Result<Outcome> {
    let signer = Signer::new(world, input, now);
    let steps = &input.plan.steps;
    let stage = Stage::begin(
        "Anchoring; one validator loses power on the way",
        steps.len(),
    )?;
    let outcome = anchoring::take(world, &signer, steps, books, &stage)?;
    stage.end(format!(
        "{} items in {} events",
        outcome.items,
        books.ids.len()
    ))?;
    Ok(outcome)
}

/// Restarts the killed validator and looks for every anchored event at it.
fn come_back(world: &World, books: &Books, events_before: usize) -> anyhow::Result<Crash> {
    let checkpoint = world.client(cast::HOSPITAL)?.checkpoint()?;
    let size = checkpoint.checkpoint().size.0;
    let stage = Stage::begin(
        "The validator comes back and catches up",
        usize::try_from(size)?,
    )?;
    let start = Instant::now();
    world.restart(cast::REGULATOR)?;
    world.wait_for_size(cast::REGULATOR, size, &stage)?;
    let took = start.elapsed();
    stage.end(format!("{size} entries"))?;

    let stage = Stage::begin("Looking for every event at that validator", books.ids.len())?;
    let client = world.client(cast::REGULATOR)?;
    let found = books.ids.iter().filter(|id| {
        stage.step();
        client.event(id).is_ok()
    });
    let events_found = found.count();
    stage.end(format!("{events_found} of {}", books.ids.len()))?;
    Ok(Crash {
        institution: cast::REGULATOR.to_owned(),
        events_before,
        events_while_away: books.ids.len() - events_before,
        caught_up_in_seconds: seconds(took),
        events_found,
    })
}

/// Whether all four nodes come to show the same checkpoint.
fn all_on_one_root(world: &World) -> anyhow::Result<bool> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let mut heads = Vec::new();
        for player in cast::CAST.iter().filter(|player| player.votes()) {
            heads.push(
                world
                    .client(player.name)?
                    .checkpoint()?
                    .checkpoint()
                    .clone(),
            );
        }
        if heads
            .windows(2)
            .all(|pair| matches!(pair, [one, other] if one == other))
        {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(false)
}

/// Checks every kept receipt offline, from the files, and counts those that hold.
fn check_receipts(world: &World, books: &Books) -> anyhow::Result<usize> {
    let folder = world.layout.dir.join("receipts");
    let policy = Policy::parse(&std::fs::read(world.layout.dir.join("policy"))?)?;
    let stage = Stage::begin("Checking every receipt offline", books.ids.len())?;
    let mut held = 0;
    for id in &books.ids {
        let event = std::fs::read(folder.join(format!("{id}.event")))?;
        let receipt = std::fs::read(folder.join(format!("{id}.tlog-proof")))?;
        held += usize::from(verify_receipt(&policy, &event, &receipt).is_ok());
        stage.step();
    }
    stage.end(format!("{held} of {}", books.ids.len()))?;
    Ok(held)
}
