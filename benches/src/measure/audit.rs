//! Audit rates over the log that was just produced: hashes only, and everything.

use crate::process::{children_cpu_seconds, cpu_seconds};
use crate::report::{Budget, Section};
use anyhow::{Context, Result, ensure};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::merkle::{Frontier, leaf_hash};
use medanchor_ledger::note::Note;
use medanchor_ledger::{Size, TreeHash};
use medanchor_store::LogReader;
use medanchor_tests::network::Network;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const FULL: Budget = Budget::AtLeast {
    must: 40_000.0,
    goal: 60_000.0,
};
const HASHES: Budget = Budget::AtLeast {
    must: 1.5e6,
    goal: 2.5e6,
};

/// How often the hashes are computed: system clocks tick a hundred times a second.
const HASH_ROUNDS: u32 = 5;

/// Audits the first node's published log.
pub fn measure(network: &Network, cores: usize) -> Result<Section> {
    let folder = network.node(0).home.log();
    let log = LogReader::new(&folder);
    let head = head(&log)?;
    let title = format!("Audit of {} entries", head.size);
    let workload = "the published files of one node, in the page cache; in full: every hash, signature, certificate, rule and seal; hashes only: every entry and the root";
    let mut section = Section::new(title, workload);
    let size = head.size.0 as f64;
    let own = || cpu_seconds(std::process::id()).unwrap_or_default();
    let (start, before) = (Instant::now(), own());
    for _ in 0..HASH_ROUNDS {
        ensure!(root(&log, head.size, cores)? == head.root, "another root");
    }
    let hashed = size * f64::from(HASH_ROUNDS);
    let (wall, cpu) = (start.elapsed().as_secs_f64(), own() - before);
    let name = "hashes only, a core (by CPU time)";
    section.add_with(name, hashed / cpu.max(0.01), "entries/s", HASHES);
    let name = format!("hashes only, {cores} cores");
    section.add(name, hashed / wall, "entries/s");
    let (wall, cpu) = full(&folder)?;
    section.add_with(
        "in full, a core (by CPU time)",
        size / cpu,
        "entries/s",
        FULL,
    );
    section.add(format!("in full, {cores} cores"), size / wall, "entries/s");
    Ok(section)
}

fn head(log: &LogReader) -> Result<Checkpoint> {
    let note = Note::parse(&log.checkpoint()?.context("no checkpoint is published")?)?;
    Ok(note.text().parse::<Checkpoint>()?)
}

/// The root over all entries, their leaf hashes computed by `threads` threads.
fn root(log: &LogReader, size: Size, threads: usize) -> Result<TreeHash> {
    let bundles: Vec<BundleId> = BundleId::grown(Size(0), size).collect();
    let share = bundles.len().div_ceil(threads.max(1)).max(1);
    let leaves = std::thread::scope(|scope| {
        let parts: Vec<_> = bundles
            .chunks(share)
            .map(|part| scope.spawn(|| leaves(log, part)))
            .collect();
        let joined = parts.into_iter().map(|part| part.join().ok());
        joined.collect::<Option<Result<Vec<_>>>>()
    });
    let mut frontier = Frontier::new();
    for leaf in leaves.context("a thread panicked")??.into_iter().flatten() {
        frontier.append(leaf);
    }
    Ok(frontier.root())
}

fn leaves(log: &LogReader, bundles: &[BundleId]) -> Result<Vec<TreeHash>> {
    let mut leaves = Vec::with_capacity(bundles.len() * 256);
    for bundle in bundles {
        log.entries(*bundle, |entries| {
            leaves.extend(entries.iter().map(|entry| leaf_hash(entry)));
        })?;
    }
    Ok(leaves)
}

/// Wall and CPU seconds of `medanchor-audit verify`.
fn full(folder: &Path) -> Result<(f64, f64)> {
    let before = children_cpu_seconds().unwrap_or_default();
    let start = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .args(["audit", "verify"])
        .arg(folder)
        .arg("--json")
        .output()?;
    let wall = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "the audit fails: {said}");
    let cpu = children_cpu_seconds().unwrap_or_default() - before;
    Ok((wall, cpu))
}
