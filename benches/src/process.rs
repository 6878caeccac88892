//! What processes and folders use, as the system tells it (Linux; elsewhere nothing is known).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// Clock ticks a second in `/proc/PID/stat`: 100 on every Linux.
const TICKS: f64 = 100.0;

/// CPU seconds that a process has used, in the program and in the kernel for it.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    // The 14th and 15th field: in the program, and in the kernel for it.
    times(&pid.to_string(), 11..13)
}

/// CPU seconds of a process's threads that are alive, by name; numbered ones (`verify-0`) are one.
pub fn cpu_seconds_by_thread(pid: u32) -> BTreeMap<String, f64> {
    let mut sum = BTreeMap::new();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let id = format!("{pid}/task/{}", task.file_name().to_string_lossy());
        let name = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        let numbered = |end: char| end.is_ascii_digit() || end == '-';
        let name = name.trim_end().trim_end_matches(numbered).to_owned();
        *sum.entry(name).or_default() += times(&id, 11..13).unwrap_or_default();
    }
    sum
}

/// CPU seconds of all processes that this one started and that have ended.
pub fn children_cpu_seconds() -> Option<f64> {
    times("self", 13..15)
}

/// CPU time that this thread has used: other work on the machine hardly changes it.
pub fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(spent.unwrap_or_default())
}

/// CPU time that the threads of this process that are alive have used: the program's and the kernel's.
pub fn process_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let spent = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// A sum of times in `/proc/PID/stat`; fields are counted after the name, which is in brackets.
fn times(pid: &str, which: Range<usize>) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(which)?.iter();
    let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(ticks / TICKS)
}

/// Memory of a process that is in RAM, MiB: all of it, and what is not backed by files.
pub fn resident_mib(pid: u32) -> Option<(f64, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = |name: &str| -> Option<f64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    Some((value("VmRSS:")? / 1024.0, value("RssAnon:")? / 1024.0))
}

/// Bytes on disk of each entry of a folder, with all below it.
pub fn bytes_by_entry(dir: &Path) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, bytes_of(&entry.path()))
        })
        .collect()
}

fn bytes_of(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    if metadata.is_dir() {
        bytes_by_entry(path).values().sum()
    } else {
        allocated(&metadata)
    }
}

#[cfg(unix)]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}
