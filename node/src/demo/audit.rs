//! The demo's audit: `medanchor-audit verify` as a process of its own over one node's published
//! files, and over a copy in which one byte was flipped.

use anyhow::{Context, bail};
use serde::Serialize;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What an audit said.
#[derive(Serialize)]
pub struct Audit {
    /// Its exit code.
    pub exit: i32,
    /// Seconds it took.
    pub seconds: f64,
    /// Its own report.
    pub report: serde_json::Value,
}

/// Verifies a published log offline.
pub fn verify(log: &Path) -> anyhow::Result<Audit> {
    let start = Instant::now();
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let output = Command::new(program)
        .args(["audit", "verify", "--json"])
        .arg(log)
        .output()
        .context("cannot start the audit")?;
    let report = serde_json::from_slice(&output.stdout).with_context(|| {
        format!(
            "the audit gave no report: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    let exit = output.status.code().unwrap_or(-1);
    Ok(Audit {
        exit,
        seconds: seconds(start.elapsed()),
        report,
    })
}

/// Copies a log and flips one bit in the middle of its largest entry bundle.
pub fn damage_a_copy(log: &Path, copy: &Path) -> anyhow::Result<()> {
    copy_tree(log, copy)?;
    let bundle = largest_file(&copy.join("tile/entries"))?.context("the log has no entries")?;
    flip_a_bit(&bundle)
}

fn flip_a_bit(path: &Path) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let middle = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.seek(SeekFrom::Start(middle))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(middle))?;
    file.write_all(&[byte[0] ^ 1])?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        } else {
            bail!("{} is neither a file nor a folder", entry.path().display());
        }
    }
    Ok(())
}

fn largest_file(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let mut largest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            largest_file(&path)?
        } else {
            Some(path)
        };
        if let Some(path) = found {
            let size = fs::metadata(&path)?.len();
            if largest.as_ref().is_none_or(|(most, _)| size > *most) {
                largest = Some((size, path));
            }
        }
    }
    Ok(largest.map(|(_, path)| path))
}

/// Seconds with milliseconds, for people and for JSON.
pub fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}
