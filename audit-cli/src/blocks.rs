//! Cuts the log into blocks and gathers blocks into windows for the workers.
//!
//! What always holds: a window is whole blocks in order, and small: besides its last block at most
//! [`WINDOW_EVENTS`] entries, none of them longer than an event or a seal can be, and no block holds
//! more than a block can.

use crate::entries::Entries;
use crate::fault::{Failure, Fault};
use medanchor_ledger::block::{MAX_BLOCK_BYTES, MAX_BLOCK_EVENTS};
use medanchor_ledger::event::MAX_EVENT_BYTES;
use medanchor_ledger::seal::{EntryKind, MAX_SEAL_BYTES};
use medanchor_ledger::{Height, Index};

/// Events from which on a window is closed.
const WINDOW_EVENTS: usize = 8_192;

/// A block's entries, its seal last.
pub(crate) struct RawBlock {
    pub(crate) height: Height,
    pub(crate) first: Index,
    pub(crate) events: Vec<Box<[u8]>>,
    pub(crate) seal: Box<[u8]>,
}

/// Reads windows of blocks.
pub(crate) struct Blocks<'s> {
    entries: Entries<'s>,
    height: Height,
    first: u64,
    events: Vec<Box<[u8]>>,
    /// Bytes of these events.
    bytes: usize,
    window: Vec<RawBlock>,
    held: usize,
    ended: bool,
    /// A fault that waits until the blocks before it are handed out.
    failure: Option<Failure>,
}

impl<'s> Blocks<'s> {
    pub(crate) const fn new(entries: Entries<'s>) -> Self {
        Self {
            entries,
            height: Height(0),
            first: 0,
            events: Vec::new(),
            bytes: 0,
            window: Vec::new(),
            held: 0,
            ended: false,
            failure: None,
        }
    }

    /// The next window; none after the last. A fault is given only after all blocks before it.
    pub(crate) fn next_window(&mut self) -> Result<Option<Vec<RawBlock>>, Failure> {
        while !self.ended && self.held < WINDOW_EVENTS {
            if let Err(failure) = self.read_bundle() {
                self.ended = true;
                self.failure = Some(failure);
            }
        }
        self.held = 0;
        let window = std::mem::take(&mut self.window);
        if !window.is_empty() {
            return Ok(Some(window));
        }
        self.failure.take().map_or(Ok(None), Err)
    }

    fn read_bundle(&mut self) -> Result<(), Failure> {
        match self.entries.next_bundle(self.height)? {
            Some(bundle) => bundle.into_iter().try_for_each(|entry| self.take(entry)),
            None => self.end(),
        }
    }

    fn take(&mut self, entry: Box<[u8]>) -> Result<(), Failure> {
        if EntryKind::of(&entry) == EntryKind::Event {
            return self.take_event(entry);
        }
        if entry.len() > MAX_SEAL_BYTES {
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

    fn take_event(&mut self, entry: Box<[u8]>) -> Result<(), Failure> {
        self.bytes += entry.len();
        let fits = entry.len() <= MAX_EVENT_BYTES
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

    fn end(&mut self) -> Result<(), Failure> {
        self.ended = true;
        if self.events.is_empty() {
            return Ok(());
        }
        let last = Index(self.entries.size().0.saturating_sub(1));
        Err(Fault::Unsealed {
            last,
            height: self.height,
        }
        .into())
    }
}
