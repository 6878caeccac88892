//! Consents: who may read which of a subject's records, for what, and when.
//!
//! Grantees, purposes and classes stand as handles that are compared for equality (DESIGN.md
//! section 7, Consent on the ledger).

use super::list::{HandleSet, read_commitment, read_handle};
use super::{Body, DecodeError, Subject};
use crate::cbor::{Reader, Writer};
use crate::{
    ClassHandle, Commitment, ConsentHandle, GranteeHandle, ParticipantName, PurposeHandle, Tag,
    Time,
};

/// The tags of one consent.
pub type Tags = HandleSet<Tag, 64>;
/// The grantees of one consent.
pub type Grantees = HandleSet<GranteeHandle, 16>;
/// The purposes of one consent.
pub type Purposes = HandleSet<PurposeHandle, 32>;
/// The classes of one consent.
pub type Classes = HandleSet<ClassHandle, 32>;

/// `consent.grant`: the owner of records lets grantees read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentGrant {
    /// The consent, among the signer's.
    pub consent: ConsentHandle,
    /// The first consent of the chain that this one continues; to revoke that one ends this one.
    pub root: Option<ConsentHandle>,
    /// The tags whose records it covers.
    pub tags: Tags,
    /// Who may read, as [`super::GranteeOpening::grantee`] gives it.
    pub grantees: Grantees,
    /// For what.
    pub purposes: Purposes,
    /// Which kinds of data.
    pub classes: Classes,
    /// The first block time at which it holds.
    pub not_before: Time,
    /// The first block time at which it no longer holds.
    pub not_after: Time,
    /// The salted commitment to the consent document.
    pub commitment: Commitment,
}

impl Body for ConsentGrant {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("consent", issuer, self.consent)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(9);
        writer.key(1).bytes(self.consent.as_bytes());
        writer
            .key(2)
            .optional(self.root.as_ref().map(ConsentHandle::as_bytes));
        self.tags.write(writer.key(3));
        self.grantees.write(writer.key(4));
        self.purposes.write(writer.key(5));
        self.classes.write(writer.key(6));
        writer.key(7).uint(self.not_before.0);
        writer.key(8).uint(self.not_after.0);
        writer.key(9).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(9)?;
        Ok(Self {
            consent: read_handle(reader.key(1)?)?,
            root: reader.key(2)?.optional()?.map(ConsentHandle::new),
            tags: Tags::read(reader.key(3)?)?,
            grantees: Grantees::read(reader.key(4)?)?,
            purposes: Purposes::read(reader.key(5)?)?,
            classes: Classes::read(reader.key(6)?)?,
            not_before: Time(reader.key(7)?.uint()?),
            not_after: Time(reader.key(8)?.uint()?),
            commitment: read_commitment(reader.key(9)?)?,
        })
    }
}

/// `consent.revoke`: whoever granted a consent ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRevoke {
    /// The consent, among the signer's.
    pub consent: ConsentHandle,
}

impl Body for ConsentRevoke {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("consent", issuer, self.consent)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(1);
        writer.key(1).bytes(self.consent.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(1)?;
        Ok(Self {
            consent: read_handle(reader.key(1)?)?,
        })
    }
}
