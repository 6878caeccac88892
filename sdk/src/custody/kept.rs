//! Files that must outlast a power cut before anything is said to others.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Writes a file aside, synced, and gives it its name: whoever finds it finds it whole. Its folder is made
/// if it is not there.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write_all_durably(&[(path.into(), bytes.into())])
}

/// [`write_durably`] of files of one folder.
pub(super) fn write_all_durably(files: &[(PathBuf, Vec<u8>)]) -> std::io::Result<()> {
    let Some((first, _)) = files.first() else {
        return Ok(());
    };
    if let Some(folder) = first.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // All are written before the first is waited for, so that the disk works on them together.
    let mut aside = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        let part = path.with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        aside.push((file, part, path));
    }
    for (file, part, path) in aside {
        file.sync_all()?;
        std::fs::rename(part, path)?;
    }
    sync_folder(first)
}

/// Reads a file, at most one byte more than `limit`; none if it is not there.
pub(super) fn read_bounded(path: &Path, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Removes a file, if it is there; it does not come back after a power cut.
pub(super) fn remove_file(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder(path)),
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Removes every file of a folder whose name is such.
pub(super) fn remove_all(folder: &Path, is_such: impl Fn(&str) -> bool) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if is_such(&entry.file_name().to_string_lossy()) {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}
