//! Holds the bundles and tiles that the audit had no need of against those that it read.
//!
//! What always holds: every file of a folder's `tile/` whose name makes it a part of the log begins
//! like the bundle or tile of the checkpoint, as far as both reach; a file with any other name is
//! told. What is held in memory is two files and the first few of those names.

use crate::entries::{FULL, MAX_BUNDLE, MAX_TILE, take_entry};
use crate::fault::{Failure, Fault, Trouble};
use crate::source::{Source, unreadable};
use medanchor_ledger::merkle::bundle::BundleId;
use medanchor_ledger::merkle::tile::TileId;
use medanchor_ledger::{Index, Size};
use std::fs::{DirEntry, ReadDir, read_dir};
use std::io::ErrorKind;
use std::path::Path;

/// No path of a tile has more folders; whatever lies deeper is none of a log.
const MAX_DEPTH: usize = 16;
/// How many files that are none of a log are told by name.
const MAX_NAMES: usize = 20;
const HASH: usize = 32;

/// What became of the files under `tile/` that the audit had no need of.
#[derive(Debug, Default)]
pub(crate) struct Older {
    /// Whether there was a folder to look into: an address cannot be listed.
    pub(crate) read: bool,
    /// Files that begin as the newest one of their place does.
    pub(crate) compared: u64,
    /// Files of entries beyond the checkpoint alone, which nothing can be said of yet.
    pub(crate) beyond: u64,
    /// Files that are neither a bundle nor a tile.
    pub(crate) unknown: u64,
    /// The first of their names.
    pub(crate) names: Vec<String>,
}

/// Looks at every file below `tile/` of a log whose bundles and tiles of this size were all checked.
pub(crate) fn check(source: &dyn Source, size: Size) -> Result<Older, Failure> {
    let Some(folder) = source.folder() else {
        return Ok(Older::default());
    };
    let mut comparing = Comparing {
        source,
        size,
        newest: None,
        found: Older {
            read: true,
            ..Older::default()
        },
    };
    let mut open: Vec<ReadDir> = list(&folder.join("tile"))?.into_iter().collect();
    while let Some(inner) = open.last_mut() {
        let Some(entry) = inner.next() else {
            open.pop();
            continue;
        };
        let entry = entry.map_err(|error| unreadable("tile", &error))?;
        if open.len() < MAX_DEPTH && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open.extend(list(&entry.path())?);
        } else {
            comparing.look_at(folder, &entry)?;
        }
    }
    Ok(comparing.found)
}

/// None if the folder is gone: a running node drops those of partial tiles that became full.
fn list(folder: &Path) -> Result<Option<ReadDir>, Trouble> {
    match read_dir(folder) {
        Ok(entries) => Ok(Some(entries)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&folder.display().to_string(), &error)),
    }
}

/// A bundle or a tile, by its path.
#[derive(Clone, Copy)]
enum Part {
    Bundle(BundleId),
    Tile(TileId),
}

impl Part {
    fn parse(path: &str) -> Option<Self> {
        let bundle = path.parse().ok().map(Self::Bundle);
        bundle.or_else(|| path.parse().ok().map(Self::Tile))
    }

    /// The one at the same place in a log of `size` entries.
    fn at(self, size: Size) -> Option<Self> {
        match self {
            Self::Bundle(id) => BundleId::at(id.index(), size).map(Self::Bundle),
            Self::Tile(id) => TileId::at(id.level(), id.index(), size).map(Self::Tile),
        }
    }

    fn full(self) -> Self {
        match self {
            Self::Bundle(id) => Self::Bundle(id.full()),
            Self::Tile(id) => Self::Tile(id.full()),
        }
    }

    fn path(self) -> String {
        match self {
            Self::Bundle(id) => id.to_string(),
            Self::Tile(id) => id.to_string(),
        }
    }

    fn width(self) -> usize {
        usize::from(match self {
            Self::Bundle(id) => id.width().get(),
            Self::Tile(id) => id.width().get(),
        })
    }

    const fn limit(self) -> u64 {
        match self {
            Self::Bundle(_) => MAX_BUNDLE,
            Self::Tile(_) => MAX_TILE,
        }
    }

    /// The entries under what stands at `place` in it.
    fn entries(self, place: usize) -> (Index, Index) {
        let (index, level) = match self {
            Self::Bundle(id) => (id.index(), 0),
            Self::Tile(id) => (id.index(), u32::from(id.level()) * 8),
        };
        let node = index.saturating_mul(FULL).saturating_add(place as u64);
        let first = node.checked_shl(level).unwrap_or(u64::MAX);
        let last = first.saturating_add(1u64.checked_shl(level).unwrap_or(0).saturating_sub(1));
        (Index(first), Index(last))
    }

    /// Cuts a file into its entries or hashes, and says whether nothing is left at its end.
    fn split(self, bytes: &[u8]) -> (Vec<&[u8]>, bool) {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        while let Some(piece) = match self {
            Self::Bundle(_) => take_entry(&mut rest),
            Self::Tile(_) => rest.split_at_checked(HASH).map(|(hash, after)| {
                rest = after;
                hash
            }),
        } {
            pieces.push(piece);
        }
        (pieces, rest.is_empty())
    }
}

struct Comparing<'s> {
    source: &'s dyn Source,
    size: Size,
    /// The file that the checkpoint has at the place looked at last: its path and its bytes.
    newest: Option<(String, Vec<u8>)>,
    found: Older,
}

impl Comparing<'_> {
    fn look_at(&mut self, folder: &Path, entry: &DirEntry) -> Result<(), Failure> {
        let path = entry.path();
        let path = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
        // Through a link too, but never a pipe, which could be waited for without end.
        let is_file = entry.path().is_file();
        match Part::parse(&path).filter(|_| is_file) {
            Some(part) => self.compare(part),
            None if !is_file && !entry.path().exists() => Ok(()),
            None => {
                self.found.unknown += 1;
                if self.found.names.len() < MAX_NAMES {
                    self.found.names.push(path.escape_debug().to_string());
                }
                Ok(())
            }
        }
    }

    fn compare(&mut self, part: Part) -> Result<(), Failure> {
        let Some(newest) = part.at(self.size) else {
            self.found.beyond += 1;
            return Ok(());
        };
        if newest.width() == part.width() {
            // The audit has read it.
            return Ok(());
        }
        let path = part.path();
        let Some(bytes) = self.source.read(&path, part.limit())? else {
            return Ok(());
        };
        let known = self.newest(newest)?;
        let ((pieces, whole), (wanted, _)) = (part.split(&bytes), newest.split(known));
        let common = part.width().min(newest.width());
        if let Some(place) = (0..common).find(|at| pieces.get(*at) != wanted.get(*at)) {
            let (first, last) = part.entries(place);
            let newest = newest.path();
            return Err(Fault::Older {
                path,
                newest,
                first,
                last,
            }
            .into());
        }
        if !whole || pieces.len() != part.width() {
            return Err(Fault::OlderShape { path }.into());
        }
        self.found.compared += 1;
        Ok(())
    }

    fn newest(&mut self, newest: Part) -> Result<&[u8], Failure> {
        let path = newest.path();
        if self.newest.as_ref().is_none_or(|(kept, _)| *kept != path) {
            let found = match self.source.read(&path, newest.limit())? {
                Some(bytes) => Some(bytes),
                None => self.source.read(&newest.full().path(), newest.limit())?,
            };
            let bytes = found.ok_or_else(|| Fault::Missing { path: path.clone() })?;
            self.newest = Some((path, bytes));
        }
        Ok(self.newest.as_ref().map_or(&[], |(_, bytes)| bytes))
    }
}
