//! Files and folders that outlive a power cut.
//!
//! What always holds: a file written by [`write_aside`] is under its name whole and durable, or not
//! at all; the folder entry is durable once [`sync_folder`] has returned.

use crate::StoreError;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Files being written end in this; any left behind by a crash are ignored and replaced.
pub(crate) const ASIDE: &str = ".new";

/// Writes `bytes` beside `path`, syncs, and renames it to `path`. The folder is not synced yet.
///
/// # Errors
///
/// When the system refuses; `path` is then what it was.
pub fn write_aside(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let aside = aside(path);
    write_synced(&aside, bytes).map_err(|error| StoreError::io("write", &aside, error))?;
    fs::rename(&aside, path).map_err(|error| StoreError::io("rename", &aside, error))
}

/// Writes a small file: under its name whole and durable when this returns, or as it was before.
///
/// # Errors
///
/// When the disk fails; the file may be the new one then, whole.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_aside(path, bytes)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ASIDE);
    name.into()
}

/// Makes bytes durable that were in a file when it was opened: whoever wrote them may have been killed
/// before they were, or ended because they could not be. After a sync that failed a system takes its
/// own copy for what is on the disk, so a sync alone would write nothing.
pub(crate) fn write_again(file: &File, start: u64, end: u64) -> std::io::Result<()> {
    let mut buffer = [0; 65_536];
    let mut at = start;
    while at < end {
        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let (part, _) = buffer.split_at_mut(most);
        file.read_exact_at(part, at)?;
        file.write_all_at(part, at)?;
        at += most as u64;
    }
    file.sync_data()
}

/// Makes the entries of a folder durable.
///
/// # Errors
///
/// When the system refuses.
pub fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(|error| StoreError::io("sync", folder, error))
}

/// Makes a folder and all above it, durably; nothing to do if it is there.
///
/// # Errors
///
/// When the disk fails.
pub fn make_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new("/"));
    if parent.as_os_str().is_empty() {
        return make_one(folder, Path::new("."));
    }
    make_folder(parent)?;
    make_one(folder, parent)
}

fn make_one(folder: &Path, parent: &Path) -> Result<(), StoreError> {
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(parent),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::io("make", folder, error)),
    }
}

/// Reads a file of at most `limit` bytes; `None` if there is no such file.
///
/// # Errors
///
/// When it is longer, or the system refuses.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let failed = |error| StoreError::io("read", path, error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        let what = "it is larger than any file of its kind";
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            position: limit,
            what,
        });
    }
    Ok(Some(bytes))
}

/// Deletes a file; nothing to do if it is gone.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StoreError::io("delete", path, error))
        }
        _ => Ok(()),
    }
}

/// The network that a genesis file makes, as text.
pub(crate) fn network_of(genesis: &[u8]) -> String {
    let hash = medanchor_ledger::sha256(&[genesis]);
    let id = hash
        .first_chunk::<16>()
        .map(|id| medanchor_ledger::NetworkId::new(*id));
    id.map(|id| id.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_again_is_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        fs::write(&path, &bytes).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let end = bytes.len() as u64;
        for (start, end) in [(0, 0), (3, 70_000), (1_000, end), (end, end)] {
            write_again(&file, start, end).unwrap();
            assert!(fs::read(&path).unwrap() == bytes);
        }
        assert!(write_again(&file, 5, end + 1).is_err());
        assert!(fs::read(&path).unwrap() == bytes);
    }
}
