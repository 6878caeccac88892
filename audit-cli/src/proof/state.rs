//! `state`: one key's value, or its absence, at one height.

use super::args::StateArgs;
use super::failure::{Failure, print_json};
use super::make::{Replayed, open, write_whole};
use super::rests::{Rests, trust};
use crate::{EXIT_GOOD, EXIT_USAGE, file, output};
use medanchor_ledger::Height;
use medanchor_ledger::document::{StateClaim, StateDocument, VerifiedState};
use medanchor_ledger::execute::View;
use medanchor_ledger::state::StateKey;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

#[derive(Debug, Serialize)]
struct Proved {
    verdict: &'static str,
    key: String,
    /// The value in hex; null if it is proved that there is none.
    value: Option<String>,
    #[serde(flatten)]
    rests: Rests,
}

/// Checks or makes a state document, prints what it proves, and gives the exit code.
pub(crate) fn run(args: &StateArgs) -> u8 {
    let key = match args.key.as_deref().map(parse_key).transpose() {
        Ok(key) => key,
        Err(error) => {
            output::complain(&error);
            return EXIT_USAGE;
        }
    };
    let done = match (&args.file, args.trust.lack(), &args.log, &key, &args.out) {
        (Some(file), None, None, key, None) => check(file, args, key.as_ref()),
        (None, _, Some(log), Some(key), Some(out)) => make(log, key, out, args),
        _ => {
            eprintln!(
                "give a FILE with --genesis or --policy, or --log with --key and --out; see --help"
            );
            return EXIT_USAGE;
        }
    };
    match done {
        Ok(verified) => print(&verified, args.making.json),
        Err(failure) => failure.print(args.making.json),
    }
}

fn parse_key(text: &str) -> Result<StateKey, String> {
    let bytes = hex::decode(text).map_err(|_| "--key takes the key's bytes as hex digits")?;
    StateKey::new(&bytes).map_err(|error| error.to_string())
}

fn check(file: &Path, args: &StateArgs, key: Option<&StateKey>) -> Result<VerifiedState, Failure> {
    let trust = trust(&args.trust, &args.sizes)?;
    let bytes = file::read(file, StateDocument::MAX_BYTES as u64)?;
    let document = StateDocument::decode(&bytes)?;
    if key.is_some_and(|key| *key != document.key) {
        return Err(Failure::Other("key"));
    }
    Ok(document.verify(&trust)?)
}

fn make(log: &str, key: &StateKey, out: &Path, args: &StateArgs) -> Result<VerifiedState, Failure> {
    let log = open(log, &args.trust, &args.sizes)?;
    let until = args.height.map(Height);
    let replayed = Replayed::of(log, &args.making, until, &mut |_| Ok(()))?;
    let claim = StateClaim::of(replayed.view().map(), key);
    let document = StateDocument {
        key: key.clone(),
        claim: claim.map_err(Replayed::unreadable)?,
        seal: replayed.seal_proof()?,
    };
    let verified = document.verify(replayed.trust())?;
    write_whole(out, |file| file.write_all(&document.encode()))?;
    Ok(verified)
}

fn print(verified: &VerifiedState, json: bool) -> u8 {
    let proved = Proved {
        verdict: "good",
        key: hex::encode(verified.key.as_bytes()),
        value: verified.value.as_ref().map(hex::encode),
        rests: Rests::on(verified.height, verified.time, &verified.checkpoint),
    };
    output::print(EXIT_GOOD, |out| {
        if json {
            return print_json(out, &proved);
        }
        match &proved.value {
            Some(_) => writeln!(out, "The proof holds: the state has this value.")?,
            None => writeln!(
                out,
                "The proof holds: the state has nothing under this key."
            )?,
        }
        writeln!(out, "  key        {}", proved.key)?;
        if let Some(value) = &proved.value {
            writeln!(out, "  value      {value}")?;
        }
        proved.rests.print(out)
    })
}
