//! Secrets of 32 bytes, one newtype for each meaning, and the two ways to derive one from another.
//!
//! What always holds: a secret is wiped when it is dropped, has no `Debug`, `Display`, `Clone` or
//! `PartialEq`, and shows its bytes only through `expose`, so that every use can be found by name.

use ring::{hkdf, hmac};

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes; nothing was written, so try again")]
pub struct RandomFailed;

/// Random bytes from the operating system.
///
/// # Errors
/// [`RandomFailed`].
pub fn random<const N: usize>() -> Result<[u8; N], RandomFailed> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| RandomFailed)?;
    Ok(bytes)
}

macro_rules! secret_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes over 32 secret bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Draws a fresh secret from the operating system.
            ///
            /// # Errors
            /// [`RandomFailed`].
            pub fn generate() -> Result<Self, RandomFailed> {
                random().map(Self)
            }

            /// The bytes. Whoever calls this keeps them out of logs, errors and files.
            #[must_use]
            pub const fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }
    };
}

secret_type! {
    /// The key that wraps every other secret of an institution. It lives in a key file of its own.
    InstitutionKey
}
secret_type! {
    /// What an institution's own handles and lot keys derive from. It is kept wrapped, so that it
    /// survives a change of institution key.
    DerivationRoot
}
secret_type! {
    /// V: the institution's part of a record's key.
    VaultPart
}
secret_type! {
    /// S: the custodians' part of a record's key.
    CustodyPart
}
secret_type! {
    /// The key of one version of one record; the payload key and the record secret derive from it.
    DataKey
}
secret_type! {
    /// What the salts of one version of one record's commitment derive from.
    RecordSecret
}
secret_type! {
    /// What a subject's keys at every institution derive from. It belongs to the subject.
    TagKey
}
secret_type! {
    /// A subject's key at one institution: HMAC(tag key, institution).
    SubjectKey
}
secret_type! {
    /// A subject's key for the handles of one epoch's consents at one institution.
    ConsentKey
}
secret_type! {
    /// The key of a production lot's unit handles.
    LotKey
}
secret_type! {
    /// What an institution's answers to readers draw their randomness from, so that one request gets
    /// the same bytes however often it is answered.
    AnswerKey
}

impl DerivationRoot {
    /// The key of this institution's answers to readers.
    #[must_use]
    pub fn answer_key(&self) -> AnswerKey {
        AnswerKey::new(hmac_sha256(self.expose(), &[b"medanchor/answer-key/v1"]))
    }
}

impl CustodyPart {
    /// Draws a fresh part that can be shared out among custodians: a canonical scalar of
    /// ristretto255, below 2^252 + 27742317777372353535851937790883648493, little-endian.
    ///
    /// # Errors
    /// [`RandomFailed`].
    pub fn shareable() -> Result<Self, RandomFailed> {
        let wide = zeroize::Zeroizing::new(random::<64>()?);
        Ok(Self::from_wide(&wide))
    }

    /// The part that 64 uniform bytes stand for.
    pub(crate) fn from_wide(wide: &[u8; 64]) -> Self {
        Self(curve25519_dalek::Scalar::from_bytes_mod_order_wide(wide).to_bytes())
    }
}

/// HMAC-SHA256 over the concatenation of `parts`.
#[must_use]
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref()); // a SHA-256 tag is 32 bytes
    bytes
}

/// The first 16 bytes of an HMAC: what the ledger's handles are.
#[must_use]
pub(crate) fn handle_bytes(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut handle = [0; 16];
    handle.copy_from_slice(&hmac_sha256(key, parts)[..16]);
    handle
}

/// A secret that others expand from (RFC 5869 extract).
pub(crate) fn extract(salt: &[u8], secret: &[u8]) -> hkdf::Prk {
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret)
}

/// 32 bytes expanded from `prk` (RFC 5869 expand).
#[must_use]
pub(crate) fn expand(prk: &hkdf::Prk, context: &[&[u8]]) -> [u8; 32] {
    let mut bytes = [0; 32];
    prk.expand(context, hkdf::HKDF_SHA256)
        .and_then(|material| material.fill(&mut bytes))
        .expect("one hash length is within HKDF's 255, and the buffer has it");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 test case 2, split over parts.
    #[test]
    fn hmac_is_that_of_the_rfc() {
        let tag = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(
            hex::encode(tag),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    /// RFC 5869 test case 1, first 32 bytes.
    #[test]
    fn hkdf_is_that_of_the_rfc() {
        let salt = hex::decode("000102030405060708090a0b0c").unwrap();
        let info = hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap();
        let bytes = expand(&extract(&salt, &[0x0b; 22]), &[&info]);
        assert_eq!(
            hex::encode(bytes),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
        );
    }
}
