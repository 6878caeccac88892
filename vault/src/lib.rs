//! The vault of Medanchor: payloads are committed to field by field, sealed, kept, opened, shown in
//! part, and erased.
//!
//! What always holds: a payload leaves this crate either sealed, or as a disclosure its holder asked
//! for; no secret has a `Debug`, reaches an error or outlives its use unwiped; nothing here knows
//! about consensus or the network.

pub mod commitment;
pub mod disclosure;
pub mod json;
mod multiproof;
pub mod pointer;
pub mod secret;

pub use commitment::{Commitment, Committed};
pub use disclosure::{Disclosure, DisclosureError, Shown};
pub use json::{Document, JsonError, Leaf, Value};
pub use pointer::{Pointer, Token};
