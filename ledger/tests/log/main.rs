//! The log and everything that is signed about it, against official vectors, other
//! implementations and the project's own golden files.

mod certificates;
mod chain;
mod checkpoints;
mod consistency;
mod cose;
mod forks;
mod merkle_oracles;
mod merkle_vectors;
mod notes;
mod policies;
mod receipts;
mod signatures;
mod support;
mod tiles;
mod turns;
mod witnesses;
