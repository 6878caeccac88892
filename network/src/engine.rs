//! The ordering engine (Malachite) behind our own types: its context, codec, signatures, network
//! actor, and the loop that answers what it asks.

pub mod actor;
pub mod codec;
pub mod context;
pub mod decided;
pub mod driver;
pub mod evidence;
pub mod idle;
pub mod intake;
pub mod office;
#[cfg(test)]
mod scripted;
pub mod shared;
pub mod signing;
pub mod slot;
pub mod start;
pub mod wal;
