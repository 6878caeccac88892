//! `inclusion`: makes a receipt for an entry of a log, from the log's files alone, and checks it.
//!
//! What always holds: a receipt is written only after it was checked as `receipt` would: under a
//! checkpoint that the policy accepts. An event is looked for by its id in entries that all lead to
//! the signed root.

use crate::cli::InclusionArgs;
use crate::fault::{Failure, Fault, Trouble};
use crate::find;
use crate::opened::Log;
use crate::output::{self, Out};
use crate::receipt::{Proved, print_json, print_proved, told};
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use medanchor_ledger::Index;
use medanchor_ledger::event::Event;
use medanchor_ledger::receipt::Receipt;
use medanchor_store::files::{make_folder, write_durably};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Makes the receipt, prints what it proves, and gives the exit code.
pub(crate) fn run(args: &InclusionArgs) -> u8 {
    match prove(args) {
        Ok((proved, files)) => output::print(EXIT_GOOD, |out: &mut Out<'_>| {
            if args.json {
                return print_json(out, &proved);
            }
            print_proved(out, &proved)?;
            files
                .iter()
                .try_for_each(|file| writeln!(out, "  written    {}", file.display()))
        }),
        Err(failure) => fail(&failure, args.json),
    }
}

/// Prints why there is no proof and gives the exit code.
pub(crate) fn fail(failure: &Failure, json: bool) -> u8 {
    let (verdict, code) = match failure {
        Failure::Fault(_) => ("failed", EXIT_FAILED),
        Failure::Trouble(_) => ("unreadable", EXIT_UNREADABLE),
    };
    if json {
        let answer = serde_json::json!({ "verdict": verdict, "reason": failure.to_string() });
        return output::print(code, |out| print_json(out, &answer));
    }
    output::complain(failure);
    code
}

fn prove(args: &InclusionArgs) -> Result<(Proved, Vec<PathBuf>), Failure> {
    let log = Log::open(&args.target, &args.trust.read()?)?;
    let index = match (args.index, &args.event) {
        (Some(index), _) => Index(index),
        (None, Some(id)) => find::event(&log, id, args.json)?.index,
        (None, None) => return Err(Fault::EmptyLog.into()),
    };
    let (entry, receipt) = (log.entry(index)?, log.receipt(index)?);
    let verified = receipt.verify(&entry, &log.trust);
    let verified = verified.map_err(Fault::from)?;
    let range = log.trust.range_of(&log.note).map_err(Fault::from)?;
    let files = match &args.out {
        Some(folder) => write(folder, index, &entry, &receipt)?,
        None => Vec::new(),
    };
    Ok((told(&verified, &entry, range), files))
}

fn write(
    folder: &Path,
    index: Index,
    entry: &[u8],
    receipt: &Receipt,
) -> Result<Vec<PathBuf>, Trouble> {
    let failed = |error: medanchor_store::StoreError| Trouble::Mirror(error.to_string());
    let name = match Event::decode(entry) {
        Ok(event) => event.id().to_string(),
        Err(_) => format!("entry-{index}"),
    };
    make_folder(folder).map_err(failed)?;
    let files = [
        (format!("{name}.event"), entry.to_vec()),
        (
            format!("{name}.tlog-proof"),
            receipt.to_string().into_bytes(),
        ),
    ];
    files
        .into_iter()
        .map(|(name, bytes)| {
            let path = folder.join(name);
            write_durably(&path, &bytes).map_err(failed)?;
            Ok(path)
        })
        .collect()
}
