//! The COSE keys of a set of validators: whose COSE receipts count, and for which sizes.
//!
//! What always holds: the keys are vouched for by what vouches for the set. A `tlog-policy` file
//! has no place for a COSE key; those of the first set stand in the genesis file, whose hash names
//! the network, and those of a later set in comment lines of its policy file, whose hash a seal
//! carries. Readers of `tlog-policy` skip comments, so the file stays one.

use super::{Policy, PolicyError};
use crate::genesis::Genesis;
use crate::note::KeyName;
use crate::signature::PublicKey;
use crate::validator::{ValidatorSet, quorum};
use crate::{ParticipantName, Size};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const LINE: &str = "#cose ";

/// COSE keys by validator, the log that they sign for, and the sizes for which they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoseKeys {
    origin: KeyName,
    keys: BTreeMap<ParticipantName, PublicKey>,
    first: Size,
    last: Size,
}

/// COSE lines of a policy file that do not fit its validators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the policy does not name one COSE key for each validator, in order; take it from the policy chain"
)]
pub struct NoCoseKeys;

impl CoseKeys {
    /// The keys of the first set, for every size.
    #[must_use]
    pub fn of_genesis(genesis: &Genesis) -> Self {
        Self::of_set(genesis.origin(), genesis.validators())
    }

    /// The keys of a set, for every size.
    #[must_use]
    pub fn of_set(origin: &KeyName, set: &ValidatorSet) -> Self {
        let keys = set
            .iter()
            .map(|validator| (validator.name.clone(), validator.cose));
        Self {
            origin: origin.clone(),
            keys: keys.collect(),
            first: Size(0),
            last: Size(u64::MAX),
        }
    }

    /// The keys that a later set's policy file names, for every size: a line
    /// `#cose <validator> <algorithm byte and key, hex>` for each witness `origin/<validator>`, in
    /// the order of names.
    ///
    /// # Errors
    /// [`NoCoseKeys`] if the lines are not exactly that.
    pub fn of_policy(origin: &KeyName, policy: &Policy) -> Result<Self, NoCoseKeys> {
        let mut keys = BTreeMap::new();
        let text = policy.as_bytes().split(|octet| *octet == b'\n');
        for line in text.filter_map(|line| line.strip_prefix(LINE.as_bytes())) {
            let (name, key) = read_line(line).ok_or(NoCoseKeys)?;
            if keys.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(NoCoseKeys);
            }
            keys.insert(name, key);
        }
        let prefix = format!("{origin}/");
        let mut validators: Vec<_> = policy
            .witnesses()
            .filter_map(|key| key.name().as_str().strip_prefix(&prefix))
            .collect();
        validators.sort_unstable();
        if keys.is_empty() || !keys.keys().map(ParticipantName::as_str).eq(validators) {
            return Err(NoCoseKeys);
        }
        Ok(Self {
            origin: origin.clone(),
            keys,
            first: Size(0),
            last: Size(u64::MAX),
        })
    }

    /// The same keys for the sizes from `first` to `last` only, both included.
    #[must_use]
    pub const fn within(mut self, first: Size, last: Size) -> Self {
        (self.first, self.last) = (first, last);
        self
    }

    /// The log.
    #[must_use]
    pub const fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// The first and the last size for which the keys stand.
    #[must_use]
    pub const fn sizes(&self) -> (Size, Size) {
        (self.first, self.last)
    }

    /// A validator's key.
    #[must_use]
    pub fn get(&self, validator: &ParticipantName) -> Option<&PublicKey> {
        self.keys.get(validator)
    }

    /// The keys in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&ParticipantName, &PublicKey)> {
        self.keys.iter()
    }

    /// How many validators must have signed: floor(2n/3) + 1.
    #[must_use]
    pub fn quorum(&self) -> usize {
        quorum(self.keys.len())
    }
}

impl Policy {
    /// The policy file of a set that follows the first: that of [`Self::of_validators`], and a
    /// comment line with each validator's COSE key.
    ///
    /// # Errors
    /// [`PolicyError::Note`] if origin and a validator's name are too long for a key name.
    pub fn of_later_validators(origin: &KeyName, set: &ValidatorSet) -> Result<Self, PolicyError> {
        let first = Self::of_validators(origin, set)?;
        let mut lines = String::new();
        for validator in set {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{LINE}{} {}", validator.name, validator.cose);
        }
        Self::parse(&[first.as_bytes(), b"\n", lines.as_bytes()].concat())
    }
}

fn read_line(line: &[u8]) -> Option<(ParticipantName, PublicKey)> {
    let (name, key) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let bytes = hex::decode(key).ok()?;
    let decoded = PublicKey::decode(&bytes).ok()?;
    // Upper-case digits would be a second spelling.
    (decoded.to_string() == key).then_some((name.parse().ok()?, decoded))
}
