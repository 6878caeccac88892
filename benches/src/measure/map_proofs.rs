//! Proofs from the state map on disk: made and checked, from the disk and from memory, beside what the disk
//! alone takes for a page.

use super::state::pair;
use crate::report::{Budget, Section, percentile};
use anyhow::{Result, ensure};
use medanchor_ledger::state::{StateMap, StateProof};
use medanchor_store::measure::{forget_rows, open_rows, row_files};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

const MAKE: Budget = Budget::AtMost {
    must: 50.0,
    goal: 50.0,
};
const CHECK: Budget = Budget::AtMost {
    must: 100.0,
    goal: 100.0,
};
/// Proofs of a series, and pages that are read.
const COUNT: u32 = 2000;
const PAGE: u64 = 4096;
/// Spreads numbers over the keys and the pages.
const SPREAD: u64 = 2_654_435_761;

/// Adds the figures of proofs of a map of `keys` keys whose rows lie in `folder`, and of which the system
/// has none in memory.
pub fn measure(map: &StateMap, keys: u32, folder: &Path, section: &mut Section) -> Result<()> {
    prove(map, keys, 0, "the disk", section)?;
    let mut bare = read_bare(folder)?;
    let name = "a page from the disk and nothing else";
    section.add(format!("{name}, p50"), percentile(&mut bare, 0.5), "us");
    section.add(format!("{name}, p99"), percentile(&mut bare, 0.99), "us");
    read_pages(folder)?;
    prove(map, keys, 1, "memory", section)
}

/// Keys all over the map, every second one absent; each in a bucket that hardly anybody asked for before.
/// Another series is of other keys.
fn prove(
    map: &StateMap,
    keys: u32,
    series: u64,
    whence: &str,
    section: &mut Section,
) -> Result<()> {
    let (mut makes, mut checks, mut bytes) = (Vec::new(), Vec::new(), 0);
    for number in 0..COUNT {
        let place = u64::from(number) + u64::from(COUNT) * series;
        let known = u32::try_from(place * SPREAD % u64::from(keys))?;
        let absent = number % 2 != 0;
        let (path, value) = pair(if absent { known + keys } else { known })?;
        let start = Instant::now();
        let proof = map.prove(&path)?.encode();
        makes.push(start.elapsed().as_secs_f64() * 1e6);
        let value = Some(value).filter(|_| !absent);
        let start = Instant::now();
        let read = StateProof::decode(&proof)?;
        let verdict = read.verify(&map.root(), &path, value.as_deref());
        checks.push(start.elapsed().as_secs_f64() * 1e6);
        ensure!(verdict.is_ok(), "a proof proves nothing");
        bytes += proof.len();
    }
    for (what, mut times, budget) in [("make", makes, MAKE), ("check", checks, CHECK)] {
        let name = format!("a proof from {whence}, to {what}");
        let mean = times.iter().sum::<f64>() / f64::from(COUNT);
        section.add_with(format!("{name}: mean"), mean, "us", budget);
        section.add(format!("{name}: p50"), percentile(&mut times, 0.5), "us");
        section.add(format!("{name}: p99"), percentile(&mut times, 0.99), "us");
    }
    section.add(
        format!("a proof from {whence} has"),
        bytes as f64 / f64::from(COUNT),
        "bytes",
    );
    Ok(())
}

/// What the disk takes for a page that the system does not have: what a proof takes beside it is ours.
fn read_bare(folder: &Path) -> Result<Vec<f64>> {
    forget_rows(folder)?;
    let mut files = Vec::new();
    for path in row_files(folder)? {
        let file = open_rows(&path)?;
        let pages = file.metadata()?.len() / PAGE;
        files.push((file, pages.max(1)));
    }
    let mut page = [0; PAGE as usize];
    let read = |number: u64| -> Result<f64> {
        let spread = number * SPREAD;
        let (file, pages) = &files[usize::try_from(spread)? % files.len()];
        let start = Instant::now();
        file.read_at(&mut page, spread / 7 % pages * PAGE)?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    };
    (0..u64::from(COUNT)).map(read).collect()
}

/// Makes the system hold every row in memory.
fn read_pages(folder: &Path) -> Result<()> {
    for path in row_files(folder)? {
        std::io::copy(&mut File::open(path)?, &mut std::io::sink())?;
    }
    Ok(())
}
