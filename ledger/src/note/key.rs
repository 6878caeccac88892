//! Names, ids and keys of those who sign notes ("vkeys").

use super::{NoteError, NoteSignature};
use crate::hash::sha256;
use crate::signature::{BadSignature, KeyError, PublicKey, Signature, verify_note};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{fmt, str::FromStr};

/// The name of a note key. A log's origin is one; a cosigner's is `origin/validator`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(Box<str>);

impl KeyName {
    /// The longest name, in bytes.
    pub const MAX_LENGTH: usize = 255;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name `self/part`.
    ///
    /// # Errors
    ///
    /// [`NoteError::KeyName`] if that is no key name.
    pub fn join(&self, part: &str) -> Result<Self, NoteError> {
        format!("{self}/{part}").parse()
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refused = |c: char| c.is_whitespace() || c < ' ' || c == '+';
        if text.is_empty() || text.len() > Self::MAX_LENGTH || text.contains(refused) {
            return Err(NoteError::KeyName);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyName({self})")
    }
}

/// The first four bytes of SHA-256(name || newline || signature type || public key): an
/// identifier, not a commitment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyId(pub(super) [u8; 4]);

crate::text::hex_text!(NoteKeyId, 4);

/// What a note key may sign, and how it is judged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NoteKey {
    /// Type 0x01: Ed25519 over the note's text.
    Ed25519(PublicKey),
    /// Type 0x04: Ed25519 cosignature with a time, over a checkpoint (C2SP `tlog-cosignature`).
    Cosigner(PublicKey),
    /// Type 0x06: ML-DSA-44 cosignature. Read so that a policy may name such a witness; this
    /// release cannot judge it, so it never counts.
    MlDsa44(Box<[u8; 1312]>),
}

impl NoteKey {
    fn signature_type(&self) -> u8 {
        match self {
            Self::Ed25519(_) => 0x01,
            Self::Cosigner(_) => 0x04,
            Self::MlDsa44(_) => 0x06,
        }
    }

    /// The raw public key, without any type.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) | Self::Cosigner(key) => key.as_bytes(),
            Self::MlDsa44(key) => key.as_slice(),
        }
    }

    fn parse(signature_type: u8, raw: &[u8]) -> Result<Self, NoteError> {
        let ed25519 = || {
            let raw = raw
                .try_into()
                .map_err(|_| KeyError::Length { found: raw.len() })?;
            PublicKey::ed25519(raw)
        };
        match signature_type {
            0x01 => Ok(Self::Ed25519(ed25519()?)),
            0x04 => Ok(Self::Cosigner(ed25519()?)),
            0x06 => {
                let key: &[u8; 1312] = raw.try_into().map_err(|_| NoteError::VerifierKey)?;
                Ok(Self::MlDsa44(Box::new(*key)))
            }
            other => Err(NoteError::SignatureType(other)),
        }
    }
}

/// A key that judges note signatures, with the name it signs under (a "vkey").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: KeyName,
    key: NoteKey,
    id: NoteKeyId,
}

impl VerifierKey {
    /// A key under a name.
    #[must_use]
    pub fn new(name: KeyName, key: NoteKey) -> Self {
        let kind = [b'\n', key.signature_type()];
        let digest = sha256(&[name.as_str().as_bytes(), &kind, key.as_bytes()]);
        let id = NoteKeyId(std::array::from_fn(|n| digest[n]));
        Self { name, key, id }
    }

    /// The name it signs under.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key and what it may sign.
    #[must_use]
    pub const fn key(&self) -> &NoteKey {
        &self.key
    }

    /// The id it signs under.
    #[must_use]
    pub const fn id(&self) -> NoteKeyId {
        self.id
    }

    /// Whether a signature line claims to be by this key.
    #[must_use]
    pub fn claims(&self, signature: &NoteSignature) -> bool {
        signature.id() == self.id && signature.name() == &self.name
    }

    /// Judges a signature that claims to be by this key.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] if it does not hold, or is of a type that cannot be judged here.
    pub fn verify(&self, text: &str, signature: &NoteSignature) -> Result<Held, BadSignature> {
        match &self.key {
            NoteKey::Ed25519(key) => {
                let raw = Signature::try_from(signature.bytes()).map_err(|_| BadSignature)?;
                verify_note(key, text.as_bytes(), &raw).map(|()| Held::Plain)
            }
            NoteKey::Cosigner(key) => {
                let (time, raw) = signature.bytes().split_first_chunk().ok_or(BadSignature)?;
                let raw = Signature::try_from(raw).map_err(|_| BadSignature)?;
                let time = u64::from_be_bytes(*time);
                let message = cosigned_message(time, text).ok_or(BadSignature)?;
                verify_note(key, message.as_bytes(), &raw).map(|()| Held::At(time))
            }
            NoteKey::MlDsa44(_) => Err(BadSignature),
        }
    }
}

/// A signature that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A plain signature over the text.
    Plain,
    /// A cosignature made at a time, in seconds since 1970.
    At(u64),
}

/// What a cosigner signs: none for a time above 2^63 - 1, which the format forbids.
pub(super) fn cosigned_message(time: u64, text: &str) -> Option<String> {
    i64::try_from(time).ok()?;
    Some(format!("cosignature/v1\ntime {time}\n{text}"))
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[self.key.signature_type()], self.key.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(material))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::VerifierKey)?;
        let (id, material) = rest.split_once('+').ok_or(NoteError::VerifierKey)?;
        let id: NoteKeyId = id.parse().map_err(|_| NoteError::VerifierKey)?;
        let material = STANDARD
            .decode(material)
            .map_err(|_| NoteError::VerifierKey)?;
        let (kind, raw) = material.split_first().ok_or(NoteError::VerifierKey)?;
        let key = Self::new(name.parse()?, NoteKey::parse(*kind, raw)?);
        if key.id == id {
            Ok(key)
        } else {
            Err(NoteError::KeyId)
        }
    }
}
