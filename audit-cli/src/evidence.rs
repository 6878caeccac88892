//! `evidence`: checks a file of evidence, offline.
//!
//! What always holds: it is said plainly whether the file proves a fault by signatures, or only says
//! what a watcher saw; who broke the custody of keys is said by name.

use crate::breach;
use crate::cli::EvidenceArgs;
use crate::fault::{Failure, Fault, Trouble};
use crate::file;
use crate::observation::Observation;
use crate::output;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE, EXIT_USAGE};
use medanchor_ledger::fork::Fork;
use medanchor_ledger::genesis::{Genesis, MAX_GENESIS_BYTES};
use medanchor_ledger::note::NoteKey;
use medanchor_ledger::policy::Policy;
use medanchor_vault::custody::EvidenceFile;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes by which it is seen what a file is.
const START: u64 = 64;

/// Checks the file, prints what it shows, and gives the exit code.
pub(crate) fn run(args: &EvidenceArgs) -> u8 {
    if args.policy.is_some() == args.genesis.is_some() {
        eprintln!("give the network's policy file with --policy, or its genesis with --genesis");
        return EXIT_USAGE;
    }
    let (code, value, text) = match judge(args) {
        Ok((value, text)) => (EXIT_GOOD, value, text),
        Err(failure) => {
            let (code, verdict, said) = match failure {
                Failure::Fault(_) => (EXIT_FAILED, "failed", "The evidence does not hold"),
                Failure::Trouble(_) => (EXIT_UNREADABLE, "unreadable", "There is no verdict"),
            };
            let what = failure.to_string();
            let value = json!({ "verdict": verdict, "what": what });
            (code, value, format!("{said}: {what}\n"))
        }
    };
    match args.json {
        true => output::print(code, |out| writeln!(out, "{value:#}")),
        false => output::print(code, |out| write!(out, "{text}")),
    }
}

fn judge(args: &EvidenceArgs) -> Result<(Value, String), Failure> {
    let bytes = whole(&args.file)?;
    let policy = match (&args.policy, &args.genesis) {
        (Some(path), _) => Policy::parse(&file::read(path, Policy::MAX_BYTES as u64)?),
        (None, Some(path)) => {
            let bytes = file::read(path, MAX_GENESIS_BYTES as u64)?;
            Ok(Genesis::decode(&bytes)
                .map_err(Fault::from)?
                .policy()
                .clone())
        }
        (None, None) => Policy::parse(&[]),
    };
    let policy = policy.map_err(Fault::from)?;
    if EvidenceFile::is_start_of(&bytes) {
        return Ok(breach::judge(&bytes, policy)?);
    }
    match bytes.starts_with(b"medanchor/observation") {
        true => Ok(observation(&bytes, &policy)?),
        false => Ok(fork(&bytes, &policy)?),
    }
}

/// The file, which may hold what opens a record; only such a file may be as long as a record.
fn whole(path: &Path) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let most = match EvidenceFile::is_start_of(&file::start(path, START)?) {
        true => EvidenceFile::MAX_BYTES_OF_RECORD,
        false => Fork::MAX_BYTES.max(Observation::MAX_BYTES),
    };
    file::read(path, most as u64).map(Zeroizing::new)
}

fn fork(bytes: &[u8], policy: &Policy) -> Result<(Value, String), Fault> {
    let bad = |cause: &dyn std::fmt::Display| Fault::Evidence(cause.to_string());
    let fork = Fork::parse(bytes).map_err(|error| bad(&error))?;
    let convicted = fork.verify(policy).map_err(|error| bad(&error))?;
    let (earlier, later) = (fork.earlier(), fork.later());
    let keys: Vec<String> = convicted
        .both
        .iter()
        .map(|key| match key.key() {
            NoteKey::Ed25519(_) => format!("log key {key}"),
            _ => format!("cosigner {}", key.name()),
        })
        .collect();
    let accepted = convicted.accepted == (true, true);
    let other = fork.later_root().map(|later| later.root.to_string());
    let value = json!({
        "verdict": "proved",
        "kind": "fork",
        "origin": earlier.origin.to_string(),
        "earlier": { "size": earlier.size.0, "root": earlier.root.to_string() },
        "later": { "size": later.size.0, "root": later.root.to_string(), "root_at_earlier_size": other },
        "signed_both": keys,
        "both_accepted_by_policy": accepted,
    });
    let mut text = format!(
        "PROVED: the log {} was forked.\n  one checkpoint    {} entries, root {}\n  the other         {} entries, root {}\n",
        earlier.origin, earlier.size, earlier.root, later.size, later.root
    );
    if let Some(root) = other {
        text += &format!(
            "  at {} entries    the other's log had root {root}\n",
            earlier.size
        );
    }
    for key in &keys {
        text += &format!("  signed both       {key}\n");
    }
    text += match accepted {
        true => {
            "The policy accepts both: more than a third of the validators signed both, which no honest one does.\n"
        }
        false => "The policy does not accept both, but whoever signed both broke its promise.\n",
    };
    Ok((value, text))
}

fn observation(bytes: &[u8], policy: &Policy) -> Result<(Value, String), Fault> {
    let seen = Observation::parse(bytes).map_err(|error| Fault::Evidence(error.to_string()))?;
    let accepted: Vec<Result<String, String>> = seen
        .notes
        .iter()
        .map(|note| match policy.verify_checkpoint(note) {
            Ok(found) => {
                let head = found.checkpoint();
                Ok(format!("{} entries, root {}", head.size, head.root))
            }
            Err(error) => Err(error.to_string()),
        })
        .collect();
    let checkpoints: Vec<Value> = accepted
        .iter()
        .map(|found| json!({ "accepted": found.is_ok(), "what": found.as_ref().unwrap_or_else(|error| error) }))
        .collect();
    let value = json!({
        "verdict": "observed",
        "kind": seen.kind.name(),
        "of": seen.of,
        "seconds": seen.seconds,
        "says": seen.says,
        "checkpoints": checkpoints,
    });
    let mut text = format!(
        "OBSERVED, not proved: {} of {}, at {} s since 1970\n  it says           {}\n",
        seen.kind.name(),
        seen.of,
        seen.seconds,
        seen.says
    );
    for found in accepted {
        text += &match found {
            Ok(head) => format!("  signed checkpoint {head}\n"),
            Err(error) => format!("  refused           {error}\n"),
        };
    }
    text += "Nobody signed what it says: it convinces only those who trust whoever wrote it.\n";
    Ok((value, text))
}
