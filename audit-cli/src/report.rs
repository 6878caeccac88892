//! What an audit tells: a few lines for people, or one JSON object for scripts.

use crate::fault::Failure;
use crate::state::AuditState;
use crate::verify::Outcome;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use medanchor_ledger::execute::View;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::policy::VerifiedCheckpoint;
use serde::Serialize;
use serde_json::{Value, json};

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
        println!("{}", text.unwrap_or_default());
    } else {
        print_text(outcome, result);
    }
    code
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

fn print_text(outcome: &Outcome, result: &Result<(), Failure>) {
    match result {
        Ok(()) => println!("Everything holds."),
        Err(Failure::Fault(fault)) => println!("THE LEDGER DOES NOT HOLD: {fault}"),
        Err(Failure::Trouble(trouble)) => println!("No verdict: {trouble}"),
    }
    let Some(facts) = &outcome.facts else { return };
    println!("  log           {}", facts.origin);
    println!("  genesis       {}", facts.genesis);
    println!(
        "  checkpoint    {} entries, root {}",
        facts.size, facts.root
    );
    println!(
        "                signed by {} log keys, cosigned by {} of {} validators (quorum {})",
        facts.log_keys,
        facts.cosigners.len(),
        facts.validators,
        facts.quorum
    );
    println!("  policy        {}", facts.policy);
    let counts = &outcome.counts;
    let height = facts
        .height
        .map_or("none".to_owned(), |height| height.to_string());
    println!(
        "  checked       {} entries in {} blocks, up to height {height}",
        outcome.entries, counts.blocks
    );
    println!(
        "  events        {}, with {} signatures",
        counts.events, counts.event_signatures
    );
    for (kind, count) in &counts.by_kind {
        println!("                {count:>8} {kind}");
    }
    let (permitted, denied) = counts.accesses.totals();
    if permitted + denied > 0 {
        println!("  access        {permitted} permitted, {denied} denied");
    }
    println!(
        "  certificates  {}, with {} signatures",
        counts.certificates, counts.certificate_signatures
    );
    if counts.certificates_beyond.whole > 0 {
        println!(
            "                and {} beyond the checkpoint, whose blocks were not checked",
            counts.certificates_beyond.whole
        );
    }
    if counts.certificates_beyond.incomplete_tail {
        println!("                {INCOMPLETE_TAIL}");
    }
    match &outcome.cosigned {
        Some(found) if found.published => {
            println!("  cosignatures  {} of {} sizes", found.records, found.sizes);
            if found.incomplete_tail {
                println!("                {INCOMPLETE_TAIL}");
            }
        }
        Some(_) => println!("  cosignatures  not published beside the checkpoint's own"),
        None => println!("  cosignatures  not looked at"),
    }
    if let Some(root) = &facts.state_root {
        println!("  state root    {root}");
    }
    let rate =
        per_second(outcome).map_or(String::new(), |rate| format!(", {rate} entries a second"));
    println!("  took          {:.2} s{rate}", outcome.seconds);
}
