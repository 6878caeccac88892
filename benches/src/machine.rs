//! The machine on which figures were measured.

use crate::report::percentile;
use anyhow::Result;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Writes whose time is measured.
const SYNCS: usize = 100;

/// What a reader needs in order to compare figures.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this program may use.
    pub cores: usize,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// The system.
    pub system: String,
    /// Load on the machine before anything was measured: runnable processes, mean of a minute.
    pub load: String,
    /// A write of 4 KiB and its sync in the folder used, milliseconds: median and 99th percentile.
    pub sync_ms: (f64, f64),
}

impl Machine {
    /// Looks at this machine and measures the disk under `dir`.
    pub fn look(dir: &Path) -> Result<Self> {
        Ok(Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or_default()
                / 1024,
            system: first_words("/proc/version", 3),
            load: first_words("/proc/loadavg", 1),
            sync_ms: sync_times(dir)?,
        })
    }

    /// Shows the machine.
    pub fn print(&self) {
        let (p50, p99) = self.sync_ms;
        println!(
            "{}, {} cores, {} MiB, {}; load before: {}",
            self.cpu, self.cores, self.memory_mib, self.system, self.load
        );
        println!("disk: 4 KiB written and synced in {p50:.2} ms (p50), {p99:.2} ms (p99)");
    }
}

/// The first line's value of `name` in a file of `name : value` lines.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_words(path: &str, count: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| "unknown".into());
    let words: Vec<&str> = text.split_whitespace().take(count).collect();
    words.join(" ")
}

fn sync_times(dir: &Path) -> Result<(f64, f64)> {
    let path = dir.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(path)?;
    Ok((percentile(&mut times, 0.5), percentile(&mut times, 0.99)))
}
