//! Execution: from a view of the state after one height and a block to the state after the next.
//! Proposer, validator and auditor all run this code.
//!
//! What always holds: the same view and the same events give the same bytes; a view is never
//! changed; a block is found faulty only by what it and the state say, never because something
//! could not be read or is not known to this release ([`Halt`]). Executions of rival blocks over
//! one view do not disturb each other, and whichever is decided is applied by the store.

mod builder;
mod check;
mod genesis;
mod head;
mod memory;

pub use builder::{BlockBuilder, Candidate, Executed};
pub use check::{BlockFault, CheckedBlock, SealField, SignerKeys, execute_block};
pub use genesis::execute_genesis;
pub use head::Head;
pub use memory::MemoryState;

use crate::state::{StateKey, StateMap};
use crate::{EventId, ReadFailed};

/// The state after one height, to be read and never changed.
pub trait View: Send + Sync {
    /// What the height left for the next one.
    fn head(&self) -> &Head;

    /// Whether the event is in the log. It may forget events whose not-after lies before the head's
    /// time: they are refused as expired before anybody asks.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn seen(&self, id: &EventId) -> Result<bool, ReadFailed>;

    /// The state map.
    fn map(&self) -> &StateMap;

    /// The value that the state holds under `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadFailed> {
        self.map().value(&key.path())
    }
}

/// Why there is no verdict. Never held against a block: whoever sees it stops and repairs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Halt {
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadFailed),
    /// The state's rules are of a version that this release lacks.
    #[error(
        "the network runs rules version {found}, this release knows {known}; install one that has {found}"
    )]
    UnknownRules {
        /// The version in the state.
        found: u32,
        /// The newest version that this release knows.
        known: u32,
    },
}
