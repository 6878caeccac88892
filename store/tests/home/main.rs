//! Homes: what is on disk at any moment opens to what was decided, and nothing else does.

mod certificates;
mod kept;
mod published;
mod recovery;
mod state;
mod world;
