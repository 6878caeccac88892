//! JSON documents as a sorted list of leaves: what a commitment is made over.
//!
//! What always holds of a [`Document`]: it came from one strict RFC 8259 text without byte order mark
//! and without duplicate members; its leaves are sorted by pointer and no two share one; a number is
//! its literal text (FHIR's 1.50 is not 1.5), a string its decoded UTF-8, an empty array or object a
//! type of its own. Size, depth, number of leaves and length of a pointer are bounded. Errors say
//! where, never what: the text belongs to a patient.

use crate::pointer::{Pointer, Token};
use json_event_parser::{JsonEvent, SliceJsonParser};
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::Zeroize;

/// The largest document, in bytes.
pub const MAX_DOCUMENT: usize = 16 * 1024 * 1024;
/// The deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// The most leaves a document has.
pub const MAX_LEAVES: usize = 1 << 17;

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not one RFC 8259 JSON text.
    #[error("the payload is not JSON at byte {offset}; give one RFC 8259 text in UTF-8")]
    Syntax {
        /// Where reading stopped.
        offset: u64,
    },
    /// The text starts with a byte order mark.
    #[error("the payload starts with a byte order mark; write it without one")]
    ByteOrderMark,
    /// One object names a member twice.
    #[error(
        "an object below {below} tokens names a member twice; readers would disagree on its value, so name it once"
    )]
    DuplicateMember {
        /// How deep the object stands.
        below: usize,
    },
    /// A bound was passed.
    #[error("the payload has more than {limit} {what}; split it into smaller records")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The most there may be.
        limit: usize,
    },
}

/// A value without children.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// SHA-256 of the document's bytes as they came: only of leaf 0.
    Document([u8; 32]),
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as its literal text.
    Number(Box<str>),
    /// A string, decoded.
    String(Box<str>),
    /// `[]`.
    EmptyArray,
    /// `{}`.
    EmptyObject,
}

impl Value {
    /// The byte that stands for the type in a commitment.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Document(_) => 0,
            Self::Null => 1,
            Self::Boolean(_) => 2,
            Self::Number(_) => 3,
            Self::String(_) => 4,
            Self::EmptyArray => 5,
            Self::EmptyObject => 6,
        }
    }

    /// The bytes that stand for the value, beside its type, in a commitment.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Document(hash) => hash,
            Self::Boolean(value) => {
                if *value {
                    &[1]
                } else {
                    &[0]
                }
            }
            Self::Number(text) | Self::String(text) => text.as_bytes(),
            Self::Null | Self::EmptyArray | Self::EmptyObject => &[],
        }
    }

    /// The value with this type and these bytes, if there is one.
    #[must_use]
    pub fn from_parts(kind: u8, bytes: &[u8]) -> Option<Self> {
        type Text = Box<str>;
        let text = || std::str::from_utf8(bytes).ok().map(Text::from);
        match (kind, bytes) {
            (0, _) => bytes.try_into().ok().map(Self::Document),
            (1, []) => Some(Self::Null),
            (2, [0]) => Some(Self::Boolean(false)),
            (2, [1]) => Some(Self::Boolean(true)),
            (3, _) => text()
                .filter(|text: &Text| is_number(text))
                .map(Self::Number),
            (4, _) => text().map(Self::String),
            (5, []) => Some(Self::EmptyArray),
            (6, []) => Some(Self::EmptyObject),
            _ => None,
        }
    }
}

/// Whether `text` is exactly one JSON number.
fn is_number(text: &str) -> bool {
    let mut parser = SliceJsonParser::new(text.as_bytes());
    matches!(parser.parse_next(), Ok(JsonEvent::Number(number)) if number == text)
        && matches!(parser.parse_next(), Ok(JsonEvent::Eof))
}

/// A value and the way to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The way to the value.
    pub pointer: Pointer,
    /// The value.
    pub value: Value,
}

/// A payload as the leaves to commit to. Values are wiped when it is dropped.
pub struct Document {
    leaves: Vec<Leaf>,
    hash: [u8; 32],
}

impl Document {
    /// Reads one JSON text.
    ///
    /// # Errors
    /// [`JsonError`], which names the rule and the place and shows none of the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        within(bytes.len(), MAX_DOCUMENT, "bytes")?;
        if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
            return Err(JsonError::ByteOrderMark);
        }
        let mut leaves = Flattener::default().run(bytes)?;
        leaves.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        Ok(Self {
            leaves,
            hash: medanchor_ledger::sha256(&[bytes]),
        })
    }

    /// A payload that is not JSON: it has no fields to show, only its hash.
    #[must_use]
    pub fn opaque(bytes: &[u8]) -> Self {
        Self {
            leaves: Vec::new(),
            hash: medanchor_ledger::sha256(&[bytes]),
        }
    }

    /// A payload that is not JSON and whose SHA-256 is known already.
    #[must_use]
    pub const fn opaque_of(hash: [u8; 32]) -> Self {
        Self {
            leaves: Vec::new(),
            hash,
        }
    }

    /// The leaves, sorted by pointer; leaf 0 of the commitment, the hash, is not among them.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// SHA-256 of the bytes as they came.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        self.hash.zeroize();
        for leaf in &mut self.leaves {
            if let Value::Number(text) | Value::String(text) = &mut leaf.value {
                text.zeroize();
            }
        }
    }
}

fn within(found: usize, limit: usize, what: &'static str) -> Result<(), JsonError> {
    if found > limit {
        Err(JsonError::TooLarge { what, limit })
    } else {
        Ok(())
    }
}

/// An array or object that is being read, and what was read of it.
enum Open {
    Array { next: u32 },
    Object { names: BTreeSet<Arc<str>> },
}

#[derive(Default)]
struct Flattener {
    open: Vec<Open>,
    path: Vec<Token>,
    path_bytes: usize,
    leaves: Vec<Leaf>,
}

impl Flattener {
    fn run(mut self, bytes: &[u8]) -> Result<Vec<Leaf>, JsonError> {
        let mut parser = SliceJsonParser::new(bytes);
        loop {
            let event = parser.parse_next().map_err(|error| JsonError::Syntax {
                offset: error.location().start.offset,
            })?;
            match event {
                JsonEvent::StartArray => self.start(Open::Array { next: 0 })?,
                JsonEvent::StartObject => self.start(Open::Object {
                    names: BTreeSet::new(),
                })?,
                JsonEvent::EndArray | JsonEvent::EndObject => self.end()?,
                JsonEvent::ObjectKey(name) => self.name(&name)?,
                JsonEvent::String(text) => self.scalar(Value::String(text.into()))?,
                JsonEvent::Number(text) => self.scalar(Value::Number(text.into()))?,
                JsonEvent::Boolean(value) => self.scalar(Value::Boolean(value))?,
                JsonEvent::Null => self.scalar(Value::Null)?,
                JsonEvent::Eof => return Ok(self.leaves),
            }
        }
    }

    fn start(&mut self, container: Open) -> Result<(), JsonError> {
        self.enter_value()?;
        self.open.push(container);
        within(self.open.len(), MAX_DEPTH, "levels of nesting")
    }

    fn end(&mut self) -> Result<(), JsonError> {
        match self.open.pop() {
            Some(Open::Array { next: 0 }) => self.leaf(Value::EmptyArray)?,
            Some(Open::Object { names }) if names.is_empty() => self.leaf(Value::EmptyObject)?,
            _ => {}
        }
        self.leave_value();
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<(), JsonError> {
        let name: Arc<str> = name.into();
        let below = self.path.len();
        if let Some(Open::Object { names }) = self.open.last_mut()
            && !names.insert(name.clone())
        {
            return Err(JsonError::DuplicateMember { below });
        }
        self.step(Token::Name(name))
    }

    fn scalar(&mut self, value: Value) -> Result<(), JsonError> {
        self.enter_value()?;
        self.leaf(value)?;
        self.leave_value();
        Ok(())
    }

    /// A member's name was stepped into when it was read; a place is stepped into with its value.
    fn enter_value(&mut self) -> Result<(), JsonError> {
        let Some(Open::Array { next }) = self.open.last_mut() else {
            return Ok(());
        };
        let place = *next;
        *next = next.saturating_add(1);
        self.step(Token::Place(place))
    }

    fn leave_value(&mut self) {
        if let Some(token) = self.path.pop() {
            self.path_bytes -= token.encoded_len();
        }
    }

    fn step(&mut self, token: Token) -> Result<(), JsonError> {
        self.path_bytes += token.encoded_len();
        self.path.push(token);
        within(
            self.path_bytes,
            Pointer::MAX_ENCODED,
            "bytes in the way to one value",
        )
    }

    fn leaf(&mut self, value: Value) -> Result<(), JsonError> {
        self.leaves.push(Leaf {
            pointer: Pointer::new(self.path.clone()),
            value,
        });
        within(self.leaves.len(), MAX_LEAVES, "values")
    }
}

#[cfg(test)]
mod tests;
