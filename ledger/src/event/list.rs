//! Parts of event bodies: sets of handles, fractions of prescription lines, suite-tagged hashes.
//!
//! What always holds: a set is sorted without repeats and within its bound, so that one set has one
//! encoding; of the fractions at least one is above zero; a suite byte is one that is known.

use super::{BuildError, DecodeError};
use crate::cbor::{CborFault, Reader, Writer};
use crate::{
    ClassHandle, Commitment, ConsentHandle, GranteeHandle, InspectionHandle, KeyId, LotHandle,
    PopulationHandle, PrescriptionHandle, ProposalHandle, PurposeHandle, RecordHandle,
    RequestHandle, Tag, TreeHash, UnitHandle,
};

/// A 16-byte handle that can stand in a [`HandleSet`].
pub trait Handle: Copy + Ord {
    /// Wraps 16 bytes.
    fn from_bytes(bytes: [u8; 16]) -> Self;
    /// The 16 bytes.
    fn to_bytes(self) -> [u8; 16];
}

macro_rules! handles {
    ($($name:ident),*) => {
        $(impl Handle for $name {
            fn from_bytes(bytes: [u8; 16]) -> Self {
                Self::new(bytes)
            }

            fn to_bytes(self) -> [u8; 16] {
                *self.as_bytes()
            }
        })*
    };
}

handles!(
    Tag,
    RecordHandle,
    ConsentHandle,
    ClassHandle,
    PurposeHandle,
    GranteeHandle,
    RequestHandle,
    PrescriptionHandle,
    LotHandle,
    UnitHandle,
    PopulationHandle,
    InspectionHandle,
    ProposalHandle,
    KeyId
);

/// Reads a handle.
pub(crate) fn read_handle<T: Handle>(reader: &mut Reader<'_>) -> Result<T, DecodeError> {
    Ok(T::from_bytes(reader.fixed()?))
}

/// 1 to `MAX` handles, sorted, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleSet<T, const MAX: usize>(Box<[T]>);

impl<T: Handle, const MAX: usize> HandleSet<T, MAX> {
    /// Sorts `handles` and drops repeats.
    ///
    /// # Errors
    /// [`BuildError::Count`] when none or more than `MAX` are left.
    pub fn new(handles: impl IntoIterator<Item = T>) -> Result<Self, BuildError> {
        let mut list: Vec<T> = handles.into_iter().collect();
        list.sort_unstable();
        list.dedup();
        match list.len() {
            1.. if list.len() <= MAX => Ok(Self(list.into())),
            found => Err(BuildError::Count { max: MAX, found }),
        }
    }

    /// The handles, in ascending order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The handles, in ascending order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// The smallest handle.
    #[must_use]
    pub fn first(&self) -> T {
        // Both constructors refuse an empty list, so the fallback is never taken.
        self.0
            .first()
            .copied()
            .unwrap_or_else(|| T::from_bytes([0; 16]))
    }

    /// Whether `handle` is in the set.
    #[must_use]
    pub fn contains(&self, handle: &T) -> bool {
        self.0.binary_search(handle).is_ok()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array(self.0.len());
        for handle in &self.0 {
            writer.bytes(&handle.to_bytes());
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.array(1..=MAX)?;
        let mut list: Vec<T> = Vec::with_capacity(count);
        for _ in 0..count {
            let order = reader.fault(CborFault::Order);
            let handle = read_handle(reader)?;
            if list.last().is_some_and(|last| *last >= handle) {
                return Err(order.into());
            }
            list.push(handle);
        }
        Ok(Self(list.into()))
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a HandleSet<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A part of what a line orders, in millionths: 500,000 is one half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fraction(pub u32);

impl Fraction {
    /// All that is ordered. A larger fraction can be written down; a rule refuses it.
    pub const WHOLE: Self = Self(1_000_000);
}

/// How much of each line of a prescription is handed out, in the order of the sealed document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fractions(Box<[Fraction]>);

impl Fractions {
    /// The most lines a prescription has.
    pub const MAX: usize = 16;

    /// Takes 1 to 16 fractions, at least one above zero.
    ///
    /// # Errors
    /// [`BuildError`] when there are none or too many, or all are zero.
    pub fn new(fractions: impl IntoIterator<Item = Fraction>) -> Result<Self, BuildError> {
        let list: Vec<Fraction> = fractions.into_iter().collect();
        if !(1..=Self::MAX).contains(&list.len()) {
            return Err(BuildError::Count {
                max: Self::MAX,
                found: list.len(),
            });
        }
        if some_above_zero(&list) {
            Ok(Self(list.into()))
        } else {
            Err(BuildError::Nothing)
        }
    }

    /// The fractions, line by line.
    #[must_use]
    pub fn as_slice(&self) -> &[Fraction] {
        &self.0
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array(self.0.len());
        for fraction in &self.0 {
            writer.uint(u64::from(fraction.0));
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let range = reader.fault(CborFault::Range);
        let count = reader.array(1..=Self::MAX)?;
        let list: Result<Vec<_>, _> = (0..count).map(|_| reader.narrow().map(Fraction)).collect();
        let list = list?;
        if some_above_zero(&list) {
            Ok(Self(list.into()))
        } else {
            Err(range.into())
        }
    }
}

fn some_above_zero(fractions: &[Fraction]) -> bool {
    fractions.iter().any(|fraction| fraction.0 > 0)
}

pub(crate) fn read_commitment(reader: &mut Reader<'_>) -> Result<Commitment, DecodeError> {
    match reader.fixed::<{ Commitment::LENGTH }>()? {
        [Commitment::SUITE, root @ ..] => Ok(Commitment::new(TreeHash::new(root))),
        [suite, ..] => Err(DecodeError::Suite {
            what: "a commitment",
            suite,
        }),
    }
}

/// How a record's key is sealed to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum KemSuite {
    /// HPKE with DHKEM(X25519, HKDF-SHA256).
    X25519 = 1,
    /// HPKE with X-Wing: X25519 and ML-KEM-768.
    XWing = 2,
}

/// The fresh key that a reader wants a record's key sealed to: its suite and its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderKey {
    /// How it is sealed to.
    pub suite: KemSuite,
    /// SHA-256 of the public key's bytes.
    pub hash: [u8; 32],
}

impl ReaderKey {
    /// The suite byte and the hash.
    #[must_use]
    pub fn encode(&self) -> [u8; 33] {
        let suite = match self.suite {
            KemSuite::X25519 => 1,
            KemSuite::XWing => 2,
        };
        let mut bytes = [suite; 33];
        bytes[1..].copy_from_slice(&self.hash);
        bytes
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.fixed::<33>()? {
            [1, hash @ ..] => Ok(Self {
                suite: KemSuite::X25519,
                hash,
            }),
            [2, hash @ ..] => Ok(Self {
                suite: KemSuite::XWing,
                hash,
            }),
            [suite, ..] => Err(DecodeError::Suite {
                what: "a reader key",
                suite,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Units = HandleSet<UnitHandle, 3>;

    fn unit(byte: u8) -> UnitHandle {
        UnitHandle::new([byte; 16])
    }

    fn encoded(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new();
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn a_set_is_sorted_and_has_no_repeats() {
        let set = Units::new([unit(2), unit(1), unit(2)]).unwrap();
        assert_eq!(set.as_slice(), [unit(1), unit(2)]);
        assert_eq!(set.first(), unit(1));
        assert!(set.contains(&unit(2)) && !set.contains(&unit(3)));
    }

    #[test]
    fn an_empty_or_overfull_set_is_refused() {
        assert_eq!(Units::new([]), Err(BuildError::Count { max: 3, found: 0 }));
        assert_eq!(
            Units::new((0..4).map(unit)),
            Err(BuildError::Count { max: 3, found: 4 })
        );
    }

    #[test]
    fn an_unsorted_or_repeating_encoding_is_refused() {
        for pair in [[2, 1], [1, 1]] {
            let bytes = encoded(|writer| {
                writer.array(2);
                for byte in pair {
                    writer.bytes(unit(byte).as_bytes());
                }
            });
            let error = Units::read(&mut Reader::new(&bytes)).unwrap_err();
            assert!(
                matches!(error, DecodeError::Cbor(e) if e.fault == CborFault::Order && e.at == 18)
            );
        }
    }

    #[test]
    fn fractions_of_nothing_are_refused() {
        assert_eq!(Fractions::new([Fraction(0); 3]), Err(BuildError::Nothing));
        assert_eq!(
            Fractions::new([]),
            Err(BuildError::Count { max: 16, found: 0 })
        );
        assert!(Fractions::new([Fraction(0), Fraction(1)]).is_ok());
        let bytes = [0x82, 0x00, 0x00];
        let error = Fractions::read(&mut Reader::new(&bytes)).unwrap_err();
        assert!(matches!(error, DecodeError::Cbor(e) if e.fault == CborFault::Range));
    }

    #[test]
    fn an_unknown_suite_is_refused() {
        let commitment = Commitment::new(TreeHash::new([7; 32]));
        let mut bytes = encoded(|writer| {
            writer.bytes(&commitment.to_bytes());
        });
        assert_eq!(read_commitment(&mut Reader::new(&bytes)), Ok(commitment));
        bytes[2] = 2;
        let refused = read_commitment(&mut Reader::new(&bytes)).unwrap_err();
        assert!(matches!(refused, DecodeError::Suite { suite: 2, .. }));
    }
}
