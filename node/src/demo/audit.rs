//! The demo's audit: `medanchor-audit verify` as a process of its own over one node's published
//! files, and over a copy in which one bit of one entry was flipped.

use anyhow::{Context, bail, ensure};
use medanchor_ledger::merkle::bundle::{BundleId, read_entries};
use medanchor_ledger::merkle::tile::FULL_WIDTH;
use medanchor_ledger::note::Note;
use medanchor_ledger::{Index, Size};
use serde::Serialize;
use std::fs;
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

impl Audit {
    /// A number of the report.
    pub fn number(&self, pointer: &str) -> Option<u64> {
        self.report.pointer(pointer)?.as_u64()
    }

    /// What it found, in a few words.
    pub fn verdict(&self) -> String {
        match (self.exit, self.number("/fault/entry")) {
            (0, _) => "everything holds".to_owned(),
            (_, Some(entry)) => format!("it does not hold, and entry {entry} is named"),
            (exit, None) => format!("exit code {exit}"),
        }
    }

    /// What the audit, executing the rules itself, made of the request at this entry, if it was
    /// denied.
    pub fn denial(&self, entry: u64) -> Option<&str> {
        let denials = self.report.pointer("/access/latest_denials")?.as_array()?;
        let found = denials
            .iter()
            .find(|denial| denial.pointer("/entry").and_then(|at| at.as_u64()) == Some(entry))?;
        found.pointer("/reason")?.as_str()
    }
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

/// How many entries the files of a log have.
pub fn published_size(log: &Path) -> anyhow::Result<Size> {
    let note = Note::parse(&fs::read(log.join("checkpoint"))?)?;
    let size = note.text().lines().nth(1);
    size.and_then(|line| line.parse().ok())
        .map(Size)
        .context("a checkpoint without a size")
}

/// Where a bit was flipped.
#[derive(Serialize)]
pub struct Flip {
    /// The entry.
    pub entry: u64,
    /// The file, in the copy.
    pub file: String,
    /// The byte in the file.
    pub byte: usize,
}

/// Copies a log and flips one bit in the middle of one entry.
pub fn damage_a_copy(log: &Path, copy: &Path, entry: Index) -> anyhow::Result<Flip> {
    fs::create_dir_all(copy)?;
    // A running node moves its checkpoint after the files that it needs: taken first, it fits them.
    fs::copy(log.join("checkpoint"), copy.join("checkpoint"))?;
    copy_tree(log, copy)?;
    let (path, id) = bundle_of(copy, entry)?;
    let file = copy.join(&path);
    let mut bytes = fs::read(&file)?;
    let byte = middle_of(id, &bytes, entry)?;
    let target = bytes.get_mut(byte).context("an entry beyond its bundle")?;
    *target ^= 1;
    fs::write(&file, bytes)?;
    Ok(Flip {
        entry: entry.0,
        file: path,
        byte,
    })
}

/// The bundle in which the log at `copy` keeps an entry.
fn bundle_of(copy: &Path, entry: Index) -> anyhow::Result<(String, BundleId)> {
    let size = published_size(copy)?;
    ensure!(entry.0 < size.0, "entry {entry} is not published yet");
    let id = BundleId::at(entry.0 / u64::from(FULL_WIDTH), size).context("no such bundle")?;
    [id, id.full()]
        .into_iter()
        .map(|id| (id.to_string(), id))
        .find(|(path, _)| copy.join(path).is_file())
        .context("the log lacks the entry's bundle")
}

/// The byte of the bundle in the middle of an entry.
fn middle_of(id: BundleId, bytes: &[u8], entry: Index) -> anyhow::Result<usize> {
    let place = usize::try_from(entry.0 % u64::from(FULL_WIDTH))?;
    let entries = read_entries(id, bytes)?;
    let before: usize = entries.iter().take(place).map(|one| one.len() + 2).sum();
    let length = entries.get(place).context("no such entry")?.len();
    Ok(before + 2 + length / 2)
}

/// Copies all but the checkpoint.
fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            copy_file(&entry.path(), &target)?;
        } else {
            bail!("{} is neither a file nor a folder", entry.path().display());
        }
    }
    Ok(())
}

fn copy_file(from: &PathBuf, to: &Path) -> anyhow::Result<()> {
    if from.ends_with("checkpoint") {
        return Ok(());
    }
    match fs::copy(from, to) {
        // What was being written aside has its name by now, and a partial tile may have been filled.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// Seconds with milliseconds, for people and for JSON.
pub fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}
