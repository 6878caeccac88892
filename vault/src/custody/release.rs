//! Releases: what a reader is given against one permitted request, by each custodian its share and by
//! the record's owner the vault's part.
//!
//! What always holds: a release opens with the key that the request named and as what it says, and
//! nothing else; one request gets the same bytes however often it is answered, since all that is drawn
//! follows from the answer key, the request and what is released; the signature makes a wrong share,
//! or two answers to one request, evidence against whoever gave them.
//!
//! | key | release, domain `medanchor/release/v1` | vault release, domain `medanchor/vault-release/v1` |
//! |---|---|---|
//! | 1 to 4 | network id, owner, record, version | the same |
//! | 5 | request: the id of its event (32 bytes) | the same |
//! | 6 | custodian (text) | suite of the reader's key: 1 or 2 |
//! | 7 | epoch of its set | encapsulated key (32 or 1,120) |
//! | 8 | place in the set | ciphertext of V (32) and seed (32), with tag: 80 bytes |
//! | 9 | suite of the reader's key: 1 or 2 | |
//! | 10 | encapsulated key (32 or 1,120) | |
//! | 11 | ciphertext of share (64) and seed (32), with tag: 112 bytes | |
//!
//! The contexts are "medanchor/release-context/v1" and "medanchor/vault-release-context/v1", each
//! with a map of all entries before the suite.
//!
//! ```text
//! answer key = HMAC(derivation root, "medanchor/answer-key/v1")
//! seed       = HMAC(answer key, "medanchor/answer-seed/v1" || context || reader key (33))
//! ```

use super::place::{Custodied, Place, context};
use super::seal::{KeyError, Opened, OpeningKey, SEED, Sealed, SealingKey};
use super::sharing::Share;
use super::signed::{Body, Signed};
use crate::secret::{AnswerKey, VaultPart, hmac_sha256};
use medanchor_ledger::EventId;
use medanchor_ledger::cbor::{CborError, Reader, Writer};
use medanchor_ledger::signature::Signature;
use zeroize::Zeroizing;

/// A custodian's answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Which record's key it is a share of.
    pub record: Custodied,
    /// The request's event.
    pub request: EventId,
    /// Who answers.
    pub place: Place,
    /// The share.
    pub sealed: Sealed,
}

/// The owner's answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultRelease {
    /// Which record's key it is the vault's part of.
    pub record: Custodied,
    /// The request's event.
    pub request: EventId,
    /// The vault's part.
    pub sealed: Sealed,
}

fn write_bound(record: &Custodied, request: &EventId, writer: &mut Writer) {
    record.write(writer);
    writer.key(5).bytes(request.as_bytes());
}

fn release_context(record: &Custodied, request: &EventId, place: &Place) -> Vec<u8> {
    context(b"medanchor/release-context/v1", 8, |writer| {
        write_bound(record, request, writer);
        place.write(6, writer);
    })
}

fn vault_context(record: &Custodied, request: &EventId) -> Vec<u8> {
    context(b"medanchor/vault-release-context/v1", 5, |writer| {
        write_bound(record, request, writer);
    })
}

fn seed(key: &AnswerKey, context: &[u8], reader: &SealingKey) -> Zeroizing<[u8; SEED]> {
    let parts: [&[u8]; 3] = [
        b"medanchor/answer-seed/v1",
        context,
        &reader.reader_key().encode(),
    ];
    Zeroizing::new(hmac_sha256(key.expose(), &parts))
}

impl Release {
    /// The custodian's answer; the same for the same arguments.
    ///
    /// # Errors
    /// [`KeyError::Public`] if nothing can be sealed to the reader's key.
    pub fn new(
        record: Custodied,
        request: EventId,
        place: Place,
        (share, key): (&Share, &AnswerKey),
        reader: &SealingKey,
    ) -> Result<Self, KeyError> {
        let bound = release_context(&record, &request, &place);
        let seed = seed(key, &bound, reader);
        let sealed = reader.seal(&bound, share.expose().as_slice(), &seed)?;
        Ok(Self {
            record,
            request,
            place,
            sealed,
        })
    }

    pub(super) fn context(&self) -> Vec<u8> {
        release_context(&self.record, &self.request, &self.place)
    }

    pub(super) fn open(&self, key: &OpeningKey) -> Result<Opened<{ Share::LENGTH }>, KeyError> {
        key.open(&self.context(), &self.sealed)
    }
}

impl VaultRelease {
    /// The owner's answer, signed; the same for the same arguments.
    ///
    /// # Errors
    /// [`KeyError::Public`] if nothing can be sealed to the reader's key.
    pub fn new(
        record: Custodied,
        request: EventId,
        (part, key): (&VaultPart, &AnswerKey),
        reader: &SealingKey,
        sign: impl FnOnce(&[u8]) -> Signature,
    ) -> Result<Signed<Self>, KeyError> {
        let bound = vault_context(&record, &request);
        let seed = seed(key, &bound, reader);
        let sealed = reader.seal(&bound, part.expose(), &seed)?;
        let release = Self {
            record,
            request,
            sealed,
        };
        Ok(Signed::new(release, sign))
    }

    pub(super) fn context(&self) -> Vec<u8> {
        vault_context(&self.record, &self.request)
    }

    pub(super) fn open(&self, key: &OpeningKey) -> Result<Opened<32>, KeyError> {
        key.open(&self.context(), &self.sealed)
    }
}

impl Body for Release {
    const DOMAIN: &'static [u8] = b"medanchor/release/v1";

    fn write(&self, writer: &mut Writer) {
        writer.map(8 + Sealed::ENTRIES);
        write_bound(&self.record, &self.request, writer);
        self.place.write(6, writer);
        self.sealed.write(9, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.map(8 + Sealed::ENTRIES)?;
        Ok(Self {
            record: Custodied::read(reader)?,
            request: EventId::new(reader.key(5)?.fixed()?),
            place: Place::read(6, reader)?,
            sealed: Sealed::read(9, Share::LENGTH, reader)?,
        })
    }
}

impl Body for VaultRelease {
    const DOMAIN: &'static [u8] = b"medanchor/vault-release/v1";

    fn write(&self, writer: &mut Writer) {
        writer.map(5 + Sealed::ENTRIES);
        write_bound(&self.record, &self.request, writer);
        self.sealed.write(6, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.map(5 + Sealed::ENTRIES)?;
        Ok(Self {
            record: Custodied::read(reader)?,
            request: EventId::new(reader.key(5)?.fixed()?),
            sealed: Sealed::read(6, 32, reader)?,
        })
    }
}
