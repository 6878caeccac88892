//! The patient's side of a prescription: a token that can sign claims, and the claims.
//!
//! What always holds: a token is a secret of one prescription, wiped when dropped, without `Debug`;
//! whoever holds it can redeem, and a printed QR code of it is a bearer secret that should say so. A
//! claim is no secret: it names one pharmacy, one number and an end, so nobody can redirect or repeat
//! it. A wallet therefore shows claims, and hands over the token only to move to another wallet.
//!
//! ```
//! # use medanchor_sdk::{PatientToken, SignedClaim};
//! # use medanchor_ledger::{NetworkId, PrescriptionHandle, Time};
//! # let hospital = "north-hospital".parse().unwrap();
//! # let token = PatientToken::new(NetworkId::new([1; 16]), hospital, PrescriptionHandle::new([2; 16]), &[3; 32]);
//! let handed_over = token.to_text();                       // hospital to patient, once
//! let token = PatientToken::from_text(&handed_over)?;
//! let pharmacy = "corner-pharmacy".parse().unwrap();
//! let shown = token.claim(&pharmacy, 1, Time(1_800_000_000_000)).to_text(); // patient to pharmacy
//! let claim = SignedClaim::from_text(&shown)?;
//! assert!(claim.is_for(&pharmacy));
//! # Ok::<(), medanchor_sdk::HandoverError>(())
//! ```

use crate::armor::{self, NotThatText};
use crate::context::{Context, NoRandomness};
use medanchor_ledger::cbor::{CborError, Reader, Writer};
use medanchor_ledger::event::Claim;
use medanchor_ledger::signature::{self, KeyError, PublicKey, Signature, SigningKey};
use medanchor_ledger::{NetworkId, ParticipantName, PrescriptionHandle, Time};
use zeroize::Zeroizing;

const TOKEN: &str = "medanchor-token-v1";
const CLAIM: &str = "medanchor-claim-v1";
/// Far above the longest of both.
const MAX: usize = 512;

/// Why something that was handed over cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The text was damaged on the way, or is another.
    #[error(transparent)]
    Text(#[from] NotThatText),
    /// The bytes inside are not of this version.
    #[error("what was handed over is of another version or was made wrongly: {0}")]
    Encoding(#[from] CborError),
    /// A key that nobody should accept.
    #[error("the token key cannot be used: {0}; ask the hospital for a new prescription")]
    Key(#[from] KeyError),
    /// The claim's signature does not hold.
    #[error("the claim was not signed by its token; ask the patient for a new one")]
    Signature,
    /// It says something that cannot be.
    #[error("what was handed over is inconsistent: {0}")]
    Inconsistent(&'static str),
}

/// The secret with which a patient redeems one prescription.
pub struct PatientToken {
    network: NetworkId,
    issuer: ParticipantName,
    prescription: PrescriptionHandle,
    key: SigningKey,
}

impl PatientToken {
    /// The token whose key stands for `seed`, 32 secret bytes made for this prescription alone.
    #[must_use]
    pub fn new(
        network: NetworkId,
        issuer: ParticipantName,
        prescription: PrescriptionHandle,
        seed: &[u8; 32],
    ) -> Self {
        Self {
            network,
            issuer,
            prescription,
            key: SigningKey::from_seed(seed),
        }
    }

    /// Draws a token for a new prescription.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn generate(
        network: NetworkId,
        issuer: ParticipantName,
        prescription: PrescriptionHandle,
        context: &dyn Context,
    ) -> Result<Self, NoRandomness> {
        let mut seed = Zeroizing::new([0; 32]);
        context.fill(seed.as_mut())?;
        Ok(Self::new(network, issuer, prescription, &seed))
    }

    /// The network whose ledger has the prescription.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// Who issued the prescription.
    #[must_use]
    pub const fn issuer(&self) -> &ParticipantName {
        &self.issuer
    }

    /// The prescription.
    #[must_use]
    pub const fn prescription(&self) -> PrescriptionHandle {
        self.prescription
    }

    /// The public half, which stands in the prescription on the ledger.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Lets `pharmacy` redeem until block time `not_after`. `number` is one more than the number of
    /// redemptions so far: 1 for the first.
    #[must_use]
    pub fn claim(&self, pharmacy: &ParticipantName, number: u64, not_after: Time) -> SignedClaim {
        let mut claim = SignedClaim {
            network: self.network,
            issuer: self.issuer.clone(),
            prescription: self.prescription,
            number,
            pharmacy: pharmacy.clone(),
            not_after,
            token_key: self.public_key(),
            signature: Signature::new([0; Signature::LENGTH]),
        };
        claim.signature = self.key.sign(&claim.as_claim().sign_bytes());
        claim
    }

    /// The secret bytes, to be kept in a vault.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(MAX);
        writer.map(5);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.issuer.as_str());
        writer.key(3).bytes(self.prescription.as_bytes());
        writer
            .key(4)
            .uint(u64::from(self.public_key().algorithm().id()));
        writer.key(5).bytes(self.key.seed().as_ref());
        Zeroizing::new(writer.into_bytes())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        let mut reader = Reader::new(bytes);
        reader.map(5)?;
        let network = NetworkId::new(reader.key(1)?.fixed()?);
        let issuer = reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?;
        let prescription = PrescriptionHandle::new(reader.key(3)?.fixed()?);
        signature::Algorithm::try_from(reader.key(4)?.narrow::<u8>()?)?;
        let seed = Zeroizing::new(reader.key(5)?.fixed()?);
        reader.finish()?;
        Ok(Self::new(network, issuer, prescription, &seed))
    }

    /// The secret as text for a QR code or a message to the patient's wallet. Whoever reads it can
    /// redeem the prescription.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        armor::to_text(TOKEN, &self.encode())
    }

    /// Reads what [`PatientToken::to_text`] gave.
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged or of another kind.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        Self::decode(&armor::from_text(TOKEN, text, MAX)?)
    }
}

/// A claim with the token's signature: what a wallet shows at the pharmacy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedClaim {
    network: NetworkId,
    issuer: ParticipantName,
    prescription: PrescriptionHandle,
    number: u64,
    pharmacy: ParticipantName,
    not_after: Time,
    token_key: PublicKey,
    signature: Signature,
}

impl SignedClaim {
    fn as_claim(&self) -> Claim<'_> {
        Claim {
            network: self.network,
            algorithm: self.token_key.algorithm(),
            issuer: &self.issuer,
            prescription: self.prescription,
            number: self.number,
            pharmacy: &self.pharmacy,
            not_after: self.not_after,
        }
    }

    /// The network whose ledger has the prescription.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// Who issued the prescription.
    #[must_use]
    pub const fn issuer(&self) -> &ParticipantName {
        &self.issuer
    }

    /// The prescription.
    #[must_use]
    pub const fn prescription(&self) -> PrescriptionHandle {
        self.prescription
    }

    /// The claim's number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The last block time at which it holds.
    #[must_use]
    pub const fn not_after(&self) -> Time {
        self.not_after
    }

    /// The token's public key.
    #[must_use]
    pub const fn token_key(&self) -> &PublicKey {
        &self.token_key
    }

    /// The token's signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Whether it lets this pharmacy redeem.
    #[must_use]
    pub fn is_for(&self, pharmacy: &ParticipantName) -> bool {
        self.pharmacy == *pharmacy
    }

    /// The claim as text for a QR code.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut writer = Writer::with_capacity(MAX);
        writer.map(8);
        writer.key(1).bytes(self.network.as_bytes());
        writer.key(2).text(self.issuer.as_str());
        writer.key(3).bytes(self.prescription.as_bytes());
        writer.key(4).uint(self.number);
        writer.key(5).text(self.pharmacy.as_str());
        writer.key(6).uint(self.not_after.0);
        writer.key(7).bytes(&self.token_key.encode());
        writer.key(8).bytes(self.signature.as_bytes());
        armor::to_text(CLAIM, &writer.into_bytes()).to_string()
    }

    /// Reads what [`SignedClaim::to_text`] gave, and checks the signature.
    ///
    /// # Errors
    /// [`HandoverError`] when the text is damaged or the signature does not hold.
    pub fn from_text(text: &str) -> Result<Self, HandoverError> {
        let bytes = armor::from_text(CLAIM, text, MAX)?;
        let mut reader = Reader::new(&bytes);
        reader.map(8)?;
        let claim = Self {
            network: NetworkId::new(reader.key(1)?.fixed()?),
            issuer: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            prescription: PrescriptionHandle::new(reader.key(3)?.fixed()?),
            number: reader.key(4)?.uint()?,
            pharmacy: reader.key(5)?.parsed(ParticipantName::MAX_LENGTH)?,
            not_after: Time(reader.key(6)?.uint()?),
            token_key: PublicKey::decode(reader.key(7)?.bytes(PublicKey::ENCODED_LENGTH)?)?,
            signature: Signature::new(reader.key(8)?.fixed()?),
        };
        reader.finish()?;
        let signed = claim.as_claim().sign_bytes();
        signature::verify(&claim.token_key, &signed, &claim.signature)
            .map_err(|_| HandoverError::Signature)?;
        Ok(claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> PatientToken {
        let hospital = "north-hospital".parse().unwrap();
        let prescription = PrescriptionHandle::new([2; 16]);
        PatientToken::new(NetworkId::new([1; 16]), hospital, prescription, &[3; 32])
    }

    fn pharmacy() -> ParticipantName {
        "corner-pharmacy".parse().unwrap()
    }

    #[test]
    fn a_token_survives_the_handover() {
        let read = PatientToken::from_text(&token().to_text()).unwrap();
        assert_eq!(read.public_key(), token().public_key());
        assert_eq!(
            read.claim(&pharmacy(), 1, Time(9)),
            token().claim(&pharmacy(), 1, Time(9))
        );
    }

    #[test]
    fn a_claim_says_for_whom_and_does_not_hold_the_secret() {
        let claim = token().claim(&pharmacy(), 2, Time(9));
        let text = claim.to_text();
        assert_eq!(SignedClaim::from_text(&text).unwrap(), claim);
        assert!(claim.is_for(&pharmacy()) && !claim.is_for(&"other".parse().unwrap()));
        let bytes = armor::from_text(CLAIM, &text, MAX).unwrap();
        assert!(!bytes.windows(32).any(|window| window == [3; 32]));
        assert!(PatientToken::from_text(&text).is_err());
    }

    #[test]
    fn a_claim_redirected_to_another_pharmacy_is_refused() {
        let mut claim = token().claim(&pharmacy(), 1, Time(9));
        claim.pharmacy = "corner-pharmacz".parse().unwrap();
        assert_eq!(
            SignedClaim::from_text(&claim.to_text()),
            Err(HandoverError::Signature)
        );
    }

    #[test]
    fn the_texts_are_frozen() {
        assert_eq!(
            token().to_text().as_str(),
            include_str!("../../vectors/handover/token.txt").trim_end()
        );
        let claim = token().claim(&pharmacy(), 1, Time(1_800_000_000_000));
        assert_eq!(
            claim.to_text(),
            include_str!("../../vectors/handover/claim.txt").trim_end()
        );
    }
}
