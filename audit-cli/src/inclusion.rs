//! `inclusion`: makes a receipt for an entry of a log, from the log's files alone, and checks it.
//!
//! What always holds: a receipt is written only after it was checked as `receipt` would: under a
//! checkpoint that the policy accepts. An event is looked for by its id in entries that all lead to
//! the signed root.

use crate::cli::InclusionArgs;
use crate::entries::{FULL, fetch};
use crate::fault::{Failure, Fault, Trouble};
use crate::opened::Log;
use crate::receipt::{Proved, print_json, print_proved, told};
use crate::tiles::{CheckedTiles, unreadable};
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use crate::{find, output};
use medanchor_ledger::event::Event;
use medanchor_ledger::merkle::bundle::{BundleId, read_entries};
use medanchor_ledger::merkle::tile::TileNodes;
use medanchor_ledger::merkle::{NoProof, inclusion_proof};
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::{Index, Size};
use medanchor_store::files::{make_folder, write_aside};
use std::io::{StdoutLock, Write};
use std::path::{Path, PathBuf};

/// Makes the receipt, prints what it proves, and gives the exit code.
pub(crate) fn run(args: &InclusionArgs) -> u8 {
    match prove(args) {
        Ok((proved, files)) => output::print(EXIT_GOOD, |out: &mut StdoutLock<'_>| {
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
    // Where standard error is closed, the exit code says it.
    let _ = writeln!(std::io::stderr(), "{failure}");
    code
}

fn prove(args: &InclusionArgs) -> Result<(Proved, Vec<PathBuf>), Failure> {
    let log = Log::open(&args.target, &args.trust.read()?)?;
    let size = log.head().size;
    let index = match (args.index, &args.event) {
        (Some(index), _) => Index(index),
        (None, Some(id)) => find::event(&log, id, args.json)?.index,
        (None, None) => return Err(Fault::EmptyLog.into()),
    };
    let entry = entry(&log, index, size)?;
    let nodes = TileNodes::new(CheckedTiles::new(&*log.source), size);
    let proof = match inclusion_proof(&nodes, index, size) {
        Ok(proof) => proof,
        Err(NoProof::Read(error)) => return Err(unreadable(&error).into()),
        Err(_) => return Err(Fault::NoEntry { index, size }.into()),
    };
    let receipt = Receipt {
        index,
        proof,
        checkpoint: log.note.clone(),
        extra: None,
    };
    let verified = receipt.verify(&entry, &log.trust);
    let verified = verified.map_err(Fault::from)?;
    let range = log.trust.range_of(&log.note).map_err(Fault::from)?;
    let files = match &args.out {
        Some(folder) => write(folder, index, &entry, &receipt)?,
        None => Vec::new(),
    };
    Ok((told(&verified, &entry, range), files))
}

fn entry(log: &Log, index: Index, size: Size) -> Result<Vec<u8>, Failure> {
    let none = || Fault::NoEntry { index, size };
    if index.0 >= size.0 {
        return Err(none().into());
    }
    let id = BundleId::at(index.0 / FULL, size).ok_or_else(none)?;
    let bytes = fetch(&*log.source, id)?;
    let path = id.to_string();
    let entries = read_entries(id, &bytes).map_err(|cause| Fault::TileShape { path, cause })?;
    let place = usize::try_from(index.0 % FULL).unwrap_or(usize::MAX);
    let entry = entries.get(place).ok_or_else(none)?;
    Ok(entry.to_vec())
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
            write_aside(&path, &bytes).map_err(failed)?;
            Ok(path)
        })
        .collect()
}
