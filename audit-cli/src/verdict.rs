//! What `verify` tells: a few lines for people, or one JSON object for scripts.

use crate::cli::VerifyArgs;
use crate::cosigned::Cosigned;
use crate::fault::Failure;
use crate::older::Older;
use crate::opened::Log;
use crate::output;
use crate::state::AuditState;
use crate::tier::{Tier, WHOLE_TREE};
use crate::verify::Outcome;
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE};
use medanchor_ledger::execute::View;
use medanchor_ledger::seal::Seal;
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
    pub(crate) fn of(log: &Log) -> Self {
        let (head, checkpoint) = (log.head(), &log.checkpoint);
        let cosigners = checkpoint.cosigners().iter();
        let (validators, quorum) = log.validators();
        Self {
            origin: head.origin.to_string(),
            genesis: log.genesis.hash().to_string(),
            policy: checkpoint.policy().to_string(),
            size: head.size.0,
            root: head.root.to_string(),
            log_keys: checkpoint.logs().len(),
            cosigners: cosigners
                .map(|cosigner| cosigner.key.name().to_string())
                .collect(),
            validators,
            quorum,
            ..Self::default()
        }
    }

    /// Notes the state after the last block that holds; how many entries the log has there.
    pub(crate) fn reached(&mut self, state: &AuditState) -> u64 {
        let view = state.view();
        self.height = Some(view.head().height.0);
        self.time = Some(view.head().time.0);
        self.state_root = Some(view.map().root().to_string());
        view.head().frontier.size().0
    }

    /// Notes the last seal that holds, but for its state root, which nobody computed.
    pub(crate) fn sealed(&mut self, seal: &Seal) {
        self.height = Some(seal.height.0);
        self.time = Some(seal.time.0);
    }
}

/// What is said of a file that a running node was appending to.
const INCOMPLETE_TAIL: &str =
    "the file ends with a part of a record, as a running node leaves it; the checkpoint needs none";

/// What was checked and what was not.
struct Scope {
    tier: Tier,
    checked: Vec<String>,
    not_checked: Vec<String>,
}

impl Scope {
    fn of(args: &VerifyArgs, outcome: &Outcome, result: &Result<(), Failure>) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let tier = args.tier;
        let mut scope = Self {
            tier,
            checked: Vec::new(),
            not_checked: texts(tier.leaves_out()),
        };
        if let Some(size) = outcome.on_its_way {
            scope.not_checked.push(format!(
                "entries beyond the checkpoint: this is a mirror that was interrupted on its way to {size} of them"
            ));
        }
        if result.is_err() {
            let rest = "whatever comes after the place at which the audit ended";
            scope.not_checked.insert(0, rest.to_owned());
            return scope;
        }
        scope.checked = tier.checks().map(str::to_owned).collect();
        if args.until.is_some() {
            // The tiles' proof stands in for the tiles that were not read.
            let proved = "the log up to that height is the beginning of the checkpoint's, by a consistency proof";
            scope.checked.push(proved.to_owned());
            scope.checked.retain(|text| text != WHOLE_TREE);
        }
        if args.replay.trust.policy.is_some() {
            let given = "the checkpoint meets the policy file that was given";
            scope.checked.insert(2, given.to_owned());
        }
        if args.replay.trust.genesis.is_some() {
            let given = "the genesis file is the one that was given";
            scope.checked.insert(1, given.to_owned());
        }
        match args.until {
            Some(height) => scope.not_checked.extend([
                format!(
                    "the entries after height {height}, but for their hashes above it in the tiles"
                ),
                "kept cosignatures, and older bundles and tiles".to_owned(),
            ]),
            None => scope.kept(outcome),
        }
        scope
    }

    /// What depends on what the log has beside entries and tiles.
    fn kept(&mut self, outcome: &Outcome) {
        match &outcome.cosigned {
            Some(found) if found.published => self.checked.push(
                "every kept cosignature holds, for a block's end and the root that the entries have there"
                    .to_owned(),
            ),
            Some(_) => self
                .not_checked
                .push("cosignatures beside the checkpoint's own: none are published".to_owned()),
            None => {}
        }
        match &outcome.older {
            Some(found) if found.read => self.checked.push(
                "every older partial bundle and tile begins as the newest one does".to_owned(),
            ),
            _ => self.not_checked.push(
                "older partial bundles and tiles: an address does not say which it has".to_owned(),
            ),
        }
        let beyond = outcome.counts.certificates_beyond.whole;
        if beyond > 0 {
            self.not_checked.push(format!(
                "the blocks of {beyond} certificates beyond the checkpoint"
            ));
        }
    }
}

/// Prints the outcome and gives the exit code.
pub(crate) fn print(args: &VerifyArgs, outcome: &Outcome, result: &Result<(), Failure>) -> u8 {
    let scope = Scope::of(args, outcome, result);
    let (verdict, code) = match result {
        Ok(()) => ("good", EXIT_GOOD),
        Err(Failure::Fault(_)) => ("failed", EXIT_FAILED),
        Err(Failure::Trouble(_)) => ("unreadable", EXIT_UNREADABLE),
    };
    if args.json {
        // A value made of maps, texts and numbers always has a JSON text.
        let text = serde_json::to_string_pretty(&as_json(verdict, &scope, outcome, result));
        output::print(code, |out| writeln!(out, "{}", text.unwrap_or_default()))
    } else {
        output::print(code, |out| print_text(out, &scope, outcome, result))
    }
}

fn as_json(verdict: &str, scope: &Scope, outcome: &Outcome, result: &Result<(), Failure>) -> Value {
    let (counts, cosigned) = (&outcome.counts, &outcome.cosigned);
    let signatures = |count: u64| (scope.tier >= Tier::Signatures).then_some(count);
    json!({
        "verdict": verdict,
        "tier": scope.tier.name(),
        "checked": scope.checked,
        "not_checked": scope.not_checked,
        "log": outcome.facts,
        "entries": outcome.entries,
        "blocks": signatures(counts.blocks),
        "events": signatures(counts.events),
        "events_by_kind": counts.by_kind,
        "access": (scope.tier == Tier::Rules).then_some(&counts.accesses),
        "event_signatures": signatures(counts.event_signatures),
        "certificates": signatures(counts.certificates),
        "certificate_signatures": signatures(counts.certificate_signatures),
        "certificates_beyond_checkpoint": signatures(counts.certificates_beyond.whole),
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
    scope: &Scope,
    outcome: &Outcome,
    result: &Result<(), Failure>,
) -> std::io::Result<()> {
    match result {
        Ok(()) if scope.tier == Tier::Rules => writeln!(out, "Everything holds.")?,
        Ok(()) => writeln!(out, "All that tier {} checks holds.", scope.tier.name())?,
        Err(Failure::Fault(fault)) => writeln!(out, "THE LEDGER DOES NOT HOLD: {fault}")?,
        Err(Failure::Trouble(trouble)) => writeln!(out, "No verdict: {trouble}")?,
    }
    let Some(facts) = &outcome.facts else {
        return Ok(());
    };
    print_facts(out, facts)?;
    writeln!(out, "  read          {} entries", outcome.entries)?;
    if scope.tier >= Tier::Signatures {
        print_counts(out, outcome, facts.height)?;
        print_cosigned(out, outcome.cosigned.as_ref())?;
    }
    print_older(out, outcome.older.as_ref())?;
    if let Some(root) = &facts.state_root {
        writeln!(out, "  state root    {root}")?;
    }
    let rate =
        per_second(outcome).map_or(String::new(), |rate| format!(", {rate} entries a second"));
    writeln!(out, "  took          {:.2} s{rate}", outcome.seconds)?;
    print_scope(out, scope)
}

fn print_scope(out: &mut impl Write, scope: &Scope) -> std::io::Result<()> {
    if !scope.checked.is_empty() {
        writeln!(out, "Checked (tier {}):", scope.tier.name())?;
    }
    for text in &scope.checked {
        writeln!(out, "  + {text}")?;
    }
    writeln!(out, "Not checked:")?;
    for text in &scope.not_checked {
        writeln!(out, "  - {text}")?;
    }
    Ok(())
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
        "  blocks        {}, up to height {height}",
        counts.blocks
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
    match counts.accesses.broken() {
        0 => {}
        broken => writeln!(out, "                {broken} opened without a consent")?,
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
