//! `mirror`: a copy of a published log that is the same log, verified as it comes.
//!
//! What always holds: nothing is renamed into place that was not checked against the checkpoint's
//! root, or by a quorum's signatures; `checkpoint` moves last, after all that it needs is durable, the
//! chain of policies included; a kill at any moment leaves a mirror that the next run goes on with. A
//! fork or a rollback changes nothing and leaves a file of evidence.

mod chain;
mod cosignatures;
pub(crate) mod folder;
mod head;
mod records;
mod remote;
mod tree;

use crate::cli::MirrorArgs;
use crate::compare::Signed;
use crate::fault::{Failure, Fault, Trouble};
use crate::opened::{policy_path, read_genesis};
use crate::output;
use crate::progress::Progress;
use crate::source::{self, Source};
use crate::stop::Stop;
use crate::trust::Trust;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use cosignatures::Cosignatures;
use folder::{BESIDE, Folder};
pub(crate) use head::now;
use head::{Known, Offer, newest, offer};
use medanchor_ledger::Size;
use medanchor_ledger::genesis::Genesis;
use remote::Remote;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tree::{Edges, Fetched, Tree};

/// A mirror that is being brought up to date.
struct Mirror<'a> {
    args: &'a MirrorArgs,
    remote: Remote,
    folder: Folder,
    genesis: Genesis,
    trust: Trust,
}

/// What a round did.
struct Round {
    found: Signed,
    old: Size,
    files: u64,
    bytes: u64,
    cosignatures: u64,
}

/// Mirrors, prints what was done, and gives the exit code.
pub(crate) fn run(args: &MirrorArgs) -> u8 {
    let stop = Stop::at_signals();
    let mut mirror = match Mirror::open(args, stop.clone()) {
        Ok(mirror) => mirror,
        Err(failure) => return tell(args, &Err(failure)),
    };
    loop {
        let result = mirror.round();
        let code = tell(args, &result);
        if !args.follow || result.as_ref().is_err_and(ends) {
            return code;
        }
        if stop.wait(Duration::from_secs(args.every)) {
            return EXIT_GOOD;
        }
    }
}

/// What following on cannot mend.
const fn ends(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Fault(Fault::Fork { .. } | Fault::ChainsPart { .. } | Fault::OtherNetwork { .. })
            | Failure::Trouble(Trouble::Mirror(_) | Trouble::Panicked)
    )
}

impl<'a> Mirror<'a> {
    fn open(args: &'a MirrorArgs, stop: Stop) -> Result<Self, Failure> {
        let given = args.trust.read()?;
        let patience = Duration::from_secs(args.timeout);
        let source = source::open_within(&args.source, patience)?;
        refuse_other_folders(&args.dir, &*source)?;
        let remote = Remote {
            source,
            retries: args.retries,
            stop,
        };
        let genesis = remote.attempt(|| read_genesis(&*remote.source))?;
        let mut trust = Trust::of(&genesis, &given)?;
        let folder = Folder::open(&args.dir)?;
        keep_genesis(&folder, &genesis)?;
        chain::read(&folder, &mut trust)?;
        Ok(Self {
            args,
            remote,
            folder,
            genesis,
            trust,
        })
    }

    /// Fetches what the source has and the folder lacks.
    fn round(&mut self) -> Result<Round, Failure> {
        let (remote, folder) = (&self.remote, &self.folder);
        let found = newest(remote, &mut self.trust);
        chain::keep(folder, &self.trust)?;
        let found = found?;
        let known = Known::read(folder, &self.trust)?;
        let old = known.whole.as_ref();
        let old = old.map_or(Size(0), |whole| whole.checkpoint.size);
        match offer(remote, folder, found, &known, &self.args.source)? {
            Offer::Grown(found, edges) => self.fetch(found, &edges, old),
            Offer::Nothing(found) => Ok(Round {
                found,
                old,
                files: 0,
                bytes: 0,
                cosignatures: 0,
            }),
        }
    }

    fn fetch(&self, found: Signed, edges: &Edges, old: Size) -> Result<Round, Failure> {
        let (remote, folder, genesis) = (&self.remote, &self.folder, &self.genesis);
        let (fetched, new) = (Fetched::default(), found.checkpoint.size);
        let progress = Progress::new(self.args.json, new);
        let count = AtomicU64::new(old.0 / 256 * 256);
        let tree = Tree {
            remote,
            folder,
            edges,
            old,
            new,
            fetched: &fetched,
        };
        tree.fetch(self.args.parallel, &|entries| {
            progress.entries(count.fetch_add(entries, Ordering::Relaxed) + entries);
        })?;
        records::certificates(remote, folder, genesis, old, new)?;
        let cosignatures = Cosignatures {
            remote,
            source: &self.args.source,
            folder,
            genesis,
            head: &found.checkpoint,
        };
        let cosignatures = cosignatures.take()?;
        folder.sync()?;
        folder.keep("checkpoint", found.note.to_string().as_bytes())?;
        tree.drop_partials();
        progress.finish();
        Ok(Round {
            found,
            old,
            files: fetched.files.into_inner(),
            bytes: fetched.bytes.into_inner(),
            cosignatures,
        })
    }
}

/// A folder with something else in it is not written to: a node's own log, above all.
fn refuse_other_folders(dir: &Path, source: &dyn Source) -> Result<(), Trouble> {
    let shown = dir.display();
    let same = |folder: &Path| {
        let (one, other) = (folder.canonicalize(), dir.canonicalize());
        one.is_ok_and(|one| other.is_ok_and(|other| one == other))
    };
    if source.folder().is_some_and(same) {
        let why = format!("{shown} is the source itself; mirror to another folder");
        return Err(Trouble::Mirror(why));
    }
    let mut entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Trouble::Mirror(format!("{shown} cannot be read: {error}"))),
    };
    if entries.next().is_none() || dir.join(BESIDE).is_dir() {
        return Ok(());
    }
    let why = format!("{shown} has files that are no mirror's; mirror to an empty or a new folder");
    Err(Trouble::Mirror(why))
}

/// The genesis and its policy file, written once; a mirror is of one network for ever.
fn keep_genesis(folder: &Folder, genesis: &Genesis) -> Result<(), Failure> {
    let limit = medanchor_ledger::genesis::MAX_GENESIS_BYTES as u64;
    if let Some(bytes) = folder.log().read("genesis", limit)? {
        if bytes == genesis.encoded() {
            return Ok(());
        }
        let held = Genesis::decode(&bytes).map_err(Fault::from)?;
        let (wanted, found) = (held.origin().to_string(), genesis.origin().to_string());
        return Err(Fault::OtherNetwork { wanted, found }.into());
    }
    folder.keep(&policy_path(genesis), genesis.policy().as_bytes())?;
    Ok(folder.keep("genesis", genesis.encoded())?)
}

/// Prints what a round did and gives the exit code.
fn tell(args: &MirrorArgs, result: &Result<Round, Failure>) -> u8 {
    let (verdict, code) = match result {
        Ok(_) => ("good", EXIT_GOOD),
        Err(Failure::Fault(_)) => ("failed", EXIT_FAILED),
        Err(Failure::Trouble(Trouble::Stopped)) if args.follow => ("stopped", EXIT_GOOD),
        Err(Failure::Trouble(_)) => ("unreadable", EXIT_UNREADABLE),
    };
    if args.json {
        let value = as_json(verdict, result);
        return output::print(code, |out| writeln!(out, "{value}"));
    }
    match result {
        Ok(round) => output::print(code, |out| print_round(out, args, round)),
        Err(failure) => {
            output::complain(failure);
            code
        }
    }
}

fn as_json(verdict: &str, result: &Result<Round, Failure>) -> Value {
    match result {
        Ok(round) => json!({
            "verdict": verdict,
            "origin": round.found.checkpoint.origin.to_string(),
            "size": round.found.checkpoint.size.0,
            "root": round.found.checkpoint.root.to_string(),
            "old_size": round.old.0,
            "files": round.files,
            "bytes": round.bytes,
            "cosignatures": round.cosignatures,
        }),
        Err(failure) => {
            let evidence = match failure {
                Failure::Fault(Fault::Fork { evidence, .. } | Fault::Rollback { evidence, .. }) => {
                    Some(evidence.display().to_string())
                }
                _ => None,
            };
            json!({ "verdict": verdict, "what": failure.to_string(), "evidence": evidence })
        }
    }
}

fn print_round(out: &mut impl Write, args: &MirrorArgs, round: &Round) -> std::io::Result<()> {
    let (size, dir) = (round.found.checkpoint.size, args.dir.display());
    if round.old == size {
        return writeln!(out, "{dir} has all {size} entries already.");
    }
    writeln!(
        out,
        "{dir} has all {size} entries now ({} before): {} files, {} bytes, each checked against root {}.",
        round.old, round.files, round.bytes, round.found.checkpoint.root
    )
}
