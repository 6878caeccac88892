//! Reads a tree of files, in byte order of their paths, within bounds.
//!
//! What always holds: every file and folder met has an outcome, symbolic links are not followed,
//! nothing outside the given folder is read, and the same tree gives the same import.

use super::document;
use super::found::Found;
use super::item::{Items, LeftOut, Location};
use super::reason::Reason;
use std::fs::{self, DirEntry, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Bounds on an input.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that one file may have.
    pub file_bytes: u64,
    /// Bytes that all files may have together.
    pub total_bytes: u64,
    /// Files and folders that are looked at.
    pub files: u64,
    /// How deep folders may nest.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 32 << 20,
            total_bytes: 512 << 20,
            files: 50_000,
            depth: 24,
        }
    }
}

/// What one file gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutcome {
    /// The file, relative to the folder that was imported.
    pub file: Arc<str>,
    /// How many items that can be anchored stand in it.
    pub items: usize,
    /// How many places in it are left out, each with its reason in [`Import::left_out`].
    pub left_out: usize,
}

/// What an input gave: each file's outcome, all items, and all that is left out.
#[derive(Clone, Default)]
pub struct Import {
    /// Every file and every folder that was not entered, in order. Each has an item or a reason.
    pub files: Vec<FileOutcome>,
    /// The items, in the order of the files.
    pub items: Items,
    /// What is left out and why, in the order of the files.
    pub left_out: Vec<LeftOut>,
}

/// The input cannot be imported at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The folder could not be opened.
    #[error("the input {path} could not be read: {error}; give a folder or a file that exists")]
    Unreadable {
        /// The path that was given.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Imports a folder and all below it, or a single file. A link given as the input itself is
/// followed; links inside are not.
///
/// # Errors
/// [`ImportError::Unreadable`].
pub fn import_tree(path: &Path, limits: &Limits) -> Result<Import, ImportError> {
    import_tree_watched(path, limits, |_| {})
}

/// As [`import_tree`], and tells `watch` after each file how many were seen.
///
/// # Errors
/// [`ImportError::Unreadable`].
pub fn import_tree_watched(
    path: &Path,
    limits: &Limits,
    mut watch: impl FnMut(u64),
) -> Result<Import, ImportError> {
    let unreadable = |error| ImportError::Unreadable {
        path: path.display().to_string(),
        error,
    };
    let kind = fs::metadata(path).map_err(unreadable)?;
    let mut walk = Walk::new(limits, &mut watch);
    if kind.is_dir() {
        let entries = sorted(path).map_err(unreadable)?;
        walk.entries(entries, "", limits.depth);
    } else {
        let name = path
            .file_name()
            .map_or("input".into(), |name| name.to_string_lossy());
        walk.record(&name.as_ref().into(), |walk, file| walk.file(path, file));
    }
    Ok(walk.finish())
}

/// Imports one document that is already in memory, as if it stood in a file of that name.
#[must_use]
pub fn import_bytes(name: &str, bytes: &[u8]) -> Import {
    let mut unwatched = |_| {};
    let mut walk = Walk::new(&Limits::default(), &mut unwatched);
    walk.record(&name.into(), |walk, file| walk.contents(file, bytes));
    walk.finish()
}

struct Walk<'w> {
    watch: &'w mut dyn FnMut(u64),
    limits: Limits,
    bytes: u64,
    seen: u64,
    found: Found,
    files: Vec<FileOutcome>,
}

impl<'w> Walk<'w> {
    fn new(limits: &Limits, watch: &'w mut dyn FnMut(u64)) -> Self {
        Self {
            watch,
            limits: *limits,
            bytes: 0,
            seen: 0,
            found: Found::default(),
            files: Vec::new(),
        }
    }

    fn finish(self) -> Import {
        Import {
            files: self.files,
            items: self.found.items,
            left_out: self.found.left_out,
        }
    }

    fn entries(&mut self, entries: Vec<DirEntry>, folder: &str, depth: usize) {
        for entry in entries {
            let name: Arc<str> = format!("{folder}{}", entry.file_name().to_string_lossy()).into();
            self.seen += 1;
            if self.seen > self.limits.files {
                let reason = Reason::InputTooLarge {
                    what: "files",
                    limit: self.limits.files,
                };
                self.record(&name, |_, _| Err(reason));
                return;
            }
            let kind = entry.file_type();
            match kind {
                Ok(kind) if kind.is_dir() => self.folder(&entry.path(), &name, depth),
                Ok(kind) if kind.is_symlink() => {
                    self.record(&name, |_, _| Err(Reason::SymbolicLink));
                }
                Ok(kind) if kind.is_file() => {
                    self.record(&name, |walk, file| walk.file(&entry.path(), file));
                }
                Ok(_) => self.record(&name, |_, _| Err(Reason::NotAFile)),
                Err(_) => self.record(&name, |_, _| Err(Reason::Unreadable)),
            }
        }
    }

    fn folder(&mut self, path: &Path, name: &Arc<str>, depth: usize) {
        let Some(inner) = depth.checked_sub(1) else {
            let reason = Reason::FolderTooDeep {
                limit: self.limits.depth,
            };
            return self.record(name, |_, _| Err(reason));
        };
        match sorted(path) {
            Ok(entries) => self.entries(entries, &format!("{name}/"), inner),
            Err(_) => self.record(name, |_, _| Err(Reason::Unreadable)),
        }
    }

    /// Runs `read` and notes how many items and reasons it added under the file's name.
    fn record(
        &mut self,
        file: &Arc<str>,
        read: impl FnOnce(&mut Self, &Arc<str>) -> Result<(), Reason>,
    ) {
        let (items, left_out) = (self.found.items.len(), self.found.left_out.len());
        let outcome = read(self, file);
        self.found.settle(&Location::of_file(file), outcome);
        self.files.push(FileOutcome {
            file: Arc::clone(file),
            items: self.found.items.len() - items,
            left_out: self.found.left_out.len() - left_out,
        });
        (self.watch)(self.files.len() as u64);
    }

    fn file(&mut self, path: &Path, file: &Arc<str>) -> Result<(), Reason> {
        let opened = File::open(path).map_err(|_| Reason::Unreadable)?;
        let mut bytes = Vec::new();
        // One byte more than is allowed tells a file that is too large from one that just fits.
        let bound = self.limits.file_bytes.saturating_add(1);
        opened
            .take(bound)
            .read_to_end(&mut bytes)
            .map_err(|_| Reason::Unreadable)?;
        self.contents(file, &bytes)
    }

    fn contents(&mut self, file: &Arc<str>, bytes: &[u8]) -> Result<(), Reason> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > self.limits.file_bytes {
            return Err(Reason::FileTooLarge {
                limit: self.limits.file_bytes,
            });
        }
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > self.limits.total_bytes {
            return Err(Reason::InputTooLarge {
                what: "bytes",
                limit: self.limits.total_bytes,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Reason::NotJson)?;
        document::read(&mut self.found, file, text);
        Ok(())
    }
}

/// A folder's entries in byte order of their names, whatever order the system gives them in.
fn sorted(path: &Path) -> std::io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}
