//! Signed notes (C2SP `signed-note`): text, and signatures by named keys.
//!
//! What always holds: a parsed note is bounded in size and in signatures, and encodes to the very
//! bytes it was parsed from. A key signs under a name and a 4-byte id; a signature by another key
//! is ignored, one that claims a known key and does not hold condemns the whole note, and however
//! often a key signs it counts once.

use crate::signature::{BadSignature, KeyError, SigningKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{fmt, str::FromStr};

mod key;

use key::cosigned_message;
pub use key::{Held, KeyName, NoteKey, NoteKeyId, VerifierKey};

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
            name: key.name().clone(),
            id: key.id(),
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
        if matches!(key.key(), NoteKey::MlDsa44(_)) {
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
