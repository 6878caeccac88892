//! Access: a reader asks, the ledger answers, and both stay.

use super::list::{read_commitment, read_handle};
use super::{Body, DecodeError, ReaderKey, Subject};
use crate::cbor::{Reader, Writer};
use crate::{
    Commitment, ConsentHandle, GranteeHandle, MemberCommitment, ParticipantName, PurposeHandle,
    RecordHandle, RequestHandle,
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// 16 bytes that tie a grantee's handle in a consent to the grantee.
///
/// The subject draws them, gives them to the grantee alone, and the grantee shows them when it
/// asks: who has merely seen the handle on the ledger cannot use it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GranteeOpening([u8; 16]);

impl GranteeOpening {
    /// Wraps 16 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The handle that a consent holds for a participant, or for a person or team within it:
    /// HMAC-SHA256(opening, "medanchor/grantee/v1" ‖ CBOR array of name and member, or null), cut
    /// to 16 bytes.
    #[must_use]
    pub fn grantee(
        &self,
        participant: &ParticipantName,
        member: Option<&MemberCommitment>,
    ) -> GranteeHandle {
        let mut writer = Writer::with_capacity(80);
        writer.array(2).text(participant.as_str());
        writer.optional(member.map(MemberCommitment::as_bytes));
        let mut handle = [0; 16];
        // HMAC takes keys of every length, so there is always a code.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) {
            mac.update(b"medanchor/grantee/v1");
            mac.update(writer.as_bytes());
            let code: [u8; 32] = mac.finalize().into_bytes().into();
            handle.copy_from_slice(&code[..16]);
        }
        GranteeHandle::new(handle)
    }
}

impl fmt::Debug for GranteeOpening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GranteeOpening(..)")
    }
}

/// `access.request`: the signer asks to read a record under a consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRequest {
    /// The request, among the signer's.
    pub request: RequestHandle,
    /// Who sealed the record, and holds the consent.
    pub owner: ParticipantName,
    /// The record, among the owner's.
    pub record: RecordHandle,
    /// The consent, among the owner's.
    pub consent: ConsentHandle,
    /// For what the record will be read.
    pub purpose: PurposeHandle,
    /// What ties the signer to one of the consent's grantees.
    pub opening: GranteeOpening,
    /// The person or team within the signer, where the grantee is one.
    pub member: Option<MemberCommitment>,
    /// The key that the record's key shall be sealed to.
    pub reader_key: ReaderKey,
    /// The salted commitment to who reads and why.
    pub commitment: Commitment,
}

impl Body for AccessRequest {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("access", issuer, self.request)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(9);
        writer.key(1).bytes(self.request.as_bytes());
        writer.key(2).text(self.owner.as_str());
        writer.key(3).bytes(self.record.as_bytes());
        writer.key(4).bytes(self.consent.as_bytes());
        writer.key(5).bytes(self.purpose.as_bytes());
        writer.key(6).bytes(self.opening.as_bytes());
        writer
            .key(7)
            .optional(self.member.as_ref().map(MemberCommitment::as_bytes));
        writer.key(8).bytes(&self.reader_key.encode());
        writer.key(9).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(9)?;
        Ok(Self {
            request: read_handle(reader.key(1)?)?,
            owner: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            record: read_handle(reader.key(3)?)?,
            consent: read_handle(reader.key(4)?)?,
            purpose: read_handle(reader.key(5)?)?,
            opening: GranteeOpening::new(reader.key(6)?.fixed()?),
            member: reader.key(7)?.optional()?.map(MemberCommitment::new),
            reader_key: ReaderKey::read(reader.key(8)?)?,
            commitment: read_commitment(reader.key(9)?)?,
        })
    }
}
