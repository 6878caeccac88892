//! Records: a sealed document of the participant that signs, its later versions, how its key is
//! shared, and its end.

use super::custody::Custody;
use super::list::{read_commitment, read_handle};
use super::{Body, BuildError, DecodeError, Subject};
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

impl RecordSeal {
    /// Keys 1 to 8.
    fn write_entries(&self, writer: &mut Writer) {
        writer.key(1).bytes(self.record.as_bytes());
        writer.key(2).uint(u64::from(self.version));
        writer.key(3).bytes(self.tag.as_bytes());
        writer.key(4).bytes(self.class.as_bytes());
        writer.key(5).bytes(&self.commitment.to_bytes());
        writer.key(6).bytes(self.ciphertext.as_bytes());
        writer.key(7).bytes(self.vault_part.as_bytes());
        writer.key(8).bytes(self.key_check.as_bytes());
    }

    fn read_entries(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
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

impl Body for RecordSeal {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("record", issuer, self.record)
    }

    fn write(&self, writer: &mut Writer) {
        self.write_entries(writer.map(8));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(8)?;
        Self::read_entries(reader)
    }
}

/// `record.custody`: the signer keeps a sealed record, and custodians hold shares of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCustody {
    /// What `record.seal` says.
    pub seal: RecordSeal,
    /// How the key is shared.
    pub custody: Custody,
}

impl Body for RecordCustody {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        self.seal.subject(issuer)
    }

    fn write(&self, writer: &mut Writer) {
        self.seal.write_entries(writer.map(9));
        self.custody.write(writer.key(9));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(9)?;
        Ok(Self {
            seal: RecordSeal::read_entries(reader)?,
            custody: Custody::read(reader.key(9)?)?,
        })
    }
}

/// `record.supersede`: a later version takes the place of a record. Its tag stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSupersede {
    /// The record, among the signer's.
    pub record: RecordHandle,
    /// The new version, sealed under a fresh key.
    pub version: u32,
    /// What kind of data it is now, under the consent key.
    pub class: ClassHandle,
    /// The salted commitment to the payload.
    pub commitment: Commitment,
    /// SHA-256 of the sealed payload.
    pub ciphertext: CiphertextHash,
    /// SHA-256 of the part of the key that stays in the vault.
    pub vault_part: VaultPartHash,
    /// Shows whether the key was put together rightly.
    pub key_check: KeyCheck,
    /// How the key is shared; none only for a record whose key never was.
    pub custody: Option<Custody>,
}

impl Body for RecordSupersede {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("record", issuer, self.record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(8);
        writer.key(1).bytes(self.record.as_bytes());
        writer.key(2).uint(u64::from(self.version));
        writer.key(3).bytes(self.class.as_bytes());
        writer.key(4).bytes(&self.commitment.to_bytes());
        writer.key(5).bytes(self.ciphertext.as_bytes());
        writer.key(6).bytes(self.vault_part.as_bytes());
        writer.key(7).bytes(self.key_check.as_bytes());
        Custody::write_optional(self.custody.as_ref(), writer.key(8));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(8)?;
        Ok(Self {
            record: read_handle(reader.key(1)?)?,
            version: read_version(reader.key(2)?)?,
            class: read_handle(reader.key(3)?)?,
            commitment: read_commitment(reader.key(4)?)?,
            ciphertext: CiphertextHash::new(reader.key(5)?.fixed()?),
            vault_part: VaultPartHash::new(reader.key(6)?.fixed()?),
            key_check: KeyCheck::new(reader.key(7)?.fixed()?),
            custody: Custody::read_optional(reader.key(8)?)?,
        })
    }
}

/// Why a record was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErasureReason {
    /// The subject asked for it.
    SubjectRequest,
    /// The time for which it had to be kept is over.
    RetentionOver,
    /// It should not have been sealed.
    SealedInError,
    /// An authority ordered it.
    Order,
}

impl ErasureReason {
    /// Every reason, in the order of their codes.
    pub const ALL: [Self; 4] = [
        Self::SubjectRequest,
        Self::RetentionOver,
        Self::SealedInError,
        Self::Order,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::SubjectRequest => 1,
            Self::RetentionOver => 2,
            Self::SealedInError => 3,
            Self::Order => 4,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = reader.fault(CborFault::Value);
        let code: u8 = reader.narrow()?;
        let found = Self::ALL.into_iter().find(|reason| reason.code() == code);
        found.ok_or(value.into())
    }
}

/// What was destroyed when a record was erased: bits, at least one of the two that nobody can open it
/// without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destroyed(u8);

impl Destroyed {
    /// The part of the key that stood in the vault.
    pub const VAULT_PART: u8 = 1;
    /// So many shares of the custodians of every epoch that too few are left.
    pub const SHARES: u8 = 2;
    /// What the emergency key unwraps.
    pub const EMERGENCY_WRAP: u8 = 4;
    /// The sealed payload.
    pub const PAYLOAD: u8 = 8;

    const ENOUGH: u8 = Self::VAULT_PART | Self::SHARES;
    const KNOWN: u8 = Self::ENOUGH | Self::EMERGENCY_WRAP | Self::PAYLOAD;

    /// Takes the bits.
    ///
    /// # Errors
    /// [`BuildError::NotErased`] when neither vault part nor shares are among them, or an unknown bit.
    pub const fn new(bits: u8) -> Result<Self, BuildError> {
        if bits & Self::ENOUGH != 0 && bits & !Self::KNOWN == 0 {
            Ok(Self(bits))
        } else {
            Err(BuildError::NotErased)
        }
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `bits` were destroyed.
    #[must_use]
    pub const fn contains(self, bits: u8) -> bool {
        self.0 & bits == bits
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let range = reader.fault(CborFault::Range);
        Self::new(reader.narrow()?).map_err(|_| range.into())
    }
}

/// `record.erase`: the signer destroyed what it takes to open a record, or had more of it destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordErase {
    /// The record, among the signer's.
    pub record: RecordHandle,
    /// Its newest version.
    pub version: u32,
    /// Why.
    pub reason: ErasureReason,
    /// All that was destroyed by now, of every version.
    pub destroyed: Destroyed,
    /// The salted commitment to the erasure certificate.
    pub certificate: Commitment,
}

impl RecordErase {
    /// Whether it says all that was said to be destroyed `before`, and more.
    pub(crate) fn adds_to(&self, before: Destroyed) -> bool {
        self.destroyed.contains(before.bits()) && self.destroyed != before
    }
}

impl Body for RecordErase {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("record", issuer, self.record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(5);
        writer.key(1).bytes(self.record.as_bytes());
        writer.key(2).uint(u64::from(self.version));
        writer.key(3).uint(u64::from(self.reason.code()));
        writer.key(4).uint(u64::from(self.destroyed.bits()));
        writer.key(5).bytes(&self.certificate.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(5)?;
        Ok(Self {
            record: read_handle(reader.key(1)?)?,
            version: read_version(reader.key(2)?)?,
            reason: ErasureReason::read(reader.key(3)?)?,
            destroyed: Destroyed::read(reader.key(4)?)?,
            certificate: read_commitment(reader.key(5)?)?,
        })
    }
}

/// `record.reshare`: the custodians of a later epoch hold shares of the key that those of an earlier one
/// held. What is shared stays the same, and so does its point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordReshare {
    /// The record, among the signer's.
    pub record: RecordHandle,
    /// Its newest version.
    pub version: u32,
    /// How the key is shared now.
    pub custody: Custody,
}

impl Body for RecordReshare {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("record", issuer, self.record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(3);
        writer.key(1).bytes(self.record.as_bytes());
        writer.key(2).uint(u64::from(self.version));
        self.custody.write(writer.key(3));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(3)?;
        Ok(Self {
            record: read_handle(reader.key(1)?)?,
            version: read_version(reader.key(2)?)?,
            custody: Custody::read(reader.key(3)?)?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_destroys_what_nobody_can_open_the_record_without() {
        for bits in 0..=u8::MAX {
            let sound = bits & 3 != 0 && bits < 16;
            assert_eq!(Destroyed::new(bits).is_ok(), sound, "{bits}");
        }
        let destroyed = Destroyed::new(Destroyed::VAULT_PART | Destroyed::PAYLOAD).unwrap();
        assert!(destroyed.contains(Destroyed::PAYLOAD) && !destroyed.contains(Destroyed::SHARES));
    }
}
