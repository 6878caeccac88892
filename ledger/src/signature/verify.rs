//! Judging signatures: one at a time, in batches, and on notes.
//!
//! What always holds: [`verify`] decides, and [`verify_batch`] gives its answers only faster.

use super::{Algorithm, BadSignature, PublicKey, Signature};
use crate::hash::sha256;
use ed25519_dalek::VerifyingKey;
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};

/// One signature to judge: who is said to have signed which bytes.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The key under which the signature should hold.
    pub key: &'a PublicKey,
    /// The bytes that are said to be signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a Signature,
}

/// Judges one signature by ZIP-215.
///
/// # Errors
///
/// [`BadSignature`] if it does not hold.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
    match key.algorithm {
        Algorithm::Ed25519 => VerificationKey::try_from(key.bytes)
            .and_then(|key| key.verify(&signature.0.into(), message))
            .map_err(|_| BadSignature),
    }
}

/// Judges a note signature: ZIP-215 and, beyond it, cofactorless RFC 8032 with neither the key
/// nor R of small order. The second implies the first, so only the second is computed.
///
/// # Errors
///
/// [`BadSignature`] if it does not hold.
pub fn verify_note(
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    match key.algorithm {
        Algorithm::Ed25519 => VerifyingKey::from_bytes(&key.bytes)
            .and_then(|key| key.verify_strict(message, &signature.0.into()))
            .map_err(|_| BadSignature),
    }
}

/// Judges many signatures at once, two to four times as fast as one by one, with the same answer
/// as [`verify`] for each.
///
/// The coefficients of the batch equation come from a hash of the whole batch, never from a
/// random source: nobody can choose signatures to fit coefficients that depend on them.
///
/// # Errors
///
/// The places in `batch`, ascending, of the signatures that do not hold.
pub fn verify_batch(batch: &[Signed<'_>]) -> Result<(), Vec<usize>> {
    let hashed = batch.iter().map(|signed| Hashed {
        signed: *signed,
        digest: sha256(&[signed.message]),
    });
    verify_hashed(&hashed.collect::<Vec<_>>())
}

/// A signature to judge, with SHA-256 of its message.
#[derive(Clone, Copy)]
pub(crate) struct Hashed<'a> {
    pub(crate) signed: Signed<'a>,
    pub(crate) digest: [u8; 32],
}

/// [`verify_batch`] for whoever has the hashes of the messages already.
pub(crate) fn verify_hashed(batch: &[Hashed<'_>]) -> Result<(), Vec<usize>> {
    let mut bad = Vec::new();
    for (number, part) in batch.chunks(LARGEST).enumerate() {
        find_bad(part, number * LARGEST, &mut bad);
    }
    if bad.is_empty() { Ok(()) } else { Err(bad) }
}

/// More signatures than this are judged in several batches: they would be no cheaper together, and
/// what is computed of them would leave the processor's caches.
const LARGEST: usize = 2048;

/// Batches of up to this size are judged one by one.
const SINGLES: usize = 4;

/// Halves a batch that does not hold until what is left is judged one by one, so that one bad
/// signature among many costs its sender's victims little. What [`verify`] says decides.
fn find_bad(batch: &[Hashed<'_>], first: usize, bad: &mut Vec<usize>) {
    if batch.len() <= SINGLES {
        let refused = |signed: &Signed<'_>| verify(signed.key, signed.message, signed.signature);
        let places = (first..)
            .zip(batch)
            .filter(|(_, hashed)| refused(&hashed.signed).is_err());
        bad.extend(places.map(|(place, _)| place));
    } else if !batch_holds(batch) {
        let (left, right) = batch.split_at(batch.len() / 2);
        find_bad(left, first, bad);
        find_bad(right, first + left.len(), bad);
    }
}

fn batch_holds(batch: &[Hashed<'_>]) -> bool {
    let mut verifier = batch::Verifier::new();
    for Hashed { signed, .. } in batch {
        let Signed {
            key,
            message,
            signature,
        } = signed;
        let Algorithm::Ed25519 = key.algorithm;
        verifier.queue((
            VerificationKeyBytes::from(key.bytes),
            signature.0.into(),
            *message,
        ));
    }
    verifier.verify(Coefficients::of(batch)).is_ok()
}

/// A stream of SHA-256(seed || counter) blocks, whose seed is a hash over keys, signatures and
/// hashes of messages of a batch.
struct Coefficients {
    seed: [u8; 32],
    counter: u64,
}

impl Coefficients {
    fn of(batch: &[Hashed<'_>]) -> Self {
        let mut hasher = Sha256::new_with_prefix(b"medanchor/batch/v2");
        for Hashed { signed, digest } in batch {
            hasher.update(signed.key.encode());
            hasher.update(signed.signature.0);
            hasher.update(digest);
        }
        Self {
            seed: hasher.finalize().into(),
            counter: 0,
        }
    }
}

impl RngCore for Coefficients {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        for chunk in dest.chunks_mut(32) {
            let block = sha256(&[&self.seed, &self.counter.to_be_bytes()]);
            chunk
                .iter_mut()
                .zip(block)
                .for_each(|(to, from)| *to = from);
            self.counter = self.counter.wrapping_add(1);
        }
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

/// The batch equation asks for coefficients that whoever chose the signatures could not foresee;
/// the hash over them gives just that.
impl CryptoRng for Coefficients {}
