//! From memory into the database, on a thread of its own.
//!
//! What always holds: what the database says is decided and durable in the journal; the files of
//! the log that a saved height needs are durable before it; the journal is trimmed only after
//! both. Deciding waits for a save only when memory would grow beyond its bound.

use crate::layer::{Layer, Layers};
use crate::log::LogFolder;
use crate::snapshot::Snapshot;
use crate::tables::{HeightRow, Tables};
use crate::view::StoreView;
use crate::{Journal, Options, StoreError};
use medanchor_ledger::execute::{Executed, View};
use medanchor_ledger::{Height, Size};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The state in memory and the thread that saves it.
pub(crate) struct Recent {
    state: Mutex<State>,
    /// Signalled when there is something to save, when a save is done, and when to stop.
    changed: Condvar,
    options: Options,
}

struct State {
    view: StoreView,
    /// When the oldest change that is not being saved was made.
    since: Option<Instant>,
    blocks: u32,
    bytes: usize,
    saving: bool,
    stopping: bool,
    failed: Option<Arc<StoreError>>,
}

impl Recent {
    pub(crate) fn new(view: StoreView, options: Options) -> Self {
        let state = State {
            view,
            since: None,
            blocks: 0,
            bytes: 0,
            saving: false,
            stopping: false,
            failed: None,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
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
        let layer = layer_of(executed, row);
        let bytes = layer.bytes();
        let mut state = self.wait_for_room()?;
        if executed.map_update.base() != state.view.map().root() {
            let why = "it was executed over another state";
            return Err(StoreError::Refused {
                what: "a block",
                why,
            });
        }
        let old = state.view.clone();
        let saved = Arc::clone(old.saved());
        // The state's own view must go first: layers are merged without a copy only if unshared.
        let empty = [Layers::default(), Layers::default()];
        let map = executed.map_update.map().clone();
        let head = executed.head.clone();
        state.view = StoreView::new(head.clone(), map.clone(), empty, Arc::clone(&saved));
        let [saving, mut active] = old.into_layers();
        active.push(layer);
        state.view = StoreView::new(head, map, [saving, active], saved);
        state.since.get_or_insert_with(Instant::now);
        state.blocks += 1;
        state.bytes += bytes;
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits while a save is under way and as much again as one save takes is waiting.
    fn wait_for_room(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let full = |state: &mut State| {
            state.failed.is_none() && state.saving && state.bytes > self.options.save_bytes
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
        while let Some(view) = self.next_save() {
            let work = AssertUnwindSafe(|| save(tables, journal, log, &view));
            // A panic must reach those who wait for this thread, as an error.
            let panicked = Err(StoreError::Contradiction {
                what: "state database",
            });
            let saved = catch_unwind(work).unwrap_or(panicked);
            drop(view);
            let mut state = self.lock();
            state.saving = false;
            match saved {
                Ok(saved) => state.view = replace_saved(state.view.clone(), saved),
                Err(error) => {
                    tracing::error!(%error, "the state cannot be saved");
                    state.failed = Some(Arc::new(error));
                }
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits until there is something to save, and moves it aside.
    fn next_save(&self) -> Option<StoreView> {
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
                    || state.bytes >= self.options.save_bytes
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
        let view = state.view.clone();
        let moved = [view.active().clone(), Layers::default()];
        let (head, map) = (view.head().clone(), view.map().clone());
        state.view = StoreView::new(head.clone(), map, moved, Arc::clone(view.saved()));
        (state.since, state.blocks, state.bytes, state.saving) = (None, 0, 0, true);
        drop(state);
        Some(view)
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

/// Everything of a block that is not in the database yet.
pub(crate) fn layer_of(executed: &Executed, row: HeightRow) -> Layer {
    let first = executed.seal.first.0;
    let mut layer = Layer::default();
    let value = |value: &Option<Vec<u8>>| value.as_deref().map(Arc::from);
    layer.values = executed
        .changes
        .iter()
        .map(|(key, new)| (key.path(), value(new)))
        .collect();
    let buckets = executed.map_update.buckets();
    layer.buckets = buckets
        .iter()
        .map(|(prefix, change)| (*prefix, change.clone()))
        .collect();
    let events = executed.events.iter().zip(first..);
    layer.events = events
        .map(|(event, index)| (event.id(), medanchor_ledger::Index(index)))
        .collect();
    layer.heights.insert(executed.seal.height, row);
    layer
}

/// The same state over a newer snapshot that has what was being saved.
fn replace_saved(view: StoreView, saved: Snapshot) -> StoreView {
    let (head, map) = (view.head().clone(), view.map().clone());
    let [_, active] = view.into_layers();
    StoreView::new(head, map, [Layers::default(), active], Arc::new(saved))
}

fn save(
    tables: &Tables,
    journal: &Journal,
    log: &LogFolder,
    view: &StoreView,
) -> Result<Snapshot, StoreError> {
    let head = view.head();
    let mark = log.settle(head.frontier.size())?;
    let (map, encoded) = (view.map().clone(), head.encode());
    let saved = tables.save(view.saved(), view.active(), map, &encoded, &mark.encode())?;
    journal.trim(settled_height(&saved, head.height, mark.settled)?)?;
    Ok(saved)
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
