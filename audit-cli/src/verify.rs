//! `verify`: a whole ledger, from its published files alone.
//!
//! What always holds: the verdict rests on the files and on the policy, if one was given; no node
//! was asked for anything but files. In order: genesis, policy, checkpoint; then every entry, with
//! its hashes, signatures, certificate, rules and seal; then every cosignature that was
//! kept, and of a folder every older bundle and tile.

use crate::blocks::Blocks;
use crate::cli::VerifyArgs;
use crate::cosigned::{self, Cosigned};
use crate::entries::Entries;
use crate::fault::{Failure, Fault, Trouble};
use crate::judge::{Counts, Judge};
use crate::older::{self, Older};
use crate::pipeline;
use crate::prepare::FirstKeys;
use crate::progress::Progress;
use crate::records::Certificates;
use crate::report::{self, Facts};
use crate::source::{self, Source};
use crate::state::Room;
use medanchor_ledger::execute::View;
use medanchor_ledger::genesis::{Genesis, MAX_GENESIS_BYTES};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{Policy, VerifiedCheckpoint};
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Instant;

/// What an audit found, as far as it got.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) facts: Option<Facts>,
    pub(crate) counts: Counts,
    /// None if the audit did not get as far.
    pub(crate) cosigned: Option<Cosigned>,
    /// None if the audit did not get as far.
    pub(crate) older: Option<Older>,
    pub(crate) seconds: f64,
    pub(crate) entries: u64,
}

/// Audits the log, prints what was found, and gives the exit code.
pub(crate) fn run(args: &VerifyArgs) -> u8 {
    let started = Instant::now();
    // If the system refuses, only the audit of a large ledger needs more, and it says so then.
    let _ = medanchor_store::raise_open_files();
    let mut outcome = Outcome::default();
    let result = audit(args, &mut outcome);
    outcome.seconds = started.elapsed().as_secs_f64();
    report::print(args.json, &outcome, &result)
}

fn audit(args: &VerifyArgs, outcome: &mut Outcome) -> Result<(), Failure> {
    let source = source::open(&args.target)?;
    let genesis = read_genesis(&*source)?;
    let checkpoint = read_checkpoint(&*source, &genesis, args.policy.as_deref())?;
    outcome.facts = Some(Facts::of(&genesis, &checkpoint));
    let head = checkpoint.checkpoint();
    let room = Room {
        work: args.work.clone(),
        memory: args.memory.saturating_mul(1 << 20),
    };
    let progress = Progress::new(args.json, head.size);
    let (keys, mut blocks) = (
        FirstKeys::of(&genesis),
        Judge::new(&genesis, room, Certificates::open(&*source)?),
    );
    let workers = args
        .threads
        .unwrap_or_else(|| available_parallelism().map_or(1, Into::into));
    let entries = Blocks::new(Entries::new(&*source, head.clone()));
    let judged = pipeline::run(entries, &keys, workers, |window| {
        for block in window {
            blocks.judge(block?)?;
        }
        if let Some(state) = blocks.state() {
            progress.entries(state.view().head().frontier.size());
        }
        Ok(())
    });
    if let (Some(state), Some(facts)) = (blocks.state(), &mut outcome.facts) {
        facts.reached(state);
        outcome.entries = state.view().head().frontier.size().0;
    }
    let (counts, certificates) = blocks.finish();
    outcome.counts = counts;
    judged?;
    outcome.counts.certificates_beyond = certificates.beyond(&genesis)?;
    progress.cosignatures();
    let cosigned = cosigned::check(&*source, &genesis, head, |count| progress.count(count))?;
    outcome.cosigned = Some(cosigned);
    outcome.older = Some(older::check(&*source, head.size)?);
    progress.finish();
    Ok(())
}

fn read_genesis(source: &dyn Source) -> Result<Genesis, Failure> {
    let bytes = source.read("genesis", MAX_GENESIS_BYTES as u64)?;
    let bytes = bytes.ok_or_else(|| Fault::Missing {
        path: "genesis".to_owned(),
    })?;
    let genesis = Genesis::decode(&bytes).map_err(Fault::from)?;
    let path = format!("policies/{}", genesis.policy().hash());
    let policy = source.read(&path, Policy::MAX_BYTES as u64)?;
    match policy {
        Some(bytes) if bytes == genesis.policy().as_bytes() => Ok(genesis),
        Some(_) => Err(Fault::Policy { path }.into()),
        None => Err(Fault::Missing { path }.into()),
    }
}

/// The checkpoint, accepted by the policy of genesis and by the one that was given.
fn read_checkpoint(
    source: &dyn Source,
    genesis: &Genesis,
    given: Option<&Path>,
) -> Result<VerifiedCheckpoint, Failure> {
    let bytes = source.read("checkpoint", Note::MAX_BYTES as u64)?;
    let bytes = bytes.ok_or_else(|| Fault::Missing {
        path: "checkpoint".to_owned(),
    })?;
    let note = Note::parse(&bytes).map_err(Fault::from)?;
    let checkpoint = genesis
        .policy()
        .verify_checkpoint(&note)
        .map_err(Fault::from)?;
    let (found, wanted) = (&checkpoint.checkpoint().origin, genesis.origin());
    if found != wanted {
        let (found, wanted) = (found.to_string(), wanted.to_string());
        return Err(Fault::OtherNetwork { wanted, found }.into());
    }
    if let Some(path) = given {
        let policy = Policy::parse(&read_policy(path)?).map_err(Fault::from)?;
        policy.verify_checkpoint(&note).map_err(Fault::from)?;
    }
    Ok(checkpoint)
}

fn read_policy(path: &Path) -> Result<Vec<u8>, Trouble> {
    let place = path.display().to_string();
    let failed = |cause: std::io::Error| Trouble::Unreadable {
        place,
        cause: cause.to_string(),
    };
    std::fs::read(path).map_err(failed)
}
