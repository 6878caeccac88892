//! Break-glass: a hospital opens a record without a consent, and somebody else judges it afterwards.

use super::list::{read_commitment, read_handle};
use super::{Body, DecodeError, ReaderKey, Subject};
use crate::cbor::{CborFault, Reader, Writer};
use crate::{Commitment, ParticipantName, RecordHandle, RequestHandle};

/// `access.break-glass`: the signer opens a record without a consent, because a life may depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessBreakGlass {
    /// The request, among the signer's, whether under a consent or without.
    pub request: RequestHandle,
    /// Who sealed the record.
    pub owner: ParticipantName,
    /// The record, among the owner's.
    pub record: RecordHandle,
    /// The key that the record's key shall be sealed to.
    pub reader_key: ReaderKey,
    /// The salted commitment to who reads and why.
    pub commitment: Commitment,
}

impl Body for AccessBreakGlass {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("access", issuer, self.request)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(5);
        writer.key(1).bytes(self.request.as_bytes());
        writer.key(2).text(self.owner.as_str());
        writer.key(3).bytes(self.record.as_bytes());
        writer.key(4).bytes(&self.reader_key.encode());
        writer.key(5).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(5)?;
        Ok(Self {
            request: read_handle(reader.key(1)?)?,
            owner: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            record: read_handle(reader.key(3)?)?,
            reader_key: ReaderKey::read(reader.key(4)?)?,
            commitment: read_commitment(reader.key(5)?)?,
        })
    }
}

/// What a reviewer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Verdict {
    /// The record was rightly opened without a consent.
    Justified = 1,
    /// It was not.
    NotJustified = 2,
}

impl Verdict {
    /// Every verdict, in the order of their codes.
    pub const ALL: [Self; 2] = [Self::Justified, Self::NotJustified];

    /// The code on the wire and in tag chains, above 0.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Justified => 1,
            Self::NotJustified => 2,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::NotJustified => "not-justified",
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = reader.fault(CborFault::Value);
        let code: u8 = reader.narrow()?;
        let known = Self::ALL.into_iter().find(|known| known.code() == code);
        known.ok_or(value.into())
    }
}

/// `access.review`: the signer judges a record opened without a consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessReview {
    /// Who opened the record.
    pub requester: ParticipantName,
    /// The request, among the requester's.
    pub request: RequestHandle,
    /// What the signer found.
    pub verdict: Verdict,
    /// The salted commitment to the reasons.
    pub commitment: Commitment,
}

impl Body for AccessReview {
    fn subject<'a>(&'a self, _: &'a ParticipantName) -> Subject<'a> {
        Subject::new("access", &self.requester, self.request)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(4);
        writer.key(1).text(self.requester.as_str());
        writer.key(2).bytes(self.request.as_bytes());
        writer.key(3).uint(u64::from(self.verdict.code()));
        writer.key(4).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(4)?;
        Ok(Self {
            requester: reader.key(1)?.parsed(ParticipantName::MAX_LENGTH)?,
            request: read_handle(reader.key(2)?)?,
            verdict: Verdict::read(reader.key(3)?)?,
            commitment: read_commitment(reader.key(4)?)?,
        })
    }
}
