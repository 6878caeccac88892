//! The envelope of an event: COSE_Sign1 (RFC 9052 4.2) with CWT claims in its protected header
//! (RFC 9597), as a SCITT signed statement (RFC 9943).
//!
//! | bytes | what |
//! |---|---|
//! | `d2 84` | tag 18, array of four |
//! | bstr | protected: `{1: -19, 4: kid, 15: {1: issuer, 2: subject}}` |
//! | `a0` | unprotected: nothing |
//! | bstr | payload: `{1: network id, 2: nonce, 3: not-after, 4: type, 5: body}` |
//! | `58 40` + 64 | Ed25519 signature over `["Signature1", protected, h'', payload]` |

use super::{BuildError, DecodeError, EventBody, EventKind, Subject};
use crate::cbor::{CborError, Reader, Writer};
use crate::merkle::{Entry, leaf_hash};
use crate::signature::{Signature, SigningKey};
use crate::{EventId, KeyId, NetworkId, Nonce, ParticipantName, Time, TreeHash, sha256};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The most bytes an event has without its signature.
pub const MAX_UNSIGNED_BYTES: usize = 4096;

/// Head and bytes of the signature.
const SIGNATURE_ITEM: usize = 2 + Signature::LENGTH;

/// The most bytes an event has.
pub const MAX_EVENT_BYTES: usize = MAX_UNSIGNED_BYTES + SIGNATURE_ITEM;

const COSE_SIGN1: u64 = 18;
const ALGORITHM: i64 = 1;
const KEY_ID: i64 = 4;
const CWT_CLAIMS: i64 = 15;
const ISSUER: i64 = 1;
const SUBJECT: i64 = 2;
const ED25519: i64 = -19;
/// What precedes the protected header in the bytes that are signed: array of four, "Signature1".
const SIGN_PREFIX: &[u8] = b"\x84\x6aSignature1";
/// The external additional data: none.
const NO_EXTERNAL_DATA: &[u8] = &[0x40];
/// The longest subject: domain, owner, 32 digits and two slashes.
const MAX_SUBJECT: usize = 96;

/// A signed event, decoded strictly. Whether its signatures hold is for [`Event::verify`]. Cheap to
/// clone and to move.
#[derive(Clone)]
pub struct Event(Arc<Parts>);

/// All that an event is follows from its bytes.
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.encoded() == other.encoded()
    }
}

impl Eq for Event {}

struct Parts {
    encoded: Box<[u8]>,
    /// The leaf hash of `encoded`, once somebody has asked for it.
    leaf: OnceLock<TreeHash>,
    /// Where the protected header's item and the payload's item lie in `encoded`.
    protected: Range<usize>,
    payload: Range<usize>,
    id: EventId,
    key: KeyId,
    issuer: ParticipantName,
    content: Content,
    signature: Signature,
}

struct Content {
    network: NetworkId,
    nonce: Nonce,
    not_after: Time,
    body: EventBody,
}

impl Event {
    /// Reads an event and refuses every encoding but its one.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong, and where.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        // Before anything of the size of the bytes is made.
        check_size(bytes)?;
        Self::decode_hashed(bytes.into(), OnceLock::new())
    }

    /// [`Self::decode`] for an entry of a log.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong, and where.
    pub fn decode_entry(entry: Entry) -> Result<Self, DecodeError> {
        check_size(entry.as_bytes())?;
        let (encoded, leaf) = entry.into_parts();
        Self::decode_hashed(encoded, OnceLock::from(leaf))
    }

    fn decode_hashed(encoded: Box<[u8]>, leaf: OnceLock<TreeHash>) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&encoded);
        reader.tag(COSE_SIGN1)?;
        reader.array(4..=4)?;
        let protected_start = reader.position();
        let protected_bytes = reader.bytes(MAX_UNSIGNED_BYTES)?;
        let protected = protected_start..reader.position();
        if reader.map_between(0..=usize::MAX)? != 0 {
            return Err(DecodeError::UnprotectedHeader);
        }
        let payload_start = reader.position();
        let payload_bytes = reader.bytes(MAX_UNSIGNED_BYTES)?;
        let payload = payload_start..reader.position();
        let signature = Signature::new(reader.fixed()?);
        reader.finish()?;

        let header_at = protected.end - protected_bytes.len();
        let header = Header::decode(protected_bytes).map_err(|error| shifted(error, header_at))?;
        let content_at = payload.end - payload_bytes.len();
        let content = Content::decode(payload_bytes).map_err(|error| shifted(error, content_at))?;
        let subject = content.body.subject(&header.issuer);
        if !subject.is_written(header.subject) {
            return Err(DecodeError::Subject);
        }
        let Header { key, issuer, .. } = header;
        let id = EventId::new(sha256(&signed_parts(&encoded, &protected, &payload)));
        Ok(Self(Arc::new(Parts {
            encoded,
            leaf,
            protected,
            payload,
            id,
            key,
            issuer,
            content,
            signature,
        })))
    }

    /// The event's one encoding.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.0.encoded
    }

    /// The leaf hash of its entry; computed when it is asked for first.
    #[must_use]
    pub fn leaf(&self) -> TreeHash {
        *self.0.leaf.get_or_init(|| leaf_hash(&self.0.encoded))
    }

    /// SHA-256 of the bytes that are signed; signing again does not change it.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.0.id
    }

    /// Which of the issuer's keys signed.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.0.key
    }

    /// Who signed.
    #[must_use]
    pub fn issuer(&self) -> &ParticipantName {
        &self.0.issuer
    }

    /// The network it is for.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.0.content.network
    }

    /// What makes it different from an event that says the same.
    #[must_use]
    pub fn nonce(&self) -> Nonce {
        self.0.content.nonce
    }

    /// The last block time at which it may be anchored.
    #[must_use]
    pub fn not_after(&self) -> Time {
        self.0.content.not_after
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &EventBody {
        &self.0.content.body
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.0.content.body.kind()
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        self.0.content.body.subject(&self.0.issuer)
    }

    /// The issuer's signature.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.0.signature
    }

    /// The bytes that the signature covers (RFC 9052 4.4).
    #[must_use]
    pub fn sign_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.encoded.len());
        self.write_sign_bytes(&mut bytes);
        bytes
    }

    /// Appends the bytes that the signature covers.
    pub(super) fn write_sign_bytes(&self, bytes: &mut Vec<u8>) {
        let Parts {
            encoded,
            protected,
            payload,
            ..
        } = &*self.0;
        for part in signed_parts(encoded, protected, payload) {
            bytes.extend_from_slice(part);
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Event({} {} by {})",
            self.kind(),
            self.id(),
            self.issuer()
        )
    }
}

fn check_size(encoded: &[u8]) -> Result<(), DecodeError> {
    let found = encoded.len();
    let max = MAX_EVENT_BYTES;
    if found <= max {
        Ok(())
    } else {
        Err(DecodeError::Oversize {
            what: "the event",
            max,
            found,
        })
    }
}

/// An error inside an embedded byte string, with its offset counted from the event's start.
fn shifted(error: DecodeError, by: usize) -> DecodeError {
    match error {
        DecodeError::Cbor(CborError { at, fault }) => CborError { at: at + by, fault }.into(),
        other => other,
    }
}

struct Header<'a> {
    key: KeyId,
    issuer: ParticipantName,
    subject: &'a str,
}

impl<'a> Header<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.map(3)?;
        match reader.key(ALGORITHM)?.int()? {
            ED25519 => {}
            found => return Err(DecodeError::Algorithm { found }),
        }
        let key = KeyId::new(reader.key(KEY_ID)?.fixed()?);
        reader.key(CWT_CLAIMS)?.map(2)?;
        let issuer = reader.key(ISSUER)?.parsed(ParticipantName::MAX_LENGTH)?;
        let subject = reader.key(SUBJECT)?.text(MAX_SUBJECT)?;
        reader.finish()?;
        Ok(Self {
            key,
            issuer,
            subject,
        })
    }
}

impl Content {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.map(5)?;
        let network = NetworkId::new(reader.key(1)?.fixed()?);
        let nonce = Nonce::new(reader.key(2)?.fixed()?);
        let not_after = Time(reader.key(3)?.uint()?);
        let kind = EventKind::from_code(reader.key(4)?.uint()?)?;
        let body = EventBody::read(kind, reader.key(5)?)?;
        reader.finish()?;
        Ok(Self {
            network,
            nonce,
            not_after,
            body,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(512);
        writer.map(5);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).bytes(self.nonce.as_bytes());
        writer.key(3).uint(self.not_after.0);
        writer.key(4).uint(u64::from(self.body.kind().code()));
        self.body.write(writer.key(5));
        writer.into_bytes()
    }
}

/// An event that is about to be signed.
///
/// ```
/// # use medanchor_ledger::{event::*, signature::SigningKey, *};
/// let key = SigningKey::from_seed(&[7; 32]);
/// let event = UnsignedEvent {
///     issuer: "north-hospital".parse().unwrap(),
///     network: NetworkId::new([1; 16]),
///     nonce: Nonce::new([2; 16]),
///     not_after: Time(1_700_000_000_000),
///     body: ConsentRevoke { consent: ConsentHandle::new([3; 16]) }.into(),
/// }
/// .sign(&key)
/// .unwrap();
/// assert_eq!(Event::decode(event.encoded()).unwrap(), event);
/// assert!(event.verify(&key.public_key()).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedEvent {
    /// Who signs.
    pub issuer: ParticipantName,
    /// The network it is for.
    pub network: NetworkId,
    /// Random bytes.
    pub nonce: Nonce,
    /// The last block time at which it may be anchored, at most 15 minutes ahead of it.
    pub not_after: Time,
    /// What it says.
    pub body: EventBody,
}

impl UnsignedEvent {
    /// Signs with a key in memory.
    ///
    /// # Errors
    /// [`BuildError::Oversize`].
    pub fn sign(self, key: &SigningKey) -> Result<Event, BuildError> {
        self.sign_with(key.public_key().id(), |bytes| key.sign(bytes))
    }

    /// Signs with a key that lives elsewhere: `sign` is given the bytes to be signed.
    ///
    /// # Errors
    /// [`BuildError::Oversize`].
    pub fn sign_with(
        self,
        key: KeyId,
        sign: impl FnOnce(&[u8]) -> Signature,
    ) -> Result<Event, BuildError> {
        let Self {
            issuer,
            network,
            nonce,
            not_after,
            body,
        } = self;
        let header = encode_header(key, &issuer, &body.subject(&issuer));
        let content = Content {
            network,
            nonce,
            not_after,
            body,
        };
        let mut writer = Writer::with_capacity(1024);
        writer.tag(COSE_SIGN1).array(4);
        let protected = append(&mut writer, &header);
        writer.map(0);
        let payload = append(&mut writer, &content.encode());
        if payload.end > MAX_UNSIGNED_BYTES {
            return Err(BuildError::Oversize {
                max: MAX_UNSIGNED_BYTES,
                found: payload.end,
            });
        }
        let sign_bytes = signed_parts(writer.as_bytes(), &protected, &payload).concat();
        let id = EventId::new(sha256(&[&sign_bytes]));
        let signature = sign(&sign_bytes);
        writer.bytes(signature.as_bytes());
        let encoded = writer.into_bytes().into();
        Ok(Event(Arc::new(Parts {
            encoded,
            leaf: OnceLock::new(),
            protected,
            payload,
            id,
            key,
            issuer,
            content,
            signature,
        })))
    }
}

/// Appends a byte string and gives the range of its item, head included.
fn append(writer: &mut Writer, bytes: &[u8]) -> Range<usize> {
    let start = writer.as_bytes().len();
    writer.bytes(bytes);
    start..writer.as_bytes().len()
}

/// The bytes that are signed, in the parts that they consist of.
fn signed_parts<'e>(
    encoded: &'e [u8],
    protected: &Range<usize>,
    payload: &Range<usize>,
) -> [&'e [u8]; 4] {
    // Both ranges come from reading or writing these very bytes, so they never miss.
    let protected = encoded.get(protected.clone()).unwrap_or_default();
    let payload = encoded.get(payload.clone()).unwrap_or_default();
    [SIGN_PREFIX, protected, NO_EXTERNAL_DATA, payload]
}

fn encode_header(key: KeyId, issuer: &ParticipantName, subject: &Subject<'_>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(160);
    writer.map(3);
    writer.key(ALGORITHM).int(ED25519);
    writer.key(KEY_ID).bytes(key.as_bytes());
    writer.key(CWT_CLAIMS).map(2);
    writer.key(ISSUER).text(issuer.as_str());
    writer.key(SUBJECT).text(&subject.to_string());
    writer.into_bytes()
}
