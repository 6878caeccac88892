//! The journal: signed events are on disk before they are posted, so that a crash loses none and a
//! retry sends the same bytes.
//!
//! What always holds: when [`Journal::sign`] returns, its events are synced to the disk; an event
//! stays pending until it is settled. A record is synced before the next is written,
//! so only the last one can be torn by a crash: it is cut off when the journal is opened, and nothing
//! in it was ever posted. A bad record with a good one after it is damage, and the file is refused
//! with the position. After a failed write or sync nothing more is written until the file is opened
//! again, because what the disk holds is then unknown.

mod record;

use medanchor_ledger::EventId;
use record::Record;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What the file begins with.
const HEADER: &[u8] = b"medanchor-sdk-journal-v1\n";
/// The largest file that is opened.
const MAX_FILE: u64 = 1 << 30;
/// Compact when this many bytes are settled and they are more than half of the file.
const COMPACT_ABOVE: u64 = 1 << 20;
/// The most events in one record, so that a record stays within its bound.
const RECORD_EVENTS: usize = 1000;
/// The most events that are settled and may be pending again after a crash.
const UNWRITTEN: usize = 16;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system refused.
    #[error("cannot use the journal {path}: {source}; free space or fix the disk, then open it again", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An earlier write failed, so the end of the file is unknown.
    #[error("an earlier write to the journal failed; open the identity again before you sign more")]
    Unusable,
    /// The file does not begin as a journal does.
    #[error("{path} is not a journal of this version; restore it from the back-up", path = path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// A record inside the file is damaged.
    #[error("the journal {path} is damaged at byte {position}, and intact records follow; the disk lost data: restore the file from the back-up", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damaged record begins.
        position: u64,
    },
    /// The file is larger than any journal.
    #[error("the journal {path} is larger than 1 GiB; settle its events with `resume` on a larger machine or restore it", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// An event that was signed and is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The id under which it is posted now.
    pub id: EventId,
    /// The signed bytes.
    pub event: Vec<u8>,
    /// The ids under which it was posted before, oldest first.
    pub earlier: Vec<EventId>,
    /// The order in which events were signed.
    sequence: u64,
}

/// The append-only file of signed events.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of the file. A size in memory always fits 64 bits, so `as u64` never cuts here.
    length: u64,
    /// Bytes of records that compaction would drop, at least.
    settled_bytes: u64,
    pending: BTreeMap<EventId, Pending>,
    /// What is settled and not written yet.
    unwritten: Vec<EventId>,
    next: u64,
    unusable: bool,
    id_of: fn(&[u8]) -> Option<EventId>,
}

impl Journal {
    /// Opens the journal at `path`, or makes a new one. `id_of` gives the id of a signed event.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] with the position when a record inside is bad, and any failure of
    /// the system.
    pub fn open(path: &Path, id_of: fn(&[u8]) -> Option<EventId>) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open_file(path).map_err(io)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            length: 0,
            settled_bytes: 0,
            pending: BTreeMap::new(),
            unwritten: Vec::new(),
            next: 0,
            unusable: false,
            id_of,
        };
        journal.load()?;
        Ok(journal)
    }

    fn io(&self, source: std::io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn load(&mut self) -> Result<(), JournalError> {
        let size = self.file.metadata().map_err(|error| self.io(error))?.len();
        if size > MAX_FILE {
            return Err(JournalError::TooLarge {
                path: self.path.clone(),
            });
        }
        let mut bytes = Vec::new();
        let mut reader = (&self.file).take(MAX_FILE);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| self.io(error))?;
        let Some(mut rest) = bytes.strip_prefix(HEADER) else {
            return self.begin(&bytes);
        };
        self.length = HEADER.len() as u64;
        while let Some((record, size)) = record::decode(self.length, rest) {
            rest = rest
                .split_at_checked(size)
                .map_or(&[][..], |(_, rest)| rest);
            self.length += size as u64;
            if !self.apply(record, size as u64) {
                return Err(JournalError::NotAJournal {
                    path: self.path.clone(),
                });
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.cut_torn_tail(rest)
    }

    /// Writes the header of a new file, also when a crash left a part of it.
    fn begin(&mut self, found: &[u8]) -> Result<(), JournalError> {
        if !HEADER.starts_with(found) {
            return Err(JournalError::NotAJournal {
                path: self.path.clone(),
            });
        }
        let missing = HEADER.get(found.len()..).unwrap_or_default();
        let written = (&self.file).seek(SeekFrom::End(0)).and_then(|_| {
            (&self.file).write_all(missing)?;
            self.file.sync_all()?;
            sync_folder_of(&self.path)
        });
        written.map_err(|error| self.io(error))?;
        self.length = HEADER.len() as u64;
        Ok(())
    }

    fn cut_torn_tail(&mut self, rest: &[u8]) -> Result<(), JournalError> {
        let later = (1u64..).zip(1..rest.len()).any(|(ahead, at)| {
            let from = rest.get(at..).unwrap_or_default();
            record::decode(self.length + ahead, from).is_some()
        });
        if later {
            return Err(JournalError::Damaged {
                path: self.path.clone(),
                position: self.length,
            });
        }
        let cut = self
            .file
            .set_len(self.length)
            .and_then(|()| self.file.sync_all());
        cut.map_err(|error| self.io(error))
    }

    /// Brings the pending events up to date; false if the record makes no sense.
    fn apply(&mut self, record: Record, size: u64) -> bool {
        match record {
            Record::Signed(events) => events.into_iter().all(|event| self.add(event, Vec::new())),
            Record::Renewed { earlier, event } => {
                self.forget(&earlier);
                self.add(event, earlier)
            }
            Record::Settled(ids) => {
                self.forget(&ids);
                self.settled_bytes += size;
                true
            }
        }
    }

    fn forget(&mut self, ids: &[EventId]) {
        let gone = ids.iter().filter_map(|id| self.pending.remove(id));
        self.settled_bytes += gone.map(|one| one.event.len() as u64).sum::<u64>();
    }

    fn add(&mut self, event: Vec<u8>, earlier: Vec<EventId>) -> bool {
        let Some(id) = (self.id_of)(&event) else {
            return false;
        };
        let sequence = self.next;
        self.next += 1;
        self.pending.entry(id).or_insert(Pending {
            id,
            event,
            earlier,
            sequence,
        });
        true
    }

    fn append(&mut self, record: Record) -> Result<(), JournalError> {
        if self.unusable {
            return Err(JournalError::Unusable);
        }
        let bytes = record::encode(self.length, &record).ok_or(JournalError::Unusable)?;
        let start = SeekFrom::Start(self.length);
        let written = self.file.seek(start).and_then(|_| {
            self.file.write_all(&bytes)?;
            self.file.sync_data()
        });
        if let Err(error) = written {
            self.unusable = true;
            // Best effort: a torn record is cut off at the next opening anyway.
            drop(self.file.set_len(self.length));
            return Err(self.io(error));
        }
        self.length += bytes.len() as u64;
        self.apply(record, bytes.len() as u64);
        Ok(())
    }

    /// Puts signed events on disk. They may be posted once this has returned.
    ///
    /// # Errors
    /// [`JournalError`]; then none of the events may be posted.
    pub fn sign(&mut self, events: &[&[u8]]) -> Result<(), JournalError> {
        for chunk in events.chunks(RECORD_EVENTS) {
            self.append(Record::Signed(
                chunk.iter().map(|event| event.to_vec()).collect(),
            ))?;
        }
        Ok(())
    }

    /// Replaces the bytes of a pending event that can no longer be anchored as it is. Does nothing
    /// and gives false if the event was settled or renewed meanwhile.
    ///
    /// # Errors
    /// [`JournalError`]; then the new event may not be posted.
    pub fn renew(&mut self, old: &EventId, event: &[u8]) -> Result<bool, JournalError> {
        let Some(before) = self.pending.get(old) else {
            return Ok(false);
        };
        let earlier = before.earlier.iter().chain([old]).copied().collect();
        self.append(Record::Renewed {
            earlier,
            event: event.to_vec(),
        })?;
        Ok(true)
    }

    /// Notes that these events need no further work; that is on disk when this returns.
    ///
    /// # Errors
    /// [`JournalError`]; the events are pending again once the file is opened anew.
    pub fn settle(&mut self, ids: &[EventId]) -> Result<(), JournalError> {
        self.settled(ids);
        self.write_settled()
    }

    /// [`Journal::settle`], on disk with the next few, or when the journal is dropped. After a crash up to 16 such
    /// events are pending again: only for those that may be said again and happen once.
    ///
    /// # Errors
    /// As [`Journal::settle`].
    pub fn settle_soon(&mut self, ids: &[EventId]) -> Result<(), JournalError> {
        self.settled(ids);
        match self.unwritten.len() > UNWRITTEN {
            true => self.write_settled(),
            false => Ok(()),
        }
    }

    fn settled(&mut self, ids: &[EventId]) {
        let known = |id: &&EventId| self.pending.contains_key(*id);
        let ids: Vec<EventId> = ids.iter().filter(known).copied().collect();
        self.forget(&ids);
        self.unwritten.extend(ids);
    }

    fn write_settled(&mut self) -> Result<(), JournalError> {
        let ids = std::mem::take(&mut self.unwritten);
        for chunk in ids.chunks(RECORD_EVENTS) {
            self.append(Record::Settled(chunk.to_vec()))?;
        }
        if self.settled_bytes > COMPACT_ABOVE && self.settled_bytes > self.length / 2 {
            self.compact()?;
        }
        Ok(())
    }

    /// The events that are signed and not settled, in the order of signing.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        let mut pending: Vec<Pending> = self.pending.values().cloned().collect();
        pending.sort_by_key(|one| one.sequence);
        pending
    }

    /// One pending event.
    #[must_use]
    pub fn get(&self, id: &EventId) -> Option<&Pending> {
        self.pending.get(id)
    }

    /// The id under which an event is pending that is posted under this one, or was before.
    #[must_use]
    pub fn now_as(&self, id: &EventId) -> Option<EventId> {
        let mut renewed = self.pending.values();
        match self.pending.contains_key(id) {
            true => Some(*id),
            false => renewed
                .find(|one| one.earlier.contains(id))
                .map(|one| one.id),
        }
    }

    /// Rewrites the file with the pending events alone: aside, synced, then renamed into place.
    ///
    /// # Errors
    /// [`JournalError`]; the old file then stays.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        let aside = self.path.with_extension("new");
        let written = self.write_compacted(&aside);
        let (file, length) = written.map_err(|error| self.io(error))?;
        let renamed = std::fs::rename(&aside, &self.path).and_then(|()| sync_folder_of(&self.path));
        if let Err(error) = renamed {
            self.unusable = true; // which of the two files a crash would leave is unknown
            return Err(self.io(error));
        }
        (self.file, self.length, self.settled_bytes) = (file, length, 0);
        Ok(())
    }

    fn write_compacted(&self, aside: &Path) -> std::io::Result<(File, u64)> {
        let mut file = open_file(aside)?;
        file.set_len(0)?;
        file.write_all(HEADER)?;
        let mut length = HEADER.len() as u64;
        for record in self.compacted() {
            let bytes = record::encode(length, &record).unwrap_or_default();
            file.write_all(&bytes)?;
            length += bytes.len() as u64;
        }
        file.sync_all()?;
        Ok((file, length))
    }

    /// The records that say what is pending, renewals included.
    fn compacted(&self) -> Vec<Record> {
        let record = |one: Pending| match one.earlier.is_empty() {
            true => Record::Signed(vec![one.event]),
            false => Record::Renewed {
                earlier: one.earlier,
                event: one.event,
            },
        };
        self.pending().into_iter().map(record).collect()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Nothing is written to a file that could not be read.
        if !self.unwritten.is_empty() {
            #[cfg(test)]
            tests::comes_to_its_end();
            // What cannot be written is found to be anchored when it is posted again.
            let _ = self.write_settled();
        }
    }
}

fn open_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
pub(crate) mod tests;
