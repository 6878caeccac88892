//! What a node needs on disk, and how long it takes to come back after a kill.

use crate::process::bytes_by_entry;
use crate::report::{Budget, Section};
use anyhow::{Context, Result};
use medanchor_tests::network::Network;
use std::path::Path;
use std::time::Instant;

/// How often the node is killed and started again.
const RESTARTS: usize = 3;
const RESTART: Budget = Budget::AtMost {
    must: 2.0,
    goal: 0.5,
};

/// Disk and restart time of the first node of a network that was under load.
pub fn measure(network: &mut Network) -> Result<Section> {
    let size = network.client(0).status()?.size;
    let title = format!("Disk and restart at {size} entries");
    let workload = "allocated blocks of the node's home; kill -9, start, until /ready answers 200";
    let mut section = Section::new(title, workload);
    let home = network.node(0).home.clone();
    add_folder(&mut section, "data", &home.data(), size);
    add_folder(&mut section, "log", &home.log(), size);
    let mut slowest: f64 = 0.0;
    for _ in 0..RESTARTS {
        network.kill(0);
        let start = Instant::now();
        network.restart(0)?;
        network
            .wait_until_node_is_ready(0)
            .context("after a kill")?;
        slowest = slowest.max(start.elapsed().as_secs_f64());
    }
    let name = format!("restart after kill -9, slowest of {RESTARTS}");
    section.add_with(name, slowest, "s", RESTART);
    Ok(section)
}

fn add_folder(section: &mut Section, name: &str, folder: &Path, size: u64) {
    let entries = bytes_by_entry(folder);
    let each = |bytes: u64| bytes as f64 / size.max(1) as f64;
    let total = entries.values().sum();
    section.add(format!("{name}/"), each(total), "bytes/entry");
    for (entry, bytes) in entries {
        section.add(format!("  {name}/{entry}"), each(bytes), "bytes/entry");
    }
}
