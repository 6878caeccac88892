//! Records: a sealed document of the participant that signs.

use super::list::{read_commitment, read_handle};
use super::{Body, DecodeError, Subject};
use crate::cbor::{CborFault, Reader, Writer};
use crate::{
    CiphertextHash, ClassHandle, Commitment, KeyCheck, ParticipantName, RecordHandle, Tag,
    VaultPartHash,
};

/// `record.seal`: the signer keeps a sealed record under one of its subjects' tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSeal {
    /// The record, among the signer's.
    pub record: RecordHandle,
    /// The version of the document, from 1; each is sealed under a fresh key.
    pub version: u32,
    /// The subject's tag, under which every access to the record is indexed.
    pub tag: Tag,
    /// What kind of data it is, under the consent key.
    pub class: ClassHandle,
    /// The salted commitment to the payload.
    pub commitment: Commitment,
    /// SHA-256 of the sealed payload.
    pub ciphertext: CiphertextHash,
    /// SHA-256 of the part of the record's key that stays in the vault.
    pub vault_part: VaultPartHash,
    /// Shows whether the key was put together rightly.
    pub key_check: KeyCheck,
}

impl Body for RecordSeal {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("record", issuer, self.record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(8);
        writer.key(1).bytes(self.record.as_bytes());
        writer.key(2).uint(u64::from(self.version));
        writer.key(3).bytes(self.tag.as_bytes());
        writer.key(4).bytes(self.class.as_bytes());
        writer.key(5).bytes(&self.commitment.to_bytes());
        writer.key(6).bytes(self.ciphertext.as_bytes());
        writer.key(7).bytes(self.vault_part.as_bytes());
        writer.key(8).bytes(self.key_check.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(8)?;
        Ok(Self {
            record: read_handle(reader.key(1)?)?,
            version: read_version(reader.key(2)?)?,
            tag: read_handle(reader.key(3)?)?,
            class: read_handle(reader.key(4)?)?,
            commitment: read_commitment(reader.key(5)?)?,
            ciphertext: CiphertextHash::new(reader.key(6)?.fixed()?),
            vault_part: VaultPartHash::new(reader.key(7)?.fixed()?),
            key_check: KeyCheck::new(reader.key(8)?.fixed()?),
        })
    }
}

pub(super) fn read_version(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let range = reader.fault(CborFault::Range);
    match reader.narrow()? {
        0 => Err(range.into()),
        version => Ok(version),
    }
}
