//! Storage of Medanchor: the journal, the state database and the published log, for nodes and for
//! auditors.
//!
//! What always holds: nothing that a method returned `Ok` for as durable is lost, whatever the
//! moment the power goes; nothing half written is believed later; damage is refused with its place.

mod certified;
pub mod cosigned;
mod error;
pub mod files;
mod histories;
mod home;
pub mod journal;
mod kept;
pub mod limit;
pub mod lock;
mod log;
mod lookup;
mod marks;
#[cfg(feature = "measure")]
pub mod measure;
mod pending;
mod places;
pub mod reader;
mod rows;
mod saver;
pub mod scratch;
mod snapshot;
pub mod store;
mod tables;
mod view;
mod window;

pub use error::StoreError;
pub use files::{make_folder, write_durably};
pub use histories::Tagged;
pub use journal::{Journal, StoredBlock, Undecided};
pub use limit::raise_open_files;
pub use lock::HomeLock;
pub use log::records::Records;
pub use reader::LogReader;
pub use scratch::{ScratchState, ScratchView};
pub use store::{LogNodes, Options, Replayed, Store};
pub use view::StoreView;
