//! Deterministic CBOR (RFC 8949 4.2.1), read strictly and written in its only form.
//!
//! What always holds: bytes that a [`Reader`] accepts up to [`Reader::finish`] are the bytes that
//! a [`Writer`] gives for the same value. The reader refuses heads longer than they need be,
//! indefinite lengths, items of another type, map keys that are unknown, repeated or out of
//! order, counts above the caller's bound and bytes after the end. It allocates nothing, and
//! nesting is bounded because the caller asks for each level by name: there is no recursion.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

use std::fmt;

/// Why bytes were refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CBOR at byte {at}: {fault}; encode with RFC 8949 section 4.2.1 and the documented keys")]
pub struct CborError {
    /// Offset of the item, from the start of the bytes that were given.
    pub at: usize,
    /// What is wrong with it.
    pub fault: CborFault,
}

/// What is wrong with a CBOR item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CborFault {
    /// The bytes end inside an item.
    Truncated,
    /// Bytes follow the last item.
    Trailing,
    /// A length or a number takes more bytes than it needs.
    NotMinimal,
    /// An item of indefinite length, or a reserved head.
    Indefinite,
    /// An item of another type.
    Type {
        /// The type that was wanted.
        wanted: Kind,
    },
    /// A map key other than the one that must stand here: unknown, repeated or out of order.
    Key {
        /// The key that was wanted.
        wanted: i64,
    },
    /// A tag or a constant other than the one that must stand here.
    Value,
    /// A string, list or map of a size that is not allowed.
    Size,
    /// A number that does not fit.
    Range,
    /// Text that is not UTF-8, or not of the form that is wanted.
    Text,
    /// A list that must be sorted without repeats is not.
    Order,
}

/// A type of CBOR item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An unsigned integer.
    Uint,
    /// A signed integer.
    Int,
    /// A byte string.
    Bytes,
    /// A text string.
    Text,
    /// An array.
    Array,
    /// A map.
    Map,
    /// A tag.
    Tag,
    /// True, false or null.
    Simple,
}

impl fmt::Display for CborFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the item is cut short"),
            Self::Trailing => f.write_str("bytes follow the end"),
            Self::NotMinimal => f.write_str("a length or number is longer than it need be"),
            Self::Indefinite => {
                f.write_str("indefinite lengths and reserved heads are not allowed")
            }
            Self::Type { wanted } => write!(f, "wanted {wanted:?}"),
            Self::Key { wanted } => write!(f, "wanted map key {wanted}"),
            Self::Value => f.write_str("not the constant that must stand here"),
            Self::Size => f.write_str("size out of bounds"),
            Self::Range => f.write_str("number out of range"),
            Self::Text => f.write_str("text is malformed"),
            Self::Order => f.write_str("list is not sorted or has repeats"),
        }
    }
}

/// Major types (RFC 8949 3.1).
mod major {
    pub(super) const UINT: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
    pub(super) const SIMPLE: u8 = 7;
}

#[cfg(test)]
mod tests;
