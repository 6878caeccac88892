//! `evidence`: checks a file of evidence, offline.
//!
//! What always holds: it is said plainly whether the file proves a fault by signatures, or says what a
//! watcher saw, and then which of the observers that were named witness it; who broke the custody of
//! keys is said by name.

use crate::attestation::Attestation;
use crate::breach;
use crate::cli::EvidenceArgs;
use crate::fault::{Failure, Fault, Trouble};
use crate::file;
use crate::observation::Observation;
use crate::observed::{self, Judged, Told};
use crate::output;
use crate::successors;
use crate::together;
use crate::trust::{Asked, Trust};
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE, EXIT_USAGE};
use medanchor_ledger::fork::{Convicted, Fork};
use medanchor_ledger::note::NoteKey;
use medanchor_ledger::policy::{CheckpointPolicy, Distrust, PolicyChain};
use medanchor_vault::custody::EvidenceFile;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes by which it is seen what a file is.
const START: u64 = 64;

/// How many files are looked at, and how many observers are named.
const MOST: usize = 64;

/// Checks the files, prints what they show, and gives the exit code.
pub(crate) fn run(args: &EvidenceArgs) -> u8 {
    let trust = &args.trust;
    if trust.policy.is_some() == trust.genesis.is_some() || trust.lack().is_some() {
        eprintln!(
            "give the network's policy file with --policy, or its genesis with --genesis, and --policy-chain if the validators have changed"
        );
        return EXIT_USAGE;
    }
    if args.files.len() > MOST || args.observers.len() > MOST {
        eprintln!("give at most {MOST} files and {MOST} times --observer");
        return EXIT_USAGE;
    }
    let trust = match trusted(args) {
        Ok(trust) => trust,
        Err(failure) => return tell(args, &nothing(&failure)),
    };
    match args.files.as_slice() {
        [file] => tell(args, &one(args, &trust, file)),
        files => several(args, &trust, files),
    }
}

fn trusted(args: &EvidenceArgs) -> Result<Trust, Failure> {
    Ok(Trust::alone(&args.trust.read()?)?)
}

/// What one file shows, with the exit code.
fn tell(args: &EvidenceArgs, (code, judged): &(u8, Judged)) -> u8 {
    match args.json {
        true => output::print(*code, |out| writeln!(out, "{:#}", judged.value)),
        false => output::print(*code, |out| write!(out, "{}", judged.text)),
    }
}

/// Several files: each by itself, then what the observers told together.
fn several(args: &EvidenceArgs, trust: &Trust, files: &[PathBuf]) -> u8 {
    let (mut values, mut text, mut told) = (Vec::new(), String::new(), Vec::<Told>::new());
    let mut worst = EXIT_GOOD;
    for file in files {
        let (code, judged) = one(args, trust, file);
        let name = file.display().to_string();
        text += &format!("{name}:\n{}\n", judged.text);
        values.push(json!({ "file": name, "shows": judged.value }));
        told.extend(judged.told);
        worst = worst.max(code);
    }
    match args.json {
        true => {
            let value = json!({ "files": values, "together": together::value(&told) });
            output::print(worst, |out| writeln!(out, "{value:#}"))
        }
        false => output::print(worst, |out| write!(out, "{text}{}", together::text(&told))),
    }
}

/// What one file shows, and the exit code for it alone.
fn one(args: &EvidenceArgs, trust: &Trust, file: &Path) -> (u8, Judged) {
    match judge(args, trust, file) {
        Ok(judged) => (EXIT_GOOD, judged),
        Err(failure) => nothing(&failure),
    }
}

/// That nothing is shown, and why.
fn nothing(failure: &Failure) -> (u8, Judged) {
    let (code, verdict, said) = match failure {
        Failure::Fault(_) => (EXIT_FAILED, "failed", "The evidence does not hold"),
        Failure::Trouble(_) => (EXIT_UNREADABLE, "unreadable", "There is no verdict"),
    };
    let what = failure.to_string();
    let value = json!({ "verdict": verdict, "what": what });
    (code, shows(value, format!("{said}: {what}\n")))
}

const fn shows(value: Value, text: String) -> Judged {
    let told = None;
    Judged { value, text, told }
}

fn judge(args: &EvidenceArgs, trust: &Trust, file: &Path) -> Result<Judged, Failure> {
    let bytes = whole(file)?;
    if EvidenceFile::is_start_of(&bytes) {
        let (value, text) = breach::judge(&bytes, trust)?;
        return Ok(shows(value, text));
    }
    if bytes.starts_with(Attestation::START) {
        return Ok(observed::attestation(&bytes, trust, &args.observers)?);
    }
    if bytes.starts_with(b"medanchor/observation") {
        return Ok(observed::observation(&bytes, trust)?);
    }
    let (value, text) = match PolicyChain::is_start_of(&bytes) {
        true => successors::judge(&bytes, trust)?,
        false => fork(&bytes, trust)?,
    };
    Ok(shows(value, text))
}

/// The file, which may hold what opens a record; only such a file may be as long as a record, and only a chain of
/// policies as long as one.
fn whole(path: &Path) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let start = file::start(path, START)?;
    let most = if EvidenceFile::is_start_of(&start) {
        EvidenceFile::MAX_BYTES_OF_RECORD
    } else if PolicyChain::is_start_of(&start) {
        PolicyChain::MAX_BYTES
    } else {
        Fork::MAX_BYTES
            .max(Observation::MAX_BYTES)
            .max(Attestation::MAX_BYTES)
    };
    file::read(path, most as u64).map(Zeroizing::new)
}

/// Whose keys signed both sides, by the policy of each side's size.
fn convicted(fork: &Fork, trust: &Trust) -> Result<Convicted, Failure> {
    let (earlier, later) = fork.notes();
    let by = |note| {
        let range = trust.range_of(note).map_err(Fault::from)?;
        Ok::<_, Failure>(range.policy())
    };
    fork.verify_by(by(earlier)?, by(later)?).map_err(|error| {
        // Those who signed outside their sizes are told apart from strangers.
        let asked = Asked::new(trust);
        let judged = [earlier, later].map(|note| asked.verify_checkpoint(note));
        let outside = judged.into_iter().filter_map(Result::err);
        let mut outside = outside.filter(|error| matches!(error, Distrust::OutsideRange { .. }));
        match outside.next() {
            Some(outside) => Fault::from(outside).into(),
            None => asked.why(&error, ""),
        }
    })
}

/// What an accepted fork says of the validators, who may be others for one size than for the other.
fn at_fault(fork: &Fork, trust: &Trust) -> &'static str {
    let (earlier, later) = fork.notes();
    match trust.range_of(earlier) == trust.range_of(later) {
        true => {
            "The policy accepts both: more than a third of the validators signed both, which no honest one does.\n"
        }
        false => {
            "Each is accepted by the policy of its size, and the policies are two: those named above broke their promise, and if nobody is, one set or the other did.\n"
        }
    }
}

fn fork(bytes: &[u8], trust: &Trust) -> Result<(Value, String), Failure> {
    let fork = Fork::parse(bytes).map_err(|error| Fault::Evidence(error.to_string()))?;
    let convicted = convicted(&fork, trust)?;
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
        true => at_fault(&fork, trust),
        false => "The policy does not accept both, but whoever signed both broke its promise.\n",
    };
    Ok((value, text))
}
