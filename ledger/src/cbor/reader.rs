//! Reading.

use super::major::{ARRAY, BYTES, MAP, NEGATIVE, SIMPLE, TAG, TEXT, UINT};
use super::{CborError, CborFault, Kind};

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
