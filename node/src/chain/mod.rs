//! The chain: what the ordering engine asks of this node, over the store and the ledger's rules.
//!
//! What always holds: one thread executes, so that everything of a height happens in order; no
//! block is found valid that was not executed and stored durably; a checkpoint is signed only
//! after its block was synced to the journal; a failure of storage stops the node and is never a
//! verdict.

mod application;
mod build;
mod executor;
pub mod judge;
pub mod publish;
mod shared;
pub mod tasks;
#[cfg(test)]
pub(crate) mod testing;
mod times;

pub use application::Chain;
pub use publish::Publisher;
pub use shared::{Part, Shared, Stop, height};
