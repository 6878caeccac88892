//! `verify`: a whole ledger, from its published files alone.
//!
//! What always holds: the verdict rests on the files and on the policy, if one was given; no node
//! was asked for anything but files. In order: genesis, policy, checkpoint; then every entry, with
//! its hashes and, as deep as the tier goes, signatures, certificate, rules and seal; then every
//! cosignature that was kept, and of a folder every older bundle and tile.

use crate::EXIT_USAGE;
use crate::chain::Chain;
use crate::cli::VerifyArgs;
use crate::cosigned::{self, Cosigned};
use crate::entries::{Keep, each_bundle};
use crate::fault::Failure;
use crate::judge::Counts;
use crate::older::{self, Older};
use crate::opened::Log;
use crate::pipeline;
use crate::prepare::FirstKeys;
use crate::progress::Progress;
use crate::records::Certificates;
use crate::replay::{Options, Replay};
use crate::tier::Tier;
use crate::verdict::{self, Facts};
use medanchor_ledger::{Height, Size};
use std::ops::ControlFlow;
use std::time::Instant;

/// What an audit found, as far as it got.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) facts: Option<Facts>,
    pub(crate) counts: Counts,
    /// None if the audit did not get as far, or its tier does not.
    pub(crate) cosigned: Option<Cosigned>,
    /// None if the audit did not get as far.
    pub(crate) older: Option<Older>,
    /// The size that an interrupted mirror is on its way to.
    pub(crate) on_its_way: Option<Size>,
    pub(crate) seconds: f64,
    pub(crate) entries: u64,
}

/// Audits the log, prints what was found, and gives the exit code.
pub(crate) fn run(args: &VerifyArgs) -> u8 {
    if args.until.is_some() && args.tier != Tier::Rules {
        eprintln!("--until is for --tier rules: the others have no state to stop at");
        return EXIT_USAGE;
    }
    let started = Instant::now();
    // If the system refuses, only the audit of a large ledger needs more, and it says so then.
    let _ = medanchor_store::raise_open_files();
    let mut outcome = Outcome::default();
    let result = audit(args, &mut outcome);
    outcome.seconds = started.elapsed().as_secs_f64();
    verdict::print(args, &outcome, &result)
}

fn audit(args: &VerifyArgs, outcome: &mut Outcome) -> Result<(), Failure> {
    let log = Log::open(&args.target, &args.replay.trust.read()?)?;
    outcome.facts = Some(Facts::of(&log));
    outcome.on_its_way = log.on_its_way;
    let progress = Progress::new(args.json, log.head().size);
    match args.tier {
        Tier::Hashes => hashes(&log, args, outcome, &progress)?,
        Tier::Signatures => signatures(&log, args, outcome, &progress)?,
        Tier::Rules => rules(&log, args, outcome, &progress)?,
    }
    if args.until.is_some() {
        return Ok(());
    }
    if args.tier >= Tier::Signatures {
        progress.cosignatures();
        outcome.cosigned = Some(cosigned::check(
            &*log.source,
            &log.genesis,
            log.head(),
            |counts, _| progress.count(counts.records),
        )?);
    }
    outcome.older = Some(older::check(&*log.source, log.head().size)?);
    progress.finish();
    Ok(())
}

/// Entries and tiles against the root, whatever the entries say.
fn hashes(
    log: &Log,
    args: &VerifyArgs,
    outcome: &mut Outcome,
    progress: &Progress,
) -> Result<(), Failure> {
    let workers = options(args).workers();
    each_bundle(&*log.source, log.head(), workers, Keep::Nothing, |bundle| {
        outcome.entries += bundle.count();
        progress.entries(outcome.entries);
        Ok(ControlFlow::Continue(()))
    })
}

/// Entries, signatures, seals and certificates, without the state.
fn signatures(
    log: &Log,
    args: &VerifyArgs,
    outcome: &mut Outcome,
    progress: &Progress,
) -> Result<(), Failure> {
    let keys = FirstKeys::of(&log.genesis);
    let mut chain = Chain::new(&log.genesis, &keys, Certificates::open(&*log.source)?);
    let (source, workers) = (&*log.source, options(args).workers());
    let judged = pipeline::run(source, log.head(), &keys, workers, |window| {
        for block in window {
            chain.judge(block?)?;
        }
        progress.entries(chain.last().map_or(0, |(_, size)| size));
        Ok(ControlFlow::Continue(()))
    });
    if let (Some((seal, size)), Some(facts)) = (chain.last(), &mut outcome.facts) {
        facts.sealed(seal);
        outcome.entries = size;
    }
    let (counts, certificates) = chain.finish();
    outcome.counts = counts;
    judged?;
    outcome.counts.certificates_beyond = certificates.beyond(&log.genesis)?;
    Ok(())
}

/// All of it.
fn rules(
    log: &Log,
    args: &VerifyArgs,
    outcome: &mut Outcome,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut replay = Replay::new(log, options(args))?;
    let judged = replay.run(&mut |_, _| Ok(()), &|count| progress.entries(count));
    let left = replay.finish();
    if let (Some(state), Some(facts)) = (&left.state, &mut outcome.facts) {
        outcome.entries = facts.reached(state);
    }
    outcome.counts = left.counts;
    judged?;
    if args.until.is_none() {
        outcome.counts.certificates_beyond = left.certificates.beyond(&log.genesis)?;
    }
    Ok(())
}

fn options(args: &VerifyArgs) -> Options {
    args.replay.options(args.until.map(Height))
}
