//! The demo's last page: for a person on the terminal, for a script in `summary.json`.
//!
//! What always holds: the demo succeeded if and only if every claim of the summary held.

use super::audit::{Audit, Flip};
use super::books::{Books, Refused};
use super::cast::CAST;
use super::claims::tally;
use super::custody::Custody;
use super::scenes::{Decisions, Denial, Race};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Something that the demo shows, and whether it held.
#[derive(Serialize)]
pub struct Claim {
    /// In words.
    pub claim: &'static str,
    /// Whether it held.
    pub held: bool,
    /// What was seen.
    pub seen: String,
}

/// A node of the network.
#[derive(Serialize)]
pub struct Node {
    /// Whose it is.
    pub institution: String,
    /// Where it serves.
    pub url: String,
}

/// An institution of the network.
#[derive(Serialize)]
pub struct Member {
    /// Its name.
    pub institution: &'static str,
    /// What it does, in a word or two.
    pub role: &'static str,
    /// Whether it runs a validator of its own.
    pub validator: bool,
    /// Whose node it posts at: its own if it has one.
    pub posts_at: &'static str,
    /// Where that node serves.
    pub url: String,
}

/// What was read and what became of it.
#[derive(Serialize)]
pub struct Read {
    /// The folder or file.
    pub path: String,
    /// Files seen: those with items and those without.
    pub files: usize,
    /// Files with something that can be anchored.
    pub files_with_items: usize,
    /// Files with nothing that can be anchored; each is listed with a reason.
    pub files_without: usize,
    /// What can be anchored: what is anchored, what the ledger refused, what was left out.
    pub items: usize,
    /// Items that are anchored.
    pub anchored: usize,
    /// Items that the ledger refused; each is listed.
    pub refused_items: usize,
    /// Items that were left out when it was planned who anchors what; each is listed.
    pub left_out_items: usize,
    /// Other places in the files that hold nothing to anchor, whole files among them; each is listed.
    pub left_out_places: usize,
    /// What was left out and why: the items and the other places.
    pub left_out: Vec<Refused>,
    /// What the ledger refused, and by which rule.
    pub refused: Vec<Refused>,
}

/// A validator that lost power and came back.
#[derive(Serialize)]
pub struct Crash {
    /// Whose node.
    pub institution: String,
    /// Events with receipts before.
    pub events_before: usize,
    /// Events that got receipts while it was away.
    pub events_while_away: usize,
    /// Seconds from its restart until it had all of them.
    pub caught_up_in_seconds: f64,
    /// How many of all anchored events it serves.
    pub events_found: usize,
}

/// How long things took, in seconds.
#[derive(Serialize)]
pub struct Times {
    /// Keys, homes and four processes.
    pub founding: f64,
    /// Sealing, signing, ordering, receipts, a crash included.
    pub anchoring: f64,
    /// All of it.
    pub total: f64,
}

/// How much room things take, in bytes.
#[derive(Serialize)]
pub struct Sizes {
    /// All events.
    pub events: u64,
    /// All receipts.
    pub receipts: u64,
    /// The published log of one node.
    pub log: u64,
}

/// Everything that the demo has to say.
#[derive(Serialize)]
pub struct Summary {
    /// The folder of the network.
    pub folder: String,
    /// Its origin line.
    pub origin: String,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// All that take part, those without a node too.
    pub institutions: Vec<Member>,
    /// The input.
    pub input: Read,
    /// Events by institution and type.
    pub anchored: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Events with a receipt.
    pub events: usize,
    /// The race of two pharmacies.
    pub race: Race,
    /// Reads under consent, by decision.
    pub reads: Decisions,
    /// The read without consent.
    pub denial: Denial,
    /// The record in custody.
    pub custody: Custody,
    /// The crash.
    pub crash: Crash,
    /// The audit of one node's files.
    pub audit: Audit,
    /// Where one bit of a copy was flipped.
    pub flipped: Flip,
    /// The audit of that copy.
    pub audit_of_damaged_copy: Audit,
    /// Durations.
    pub times: Times,
    /// Sizes.
    pub sizes: Sizes,
    /// What all this shows.
    pub claims: Vec<Claim>,
}

impl Summary {
    /// Whether every claim held.
    pub fn held(&self) -> bool {
        self.claims.iter().all(|claim| claim.held)
    }

    /// Events by institution and type, with words for keys.
    pub fn counts(books: &Books) -> BTreeMap<String, BTreeMap<&'static str, u64>> {
        let words = |kinds: &BTreeMap<medanchor_ledger::event::EventKind, u64>| {
            kinds
                .iter()
                .map(|(kind, count)| (kind.name(), *count))
                .collect()
        };
        books
            .anchored
            .iter()
            .map(|(name, kinds)| (name.to_string(), words(kinds)))
            .collect()
    }

    /// Writes `summary.json`.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        std::fs::write(path, serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }

    /// The page for the terminal.
    pub fn page(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        self.ledger(&mut page)?;
        self.input_part(&mut page)?;
        self.story(&mut page)?;
        self.claims_part(&mut page)?;
        self.look_around(&mut page)?;
        Ok(page)
    }

    fn ledger(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\nWHAT WAS ANCHORED WHERE\n")?;
        for player in &CAST {
            let Some(kinds) = self.anchored.get(player.name) else {
                continue;
            };
            let total: u64 = kinds.values().sum();
            writeln!(
                page,
                "  {:<20} {:<12} {total:>6} events at {}'s node",
                player.name,
                player.role(),
                player.posts_at
            )?;
            for (kind, count) in kinds {
                writeln!(page, "      {count:>6} {kind}")?;
            }
        }
        let Sizes {
            events,
            receipts,
            log,
        } = self.sizes;
        let count = (self.events as u64).max(1);
        writeln!(
            page,
            "\n  {} events, {} bytes each; {} bytes a receipt; published log {} KiB",
            self.events,
            events / count,
            receipts / count,
            log / 1024
        )?;
        let Times {
            founding,
            anchoring,
            total,
        } = self.times;
        writeln!(
            page,
            "  network founded in {founding:.1} s, input anchored in {anchoring:.1} s, all of this in {total:.1} s"
        )
    }

    fn input_part(&self, page: &mut String) -> std::fmt::Result {
        let input = &self.input;
        writeln!(page, "\nWHAT THE INPUT GAVE\n")?;
        writeln!(
            page,
            "  {:>6} files: {} with something to anchor, {} with nothing",
            input.files, input.files_with_items, input.files_without
        )?;
        writeln!(
            page,
            "  {:>6} items to anchor: {} anchored, {} refused by the ledger, {} left out",
            input.items, input.anchored, input.refused_items, input.left_out_items
        )?;
        writeln!(
            page,
            "  {:>6} other places in the files hold nothing to anchor",
            input.left_out_places
        )?;
        reasons(page, "What was left out, and why", &input.left_out)?;
        reasons(page, "What the ledger refused, by rule", &input.refused)
    }

    fn story(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\nWHAT THE NETWORK IS FOR\n")?;
        let race = &self.race;
        writeln!(
            page,
            "  Two pharmacies redeemed one prescription at the same moment, at two nodes. {} won (entry {});",
            race.winner, race.winning_index
        )?;
        writeln!(
            page,
            "  {} was refused by {} and shown the winner's receipt (receipts/{}….tlog-proof).",
            race.loser,
            race.rule,
            short(&race.winning_event)
        )?;
        writeln!(page, "  Reads under consent: {}.", tally(&self.reads))?;
        let denial = &self.denial;
        writeln!(
            page,
            "  {} asked for a record of {} without consent: {}, recorded as entry {}.",
            denial.reader, denial.owner, denial.decision, denial.index
        )?;
        let custody = &self.custody;
        writeln!(
            page,
            "  A record's key is shared over {}, {} of which open it with its owner.",
            custody.custodians.join(", "),
            custody.threshold
        )?;
        writeln!(
            page,
            "  {} read it under a consent while {} was away; {}, without one, was refused: {}.",
            custody.reader, custody.away, custody.stranger, custody.denied
        )?;
        let crash = &self.crash;
        writeln!(
            page,
            "  {}'s validator lost power after {} events; {} more were anchored without it;",
            crash.institution, crash.events_before, crash.events_while_away
        )?;
        writeln!(
            page,
            "  it came back and had caught up {:.2} s after its restart.",
            crash.caught_up_in_seconds
        )
    }

    fn claims_part(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\nWHAT HELD\n")?;
        for Claim { claim, held, seen } in &self.claims {
            let mark = if *held { "✓" } else { "✗ DID NOT HOLD:" };
            writeln!(page, "  {mark} {claim}\n      {seen}")?;
        }
        let (claims, held) = (
            self.claims.len(),
            self.claims.iter().filter(|claim| claim.held).count(),
        );
        writeln!(page, "\n  {held} of {claims} claims held.")
    }

    fn look_around(&self, page: &mut String) -> std::fmt::Result {
        let folder = &self.folder;
        writeln!(page, "\nLOOK AROUND IN {folder}\n")?;
        writeln!(
            page,
            "  summary.json         all of this, and every reason with its place in the input"
        )?;
        writeln!(
            page,
            "  receipts/            {} receipts, each with its event beside it",
            self.events
        )?;
        writeln!(
            page,
            "  policy               whose signatures count: all that checking a receipt takes"
        )?;
        writeln!(
            page,
            "  north-hospital/log/  the ledger as one node publishes it"
        )?;
        let race = &self.race.winning_event;
        let program = std::env::current_exe().map_or_else(
            |_| "medanchor".to_owned(),
            |program| program.display().to_string(),
        );
        writeln!(
            page,
            "\n  Check the winner's receipt, and the whole ledger, yourself:\n\n    \
             cd {folder}\n    \
             {program} audit receipt receipts/{race}.tlog-proof \\\n        \
             --event receipts/{race}.event --policy policy\n    \
             {program} audit verify north-hospital"
        )
    }
}

/// Counts refusals by reason.
fn reasons(page: &mut String, title: &str, refused: &[Refused]) -> std::fmt::Result {
    if refused.is_empty() {
        return Ok(());
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in refused {
        *counts.entry(&one.reason).or_default() += 1;
    }
    writeln!(
        page,
        "\n  {title} ({} in all; summary.json says where):",
        refused.len()
    )?;
    let mut counts: Vec<_> = counts.into_iter().collect();
    // The sort is stable: of equal counts, the reasons stay in order.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in counts {
        writeln!(page, "      {count:>6} {reason}")?;
    }
    Ok(())
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
