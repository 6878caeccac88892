//! A message and its signature, in the one form in which every custody message travels.
//!
//! What always holds: a [`Signed`] was signed here or read strictly, so its bytes are the only ones it
//! has; what it says is handed out by [`Signed::verify`] alone as believed, and by [`Signed::says`] to
//! whoever must look up the signer first.
//!
//! ```text
//! message   = CBOR array [body as byte string, signature as byte string of 64]
//! body      = CBOR map, keys from 1, deterministic (RFC 8949 4.2.1)
//! signature = Ed25519 over domain || body
//! ```

use medanchor_ledger::cbor::{CborError, Reader, Writer};
use medanchor_ledger::sha256;
use medanchor_ledger::signature::{
    BadSignature, PublicKey, Signature, Signed as ToJudge, verify, verify_batch,
};

/// The most bytes of a body.
pub const MAX_BODY: usize = 4096;
/// The most bytes of a message.
pub const MAX_MESSAGE: usize = MAX_BODY + 80;

/// What a signed message can say.
pub trait Body: Sized {
    /// What stands before the body when it is signed, so that no signature fits another format.
    const DOMAIN: &'static [u8];
    /// Writes the body.
    fn write(&self, writer: &mut Writer);
    /// Reads the body.
    ///
    /// # Errors
    /// [`CborError`] for anything but what [`Body::write`] writes.
    fn read(reader: &mut Reader<'_>) -> Result<Self, CborError>;
}

/// Bytes that are no custody message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Longer than any message.
    #[error("a custody message has at most {MAX_MESSAGE} bytes; ask its sender for the right one")]
    Oversize,
    /// Not the one encoding.
    #[error(transparent)]
    Malformed(#[from] CborError),
}

/// A message with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    says: T,
    body: Vec<u8>,
    signature: Signature,
}

impl<T: Body> Signed<T> {
    /// Signs a message; `sign` is given the bytes that the signature covers.
    pub fn new(says: T, sign: impl FnOnce(&[u8]) -> Signature) -> Self {
        let mut writer = Writer::new();
        says.write(&mut writer);
        let body = writer.into_bytes();
        let signature = sign(&[T::DOMAIN, &body].concat());
        Self {
            says,
            body,
            signature,
        }
    }

    /// Reads a message. Its signature is not judged yet.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(MessageError::Oversize);
        }
        let mut reader = Reader::new(bytes);
        let message = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(message)
    }

    /// Reads a message that stands inside something longer.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.array(2..=2)?;
        let body = reader.bytes(MAX_BODY)?.to_vec();
        let signature = Signature::new(reader.fixed()?);
        let mut inner = Reader::new(&body);
        let says = T::read(&mut inner)?;
        inner.finish()?;
        Ok(Self {
            says,
            body,
            signature,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer
            .array(2)
            .bytes(&self.body)
            .bytes(self.signature.as_bytes());
    }

    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.body.len() + 80);
        self.write(&mut writer);
        writer.into_bytes()
    }

    /// SHA-256 of the signed body, without the signature: the name of what was said.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(&[T::DOMAIN, &self.body])
    }

    /// What the message says, if this key signed it.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, key: &PublicKey) -> Result<&T, BadSignature> {
        verify(key, &[T::DOMAIN, &self.body].concat(), &self.signature)?;
        Ok(&self.says)
    }

    /// What messages say, if this key signed every one: judged together, which costs less.
    ///
    /// # Errors
    /// [`BadSignature`] if one of them does not hold.
    pub fn verify_all<'a>(
        messages: &'a [Self],
        key: &PublicKey,
    ) -> Result<Vec<&'a T>, BadSignature> {
        let bytes = |one: &Self| [T::DOMAIN, &one.body].concat();
        let bytes: Vec<Vec<u8>> = messages.iter().map(bytes).collect();
        let signed = messages.iter().zip(&bytes).map(|(one, message)| ToJudge {
            key,
            message,
            signature: &one.signature,
        });
        verify_batch(&signed.collect::<Vec<_>>()).map_err(|_| BadSignature)?;
        Ok(messages.iter().map(Self::says).collect())
    }

    /// What the message says, whoever signed it: to find the key that it must be signed by.
    #[must_use]
    pub const fn says(&self) -> &T {
        &self.says
    }
}
