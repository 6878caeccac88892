//! The patient's own end of a consent or delegation, for when the institution does not revoke it.
//!
//! What always holds: it is the signature of a key that was derived for this one consent, over this one
//! consent, so it ends that and nothing else, whoever anchors it; it holds no secret of the patient, and
//! its key is linked to nothing else of the patient's. It has no end: whoever holds it can anchor it at any
//! time.
//!
//! ```text
//! payload = { 1: network, 2: owner, 3: consent, 4: ending public key, 5: signature }
//! signed  = as `consent.end` on the ledger (ledger/src/event/consent.rs)
//! ```

use super::Subject;
use crate::armor;
use crate::error::SdkError;
use crate::identity::Identity;
use crate::token::HandoverError;
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_ledger::event::{ConsentEnd, Event};
use medanchor_ledger::signature::{self, PublicKey, Signature, SigningKey};
use medanchor_ledger::{ConsentHandle, Ender, NetworkId, ParticipantName};

const LABEL: &str = "medanchor-consent-end-v1";
/// Far above the longest encoding.
const MAX: usize = 512;

/// A consent's end, signed by its patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedEnd {
    network: NetworkId,
    end: ConsentEnd,
}

impl SignedEnd {
    fn sign(
        network: NetworkId,
        owner: &ParticipantName,
        consent: ConsentHandle,
        key: &SigningKey,
    ) -> Self {
        let public = key.public_key();
        let signed = ConsentEnd::sign_bytes(network, owner, &consent, &public);
        Self {
            network,
            end: ConsentEnd {
                owner: owner.clone(),
                consent,
                key: public,
                signature: key.sign(&signed),
            },
        }
    }

    /// The network whose ledger has the consent.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// Who granted the consent.
    #[must_use]
    pub const fn owner(&self) -> &ParticipantName {
        &self.end.owner
    }

    /// The consent that it ends.
    #[must_use]
    pub const fn consent(&self) -> ConsentHandle {
        self.end.consent
    }

    /// What a grant that this ends has for an ender.
    #[must_use]
    pub fn ender(&self) -> Ender {
        self.end.ender(self.network)
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(MAX);
        writer.map(5);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.end.owner.as_str());
        writer.key(3).bytes(self.end.consent.as_bytes());
        writer.key(4).bytes(&self.end.key.encode());
        writer.key(5).bytes(self.end.signature.as_bytes());
        writer.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        let mut reader = Reader::new(bytes);
        reader.map(5)?;
        let network = NetworkId::new(reader.key(1)?.fixed()?);
        let end = ConsentEnd {
            owner: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            consent: ConsentHandle::new(reader.key(3)?.fixed()?),
            key: read_key(reader.key(4)?)?,
            signature: Signature::new(reader.key(5)?.fixed()?),
        };
        reader.finish()?;
        let signed = ConsentEnd::sign_bytes(network, &end.owner, &end.consent, &end.key);
        signature::verify(&end.key, &signed, &end.signature)
            .map_err(|_| HandoverError::Inconsistent("the end was not signed by its key"))?;
        Ok(Self { network, end })
    }

    /// The end as text, for a QR code or a message to any participant.
    #[must_use]
    pub fn to_text(&self) -> String {
        armor::to_text(LABEL, &self.encode()).to_string()
    }

    /// Reads what [`SignedEnd::to_text`] gave, and checks its signature. Whether the consent names this
    /// key is for the ledger's rules to say.
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged, of another kind, or forged.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        Self::decode(&armor::from_text(LABEL, text, MAX)?)
    }
}

fn read_key(reader: &mut Reader<'_>) -> Result<PublicKey, HandoverError> {
    let bytes = reader.bytes(PublicKey::ENCODED_LENGTH)?;
    PublicKey::decode(bytes)
        .map_err(|_| HandoverError::Inconsistent("the key that signed is none to be trusted"))
}

impl Subject {
    fn ending_key(&self, owner: &ParticipantName, consent: &ConsentHandle) -> SigningKey {
        SigningKey::from_seed(&self.key.ending_seed(self.network, owner, consent))
    }

    /// What an approval of the patient's puts into the grant of a consent, so that the patient can end it.
    pub(crate) fn ender(&self, owner: &ParticipantName, consent: &ConsentHandle) -> Ender {
        let key = self.ending_key(owner, consent).public_key();
        Ender::of(self.network, owner, consent, &key)
    }

    /// Ends a consent or a delegation of an institution, with all that rests on it, as soon as any
    /// participant anchors it ([`Identity::end_for_patient`]). It needs no institution and no network, and
    /// says nothing of whether the consent is one that this patient approved: the ledger refuses it
    /// otherwise.
    #[must_use]
    pub fn end(&self, owner: &ParticipantName, consent: ConsentHandle) -> SignedEnd {
        let key = self.ending_key(owner, &consent);
        SignedEnd::sign(self.network, owner, consent, &key)
    }
}

impl Identity {
    /// Signs the event by which a patient ends a consent, of whichever institution. Anchored, it ends the
    /// consent and all that continue it; the ledger shows that this participant brought it.
    ///
    /// # Errors
    /// [`SdkError::OtherNetwork`], and [`SdkError::Randomness`].
    pub fn end_for_patient(&self, end: &SignedEnd) -> Result<Event, SdkError> {
        let (found, own) = (end.network, self.network());
        match found == own {
            true => self.sign(end.end.clone()),
            false => Err(SdkError::OtherNetwork { found, own }),
        }
    }
}
