//! `medanchor demo`: the main job, from an empty folder to an audited ledger.
//!
//! What always holds: nodes are processes of their own; every event is sealed, signed and posted by
//! the SDK of its institution; the exit code is 0 only if every claim of the summary held.

mod anchoring;
mod audit;
mod books;
mod cast;
mod city;
mod claims;
mod custody;
mod emergency;
mod erasure;
mod input;
mod interrupt;
mod page;
mod scenes;
mod services;
mod stage;
mod steps;
mod story;
mod summary;
mod world;

use crate::exit::Exit;
use crate::output::{PrintError, say};
use anchoring::Outcome;
use anyhow::{Context, bail};
use audit::{Audit, Flip, seconds};
use books::Books;
use input::Input;
use interrupt::Running;
use medanchor_ledger::{Index, Time};
use medanchor_sdk::{Context as _, System};
use stage::Stage;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use story::Story;
use summary::{Member, Node, Read, Sizes, Summary, Times};
use world::World;

/// Run the main job: four institutions, one ledger, real input, faults on purpose, an audit.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo demo                              anchor the sample data
  cargo demo -- --input ../my-data        anchor your own FHIR R4 and EPCIS 2.0 files
  cargo demo -- --dir /tmp/net --keep     leave the network running and look around

The folder afterwards:
  DIR/<institution>/                     a node's home
  DIR/<institution>/log/                 its published log
  DIR/policy                             the policy file: whose signatures count
  DIR/receipts/<event id>.tlog-proof     each receipt, and the entry's bytes beside it
  DIR/receipts/<event id>.event
  DIR/summary.json                       all that the summary says

Exit codes: 0 everything that the summary claims held, 1 something did not or the demo could not
go on, 2 wrong usage, 130 Ctrl-C, 141 nobody reads the output any more, 143 SIGTERM. Whichever it
is, no node is left running.")]
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
    let outcome = run_all(args, &running);
    // After a signal everything fails in its turn: that is not the demo's outcome.
    running.wait_if_ending();
    match outcome {
        Err(error) if matches!(error.downcast_ref(), Some(PrintError::Closed)) => Ok(Exit::Closed),
        outcome => outcome,
    }
}

fn run_all(args: &DemoArgs, running: &Running) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let now = System.now();
    refuse_network(args.dir.as_deref())?;
    let path = args.input.clone().unwrap_or_else(sample_data);
    say(format_args!(
        "Four institutions, three guests, three custodians, one ledger: a network of Medanchor at work.\n"
    ))?;

    let input = read(&path, now)?;
    let dir = folder(args.dir.as_deref())?;
    let (mut world, founding) = found(&dir, now, running.clone())?;
    let mut books = Books::new(&dir.join("receipts"));
    let story = story::play(&mut world, &input, now, &mut books)?;
    world.wait_for_files(cast::PHARMACY)?;
    let log = dir.join(cast::PHARMACY).join("log");
    let audits = audit_twice(&log, &dir, Index(story.denial.index))?;

    let times = Times {
        founding: seconds(founding),
        anchoring: seconds(story.outcome.took),
        total: seconds(start.elapsed()),
    };
    let summary = summarize(&world, &path, input, books, story, audits, times)?;
    summary.write(&dir.join("summary.json"))?;
    say(format_args!("{}", summary.page()?))?;
    if args.keep {
        keep(&mut world)?;
    }
    world.stop_all();
    Ok(if summary.held() {
        Exit::Success
    } else {
        Exit::Failure
    })
}

fn read(path: &Path, now: Time) -> anyhow::Result<Input> {
    let stage = Stage::begin(format!("Reading {}", path.display()), 0)?;
    let input = input::read(path, now, &stage)?;
    stage.end(format!(
        "{} files, {} items to anchor",
        input.import.files.len(),
        input.import.items.len()
    ))?;
    Ok(input)
}

fn found(dir: &Path, now: Time, running: Running) -> anyhow::Result<(World, Duration)> {
    let members = cast::CAST.iter().filter(|player| player.votes()).count();
    let stage = Stage::begin(format!("Founding a network in {}", dir.display()), members)?;
    let world = World::found(dir, now, running, &stage)?;
    let took = stage.end(format!("{members} validators listen"))?;
    Ok((world, took))
}

/// The audit of a node's files, and that of a damaged copy.
struct Audits {
    good: Audit,
    flip: Flip,
    damaged: Audit,
}

fn audit_twice(log: &Path, dir: &Path, entry: Index) -> anyhow::Result<Audits> {
    let stage = Stage::begin("Auditing one node's published files", 0)?;
    let good = audit::verify(log)?;
    stage.end(good.verdict())?;
    let stage = Stage::begin("Flipping one bit in a copy, and auditing that", 0)?;
    let copy = dir.join("damaged-copy-of-log");
    let flip = audit::damage_a_copy(log, &copy, entry)?;
    let damaged = audit::verify(&copy)?;
    stage.end(damaged.verdict())?;
    Ok(Audits {
        good,
        flip,
        damaged,
    })
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
    let read = what_was_read(path, &input, &books, &story.outcome);
    let claims = claims::claims(&input, &read, &books, &story, &audits);
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
        institutions: members(world)?,
        input: Read {
            left_out: input.left_out,
            ..read
        },
        anchored: Summary::counts(&books),
        events: books.ids.len(),
        race: story.race,
        reads: story.reads,
        denial: story.denial,
        custody: story.custody,
        emergency: story.emergency,
        erasure: story.erasure,
        crash: story.crash,
        audit: audits.good,
        flipped: audits.flip,
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

fn members(world: &World) -> anyhow::Result<Vec<Member>> {
    let members = cast::CAST.iter().map(|player| {
        Ok(Member {
            institution: player.name,
            role: player.role(),
            validator: player.votes(),
            posts_at: player.posts_at,
            url: world.url(player.posts_at)?.to_owned(),
        })
    });
    members.collect()
}

/// All but the list of what was left out.
fn what_was_read(path: &Path, input: &Input, books: &Books, outcome: &Outcome) -> Read {
    let (files, with_items) = (input.import.files.len(), input.files_with_items());
    Read {
        path: path.display().to_string(),
        files,
        files_with_items: with_items,
        files_without: files - with_items,
        items: input.import.items.len(),
        anchored: outcome.items,
        refused_items: outcome.items_refused,
        left_out_items: input.plan.left_out.len(),
        left_out_places: input.import.left_out.len(),
        left_out: Vec::new(),
        refused: books.refused.iter().chain(&books.failed).cloned().collect(),
    }
}

/// Leaves the nodes running and lets go of the identities, so that other programs can use them.
fn keep(world: &mut World) -> anyhow::Result<()> {
    world.close_identities();
    let dir = world.layout.dir.display();
    say(format_args!(
        "The network is running; Ctrl-C stops all of it.\n"
    ))?;
    for (name, url) in world.urls() {
        say(format_args!("  {:<20} {url}", name.as_str()))?;
    }
    let url = world.url(cast::HOSPITAL)?;
    say(format_args!(
        "\n  curl {url}/v1/status\n  curl {url}/openapi.json          what else a node can be asked\n  \
         cargo run -p medanchor-sdk --example hospital -- --node {url} \\\n      \
         --identity {dir}/{hospital}/identity --out {dir}/out --grantee {grantee}",
        hospital = cast::HOSPITAL,
        grantee = cast::REGULATOR,
    ))?;
    loop {
        std::thread::park();
    }
}

fn refuse_network(given: Option<&Path>) -> anyhow::Result<()> {
    match given.filter(|dir| dir.join("genesis").exists()) {
        Some(dir) => bail!(
            "{} holds a network already; choose another folder",
            dir.display()
        ),
        None => Ok(()),
    }
}

/// Made only when the input was read: a demo that cannot begin leaves nothing behind.
fn folder(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let Some(dir) = given else {
        let fresh = tempfile::Builder::new()
            .prefix("medanchor-demo-")
            .tempdir()?;
        return Ok(fresh.keep());
    };
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
