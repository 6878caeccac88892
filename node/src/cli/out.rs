//! Where an opened document goes: to a new file, or to standard output.
//!
//! What always holds: the file has its name only once it is whole and on disk; until then its bytes are
//! in a file beside it that its owner alone can read. So a command that was cut off is run again with the
//! same words, and no file that holds something is written over.

use crate::exit::{Exit, Fatal};
use crate::output::say_bytes;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where a document goes.
pub(super) enum Out {
    Standard,
    File(Aside),
}

/// A file that has not got its name yet; removed if it never does.
pub(super) struct Aside {
    file: File,
    beside: PathBuf,
    path: PathBuf,
}

impl Out {
    /// Made before anything is asked for: afterwards it would be too late to find that nothing can be written.
    pub(super) fn new(path: Option<&Path>) -> Result<Self, Fatal> {
        let Some(path) = path else {
            return Ok(Self::Standard);
        };
        Aside::new(path).map(Self::File).map_err(|error| {
            let what = format!("cannot write {}: {error}; name a new file", path.display());
            Fatal::new(Exit::Usage, what)
        })
    }

    /// Writes the document there.
    pub(super) fn deliver(self, document: &[u8]) -> Result<(), Fatal> {
        match self {
            Self::Standard => Ok(say_bytes(document)?),
            Self::File(mut aside) => aside.finish(document).map_err(|error| {
                let path = aside.path.display();
                let what = format!("cannot write {path}: {error}; run it again with another --out");
                Fatal::new(Exit::Failure, what)
            }),
        }
    }
}

impl Aside {
    fn new(path: &Path) -> io::Result<Self> {
        check_free(path)?;
        let beside = beside(path)?;
        // What a try that was cut off has left. Another's file in its place is not written to.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600);
        Ok(Self {
            file: file.open(&beside)?,
            beside,
            path: path.into(),
        })
    }

    fn finish(&mut self, document: &[u8]) -> io::Result<()> {
        self.file.write_all(document)?;
        self.file.sync_all()?;
        check_free(&self.path)?;
        fs::rename(&self.beside, &self.path)?;
        let folder = self.path.parent().filter(|at| !at.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Once it has its name, there is none of this one.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Refuses a name under which there is anything but an empty file.
fn check_free(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && found.len() == 0 => Ok(()),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// `FOLDER/.NAME.part`.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".part");
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn delivered(path: &Path) -> Result<(), Fatal> {
        Out::new(Some(path))?.deliver(b"a document")
    }

    #[test]
    fn a_file_is_there_once_it_is_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let out = Out::new(Some(&path)).unwrap();
        assert!(!path.exists());
        out.deliver(b"a document").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a document");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// A crash left an empty file in the way, or half a document, and the retry that would have opened a
    /// patient's record was refused for it.
    #[test]
    fn what_a_crash_leaves_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::mem::forget(Out::new(Some(&path)).unwrap());
        fs::write(beside(&path).unwrap(), b"a doc").unwrap();
        delivered(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a document");

        let path = folder.path().join("empty");
        File::create(&path).unwrap();
        delivered(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a document");
    }

    #[test]
    fn what_holds_something_is_not_written_over_and_a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("foreign"), b"x").unwrap();
        fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
        for name in ["foreign", "folder", "link", "nowhere/out", ".."] {
            let refused = delivered(&at(name)).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{name}: {refused}");
        }
        let out = Out::new(Some(&at("late"))).unwrap();
        fs::write(at("late"), b"somebody else's").unwrap();
        assert!(out.deliver(b"a document").is_err());
        assert_eq!(fs::read(at("late")).unwrap(), b"somebody else's");
        drop(Out::new(Some(&at("failed"))).unwrap());
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 4, "foreign, folder, link, late");
    }
}
