//! Places in the tree: a whole path for a leaf, the first bits of one for a node or a bucket.

use std::cmp::Ordering;
use std::fmt;

/// SHA-256 of a state key: where its leaf stands. Bit 0 is the most significant bit of byte 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path([u8; 32]);

/// In the order of the bytes. Paths are hashes, so that the first eight nearly always decide: they
/// are compared as one number.
impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        self.first()
            .cmp(&other.first())
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Path {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 16 bits that are reached after `depth` others; those below the last one are zero.
    pub(super) fn bits_after(&self, depth: u16) -> u16 {
        bits_after(&self.0, depth)
    }

    /// Whether both paths have the same first `depth` bits.
    pub(super) fn agrees(&self, other: &Self, depth: u16) -> bool {
        agree(&self.0, &other.0, depth)
    }

    #[inline]
    fn first(&self) -> u64 {
        let first = self.0.first_chunk::<8>().copied();
        u64::from_be_bytes(first.unwrap_or_default())
    }

    /// The bit that is reached after `depth` others; `false` below the last one.
    #[must_use]
    pub fn bit(&self, depth: u16) -> bool {
        bit(&self.0, depth)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({})", hex::encode(self.0))
    }
}

/// The bit of a path's bytes that is reached after `depth` others.
pub(super) fn bit(path: &[u8; 32], depth: u16) -> bool {
    path.get(usize::from(depth / 8))
        .is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
}

/// The 16 bits of a path's bytes that are reached after `depth` others.
fn bits_after(path: &[u8; 32], depth: u16) -> u16 {
    let byte = |place: usize| u32::from(path.get(place).copied().unwrap_or_default());
    let start = usize::from(depth / 8);
    let three = byte(start) << 16 | byte(start + 1) << 8 | byte(start + 2);
    let bits = three >> (8 - depth % 8) & 0xffff;
    // Sixteen bits were kept, which fit.
    u16::try_from(bits).unwrap_or(u16::MAX)
}

/// Whether the first `depth` bits are the same, `depth` being at most 256.
fn agree(one: &[u8; 32], other: &[u8; 32], depth: u16) -> bool {
    let (whole, rest) = (usize::from(depth / 8), depth % 8);
    let (one, other) = (one.split_at(whole), other.split_at(whole));
    let last = |tail: &[u8]| {
        tail.first()
            .map_or(0, |byte| u16::from(*byte) >> (8 - rest))
    };
    one.0 == other.0 && last(one.1) == last(other.1)
}

/// The first `length` bits of a path, at most 255; the bits after them are zero.
///
/// Ordered as the paths below them, a prefix before what it is a prefix of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    bits: [u8; 32],
    length: u8,
}

impl Prefix {
    /// The prefix of every path.
    pub const ROOT: Self = Self {
        bits: [0; 32],
        length: 0,
    };

    /// The most bytes that [`Self::encode`] gives.
    pub const MAX_ENCODED: usize = 33;

    /// The first `length` bits of a path.
    pub(super) fn of(path: &Path, length: u8) -> Self {
        let mut bits = *path.as_bytes();
        let (whole, rest) = (usize::from(length / 8), length % 8);
        for (place, byte) in bits.iter_mut().enumerate().skip(whole) {
            *byte &= if place == whole { !(0xff >> rest) } else { 0 };
        }
        Self { bits, length }
    }

    /// Number of bits.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// The prefix that is longer by `bit`; the same one at 255 bits, where no bucket can be: two
    /// paths under 254 common bits are too few to split one.
    #[must_use]
    pub fn child(mut self, bit: bool) -> Self {
        if self.length < u8::MAX {
            if bit && let Some(byte) = self.bits.get_mut(usize::from(self.length / 8)) {
                *byte |= 0x80 >> (self.length % 8);
            }
            self.length += 1;
        }
        self
    }

    /// The prefix that is shorter by one bit, and whether that bit was set; `None` at the root.
    #[must_use]
    pub fn parent(mut self) -> Option<(Self, bool)> {
        self.length = self.length.checked_sub(1)?;
        let last = bit(&self.bits, u16::from(self.length));
        if let Some(byte) = self.bits.get_mut(usize::from(self.length / 8)) {
            *byte &= !(0x80 >> (self.length % 8));
        }
        Some((self, last))
    }

    /// The prefix of `length` bits, at most 16 more than this one has: the first of `bits`.
    pub(super) fn extend(mut self, bits: u16, length: u8) -> Self {
        let start = usize::from(self.length / 8);
        let three = u32::from(bits) << 8 >> (self.length % 8);
        let [_, first, second, third] = three.to_be_bytes();
        for (byte, more) in self.bits.iter_mut().skip(start).zip([first, second, third]) {
            *byte |= more;
        }
        self.length = length;
        self
    }

    /// The 16 bits that are reached after `depth` others; those after the last are zero.
    pub(super) fn bits_after(&self, depth: u16) -> u16 {
        bits_after(&self.bits, depth)
    }

    /// The bit that is reached after `depth` others; `false` below the last one.
    pub(super) fn bit(&self, depth: u16) -> bool {
        bit(&self.bits, depth)
    }

    /// Whether `path` lies under this prefix.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        agree(&self.bits, &path.0, self.length.into())
    }

    /// The bytes that hold bits, then the number of bits in one byte. Prefixes of which none covers
    /// another keep their order.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [self.bytes(), &[self.length]].concat()
    }

    /// The bytes that hold bits.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bits.get(..self.bit_bytes()).unwrap_or_default()
    }

    /// Reads what [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// When the length does not fit the bytes, or a bit after the last is set.
    pub fn decode(bytes: &[u8]) -> Result<Self, PrefixError> {
        let (&length, bytes) = bytes.split_last().ok_or(PrefixError)?;
        Self::from_bytes(bytes, length)
    }

    /// Reads what [`Self::bytes`] and [`Self::length`] gave.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    pub fn from_bytes(head: &[u8], length: u8) -> Result<Self, PrefixError> {
        let mut bits = [0; 32];
        bits.get_mut(..head.len())
            .ok_or(PrefixError)?
            .copy_from_slice(head);
        let prefix = Self { bits, length };
        let unused = (8 - u32::from(length) % 8) % 8;
        let clear = head
            .last()
            .is_none_or(|last| last.trailing_zeros() >= unused);
        if clear && head.len() == prefix.bit_bytes() {
            Ok(prefix)
        } else {
            Err(PrefixError)
        }
    }

    fn bit_bytes(&self) -> usize {
        usize::from(self.length).div_ceil(8)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({}/{})", hex::encode(self.bits), self.length)
    }
}

/// Bytes that are no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a prefix of a state path; the stored state map is damaged, restore it")]
pub struct PrefixError;
