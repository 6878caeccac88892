//! Where a published log is read from: a folder, or an address.
//!
//! What always holds: a file is read whole within a bound, or as a stream; nothing outside the log
//! is asked for; a file that is not there is told apart from one that cannot be read.

use crate::address::Address;
use crate::fault::{Failure, Fault, Trouble};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one file may take, unless the user says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A published log.
pub(crate) trait Source: Send + Sync {
    /// What follows byte `position` of the file at `path` in the log, as a stream; none if there is
    /// no such file. For files that only grow.
    fn open_at(&self, path: &str, position: u64) -> Result<Option<Box<dyn Read + Send>>, Trouble>;

    /// The file at `path` in the log, of at most `limit` bytes; none if there is no such file. A
    /// longer one is no file of a log.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure>;

    /// The log's folder, if it is one: only there can be seen which files it has.
    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// Opens the log in a folder, in the `log` folder of a home, or at an address.
pub(crate) fn open(target: &str) -> Result<Box<dyn Source>, Trouble> {
    open_within(target, PATIENCE)
}

/// As [`open`]; at an address no file may take longer than `patience`.
pub(crate) fn open_within(target: &str, patience: Duration) -> Result<Box<dyn Source>, Trouble> {
    if target.starts_with("http://") || target.starts_with("https://") {
        return Ok(Box::new(Address::new(target, patience)));
    }
    let folder = Path::new(target);
    let inner = folder.join("log");
    let holds =
        |folder: &Path| folder.join("checkpoint").is_file() || folder.join("genesis").is_file();
    // A home keeps a genesis of its own beside its `log` folder, so that folder comes first.
    let found = [inner, folder.to_owned()]
        .into_iter()
        .find(|folder| holds(folder));
    let folder = found.ok_or_else(|| unreadable(target, &"there is no checkpoint in it"))?;
    Ok(Box::new(Folder(folder)))
}

pub(crate) fn unreadable(place: &str, cause: &dyn std::fmt::Display) -> Trouble {
    Trouble::Unreadable {
        place: place.to_owned(),
        cause: cause.to_string(),
    }
}

/// Reads a stream that must not be longer than `limit`.
pub(crate) fn bounded(stream: impl Read, path: &str, limit: u64) -> Result<Vec<u8>, Failure> {
    read_on(stream, Vec::new(), path, limit)
}

/// Reads a file of `length` bytes, if it is not longer than `limit`, in one piece; if it has grown
/// meanwhile, what came too.
fn whole(mut file: File, path: &str, limit: u64, length: u64) -> Result<Vec<u8>, Failure> {
    if length > limit {
        return Err(too_long(path, limit));
    }
    // One byte more, so that the first read finds the end.
    let room = usize::try_from(length).map_err(|_| too_long(path, limit))?;
    let mut bytes = vec![0; room.saturating_add(1)];
    let filled = fill(&mut file, &mut bytes).map_err(|cause| unreadable(path, &cause))?;
    let ended = filled < bytes.len();
    bytes.truncate(filled);
    if ended {
        return Ok(bytes);
    }
    read_on(file, bytes, path, limit)
}

/// Reads the rest of a stream, of which `bytes` were read.
fn read_on(
    stream: impl Read,
    mut bytes: Vec<u8>,
    path: &str,
    limit: u64,
) -> Result<Vec<u8>, Failure> {
    let failed = |cause: std::io::Error| unreadable(path, &cause);
    let left = limit.saturating_add(1).saturating_sub(bytes.len() as u64);
    stream.take(left).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        return Ok(bytes);
    }
    Err(too_long(path, limit))
}

/// Reads until the buffer is full or the stream ends; how many bytes were read.
pub(crate) fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

pub(crate) fn too_long(path: &str, limit: u64) -> Failure {
    let path = path.to_owned();
    Fault::TooLong { path, limit }.into()
}

/// A log in a folder.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// A file and its length now.
    fn file(&self, path: &str) -> Result<Option<(File, u64)>, Trouble> {
        let path = self.0.join(path);
        match File::open(&path) {
            Ok(file) => match file.metadata() {
                Ok(about) if about.is_file() => Ok(Some((file, about.len()))),
                _ => Err(unreadable(&path.display().to_string(), &"it is no file")),
            },
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(unreadable(&path.display().to_string(), &error)),
        }
    }
}

impl Source for Folder {
    fn folder(&self) -> Option<&Path> {
        Some(&self.0)
    }

    fn open_at(&self, path: &str, position: u64) -> Result<Option<Box<dyn Read + Send>>, Trouble> {
        let Some((mut file, _)) = self.file(path)? else {
            return Ok(None);
        };
        let sought = file.seek(SeekFrom::Start(position));
        sought.map_err(|error| unreadable(path, &error))?;
        Ok(Some(Box::new(file)))
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        let file = self.file(path)?;
        file.map(|(file, length)| whole(file, path, limit, length))
            .transpose()
    }
}

/// Below a full tile's path there is no folder: asking for a partial one is then no error.
fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
