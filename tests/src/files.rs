//! Folders of a published log: what is in them, and copies of them.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A path as a word of a command line.
///
/// # Errors
/// If it is not UTF-8.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

/// The names of all files below `folder`, as they stand in addresses. What a running node makes or
/// removes below it meanwhile may be among them or not.
///
/// # Errors
/// If it cannot be read.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let entries = match std::fs::read_dir(folder.join(&inner)) {
            Err(_) if inner != Path::new("") && !folder.join(&inner).exists() => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                found.push(path.to_str().context("a name that is no text")?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The bytes of a file below `folder`; none if it is gone, as files are that a node renames when they
/// are whole.
///
/// # Errors
/// If it is there and cannot be read.
pub fn bytes_of(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    match std::fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Copies all files below `from` to `to`, but for one: a bit of the last byte of `flipped` is another.
///
/// # Errors
/// If a file cannot be read or written, or `flipped` names none.
pub fn copy_with_a_flipped_bit(from: &Path, to: &Path, flipped: &str) -> Result<()> {
    let mut seen = false;
    for name in names(from)? {
        let Some(mut bytes) = bytes_of(from, &name)? else {
            continue;
        };
        if name == flipped {
            *bytes.last_mut().context("an empty file")? ^= 1;
            seen = true;
        }
        let path = to.join(&name);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::write(path, bytes)?;
    }
    anyhow::ensure!(seen, "there is no {flipped}");
    Ok(())
}
