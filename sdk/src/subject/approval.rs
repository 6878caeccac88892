//! The patient's signature over a consent.
//!
//! What always holds: it is over every handle and time of the grant on the ledger, so it is good for that
//! one consent; it holds no secret, and shows nothing to whoever does not know the public key.
//!
//! ```text
//! payload = { 1: network, 2: owner, 3: consent, 4: approving public key, 5: signature, 6: ender }
//! ```
//!
//! Key 6 is left out of approvals of releases that knew no ender.

use super::draft::{approved_bytes, read_ender, write_ender};
use crate::armor;
use crate::token::HandoverError;
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_ledger::event::ConsentGrant;
use medanchor_ledger::signature::{self, PublicKey, Signature, SigningKey};
use medanchor_ledger::{ConsentHandle, Ender, NetworkId, ParticipantName};

const LABEL: &str = "medanchor-approval-v1";
/// Far above the longest encoding.
const MAX: usize = 512;

/// A patient's signature over one consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    network: NetworkId,
    owner: ParticipantName,
    consent: ConsentHandle,
    approver: PublicKey,
    signature: Signature,
    ender: Option<Ender>,
}

impl Approval {
    pub(super) fn sign(
        network: NetworkId,
        owner: &ParticipantName,
        grant: &ConsentGrant,
        key: &SigningKey,
    ) -> Self {
        Self {
            network,
            owner: owner.clone(),
            consent: grant.consent,
            approver: key.public_key(),
            signature: key.sign(&approved_bytes(network, owner, grant)),
            ender: grant.ender,
        }
    }

    /// The consent that it is about.
    #[must_use]
    pub const fn consent(&self) -> ConsentHandle {
        self.consent
    }

    pub(super) fn is_of(&self, network: NetworkId, owner: &ParticipantName) -> bool {
        (self.network, &self.owner) == (network, owner)
    }

    /// The key that signed. Whether it is the patient's is for the reader to know.
    #[must_use]
    pub const fn approver(&self) -> &PublicKey {
        &self.approver
    }

    /// By what the patient can end the consent; none in approvals of releases that knew no ender.
    #[must_use]
    pub const fn ender(&self) -> Option<Ender> {
        self.ender
    }

    /// Whether it approves exactly this grant of this owner.
    #[must_use]
    pub fn approves(
        &self,
        network: NetworkId,
        owner: &ParticipantName,
        grant: &ConsentGrant,
    ) -> bool {
        let names = (self.network, &self.owner, self.consent, self.ender);
        let signed = approved_bytes(network, owner, grant);
        names == (network, owner, grant.consent, grant.ender)
            && signature::verify(&self.approver, &signed, &self.signature).is_ok()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(MAX);
        writer.map(5 + usize::from(self.ender.is_some()));
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.owner.as_str());
        writer.key(3).bytes(self.consent.as_bytes());
        writer.key(4).bytes(&self.approver.encode());
        writer.key(5).bytes(self.signature.as_bytes());
        write_ender(&mut writer, 6, self.ender.as_ref());
        writer.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        let mut reader = Reader::new(bytes);
        let entries = reader.map_between(5..=6)?;
        let approval = Self {
            network: NetworkId::new(reader.key(1)?.fixed()?),
            owner: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            consent: ConsentHandle::new(reader.key(3)?.fixed()?),
            approver: PublicKey::decode(reader.key(4)?.bytes(PublicKey::ENCODED_LENGTH)?)?,
            signature: Signature::new(reader.key(5)?.fixed()?),
            ender: read_ender(&mut reader, 6, entries)?,
        };
        reader.finish()?;
        Ok(approval)
    }

    /// The approval as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        armor::to_text(LABEL, &self.encode()).to_string()
    }

    /// Reads what [`Approval::to_text`] gave. What it signs is checked by [`Approval::approves`].
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged or of another kind.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        Self::decode(&armor::from_text(LABEL, text, MAX)?)
    }
}
