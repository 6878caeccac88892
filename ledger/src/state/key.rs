//! Keys of the state map.

use super::Path;
use crate::{ParticipantName, sha256};
use std::fmt;

/// A key of the state: 1 to 128 bytes that the rules of one domain chose.
///
/// Keys of different domains differ in their first byte. The map itself sees only their hash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey {
    bytes: Box<[u8]>,
    /// SHA-256 of the bytes: computed once, asked for by every read and write.
    path: Path,
}

impl StateKey {
    /// The longest key, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// Wraps the bytes of a key.
    ///
    /// # Errors
    ///
    /// When there are none, or more than [`Self::MAX_LENGTH`].
    pub fn new(bytes: &[u8]) -> Result<Self, StateKeyError> {
        match bytes.len() {
            1..=Self::MAX_LENGTH => Ok(Self::of(bytes.into())),
            found => Err(StateKeyError { found }),
        }
    }

    /// The key of the only value of its kind: the domain byte alone.
    #[must_use]
    pub fn single(domain: u8) -> Self {
        Self::of([domain].into())
    }

    /// The key of what is kept about `name`: domain byte ‖ length of the name in one byte ‖ name.
    #[must_use]
    pub fn named(domain: u8, name: &ParticipantName) -> Self {
        let name = name.as_bytes();
        // A name has at most 40 bytes, so the length fits and the key has at most 42.
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        Self::of([&[domain, length], name].concat().into())
    }

    /// The key of something that `owner` created under `handle`: domain byte ‖ length of the name in
    /// one byte ‖ name ‖ handle. Nobody else can take it (DESIGN.md section 6, State proof).
    #[must_use]
    pub fn owned(domain: u8, owner: &ParticipantName, handle: &[u8; 16]) -> Self {
        let name = owner.as_bytes();
        // A name has at most 40 bytes, so the length fits and the key has at most 58.
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        Self::of([&[domain, length], name, handle].concat().into())
    }

    /// The key of what is kept under a number: domain byte ‖ number, big-endian.
    #[must_use]
    pub fn numbered(domain: u8, number: u32) -> Self {
        let [a, b, c, d] = number.to_be_bytes();
        Self::of([domain, a, b, c, d].into())
    }

    fn of(bytes: Box<[u8]>) -> Self {
        let path = Path::new(sha256(&[&bytes]));
        Self { bytes, path }
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the key stands in the map: SHA-256 of its bytes.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateKey({})", hex::encode(&self.bytes))
    }
}

/// Bytes that are no state key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a state key has {found} bytes; give 1 to 128")]
pub struct StateKeyError {
    /// Bytes that came.
    pub found: usize,
}
