//! Cuts the log into blocks and gathers blocks into windows for the workers.
//!
//! What always holds: a window is whole blocks in order, and small: besides its last block at most
//! [`WINDOW_EVENTS`] entries, none of them longer than an event or a seal can be, and no block holds
//! more than a block can.

use crate::entries::{Keep, each_bundle};
use crate::fault::{Failure, Fault};
use crate::source::Source;
use medanchor_ledger::block::{MAX_BLOCK_BYTES, MAX_BLOCK_EVENTS};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::event::MAX_EVENT_BYTES;
use medanchor_ledger::merkle::Entry;
use medanchor_ledger::seal::{EntryKind, MAX_SEAL_BYTES};
use medanchor_ledger::{Height, Index};
use std::ops::ControlFlow;
use std::sync::mpsc::SyncSender;

/// Events from which on a window is closed: enough that their signatures are cheap to check together.
const WINDOW_EVENTS: usize = 4_096;

/// A block's entries, its seal last.
pub(crate) struct RawBlock {
    pub(crate) height: Height,
    pub(crate) first: Index,
    pub(crate) events: Vec<Entry>,
    pub(crate) seal: Entry,
}

/// Blocks in order, or what was found wrong after the last one.
pub(crate) type Window = Result<Vec<RawBlock>, Failure>;

/// Cuts all of a log into windows, whose entries `workers` threads read; ends early if nobody takes
/// them any more.
pub(crate) fn cut(
    source: &dyn Source,
    checkpoint: &Checkpoint,
    workers: usize,
    windows: &SyncSender<Window>,
) {
    let mut blocks = Blocks::new();
    let read = each_bundle(source, checkpoint, workers, Keep::Entries, |bundle| {
        for entry in bundle.entries {
            blocks.take(entry)?;
        }
        if blocks.held < WINDOW_EVENTS {
            return Ok(ControlFlow::Continue(()));
        }
        Ok(blocks.hand_out(windows))
    });
    let ended = read.and_then(|()| blocks.end(checkpoint));
    // A fault is given only after all blocks before it.
    if blocks.hand_out(windows).is_continue()
        && let Err(failure) = ended
    {
        // If nobody listens any more, another fault was found first.
        let _ = windows.send(Err(failure));
    }
}

/// The block that is being cut, and the window of those before it.
struct Blocks {
    height: Height,
    first: u64,
    events: Vec<Entry>,
    /// Bytes of these events.
    bytes: usize,
    window: Vec<RawBlock>,
    held: usize,
}

impl Blocks {
    const fn new() -> Self {
        Self {
            height: Height(0),
            first: 0,
            events: Vec::new(),
            bytes: 0,
            window: Vec::new(),
            held: 0,
        }
    }

    fn hand_out(&mut self, windows: &SyncSender<Window>) -> ControlFlow<()> {
        self.held = 0;
        let window = std::mem::take(&mut self.window);
        if window.is_empty() || windows.send(Ok(window)).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn take(&mut self, entry: Entry) -> Result<(), Failure> {
        if EntryKind::of(entry.as_bytes()) == EntryKind::Event {
            return self.take_event(entry);
        }
        if entry.as_bytes().len() > MAX_SEAL_BYTES {
            return Err(self.oversize());
        }
        self.bytes = 0;
        let events = std::mem::take(&mut self.events);
        let count = events.len() as u64;
        self.held += events.len() + 1;
        let (height, first) = (self.height, Index(self.first));
        self.window.push(RawBlock {
            height,
            first,
            events,
            seal: entry,
        });
        self.height = self.height.next();
        self.first += count + 1;
        Ok(())
    }

    fn take_event(&mut self, entry: Entry) -> Result<(), Failure> {
        let length = entry.as_bytes().len();
        self.bytes += length;
        let fits = length <= MAX_EVENT_BYTES
            && self.bytes <= MAX_BLOCK_BYTES
            && self.events.len() < MAX_BLOCK_EVENTS;
        if !fits {
            return Err(self.oversize());
        }
        self.events.push(entry);
        Ok(())
    }

    fn oversize(&self) -> Failure {
        let (height, first) = (self.height, Index(self.first));
        Fault::Oversize { height, first }.into()
    }

    /// The log must end with a seal.
    fn end(&self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        if self.events.is_empty() {
            return Ok(());
        }
        let last = Index(checkpoint.size.0.saturating_sub(1));
        Err(Fault::Unsealed {
            last,
            height: self.height,
        }
        .into())
    }
}
