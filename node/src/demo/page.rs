//! The demo's last page, for a person on the terminal.

use super::books::Refused;
use super::cast::CAST;
use super::claims::tally;
use super::summary::{Claim, Sizes, Summary, Times};
use std::collections::BTreeMap;
use std::fmt::Write;

impl Summary {
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
        self.record_in_custody(page)?;
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

    fn record_in_custody(&self, page: &mut String) -> std::fmt::Result {
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
        let emergency = &self.emergency;
        writeln!(
            page,
            "  With every custodian out of reach {} opened it by its emergency key: entry {} of its journal,",
            emergency.owner, emergency.entry
        )?;
        writeln!(
            page,
            "  anchored afterwards, and in the patient's list as an access of which the time is not proved."
        )?;
        let erasure = &self.erasure;
        writeln!(
            page,
            "  Then it was erased: {} confirmed, {}'s consent stands and it was refused: {}.",
            erasure.confirmed.join(", "),
            erasure.reader,
            erasure.denied
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
