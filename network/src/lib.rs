//! The network of Medanchor: Byzantine-fault-tolerant ordering of blocks, and the one peer-to-peer
//! port over which members exchange votes, blocks, events and cosignatures.
//!
//! What always holds: nobody who is not on the configured list of peers gets a byte out of this
//! node or a message into it, a silent stranger included; what a message says about its sender is
//! bound to the connection it came by; everything received is bounded in size, count and time; a
//! block is voted for only after [`Application::check`] found it valid and stored it durably; and
//! nothing in this crate signs a checkpoint, because a validator may precommit blocks that are
//! never decided (`docs/decisions/consensus-engine.md`).
//!
//! The crate does not know what a block or an event means: both are opaque bytes here. A node
//! implements [`Application`], builds a [`Config`] and calls [`Network::start`].

mod application;
mod batch;
mod bytes;
mod config;
mod engine;
mod handle;
mod identity;
pub mod limits;
mod parts;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod wal_file;
mod wire;

pub use application::{
    Application, Checked, Decided, DecidedBlock, Failure, HeightPlan, Misbehaviour, Origin,
    Proposal, Received, Stored, Twin, Validator,
};
pub use config::{Config, ConfigError, Consensus, Peer, Timeouts};
pub use handle::{Delivery, Fatal, Handle, Network, PeerStatus, StartError, Status};
pub use identity::{PeerKey, SecretSeed};
pub use wal_file::WalFile;

/// What to add to a log filter so that the engine says only what needs attention; at `info` it
/// writes some seventeen lines a block.
pub const LOG_DIRECTIVES: &str = "arc_malachitebft_engine=warn,arc_malachitebft_core_consensus=warn,\
    arc_malachitebft_core_driver=warn,arc_malachitebft_sync=warn,libp2p_swarm=warn,ractor=warn";
