//! Where an opened document goes: to a new file, or to standard output.
//!
//! What always holds: the file has its name only once it is whole and on disk, and nothing that had this
//! name is ever written over. Until then its bytes are in a file beside it that its owner alone can read,
//! and that one command at a time holds. So a command that was cut off is run again with the same words, and
//! what it left is removed; one that still runs is left alone.

use crate::exit::{Exit, Fatal};
use crate::output::say_bytes;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How often the file beside is tried to be had; each time somebody else was quicker.
const TRIES: u32 = 16;

/// Where a document goes.
pub(super) enum Out {
    Standard,
    File(Aside),
}

/// A file that has not got its name yet, locked; removed if it never does.
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
        for _ in 0..TRIES {
            if let Some(file) = begin(&beside)? {
                let path = path.into();
                return Ok(Self { file, beside, path });
            }
        }
        Err(in_use())
    }

    fn finish(&mut self, document: &[u8]) -> io::Result<()> {
        self.file.write_all(document)?;
        self.file.sync_all()?;
        match fs::hard_link(&self.beside, &self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                // A file system without such links.
                rename_to_new(&self.beside, &self.path)?;
            }
            linked => linked?,
        }
        self.leave();
        let folder = self.path.parent().filter(|at| !at.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Takes the name beside away, unless another command has that by now.
    fn leave(&self) {
        if is_at(&self.file, &self.beside).unwrap_or(false) {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// Makes the file beside and holds it; none if somebody was in between, or a try that was cut off had left
/// one, which is gone now.
fn begin(beside: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    match options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)
    {
        Ok(file) => Ok((hold(&file)? && is_at(&file, beside)?).then_some(file)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove_left(beside)?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Removes what a try that was cut off has left. Another's file in its place is not written to.
fn remove_left(beside: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(beside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.is_file() {
        return fs::remove_file(beside);
    }
    let left = match File::open(beside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        left => left?,
    };
    if !hold(&left)? {
        return Err(in_use());
    }
    match is_at(&left, beside)? {
        true => fs::remove_file(beside),
        false => Ok(()),
    }
}

/// Whether nobody else holds it.
fn hold(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Whether it still has that name.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn in_use() -> io::Error {
    io::Error::new(
        io::ErrorKind::ResourceBusy,
        "another command is about to write it",
    )
}

/// Renames to a name that nothing has: an empty file of ours takes it first.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(to)?;
    fs::rename(from, to).inspect_err(|_| {
        let _ = fs::remove_file(to);
    })
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Refuses a name under which there is anything.
fn check_free(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
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

    /// A crash left half a document, and the retry that would have opened a patient's record was refused
    /// for it.
    #[test]
    fn what_a_crash_leaves_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(beside(&path).unwrap(), b"a doc").unwrap();
        delivered(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a document");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// The second removed the first's file, and the first could not deliver after shares were released.
    #[test]
    fn a_second_command_for_the_same_name_is_refused_and_the_first_delivers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let first = Out::new(Some(&path)).unwrap();
        let second = delivered(&path).unwrap_err();
        assert_eq!(second.exit, Exit::Usage);
        assert!(second.to_string().contains("another command"), "{second}");
        first.deliver(b"the first's").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"the first's");
        assert!(delivered(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"the first's");
    }

    #[test]
    fn of_many_at_once_one_delivers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        // What a crash left is in the way of all.
        fs::write(beside(&path).unwrap(), b"a doc").unwrap();
        let start = std::sync::Barrier::new(8);
        let delivered = std::thread::scope(|scope| {
            let one = |number: u8| {
                start.wait();
                let written = Out::new(Some(&path)).and_then(|out| out.deliver(&[number; 4096]));
                written.is_ok().then_some(number)
            };
            let all: Vec<_> = (0..8)
                .map(|number| scope.spawn(move || one(number)))
                .collect();
            let all = all.into_iter().filter_map(|one| one.join().unwrap());
            all.collect::<Vec<u8>>()
        });
        assert_eq!(delivered.len(), 1, "{delivered:?}");
        assert_eq!(fs::read(&path).unwrap(), [delivered[0]; 4096]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn where_there_are_no_links_a_name_is_still_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("from"), b"a document").unwrap();
        rename_to_new(&at("from"), &at("to")).unwrap();
        assert_eq!(fs::read(at("to")).unwrap(), b"a document");
        fs::write(at("from"), b"another").unwrap();
        assert!(rename_to_new(&at("from"), &at("to")).is_err());
        assert_eq!(fs::read(at("to")).unwrap(), b"a document");
    }

    #[test]
    fn what_holds_something_is_not_written_over_and_a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("foreign"), b"x").unwrap();
        fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
        File::create(at("empty")).unwrap();
        for name in ["foreign", "folder", "link", "empty", "nowhere/out", ".."] {
            let refused = delivered(&at(name)).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{name}: {refused}");
        }
        let out = Out::new(Some(&at("late"))).unwrap();
        fs::write(at("late"), b"somebody else's").unwrap();
        assert!(out.deliver(b"a document").is_err());
        assert_eq!(fs::read(at("late")).unwrap(), b"somebody else's");
        drop(Out::new(Some(&at("failed"))).unwrap());
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 5, "foreign, folder, link, empty, late");
    }
}
