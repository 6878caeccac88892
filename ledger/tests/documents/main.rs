//! Documents that prove what the state holds: golden bytes, and a named file for each that is
//! malformed or proves nothing.

mod access;
mod chain;
mod history;
#[path = "../log/support.rs"]
#[allow(dead_code, unused_imports)]
mod log_support;
mod state;
#[path = "../formats/vectors.rs"]
mod vectors;
#[path = "../rules/world.rs"]
#[allow(dead_code)]
mod world;
