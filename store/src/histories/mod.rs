//! Where in the log the events stand that moved a tag: what histories are made from.
//!
//! What always holds: it is computed from the log and the state, on a thread of its own that nobody
//! waits for but who asks for a history; whatever is missing of it, after a crash or on a home that
//! had none, is computed again. It decides nothing: a history that is made with it is held against
//! the count and the chain that the state has.
//!
//! The log is cut into ranges of 16,384 entries. Each whole range has a file in `data/histories`,
//! named by its number, of 10 bytes for each moved tag in ascending order: the first 8 bytes of the
//! path of the tag's state key, and the place in the range (2). Nothing is inserted anywhere: a range
//! is sorted once, when it is whole, and the one that is not is in memory.

mod range;

use crate::StoreError;
use crate::files::{make_folder, remove, sync_folder, write_aside};
use crate::log::LogFolder;
use crate::saver::Recent;
use medanchor_ledger::event::Event;
use medanchor_ledger::execute::View;
use medanchor_ledger::rules::tag::moved;
use medanchor_ledger::seal::EntryKind;
use medanchor_ledger::state::{Path as KeyPath, StateMap};
use medanchor_ledger::{Index, Size};
use range::{MAX_RANGE, Row};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Entries that are looked at between two looks at whether to stop.
const STEP: u64 = 1024;

/// How long who asks waits for the thread to come as far as the checkpoint.
const PATIENCE: Duration = Duration::from_secs(2);

/// The index.
#[derive(Debug)]
pub(crate) struct Histories {
    folder: PathBuf,
    /// Entries of a range.
    range: u64,
    progress: Mutex<Progress>,
    /// Signalled when there are new blocks, when the thread got further, and when to stop.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    /// Entries below are in the index.
    next: u64,
    /// What moved tags in the range that is not whole.
    tail: Vec<Row>,
    stopping: bool,
    failed: Option<Arc<StoreError>>,
}

/// Where events stand, or how far the index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// The home keeps no index (`Options::histories`).
    Off,
    /// The index is still being computed, and has come to this size.
    Behind(Size),
    /// Their places, in the order of the log.
    Found(Vec<Index>),
}

impl Histories {
    /// The index in `folder`, as far as its files are whole; [`Self::run`] computes the rest.
    pub(crate) fn open(folder: &Path, size: Size, range: u64) -> Result<Self, StoreError> {
        make_folder(folder)?;
        let range = range.clamp(1, MAX_RANGE);
        let mut whole = 0;
        while (whole + 1) * range <= size.0 && range::is_whole(&range::path(folder, whole)) {
            whole += 1;
        }
        // A file beyond the log was left by a home that was put back to an earlier state.
        let mut beyond = size.0 / range;
        while range::path(folder, beyond).exists() {
            remove(&range::path(folder, beyond))?;
            beyond += 1;
        }
        let progress = Progress {
            next: whole * range,
            ..Progress::default()
        };
        Ok(Self {
            folder: folder.to_owned(),
            range,
            progress: Mutex::new(progress),
            changed: Condvar::new(),
        })
    }

    /// Says that there are new blocks.
    pub(crate) fn wake(&self) {
        // Taken so that the thread is either before its look or asleep, never in between.
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// The thread: follows the log until it is told to stop.
    pub(crate) fn run(&self, log: &LogFolder, recent: &Recent) {
        loop {
            let view = recent.view();
            match self.follow(log, view.map(), view.head().frontier.size()) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(%error, "the index of histories cannot be kept; histories are not served until the next start");
                    self.lock().failed = Some(Arc::new(error));
                    self.changed.notify_all();
                    return;
                }
            }
            drop(view);
            let at_end = |progress: &mut Progress| {
                !progress.stopping && progress.next >= recent.view().head().frontier.size().0
            };
            // Woken for each block, and when to stop.
            let waiting = self
                .changed
                .wait_timeout_while(self.lock(), PATIENCE, at_end);
            drop(waiting);
        }
    }

    /// Takes in the entries up to `size`; false when it is told to stop.
    fn follow(&self, log: &LogFolder, map: &StateMap, size: Size) -> Result<bool, StoreError> {
        loop {
            let progress = self.lock();
            let (next, stopping) = (progress.next, progress.stopping);
            drop(progress);
            if stopping || next >= size.0 {
                return Ok(!stopping);
            }
            let end = (next + STEP)
                .min(size.0)
                .min((next / self.range + 1) * self.range);
            let entries = log.entries(Index(next), Size(end))?;
            let rows = rows_of(self.range, next, &entries, map)?;
            self.advance(end, rows)?;
        }
    }

    fn advance(&self, end: u64, rows: Vec<Row>) -> Result<(), StoreError> {
        let mut progress = self.lock();
        progress.tail.extend(rows);
        if end.is_multiple_of(self.range) {
            let mut whole = progress.tail.clone();
            drop(progress);
            whole.sort_unstable();
            let number = end / self.range - 1;
            write_aside(&range::path(&self.folder, number), &range::encode(&whole))?;
            sync_folder(&self.folder)?;
            progress = self.lock();
            progress.tail = Vec::new();
        }
        progress.next = end;
        drop(progress);
        self.changed.notify_all();
        Ok(())
    }

    /// Where the events stand that moved the tag of this path: up to `limit` of those below `size`,
    /// after the first `skip`. Paths that agree in their first 8 bytes are not told apart: who makes
    /// a history of it looks at the events.
    pub(crate) fn tagged(
        &self,
        path: &KeyPath,
        skip: u64,
        limit: usize,
        size: Size,
    ) -> Result<Tagged, StoreError> {
        let wanted = range::short(path);
        let behind = |progress: &mut Progress| {
            progress.next < size.0 && progress.failed.is_none() && !progress.stopping
        };
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), PATIENCE, behind);
        let (progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = &progress.failed {
            return Err(StoreError::Stopped {
                first: Arc::clone(first),
            });
        }
        if progress.next < size.0 {
            return Ok(Tagged::Behind(Size(progress.next)));
        }
        let whole = progress.next / self.range;
        let ours = progress.tail.iter().filter(|row| row.path == wanted);
        let tail: Vec<u16> = ours.map(|row| row.place).collect();
        drop(progress);
        let mut found = Vec::new();
        let mut skip = skip;
        for number in 0..=whole {
            let in_file;
            let places = if number == whole {
                &tail
            } else {
                in_file = range::find(&range::path(&self.folder, number), wanted)?;
                &in_file
            };
            for place in places {
                let index = number * self.range + u64::from(*place);
                if index >= size.0 || found.len() == limit {
                    return Ok(Tagged::Found(found));
                }
                if skip > 0 {
                    skip -= 1;
                } else {
                    found.push(Index(index));
                }
            }
        }
        Ok(Tagged::Found(found))
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the entries from `first` on moved.
fn rows_of(
    range: u64,
    first: u64,
    entries: &[Vec<u8>],
    map: &StateMap,
) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    let unread = |_| StoreError::Contradiction {
        what: "state of an event in the log",
    };
    for (entry, index) in entries.iter().zip(first..) {
        if EntryKind::of(entry) == EntryKind::Seal {
            continue;
        }
        let event = Event::decode(entry).map_err(|_| StoreError::Contradiction {
            what: "entry of the log",
        })?;
        for (key, _) in moved(&event, Index(index), map).map_err(unread)? {
            // A place in a range of 2^16 fits 16 bits.
            let place = u16::try_from(index % range).unwrap_or(u16::MAX);
            let path = range::short(&key.path());
            rows.push(Row { path, place });
        }
    }
    Ok(rows)
}
