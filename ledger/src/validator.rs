//! Who votes and cosigns: the validators of a height and the size of a quorum.
//!
//! What always holds: a set has 1 to 100 validators in the order of their names, each name once,
//! and every key in it serves one purpose of one validator.

use crate::{ParticipantName, signature::PublicKey};
use std::collections::BTreeSet;

/// How many of `n` validators of equal power make a quorum: floor(2n/3) + 1, the smallest number
/// above two thirds. Any two quorums share more than a third of the validators.
///
/// ```
/// # use medanchor_ledger::validator::quorum;
/// assert_eq!([1, 2, 3, 4, 5, 6, 7].map(quorum), [1, 2, 3, 3, 4, 5, 5]);
/// ```
#[must_use]
pub const fn quorum(n: usize) -> usize {
    // n - floor(n/3) for n not divisible by 3 and one more otherwise, without overflow.
    n / 3 * 2 + n % 3 * 2 / 3 + 1
}

/// A participant that orders and cosigns, with one key for each thing that it signs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Validator {
    /// The participant.
    pub name: ParticipantName,
    /// Signs votes and proposals.
    pub consensus: PublicKey,
    /// Signs checkpoints as the log: note type 0x01, key name = origin.
    pub log: PublicKey,
    /// Cosigns checkpoints: note type 0x04, key name = origin/name.
    pub cosigner: PublicKey,
    /// Signs COSE receipts.
    pub cose: PublicKey,
}

impl Validator {
    /// The four keys.
    #[must_use]
    pub const fn keys(&self) -> [&PublicKey; 4] {
        [&self.consensus, &self.log, &self.cosigner, &self.cose]
    }
}

/// A list of validators that cannot be a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidatorSetError {
    /// None, or more than [`ValidatorSet::MAX`].
    #[error("a network has 1 to 100 validators, not {found}; change the list")]
    Count {
        /// How many came.
        found: usize,
    },
    /// A name stands there twice.
    #[error("validator {name} is listed twice; keep one entry")]
    DuplicateName {
        /// The name.
        name: ParticipantName,
    },
    /// A key stands there twice, in whatever role.
    #[error("a key of validator {name} is used twice; make a key for each purpose and validator")]
    DuplicateKey {
        /// The later of the two holders by name.
        name: ParticipantName,
    },
}

/// The validators of a height, all of equal power.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValidatorSet(Box<[Validator]>);

impl ValidatorSet {
    /// The most validators a set may have.
    pub const MAX: usize = 100;

    /// Sorts `validators` by name and checks that neither names nor keys repeat.
    ///
    /// # Errors
    ///
    /// [`ValidatorSetError`] says what repeats, or that there are none or too many.
    pub fn new(mut validators: Vec<Validator>) -> Result<Self, ValidatorSetError> {
        if !(1..=Self::MAX).contains(&validators.len()) {
            return Err(ValidatorSetError::Count {
                found: validators.len(),
            });
        }
        validators.sort();
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for validator in &validators {
            if !names.insert(&validator.name) {
                return Err(ValidatorSetError::DuplicateName {
                    name: validator.name.clone(),
                });
            }
            if !validator.keys().into_iter().all(|key| keys.insert(key)) {
                return Err(ValidatorSetError::DuplicateKey {
                    name: validator.name.clone(),
                });
            }
        }
        Ok(Self(validators.into()))
    }

    /// The validator of that name.
    #[must_use]
    pub fn get(&self, name: &ParticipantName) -> Option<&Validator> {
        let place = self
            .0
            .binary_search_by(|validator| validator.name.cmp(name))
            .ok()?;
        self.0.get(place)
    }

    /// The validators in the order of their names.
    pub fn iter(&self) -> std::slice::Iter<'_, Validator> {
        self.0.iter()
    }

    /// The validators in the order of their names.
    #[must_use]
    pub fn as_slice(&self) -> &[Validator] {
        &self.0
    }

    /// How many validators there are; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of them make a quorum.
    #[must_use]
    pub fn quorum(&self) -> usize {
        quorum(self.len())
    }
}

impl<'a> IntoIterator for &'a ValidatorSet {
    type Item = &'a Validator;
    type IntoIter = std::slice::Iter<'a, Validator>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::SigningKey;

    fn validator(name: &str, number: u8) -> Validator {
        let key = |role: u8| SigningKey::from_seed(&[number * 4 + role; 32]).public_key();
        let name = name.parse().unwrap();
        Validator {
            name,
            consensus: key(0),
            log: key(1),
            cosigner: key(2),
            cose: key(3),
        }
    }

    #[test]
    fn a_quorum_is_the_smallest_number_above_two_thirds() {
        for n in 1..1000usize {
            assert!(3 * quorum(n) > 2 * n && 3 * (quorum(n) - 1) <= 2 * n, "{n}");
        }
        assert!(quorum(usize::MAX) > usize::MAX / 3 * 2);
    }

    #[test]
    fn a_set_is_ordered_by_name() {
        let set = ValidatorSet::new(vec![validator("b", 1), validator("a", 2)]).unwrap();
        assert_eq!(
            set.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(set.get(&"b".parse().unwrap()), Some(&validator("b", 1)));
        assert_eq!(set.get(&"c".parse().unwrap()), None);
    }

    #[test]
    fn two_validators_cannot_share_a_name_or_a_key() {
        let name = "a".parse().unwrap();
        let twice = vec![validator("a", 1), validator("a", 2)];
        assert_eq!(
            ValidatorSet::new(twice),
            Err(ValidatorSetError::DuplicateName { name })
        );
        let name = "b".parse().unwrap();
        let shared = vec![
            validator("a", 1),
            Validator {
                log: validator("a", 1).cose,
                ..validator("b", 2)
            },
        ];
        assert_eq!(
            ValidatorSet::new(shared),
            Err(ValidatorSetError::DuplicateKey { name })
        );
    }

    #[test]
    fn one_key_cannot_serve_two_purposes_of_a_validator() {
        let v = validator("a", 1);
        let reused = Validator {
            log: v.consensus,
            ..v
        };
        assert!(matches!(
            ValidatorSet::new(vec![reused]),
            Err(ValidatorSetError::DuplicateKey { .. })
        ));
    }

    #[test]
    fn a_set_is_neither_empty_nor_too_large() {
        assert_eq!(
            ValidatorSet::new(vec![]),
            Err(ValidatorSetError::Count { found: 0 })
        );
    }
}
