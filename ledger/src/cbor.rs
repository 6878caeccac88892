//! Deterministic CBOR (RFC 8949 4.2.1), read strictly and written in its only form.
//!
//! What always holds: bytes that a [`Reader`] accepts up to [`Reader::finish`] are the bytes that
//! a [`Writer`] gives for the same value. The reader refuses heads longer than they need be,
//! indefinite lengths, items of another type, map keys that are unknown, repeated or out of
//! order, counts above the caller's bound and bytes after the end. It allocates nothing, and
//! nesting is bounded because the caller asks for each level by name: there is no recursion.

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

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

/// Reads one deterministic encoding from front to back.
///
/// ```
/// # use medanchor_ledger::cbor::{Reader, Writer};
/// let mut writer = Writer::new();
/// writer.map(2);
/// writer.key(1).uint(7);
/// writer.key(2).bytes(b"ab");
/// let bytes = writer.into_bytes();
///
/// let mut reader = Reader::new(&bytes);
/// reader.map(2).unwrap();
/// assert_eq!(reader.key(1).unwrap().uint().unwrap(), 7);
/// assert_eq!(reader.key(2).unwrap().bytes(16).unwrap(), b"ab");
/// reader.finish().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A head: major type and argument.
struct Head {
    at: usize,
    major: u8,
    argument: u64,
}

impl Head {
    fn expect(self, major: u8, wanted: Kind) -> Result<Self, CborError> {
        if self.major == major {
            Ok(self)
        } else {
            Err(self.fault(CborFault::Type { wanted }))
        }
    }

    fn fault(&self, fault: CborFault) -> CborError {
        CborError { at: self.at, fault }
    }

    fn size(&self, allowed: std::ops::RangeInclusive<usize>) -> Result<usize, CborError> {
        usize::try_from(self.argument)
            .ok()
            .filter(|size| allowed.contains(size))
            .ok_or(self.fault(CborFault::Size))
    }
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the next byte.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// An error about the item that begins at the next byte.
    #[must_use]
    pub const fn fault(&self, fault: CborFault) -> CborError {
        CborError { at: self.at, fault }
    }

    /// Checks that nothing follows.
    ///
    /// # Errors
    /// [`CborFault::Trailing`].
    pub fn finish(&self) -> Result<(), CborError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.fault(CborFault::Trailing))
        }
    }

    /// Whether every byte has been read, for sequences of items.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn take(&mut self, start: usize, count: usize) -> Result<&'a [u8], CborError> {
        let end = self.at.checked_add(count);
        let slice = end.and_then(|end| self.bytes.get(self.at..end));
        let slice = slice.ok_or(CborError {
            at: start,
            fault: CborFault::Truncated,
        })?;
        self.at += count;
        Ok(slice)
    }

    fn argument<const N: usize>(&mut self, start: usize, least: u64) -> Result<u64, CborError> {
        let mut wide = [0u8; 8];
        let bytes = self.take(start, N)?;
        wide.iter_mut()
            .rev()
            .zip(bytes.iter().rev())
            .for_each(|(to, from)| *to = *from);
        let value = u64::from_be_bytes(wide);
        if value < least {
            return Err(CborError {
                at: start,
                fault: CborFault::NotMinimal,
            });
        }
        Ok(value)
    }

    fn head(&mut self) -> Result<Head, CborError> {
        let at = self.at;
        let first = self.take(at, 1)?.first().copied().unwrap_or_default();
        let argument = match first & 0x1f {
            small @ 0..=23 => u64::from(small),
            24 => self.argument::<1>(at, 24)?,
            25 => self.argument::<2>(at, 1 << 8)?,
            26 => self.argument::<4>(at, 1 << 16)?,
            27 => self.argument::<8>(at, 1 << 32)?,
            _ => {
                return Err(CborError {
                    at,
                    fault: CborFault::Indefinite,
                });
            }
        };
        Ok(Head {
            at,
            major: first >> 5,
            argument,
        })
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// Any [`CborError`] of the item.
    pub fn uint(&mut self) -> Result<u64, CborError> {
        Ok(self.head()?.expect(UINT, Kind::Uint)?.argument)
    }

    /// An unsigned integer of a narrower type.
    ///
    /// # Errors
    /// [`CborFault::Range`] when it does not fit, and any error of the item.
    pub fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, CborError> {
        let at = self.at;
        T::try_from(self.uint()?).map_err(|_| CborError {
            at,
            fault: CborFault::Range,
        })
    }

    /// A signed integer that fits 64 bits.
    ///
    /// # Errors
    /// Any [`CborError`] of the item.
    pub fn int(&mut self) -> Result<i64, CborError> {
        let head = self.head()?;
        let value = i64::try_from(head.argument).map_err(|_| head.fault(CborFault::Range))?;
        match head.major {
            UINT => Ok(value),
            NEGATIVE => Ok(-1 - value),
            _ => Err(head.fault(CborFault::Type { wanted: Kind::Int })),
        }
    }

    /// A byte string of at most `max` bytes.
    ///
    /// # Errors
    /// Any [`CborError`] of the item.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], CborError> {
        let head = self.head()?.expect(BYTES, Kind::Bytes)?;
        let size = head.size(0..=max)?;
        self.take(head.at, size)
    }

    /// A byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// Any [`CborError`] of the item.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let at = self.at;
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| CborError {
            at,
            fault: CborFault::Size,
        })
    }

    /// A text string of at most `max` bytes.
    ///
    /// # Errors
    /// Any [`CborError`] of the item.
    pub fn text(&mut self, max: usize) -> Result<&'a str, CborError> {
        let head = self.head()?.expect(TEXT, Kind::Text)?;
        let size = head.size(0..=max)?;
        let bytes = self.take(head.at, size)?;
        std::str::from_utf8(bytes).map_err(|_| head.fault(CborFault::Text))
    }

    /// A text string that parses as a `T`, such as a participant's name.
    ///
    /// # Errors
    /// [`CborFault::Text`] when it does not parse, and any error of the item.
    pub fn parsed<T: std::str::FromStr>(&mut self, max: usize) -> Result<T, CborError> {
        let at = self.at;
        self.text(max)?.parse().map_err(|_| CborError {
            at,
            fault: CborFault::Text,
        })
    }

    /// The text `wanted` and no other.
    ///
    /// # Errors
    /// [`CborFault::Value`] for another text, and any error of the item.
    pub fn constant(&mut self, wanted: &str) -> Result<(), CborError> {
        let at = self.at;
        let found = self.text(self.bytes.len())?;
        if found == wanted {
            Ok(())
        } else {
            Err(CborError {
                at,
                fault: CborFault::Value,
            })
        }
    }

    /// The head of an array whose length must lie in `allowed`; gives the length.
    ///
    /// # Errors
    /// Any [`CborError`] of the head.
    pub fn array(&mut self, allowed: std::ops::RangeInclusive<usize>) -> Result<usize, CborError> {
        self.head()?.expect(ARRAY, Kind::Array)?.size(allowed)
    }

    /// The head of a map of exactly `entries` entries.
    ///
    /// # Errors
    /// Any [`CborError`] of the head.
    pub fn map(&mut self, entries: usize) -> Result<(), CborError> {
        self.map_between(entries..=entries).map(drop)
    }

    /// The head of a map that has optional entries; gives their number.
    ///
    /// # Errors
    /// Any [`CborError`] of the head.
    pub fn map_between(
        &mut self,
        allowed: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, CborError> {
        self.head()?.expect(MAP, Kind::Map)?.size(allowed)
    }

    /// The map key `wanted`; the value is read next from what is returned.
    ///
    /// # Errors
    /// [`CborFault::Key`] for any other key.
    pub fn key(&mut self, wanted: i64) -> Result<&mut Self, CborError> {
        let at = self.at;
        match self.int() {
            Ok(found) if found == wanted => Ok(self),
            Err(error) if !matches!(error.fault, CborFault::Type { .. }) => Err(error),
            _ => Err(CborError {
                at,
                fault: CborFault::Key { wanted },
            }),
        }
    }

    /// The tag `wanted`; the item it marks is read next.
    ///
    /// # Errors
    /// [`CborFault::Value`] for another tag, and any error of the head.
    pub fn tag(&mut self, wanted: u64) -> Result<(), CborError> {
        let head = self.head()?.expect(TAG, Kind::Tag)?;
        if head.argument == wanted {
            Ok(())
        } else {
            Err(head.fault(CborFault::Value))
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// Any [`CborError`] of the item.
    pub fn bool(&mut self) -> Result<bool, CborError> {
        let head = self.head()?.expect(SIMPLE, Kind::Simple)?;
        match head.argument {
            20 => Ok(false),
            21 => Ok(true),
            _ => Err(head.fault(CborFault::Type {
                wanted: Kind::Simple,
            })),
        }
    }

    /// A byte string of exactly `N` bytes, or null for nothing.
    ///
    /// # Errors
    /// Any [`CborError`] of the item.
    pub fn optional<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CborError> {
        if self.null() {
            Ok(None)
        } else {
            self.fixed().map(Some)
        }
    }

    /// Reads a null if one comes next; otherwise leaves the item to be read.
    pub fn null(&mut self) -> bool {
        let comes = self.bytes.get(self.at) == Some(&0xf6);
        self.at += usize::from(comes);
        comes
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault<T: fmt::Debug>(result: Result<T, CborError>) -> CborFault {
        result.unwrap_err().fault
    }

    #[test]
    fn heads_longer_than_they_need_be_are_refused() {
        for bytes in [
            &[0x18, 0x17][..],
            &[0x19, 0x00, 0xff],
            &[0x1a, 0x00, 0x00, 0xff, 0xff],
            &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(
                fault(Reader::new(bytes).uint()),
                CborFault::NotMinimal,
                "{bytes:02x?}"
            );
        }
    }

    #[test]
    fn indefinite_lengths_and_reserved_heads_are_refused() {
        for byte in [0x1c, 0x1d, 0x1e, 0x1f, 0x5f, 0x7f, 0x9f, 0xbf, 0xff] {
            assert_eq!(
                fault(Reader::new(&[byte]).uint()),
                CborFault::Indefinite,
                "{byte:02x}"
            );
        }
    }

    #[test]
    fn every_truncation_of_a_number_is_refused() {
        let whole = [0x1b, 1, 0, 0, 0, 0, 0, 0, 0];
        for end in 0..whole.len() {
            assert_eq!(
                fault(Reader::new(&whole[..end]).uint()),
                CborFault::Truncated
            );
        }
        assert_eq!(Reader::new(&whole).uint().unwrap(), 1 << 56);
    }

    #[test]
    fn a_string_longer_than_its_bytes_or_its_bound_is_refused() {
        assert_eq!(
            fault(Reader::new(&[0x43, 1, 2]).bytes(8)),
            CborFault::Truncated
        );
        assert_eq!(
            fault(Reader::new(&[0x43, 1, 2, 3]).bytes(2)),
            CborFault::Size
        );
        let huge = [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(
            fault(Reader::new(&huge).bytes(usize::MAX)),
            CborFault::Truncated
        );
        assert_eq!(
            fault(Reader::new(&[0x42, 1, 2]).fixed::<3>()),
            CborFault::Size
        );
    }

    #[test]
    fn text_must_be_utf8() {
        assert_eq!(fault(Reader::new(&[0x61, 0xff]).text(8)), CborFault::Text);
    }

    #[test]
    fn keys_come_in_order_without_strangers_or_repeats() {
        let wanted = CborFault::Key { wanted: 2 };
        for second in [0x01, 0x03, 0x41] {
            let bytes = [0xa2, 0x01, 0x00, second, 0x00];
            let mut reader = Reader::new(&bytes);
            reader.map(2).unwrap();
            reader.key(1).unwrap().uint().unwrap();
            assert_eq!(fault(reader.key(2)), wanted, "{second:02x}");
        }
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let mut reader = Reader::new(&[0x01, 0x02]);
        reader.uint().unwrap();
        assert_eq!(
            reader.finish().unwrap_err(),
            CborError {
                at: 1,
                fault: CborFault::Trailing
            }
        );
    }

    #[test]
    fn signed_integers_outside_64_bits_are_refused() {
        let lowest = [0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Reader::new(&lowest).int().unwrap(), i64::MIN);
        let below = [0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(fault(Reader::new(&below).int()), CborFault::Range);
    }

    #[test]
    fn simple_values_are_true_false_and_null_only() {
        assert!(Reader::new(&[0xf5]).bool().unwrap());
        assert!(!Reader::new(&[0xf4]).bool().unwrap());
        assert!(Reader::new(&[0xf6]).null());
        let wanted = CborFault::Type {
            wanted: Kind::Simple,
        };
        assert_eq!(fault(Reader::new(&[0xf7]).bool()), wanted);
        assert_eq!(fault(Reader::new(&[0xf9, 0x3c, 0x00]).bool()), wanted);
    }

    proptest! {
        #[test]
        fn numbers_survive(unsigned: u64, signed: i64) {
            let mut writer = Writer::new();
            writer.uint(unsigned).int(signed);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.uint().unwrap(), unsigned);
            prop_assert_eq!(reader.int().unwrap(), signed);
            reader.finish().unwrap();
        }

        #[test]
        fn an_accepted_number_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..10)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.int() {
                let mut writer = Writer::new();
                writer.int(value);
                prop_assert_eq!(writer.into_bytes(), &bytes[..reader.position()]);
            }
        }
    }
}
