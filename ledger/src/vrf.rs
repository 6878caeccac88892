//! Verifiable random outputs: ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381 section 5).
//!
//! What always holds: under one key one input has one output and nobody but the key's holder can
//! foretell it; everybody can check it. Keys meet the demands on every registered key (canonical,
//! torsion-free, not of small order), which is more than the RFC's `validate_key` asks for, so that
//! an output is unique even under a key that was made to cheat. A proof has one encoding. Own code on
//! `curve25519-dalek`, step by step as in the RFC: `docs/decisions/random-inspection.md` says why.

use crate::signature::{KeyError, PublicKey};
use crate::{OutputHash, ParseError, sha256};
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use sha2::{Digest, Sha512};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// `suite_string` (RFC 9381 section 5.5).
const SUITE: u8 = 0x03;
const CHALLENGE_LENGTH: usize = 16;

/// A key under which outputs are checked: its suite byte and the raw point are 33 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VrfPublicKey([u8; 32]);

impl VrfPublicKey {
    /// How many bytes [`Self::encode`] gives.
    pub const ENCODED_LENGTH: usize = 33;
    /// The suite byte before a key: its `suite_string` in RFC 9381.
    pub const SUITE: u8 = SUITE;

    /// A raw key, held against what every registered key must be.
    ///
    /// # Errors
    /// [`KeyError`] says which demand it does not meet.
    pub fn new(bytes: [u8; 32]) -> Result<Self, KeyError> {
        PublicKey::ed25519(bytes).map(|_| Self(bytes))
    }

    /// A raw key that was checked when it was registered.
    #[must_use]
    pub const fn registered(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The suite byte and the raw key.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::ENCODED_LENGTH] {
        let mut encoded = [SUITE; Self::ENCODED_LENGTH];
        encoded[1..].copy_from_slice(&self.0);
        encoded
    }

    /// The raw key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for VrfPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.encode()))
    }
}

impl fmt::Debug for VrfPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VrfPublicKey({self})")
    }
}

/// A proof that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the proof does not hold for this key and this input; compute it again from the exact input"
)]
pub struct BadProof;

/// What a proof proves: 64 bytes that nobody could foretell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VrfOutput([u8; 64]);

impl VrfOutput {
    /// The 64 bytes (`beta_string`).
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// SHA-256 of the 64 bytes: what the state keeps.
    #[must_use]
    pub fn hash(&self) -> OutputHash {
        OutputHash::new(sha256(&[&self.0]))
    }
}

/// A proof: Gamma, c and s (`pi_string`, RFC 9381 section 5.4.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VrfProof([u8; VrfProof::LENGTH]);

impl VrfProof {
    /// Bytes of a proof.
    pub const LENGTH: usize = 80;

    /// Wraps 80 bytes; whether they hold is for [`VrfProof::verify`] to say.
    #[must_use]
    pub const fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The 80 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Checks the proof for an input and gives the output (`ECVRF_verify`, RFC 9381 section 5.3).
    ///
    /// # Errors
    /// [`BadProof`].
    pub fn verify(&self, key: &VrfPublicKey, input: &[u8]) -> Result<VrfOutput, BadProof> {
        let (gamma, c, s) = self.parts().ok_or(BadProof)?;
        let y = point(key.0).ok_or(BadProof)?;
        let h = hash_to_curve(&key.0, input).ok_or(BadProof)?;
        let minus_c = -scalar_of(&c);
        let u = EdwardsPoint::vartime_double_scalar_mul_basepoint(&minus_c, &y, &s);
        let v = EdwardsPoint::vartime_multiscalar_mul([s, minus_c], [h, gamma]);
        if challenge(&key.0, [&h, &gamma, &u, &v]) == c {
            Ok(output(&gamma))
        } else {
            Err(BadProof)
        }
    }

    /// Gamma, c and s, if each is in its one encoding.
    fn parts(&self) -> Option<(EdwardsPoint, [u8; CHALLENGE_LENGTH], Scalar)> {
        let (gamma, rest) = self.0.split_first_chunk::<32>()?;
        let (c, s) = rest.split_first_chunk::<CHALLENGE_LENGTH>()?;
        let s = Scalar::from_canonical_bytes(s.try_into().ok()?);
        Some((point(*gamma)?, *c, Option::from(s)?))
    }
}

impl TryFrom<&[u8]> for VrfProof {
    type Error = ParseError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        bytes.try_into().map(Self).map_err(|_| ParseError::Length {
            what: "VrfProof",
            expected: Self::LENGTH,
            found: bytes.len(),
        })
    }
}

impl fmt::Debug for VrfProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VrfProof({})", hex::encode(self.0))
    }
}

/// The key that makes outputs, wiped from memory when dropped.
///
/// Proving is deterministic. It has no `Debug`, no `Clone` and no equality on purpose.
pub struct VrfSecretKey {
    scalar: Scalar,
    /// The second half of the hashed seed, from which nonces come.
    prefix: [u8; 32],
    public: VrfPublicKey,
}

impl Drop for VrfSecretKey {
    fn drop(&mut self) {
        self.scalar.zeroize();
        self.prefix.zeroize();
    }
}

impl VrfSecretKey {
    /// The key pair that 32 secret bytes stand for, derived as in RFC 8032 section 5.1.5. A seed
    /// serves this purpose alone, never signatures beside it.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut hasher = Sha512::new();
        hasher.update(seed);
        let expanded: Zeroizing<[u8; 64]> = Zeroizing::new(hasher.finalize().into());
        let (mut lower, mut prefix) = (Zeroizing::new([0; 32]), [0; 32]);
        lower.copy_from_slice(&expanded[..32]);
        prefix.copy_from_slice(&expanded[32..]);
        let scalar = Scalar::from_bytes_mod_order(clamp_integer(*lower));
        let public = ED25519_BASEPOINT_POINT * scalar;
        Self {
            scalar,
            prefix,
            public: VrfPublicKey(public.compress().0),
        }
    }

    /// The public half. It always meets the demands of [`VrfPublicKey::new`].
    #[must_use]
    pub const fn public_key(&self) -> VrfPublicKey {
        self.public
    }

    /// Proves the output for an input (`ECVRF_prove`, RFC 9381 section 5.1). There is no proof for
    /// one input in 2^256; nobody will meet it.
    #[must_use]
    pub fn prove(&self, input: &[u8]) -> Option<VrfProof> {
        let h = hash_to_curve(&self.public.0, input)?;
        let gamma = h * self.scalar;
        let mut nonce = self.nonce(&h);
        let (u, v) = (ED25519_BASEPOINT_POINT * nonce, h * nonce);
        let c = challenge(&self.public.0, [&h, &gamma, &u, &v]);
        let s = nonce + scalar_of(&c) * self.scalar;
        nonce.zeroize();
        let mut proof = [0; VrfProof::LENGTH];
        proof[..32].copy_from_slice(gamma.compress().as_bytes());
        proof[32..48].copy_from_slice(&c);
        proof[48..].copy_from_slice(s.as_bytes());
        Some(VrfProof(proof))
    }

    /// RFC 9381 section 5.4.2.2.
    fn nonce(&self, h: &EdwardsPoint) -> Scalar {
        let mut hasher = Sha512::new();
        hasher.update(self.prefix);
        hasher.update(h.compress().as_bytes());
        let wide: Zeroizing<[u8; 64]> = Zeroizing::new(hasher.finalize().into());
        Scalar::from_bytes_mod_order_wide(&wide)
    }
}

/// The point of an encoding, if it is the point's one encoding (`string_to_point`).
fn point(bytes: [u8; 32]) -> Option<EdwardsPoint> {
    let compressed = CompressedEdwardsY(bytes);
    let point = compressed.decompress()?;
    (point.compress() == compressed).then_some(point)
}

/// `ECVRF_encode_to_curve_try_and_increment` (RFC 9381 section 5.4.1.1), salted with the key.
fn hash_to_curve(key: &[u8; 32], input: &[u8]) -> Option<EdwardsPoint> {
    (0..=u8::MAX).find_map(|counter| {
        let hash = sha512(&[&[SUITE, 0x01], key, input, &[counter, 0x00]]);
        let (first, _) = hash.split_first_chunk::<32>()?;
        let cleared = point(*first)?.mul_by_cofactor();
        (!cleared.is_identity()).then_some(cleared)
    })
}

/// `ECVRF_challenge_generation` (RFC 9381 section 5.4.3).
fn challenge(key: &[u8; 32], points: [&EdwardsPoint; 4]) -> [u8; CHALLENGE_LENGTH] {
    let [h, gamma, u, v] = points.map(|point| point.compress().0);
    let hash = sha512(&[&[SUITE, 0x02], key, &h, &gamma, &u, &v, &[0x00]]);
    std::array::from_fn(|n| hash[n])
}

/// `string_to_int` of a challenge.
fn scalar_of(challenge: &[u8; CHALLENGE_LENGTH]) -> Scalar {
    let mut wide = [0; 32];
    wide[..CHALLENGE_LENGTH].copy_from_slice(challenge);
    Scalar::from_bytes_mod_order(wide)
}

/// `ECVRF_proof_to_hash` (RFC 9381 section 5.2) of a proof that holds.
fn output(gamma: &EdwardsPoint) -> VrfOutput {
    let cleared = gamma.mul_by_cofactor().compress();
    VrfOutput(sha512(&[&[SUITE, 0x03], cleared.as_bytes(), &[0x00]]))
}

fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
