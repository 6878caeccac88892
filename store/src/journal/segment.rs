//! Segment files: making, listing and scanning them.

use super::index::{Contradiction, Extent, Index};
use super::record::{
    MAX_PAYLOAD, RECORD_HEADER, RECORD_MAGIC, Record, SEGMENT_HEADER, SegmentHeader,
};
use crate::StoreError;
use crate::files::{read_bounded, sync_folder, write_again, write_aside};
use medanchor_ledger::{Height, NetworkId};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

/// A segment that has reached this size gets a successor.
pub(super) const SEGMENT_LIMIT: u64 = 16 << 20;
const LARGEST: u64 = SEGMENT_LIMIT + (MAX_PAYLOAD + RECORD_HEADER + SEGMENT_HEADER) as u64;

/// What is kept of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    /// The greatest height of its records; its base if it has none.
    pub(super) last: Height,
    /// Bytes of the file.
    pub(super) length: u64,
}

pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.journal"))
}

/// Makes an empty segment, durably.
pub(super) fn create(
    folder: &Path,
    network: NetworkId,
    number: u64,
    base: Height,
) -> Result<Segment, StoreError> {
    // The hasher's keys are random: enough for a salt that only has to be unknown to others.
    let salt = RandomState::new().hash_one(number).to_be_bytes();
    let header = SegmentHeader {
        network,
        number,
        base,
        salt,
    };
    write_aside(&path(folder, number), &header.encode())?;
    sync_folder(folder)?;
    Ok(Segment {
        header,
        last: base,
        length: SEGMENT_HEADER as u64,
    })
}

/// The numbers of the segments in a folder, in order.
pub(super) fn list(folder: &Path) -> Result<Vec<u64>, StoreError> {
    let failed = |error| StoreError::io("list", folder, error);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".journal"));
        numbers.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads every segment, in order, into an index. A torn tail of the last one is cut from the file, and
/// the record before it is durable: all others were before it was appended.
pub(super) fn scan_all(
    folder: &Path,
    network: NetworkId,
    numbers: &[u64],
    protected: Height,
) -> Result<(BTreeMap<u64, Segment>, Index), StoreError> {
    let mut segments = BTreeMap::new();
    let mut index: Option<Index> = None;
    for (&number, expected) in numbers.iter().zip(numbers.first().copied().unwrap_or(0)..) {
        let path = path(folder, expected);
        if number != expected {
            return Err(StoreError::Missing {
                path,
                what: "a segment of the journal",
            });
        }
        let bytes = read_bounded(&path, LARGEST)?.unwrap_or_default();
        let header = header(&path, &bytes, network, number)?;
        let index = index.get_or_insert_with(|| Index::starting_at(header.base));
        if header.base != index.tip {
            return Err(damaged(
                &path,
                0,
                "it does not follow the segment before it",
            ));
        }
        let is_last = Some(&number) == numbers.last();
        let mut scan = Scan {
            path: &path,
            bytes: &bytes,
            header,
            protected,
            is_last,
        };
        segments.insert(number, scan.run(index)?);
    }
    sync_folder(folder)?;
    Ok((segments, index.unwrap_or_default()))
}

fn header(
    path: &Path,
    bytes: &[u8],
    network: NetworkId,
    number: u64,
) -> Result<SegmentHeader, StoreError> {
    let Some(header) = SegmentHeader::decode(bytes) else {
        return Err(damaged(path, 0, "its header is not one"));
    };
    if header.network != network {
        return Err(StoreError::OtherNetwork {
            path: path.to_owned(),
            expected: network.to_string(),
            found: header.network.to_string(),
        });
    }
    if header.number != number {
        return Err(damaged(path, 24, "its number is not that of its name"));
    }
    Ok(header)
}

/// The scan of one segment.
struct Scan<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    header: SegmentHeader,
    protected: Height,
    is_last: bool,
}

impl Scan<'_> {
    fn run(&mut self, index: &mut Index) -> Result<Segment, StoreError> {
        let (mut at, mut last) = (SEGMENT_HEADER, self.header.base);
        let mut newest = 0;
        while let Some((record, length)) = self.record(at) {
            let extent = Extent {
                segment: self.header.number,
                position: at as u64,
                length,
            };
            index
                .add(&record, extent)
                .map_err(|Contradiction(what)| damaged(self.path, extent.position, what))?;
            last = last.max(record.height);
            newest = at;
            at += length;
        }
        if at < self.bytes.len() {
            self.cut(at, index.tip)?;
        } else if self.is_last && index.tip < self.protected {
            return Err(self.lost(at));
        }
        if self.is_last {
            self.settle(newest, at)?;
        }
        Ok(Segment {
            header: self.header,
            last,
            length: at as u64,
        })
    }

    fn record(&self, at: usize) -> Option<(Record<'_>, usize)> {
        Record::decode(self.bytes.get(at..)?, self.header.salt, at as u64)
    }

    /// Cuts what was half written when the power went; refuses what cannot be that.
    fn cut(&self, at: usize, tip: Height) -> Result<(), StoreError> {
        let what = "a record is not what was written, and a good one follows";
        if !self.is_last || self.good_record_after(at) {
            return Err(damaged(self.path, at as u64, what));
        }
        if tip < self.protected {
            return Err(self.lost(at));
        }
        let cut = || {
            let file = File::options().write(true).open(self.path)?;
            file.set_len(at as u64)?;
            file.sync_all()
        };
        tracing::warn!(file = %self.path.display(), position = at, "cut a torn record off the journal");
        cut().map_err(|error| StoreError::io("cut", self.path, error))
    }

    fn settle(&self, newest: usize, end: usize) -> Result<(), StoreError> {
        let file = File::options().read(true).write(true).open(self.path);
        let settled = file.and_then(|file| write_again(&file, newest as u64, end as u64));
        settled.map_err(|error| StoreError::io("write", self.path, error))
    }

    fn good_record_after(&self, at: usize) -> bool {
        let rest = self.bytes.get(at + 1..).unwrap_or_default();
        let marks = rest.windows(RECORD_MAGIC.len()).enumerate();
        marks
            .filter(|(_, window)| window == RECORD_MAGIC)
            .any(|(offset, _)| self.record(at + 1 + offset).is_some())
    }

    fn lost(&self, at: usize) -> StoreError {
        damaged(
            self.path,
            at as u64,
            "blocks that this home has built on are gone from here on",
        )
    }
}

fn damaged(path: &Path, position: u64, what: &'static str) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        position,
        what,
    }
}
