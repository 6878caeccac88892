//! Audit rates of a published log, by tier: by the auditor itself, as whoever downloads it runs it.

use super::built_log;
use crate::process::children_cpu_seconds;
use crate::report::{Budget, Section};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

const FULL: Budget = Budget::AtLeast {
    must: 40_000.0,
    goal: 60_000.0,
};
const HASHES: Budget = Budget::AtLeast {
    must: 1.5e6,
    goal: 2.5e6,
};

/// Each tier, what the design asks of it, and how often it is run: system clocks tick a hundred times a
/// second.
const TIERS: [(&str, Option<Budget>, u32); 3] = [
    ("hashes", Some(HASHES), 10),
    ("signatures", None, 3),
    ("rules", Some(FULL), 3),
];

/// Audits the log that is kept in `kept`, or in `dir`; makes one of `events` events if there is none.
pub fn measure_built(
    kept: Option<&Path>,
    dir: &Path,
    events: u64,
    cores: usize,
) -> Result<Section> {
    let temporary = dir.join("log");
    let folder = kept.unwrap_or(&temporary);
    if !folder.join("checkpoint").exists() {
        built_log::publish(folder, events)?;
    }
    measure(folder, cores)
}

/// Audits a published log.
pub fn measure(folder: &Path, cores: usize) -> Result<Section> {
    let mut figures = Vec::new();
    let mut entries = 0.0;
    for (tier, budget, rounds) in TIERS {
        let audits = Audits::run(folder, tier, rounds)?;
        entries = audits.entries / f64::from(rounds);
        figures.push((tier, budget, audits));
    }
    let workload = "published files in the page cache, read by `medanchor audit verify`; hashes: every entry and tile; signatures: certificates and events too; rules: all";
    let mut section = Section::new(format!("Audit of {entries} entries"), workload);
    for (tier, budget, audits) in figures {
        let Audits {
            entries,
            seconds,
            cpu,
        } = audits;
        let name = format!("{tier}, a core (by CPU time)");
        match budget {
            Some(budget) => section.add_with(name, entries / cpu, "entries/s", budget),
            None => section.add(name, entries / cpu, "entries/s"),
        };
        section.add(format!("{tier}, CPU"), cpu / entries * 1e6, "us/entry");
        section.add(
            format!("{tier}, {cores} cores"),
            entries / seconds,
            "entries/s",
        );
    }
    Ok(section)
}

/// Audits of one tier: how many entries they read together, how long they took, and their CPU.
struct Audits {
    entries: f64,
    seconds: f64,
    cpu: f64,
}

impl Audits {
    fn run(folder: &Path, tier: &str, rounds: u32) -> Result<Self> {
        let before = children_cpu_seconds().unwrap_or_default();
        let (mut entries, mut seconds) = (0.0, 0.0);
        for _ in 0..rounds {
            let report = audit(folder, tier)?;
            entries += report["entries"].as_f64().context("no entries")?;
            seconds += report["seconds"].as_f64().context("no seconds")?;
        }
        let cpu = children_cpu_seconds().unwrap_or_default() - before;
        Ok(Self {
            entries,
            seconds: seconds.max(0.001),
            cpu: cpu.max(0.01),
        })
    }
}

/// What one audit reports.
fn audit(folder: &Path, tier: &str) -> Result<serde_json::Value> {
    let output = Command::new(std::env::current_exe()?)
        .args(["audit", "verify", "--json", "--tier", tier])
        .arg(folder)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "the audit fails: {said}");
    Ok(serde_json::from_str(&said)?)
}
