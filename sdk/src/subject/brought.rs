//! The key that a patient brings to one institution.
//!
//! What always holds: it is good for one institution of one network, and was handed out by whoever holds
//! the approving key that it names.
//!
//! ```text
//! payload = { 1: network, 2: institution, 3: subject key, 4: approving public key, 5: signature }
//! signed  = "medanchor/subject-key/v1" || { 1: network, 2: institution, 3: SHA-256(subject key), 4: public key }
//! ```

use crate::armor;
use crate::token::HandoverError;
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_ledger::signature::{self, PublicKey, Signature, SigningKey};
use medanchor_ledger::{NetworkId, ParticipantName, sha256};
use medanchor_vault::secret::SubjectKey;
use zeroize::Zeroizing;

const LABEL: &str = "medanchor-subject-v1";
const DOMAIN: &[u8] = b"medanchor/subject-key/v1";
/// Far above the longest encoding.
const MAX: usize = 512;

/// A patient's key at one institution, with the public key that approves the patient's consents there.
/// It is a secret between the two: no `Debug`, wiped when dropped.
pub struct BroughtKey {
    network: NetworkId,
    institution: ParticipantName,
    key: SubjectKey,
    approver: PublicKey,
    signature: Signature,
}

impl BroughtKey {
    pub(super) fn sign(
        network: NetworkId,
        institution: &ParticipantName,
        key: SubjectKey,
        signing: &SigningKey,
    ) -> Self {
        let approver = signing.public_key();
        let signature = signing.sign(&signed_bytes(network, institution, &key, &approver));
        Self {
            network,
            institution: institution.clone(),
            key,
            approver,
            signature,
        }
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// The institution that it is for.
    #[must_use]
    pub const fn institution(&self) -> &ParticipantName {
        &self.institution
    }

    /// The patient's key there.
    #[must_use]
    pub const fn key(&self) -> &SubjectKey {
        &self.key
    }

    /// The key that approves the patient's consents there.
    #[must_use]
    pub const fn approver(&self) -> &PublicKey {
        &self.approver
    }

    pub(super) fn into_parts(self) -> (SubjectKey, PublicKey) {
        (self.key, self.approver)
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(MAX);
        writer.map(5);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.institution.as_str());
        writer.key(3).bytes(self.key.expose());
        writer.key(4).bytes(&self.approver.encode());
        writer.key(5).bytes(self.signature.as_bytes());
        Zeroizing::new(writer.into_bytes())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        let mut reader = Reader::new(bytes);
        reader.map(5)?;
        let network = NetworkId::new(reader.key(1)?.fixed()?);
        let institution = reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?;
        let key = Zeroizing::new(reader.key(3)?.fixed::<32>()?);
        let key = SubjectKey::new(*key);
        let approver = PublicKey::decode(reader.key(4)?.bytes(PublicKey::ENCODED_LENGTH)?)?;
        let signature = Signature::new(reader.key(5)?.fixed()?);
        reader.finish()?;
        let signed = signed_bytes(network, &institution, &key, &approver);
        signature::verify(&approver, &signed, &signature)
            .map_err(|_| HandoverError::Inconsistent("the key was not handed out by its holder"))?;
        Ok(Self {
            network,
            institution,
            key,
            approver,
            signature,
        })
    }

    /// The key as text for a QR code or a message to the institution. It is a secret between the two.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        armor::to_text(LABEL, &self.encode())
    }

    /// Reads what [`BroughtKey::to_text`] gave, and checks that its holder handed it out.
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged, of another kind, or put together by somebody else.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        Self::decode(&armor::from_text(LABEL, text, MAX)?)
    }
}

fn signed_bytes(
    network: NetworkId,
    institution: &ParticipantName,
    key: &SubjectKey,
    approver: &PublicKey,
) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.raw(DOMAIN);
    writer.map(4);
    writer.key(1).bytes(network.as_bytes());
    writer.key(2).text(institution.as_str());
    writer.key(3).bytes(&sha256(&[key.expose()]));
    writer.key(4).bytes(&approver.encode());
    writer.into_bytes()
}
