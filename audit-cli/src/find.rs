//! Looks for an event of a log by its id.
//!
//! What always holds: all entries up to the event's were held against the tiles. Whether these lead to
//! the signed root is for the caller to show, by the event's proof.

use crate::entries::{Keep, each_bundle};
use crate::fault::{Failure, Fault};
use crate::opened::Log;
use crate::progress::Progress;
use medanchor_ledger::block::MAX_ENTRY_BYTES;
use medanchor_ledger::event::Event;
use medanchor_ledger::seal::EntryKind;
use medanchor_ledger::{EventId, Height, Index};
use std::ops::ControlFlow;
use std::thread::available_parallelism;

/// An event, and where it stands.
pub(crate) struct Found {
    pub(crate) event: Event,
    pub(crate) index: Index,
    /// The height of its block, by the number of seals before it.
    pub(crate) height: Height,
}

/// Looks for the event in the entries one after the other.
pub(crate) fn event(log: &Log, id: &EventId, quiet: bool) -> Result<Found, Failure> {
    let progress = Progress::new(quiet, log.head().size);
    let workers = available_parallelism().map_or(1, Into::into);
    let (mut index, mut height, mut found) = (0u64, Height(0), None);
    let mut first = Index(0);
    each_bundle(&*log.source, log.head(), workers, Keep::Entries, |bundle| {
        for (entry, index) in bundle.entries.iter().zip(index..) {
            if entry.as_bytes().len() > MAX_ENTRY_BYTES {
                // What its bundle has after it was not kept.
                return Err(Fault::Oversize { height, first }.into());
            }
            if EntryKind::of(entry.as_bytes()) == EntryKind::Seal {
                height = height.next();
                first = Index(index.saturating_add(1));
                continue;
            }
            let event = Event::decode(entry.as_bytes()).ok();
            if let Some(event) = event.filter(|event| event.id() == *id) {
                let index = Index(index);
                found = Some(Found {
                    event,
                    index,
                    height,
                });
                return Ok(ControlFlow::Break(()));
            }
        }
        index += bundle.count();
        progress.entries(index);
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(found) = found {
        return Ok(found);
    }
    let size = log.head().size;
    Err(Fault::NoEvent { id: *id, size }.into())
}
