//! The protected header of a receipt, and the bytes that a validator signs.

use super::CoseReceiptError;
use crate::cbor::{Reader, Writer};
use crate::checkpoint::{Checkpoint, parse_decimal};
use crate::note::KeyName;
use crate::signature::{Signature, SigningKey};
use crate::{KeyId, ParticipantName, Size, TreeHash};

const ALGORITHM: i64 = 1;
const KEY_ID: i64 = 4;
const CWT_CLAIMS: i64 = 15;
const STRUCTURE: i64 = 395;
const ISSUER: i64 = 1;
const SUBJECT: i64 = 2;
const ISSUED_AT: i64 = 6;
/// EdDSA. Events say -19 (Ed25519, RFC 9864); receipts are for strangers, whose tools know -8.
const EDDSA: i64 = -8;
const RFC9162_SHA256: u64 = 1;
const SUBJECT_PREFIX: &str = "checkpoint/";
/// The prefix and the digits of a `u64`.
const MAX_SUBJECT: usize = SUBJECT_PREFIX.len() + 20;

/// What a validator's COSE signature says beside the root: which log, who, with which key, at which
/// size, and when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// The log.
    pub origin: KeyName,
    /// Who signs.
    pub validator: ParticipantName,
    /// With which key.
    pub key: KeyId,
    /// The size of the log under the signed root.
    pub size: Size,
    /// When the root was signed, in seconds since 1970. Covered by the signature; no rule depends
    /// on it.
    pub seconds: u64,
}

impl Head {
    /// The longest encoding that is read.
    pub const MAX_BYTES: usize = 512;

    /// What validator `validator` says of a checkpoint with the key `key`.
    #[must_use]
    pub fn of(
        checkpoint: &Checkpoint,
        validator: &ParticipantName,
        key: KeyId,
        seconds: u64,
    ) -> Self {
        Self {
            origin: checkpoint.origin.clone(),
            validator: validator.clone(),
            key,
            size: checkpoint.size,
            seconds,
        }
    }

    /// The bytes of the protected header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(192);
        writer.map(4);
        writer.key(ALGORITHM).int(EDDSA);
        writer.key(KEY_ID).bytes(self.key.as_bytes());
        writer.key(CWT_CLAIMS).map(3);
        let issuer = format!("{}/{}", self.origin, self.validator);
        writer.key(ISSUER).text(&issuer);
        let subject = format!("{SUBJECT_PREFIX}{}", self.size);
        writer.key(SUBJECT).text(&subject);
        writer.key(ISSUED_AT).uint(self.seconds);
        writer.key(STRUCTURE).uint(RFC9162_SHA256);
        writer.into_bytes()
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`CoseReceiptError`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, CoseReceiptError> {
        let mut reader = Reader::new(bytes);
        reader.map(4)?;
        let found = reader.key(ALGORITHM)?.int()?;
        if found != EDDSA {
            return Err(CoseReceiptError::Algorithm { found });
        }
        let key = KeyId::new(reader.key(KEY_ID)?.fixed()?);
        reader.key(CWT_CLAIMS)?.map(3)?;
        let issuer = reader.key(ISSUER)?.text(KeyName::MAX_LENGTH)?;
        let (origin, validator) = split_issuer(issuer).ok_or(CoseReceiptError::Claims)?;
        let subject = reader.key(SUBJECT)?.text(MAX_SUBJECT)?;
        let size = parse_subject(subject).ok_or(CoseReceiptError::Claims)?;
        let seconds = reader.key(ISSUED_AT)?.uint()?;
        if reader.key(STRUCTURE)?.uint()? != RFC9162_SHA256 {
            return Err(CoseReceiptError::Structure);
        }
        reader.finish()?;
        Ok(Self {
            origin,
            validator,
            key,
            size,
            seconds,
        })
    }

    /// The bytes that the signature covers, for a root (RFC 9052 4.4).
    #[must_use]
    pub fn sign_bytes(&self, root: &TreeHash) -> Vec<u8> {
        let mut writer = Writer::with_capacity(256);
        writer.array(4).text("Signature1");
        writer.bytes(&self.encode()).bytes(b"");
        writer.bytes(root.as_bytes());
        writer.into_bytes()
    }

    /// Signs a root.
    #[must_use]
    pub fn sign(&self, root: &TreeHash, key: &SigningKey) -> Signature {
        key.sign(&self.sign_bytes(root))
    }
}

/// The validator's name has no slash, so the last one parts it from the origin.
fn split_issuer(issuer: &str) -> Option<(KeyName, ParticipantName)> {
    let (origin, validator) = issuer.rsplit_once('/')?;
    Some((origin.parse().ok()?, validator.parse().ok()?))
}

fn parse_subject(subject: &str) -> Option<Size> {
    parse_decimal(subject.strip_prefix(SUBJECT_PREFIX)?).map(Size)
}
