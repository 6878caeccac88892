//! Consents: who may read which of a subject's records, for what, and when.
//!
//! Grantees, purposes and classes stand as handles that are compared for equality (DESIGN.md
//! section 7, Consent on the ledger). Whoever granted a consent revokes it; where the grant has an
//! [`Ender`], the patient's signature under that key ends it too, whoever anchors it.

use super::list::{HandleSet, read_commitment, read_handle};
use super::{Body, DecodeError, Subject};
use crate::cbor::{Reader, Writer};
use crate::hash::sha256;
use crate::signature::{PublicKey, Signature};
use crate::{
    ClassHandle, Commitment, ConsentHandle, Ender, GranteeHandle, NetworkId, ParticipantName,
    PurposeHandle, Tag, Time,
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
    /// By which key the patient can end it; none if the owner alone can.
    pub ender: Option<Ender>,
}

impl Body for ConsentGrant {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("consent", issuer, self.consent)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(9 + usize::from(self.ender.is_some()));
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
        if let Some(ender) = &self.ender {
            writer.key(10).bytes(ender.as_bytes());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let entries = reader.map_between(9..=10)?;
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
            ender: match entries {
                10 => Some(Ender::new(reader.key(10)?.fixed()?)),
                _ => None,
            },
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

impl Ender {
    /// What stands in a grant for `key`: SHA-256 over "medanchor/consent-ender/v1", network, consent,
    /// the key with its algorithm byte, and the owner's name. As the consent is in it, no two consents
    /// have one ender, whatever keys their patients use.
    #[must_use]
    pub fn of(
        network: NetworkId,
        owner: &ParticipantName,
        consent: &ConsentHandle,
        key: &PublicKey,
    ) -> Self {
        Self::new(sha256(&[
            b"medanchor/consent-ender/v1",
            network.as_bytes(),
            consent.as_bytes(),
            &key.encode(),
            owner.as_bytes(),
        ]))
    }
}

/// `consent.end`: the patient ends a consent, and any participant anchors it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentEnd {
    /// Who granted the consent.
    pub owner: ParticipantName,
    /// The consent, among the owner's.
    pub consent: ConsentHandle,
    /// The key that the grant's ender stands for, so that the signature can be checked without the
    /// state; a rule compares it.
    pub key: PublicKey,
    /// That key's signature over [`ConsentEnd::sign_bytes`].
    pub signature: Signature,
}

impl ConsentEnd {
    /// The bytes that `key` signs to end a consent: a CBOR array of domain, network, algorithm id, owner
    /// and consent. It has no time and names nobody who may anchor it: a consent ends once.
    #[must_use]
    pub fn sign_bytes(
        network: NetworkId,
        owner: &ParticipantName,
        consent: &ConsentHandle,
        key: &PublicKey,
    ) -> Vec<u8> {
        let mut writer = Writer::with_capacity(128);
        writer.array(5).text("medanchor/consent-end/v1");
        writer.bytes(network.as_bytes());
        writer.uint(u64::from(key.algorithm().id()));
        writer.text(owner.as_str());
        writer.bytes(consent.as_bytes());
        writer.into_bytes()
    }

    /// The ender of the consent that this ends.
    #[must_use]
    pub fn ender(&self, network: NetworkId) -> Ender {
        Ender::of(network, &self.owner, &self.consent, &self.key)
    }
}

impl Body for ConsentEnd {
    fn subject<'a>(&'a self, _: &'a ParticipantName) -> Subject<'a> {
        Subject::new("consent", &self.owner, self.consent)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(4);
        writer.key(1).text(self.owner.as_str());
        writer.key(2).bytes(self.consent.as_bytes());
        writer.key(3).bytes(&self.key.encode());
        writer.key(4).bytes(self.signature.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(4)?;
        Ok(Self {
            owner: reader.key(1)?.parsed(ParticipantName::MAX_LENGTH)?,
            consent: read_handle(reader.key(2)?)?,
            key: read_key(reader.key(3)?)?,
            signature: Signature::new(reader.key(4)?.fixed()?),
        })
    }
}

/// Algorithm and length only: with the signature it is checked that the key is one to be trusted.
fn read_key(reader: &mut Reader<'_>) -> Result<PublicKey, DecodeError> {
    let bytes = reader.fixed::<{ PublicKey::ENCODED_LENGTH }>()?;
    PublicKey::decode_registered(&bytes).map_err(|_| DecodeError::Key {
        what: "the ending key",
    })
}
