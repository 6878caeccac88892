//! The COSE keys of a set of validators: whose COSE receipts count, and for which sizes.
//!
//! What always holds: the keys are vouched for by what vouches for the set. A `tlog-policy` file
//! has no place for a COSE key; those of the first set stand in the genesis file, whose hash names
//! the network, and those of a later set in comment lines of its policy file, whose hash a seal
//! carries. Readers of `tlog-policy` skip comments, so the file stays one. A later set's file also
//! names the height from which it stands, so that a set that returns has another file and hash.

use super::{Policy, PolicyError};
use crate::genesis::Genesis;
use crate::note::{KeyName, NoteKey, VerifierKey};
use crate::signature::PublicKey;
use crate::validator::{ValidatorSet, quorum};
use crate::{Height, ParticipantName, Size};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const COSE: &str = "#cose ";
const SINCE: &str = "#since ";

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
    "the policy does not name one COSE key for each validator, in order and used for nothing else; take it from the policy chain"
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
    /// the order of names. No key may stand there twice or be a log's or a witness's: its holder
    /// would count twice, or sign one thing and be held to another.
    ///
    /// # Errors
    /// [`NoCoseKeys`] if the lines are not exactly that.
    pub fn of_policy(origin: &KeyName, policy: &Policy) -> Result<Self, NoCoseKeys> {
        let mut keys = BTreeMap::new();
        let note_keys = policy.logs().iter().chain(policy.witnesses());
        let mut used: BTreeSet<_> = note_keys.filter_map(ed25519).copied().collect();
        for line in comments(policy, COSE) {
            let (name, key) = read_line(line).ok_or(NoCoseKeys)?;
            let in_order = keys.last_key_value().is_none_or(|(last, _)| *last < name);
            if !in_order || !used.insert(key) {
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
    /// The policy file of a set that follows the first: that of [`Self::of_validators`], and comment
    /// lines with the first height that is the set's, `#since <height>`, and with each validator's
    /// COSE key.
    ///
    /// # Errors
    /// As those of [`Self::of_validators`].
    pub fn of_later_validators(
        origin: &KeyName,
        set: &ValidatorSet,
        since: Height,
    ) -> Result<Self, PolicyError> {
        let first = Self::of_validators(origin, set)?;
        let mut lines = format!("{SINCE}{since}\n");
        for validator in set {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{COSE}{} {}", validator.name, validator.cose);
        }
        Self::parse(&[first.as_bytes(), b"\n", lines.as_bytes()].concat())
    }

    /// The first height for which a later set's file says that it stands; none if it does not say
    /// so in exactly one line, in decimal digits without leading zeros.
    #[must_use]
    pub fn since(&self) -> Option<Height> {
        let mut lines = comments(self, SINCE);
        let (line, None) = (lines.next()?, lines.next()) else {
            return None;
        };
        let digits = std::str::from_utf8(line).ok()?;
        let height = Height(digits.parse().ok()?);
        // A sign or a leading zero would be a second spelling.
        (height.to_string() == digits).then_some(height)
    }
}

/// What follows `prefix` in the lines that begin with it.
fn comments<'p>(policy: &'p Policy, prefix: &'p str) -> impl Iterator<Item = &'p [u8]> {
    let lines = policy.as_bytes().split(|octet| *octet == b'\n');
    lines.filter_map(move |line| line.strip_prefix(prefix.as_bytes()))
}

const fn ed25519(key: &VerifierKey) -> Option<&PublicKey> {
    match key.key() {
        NoteKey::Ed25519(key) | NoteKey::Cosigner(key) => Some(key),
        NoteKey::MlDsa44(_) => None,
    }
}

fn read_line(line: &[u8]) -> Option<(ParticipantName, PublicKey)> {
    let (name, key) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let bytes = hex::decode(key).ok()?;
    let decoded = PublicKey::decode(&bytes).ok()?;
    // Upper-case digits would be a second spelling.
    (decoded.to_string() == key).then_some((name.parse().ok()?, decoded))
}
