//! What scenarios and measurements share: networks of real processes, events to post, load.
//!
//! What always holds: a process started here never outlives what started it; every wait has a
//! bound and waits for a condition, never for time to pass; nothing here is random but keys.

pub mod asking;
pub mod city;
pub mod client;
pub mod evidence;
pub mod file_server;
pub mod files;
pub mod load;
pub mod network;
pub mod service;
pub mod shared_data;
pub mod token;
pub mod tool;
pub mod workload;
