//! `watch`: many copies of one log, looked at once or until the user says stop.
//!
//! What always holds: a finding is told when it begins and when it is over, with the file that shows
//! it; a fork is never over. What was seen is kept, so that a rollback shows after a restart too.

mod kept;
mod round;

use crate::cli::WatchArgs;
use crate::fault::{Failure, Trouble};
use crate::inclusion::fail;
use crate::mirror::now;
use crate::opened::{read_genesis, read_policy};
use crate::output;
use crate::source;
use crate::stop::Stop;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use kept::Kept;
use medanchor_ledger::genesis::Genesis;
use round::{Finding, Looked, Round};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{StdoutLock, Write};
use std::time::Duration;

/// Watches, prints what is found, and gives the exit code.
pub(crate) fn run(args: &WatchArgs) -> u8 {
    let stop = Stop::at_signals();
    match watch(args, &stop) {
        Ok(code) => code,
        // What a log serves is a finding; what is left is the watcher's own.
        Err(failure) => {
            fail(&failure, args.json);
            EXIT_UNREADABLE
        }
    }
}

fn watch(args: &WatchArgs, stop: &Stop) -> Result<u8, Failure> {
    let given = read_policy(args.policy.as_deref())?;
    let kept = Kept::open(&args.dir)?;
    let genesis = genesis(args, &kept, stop)?;
    let round = Round {
        targets: &args.targets,
        genesis: &genesis,
        given: given.as_ref(),
        kept: &kept,
        patience: Duration::from_secs(args.timeout),
        stall_after: args.stall_after,
        behind_after: args.behind_after,
    };
    let mut telling = Telling::new(args.json);
    loop {
        let looked = round.look()?;
        let failed = !looked.findings.is_empty();
        let code = telling.tell(looked, args.once);
        if args.once {
            return Ok(if failed { EXIT_FAILED.max(code) } else { code });
        }
        if code != EXIT_GOOD || stop.wait(Duration::from_secs(args.every)) {
            let fork = if telling.forked {
                EXIT_FAILED
            } else {
                EXIT_GOOD
            };
            return Ok(fork.max(code));
        }
    }
}

/// The network that is watched: the one that was watched before, or that of the first log that
/// answers.
fn genesis(args: &WatchArgs, kept: &Kept, stop: &Stop) -> Result<Genesis, Failure> {
    if let Some(genesis) = kept.genesis()? {
        return Ok(genesis);
    }
    loop {
        let mut last = Failure::from(Trouble::Stopped);
        for target in &args.targets {
            let source = source::open_within(target, Duration::from_secs(args.timeout));
            match source
                .map_err(Failure::from)
                .and_then(|source| read_genesis(&*source))
            {
                Ok(genesis) => {
                    kept.keep_genesis(&genesis)?;
                    return Ok(genesis);
                }
                Err(failure) => last = failure,
            }
        }
        if args.once || stop.wait(Duration::from_secs(args.every)) {
            return Err(last);
        }
    }
}

/// Tells what begins and what is over.
struct Telling {
    json: bool,
    first: bool,
    forked: bool,
    /// What is wrong now, by kind and log: a text that changes is no new finding.
    open: BTreeMap<(&'static str, String), Finding>,
}

impl Telling {
    const fn new(json: bool) -> Self {
        Self {
            json,
            first: true,
            forked: false,
            open: BTreeMap::new(),
        }
    }

    /// Tells what is new since the last round, or all of it; the code says whether it could be told.
    fn tell(&mut self, looked: Looked, all: bool) -> u8 {
        let mut open = BTreeMap::new();
        for finding in looked.findings {
            self.forked |= finding.kind == "fork";
            open.insert((finding.kind, finding.of.clone()), finding);
        }
        let sizes = match all || self.first {
            true => looked.sizes,
            false => Vec::new(),
        };
        let before = std::mem::replace(&mut self.open, open);
        self.first = false;
        output::print(EXIT_GOOD, |out| {
            for (target, size) in &sizes {
                self.size(out, target, *size)?;
            }
            for (key, finding) in &self.open {
                if !before.contains_key(key) {
                    self.line(out, "found", finding)?;
                }
            }
            for (key, finding) in &before {
                // A fork is proved once and for all.
                if !self.open.contains_key(key) && finding.kind != "fork" {
                    self.line(out, "over", finding)?;
                }
            }
            Ok(())
        })
    }

    fn size(&self, out: &mut StdoutLock<'_>, target: &str, size: u64) -> std::io::Result<()> {
        if self.json {
            let line = json!({ "seconds": now(), "event": "seen", "of": target, "size": size });
            return writeln!(out, "{line}");
        }
        writeln!(out, "seen   {target}: {size} entries")
    }

    fn line(&self, out: &mut StdoutLock<'_>, event: &str, found: &Finding) -> std::io::Result<()> {
        let Finding {
            kind,
            of,
            says,
            evidence,
        } = found;
        let evidence = evidence.display();
        if self.json {
            let line = json!({
                "seconds": now(),
                "event": event,
                "kind": kind,
                "of": of,
                "says": says,
                "proved": *kind == "fork",
                "evidence": evidence.to_string(),
            });
            return writeln!(out, "{line}");
        }
        match event {
            "over" => writeln!(out, "over   {kind} of {of}"),
            _ => writeln!(out, "FOUND  {kind} of {of}: {says} ({evidence})"),
        }
    }
}
