//! The thief that has a passphrase, too: what was wrapped for the emergency key is S.

use super::{CUSTODY, EMERGENCY, Secret, wrapping_key};
use anyhow::{Context, Result, anyhow};
use argon2::{Algorithm, Argon2, Params, Version};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR};
use medanchor_vault::RecordVersion;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::path::Path;

/// S of a record from every wrap that `keys` has of it, by the emergency key of the vault in `vault`.
pub fn by_emergency(
    vault: &Path,
    passphrase: &str,
    keys: &Path,
    record: &RecordVersion,
) -> Result<Vec<Secret>> {
    let secret = emergency_key(vault, passphrase)?;
    let info: [&[u8]; 4] = [
        b"medanchor/emergency-wrap/v1",
        record.network.as_bytes(),
        record.record.as_bytes(),
        &record.version.to_be_bytes(),
    ];
    let open = |wrap: [u8; 80]| {
        Ok(Secret {
            kind: CUSTODY,
            name: record.record.as_bytes().to_vec(),
            note: Vec::new(),
            secret: unseal(&secret, &info.concat(), &wrap)?,
            wrapped: wrap.to_vec(),
        })
    };
    wraps(keys, record)?.into_iter().map(open).collect()
}

/// The secret half of the emergency key.
fn emergency_key(vault: &Path, passphrase: &str) -> Result<Vec<u8>> {
    let file = std::fs::read(vault.join("emergency.key"))?;
    let number = |at: usize| Some(u32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?));
    let cost = [20, 24, 28].map(number);
    let [Some(memory), Some(passes), Some(lanes)] = cost else {
        return Err(anyhow!("what a try costs"));
    };
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(|e| anyhow!("{e}"))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (salt, mut key) = (file.get(48..80).context("a salt")?, [0; 32]);
    let hashed = argon.hash_password_into(passphrase.as_bytes(), salt, &mut key);
    hashed.map_err(|e| anyhow!("{e}"))?;
    let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| anyhow!("32 bytes"))?;
    let sealed = file.get(80..128).context("a key")?;
    let locking = gcm(&LessSafeKey::new(key), &[0; 12], &file[..80], sealed)?;
    let file = std::fs::read(vault.join("emergency"))?;
    let sealed = file.get(76..124).context("a secret key")?;
    gcm(&wrapping_key(&locking)?, &file[64..76], &file[..64], sealed)
}

fn gcm(key: &LessSafeKey, nonce: &[u8], bound: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| anyhow!("12 bytes"))?;
    let mut opened = sealed.to_vec();
    let opened = key.open_in_place(nonce, Aad::from(bound), &mut opened);
    let opened = opened.map_err(|_| anyhow!("the passphrase is another one"))?;
    Ok(opened.to_vec())
}

fn unseal(secret: &[u8], info: &[u8], wrap: &[u8; 80]) -> Result<Vec<u8>> {
    let (encapsulated, ciphertext) = wrap.split_at(32);
    let failed = |error: hpke::HpkeError| anyhow!("{error:?}");
    let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(secret).map_err(failed)?;
    let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated);
    let mut receiver = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &encapsulated.map_err(failed)?,
        info,
    )
    .map_err(failed)?;
    receiver.open(ciphertext, b"").map_err(failed)
}

/// What was sealed to the emergency key of a record.
fn wraps(keys: &Path, record: &RecordVersion) -> Result<Vec<[u8; 80]>> {
    let file = std::fs::read(keys)?;
    let slots = file.chunks_exact(128).skip(1);
    let theirs = slots.filter(|slot| {
        (slot[0], slot[1]) == (1, EMERGENCY) && slot[8..24] == *record.record.as_bytes()
    });
    let whole = theirs.map(|slot| Ok(slot[24..104].try_into()?));
    whole.collect()
}

/// The same, in pieces.
pub fn wraps_for_emergency(keys: &Path, record: &RecordVersion) -> Result<Vec<Vec<u8>>> {
    let wraps = wraps(keys, record)?.concat();
    Ok(wraps.chunks_exact(16).map(<[u8]>::to_vec).collect())
}
