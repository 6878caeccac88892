//! What an audit tells: a few lines for people, or one JSON object for scripts.

use crate::cosigned::Cosigned;
use crate::fault::Failure;
use crate::older::Older;
use crate::output;
use crate::state::AuditState;
use crate::verify::Outcome;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use medanchor_ledger::execute::View;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::policy::VerifiedCheckpoint;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;

/// What a log says it is, and how far the audit got in it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Facts {
    origin: String,
    genesis: String,
    policy: String,
    size: u64,
    root: String,
    log_keys: usize,
    cosigners: Vec<String>,
    validators: usize,
    quorum: usize,
    /// The last height that holds.
    height: Option<u64>,
    time: Option<u64>,
    state_root: Option<String>,
}

impl Facts {
    pub(crate) fn of(genesis: &Genesis, checkpoint: &VerifiedCheckpoint) -> Self {
        let head = checkpoint.checkpoint();
        let cosigners = checkpoint.cosigners().iter();
        Self {
            origin: head.origin.to_string(),
            genesis: genesis.hash().to_string(),
            policy: checkpoint.policy().to_string(),
            size: head.size.0,
            root: head.root.to_string(),
            log_keys: checkpoint.logs().len(),
            cosigners: cosigners
                .map(|cosigner| cosigner.key.name().to_string())
                .collect(),
            validators: genesis.validators().len(),
            quorum: genesis.validators().quorum(),
            ..Self::default()
        }
    }

    /// Notes the state after the last block that holds.
    pub(crate) fn reached(&mut self, state: &AuditState) {
        let view = state.view();
        self.height = Some(view.head().height.0);
        self.time = Some(view.head().time.0);
        self.state_root = Some(view.map().root().to_string());
    }
}

/// What is said of a file that a running node was appending to.
const INCOMPLETE_TAIL: &str =
    "the file ends with a part of a record, as a running node leaves it; the checkpoint needs none";

/// Prints the outcome and gives the exit code.
pub(crate) fn print(json: bool, outcome: &Outcome, result: &Result<(), Failure>) -> u8 {
    let (verdict, code) = match result {
        Ok(()) => ("good", EXIT_GOOD),
        Err(Failure::Fault(_)) => ("failed", EXIT_FAILED),
        Err(Failure::Trouble(_)) => ("unreadable", EXIT_UNREADABLE),
    };
    if json {
        // A value made of maps, texts and numbers always has a JSON text.
        let text = serde_json::to_string_pretty(&as_json(verdict, outcome, result));
        output::print(code, |out| writeln!(out, "{}", text.unwrap_or_default()))
    } else {
        output::print(code, |out| print_text(out, outcome, result))
    }
}

fn as_json(verdict: &str, outcome: &Outcome, result: &Result<(), Failure>) -> Value {
    let (counts, cosigned) = (&outcome.counts, &outcome.cosigned);
    json!({
        "verdict": verdict,
        "log": outcome.facts,
        "entries": outcome.entries,
        "blocks": counts.blocks,
        "events": counts.events,
        "events_by_kind": counts.by_kind,
        "access": counts.accesses,
        "event_signatures": counts.event_signatures,
        "certificates": counts.certificates,
        "certificate_signatures": counts.certificate_signatures,
        "certificates_beyond_checkpoint": counts.certificates_beyond.whole,
        "certificates_incomplete_tail": counts.certificates_beyond.incomplete_tail,
        "cosignatures": cosigned.as_ref().map(|cosigned| json!({
            "published": cosigned.published,
            "records": cosigned.records,
            "sizes": cosigned.sizes,
            "beyond_checkpoint": cosigned.beyond,
            "incomplete_tail": cosigned.incomplete_tail,
        })),
        "older_files": outcome.older.as_ref().map(|older| json!({
            "read": older.read,
            "compared": older.compared,
            "beyond_checkpoint": older.beyond,
            "unknown": older.unknown,
            "first_unknown": older.names,
        })),
        "seconds": outcome.seconds,
        "entries_per_second": per_second(outcome),
        "fault": fault_json(result),
    })
}

fn fault_json(result: &Result<(), Failure>) -> Value {
    match result {
        Ok(()) => Value::Null,
        Err(Failure::Trouble(trouble)) => json!({ "what": trouble.to_string() }),
        Err(Failure::Fault(fault)) => json!({
            "what": fault.to_string(),
            "entry": fault.entry().map(|index| index.0),
            "height": fault.height().map(|height| height.0),
            "file": fault.file(),
        }),
    }
}

fn per_second(outcome: &Outcome) -> Option<f64> {
    // Counts this small have an exact float; the rate is for people to read.
    let entries = u32::try_from(outcome.entries).ok().map(f64::from)?;
    (outcome.seconds > 0.0).then(|| (entries / outcome.seconds).round())
}

fn print_text(
    out: &mut impl Write,
    outcome: &Outcome,
    result: &Result<(), Failure>,
) -> std::io::Result<()> {
    match result {
        Ok(()) => writeln!(out, "Everything holds.")?,
        Err(Failure::Fault(fault)) => writeln!(out, "THE LEDGER DOES NOT HOLD: {fault}")?,
        Err(Failure::Trouble(trouble)) => writeln!(out, "No verdict: {trouble}")?,
    }
    let Some(facts) = &outcome.facts else {
        return Ok(());
    };
    print_facts(out, facts)?;
    print_counts(out, outcome, facts.height)?;
    print_cosigned(out, outcome.cosigned.as_ref())?;
    print_older(out, outcome.older.as_ref())?;
    if let Some(root) = &facts.state_root {
        writeln!(out, "  state root    {root}")?;
    }
    let rate =
        per_second(outcome).map_or(String::new(), |rate| format!(", {rate} entries a second"));
    writeln!(out, "  took          {:.2} s{rate}", outcome.seconds)
}

fn print_facts(out: &mut impl Write, facts: &Facts) -> std::io::Result<()> {
    writeln!(out, "  log           {}", facts.origin)?;
    writeln!(out, "  genesis       {}", facts.genesis)?;
    writeln!(
        out,
        "  checkpoint    {} entries, root {}",
        facts.size, facts.root
    )?;
    writeln!(
        out,
        "                signed by {} log key{}, cosigned by {} of {} validators (quorum {})",
        facts.log_keys,
        if facts.log_keys == 1 { "" } else { "s" },
        facts.cosigners.len(),
        facts.validators,
        facts.quorum
    )?;
    writeln!(out, "  policy        {}", facts.policy)
}

fn print_counts(
    out: &mut impl Write,
    outcome: &Outcome,
    height: Option<u64>,
) -> std::io::Result<()> {
    let counts = &outcome.counts;
    let height = height.map_or("none".to_owned(), |height| height.to_string());
    writeln!(
        out,
        "  checked       {} entries in {} blocks, up to height {height}",
        outcome.entries, counts.blocks
    )?;
    writeln!(
        out,
        "  events        {}, with {} signatures",
        counts.events, counts.event_signatures
    )?;
    for (kind, count) in &counts.by_kind {
        writeln!(out, "                {count:>8} {kind}")?;
    }
    let (permitted, denied) = counts.accesses.totals();
    if permitted + denied > 0 {
        writeln!(
            out,
            "  access        {permitted} permitted, {denied} denied"
        )?;
    }
    writeln!(
        out,
        "  certificates  {}, with {} signatures",
        counts.certificates, counts.certificate_signatures
    )?;
    if counts.certificates_beyond.whole > 0 {
        writeln!(
            out,
            "                and {} beyond the checkpoint, whose blocks were not checked",
            counts.certificates_beyond.whole
        )?;
    }
    if counts.certificates_beyond.incomplete_tail {
        writeln!(out, "                {INCOMPLETE_TAIL}")?;
    }
    Ok(())
}

fn print_cosigned(out: &mut impl Write, cosigned: Option<&Cosigned>) -> std::io::Result<()> {
    match cosigned {
        Some(found) if found.published => {
            writeln!(
                out,
                "  cosignatures  {} of {} sizes",
                found.records, found.sizes
            )?;
            if found.incomplete_tail {
                writeln!(out, "                {INCOMPLETE_TAIL}")?;
            }
            Ok(())
        }
        Some(_) => writeln!(
            out,
            "  cosignatures  not published beside the checkpoint's own"
        ),
        None => writeln!(out, "  cosignatures  not looked at"),
    }
}

fn print_older(out: &mut impl Write, older: Option<&Older>) -> std::io::Result<()> {
    let found = match older {
        Some(found) if found.read => found,
        Some(_) => {
            return writeln!(
                out,
                "  older files   not read: an address does not say which partial bundles and tiles it has"
            );
        }
        None => return writeln!(out, "  older files   not looked at"),
    };
    writeln!(
        out,
        "  older files   {} partial bundles and tiles agree with the newest",
        found.compared
    )?;
    if found.beyond > 0 {
        writeln!(
            out,
            "                and {} beyond the checkpoint, which were not checked",
            found.beyond
        )?;
    }
    if found.unknown > 0 {
        writeln!(
            out,
            "                {} under tile/ that no log has, and nobody checked:",
            found.unknown
        )?;
    }
    for name in &found.names {
        writeln!(out, "                  {name}")?;
    }
    Ok(())
}
