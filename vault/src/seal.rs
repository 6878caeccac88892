//! Sealing: a payload as AES-256-GCM chunks of 64 KiB that cannot be altered, cut, reordered or
//! swapped unnoticed (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár).
//!
//! What always holds: each chunk's nonce holds its number and whether it is the last; the header,
//! which names network, record and version, is authenticated with every chunk; the key serves one
//! sealing only, since the header's random salt goes into it. [`open`] hands out nothing of a payload
//! before its last chunk has been checked, [`Opening`] no chunk before it has been. Errors name the chunk.
//!
//! | bytes | header field |
//! |---|---|
//! | 0..16 | magic `medanchor/seal/1` |
//! | 16 | suite: 1 = AES-256-GCM, HKDF-SHA256 |
//! | 17 | size of a chunk, as a power of two: 16 |
//! | 18..20 | zero |
//! | 20..24 | version of the record, big-endian, from 1 |
//! | 24..40 | network id |
//! | 40..56 | record handle |
//! | 56..72 | random salt |
//!
//! Then the chunks: up to 65,536 bytes of ciphertext and 16 of tag each. Only the last may be shorter,
//! and it is empty only when the payload is. The key is HKDF(DEK; salt "medanchor/payload-key/v1",
//! info header); the nonce is 7 zero bytes, the chunk's number in 32 bits, and 1 for the last chunk.

use crate::secret::{DataKey, RandomFailed, expand, random};
use medanchor_ledger::{CiphertextHash, NetworkId, RecordHandle, sha256};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use std::cell::RefCell;
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// Bytes of a chunk before sealing.
pub const CHUNK: usize = 1 << 16;
/// Bytes that sealing adds to a chunk.
pub const TAG: usize = 16;
/// Bytes of the header.
pub const HEADER: usize = 72;
/// The largest payload that is sealed or opened in memory, in bytes; larger ones are streams.
pub const MAX_PAYLOAD: usize = 256 * 1024 * 1024;
/// The largest sealed payload that is opened in memory, in bytes.
pub const MAX_SEALED: usize = HEADER + MAX_PAYLOAD + TAG * (MAX_PAYLOAD / CHUNK);

const MAGIC: &[u8; 16] = b"medanchor/seal/1";
/// What every format of sealed payloads begins with.
const ANY_FORMAT: &[u8; 15] = b"medanchor/seal/";
const SUITE: u8 = 1;
const CHUNK_POWER: u8 = 16;
const KEY_DOMAIN: &[u8] = b"medanchor/payload-key/v1";
const SEALED_CHUNK: usize = CHUNK + TAG;

/// Which version of which record a sealed payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordVersion {
    /// The network whose ledger holds the record.
    pub network: NetworkId,
    /// The record.
    pub record: RecordHandle,
    /// Its version, from 1.
    pub version: u32,
}

/// Why a payload was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The payload is larger than [`MAX_PAYLOAD`].
    #[error("the payload is larger than {MAX_PAYLOAD} bytes; seal it as a stream")]
    TooLarge,
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// Why a sealed payload was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Shorter than a header and one chunk's tag.
    #[error("the sealed payload ends inside its header or first tag; restore it from a back-up")]
    HeaderTruncated,
    /// Longer than [`MAX_SEALED`].
    #[error("the sealed payload is larger than {MAX_SEALED} bytes; open it as a stream")]
    TooLarge,
    /// Another format, or a newer one.
    #[error(
        "this is not a sealed payload of a format that this release knows; restore it, or use a newer release"
    )]
    Format,
    /// The header names another record, version or network.
    #[error("the sealed payload is of record {} version {} of network {}, not of the one asked for; put the right file in its place", found.record, found.version, found.network)]
    Swapped {
        /// What the header names.
        found: RecordVersion,
    },
    /// Chunks were cut off after this one.
    #[error("the sealed payload was cut off after chunk {chunk}; restore it from a back-up")]
    Truncated {
        /// The last chunk there is, from 0.
        chunk: u32,
    },
    /// Bytes follow the chunk that was sealed as the last.
    #[error(
        "bytes were appended after chunk {chunk}, which is the last; restore the payload from a back-up"
    )]
    Appended {
        /// The chunk that was sealed as the last, from 0.
        chunk: u32,
    },
    /// A chunk stands in another's place.
    #[error(
        "chunk {found} stands in the place of chunk {chunk}; restore the payload from a back-up"
    )]
    Reordered {
        /// The place, from 0.
        chunk: u32,
        /// The chunk that stands there.
        found: u32,
    },
    /// A chunk was altered, or is of another sealing, or the header was.
    #[error(
        "chunk {chunk} was altered, cut, or sealed under another key or header; restore the payload from a back-up"
    )]
    Altered {
        /// The chunk, from 0.
        chunk: u32,
    },
}

impl RecordVersion {
    fn header(&self, salt: &[u8; 16]) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..16].copy_from_slice(MAGIC);
        header[16..18].copy_from_slice(&[SUITE, CHUNK_POWER]);
        header[20..24].copy_from_slice(&self.version.to_be_bytes());
        header[24..40].copy_from_slice(self.network.as_bytes());
        header[40..56].copy_from_slice(self.record.as_bytes());
        header[56..].copy_from_slice(salt);
        header
    }

    fn of_header(header: &[u8; HEADER]) -> Result<Self, OpenError> {
        let rest = header
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.strip_prefix(&[SUITE, CHUNK_POWER, 0, 0]));
        let (version, rest) = rest
            .and_then(<[u8]>::split_first_chunk)
            .ok_or(OpenError::Format)?;
        let (network, rest) = rest.split_first_chunk().ok_or(OpenError::Format)?;
        let (record, _) = rest.split_first_chunk().ok_or(OpenError::Format)?;
        Ok(Self {
            version: u32::from_be_bytes(*version),
            network: NetworkId::new(*network),
            record: RecordHandle::new(*record),
        })
    }
}

/// Seals `payload` under `key` as this version of this record.
///
/// # Errors
/// [`SealError`].
pub fn seal(record: &RecordVersion, key: &DataKey, payload: &[u8]) -> Result<Vec<u8>, SealError> {
    seal_with_salt(record, key, &salt()?, payload)
}

/// Salts that are drawn together: a call of the system costs as much as sealing 3 KiB.
const SALTS_AHEAD: usize = 32;

thread_local! {
    /// Salts that are drawn and not used yet. They are no secrets: each ends in a header.
    static SALTS: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// A salt that no other sealing has.
fn salt() -> Result<[u8; 16], RandomFailed> {
    SALTS.with_borrow_mut(|salts| {
        if salts.is_empty() {
            let drawn: [u8; 16 * SALTS_AHEAD] = random()?;
            salts.extend_from_slice(drawn.as_chunks().0);
        }
        salts.pop().ok_or(RandomFailed)
    })
}

/// [`seal`] with the header's salt given, for golden bytes.
pub(crate) fn seal_with_salt(
    record: &RecordVersion,
    key: &DataKey,
    salt: &[u8; 16],
    payload: &[u8],
) -> Result<Vec<u8>, SealError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(SealError::TooLarge);
    }
    let header = record.header(salt);
    let stream = Stream::new(key, header);
    let chunks = payload.len().div_ceil(CHUNK).max(1);
    let mut sealed = Vec::with_capacity(HEADER + payload.len() + TAG * chunks);
    sealed.extend_from_slice(&header);
    let mut rest = payload;
    for number in 0u32.. {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK));
        rest = after;
        let start = sealed.len();
        sealed.extend_from_slice(chunk);
        let tag = stream.seal(
            number,
            rest.is_empty(),
            sealed.get_mut(start..).unwrap_or_default(),
        );
        sealed.extend_from_slice(&tag);
        if rest.is_empty() {
            break;
        }
    }
    Ok(sealed)
}

/// Opens what [`seal`] made, if it is `record` and not one bit of it was changed.
///
/// # Errors
/// [`OpenError`], which names the chunk that is wrong and how.
pub fn open(
    record: &RecordVersion,
    key: &DataKey,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if sealed.len() > MAX_SEALED {
        return Err(OpenError::TooLarge);
    }
    let (header, chunks) = sealed
        .split_first_chunk::<HEADER>()
        .ok_or(OpenError::HeaderTruncated)?;
    let found = RecordVersion::of_header(header)?;
    if found != *record {
        return Err(OpenError::Swapped { found });
    }
    if chunks.len() < TAG {
        return Err(OpenError::HeaderTruncated);
    }
    Stream::new(key, *header).open_all(chunks)
}

/// What an event says of a sealed payload: SHA-256 of all its bytes.
#[must_use]
pub fn ciphertext_hash(sealed: &[u8]) -> CiphertextHash {
    CiphertextHash::new(sha256(&[sealed]))
}

/// Whether bytes name themselves a sealed payload, perhaps of a format that is not known here.
pub(crate) fn names_a_format(sealed: &[u8]) -> bool {
    sealed.starts_with(ANY_FORMAT)
}

/// HKDF's salt, hashed once: with 64 KiB each hash of a key derivation counts.
static SALT: LazyLock<hkdf::Salt> =
    LazyLock::new(|| hkdf::Salt::new(hkdf::HKDF_SHA256, KEY_DOMAIN));

/// The key of one sealing, and what is authenticated with each chunk.
struct Stream {
    key: LessSafeKey,
    header: [u8; HEADER],
}

impl Stream {
    fn new(key: &DataKey, header: [u8; HEADER]) -> Self {
        let bytes = Zeroizing::new(expand(&SALT.extract(key.expose()), &[&header]));
        let key =
            UnboundKey::new(&AES_256_GCM, bytes.as_slice()).expect("an AES-256 key is 32 bytes");
        Self {
            key: LessSafeKey::new(key),
            header,
        }
    }

    fn nonce(number: u32, last: bool) -> Nonce {
        let [a, b, c, d] = number.to_be_bytes();
        Nonce::assume_unique_for_key([0, 0, 0, 0, 0, 0, 0, a, b, c, d, u8::from(last)])
    }

    fn seal(&self, number: u32, last: bool, chunk: &mut [u8]) -> [u8; TAG] {
        let tag = self
            .key
            .seal_in_place_separate_tag(Self::nonce(number, last), Aad::from(&self.header), chunk)
            .expect("a chunk is far below AES-GCM's limit");
        let mut bytes = [0; TAG];
        bytes.copy_from_slice(tag.as_ref()); // a GCM tag is 16 bytes
        bytes
    }

    fn open_all(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut payload = Zeroizing::new(Vec::with_capacity(sealed.len()));
        let mut chunks = sealed.chunks(SEALED_CHUNK).peekable();
        for number in 0u32.. {
            let Some(chunk) = chunks.next() else { break };
            let last = chunks.peek().is_none();
            let count = sealed.len().div_ceil(SEALED_CHUNK);
            self.open_next(number, last, chunk, count, &mut payload)?;
        }
        Ok(payload)
    }

    /// Opens the chunk in this place at the end of `payload`, or says what is wrong with it; a chunk
    /// that belongs elsewhere is recognised if its place is among the first `count`.
    fn open_next(
        &self,
        number: u32,
        last: bool,
        chunk: &[u8],
        count: usize,
        payload: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        // An empty last chunk after a full one is a second encoding of the same payload.
        if number > 0 && chunk.len() <= TAG {
            return Err(OpenError::Altered { chunk: number });
        }
        if self.open_onto(number, last, chunk, payload) {
            Ok(())
        } else {
            Err(self.diagnose(number, last, chunk, count))
        }
    }

    /// Opens a chunk at the end of `payload`, which is left as it was if that fails.
    fn open_onto(&self, number: u32, last: bool, chunk: &[u8], payload: &mut Vec<u8>) -> bool {
        let start = payload.len();
        payload.extend_from_slice(chunk);
        let room = payload.get_mut(start..).unwrap_or_default();
        let opened = self
            .key
            .open_in_place(Self::nonce(number, last), Aad::from(&self.header), room)
            .map(|text| text.len());
        let kept = opened.unwrap_or(0);
        payload.truncate(start + kept);
        opened.is_ok()
    }

    /// Says what is wrong with a chunk, by trying where else it would have been right. The search is
    /// bounded by the number of chunks that a payload in memory can have.
    fn diagnose(&self, number: u32, last: bool, chunk: &[u8], count: usize) -> OpenError {
        let fits =
            |number, last| self.open_onto(number, last, chunk, &mut Zeroizing::new(Vec::new()));
        if fits(number, !last) {
            return if last {
                OpenError::Truncated { chunk: number }
            } else {
                OpenError::Appended { chunk: number }
            };
        }
        let others = (0u32..)
            .take(count.saturating_add(1).min(MAX_PAYLOAD / CHUNK))
            .filter(|other| *other != number);
        let found = others
            .into_iter()
            .find(|other| fits(*other, false) || fits(*other, true));
        match found {
            Some(found) => OpenError::Reordered {
                chunk: number,
                found,
            },
            None => OpenError::Altered { chunk: number },
        }
    }
}

mod stream;
#[cfg(test)]
mod tests;

pub(crate) use stream::{Hashing, finished};
pub use stream::{
    MAX_SEALED_STREAM, MAX_STREAM, Opening, SealedStream, StreamError, open_to_file, seal_stream,
};
