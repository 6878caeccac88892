//! Writing.

use super::major::{ARRAY, BYTES, MAP, NEGATIVE, SIMPLE, TAG, TEXT, UINT};

/// Writes deterministic CBOR. Map keys must be given in ascending order of their encoding.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty encoding.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// An empty encoding with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    /// What has been written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The encoding.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        let wide = argument.to_be_bytes();
        let (code, width) = match argument {
            0..=23 => (wide[7], 0),
            24..=0xff => (24, 1),
            0x100..=0xffff => (25, 2),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 8),
        };
        self.bytes.push(major << 5 | code);
        self.bytes.extend_from_slice(&wide[8 - width..]);
        self
    }

    fn sized(&mut self, major: u8, size: usize) -> &mut Self {
        // A slice in memory is never longer than isize::MAX, so the size always fits 64 bits.
        self.head(major, size as u64)
    }

    /// Writes an unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value)
    }

    /// Writes a signed integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        let major = if value < 0 { NEGATIVE } else { UINT };
        // For a negative value, -1 - value is its bitwise complement and not negative.
        self.head(
            major,
            (if value < 0 { !value } else { value }).unsigned_abs(),
        )
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.sized(BYTES, value.len()).raw(value)
    }

    /// Writes a text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.sized(TEXT, value.len()).raw(value.as_bytes())
    }

    /// Writes the head of an array of `length` items.
    pub fn array(&mut self, length: usize) -> &mut Self {
        self.sized(ARRAY, length)
    }

    /// Writes the head of a map of `entries` entries.
    pub fn map(&mut self, entries: usize) -> &mut Self {
        self.sized(MAP, entries)
    }

    /// Writes a map key; the value follows.
    pub fn key(&mut self, key: i64) -> &mut Self {
        self.int(key)
    }

    /// Writes a tag; the item it marks follows.
    pub fn tag(&mut self, tag: u64) -> &mut Self {
        self.head(TAG, tag)
    }

    /// Writes true or false.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.head(SIMPLE, 20 + u64::from(value))
    }

    /// Writes null.
    pub fn null(&mut self) -> &mut Self {
        self.head(SIMPLE, 22)
    }

    /// Writes a byte string, or null for nothing.
    pub fn optional<const N: usize>(&mut self, value: Option<&[u8; N]>) -> &mut Self {
        match value {
            Some(bytes) => self.bytes(bytes),
            None => self.null(),
        }
    }

    /// Appends an item that is already encoded.
    pub fn raw(&mut self, encoded: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(encoded);
        self
    }
}
