//! Storage of Medanchor: the journal, the state database and the published log, for nodes and for
//! auditors.
//!
//! What always holds: nothing that a method returned `Ok` for as durable is lost, whatever the
//! moment the power goes; nothing half written is believed later; damage is refused with its place.

pub mod error;
mod files;
pub mod journal;
pub mod lock;

pub use error::StoreError;
pub use journal::{Journal, StoredBlock, Undecided};
pub use lock::HomeLock;
