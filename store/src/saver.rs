//! From memory into the database, on a thread of its own.
//!
//! What always holds: what the database says is decided and durable in the journal; the files of
//! the log that a saved height needs are durable before it; the journal is trimmed only after
//! both. Deciding waits for a save only when memory would grow beyond its bound.

use crate::log::LogFolder;
use crate::lookup::Lookup;
use crate::pending::{Fresh, Pending};
use crate::snapshot::Snapshot;
use crate::tables::{Batch, HeightRow, Tables};
use crate::view::StoreView;
use crate::{Journal, Options, StoreError};
use medanchor_ledger::execute::{Executed, Head, View};
use medanchor_ledger::state::{BucketMove, StateMap};
use medanchor_ledger::{Height, Size};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The state in memory and the thread that saves it.
pub(crate) struct Recent {
    state: Mutex<State>,
    /// Signalled when there is something to save, when a save is done, and when to stop.
    changed: Condvar,
    lookup: Arc<Lookup>,
    options: Options,
}

struct State {
    view: StoreView,
    pending: Pending,
    /// When the oldest change that is not being saved was made.
    since: Option<Instant>,
    /// Where each save since the last block moved buckets to, for the next block: it may have been
    /// executed over the map before.
    moves: Vec<Vec<BucketMove>>,
    blocks: u32,
    saving: bool,
    stopping: bool,
    failed: Option<Arc<StoreError>>,
}

impl Recent {
    pub(crate) fn new(head: Head, map: StateMap, saved: Snapshot, options: Options) -> Self {
        let lookup = Arc::new(Lookup::new(saved));
        let state = State {
            view: StoreView::new(head, map, Arc::clone(&lookup)),
            pending: Pending::default(),
            since: None,
            moves: Vec::new(),
            blocks: 0,
            saving: false,
            stopping: false,
            failed: None,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            lookup,
            options,
        }
    }

    pub(crate) fn view(&self) -> StoreView {
        self.lock().view.clone()
    }

    /// The error that stopped the thread, if one did.
    pub(crate) fn health(&self) -> Result<(), StoreError> {
        match &self.lock().failed {
            Some(first) => Err(StoreError::Stopped {
                first: Arc::clone(first),
            }),
            None => Ok(()),
        }
    }

    /// Becomes the state after a decided block.
    pub(crate) fn apply(&self, executed: &Executed, row: HeightRow) -> Result<(), StoreError> {
        let mut state = self.wait_for_room()?;
        // The root alone does not say it: a block may leave the state as it was.
        let next = state.view.head().next_height();
        if (executed.seal.height, executed.map_update.base()) != (next, state.view.map().root()) {
            let why = "it was executed over another state";
            return Err(StoreError::Refused {
                what: "a block",
                why,
            });
        }
        // The block is found before the view that has it is handed out.
        self.lookup.absorb(executed, row);
        state.pending.absorb(executed);
        let moves = std::mem::take(&mut state.moves);
        let map = executed.map_update.map().clone();
        let map = moves.iter().fold(map, |map, save| map.moved(save));
        let head = executed.head.clone();
        state.view = StoreView::new(head, map, Arc::clone(&self.lookup));
        state.since.get_or_insert_with(Instant::now);
        state.blocks += 1;
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits while a save is under way and as much again as one save takes is waiting.
    fn wait_for_room(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let full = |state: &mut State| {
            state.failed.is_none()
                && state.saving
                && state.pending.bytes() > self.options.save_bytes
        };
        let state = self.changed.wait_while(self.lock(), full);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        match &state.failed {
            Some(first) => Err(StoreError::Stopped {
                first: Arc::clone(first),
            }),
            None => Ok(state),
        }
    }

    /// The thread: saves when it is time to, until it is told to stop.
    pub(crate) fn run(&self, tables: &Tables, journal: &Journal, log: &LogFolder) {
        while let Some(due) = self.next_save() {
            let work = AssertUnwindSafe(|| save(tables, journal, log, due));
            // A panic must reach those who wait for this thread, as an error.
            let panicked = Err(StoreError::Contradiction {
                what: "state database",
            });
            let saved = catch_unwind(work).unwrap_or(panicked);
            let saved = saved.inspect_err(|error| {
                tracing::error!(%error, "the state cannot be saved");
            });
            let ended = saved.map(|(saved, moves)| {
                self.lookup.end_save(saved);
                moves
            });
            let mut state = self.lock();
            state.saving = false;
            match ended {
                Ok(moves) => state.move_buckets(moves, &self.lookup),
                Err(error) => state.failed = Some(Arc::new(error)),
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits until there is something to save, and moves it aside.
    fn next_save(&self) -> Option<Due> {
        let mut state = self.lock();
        loop {
            if state.failed.is_some() {
                return None;
            }
            let waited = state.since.map(|since| since.elapsed());
            let due = waited.is_some_and(|waited| {
                state.stopping
                    || waited >= self.options.save_every
                    || state.blocks >= self.options.save_blocks
                    || state.pending.bytes() >= self.options.save_bytes
            });
            if due {
                break;
            }
            if state.stopping {
                return None;
            }
            let patience = waited.map_or(Duration::from_secs(60), |waited| {
                self.options.save_every.saturating_sub(waited)
            });
            let woken = self.changed.wait_timeout(state, patience);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let due = Due {
            view: state.view.clone(),
            pending: std::mem::take(&mut state.pending),
            fresh: self.lookup.begin_save(),
        };
        (state.since, state.blocks, state.saving) = (None, 0, true);
        drop(state);
        Some(due)
    }

    /// Saves what is left and ends the thread.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// From now on buckets are read from where a save put them: what they were read from before is
    /// deleted, and takes its room until nobody has it open.
    fn move_buckets(&mut self, moves: Vec<BucketMove>, lookup: &Arc<Lookup>) {
        let (head, map) = (self.view.head().clone(), self.view.map().moved(&moves));
        self.view = StoreView::new(head, map, Arc::clone(lookup));
        self.moves.push(moves);
    }
}

/// What one save is to move into the database.
struct Due {
    view: StoreView,
    pending: Pending,
    fresh: Arc<Fresh>,
}

fn save(
    tables: &Tables,
    journal: &Journal,
    log: &LogFolder,
    due: Due,
) -> Result<(Snapshot, Vec<BucketMove>), StoreError> {
    let head = due.view.head();
    let mark = log.settle(head.frontier.size())?;
    let (saved, moves) = tables.save(Batch {
        fresh: &due.fresh,
        map: due.view.map(),
        changes: due.pending.changes(),
        head: &head.encode(),
        log: &mark.encode(),
    })?;
    journal.trim(settled_height(&saved, head.height, mark.settled)?)?;
    Ok((saved, moves))
}

/// The last height that the journal need not keep: saved, with all its entries in full bundles.
pub(crate) fn settled_height(
    saved: &Snapshot,
    tip: Height,
    settled: Size,
) -> Result<Height, StoreError> {
    let next = medanchor_ledger::Index(settled.0);
    let unsettled = saved.height_at(next, tip)?;
    Ok(unsettled.map_or(tip, |height| Height(height.0.saturating_sub(1))))
}
