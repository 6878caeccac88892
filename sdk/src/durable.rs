//! Files that must outlast a power cut before anything is said to others.
//!
//! What always holds: a file is written aside, as `NAME.part`, synced, renamed, and its folder synced, so
//! whoever finds it finds it whole; a folder that is made stands in its parent for good before anything is
//! put into it; no more of a file is read than its limit, and a longer one is refused, never cut.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::path::{Path, PathBuf};

/// What a file is called while it is written.
pub(crate) const ASIDE: &str = "part";

/// Writes a file for good, in the place of one that is there. Its folder is made if it is not there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_all(&[(path.into(), bytes)])
}

/// [`write()`] of files of one folder.
pub(crate) fn write_all<B: AsRef<[u8]>>(files: &[(PathBuf, B)]) -> Result<()> {
    let Some((first, _)) = files.first() else {
        return Ok(());
    };
    make_folder(folder_of(first))?;
    // All are written before the first is waited for, so that the disk works on them together.
    let mut written = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        let aside = aside_of(path);
        let mut file = File::create(&aside)?;
        file.write_all(bytes.as_ref())?;
        written.push((file, aside, path));
    }
    for (file, aside, path) in written {
        file.sync_all()?;
        std::fs::rename(aside, path)?;
    }
    sync_folder_of(first)
}

/// Where a file is written before it has its name.
pub(crate) fn aside_of(path: &Path) -> PathBuf {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".");
    aside.push(ASIDE);
    aside.into()
}

/// Makes a folder, and those that it lies in, for good.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    make_folder(folder_of(folder))?;
    match std::fs::create_dir(folder) {
        // Another thread may have come first.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    sync_folder_of(folder)
}

/// Gives a file or folder another name in its folder, for good.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).and_then(|()| sync_folder_of(to))
}

/// Reads a file of `limit` bytes at most; none if it is not there.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`] of a longer one.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(read) {
        Ok(read) if read <= limit => Ok(Some(bytes)),
        _ => Err(Error::new(
            ErrorKind::FileTooLarge,
            format!(
                "it has more than {limit} bytes, so it is damaged; restore it from the back-up"
            ),
        )),
    }
}

/// Removes a file, if it is there; it does not come back after a power cut.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder_of(path)),
    }
}

/// Removes every file of a folder whose name is such.
#[cfg(feature = "client")]
pub(crate) fn remove_all(folder: &Path, is_such: impl Fn(&str) -> bool) -> Result<()> {
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

/// Where a file lies; a bare name lies here.
fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|one| !one.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}

pub(crate) fn sync_folder_of(path: &Path) -> Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_into_folders_that_were_not_there() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("one/two/archive.of.all");
        for bytes in [b"first".as_slice(), b"and the second"] {
            write(&path, bytes).unwrap();
            assert_eq!(read_bounded(&path, 100).unwrap().unwrap(), bytes);
        }
        let names = std::fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(names.count(), 1, "nothing is left aside");
        // A file where a folder should be.
        assert!(write(&path.join("more"), b"").is_err());
    }

    #[test]
    fn names_that_differ_in_their_ending_are_not_written_over_each_other() {
        let root = tempfile::tempdir().unwrap();
        let files = ["a.deals", "a.acks"].map(|name| (root.path().join(name), name));
        write_all(&files).unwrap();
        for (path, name) in files {
            assert_eq!(read_bounded(&path, 100).unwrap().unwrap(), name.as_bytes());
        }
    }

    #[test]
    fn a_file_that_is_longer_than_its_limit_is_refused_and_not_cut() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        assert!(read_bounded(&path, 4).unwrap().is_none());
        write(&path, b"four").unwrap();
        assert_eq!(read_bounded(&path, 4).unwrap().unwrap(), b"four");
        let refused = read_bounded(&path, 3).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
        assert!(refused.to_string().contains("more than 3 bytes"));
        remove_file(&path).unwrap();
        remove_file(&path).unwrap();
        assert!(read_bounded(&path, 4).unwrap().is_none());
    }
}
