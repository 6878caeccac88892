//! `releases`: custodians' logs of releases, held against what they anchored and against the ledger.
//!
//! What always holds: the whole ledger is audited first, as `verify` does. Then every root that a custodian
//! anchored must be that of its log's beginning, and every logged release must have a permitted access of
//! this very version of this record on the ledger, made before it and no more than five minutes before it,
//! which neither a revocation, nor an erasure, nor a newer version had ended. What a custodian never logged
//! cannot be found here. A root over more releases than the log that was given has is told apart: the file
//! may only be old. Of what signatures prove by themselves a file of evidence is made where one is asked
//! for; what rests on a clock, or on the whole log, has none.

mod args;
mod evidence;
mod gather;
mod report;
pub(crate) mod source;

pub(crate) use args::ReleasesArgs;

use crate::fault::{Failure, Trouble};
use crate::opened::Log;
use crate::output;
use crate::progress::Progress;
use crate::replay::Replay;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use evidence::Maker;
use gather::Gathered;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::merkle::{Frontier, leaf_hash};
use medanchor_ledger::{Index, ParticipantName, Size, TreeHash};
use medanchor_vault::custody::{Finding, reconcile};
use report::Report;
use source::Exported;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::path::PathBuf;

/// A root that a custodian anchored.
pub(crate) struct Anchored {
    /// Where it stands on the ledger.
    pub(crate) at: Index,
    /// Over how many releases.
    pub(crate) size: Size,
}

/// What was found of one custodian's log.
pub(crate) struct Found {
    pub(crate) custodian: ParticipantName,
    pub(crate) size: Size,
    /// The roots that it anchored and that hold: where each stands on the ledger, and of how many releases.
    pub(crate) held: Vec<(Index, Size)>,
    /// Those that are not its log's.
    pub(crate) other_roots: Vec<Anchored>,
    /// Those over more releases than its log has.
    pub(crate) beyond: Vec<Anchored>,
    pub(crate) outside: Vec<Finding>,
    /// The files of evidence, by the release's place in the log.
    pub(crate) evidence: BTreeMap<Index, PathBuf>,
    /// How many releases have none since there are enough.
    pub(crate) left_out: u64,
}

impl Found {
    fn is_good(&self) -> bool {
        self.other_roots.is_empty() && self.beyond.is_empty() && self.outside.is_empty()
    }

    /// The largest size that it anchored and that holds.
    fn anchored(&self) -> Size {
        self.held.last().map_or(Size(0), |(_, size)| *size)
    }

    /// The first root that it anchored over the release at this place.
    fn root_over(&self, place: Index) -> Option<(Index, Size)> {
        let mut held = self.held.iter();
        held.find(|(_, size)| size.0 > place.0).copied()
    }
}

/// Checks the logs, prints what was found, and gives the exit code.
pub(crate) fn run(args: &ReleasesArgs) -> u8 {
    // If the system refuses, only a large ledger needs more, and the audit says so then.
    let _ = medanchor_store::raise_open_files();
    match check(args) {
        Ok(report) => {
            let good = report.found.iter().all(Found::is_good);
            let code = if good { EXIT_GOOD } else { EXIT_FAILED };
            output::print(code, |out| report.print(args.json, out))
        }
        Err(failure) => {
            let code = match &failure {
                Failure::Fault(_) => EXIT_FAILED,
                Failure::Trouble(_) => EXIT_UNREADABLE,
            };
            output::print(code, |out| match args.json {
                true => writeln!(out, "{}", report::failed(code, &failure)),
                false if code == EXIT_FAILED => {
                    writeln!(out, "THE LEDGER DOES NOT HOLD: {failure}")
                }
                false => writeln!(out, "No verdict: {failure}"),
            })
        }
    }
}

fn check(args: &ReleasesArgs) -> Result<Report, Failure> {
    let log = Log::open(&args.log, &args.replay.trust.read()?)?;
    let exported = args.releases.iter().map(|given| given.read(&log.genesis));
    let exported: Vec<Exported> = exported.collect::<Result<_, _>>()?;
    let mut gathered = Gathered::of(&exported);
    let progress = Progress::new(args.json, log.head().size);
    let mut replay = Replay::new(&log, args.replay.options(None))?;
    let mut last = None;
    let mut visit = |block: &Executed, state: &_| {
        last = Some(block.seal.clone());
        let visited = gathered.visit(block, state);
        visited.map_err(|error| Trouble::Work(error.to_string()).into())
    };
    replay.run(&mut visit, &|count| progress.entries(count))?;
    progress.finish();
    let (state, seal) = replay.finish().state.zip(last).ok_or(Trouble::Panicked)?;
    let found = exported.iter().map(|one| judge(one, &gathered));
    let mut found: Vec<Found> = found.collect();
    if let Some(folder) = &args.evidence {
        let maker = Maker::new(&log, (&state, seal), folder)?;
        for (exported, found) in exported.iter().zip(&mut found) {
            maker.write(exported, &gathered, found)?;
        }
    }
    Ok(Report {
        origin: log.genesis.origin().to_string(),
        size: log.head().size,
        found,
    })
}

fn judge(exported: &Exported, gathered: &Gathered) -> Found {
    let roots = roots(exported);
    let (mut held, mut other_roots, mut beyond) = (Vec::new(), Vec::new(), Vec::new());
    for (at, size, root) in gathered.roots_of(&exported.custodian) {
        let place = usize::try_from(size.0).unwrap_or(usize::MAX);
        let (at, size) = (*at, *size);
        match roots.get(place) {
            Some(found) if found == root => held.push((at, size)),
            Some(_) => other_roots.push(Anchored { at, size }),
            None => beyond.push(Anchored { at, size }),
        }
    }
    let size = Size(exported.entries.len() as u64);
    let entries = exported.entries.iter().cloned().map(Ok::<_, Infallible>);
    let outside = reconcile(entries, &held, |request| Ok(gathered.access(request)));
    Found {
        custodian: exported.custodian.clone(),
        size,
        held,
        other_roots,
        beyond,
        outside: outside.unwrap_or_else(|never| match never {}),
        evidence: BTreeMap::new(),
        left_out: 0,
    }
}

/// The root over no entries, over the first one, over the first two, and so on.
fn roots(exported: &Exported) -> Vec<TreeHash> {
    let mut frontier = Frontier::new();
    let mut roots = vec![frontier.root()];
    for entry in &exported.entries {
        frontier.append(leaf_hash(&entry.encode()));
        roots.push(frontier.root());
    }
    roots
}
