//! Fixed-layout binary encoding for what goes over the wire or into the write-ahead log:
//! big-endian integers, lengths before what varies.
//!
//! What always holds: one encoding for one meaning; reading never panics, never allocates more
//! than the input is long, and refuses trailing bytes.

use medanchor_ledger::{ParticipantName, ValueId};

/// Bytes that are not the message they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a {what}; the sender runs another release, or lies")]
pub struct Malformed {
    /// What was being read.
    pub what: &'static str,
}

/// Reads a message from its start to its end.
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which should be a `what`.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// The error for this message.
    pub fn malformed(&self) -> Malformed {
        Malformed { what: self.what }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(self.malformed())?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let malformed = self.malformed();
        self.take(N)?.try_into().map_err(|_| malformed)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A length that may be `most` at the utmost.
    pub fn length(&mut self, most: usize) -> Result<usize, Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| self.malformed())?;
        if length <= most {
            Ok(length)
        } else {
            Err(self.malformed())
        }
    }

    pub fn value_id(&mut self) -> Result<ValueId, Malformed> {
        self.array().map(ValueId::new)
    }

    pub fn name(&mut self) -> Result<ParticipantName, Malformed> {
        let length = self.u8()?.into();
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| self.malformed())?;
        text.parse().map_err(|_| self.malformed())
    }

    /// 0 for none, 1 and the value otherwise.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(self.malformed()),
        }
    }

    /// Whether all has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may follow.
    pub fn end(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }
}

/// The counterpart of [`Reader`].
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn u8(&mut self, byte: u8) -> &mut Self {
        self.put(&[byte])
    }

    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.put(&number.to_be_bytes())
    }

    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.put(&number.to_be_bytes())
    }

    /// A length; saturates, and then no reader accepts it, since none allows so much.
    pub fn length(&mut self, length: usize) -> &mut Self {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX))
    }

    pub fn name(&mut self, name: &ParticipantName) -> &mut Self {
        let text = name.as_str().as_bytes();
        // A name has at most 40 bytes.
        self.u8(u8::try_from(text.len()).unwrap_or(u8::MAX))
            .put(text)
    }

    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => self.u8(0),
            Some(value) => {
                write(self.u8(1), value);
                self
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_may_follow() {
        let name: ParticipantName = "north-hospital".parse().unwrap();
        let mut writer = Writer::default();
        writer
            .u8(7)
            .u32(8)
            .u64(9)
            .length(10)
            .name(&name)
            .option(Some(3), |w, n| {
                w.u8(n);
            });
        let bytes = writer.0;
        let read = |bytes: &[u8]| -> Result<(), Malformed> {
            let mut reader = Reader::new(bytes, "test");
            assert_eq!((reader.u8()?, reader.u32()?, reader.u64()?), (7, 8, 9));
            assert_eq!((reader.length(10)?, reader.name()?), (10, name.clone()));
            assert_eq!(reader.option(Reader::u8)?, Some(3));
            reader.end()
        };
        assert!(read(&bytes).is_ok());
        assert!((0..bytes.len()).all(|cut| read(&bytes[..cut]).is_err()));
        assert!(read(&[bytes.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn a_length_above_the_bound_is_refused_before_anything_is_allocated() {
        assert!(Reader::new(&[255; 4], "test").length(1 << 20).is_err());
    }
}
