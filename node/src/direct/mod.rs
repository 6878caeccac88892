//! The services that participants ask directly, off the ledger: a custodian of shares, and an owner's
//! vault. Both are processes of their own beside the nodes, and both answer only what a statement over
//! mutual TLS asks and the ledger, proved and fresh, permits.
//!
//! What always holds: a service trusts no node (it proves what it acts on), no certificate (it knows
//! keys by their hashes) and no client (every request is bounded, in size, rate and time); nothing of
//! a payload, a key or a person is in its log.

pub mod config;
mod custodian;
mod evidence;
pub mod home;
mod learning;
mod log;
mod moving;
mod owner;
mod pause;
mod places;
mod renewal;
mod reply;
mod router;
mod seat;
mod senders;
mod start;
mod store;
mod upkeep;

pub use custodian::Keeper;
pub use owner::Owner;
pub use places::Place;
pub use reply::Reply;
pub use router::Answers;
pub use start::{Serving, run_custodian, run_owner, serve};
pub use store::{make_store, protect_store, renew_store_key};
