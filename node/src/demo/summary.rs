//! What the demo has to say at its end: `summary.json` is all of it, for scripts; [`Summary::page`] puts it
//! into words.
//!
//! What always holds: the demo succeeded if and only if every claim of the summary held.

use super::audit::{Audit, Flip};
use super::books::{Books, Refused};
use super::custody::Custody;
use super::emergency::Emergency;
use super::erasure::Erasure;
use super::scenes::{Decisions, Denial, Race};
use serde::Serialize;
use std::collections::BTreeMap;
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
    /// That record, opened while custodians were out of reach.
    pub emergency: Emergency,
    /// That record's end.
    pub erasure: Erasure,
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
}
