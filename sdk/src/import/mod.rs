//! Reads FHIR R4 and EPCIS 2.0 files into typed items, and plans how to anchor them.
//!
//! What always holds: nothing is skipped silently. Every file of the input, every resource and
//! event in it and every unit that an event names becomes an item or a [`LeftOut`] with a plain
//! [`Reason`]; a reason never repeats a value of the input. Items own the exact bytes they came
//! in, because commitments are made over them. There is no network here, and no clock.
//!
//! [`import_tree`] reads a folder; [`plan`] then says who anchors what, in which order.
//!
//! ```
//! use medanchor_sdk::import::{Reason, import_bytes};
//!
//! let import = import_bytes("note.json", br#"{"resourceType":"Observation"}"#);
//! assert_eq!(import.left_out[0].reason, Reason::ResourceTypeNotHandled("Observation"));
//! ```

mod code;
mod consent;
mod decimal;
mod document;
mod epcis;
mod fhir;
mod found;
mod item;
pub(crate) mod json;
mod medication;
mod plan;
mod reason;
mod reference;
mod resource_type;
pub(crate) mod time;
mod walk;

pub use code::{Scheme, UnitCode};
pub use decimal::{Amount, AmountError};
pub use item::*;
pub use plan::{
    Action, CONSENT_MILLIS, Lot, Member, Plan, Planned, PlannedUnit, Role, Roster, plan,
};
pub use reason::Reason;
pub(crate) use resource_type::known as resource_type;
pub use time::instant;
pub use walk::{
    FileOutcome, Import, ImportError, Limits, import_bytes, import_tree, import_tree_watched,
};
