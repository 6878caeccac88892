//! Commitments to payloads, as events carry them: a suite byte and a root.
//!
//! What always holds: the suite is one that this release knows. How a root is made, and how a field
//! is shown under it, is the vault's business; the ledger compares commitments and nothing else.

use crate::{ParseError, TreeHash};
use std::fmt;

/// The root over a payload's salted fields, with the suite of algorithms it was made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment {
    root: TreeHash,
}

impl Commitment {
    /// The one suite of this release: SHA-256 trees, HKDF-SHA256 salts. SM3 will be another.
    pub const SUITE: u8 = 1;
    /// Bytes of a commitment: suite, then root.
    pub const LENGTH: usize = 33;

    /// A commitment of suite [`Commitment::SUITE`].
    #[must_use]
    pub const fn new(root: TreeHash) -> Self {
        Self { root }
    }

    /// The suite byte.
    #[must_use]
    pub const fn suite(&self) -> u8 {
        Self::SUITE
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> &TreeHash {
        &self.root
    }

    /// Suite byte and root.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [Self::SUITE; Self::LENGTH];
        let (_, root) = bytes.split_at_mut(1);
        root.copy_from_slice(self.root.as_bytes());
        bytes
    }
}

impl TryFrom<&[u8]> for Commitment {
    type Error = ParseError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        match bytes.split_first() {
            Some((&Self::SUITE, root)) if bytes.len() == Self::LENGTH => {
                root.try_into().map(Self::new)
            }
            Some((&suite, _)) if bytes.len() == Self::LENGTH => Err(ParseError::Suite { suite }),
            _ => Err(ParseError::Length {
                what: "Commitment",
                expected: Self::LENGTH,
                found: bytes.len(),
            }),
        }
    }
}

/// Lower-case hex of suite and root.
impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{}", Self::SUITE, self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_reads_back_and_other_suites_and_lengths_do_not() {
        let commitment = Commitment::new(TreeHash::new([9; 32]));
        let bytes = commitment.to_bytes();
        assert_eq!(Commitment::try_from(&bytes[..]), Ok(commitment));
        assert!(matches!(
            Commitment::try_from(&bytes[..32]),
            Err(ParseError::Length { .. })
        ));
        let other = [[2].as_slice(), &bytes[1..]].concat();
        assert_eq!(
            Commitment::try_from(&other[..]),
            Err(ParseError::Suite { suite: 2 })
        );
    }
}
