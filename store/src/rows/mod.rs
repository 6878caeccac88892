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
mod counting;
mod moved;
pub(crate) mod row;
#[cfg(test)]
mod tests;

pub(crate) use moved::MovedRows;

use crate::StoreError;
use crate::files::{remove, sync_folder};
use cache::RowCache;
use counting::Counting;
use medanchor_ledger::ReadFailed;
use medanchor_ledger::state::{Bucket, BucketSource, Prefix, StoredBucket};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use row::{HEAD, MAX_ROW};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes after which a segment gets a successor.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Written and read at once: little enough to be still in the processor's cache when the system copies
/// it.
const CHUNK: usize = 256 << 10;
/// Rows may take this many times the room of those that count,
const SPREAD: u64 = 3;
/// and this many segments more.
const SLACK: u64 = 2;
/// Each start begins a segment, full or not: this many files are left alone, and
const FEW: u64 = 8;
/// this many more for each full segment of rows that count.
const FILES_A_SEGMENT: u64 = 4;

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl Place {
    pub(crate) const ENCODED: usize = 12;

    /// Where a bucket was put.
    pub(crate) fn of(stored: &StoredBucket) -> Self {
        Self {
            segment: stored.source.number(),
            offset: stored.offset,
            length: stored.length,
        }
    }

    /// Where the row ends in its segment.
    fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }

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

/// A segment file, for as long as a row in it may be read: also once it is deleted.
#[derive(Debug)]
struct SegmentFile {
    number: u32,
    path: PathBuf,
    file: File,
    cache: Arc<RowCache>,
}

impl SegmentFile {
    fn read_row(&self, offset: u32, length: u32) -> Result<Bucket, StoreError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(MAX_ROW)];
        let read = self.file.read_exact_at(&mut bytes, offset.into());
        read.map_err(|error| StoreError::io("read", &self.path, error))?;
        row::decode(bytes).ok_or_else(|| damaged(&self.path, offset.into()))
    }
}

impl BucketSource for SegmentFile {
    fn number(&self) -> u32 {
        self.number
    }

    fn read(&self, offset: u32, length: u32) -> Result<Arc<Bucket>, ReadFailed> {
        let place = Place {
            segment: self.number,
            offset,
            length,
        };
        if let Some(bucket) = self.cache.get(&place) {
            return Ok(bucket);
        }
        let bucket = Arc::new(self.read_row(offset, length)?);
        self.cache.put(place, Arc::clone(&bucket));
        Ok(bucket)
    }
}

/// The writing side, owned by the thread that saves.
#[derive(Debug)]
pub(crate) struct RowLog {
    folder: PathBuf,
    files: BTreeMap<u32, Arc<SegmentFile>>,
    cache: Arc<RowCache>,
    segments: BTreeMap<u32, Segment>,
    /// The segment being written; none before the first row since the start.
    current: Option<Current>,
    next: u32,
    /// A segment that has this many bytes gets a successor.
    segment_bytes: u64,
}

#[derive(Debug, Default)]
struct Segment {
    length: u64,
    /// Bytes of rows that count.
    live: u64,
    /// Which ones they are.
    counts: Counting,
}

#[derive(Debug)]
struct Current {
    segment: Arc<SegmentFile>,
    written: u64,
    waiting: Vec<u8>,
}

impl RowLog {
    /// Opens the rows that count, given by their places, and deletes segments without any. About
    /// `cache` bytes of rows are kept in memory.
    pub(crate) fn open(
        folder: &Path,
        segment_bytes: u64,
        cache: usize,
        places: impl Iterator<Item = Place> + Clone,
    ) -> Result<Self, StoreError> {
        let mut log = Self {
            folder: folder.to_owned(),
            files: BTreeMap::new(),
            cache: Arc::new(RowCache::new(cache)),
            segments: BTreeMap::new(),
            current: None,
            next: 0,
            segment_bytes: segment_bytes.min(SEGMENT_BYTES),
        };
        let mut ends = BTreeMap::<u32, u64>::new();
        for place in places.clone() {
            log.segments.entry(place.segment).or_default().live += u64::from(place.length);
            let end = ends.entry(place.segment).or_default();
            *end = place.end().max(*end);
        }
        for number in list(folder)? {
            log.next = log.next.max(number.saturating_add(1));
            if !log.segments.contains_key(&number) {
                remove(&path(folder, number))?;
            }
        }
        for (number, segment) in &mut log.segments {
            let (file, length) = open_segment(folder, *number, &log.cache)?;
            if ends.get(number).is_some_and(|end| *end > length) {
                let what = "it ends before the last row of the state in it does";
                return Err(StoreError::Damaged {
                    path: file.path,
                    position: length,
                    what,
                });
            }
            segment.length = length;
            log.files.insert(*number, Arc::new(file));
        }
        // Every row lies in its file, so that what is noted of it is bounded by the length of that.
        for place in places {
            if let Some(segment) = log.segments.get_mut(&place.segment) {
                segment.counts.insert(place.offset);
            }
        }
        Ok(log)
    }

    /// The row at a place that [`Self::open`] was given.
    pub(crate) fn row(&self, place: Place) -> Option<StoredBucket> {
        Some(StoredBucket {
            source: Arc::clone(self.files.get(&place.segment)?) as Arc<dyn BucketSource>,
            offset: place.offset,
            length: place.length,
        })
    }

    /// Appends the row of a bucket. It counts once its place is committed; [`Self::sync`] comes
    /// before that.
    pub(crate) fn append(
        &mut self,
        prefix: &Prefix,
        bucket: &Bucket,
    ) -> Result<StoredBucket, StoreError> {
        self.append_with(|bytes| row::encode(prefix, bucket, bytes))
    }

    /// Appends a row that was read at `old`, if it is still what was written there.
    pub(crate) fn append_row(
        &mut self,
        old: Place,
        row: &[u8],
    ) -> Result<StoredBucket, StoreError> {
        if !row::is_whole(row) {
            return Err(damaged(&path(&self.folder, old.segment), old.offset.into()));
        }
        self.append_with(|bytes| {
            bytes.extend_from_slice(row);
            u32::try_from(row.len()).ok()
        })
    }

    fn append_with(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Option<u32>,
    ) -> Result<StoredBucket, StoreError> {
        let wrong = StoreError::Contradiction {
            what: "rows of the state",
        };
        let full = |current: &Current| current.length() >= self.segment_bytes;
        if self.current.as_ref().is_none_or(full) {
            self.roll()?;
        }
        let Some(current) = &mut self.current else {
            return Err(wrong);
        };
        let row = current.append(write).ok_or(wrong)?;
        if current.waiting.len() >= CHUNK {
            current.write()?;
        }
        let segment = self.segments.entry(row.source.number()).or_default();
        segment.length += u64::from(row.length);
        segment.live += u64::from(row.length);
        segment.counts.insert(row.offset);
        Ok(row)
    }

    /// The row at `place` counts no more, once the transaction is committed. One that does not count
    /// already is not the row that is meant.
    pub(crate) fn release(&mut self, place: Place) -> Result<(), StoreError> {
        let segment = self.segments.get_mut(&place.segment);
        let counted = segment.filter(|segment| segment.counts.contains(place.offset));
        let segment = counted.ok_or(StoreError::Contradiction {
            what: "rows of the state",
        })?;
        segment.live = segment.live.saturating_sub(place.length.into());
        segment.counts.remove(place.offset);
        Ok(())
    }

    /// Makes what was appended durable.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        current.write()?;
        current.sync()?;
        sync_folder(&self.folder)
    }

    /// The number of the segment that the next row goes into, or a smaller one.
    pub(crate) fn writing(&self) -> u32 {
        self.current.as_ref().map_or(self.next, Current::number)
    }

    /// A segment before `first` to copy what counts out of: the one with the least that counts for
    /// its length if old rows take more room than they may, or for its own sake if there are too
    /// many files.
    pub(crate) fn emptiest(&self, first: u32) -> Option<u32> {
        self.sparsest(first).or_else(|| self.smallest(first))
    }

    fn sparsest(&self, first: u32) -> Option<u32> {
        let total: u64 = self.segments.values().map(|segment| segment.length).sum();
        let live: u64 = self.segments.values().map(|segment| segment.live).sum();
        let candidate =
            |(number, segment): &(&u32, &Segment)| **number < first && segment.length > 0;
        let full = self.segments.iter().filter(candidate);
        let emptiest = full.min_by_key(|(_, segment)| segment.live * 1000 / segment.length.max(1));
        emptiest
            .filter(|_| total > SPREAD * live + SLACK * self.segment_bytes)
            .map(|(number, _)| *number)
    }

    /// Has less than a third of a full segment that counts, so that copying it leaves fewer files.
    fn smallest(&self, first: u32) -> Option<u32> {
        let counting = || self.segments.iter().filter(|(_, segment)| segment.live > 0);
        let live: u64 = counting().map(|(_, segment)| segment.live).sum();
        let files = u64::try_from(counting().count()).unwrap_or(u64::MAX);
        if files <= FEW + FILES_A_SEGMENT * live / self.segment_bytes.max(1) {
            return None;
        }
        let others = counting().filter(|(number, _)| **number < first);
        others
            .min_by_key(|(_, segment)| segment.live)
            .map(|(number, _)| *number)
    }

    /// Hands every row of a segment that counts to `each`, with its place and its bytes.
    pub(crate) fn scan(
        &self,
        number: u32,
        mut each: impl FnMut(Place, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(segment) = self.segments.get(&number) else {
            return Ok(());
        };
        let path = path(&self.folder, number);
        let failed = |error| StoreError::io("read", &path, error);
        let mut reader = BufReader::with_capacity(CHUNK, File::open(&path).map_err(failed)?);
        let (mut offset, mut bytes) = (0u32, Vec::new());
        while segment.counts.any_from(offset) {
            bytes.resize(HEAD, 0);
            reader.read_exact(&mut bytes).map_err(failed)?;
            let (_, length) = bytes.first_chunk().map(row::head).unwrap_or_default();
            let end = HEAD.saturating_add(length);
            let long = u32::try_from(end).ok().filter(|_| end <= MAX_ROW);
            let long = long.ok_or_else(|| damaged(&path, offset.into()))?;
            if segment.counts.contains(offset) {
                bytes.resize(end, 0);
                let rest = bytes.get_mut(HEAD..).unwrap_or_default();
                reader.read_exact(rest).map_err(failed)?;
                let place = Place {
                    segment: number,
                    offset,
                    length: long,
                };
                each(place, &bytes)?;
            } else {
                let over = i64::try_from(length).unwrap_or(i64::MAX);
                reader.seek_relative(over).map_err(failed)?;
            }
            offset = offset.saturating_add(long);
        }
        Ok(())
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
        let current = self.current.as_ref().map(Current::number);
        let mut dead = Vec::new();
        self.segments.retain(|number, segment| {
            let keep = segment.live > 0 || Some(*number) == current;
            if !keep {
                self.files.remove(number);
                dead.push(path(&self.folder, *number));
            }
            keep
        });
        dead
    }

    fn roll(&mut self) -> Result<(), StoreError> {
        if let Some(mut full) = self.current.take() {
            full.write()?;
            full.sync()?;
        }
        let number = self.next;
        let path = path(&self.folder, number);
        let mut options = File::options();
        let made = options.create_new(true).read(true).write(true).open(&path);
        let file = made.map_err(|error| StoreError::io("make", &path, error))?;
        expect_no_order(&file);
        let segment = Arc::new(SegmentFile {
            number,
            path,
            file,
            cache: Arc::clone(&self.cache),
        });
        self.next = number.saturating_add(1);
        self.files.insert(number, Arc::clone(&segment));
        self.segments.insert(number, Segment::default());
        self.current = Some(Current {
            segment,
            written: 0,
            waiting: Vec::new(),
        });
        Ok(())
    }
}

impl Current {
    fn number(&self) -> u32 {
        self.segment.number
    }

    fn length(&self) -> u64 {
        self.written + self.waiting.len() as u64
    }

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<u32>) -> Option<StoredBucket> {
        let offset = u32::try_from(self.length()).ok()?;
        let length = write(&mut self.waiting)?;
        Some(StoredBucket {
            source: Arc::clone(&self.segment) as Arc<dyn BucketSource>,
            offset,
            length,
        })
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let written = self.segment.file.write_all_at(&self.waiting, self.written);
        written.map_err(|error| StoreError::io("write", &self.segment.path, error))?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let synced = self.segment.file.sync_data();
        synced.map_err(|error| StoreError::io("sync", &self.segment.path, error))
    }
}

/// Rows are read in no order: reading ahead would fetch what nobody asks for. Only advice, so that a
/// system that refuses it loses nothing.
pub(crate) fn expect_no_order(file: &File) {
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM);
}

/// A segment that was written before this start, and its length.
fn open_segment(
    folder: &Path,
    number: u32,
    cache: &Arc<RowCache>,
) -> Result<(SegmentFile, u64), StoreError> {
    let path = path(folder, number);
    let file = File::open(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => StoreError::Missing {
            path: path.clone(),
            what: "rows of the state",
        },
        _ => StoreError::io("open", &path, error),
    })?;
    let length = file.metadata();
    let length = length.map_err(|error| StoreError::io("read", &path, error))?;
    expect_no_order(&file);
    let cache = Arc::clone(cache);
    let segment = SegmentFile {
        number,
        path,
        file,
        cache,
    };
    Ok((segment, length.len()))
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
