//! Who keeps the institution key: this process, once a key file has been unlocked, or a PKCS#11 token.
//!
//! What always holds: a keeper is asked for two things only, to wrap a secret of 32 bytes and to unwrap
//! one, each bound to a context; a token's key never leaves the token, so every secret goes in and
//! comes out by itself; what was wrapped under another key, or for another context, does not open.
//!
//! Both wrap by AES-256-GCM with a random nonce, so a rotation between them changes no format.

use crate::secret::{InstitutionKey, RandomFailed, expand, extract, random};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

#[cfg(feature = "pkcs11")]
pub(crate) mod marks;
pub(crate) mod tally;
#[cfg(feature = "pkcs11")]
pub(crate) mod token;

/// Which institution key: a name that says nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId([u8; 16]);

impl KeyId {
    pub(crate) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// HKDF-SHA256(institution key; salt "medanchor/key-id/v1")`[..16]`.
    pub(crate) fn of(key: &InstitutionKey) -> Self {
        let bytes = expand(&extract(b"medanchor/key-id/v1", key.expose()), &[]);
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[..16]);
        Self(id)
    }
}

/// Bytes of a wrapped secret: 32 of ciphertext and 16 of tag.
pub(crate) const SEALED: usize = 48;

/// A wrapped secret.
pub(crate) struct Wrapped {
    pub(crate) nonce: [u8; 12],
    pub(crate) sealed: [u8; SEALED],
}

/// Why a keeper did not do as it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// The token did not answer as it should.
    #[error(
        "the token refused to {asked}: {why}; check that it is there, then open the vault again"
    )]
    Token {
        /// What it was asked to do.
        asked: &'static str,
        /// What it said.
        why: String,
    },
}

/// Whoever wraps and unwraps an institution's secrets. A key file says who that is:
/// [`key_file::create`](crate::key_file::create) and [`key_file::unlock`](crate::key_file::unlock).
pub struct KeyKeeper(Kept);

enum Kept {
    /// A key in this process.
    Memory {
        id: KeyId,
        /// Boxed, because ring's key schedules are large.
        key: Box<LessSafeKey>,
    },
    /// A key in a token.
    #[cfg(feature = "pkcs11")]
    Token(token::TokenKey),
}

impl KeyKeeper {
    /// This process, which has the key.
    #[must_use]
    pub fn in_memory(key: &InstitutionKey) -> Self {
        let bytes = Zeroizing::new(expand(&extract(b"medanchor/wrap/v1", key.expose()), &[]));
        Self(Kept::Memory {
            id: KeyId::of(key),
            key: Box::new(aes_256_gcm(&bytes)),
        })
    }

    #[cfg(feature = "pkcs11")]
    pub(crate) const fn in_token(token: token::TokenKey) -> Self {
        Self(Kept::Token(token))
    }

    /// Which key it keeps.
    pub(crate) const fn id(&self) -> KeyId {
        match &self.0 {
            Kept::Memory { id, .. } => *id,
            #[cfg(feature = "pkcs11")]
            Kept::Token(token) => token.id(),
        }
    }

    pub(crate) fn wrap(&self, context: &[u8], secret: &[u8; 32]) -> Result<Wrapped, KeeperError> {
        let nonce = random()?;
        let sealed = match &self.0 {
            Kept::Memory { key, .. } => seal(key, nonce, context, secret),
            #[cfg(feature = "pkcs11")]
            Kept::Token(token) => token.wrap(nonce, context, secret)?,
        };
        Ok(Wrapped { nonce, sealed })
    }

    /// The secret; none if it was wrapped under another key or for another context.
    pub(crate) fn unwrap(
        &self,
        context: &[u8],
        wrapped: &Wrapped,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, KeeperError> {
        match &self.0 {
            Kept::Memory { key, .. } => Ok(open(key, context, wrapped)),
            #[cfg(feature = "pkcs11")]
            Kept::Token(token) => token.unwrap(context, wrapped),
        }
    }

    /// The count beside the key; none beside one in this process, which could keep none.
    pub(crate) const fn tally(&self) -> Option<&dyn tally::Tally> {
        match &self.0 {
            Kept::Memory { .. } => None,
            #[cfg(feature = "pkcs11")]
            Kept::Token(token) => Some(token.tally()),
        }
    }
}

pub(crate) fn aes_256_gcm(bytes: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("an AES-256 key is 32 bytes"))
}

/// AES-256-GCM of 32 secret bytes, with its tag.
pub(crate) fn seal(
    key: &LessSafeKey,
    nonce: [u8; 12],
    context: &[u8],
    secret: &[u8; 32],
) -> [u8; SEALED] {
    let mut bytes = Zeroizing::new(*secret);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            bytes.as_mut_slice(),
        )
        .expect("32 bytes are far below AES-GCM's limit");
    let mut sealed = [0; SEALED];
    sealed[..32].copy_from_slice(bytes.as_slice());
    sealed[32..].copy_from_slice(tag.as_ref());
    sealed
}

/// What [`seal`] sealed.
pub(crate) fn open(
    key: &LessSafeKey,
    context: &[u8],
    wrapped: &Wrapped,
) -> Option<Zeroizing<[u8; 32]>> {
    let nonce = Nonce::assume_unique_for_key(wrapped.nonce);
    let mut sealed = Zeroizing::new(wrapped.sealed);
    let opened = key
        .open_in_place(nonce, Aad::from(context), sealed.as_mut_slice())
        .ok()?;
    <[u8; 32]>::try_from(&*opened).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(byte: u8) -> KeyKeeper {
        KeyKeeper::in_memory(&InstitutionKey::new([byte; 32]))
    }

    #[test]
    fn a_secret_opens_with_its_own_key_and_context_only() {
        let wrapped = keeper(1).wrap(&[7; 56], &[9; 32]).unwrap();
        let opened = |keeper: &KeyKeeper, context| keeper.unwrap(context, &wrapped).unwrap();
        assert_eq!(
            opened(&keeper(1), &[7; 56]).map(|secret| *secret),
            Some([9; 32])
        );
        assert!(opened(&keeper(2), &[7; 56]).is_none());
        assert!(opened(&keeper(1), &[8; 56]).is_none());
    }

    #[test]
    fn a_keys_name_is_frozen_and_is_not_its_wrapping_key() {
        assert_eq!(
            hex::encode(keeper(1).id().as_bytes()),
            "113c4855530c607ccdc2616c4a2c4019"
        );
        assert!(keeper(1).id() != keeper(2).id());
    }
}
