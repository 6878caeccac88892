//! The journal: bodies before they are voted for, proposals before they are sent, decisions before
//! they are acknowledged. One durable write each.
//!
//! What always holds:
//!
//! - A record that a method returned `Ok` for is there after any crash.
//! - One record a sync: so what a power cut leaves half written is the last record, and only that.
//!   On opening it is cut. A bad record with a good one behind it, or in an older segment, or where
//!   blocks are lost that this home has built on, is damage: refused, with file and position.
//! - A body is written once; the decision refers to it.
//! - After an error nothing more is written. What was half written is cut when the home is opened.
//!
//! The byte tables stand in `record.rs`.

mod index;
mod record;
mod segment;
#[cfg(test)]
mod tests;

use crate::StoreError;
use crate::files::{make_folder, remove};
use index::{Extent, Index, Slot};
use medanchor_ledger::{Height, NetworkId, Round, ValueId};
use record::{Kind, Record};
use segment::Segment;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

/// A body that this home executed and that is not decided yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The height it is for.
    pub height: Height,
    /// Its value id.
    pub value: ValueId,
    /// The rounds in which this home proposed it.
    pub proposed: Vec<Round>,
    /// The block's bytes.
    pub body: Vec<u8>,
}

/// A decided block with the certificate that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// Its height.
    pub height: Height,
    /// Its value id.
    pub value: ValueId,
    /// The block's bytes.
    pub body: Vec<u8>,
    /// The certificate's bytes.
    pub certificate: Vec<u8>,
}

/// What the rest of the home knows when its journal is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// Blocks up to this height are kept elsewhere: the journal may lack them.
    pub settled: Height,
    /// Blocks up to this height were built on: a journal that ends below is damaged.
    pub protected: Height,
}

/// The journal of one home. All methods may be called from any thread.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    network: NetworkId,
    /// A segment that has reached this many bytes gets a successor.
    segment_limit: u64,
    /// Taken by writers, for as long as one durable write takes.
    writer: Mutex<Writer>,
    /// Taken shortly. Locked after `writer` where both are.
    catalog: RwLock<Catalog>,
}

#[derive(Debug)]
struct Writer {
    file: File,
    segment: Segment,
    failed: Option<Arc<StoreError>>,
}

#[derive(Debug)]
struct Catalog {
    segments: BTreeMap<u64, Segment>,
    index: Index,
}

impl Journal {
    /// A segment that has reached this size gets a successor, or earlier if so opened.
    pub const SEGMENT_BYTES: u64 = segment::SEGMENT_LIMIT;

    /// Opens the journal in `folder`, or makes one if nothing was ever decided. A segment gets a
    /// successor at `segment_bytes`.
    ///
    /// # Errors
    ///
    /// When it belongs to another network, is damaged, or lacks what `known` says it must have.
    pub fn open(
        folder: &Path,
        network: NetworkId,
        known: Known,
        segment_bytes: u64,
    ) -> Result<Self, StoreError> {
        let segment_limit = segment_bytes.min(Self::SEGMENT_BYTES);
        make_folder(folder)?;
        let mut numbers = segment::list(folder)?;
        if numbers.is_empty() && known.protected == Height(0) {
            segment::create(folder, network, 0, Height(0))?;
            numbers.push(0);
        }
        let (segments, index) = segment::scan_all(folder, network, &numbers, known.protected)?;
        let what = "the journal of blocks that are not kept elsewhere";
        let missing = || StoreError::Missing {
            path: folder.to_owned(),
            what,
        };
        let (_, first) = segments.first_key_value().ok_or_else(missing)?;
        let (_, last) = segments.last_key_value().ok_or_else(missing)?;
        if first.header.base > known.settled || index.first_without_body(known.settled).is_some() {
            return Err(missing());
        }
        let writer = Writer {
            file: open_segment(folder, last)?,
            segment: *last,
            failed: None,
        };
        let catalog = Catalog { segments, index };
        let (writer, catalog) = (Mutex::new(writer), RwLock::new(catalog));
        Ok(Self {
            folder: folder.to_owned(),
            network,
            segment_limit,
            writer,
            catalog,
        })
    }

    /// The height decided last.
    #[must_use]
    pub fn tip(&self) -> Height {
        self.catalog().index.tip
    }

    /// Whether the journal has the body of a value of that height.
    #[must_use]
    pub fn has_body(&self, height: Height, value: &ValueId) -> bool {
        self.catalog()
            .index
            .slots
            .get(&height)
            .is_some_and(|slot| slot.body(value).is_some())
    }

    /// Keeps the body of an undecided value: durable when this returns, so that the caller may vote
    /// for it. Known ones cost nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or its height is decided.
    pub fn keep_body(&self, height: Height, value: ValueId, body: &[u8]) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if self.slot(height).body(&value).is_some() {
            return Ok(());
        }
        self.append(
            &mut writer,
            &Record {
                height,
                value,
                kind: Kind::Body,
                body,
            },
        )
    }

    /// Keeps what this home proposes in a round, durably, before it is sent.
    ///
    /// # Errors
    ///
    /// When it cannot be written, when its height is decided, or when another value was proposed in
    /// that round: ask [`Self::proposal`] first.
    pub fn keep_proposal(
        &self,
        height: Height,
        round: Round,
        value: ValueId,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let slot = self.slot(height);
        match slot.proposals.iter().find(|(known, _)| *known == round) {
            Some((_, known)) if *known == value => return Ok(()),
            Some(_) => {
                let why = "this home has proposed another value in that round";
                return Err(StoreError::Refused {
                    what: "a proposal",
                    why,
                });
            }
            None => {}
        }
        let body = if slot.body(&value).is_some() {
            &[]
        } else {
            body
        };
        self.append(
            &mut writer,
            &Record {
                height,
                value,
                kind: Kind::Proposal(round),
                body,
            },
        )
    }

    /// What this home proposed in a round, if anything: value and body.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub fn proposal(
        &self,
        height: Height,
        round: Round,
    ) -> Result<Option<(ValueId, Vec<u8>)>, StoreError> {
        let slot = self.slot(height);
        let Some((_, value)) = slot.proposals.iter().find(|(known, _)| *known == round) else {
            return Ok(None);
        };
        Ok(self.body_of(&slot, value)?.map(|body| (*value, body)))
    }

    /// The undecided bodies of a height.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub fn undecided(&self, height: Height) -> Result<Vec<Undecided>, StoreError> {
        let slot = self.slot(height);
        if slot.decision.is_some() {
            return Ok(Vec::new());
        }
        let undecided = |(value, extent): &(ValueId, Extent)| {
            let proposed = slot.proposals.iter().filter(|(_, other)| other == value);
            Ok(Undecided {
                height,
                value: *value,
                proposed: proposed.map(|(round, _)| *round).collect(),
                body: self.read(*extent, |record| record.body.to_vec())?,
            })
        };
        slot.bodies.iter().map(undecided).collect()
    }

    /// Writes a decision, durably, before it is acknowledged. The other bodies of its height are
    /// forgotten.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or its height is not the next.
    pub fn decide(
        &self,
        height: Height,
        value: ValueId,
        certificate: &[u8],
        body: &[u8],
    ) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if height != self.tip().next() {
            let why = "its height is not the one after the last";
            return Err(StoreError::Refused {
                what: "a decision",
                why,
            });
        }
        let known = self.slot(height).body(&value).is_some();
        let body = if known { &[] } else { body };
        self.append(
            &mut writer,
            &Record {
                height,
                value,
                kind: Kind::Decision(certificate),
                body,
            },
        )
    }

    /// A decided block; `None` once it was trimmed, or if it is not decided.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub fn block(&self, height: Height) -> Result<Option<StoredBlock>, StoreError> {
        match self.read_block(height) {
            // The segment was trimmed while it was read.
            Err(_) if self.slot(height).decision.is_none() => Ok(None),
            read => read,
        }
    }

    fn read_block(&self, height: Height) -> Result<Option<StoredBlock>, StoreError> {
        let slot = self.slot(height);
        let Some((value, extent)) = slot.decision else {
            return Ok(None);
        };
        let certificate = self.read(extent, |record| match record.kind {
            Kind::Decision(certificate) => certificate.to_vec(),
            _ => Vec::new(),
        })?;
        let body = self.body_of(&slot, &value)?;
        Ok(body.map(|body| StoredBlock {
            height,
            value,
            body,
            certificate,
        }))
    }

    /// Drops the segments that hold nothing above `settled`, the height up to which everything is
    /// durable elsewhere. The segment being written stays.
    ///
    /// # Errors
    ///
    /// When a file cannot be deleted.
    pub fn trim(&self, settled: Height) -> Result<(), StoreError> {
        let current = self.writer().segment.header.number;
        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        let settled = settled.min(catalog.index.tip);
        let old =
            |(number, segment): &(&u64, &Segment)| **number != current && segment.last <= settled;
        let done: Vec<u64> = catalog
            .segments
            .iter()
            .take_while(old)
            .map(|(number, _)| *number)
            .collect();
        if done.is_empty() {
            return Ok(());
        }
        catalog.index.forget(settled);
        for number in done {
            catalog.segments.remove(&number);
            remove(&segment::path(&self.folder, number))?;
        }
        Ok(())
    }

    fn append(&self, writer: &mut Writer, record: &Record<'_>) -> Result<(), StoreError> {
        if let Some(first) = &writer.failed {
            return Err(StoreError::Stopped {
                first: Arc::clone(first),
            });
        }
        if record.height <= self.tip() {
            return Err(StoreError::Refused {
                what: "a body",
                why: "its height is decided",
            });
        }
        let result = self.roll(writer).and_then(|()| self.write(writer, record));
        if let Err(error) = &result {
            writer.failed = Some(Arc::new(error.clone()));
        }
        result
    }

    /// Starts a new segment when the current one is long enough.
    fn roll(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.segment.length < self.segment_limit {
            return Ok(());
        }
        let number = writer.segment.header.number.saturating_add(1);
        let next = segment::create(&self.folder, self.network, number, self.tip())?;
        writer.file = open_segment(&self.folder, &next)?;
        writer.segment = next;
        Ok(())
    }

    fn write(&self, writer: &mut Writer, record: &Record<'_>) -> Result<(), StoreError> {
        let position = writer.segment.length;
        let header = writer.segment.header;
        let too_long = StoreError::Refused {
            what: "a block",
            why: "it is longer than 8 MiB",
        };
        let bytes = record.encode(header.salt, position).ok_or(too_long)?;
        let path = segment::path(&self.folder, header.number);
        writer
            .file
            .write_all_at(&bytes, position)
            .and_then(|()| writer.file.sync_data())
            .map_err(|error| StoreError::io("write", &path, error))?;
        writer.segment.length += bytes.len() as u64;
        writer.segment.last = writer.segment.last.max(record.height);
        let extent = Extent {
            segment: header.number,
            position,
            length: bytes.len(),
        };
        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        catalog.segments.insert(header.number, writer.segment);
        let contradicts = |index::Contradiction(why)| StoreError::Refused {
            what: "a record",
            why,
        };
        catalog.index.add(record, extent).map_err(contradicts)
    }

    fn body_of(&self, slot: &Slot, value: &ValueId) -> Result<Option<Vec<u8>>, StoreError> {
        let extent = slot.body(value);
        extent
            .map(|extent| self.read(extent, |record| record.body.to_vec()))
            .transpose()
    }

    /// Reads a record back and checks it again.
    fn read<T>(&self, extent: Extent, of: impl Fn(Record<'_>) -> T) -> Result<T, StoreError> {
        let path = segment::path(&self.folder, extent.segment);
        let what = "a record is not what was written";
        let damaged = || StoreError::Damaged {
            path: path.clone(),
            position: extent.position,
            what,
        };
        let salt = self
            .catalog()
            .segments
            .get(&extent.segment)
            .map(|known| known.header.salt);
        let mut bytes = vec![0; extent.length];
        File::open(&path)
            .and_then(|file| file.read_exact_at(&mut bytes, extent.position))
            .map_err(|error| StoreError::io("read", &path, error))?;
        let record = Record::decode(&bytes, salt.ok_or_else(damaged)?, extent.position);
        record.map(|(record, _)| of(record)).ok_or_else(damaged)
    }

    fn slot(&self, height: Height) -> Slot {
        self.catalog()
            .index
            .slots
            .get(&height)
            .cloned()
            .unwrap_or_default()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_segment(folder: &Path, segment: &Segment) -> Result<File, StoreError> {
    let path = segment::path(folder, segment.header.number);
    let file = File::options().read(true).write(true).open(&path);
    file.map_err(|error| StoreError::io("open", &path, error))
}
