//! Looks for an event of a log by its id.
//!
//! What always holds: all entries up to the event's were held against the tiles. Whether these lead to
//! the signed root is for the caller to show, by the event's proof.

use crate::entries::Entries;
use crate::fault::{Failure, Fault};
use crate::opened::Log;
use crate::progress::Progress;
use medanchor_ledger::event::Event;
use medanchor_ledger::seal::EntryKind;
use medanchor_ledger::{EventId, Height, Index};

/// An event, and where it stands.
pub(crate) struct Found {
    pub(crate) event: Event,
    pub(crate) index: Index,
    /// The height of its block, by the number of seals before it.
    pub(crate) height: Height,
}

/// Looks for the event in the entries one after the other.
pub(crate) fn event(log: &Log, id: &EventId, quiet: bool) -> Result<Found, Failure> {
    let mut entries = Entries::new(&*log.source, log.head().clone());
    let progress = Progress::new(quiet, log.head().size);
    let (mut index, mut height, mut found) = (0, Height(0), None);
    while entries.each_of_next(height, |entry| {
        if EntryKind::of(entry) == EntryKind::Seal {
            height = height.next();
        } else if found.is_none() {
            found = Event::decode(entry)
                .ok()
                .filter(|event| event.id() == *id)
                .map(|event| Found {
                    event,
                    index: Index(index),
                    height,
                });
        }
        index += 1;
    })? {
        progress.entries(index);
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let size = log.head().size;
    Err(Fault::NoEvent { id: *id, size }.into())
}
