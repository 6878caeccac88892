//! One file for each thing that is measured.

pub mod audit;
pub mod built_log;
pub mod custody;
pub mod latency;
pub mod look;
pub mod map_proofs;
pub mod one_dead;
pub mod proofs;
pub mod receipts;
pub mod resources;
pub mod state;
pub mod terms;
pub mod throughput;
