//! `medanchor demo`: the main job, from an empty folder to an audited ledger.
//!
//! What always holds: nodes are processes of their own; every event is sealed, signed and posted by
//! the SDK of its institution; the exit code is 0 only if every claim of the summary held.

mod anchoring;
mod audit;
mod books;
mod cast;
mod input;
mod interrupt;
mod scenes;
mod steps;
mod summary;
mod world;

use crate::exit::Exit;
use anchoring::Outcome;
use anyhow::{Context, bail};
use audit::{Audit, seconds};
use books::Books;
use input::Input;
use interrupt::Running;
use medanchor_ledger::Time;
use medanchor_sdk::{Context as _, System, verify_receipt};
use scenes::{Denial, PERMITTED, Race};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use summary::{Claim, Crash, Node, Read, Sizes, Summary, Times};
use world::World;

/// Run the main job: four institutions, one ledger, real input, faults on purpose, an audit.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo demo                              anchor the sample data
  cargo demo -- --input ../my-data        anchor your own FHIR R4 and EPCIS 2.0 files
  cargo demo -- --dir /tmp/net --keep     leave the network running and look around

The folder afterwards: DIR/<institution>/ is a node's home, DIR/<institution>/log/ its published log,
DIR/policy the policy file, DIR/receipts/<event id>.tlog-proof each receipt with the entry's bytes beside
it as <event id>.event, DIR/summary.json all that the summary says.

Exit code: 0 if everything that the summary claims held, 1 if not.")]
pub struct DemoArgs {
    /// Where to make the network; a fresh temporary folder if not given. Must not hold one already.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A file or folder of FHIR R4 JSON, Bundles, NDJSON and EPCIS 2.0 documents; the sample data if
    /// not given.
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Leave the network running until Ctrl-C and print its URLs.
    #[arg(long)]
    keep: bool,
}

/// Runs the demo.
///
/// # Errors
/// When the demo cannot go on; what did not hold is in the summary instead.
pub fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    let running = Running::default();
    interrupt::watch(running.clone())?;
    let start = Instant::now();
    let now = System.now();
    let dir = folder(args.dir.as_deref())?;
    let path = args.input.clone().unwrap_or_else(sample_data);

    say(&format!("Reading {}", path.display()));
    let input = input::read(&path, now)?;
    say(&format!(
        "Founding a network of four validators and three guests in {}",
        dir.display()
    ));
    let world = World::found(&dir, now, running)?;
    let founding = start.elapsed();

    let mut books = Books::new(&dir.join("receipts"));
    let story = play(&world, &input, now, &mut books)?;
    say("Auditing one node's published files, then a copy with one bit flipped");
    let log = dir.join(cast::PHARMACY).join("log");
    let audits = audit_twice(&log, &dir)?;

    let times = Times {
        founding: seconds(founding),
        anchoring: seconds(story.outcome.took),
        total: seconds(start.elapsed()),
    };
    let summary = summarize(&world, &path, input, books, story, audits, times)?;
    summary.write(&dir.join("summary.json"))?;
    println!("{}", summary.page()?);
    if args.keep {
        keep(&world);
    }
    world.stop_all();
    Ok(if summary.held() {
        Exit::Success
    } else {
        Exit::Failure
    })
}

/// What happened between founding and audit.
struct Story {
    outcome: Outcome,
    race: Race,
    reads: scenes::Decisions,
    denial: Denial,
    crash: Crash,
    same_root: bool,
    receipts_hold: usize,
}

fn play(world: &World, input: &Input, now: Time, books: &mut Books) -> anyhow::Result<Story> {
    let signer = steps::Signer::new(world, input, now);
    say("Anchoring; one validator loses power on the way");
    let mut outcome = anchoring::take(world, &signer, &input.plan.steps, books)?;
    say("Two pharmacies redeem one prescription; readers ask with and without consent");
    let raced = scenes::issue_raced(world, now, books)?;
    let race = scenes::race(world, &raced, now, books)?;
    let tickets = std::mem::take(&mut outcome.tickets);
    let reads = scenes::read_under_consent(world, &tickets, books)?;
    let denial = scenes::read_without_consent(world, raced.record, now, books)?;
    say("The validator comes back");
    let crash = come_back(world, books, outcome.before_kill)?;
    let same_root = all_on_one_root(world)?;
    let receipts_hold = check_receipts(world, books)?;
    Ok(Story {
        outcome,
        race,
        reads,
        denial,
        crash,
        same_root,
        receipts_hold,
    })
}

/// Restarts the killed validator and looks for every anchored event at it.
fn come_back(world: &World, books: &Books, events_before: usize) -> anyhow::Result<Crash> {
    let size = world
        .client(cast::HOSPITAL)?
        .checkpoint()?
        .checkpoint()
        .size
        .0;
    let start = Instant::now();
    world.restart(cast::REGULATOR)?;
    world.wait_for_size(cast::REGULATOR, size)?;
    let took = start.elapsed();
    let client = world.client(cast::REGULATOR)?;
    let events_found = books
        .ids
        .iter()
        .filter(|id| client.event(id).is_ok())
        .count();
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
    while start.elapsed() < world::PATIENCE {
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
    let policy = medanchor_sdk::Policy::parse(&std::fs::read(world.layout.dir.join("policy"))?)?;
    let mut held = 0;
    for id in &books.ids {
        let event = std::fs::read(folder.join(format!("{id}.event")))?;
        let receipt = std::fs::read(folder.join(format!("{id}.tlog-proof")))?;
        held += usize::from(verify_receipt(&policy, &event, &receipt).is_ok());
    }
    Ok(held)
}

/// The audit of a node's files, and that of a damaged copy.
struct Audits {
    good: Audit,
    damaged: Audit,
}

fn audit_twice(log: &Path, dir: &Path) -> anyhow::Result<Audits> {
    let good = audit::verify(log)?;
    let copy = dir.join("damaged-copy-of-log");
    audit::damage_a_copy(log, &copy)?;
    let damaged = audit::verify(&copy)?;
    Ok(Audits { good, damaged })
}

fn summarize(
    world: &World,
    path: &Path,
    input: Input,
    books: Books,
    story: Story,
    audits: Audits,
    times: Times,
) -> anyhow::Result<Summary> {
    let claims = claims(&input, &books, &story, &audits);
    let log = tree_bytes(&world.layout.dir.join(cast::PHARMACY).join("log"))?;
    let nodes = world.urls().iter();
    Ok(Summary {
        folder: world.layout.dir.display().to_string(),
        origin: world.layout.genesis.origin().to_string(),
        nodes: nodes
            .map(|(name, url)| Node {
                institution: name.to_string(),
                url: url.clone(),
            })
            .collect(),
        input: Read {
            path: path.display().to_string(),
            files: input.import.files.len(),
            items: input.import.items.len(),
            anchored: story.outcome.items,
            left_out: input.left_out,
            refused: books.refused.iter().chain(&books.failed).cloned().collect(),
        },
        anchored: Summary::counts(&books),
        events: books.ids.len(),
        race: story.race,
        reads: story.reads,
        denial: story.denial,
        crash: story.crash,
        audit: audits.good,
        audit_of_damaged_copy: audits.damaged,
        times,
        sizes: Sizes {
            events: books.event_bytes,
            receipts: books.receipt_bytes,
            log,
        },
        claims,
    })
}

fn claims(input: &Input, books: &Books, story: &Story, audits: &Audits) -> Vec<Claim> {
    let total = books.ids.len();
    let planned: usize = input
        .plan
        .steps
        .iter()
        .map(|step| step.action.items())
        .sum();
    let accounted = story.outcome.items + story.outcome.items_refused == planned;
    let claim = |claim, held, seen: String| Claim { claim, held, seen };
    let race = &story.race;
    let named_entry = audits
        .damaged
        .report
        .pointer("/fault/entry")
        .is_some_and(serde_json::Value::is_u64);
    vec![
        claim(
            "every item of the input is anchored, or listed with its reason",
            books.failed.is_empty() && accounted,
            format!(
                "{} anchored, {} refused, {} left out",
                story.outcome.items,
                books.refused.len(),
                input.left_out.len()
            ),
        ),
        claim(
            "every receipt holds offline, from the files and the policy alone",
            story.receipts_hold == total && total > 0,
            format!("{} of {total}", story.receipts_hold),
        ),
        claim(
            "of two redemptions of one prescription one won, and the loser was shown the winner's receipt",
            race.winner != race.loser && race.winner_receipt_verified,
            format!("{} lost by {}", race.loser, race.rule),
        ),
        claim(
            "a read without consent was denied and recorded",
            story.denial.decision != PERMITTED,
            format!("{}, entry {}", story.denial.decision, story.denial.index),
        ),
        claim(
            "three validators went on without the fourth",
            story.crash.events_while_away > 0,
            format!("{} events while it was away", story.crash.events_while_away),
        ),
        claim(
            "no anchored event was lost: the validator that lost power has every one",
            story.crash.events_found == total,
            format!("{} of {total}", story.crash.events_found),
        ),
        claim(
            "all four nodes show the same root",
            story.same_root,
            "checkpoints compared".to_owned(),
        ),
        claim(
            "the audit recomputed every hash, signature, quorum and rule outcome of one node's files",
            audits.good.exit == 0,
            format!(
                "exit {} after {:.2} s",
                audits.good.exit, audits.good.seconds
            ),
        ),
        claim(
            "the audit of a copy with one bit flipped named the entry",
            audits.damaged.exit != 0 && named_entry,
            format!(
                "exit {}: {}",
                audits.damaged.exit,
                what_was_found(&audits.damaged)
            ),
        ),
    ]
}

/// What an audit says is wrong.
fn what_was_found(audit: &Audit) -> &str {
    let what = audit
        .report
        .pointer("/fault/what")
        .and_then(serde_json::Value::as_str);
    what.unwrap_or("nothing")
}

fn keep(world: &World) -> ! {
    println!("The network is running; Ctrl-C stops all of it.");
    for (name, url) in world.urls() {
        println!("  {name:<20} {url}");
    }
    loop {
        std::thread::park();
    }
}

fn folder(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let Some(dir) = given else {
        let fresh = tempfile::Builder::new()
            .prefix("medanchor-demo-")
            .tempdir()?;
        return Ok(fresh.keep());
    };
    if dir.join("genesis").exists() {
        bail!(
            "{} holds a network already; choose another folder",
            dir.display()
        );
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(std::path::absolute(dir)?)
}

/// The sample data: beside the package when cargo runs it, else in the current folder.
fn sample_data() -> PathBuf {
    let beside =
        std::env::var_os("CARGO_MANIFEST_DIR").map(|package| Path::new(&package).join("../seeds"));
    beside
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from("seeds"))
}

fn tree_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            tree_bytes(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}

fn say(what: &str) {
    println!("· {what} ...");
}
