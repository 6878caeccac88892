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
        let byte = |place: usize| u32::from(self.0.get(place).copied().unwrap_or_default());
        let start = usize::from(depth / 8);
        let three = byte(start) << 16 | byte(start + 1) << 8 | byte(start + 2);
        let bits = three >> (8 - depth % 8) & 0xffff;
        // Sixteen bits were kept, which fit.
        u16::try_from(bits).unwrap_or(u16::MAX)
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

    /// The bit that is reached after `depth` others; `false` below the last one.
    pub(super) fn bit(&self, depth: u16) -> bool {
        bit(&self.bits, depth)
    }

    /// Whether `path` lies under this prefix.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        let (whole, rest) = (usize::from(self.length / 8), self.length % 8);
        let (ours, theirs) = (self.bits.split_at(whole), path.0.split_at(whole));
        let last = |tail: &[u8]| {
            tail.first()
                .map_or(0, |byte| u16::from(*byte) >> (8 - rest))
        };
        ours.0 == theirs.0 && last(ours.1) == last(theirs.1)
    }

    /// The bytes that hold bits, then the number of bits in one byte. Prefixes of which none covers
    /// another keep their order.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.bits.to_vec();
        bytes.truncate(self.bit_bytes());
        bytes.push(self.length);
        bytes
    }

    /// Reads what [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// When the length does not fit the bytes, or a bit after the last is set.
    pub fn decode(bytes: &[u8]) -> Result<Self, PrefixError> {
        let (&length, head) = bytes.split_last().ok_or(PrefixError)?;
        let mut bits = [0; 32];
        bits.get_mut(..head.len())
            .ok_or(PrefixError)?
            .copy_from_slice(head);
        let prefix = Self { bits, length };
        let clear = (u16::from(length)..256).all(|depth| !bit(&bits, depth));
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
