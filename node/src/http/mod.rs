//! The node's HTTP service.

pub mod problem;
pub mod rate;
pub mod server;
