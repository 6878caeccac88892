//! `consistency`: whether one checkpoint's log is the beginning of another's.
//!
//! What always holds: both checkpoints must meet the policy, so a "no" is proof of a fork, which is
//! kept as a file; a "yes" is a consistency receipt that was checked here.

use crate::cli::ConsistencyArgs;
use crate::compare::{Compared, Signed, compare, evidence_name};
use crate::fault::{Failure, Fault, Trouble};
use crate::file;
use crate::inclusion::fail;
use crate::opened::Log;
use crate::output;
use crate::trust::Trust;
use crate::{EXIT_GOOD, EXIT_USAGE};
use medanchor_ledger::Size;
use medanchor_ledger::consistency::ConsistencyReceipt;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::CheckpointPolicy;
use medanchor_store::files::{make_folder, write_durably};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A proof that holds.
struct Shown {
    receipt: ConsistencyReceipt,
    new: Size,
    written: Option<PathBuf>,
}

/// Makes and checks the proof, prints it, and gives the exit code.
pub(crate) fn run(args: &ConsistencyArgs) -> u8 {
    if args.new.is_none() && args.log.is_none() {
        eprintln!(
            "give a second checkpoint, or the log that the first is held against, with --log"
        );
        return EXIT_USAGE;
    }
    if let (None, Some(lack)) = (&args.log, args.trust.lack()) {
        eprintln!("without --log {lack}");
        return EXIT_USAGE;
    }
    match prove(args) {
        Ok(shown) => print(&shown, args.json),
        Err(failure) => fail(&failure, args.json),
    }
}

fn prove(args: &ConsistencyArgs) -> Result<Shown, Failure> {
    let given = args.trust.read()?;
    let log = args.log.as_deref().map(|log| Log::open(log, &given));
    let log = log.transpose()?;
    let trust = match &log {
        Some(log) => log.trust.clone(),
        None => Trust::alone(&given)?,
    };
    let signed = |path: &Path| -> Result<Signed, Failure> {
        let signed = Signed::parse(&file::read(path, Note::MAX_BYTES as u64)?)?;
        trust.verify_checkpoint(&signed.note).map_err(Fault::from)?;
        Ok(signed)
    };
    let old = signed(&args.old)?;
    let new = match (&args.new, &log) {
        (Some(path), _) => signed(path)?,
        (None, Some(log)) => log.signed(),
        (None, None) => return Err(Fault::EmptyLog.into()),
    };
    let compared = match &log {
        Some(log) => compare(&old, &new, &*log.source)?,
        None => compare(&old, &new, &NoTiles)?,
    };
    let (old, new) = match old.checkpoint.size <= new.checkpoint.size {
        true => (old, new),
        false => (new, old),
    };
    let folder = args.out.as_deref().unwrap_or(Path::new("."));
    match compared {
        Compared::Forked(fork) => {
            let text = fork.to_string();
            let name = evidence_name("fork", text.as_bytes(), "fork");
            let evidence = write(folder, &name, text.as_bytes())?;
            let (earlier, later) = (fork.earlier().size, fork.later().size);
            Err(Fault::Fork {
                earlier,
                later,
                evidence,
            }
            .into())
        }
        Compared::Consistent(proof) => {
            let receipt = ConsistencyReceipt {
                old: old.checkpoint.size,
                old_root: old.checkpoint.root,
                proof,
                checkpoint: new.note,
            };
            let checked = receipt.verify(&old.checkpoint, &trust);
            checked.map_err(|error| Fault::Evidence(error.to_string()))?;
            let written = args.out.is_some().then(|| {
                let name = format!(
                    "{}-to-{}.tlog-consistency",
                    receipt.old, new.checkpoint.size
                );
                write(folder, &name, receipt.to_string().as_bytes())
            });
            Ok(Shown {
                new: new.checkpoint.size,
                written: written.transpose()?,
                receipt,
            })
        }
    }
}

/// Where there is no log to read tiles from: two sizes cannot be compared then.
struct NoTiles;

impl crate::source::Source for NoTiles {
    fn open_at(
        &self,
        path: &str,
        _: u64,
    ) -> Result<Option<Box<dyn std::io::Read + Send>>, Trouble> {
        Err(crate::source::unreadable(
            path,
            &"there is no --log to read it from",
        ))
    }

    fn read(&self, path: &str, _: u64) -> Result<Option<Vec<u8>>, Failure> {
        let cause = "there is no --log to read it from, and sizes that differ need tiles";
        Err(crate::source::unreadable(path, &cause).into())
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, Trouble> {
    let failed = |error: medanchor_store::StoreError| Trouble::Mirror(error.to_string());
    let path = folder.join(name);
    make_folder(folder).map_err(failed)?;
    write_durably(&path, bytes).map_err(failed)?;
    Ok(path)
}

fn print(shown: &Shown, json: bool) -> u8 {
    let receipt = &shown.receipt;
    let (old, new) = (receipt.old, shown.new);
    let written = shown
        .written
        .as_ref()
        .map(|path| path.display().to_string());
    output::print(EXIT_GOOD, |out| {
        if json {
            let hashes: Vec<String> = receipt.proof.iter().map(ToString::to_string).collect();
            let value = json!({
                "verdict": "good",
                "old_size": old.0,
                "old_root": receipt.old_root.to_string(),
                "size": new.0,
                "proof": hashes,
                "written": written,
            });
            return writeln!(out, "{value:#}");
        }
        writeln!(
            out,
            "Consistent: the log of {new} entries begins with the {old} of the other checkpoint, by {} hashes.",
            receipt.proof.len()
        )?;
        written.map_or(Ok(()), |path| writeln!(out, "  written    {path}"))
    })
}
