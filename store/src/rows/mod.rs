//! Where the buckets of the state map stand on disk: append-only segment files of rows.
//!
//! What always holds:
//!
//! - A row is written once and never changed. Which rows count is written in the database
//!   ([`Place`] by prefix), in the transaction that follows the sync of the rows.
//! - So a row that no committed transaction names does not exist, wherever a crash left it; a segment
//!   in which no row counts any more is deleted, and one that is read is never written.
//! - A new segment is begun at every start: nothing is appended after what a crash left.
//!
//! Rows are random by nature (paths are hashes), and a B-tree rewrites a page of 4 KiB for each;
//! here a changed bucket costs its own bytes, in order, and the room of old rows is won back by
//! copying what still counts out of the emptiest segments. `docs/decisions/state-map.md` has the
//! figures.

mod cache;
pub(crate) mod row;
#[cfg(test)]
mod tests;

use crate::StoreError;
use crate::files::{remove, sync_folder};
use cache::RowCache;
use row::{HEAD, MAX_ROW, Row};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes after which a segment gets a successor.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Written at once.
const CHUNK: usize = 1 << 20;
/// Old rows may take as much room as those that count, and this many segments more.
const SLACK: u64 = 2;

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl Place {
    pub(crate) const ENCODED: usize = 12;

    pub(crate) fn encode(&self) -> [u8; Self::ENCODED] {
        let mut bytes = [0; Self::ENCODED];
        let numbers = [self.segment, self.offset, self.length];
        for (field, number) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *field = number.to_be_bytes();
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::ENCODED]) -> Self {
        let number = |at: usize| {
            let field = bytes.iter().skip(at).take(4);
            field.fold(0u32, |number, byte| number << 8 | u32::from(*byte))
        };
        Self {
            segment: number(0),
            offset: number(4),
            length: number(8),
        }
    }
}

/// The files that the rows of one snapshot stand in. They stay readable for as long as it lives,
/// also once they are deleted.
#[derive(Clone, Debug)]
pub(crate) struct RowFiles {
    folder: PathBuf,
    files: Arc<BTreeMap<u32, Arc<File>>>,
    cache: Arc<RowCache>,
}

impl RowFiles {
    /// The row at a place.
    pub(crate) fn read(&self, place: Place) -> Result<Arc<Row>, StoreError> {
        if let Some(row) = self.cache.get(&place) {
            return Ok(row);
        }
        let path = path(&self.folder, place.segment);
        let missing = StoreError::Missing {
            path: path.clone(),
            what: "rows of the state",
        };
        let file = self.files.get(&place.segment).ok_or(missing)?;
        let mut bytes = vec![
            0;
            usize::try_from(place.length)
                .unwrap_or(usize::MAX)
                .min(MAX_ROW)
        ];
        file.read_exact_at(&mut bytes, place.offset.into())
            .map_err(|error| StoreError::io("read", &path, error))?;
        let row = Row::decode(bytes).ok_or_else(|| damaged(&path, place.offset.into()))?;
        let row = Arc::new(row);
        self.cache.put(place, Arc::clone(&row));
        Ok(row)
    }
}

/// The writing side, owned by the thread that saves.
#[derive(Debug)]
pub(crate) struct RowLog {
    files: RowFiles,
    segments: BTreeMap<u32, Segment>,
    /// The segment being written; none before the first row since the start.
    current: Option<Current>,
    next: u32,
    /// A segment that has this many bytes gets a successor.
    segment_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    length: u64,
    /// Bytes of rows that count.
    live: u64,
}

#[derive(Debug)]
struct Current {
    number: u32,
    file: Arc<File>,
    written: u64,
    waiting: Vec<u8>,
}

impl RowLog {
    /// Opens the rows that count, given by their places, and deletes segments without any.
    pub(crate) fn open(
        folder: &Path,
        segment_bytes: u64,
        places: impl Iterator<Item = Place>,
    ) -> Result<Self, StoreError> {
        let mut segments: BTreeMap<u32, Segment> = BTreeMap::new();
        for place in places {
            segments.entry(place.segment).or_default().live += u64::from(place.length);
        }
        let mut next = 0;
        for number in list(folder)? {
            next = next.max(number.saturating_add(1));
            if !segments.contains_key(&number) {
                remove(&path(folder, number))?;
            }
        }
        let mut files = BTreeMap::new();
        for (number, segment) in &mut segments {
            let path = path(folder, *number);
            let missing = |error| match error {
                StoreError::Io { .. } => StoreError::Missing {
                    path: path.clone(),
                    what: "rows of the state",
                },
                other => other,
            };
            let file = File::open(&path).map_err(|error| StoreError::io("open", &path, error));
            let file = file.map_err(missing)?;
            let length = file
                .metadata()
                .map_err(|error| StoreError::io("read", &path, error))?;
            segment.length = length.len();
            files.insert(*number, Arc::new(file));
        }
        let files = RowFiles {
            folder: folder.to_owned(),
            files: Arc::new(files),
            cache: Arc::new(RowCache::default()),
        };
        Ok(Self {
            files,
            segments,
            current: None,
            next,
            segment_bytes: segment_bytes.min(SEGMENT_BYTES),
        })
    }

    /// The files as they are now, for a snapshot.
    pub(crate) fn files(&self) -> RowFiles {
        self.files.clone()
    }

    /// Appends a row. It counts once its place is committed; [`Self::sync`] comes before that.
    pub(crate) fn append(&mut self, row: &[u8]) -> Result<Place, StoreError> {
        if self
            .current
            .as_ref()
            .is_none_or(|current| current.length() >= self.segment_bytes)
        {
            self.roll()?;
        }
        let wrong = StoreError::Contradiction {
            what: "rows of the state",
        };
        let Some(current) = &mut self.current else {
            return Err(wrong);
        };
        let place = current.append(row).ok_or(wrong)?;
        if current.waiting.len() >= CHUNK {
            current.write(&self.files.folder)?;
        }
        let segment = self.segments.entry(place.segment).or_default();
        segment.length += u64::from(place.length);
        segment.live += u64::from(place.length);
        Ok(place)
    }

    /// The row at `place` counts no more, once the transaction is committed.
    pub(crate) fn release(&mut self, place: Place) {
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.live = segment.live.saturating_sub(place.length.into());
        }
    }

    /// Makes what was appended durable.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        current.write(&self.files.folder)?;
        sync_file(&self.files.folder, current)?;
        sync_folder(&self.files.folder)
    }

    /// The segment with the least that counts, if old rows take more room than they may.
    pub(crate) fn emptiest(&self) -> Option<u32> {
        let total: u64 = self.segments.values().map(|segment| segment.length).sum();
        let live: u64 = self.segments.values().map(|segment| segment.live).sum();
        let current = self.current.as_ref().map(|current| current.number);
        let candidate =
            |(number, segment): &(&u32, &Segment)| Some(**number) != current && segment.length > 0;
        let full = self.segments.iter().filter(candidate);
        let emptiest = full.min_by_key(|(_, segment)| segment.live * 1000 / segment.length.max(1));
        emptiest
            .filter(|_| total > 2 * live + SLACK * self.segment_bytes)
            .map(|(number, _)| *number)
    }

    /// Hands every row of a segment to `each`, with its place and its bytes.
    pub(crate) fn scan(
        &self,
        number: u32,
        mut each: impl FnMut(Place, Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let path = path(&self.files.folder, number);
        let file = File::open(&path).map_err(|error| StoreError::io("read", &path, error))?;
        let mut reader = BufReader::with_capacity(CHUNK, file);
        let mut offset = 0u32;
        loop {
            let mut bytes = vec![0; HEAD];
            if reader.read_exact(&mut bytes).is_err() {
                return Ok(());
            }
            let Some(head) = bytes.first_chunk::<HEAD>() else {
                return Ok(());
            };
            let (_, length) = row::head(head);
            let end = HEAD.saturating_add(length);
            bytes.resize(end.min(MAX_ROW), 0);
            let rest = bytes.get_mut(HEAD..).unwrap_or_default();
            if end > MAX_ROW || reader.read_exact(rest).is_err() {
                return Ok(());
            }
            let length = u32::try_from(end).unwrap_or(u32::MAX);
            each(
                Place {
                    segment: number,
                    offset,
                    length,
                },
                bytes,
            )?;
            offset = offset.saturating_add(length);
        }
    }

    /// Whether no row of a segment counts.
    pub(crate) fn is_empty(&self, number: u32) -> bool {
        self.segments
            .get(&number)
            .is_none_or(|segment| segment.live == 0)
    }

    /// Counts a segment as gone, so that [`Self::emptiest`] goes on to the next.
    pub(crate) fn forget(&mut self, number: u32) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.length = 0;
        }
    }

    /// Segments in which no row counts, forgotten here; their files are to be deleted once that is
    /// committed.
    pub(crate) fn take_dead(&mut self) -> Vec<PathBuf> {
        let current = self.current.as_ref().map(|current| current.number);
        let mut files = (*self.files.files).clone();
        let mut dead = Vec::new();
        self.segments.retain(|number, segment| {
            let keep = segment.live > 0 || Some(*number) == current;
            if !keep {
                files.remove(number);
                dead.push(path(&self.files.folder, *number));
            }
            keep
        });
        self.files.files = Arc::new(files);
        dead
    }

    fn roll(&mut self) -> Result<(), StoreError> {
        if let Some(mut full) = self.current.take() {
            full.write(&self.files.folder)?;
            sync_file(&self.files.folder, &full)?;
        }
        let number = self.next;
        let path = path(&self.files.folder, number);
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path);
        let file = Arc::new(file.map_err(|error| StoreError::io("make", &path, error))?);
        self.next = number.saturating_add(1);
        let mut files = (*self.files.files).clone();
        files.insert(number, Arc::clone(&file));
        self.files.files = Arc::new(files);
        self.segments.insert(number, Segment::default());
        self.current = Some(Current {
            number,
            file,
            written: 0,
            waiting: Vec::new(),
        });
        Ok(())
    }
}

impl Current {
    fn length(&self) -> u64 {
        self.written + self.waiting.len() as u64
    }

    fn append(&mut self, row: &[u8]) -> Option<Place> {
        let offset = u32::try_from(self.length()).ok()?;
        self.waiting.extend_from_slice(row);
        Some(Place {
            segment: self.number,
            offset,
            length: u32::try_from(row.len()).ok()?,
        })
    }

    fn write(&mut self, folder: &Path) -> Result<(), StoreError> {
        self.file
            .write_all_at(&self.waiting, self.written)
            .map_err(|error| StoreError::io("write", &path(folder, self.number), error))?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

fn sync_file(folder: &Path, current: &Current) -> Result<(), StoreError> {
    let synced = current.file.sync_data();
    synced.map_err(|error| StoreError::io("sync", &path(folder, current.number), error))
}

fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:010}.rows"))
}

fn damaged(path: &Path, position: u64) -> StoreError {
    let what = "a row of the state is not what was written";
    StoreError::Damaged {
        path: path.to_owned(),
        position,
        what,
    }
}

/// The numbers of the segments in a folder.
fn list(folder: &Path) -> Result<Vec<u32>, StoreError> {
    let failed = |error| StoreError::io("list", folder, error);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".rows"));
        numbers.extend(stem.and_then(|stem| stem.parse::<u32>().ok()));
    }
    Ok(numbers)
}
