//! `watch`: many copies of one log, looked at once or until the user says stop.
//!
//! What always holds: a finding is told when it begins, when it becomes proved and when it is over, with
//! the file that shows it; a fork is never over, and nothing that a copy serves ends the watcher. What was seen is kept, so that a rollback shows after a restart too. What no
//! signature of the network proves is signed by the observer, if there is a key, and said to be nobody's
//! if not.

pub(crate) mod args;
mod asked;
mod chains;
mod forks;
mod kept;
mod observer;
mod round;
mod saved;
mod seen;

pub(crate) use observer::ObserverKey;

use crate::fault::{Failure, Trouble};
use crate::inclusion::fail;
use crate::mirror::now;
use crate::opened::read_genesis;
use crate::output::{self, Out};
use crate::source;
use crate::stop::Stop;
use crate::trust::{Given, Trust};
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE, EXIT_USAGE};
use args::{WatchArgs, WatchCommand};
use kept::Kept;
use medanchor_ledger::genesis::Genesis;
use round::{Finding, Looked, Round};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Watches, prints what is found, and gives the exit code; or does what is to be done with a key.
pub(crate) fn run(args: &WatchArgs) -> u8 {
    let dir = match (&args.command, &args.dir) {
        (Some(WatchCommand::Key(command)), _) => return observer::key(command),
        (None, Some(dir)) => dir,
        // The command line demands it.
        (None, None) => return EXIT_USAGE,
    };
    if args.checkpoints.len() > saved::MOST {
        eprintln!("give at most {} times --checkpoint", saved::MOST);
        return EXIT_USAGE;
    }
    let stop = Stop::at_signals();
    match watch(args, dir, &stop) {
        Ok(code) => code,
        // What a log serves is a finding; what is left is the watcher's own.
        Err(failure) => {
            fail(&failure, args.json);
            EXIT_UNREADABLE
        }
    }
}

fn watch(args: &WatchArgs, dir: &Path, stop: &Stop) -> Result<u8, Failure> {
    let given = args.trust.read()?;
    let saved = saved::read(&args.checkpoints)?;
    let key = args.key.as_deref().map(ObserverKey::read).transpose();
    let key = key.map_err(|error| Trouble::Mirror(error.to_string()))?;
    let kept = Kept::open(dir)?;
    let genesis = genesis(args, &given, &kept, stop)?;
    saved::of_network(&saved, genesis.origin())?;
    let mut trust = Trust::of(&genesis, &given)?;
    kept.learn(&mut trust)?;
    let mut round = Round {
        targets: &args.targets,
        network: genesis.origin(),
        trust,
        kept: &kept,
        given: &saved,
        saved: Vec::new(),
        parted: BTreeMap::new(),
        remembers: false,
        key: key.as_ref(),
        patience: Duration::from_secs(args.timeout),
        stall_after: args.stall_after,
        behind_after: args.behind_after,
    };
    let observer = key.as_ref().map(|key| key.verifier().name().to_string());
    let mut telling = Telling::new(args.json, observer);
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

/// The network that is watched: the one that was watched before, the one that was given, or that of
/// the first log that answers.
fn genesis(args: &WatchArgs, given: &Given, kept: &Kept, stop: &Stop) -> Result<Genesis, Failure> {
    if let Some(genesis) = kept.genesis()? {
        return Ok(genesis);
    }
    if let Some(genesis) = given.genesis() {
        kept.keep_genesis(genesis)?;
        return Ok(genesis.clone());
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
    /// Who signs what nobody else did.
    observer: Option<String>,
    first: bool,
    forked: bool,
    /// What is wrong now, by kind and log: a text that changes is no new finding.
    open: BTreeMap<(&'static str, String), Finding>,
}

impl Telling {
    const fn new(json: bool, observer: Option<String>) -> Self {
        Self {
            json,
            observer,
            first: true,
            forked: false,
            open: BTreeMap::new(),
        }
    }

    /// Tells what is new since the last round, or all of it; the code says whether it could be told.
    fn tell(&mut self, looked: Looked, all: bool) -> u8 {
        let mut open: BTreeMap<_, Finding> = BTreeMap::new();
        for finding in looked.findings {
            self.forked |= finding.is_fork();
            let key = (finding.kind, finding.of.clone());
            // What is proved says more than what is not, and stays proved while it lasts.
            let others = [open.get(&key), self.open.get(&key)].into_iter().flatten();
            let proved: Vec<&Finding> = others.filter(|other| other.proved).collect();
            let stays = proved.first().filter(|_| !finding.proved);
            let finding = stays.map_or(finding, |other| (*other).clone());
            open.insert(key, finding);
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
                let told = before.get(key);
                if told.is_none_or(|told| finding.proved && !told.proved) {
                    self.line(out, "found", finding)?;
                }
            }
            for (key, finding) in &before {
                // A fork is proved once and for all.
                if !self.open.contains_key(key) && !finding.is_fork() {
                    self.line(out, "over", finding)?;
                }
            }
            Ok(())
        })
    }

    fn size(&self, out: &mut Out<'_>, target: &str, size: u64) -> std::io::Result<()> {
        if self.json {
            let line = json!({ "seconds": now(), "event": "seen", "of": target, "size": size });
            return writeln!(out, "{line}");
        }
        writeln!(out, "seen   {target}: {size} entries")
    }

    fn line(&self, out: &mut Out<'_>, event: &str, found: &Finding) -> std::io::Result<()> {
        let Finding {
            kind,
            of,
            says,
            evidence,
            proved,
            attested,
        } = found;
        let evidence = evidence.display();
        let observer = self.observer.as_ref().filter(|_| *attested);
        if self.json {
            let line = json!({
                "seconds": now(),
                "event": event,
                "kind": kind,
                "of": of,
                "says": says,
                "proved": proved,
                "observer": observer,
                "evidence": evidence.to_string(),
            });
            return writeln!(out, "{line}");
        }
        match event {
            "over" => writeln!(out, "over   {kind} of {of}"),
            _ => {
                let standing = match (proved, observer) {
                    (true, _) => "proved by signatures".to_owned(),
                    (false, Some(observer)) => format!("signed by {observer}"),
                    (false, None) => "nobody signed it".to_owned(),
                };
                writeln!(
                    out,
                    "FOUND  {kind} of {of}: {says} ({standing}: {evidence})"
                )
            }
        }
    }
}
