//! Signed notes (C2SP `signed-note`): text, and signatures by named keys.
//!
//! What always holds: a parsed note is bounded in size and in signatures, and encodes to the very
//! bytes it was parsed from. A key signs under a name and a 4-byte id; a signature by another key
//! is ignored, one that claims a known key and does not hold condemns the whole note, and however
//! often a key signs it counts once.

use crate::hash::sha256;
use crate::signature::{BadSignature, KeyError, PublicKey, Signature, SigningKey, verify_note};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{fmt, str::FromStr};

/// Why bytes are not a note, a key name or a verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than [`Note::MAX_BYTES`].
    #[error("a note has at most 131072 bytes; fetch it again")]
    Size,
    /// Not UTF-8, or with a control character other than newline.
    #[error("a note is UTF-8 text without control characters; fetch it again")]
    Text,
    /// No blank line between text and signatures, or text or signatures missing.
    #[error("a note is text, a blank line and signature lines; fetch it again")]
    Shape,
    /// A signature line that is not one.
    #[error("a signature line is an em dash, a key name and base64; fetch it again")]
    SignatureLine,
    /// More than [`Note::MAX_SIGNATURES`].
    #[error("a note has at most 256 signatures; ask for one with fewer")]
    Signatures,
    /// A key name that is empty, too long, or has a space or a plus sign.
    #[error("a key name is 1 to 255 bytes without spaces, plus signs or control characters")]
    KeyName,
    /// A verifier key that is not `name+id+base64`.
    #[error("a verifier key is a name, 8 lower-case hex digits and base64, joined by plus signs")]
    VerifierKey,
    /// A verifier key whose id does not follow from its name and key.
    #[error("the id of this verifier key belongs to another name or key; copy it again")]
    KeyId,
    /// A signature type that this release does not know.
    #[error("signature type {0:#04x} is not known; use 0x01, 0x04 or 0x06, or a newer release")]
    SignatureType(u8),
    /// Key material that is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

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
pub struct NoteKeyId([u8; 4]);

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
        signature.id == self.id && signature.name == self.name
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
fn cosigned_message(time: u64, text: &str) -> Option<String> {
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

/// One signature line of a note.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteSignature {
    name: KeyName,
    id: NoteKeyId,
    bytes: Box<[u8]>,
}

impl NoteSignature {
    /// A signature by a key: the bytes that follow the key id.
    #[must_use]
    pub fn new(key: &VerifierKey, bytes: &[u8]) -> Self {
        Self {
            name: key.name.clone(),
            id: key.id,
            bytes: bytes.into(),
        }
    }

    /// The name of the key that is said to have signed.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of the key that is said to have signed.
    #[must_use]
    pub const fn id(&self) -> NoteKeyId {
        self.id
    }

    /// The bytes after the key id; their shape depends on the signature type.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id.0[..], &self.bytes].concat();
        writeln!(f, "\u{2014} {} {}", self.name, STANDARD.encode(bytes))
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;

    /// Reads a line without its newline.
    fn from_str(line: &str) -> Result<Self, NoteError> {
        let rest = line
            .strip_prefix("\u{2014} ")
            .ok_or(NoteError::SignatureLine)?;
        let (name, base64) = rest.split_once(' ').ok_or(NoteError::SignatureLine)?;
        let bytes = STANDARD
            .decode(base64)
            .map_err(|_| NoteError::SignatureLine)?;
        match bytes.split_first_chunk::<4>() {
            Some((id, bytes)) if !bytes.is_empty() => Ok(Self {
                name: name.parse()?,
                id: NoteKeyId(*id),
                bytes: bytes.into(),
            }),
            _ => Err(NoteError::SignatureLine),
        }
    }
}

/// Signs text as a note, type 0x01.
#[must_use]
pub fn sign_note(name: &KeyName, key: &SigningKey, text: &str) -> NoteSignature {
    let verifier = VerifierKey::new(name.clone(), NoteKey::Ed25519(key.public_key()));
    NoteSignature::new(&verifier, key.sign(text.as_bytes()).as_bytes())
}

/// Cosigns a checkpoint's text at a time in seconds since 1970, type 0x04. None for a time above
/// 2^63 - 1, which the format forbids.
#[must_use]
pub fn cosign_note(
    name: &KeyName,
    key: &SigningKey,
    time: u64,
    text: &str,
) -> Option<NoteSignature> {
    let signature = key.sign(cosigned_message(time, text)?.as_bytes());
    let verifier = VerifierKey::new(name.clone(), NoteKey::Cosigner(key.public_key()));
    let bytes = [&time.to_be_bytes()[..], signature.as_bytes()].concat();
    Some(NoteSignature::new(&verifier, &bytes))
}

/// Text with signatures that nobody has judged yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    text: Box<str>,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// The longest note that is parsed.
    pub const MAX_BYTES: usize = 128 * 1024;

    /// The most signatures that are parsed.
    pub const MAX_SIGNATURES: usize = 256;

    /// A note of text that ends in a newline.
    ///
    /// # Errors
    ///
    /// [`NoteError`] if [`Self::parse`] would refuse the note.
    pub fn new(text: &str, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        let note = Self {
            text: text.into(),
            signatures,
        };
        let parsed = Self::parse(note.to_string().as_bytes())?;
        if parsed == note {
            Ok(note)
        } else {
            Err(NoteError::Shape)
        }
    }

    /// Reads a note.
    ///
    /// # Errors
    ///
    /// [`NoteError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(NoteError::Size);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Text);
        }
        let (text, signatures) = split(note).ok_or(NoteError::Shape)?;
        if signatures.split('\n').nth(Self::MAX_SIGNATURES).is_some() {
            return Err(NoteError::Signatures);
        }
        let signatures: Result<_, _> = signatures.split('\n').map(str::parse).collect();
        Ok(Self {
            text: text.into(),
            signatures: signatures?,
        })
    }

    /// The signed text, with its last newline.
    #[must_use]
    pub const fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in order.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Judges every signature that claims to be by `key`: none if there is no such signature or
    /// this release cannot judge the key's type, else what holds for the first.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] if any of them does not hold: the note is not to be trusted.
    pub fn signed_by(&self, key: &VerifierKey) -> Result<Option<Held>, BadSignature> {
        let mut first = None;
        if matches!(key.key, NoteKey::MlDsa44(_)) {
            return Ok(first);
        }
        for signature in self
            .signatures
            .iter()
            .filter(|signature| key.claims(signature))
        {
            let held = key.verify(&self.text, signature)?;
            first.get_or_insert(held);
        }
        Ok(first)
    }
}

/// Splits at the last blank line into text with its newline and signature lines without the last.
fn split(note: &str) -> Option<(&str, &str)> {
    let at = note.rfind("\n\n")?;
    let (text, rest) = note.split_at_checked(at.checked_add(1)?)?;
    let signatures = rest.strip_prefix('\n')?.strip_suffix('\n')?;
    Some((text, signatures))
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| signature.fmt(f))
    }
}
