//! The Medanchor daemon: pool, execution, HTTP and monitors around the ledger's rules.
//!
//! What always holds: this crate has no rules of its own. Whether an event applies, and what a
//! block means, is `medanchor-ledger`'s business; order is `medanchor-network`'s; bytes on disk
//! are `medanchor-store`'s.

pub mod admission;
pub mod chain;
pub mod checkpoints;
pub mod cli;
pub mod config;
pub mod cosign;
pub mod demo;
pub mod direct;
pub mod exit;
pub mod home;
pub mod http;
pub mod inspection;
pub mod keys;
pub mod logging;
pub mod metrics;
pub mod network;
pub mod outcomes;
pub mod output;
pub mod pool;
pub mod process;
pub mod proofs;
pub mod publish_store;
pub mod reads;
pub mod run;
pub mod sequence;
pub mod votes;
pub mod witness;
