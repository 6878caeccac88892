//! `slips`: what institutions signed when they opened records in an emergency, held against what they
//! anchored.
//!
//! What always holds: the whole ledger is audited first, as `verify` does. A slip counts if a key signed it
//! that the ledger has, or had at any time, for the institution that it names: so a change of keys takes
//! nothing back. Of an entry that is on the ledger the head must be the slip's, or its opening must be there
//! under a later number: a journal that was mended has put it there, and hides nothing.

mod args;
mod gather;
mod parted;
mod report;

pub(crate) use args::SlipsArgs;

use crate::fault::{Failure, Trouble};
use crate::file;
use crate::opened::Log;
use crate::output;
use crate::progress::Progress;
use crate::replay::Replay;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use gather::Gathered;
use medanchor_ledger::slip::Slip;
use medanchor_ledger::{Index, Time};
use report::Report;
use std::io::Write;
use std::path::Path;

/// The most bytes of a file with slips.
const MAX_FILE: u64 = 4 << 20;

/// What the ledger says of a slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has this very entry.
    Anchored { at: Index },
    /// It has this opening under a later number, which it was given when its journal was mended.
    Renumbered { at: Index },
    /// It has another entry of this number, and the one that the institution signed was found nowhere.
    Other { at: Index },
    /// The institution said that the entry is lost.
    Lost { at: Index },
    /// Its journal has not come so far.
    Lacking { counter: u64, stated: Option<Time> },
    /// No key of the institution signed the slip.
    Unsigned,
    /// It is of another network.
    OtherNetwork,
}

impl Verdict {
    const fn is_good(self) -> bool {
        matches!(self, Self::Anchored { .. } | Self::Renumbered { .. })
    }
}

/// Checks the slips, prints what was found, and gives the exit code.
pub(crate) fn run(args: &SlipsArgs) -> u8 {
    // If the system refuses, only a large ledger needs more, and the audit says so then.
    let _ = medanchor_store::raise_open_files();
    match check(args) {
        Ok(report) => {
            let code = if report.is_good() {
                EXIT_GOOD
            } else {
                EXIT_FAILED
            };
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

fn check(args: &SlipsArgs) -> Result<Report, Failure> {
    let slips = read(&args.slips)?;
    let log = Log::open(&args.log, &args.replay.trust.read()?)?;
    let mut gathered = Gathered::of(&slips, &log.genesis);
    let progress = Progress::new(args.json, log.head().size);
    let mut replay = Replay::new(&log, args.replay.options(None))?;
    let mut visit = |block: &_, state: &_| {
        let visited = gathered.visit(block, state);
        visited.map_err(|error| Trouble::Work(error.to_string()).into())
    };
    replay.run(&mut visit, &|count| progress.entries(count))?;
    progress.finish();
    if replay.finish().state.is_none() {
        return Err(Trouble::Panicked.into());
    }
    let network = log.genesis.network_id();
    let judge = |slip: Slip| {
        let verdict = gathered.judge(&slip, network);
        (slip, verdict)
    };
    Ok(Report {
        origin: log.genesis.origin().to_string(),
        size: log.head().size,
        found: slips.into_iter().map(judge).collect(),
    })
}

/// The slips of a file, one a line; empty lines are passed over.
fn read(path: &Path) -> Result<Vec<Slip>, Failure> {
    let bytes = file::read(path, MAX_FILE)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = (1..).zip(text.lines().map(str::trim));
    let slips = lines.filter(|(_, line)| !line.is_empty());
    let slip = |(place, line): (usize, &str)| {
        let read = line.parse();
        read.map_err(|error| Trouble::Work(format!("line {place}: {error}")).into())
    };
    slips.map(slip).collect()
}
