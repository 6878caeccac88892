//! The ledger of Medanchor: events and their encoding, the Merkle log, checkpoints and policies,
//! receipts, the rules and the state map.
//!
//! What always holds: the same input gives the same output on every validator and in every
//! auditor. Nothing here does I/O, reads a clock, spawns, or draws randomness.

pub mod block;
pub mod cbor;
pub mod certificate;
pub mod checkpoint;
pub mod commitment;
pub mod consistency;
pub mod cose_receipt;
pub mod cosignature;
pub mod document;
pub mod draw;
pub mod error;
pub mod event;
pub mod execute;
pub mod fork;
pub mod genesis;
pub mod hash;
pub mod id;
pub mod items;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod receipt;
pub mod rules;
pub mod schedule;
pub mod seal;
pub mod signature;
pub mod slip;
pub mod state;
mod text;
pub mod validator;
pub mod vrf;
pub mod witness;

pub use commitment::Commitment;
pub use error::{ParseError, ReadFailed};
pub use hash::*;
pub use id::*;
