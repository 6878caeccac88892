//! What is printed.

use super::{Anchored, Found, evidence};
use crate::EXIT_FAILED;
use crate::fault::Failure;
use medanchor_ledger::Size;
use serde_json::{Value, json};
use std::io::{Result, Write};

/// What was found of every log that was given.
pub(super) struct Report {
    pub(super) origin: String,
    pub(super) size: Size,
    pub(super) found: Vec<Found>,
}

impl Report {
    pub(super) fn print(&self, as_json: bool, out: &mut impl Write) -> Result<()> {
        if as_json {
            return writeln!(out, "{}", self.json());
        }
        let (origin, size) = (&self.origin, self.size);
        writeln!(out, "Releases held against {origin}, {size} entries")?;
        self.found.iter().try_for_each(|found| found.print(out))
    }

    fn json(&self) -> Value {
        let good = self.found.iter().all(Found::is_good);
        let custodians: Vec<Value> = self.found.iter().map(Found::json).collect();
        json!({
            "verdict": if good { "good" } else { "bad" },
            "origin": self.origin,
            "size": self.size.0,
            "custodians": custodians,
        })
    }
}

impl Found {
    fn print(&self, out: &mut impl Write) -> Result<()> {
        let (size, anchored) = (self.size, self.anchored());
        writeln!(
            out,
            "{}: {size} releases, {anchored} of them anchored",
            self.custodian
        )?;
        for other in &self.other_roots {
            writeln!(
                out,
                "  OTHER LOG: entry {} of the ledger anchors {} releases with another root than these have",
                other.at, other.size
            )?;
        }
        if let Some(newest) = self.beyond.iter().max_by_key(|anchored| anchored.size) {
            writeln!(
                out,
                "  NOT ALL: the ledger anchors {} releases (entry {}), FILE has {size}: fetch it again; if it still ends there, the custodian withholds the rest",
                newest.size, newest.at
            )?;
        }
        for finding in &self.outside {
            let released = &finding.released;
            write!(
                out,
                "  NO ACCESS: release {} of record {}, version {}, of {} at {}, for request {}: {}",
                finding.place,
                released.record.record.record,
                released.record.record.version,
                released.record.owner,
                released.time,
                released.request,
                finding.why.as_str()
            )?;
            match finding.entry {
                Some(entry) => writeln!(out, " (entry {entry} of the ledger)")?,
                None => writeln!(out)?,
            }
            if let Some(path) = self.evidence.get(&finding.place) {
                writeln!(out, "    evidence  {}", path.display())?;
            }
        }
        if self.left_out > 0 {
            let (left_out, most) = (self.left_out, evidence::MOST);
            writeln!(
                out,
                "  LEFT OUT: {left_out} more releases have no file of evidence, since {most} against one custodian are enough"
            )?;
        }
        match self.is_good() {
            true => writeln!(out, "  every release has its permitted access"),
            false => Ok(()),
        }
    }

    fn json(&self) -> Value {
        let anchored = |one: &Anchored| json!({ "entry": one.at.0, "size": one.size.0 });
        let other_roots = self.other_roots.iter().map(anchored);
        let beyond = self.beyond.iter().map(anchored);
        let outside = self.outside.iter().map(|finding| {
            let released = &finding.released;
            let evidence = self.evidence.get(&finding.place);
            json!({
                "place": finding.place.0,
                "request": released.request.to_string(),
                "owner": released.record.owner.to_string(),
                "record": released.record.record.record.to_string(),
                "version": released.record.record.version,
                "time": released.time.0,
                "why": finding.why.as_str(),
                "entry": finding.entry.map(|entry| entry.0),
                "evidence": evidence.map(|path| path.display().to_string()),
            })
        });
        json!({
            "custodian": self.custodian.to_string(),
            "releases": self.size.0,
            "anchored": self.anchored().0,
            "other_roots": other_roots.collect::<Vec<_>>(),
            "beyond_file": beyond.collect::<Vec<_>>(),
            "without_access": outside.collect::<Vec<_>>(),
            "left_out": self.left_out,
        })
    }
}

/// That there is no verdict, or that the ledger does not hold.
pub(super) fn failed(code: u8, failure: &Failure) -> Value {
    let verdict = if code == EXIT_FAILED { "bad" } else { "none" };
    json!({ "verdict": verdict, "fault": failure.to_string() })
}
