//! `access`: what was decided on a request for access, and on what.

use super::args::AccessArgs;
use super::failure::{Failure, print_json};
use super::make::{Replayed, open, write_whole};
use super::rests::{Rests, trust};
use crate::{EXIT_GOOD, EXIT_USAGE, file, find, output};
use medanchor_ledger::EventId;
use medanchor_ledger::document::{AccessReceipt, NotProved, VerifiedAccess};
use medanchor_ledger::event::EventBody;
use medanchor_ledger::execute::View;
use medanchor_ledger::rules::Decision;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

#[derive(Debug, Serialize)]
struct Proved {
    verdict: &'static str,
    decision: &'static str,
    event: String,
    index: u64,
    requester: String,
    owner: String,
    record: String,
    consent: String,
    /// Whether the consent stood when the request was decided.
    consent_stood: bool,
    /// Whether it had been revoked by then.
    consent_revoked: bool,
    #[serde(flatten)]
    rests: Rests,
}

/// Checks or makes an access receipt, prints what it proves, and gives the exit code.
pub(crate) fn run(args: &AccessArgs) -> u8 {
    let done = match (&args.file, args.trust.lack(), &args.log, &args.event) {
        (Some(file), None, None, None) => check(file, args),
        (None, _, Some(log), Some(event)) => make(log, event, args),
        _ => {
            eprintln!("give a FILE with --genesis or --policy, or --log with --event; see --help");
            return EXIT_USAGE;
        }
    };
    match done {
        Ok(verified) => print(&verified, args.making.json),
        Err(failure) => failure.print(args.making.json),
    }
}

fn check(file: &Path, args: &AccessArgs) -> Result<VerifiedAccess, Failure> {
    let trust = trust(&args.trust, &args.sizes)?;
    let bytes = file::read(file, AccessReceipt::MAX_BYTES as u64)?;
    Ok(AccessReceipt::decode(&bytes)?.verify(&trust)?)
}

/// Replays the log up to the request's block, and has the receipt decide once more.
fn make(log: &str, id: &EventId, args: &AccessArgs) -> Result<VerifiedAccess, Failure> {
    let log = open(log, &args.trust, &args.sizes)?;
    let found = find::event(&log, id, args.making.json)?;
    if !matches!(found.event.body(), EventBody::AccessRequest(_)) {
        return Err(NotProved::NotARequest.into());
    }
    let replayed = Replayed::of(log, &args.making, Some(found.height), &mut |_| Ok(()))?;
    let (inclusion, seal) = (replayed.inclusion(found.index)?, replayed.seal_proof()?);
    let receipt = AccessReceipt::new(found.event, inclusion, replayed.view().map(), seal);
    let receipt = receipt.map_err(Replayed::unreadable)?;
    let receipt = receipt.ok_or(NotProved::NotARequest)?;
    let verified = receipt.verify(replayed.trust())?;
    if let Some(out) = &args.out {
        write_whole(out, |file| file.write_all(&receipt.encode()))?;
    }
    Ok(verified)
}

fn print(verified: &VerifiedAccess, json: bool) -> u8 {
    let consent = verified.consent.as_ref();
    let proved = Proved {
        verdict: "good",
        decision: match verified.decision() {
            Decision::Permitted => "permitted",
            Decision::Denied(reason) => reason.as_str(),
        },
        event: verified.request.requested.event.to_string(),
        index: verified.request.requested.index.0,
        requester: verified.requester.to_string(),
        owner: verified.body.owner.to_string(),
        record: verified.body.record.to_string(),
        consent: verified.body.consent.to_string(),
        consent_stood: consent.is_some(),
        consent_revoked: consent.is_some_and(|consent| consent.revoked.is_some()),
        rests: Rests::on(verified.height, verified.time, &verified.checkpoint),
    };
    output::print(EXIT_GOOD, |out| match json {
        true => print_json(out, &proved),
        false => print_text(out, &proved),
    })
}

fn print_text(out: &mut impl Write, proved: &Proved) -> std::io::Result<()> {
    let stood = match (proved.consent_stood, proved.consent_revoked) {
        (false, _) => "which did not stand then",
        (true, true) => "which was revoked by then",
        (true, false) => "which stood then",
    };
    writeln!(
        out,
        "The receipt holds, and the decision follows by the rules."
    )?;
    writeln!(out, "  decision   {}", proved.decision)?;
    writeln!(
        out,
        "  request    {}, entry {}, by {}",
        proved.event, proved.index, proved.requester
    )?;
    writeln!(out, "  record     {} of {}", proved.record, proved.owner)?;
    writeln!(out, "  consent    {}, {stood}", proved.consent)?;
    proved.rests.print(out)
}
