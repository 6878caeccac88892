//! What is printed.

use super::Verdict;
use crate::EXIT_FAILED;
use crate::fault::Failure;
use crate::sample::words::utc;
use medanchor_ledger::Size;
use medanchor_ledger::slip::Slip;
use serde_json::{Value, json};
use std::io::{Result, Write};

/// What was found of every slip.
pub(super) struct Report {
    pub(super) origin: String,
    pub(super) size: Size,
    pub(super) found: Vec<(Slip, Verdict)>,
}

impl Report {
    pub(super) fn is_good(&self) -> bool {
        self.found.iter().all(|(_, verdict)| verdict.is_good())
    }

    pub(super) fn print(&self, as_json: bool, out: &mut impl Write) -> Result<()> {
        if as_json {
            return writeln!(out, "{}", self.json());
        }
        let (origin, size, count) = (&self.origin, self.size, self.found.len());
        writeln!(out, "{count} slips held against {origin}, {size} entries")?;
        for (slip, verdict) in &self.found {
            let (owner, counter) = (&slip.owner, slip.counter);
            writeln!(out, "{owner}, entry {counter}: {}", verdict.words())?;
            if !verdict.is_good() {
                writeln!(out, "  {slip}")?;
            }
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let found = self.found.iter().map(|(slip, verdict)| {
            json!({
                "owner": slip.owner.to_string(),
                "counter": slip.counter,
                "verdict": verdict.code(),
                "entry": verdict.place(),
                "slip": slip.to_string(),
            })
        });
        json!({
            "verdict": if self.is_good() { "good" } else { "bad" },
            "origin": self.origin,
            "size": self.size.0,
            "slips": found.collect::<Vec<_>>(),
        })
    }
}

impl Verdict {
    const fn code(self) -> &'static str {
        match self {
            Self::Anchored { .. } => "anchored",
            Self::Renumbered { .. } => "renumbered",
            Self::Other { .. } => "cut",
            Self::Lost { .. } => "lost",
            Self::Lacking { .. } => "lacking",
            Self::Unsigned => "unsigned",
            Self::OtherNetwork => "other-network",
        }
    }

    const fn place(self) -> Option<u64> {
        match self {
            Self::Anchored { at }
            | Self::Renumbered { at }
            | Self::Other { at }
            | Self::Lost { at } => Some(at.0),
            Self::Lacking { .. } | Self::Unsigned | Self::OtherNetwork => None,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Anchored { at } => format!("anchored, entry {at} of the ledger"),
            Self::Renumbered { at } => format!(
                "anchored under a later number, entry {at} of the ledger: the journal had parted, and was mended"
            ),
            Self::Other { at } => format!(
                "CUT: entry {at} of the ledger has another opening under this number, the institution signed both, and this one was found nowhere else. If it says that its journal was mended and the opening numbered anew, hold the slips of the entries before it against the ledger, too: with them it is found"
            ),
            Self::Lost { at } => format!(
                "LOST: the institution said in entry {at} of the ledger that it lost this entry of its journal"
            ),
            Self::Lacking {
                counter,
                stated: Some(stated),
            } => format!(
                "NOT ANCHORED: the journal has come to entry {counter}, last stated {}; if the slip is older than that, its entry was cut off, and the institution's signature proves it",
                utc(stated)
            ),
            Self::Lacking { stated: None, .. } => {
                "NOT ANCHORED: the institution has registered no emergency journal".into()
            }
            Self::Unsigned => {
                "NOT SIGNED: no key that the institution has or had signed this slip; it proves nothing".into()
            }
            Self::OtherNetwork => "of another network; it was held against nothing".into(),
        }
    }
}

/// That there is no verdict, or that the ledger does not hold.
pub(super) fn failed(code: u8, failure: &Failure) -> Value {
    let verdict = if code == EXIT_FAILED { "bad" } else { "none" };
    json!({ "verdict": verdict, "fault": failure.to_string() })
}
