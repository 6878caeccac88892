//! Public keys and signatures, and the one rule by which everybody judges them.
//!
//! What always holds: an Ed25519 signature is valid if and only if ZIP-215 says so, and
//! [`verify`], [`verify_batch`] and every machine give the same answer. Note signatures must
//! pass [`verify_note`] as well, which also asks for cofactorless RFC 8032, so that strangers'
//! verifiers agree. Keys that get registered are canonical, torsion-free and not of small order,
//! which leaves none of the known cases where one signature fits several keys or messages.
//! `docs/decisions/signature-rule.md` has the reasons, `vectors/ed25519` the frozen answers.

use crate::{KeyId, hash::sha256};
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::Signer;
use std::fmt;
use zeroize::Zeroizing;

mod verify;

pub(crate) use verify::{Hashed, verify_hashed};
pub use verify::{Signed, verify, verify_batch, verify_note};

/// A signature algorithm, by the byte that stands before a key.
///
/// 2 is kept for SM2 with SM3 and 3 for ML-DSA-44; a ledger that meets them today refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Algorithm {
    /// Ed25519, judged by ZIP-215.
    Ed25519 = 1,
}

impl Algorithm {
    /// The byte that stands for the algorithm.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
        }
    }
}

impl TryFrom<u8> for Algorithm {
    type Error = KeyError;

    fn try_from(id: u8) -> Result<Self, KeyError> {
        match id {
            1 => Ok(Self::Ed25519),
            id => Err(KeyError::Algorithm { id }),
        }
    }
}

/// Bytes that may not become a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// An algorithm that this release does not know.
    #[error("key algorithm {id} is not known; use 1 (Ed25519) or a newer release")]
    Algorithm {
        /// The algorithm byte that came.
        id: u8,
    },
    /// A key of another size.
    #[error("an Ed25519 key is 32 bytes, not {found}; give the raw public key")]
    Length {
        /// Bytes that came.
        found: usize,
    },
    /// No point of the curve has this encoding.
    #[error("the key is not a point of the curve; make a new key pair")]
    NotAPoint,
    /// The point has a shorter encoding that everybody else would use.
    #[error("the key is not canonically encoded; make a new key pair")]
    NotCanonical,
    /// The point has small order: signatures under it prove nothing.
    #[error("the key has small order, so anybody could sign for it; make a new key pair")]
    SmallOrder,
    /// The point lies outside the prime-order subgroup.
    #[error("the key has a torsion component; make a new key pair")]
    Torsion,
}

/// A signature that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold for this key and these bytes; sign the exact bytes again")]
pub struct BadSignature;

/// A public key and its algorithm.
///
/// Its bytes are the algorithm byte and the raw key: 33 for Ed25519.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: [u8; 32],
}

impl PublicKey {
    /// How many bytes [`Self::encode`] gives.
    pub const ENCODED_LENGTH: usize = 33;

    /// A raw Ed25519 key that may be registered: canonical, torsion-free, not of small order.
    ///
    /// Costs a scalar multiplication; see [`Self::decode_registered`] for keys already checked.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says which demand the key does not meet.
    pub fn ed25519(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let compressed = CompressedEdwardsY(bytes);
        let point = compressed.decompress().ok_or(KeyError::NotAPoint)?;
        if point.compress() != compressed {
            return Err(KeyError::NotCanonical);
        }
        if point.is_small_order() {
            return Err(KeyError::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::Torsion);
        }
        Ok(Self {
            algorithm: Algorithm::Ed25519,
            bytes,
        })
    }

    /// Reads an algorithm byte and a raw key, with every check of [`Self::ed25519`].
    ///
    /// # Errors
    ///
    /// [`KeyError`] says which demand the key does not meet.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let key = Self::decode_registered(bytes)?;
        match key.algorithm {
            Algorithm::Ed25519 => Self::ed25519(key.bytes),
        }
    }

    /// Reads a key that was checked when it was registered, as state values are: algorithm and
    /// length only. Verdicts on signatures do not depend on which of the two was used.
    ///
    /// # Errors
    ///
    /// [`KeyError::Algorithm`] or [`KeyError::Length`].
    pub fn decode_registered(bytes: &[u8]) -> Result<Self, KeyError> {
        let (id, raw) = bytes.split_first().ok_or(KeyError::Length { found: 0 })?;
        let algorithm = Algorithm::try_from(*id)?;
        let bytes = raw
            .try_into()
            .map_err(|_| KeyError::Length { found: raw.len() })?;
        Ok(Self { algorithm, bytes })
    }

    /// The algorithm byte and the raw key.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::ENCODED_LENGTH] {
        let mut encoded = [self.algorithm.id(); Self::ENCODED_LENGTH];
        encoded[1..].copy_from_slice(&self.bytes);
        encoded
    }

    /// The algorithm of the key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw key, without the algorithm byte.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The name of the key in protected headers (COSE `kid`).
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = sha256(&[b"medanchor/key/v1", &self.encode()]);
        KeyId::new(std::array::from_fn(|n| digest[n]))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.encode()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// An Ed25519 signature: R, then s.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Bytes of a signature.
    pub const LENGTH: usize = 64;

    /// Wraps 64 bytes; whether they hold is for [`verify`] to say.
    #[must_use]
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = crate::ParseError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| crate::ParseError::Length {
                what: "Signature",
                expected: Self::LENGTH,
                found: bytes.len(),
            })
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// An Ed25519 signing key, wiped from memory when dropped.
///
/// Signing is deterministic (RFC 8032). It has no `Debug`, no `Clone` and no equality on purpose.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key pair that 32 secret bytes stand for.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The secret bytes, for a key file; they are wiped when dropped.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half. It always meets the demands of [`PublicKey::ed25519`].
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey {
            algorithm: Algorithm::Ed25519,
            bytes: self.0.verifying_key().to_bytes(),
        }
    }

    /// Signs bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}
