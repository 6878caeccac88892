//! The formats of events, seals, blocks, genesis and state values: golden bytes, one named file for
//! each rejected input, and properties. Set `MEDANCHOR_WRITE_VECTORS` to write the files of a format
//! that is not frozen yet.

mod block;
mod event;
mod genesis;
mod inspection;
mod properties;
mod rules_page;
mod samples;
mod seal;
mod slip;
mod value;
mod vectors;
#[path = "../rules/world.rs"]
#[allow(dead_code)]
mod world;
