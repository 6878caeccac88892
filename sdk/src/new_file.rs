//! A file that has its name only once it is whole.
//!
//! What always holds: the file has its name only once it is whole and on disk, what gets the name is what was
//! written and nothing else, and nothing that had this name is ever written over. Until then its bytes have no
//! name at all, so that nothing is left of them however the writer ends; a file beside (`.NAME.part`), which one
//! writer at a time holds, is empty. Where a file system has no unnamed files, the bytes are in that one, which its
//! owner alone can read. So what was cut off is done again with the same name, and what it left is removed; one
//! that still writes is left alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

mod name;

use name::{Given, give_name, unnamed};

/// How often the file beside is tried to be had; each time somebody else was quicker.
const TRIES: u32 = 16;

/// A file that has not got its name yet; gone if it never does. What is written to it is under its name after
/// [`NewFile::finish`] and not before.
pub struct NewFile {
    bytes: File,
    /// Of [`NewFile::beside`], locked.
    held: File,
    /// Whether the bytes are in a file without a name.
    unnamed: bool,
    folder: File,
    beside: PathBuf,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file that is to have this name.
    ///
    /// # Errors
    /// The system's, among others [`io::ErrorKind::AlreadyExists`] when there is anything of that name, and
    /// [`io::ErrorKind::ResourceBusy`] when somebody else is about to write it.
    pub fn begin(path: &Path) -> io::Result<Self> {
        Self::begin_with(path, unnamed)
    }

    fn begin_with(path: &Path, unnamed: impl Fn(&Path) -> Option<File>) -> io::Result<Self> {
        check_free(path)?;
        let beside = beside(path)?;
        let at = folder_of(path);
        let folder = File::open(at)?;
        for _ in 0..TRIES {
            if let Some(held) = begin(&beside)? {
                let unnamed = unnamed(at);
                return Ok(Self {
                    unnamed: unnamed.is_some(),
                    bytes: unnamed.map_or_else(|| held.try_clone(), Ok)?,
                    held,
                    folder,
                    beside,
                    path: path.into(),
                });
            }
        }
        Err(in_use())
    }

    /// The name that it is to have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, for good.
    ///
    /// # Errors
    /// The system's; nothing is left of it then.
    pub fn finish(self) -> io::Result<()> {
        self.bytes.sync_all()?;
        let from = match self.unnamed {
            true => Given::Unnamed(&self.bytes),
            false => Given::Beside(&self.bytes, &self.beside),
        };
        give_name(&from, &self.path)?;
        self.leave();
        self.folder.sync_all().inspect_err(|_| {
            // Whoever is told that it failed does not look for it.
            if is_at(&self.bytes, &self.path).unwrap_or(false) {
                let _ = fs::remove_file(&self.path);
            }
        })
    }

    /// Takes the name beside away, unless another writer has that by now.
    fn leave(&self) {
        if is_at(&self.held, &self.beside).unwrap_or(false) {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|at| !at.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

impl Drop for NewFile {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.bytes.flush()
    }
}

impl Read for NewFile {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(room)
    }
}

impl Seek for NewFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

/// Makes the file beside and holds it; none if somebody was in between, or a try that was cut off had left
/// one, which is gone now.
fn begin(beside: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(beside) {
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
        Ok(found) => Ok(is_same(&found, &own)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere a file that is open is neither removed nor given another name.
#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

fn in_use() -> io::Error {
    io::Error::new(
        io::ErrorKind::ResourceBusy,
        "another command is about to write it",
    )
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

#[cfg(all(test, unix))]
mod tests;
