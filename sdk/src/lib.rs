//! What an application embeds to put its prescriptions, drug packs and records on the ledger.

pub mod context;
pub mod import;
pub mod journal;
