//! Prescriptions: issued once, redeemed at most once under the patient's token key.

use super::list::{Fractions, read_commitment, read_handle};
use super::{Body, DecodeError, Subject};
use crate::cbor::{CborFault, Reader, Writer};
use crate::signature::{Algorithm, PublicKey, Signature};
use crate::{Commitment, NetworkId, ParticipantName, PrescriptionHandle, RecordHandle, Time};

fn read_key(reader: &mut Reader<'_>) -> Result<PublicKey, DecodeError> {
    let bytes = reader.fixed::<{ PublicKey::ENCODED_LENGTH }>()?;
    PublicKey::decode_registered(&bytes).map_err(|_| DecodeError::Key {
        what: "the token key",
    })
}

fn read_line_count(reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    let range = reader.fault(CborFault::Range);
    let lines: u8 = reader.narrow()?;
    let bounds = 1..=Fractions::MAX;
    if bounds.contains(&usize::from(lines)) {
        Ok(lines)
    } else {
        Err(range.into())
    }
}

/// `prescription.issue`: a hospital makes a prescription that can be redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrescriptionIssue {
    /// The prescription, among the signer's.
    pub prescription: PrescriptionHandle,
    /// The sealed document, among the signer's records.
    pub record: RecordHandle,
    /// The patient's key for this prescription alone.
    pub token_key: PublicKey,
    /// How many lines the sealed document orders, 1 to [`Fractions::MAX`].
    pub lines: u8,
    /// The first block time at which it can no longer be redeemed.
    pub expires: Time,
}

impl Body for PrescriptionIssue {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("prescription", issuer, self.prescription)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(5);
        writer.key(1).bytes(self.prescription.as_bytes());
        writer.key(2).bytes(self.record.as_bytes());
        writer.key(3).bytes(&self.token_key.encode());
        writer.key(4).uint(u64::from(self.lines));
        writer.key(5).uint(self.expires.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(5)?;
        Ok(Self {
            prescription: read_handle(reader.key(1)?)?,
            record: read_handle(reader.key(2)?)?,
            token_key: read_key(reader.key(3)?)?,
            lines: read_line_count(reader.key(4)?)?,
            expires: Time(reader.key(5)?.uint()?),
        })
    }
}

/// What the patient's token key signs: this pharmacy may redeem this prescription, until then.
///
/// The claim number counts up in the state, so a claim that was used or overtaken is worthless,
/// and the pharmacy's name keeps whoever sees the claim from redirecting it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The network.
    pub network: NetworkId,
    /// The token key's algorithm.
    pub algorithm: Algorithm,
    /// Who issued the prescription.
    pub issuer: &'a ParticipantName,
    /// The prescription, among the issuer's.
    pub prescription: PrescriptionHandle,
    /// One more than the number of claims that the state has counted.
    pub number: u64,
    /// Who may redeem.
    pub pharmacy: &'a ParticipantName,
    /// The last block time at which it may.
    pub not_after: Time,
}

impl Claim<'_> {
    /// The bytes that the token key signs: a CBOR array of domain, network, algorithm id, issuer,
    /// prescription, number, pharmacy and not-after.
    #[must_use]
    pub fn sign_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(192);
        writer.array(8).text("medanchor/claim/v1");
        writer.bytes(self.network.as_bytes());
        writer.uint(u64::from(self.algorithm.id()));
        writer.text(self.issuer.as_str());
        writer.bytes(self.prescription.as_bytes());
        writer.uint(self.number);
        writer.text(self.pharmacy.as_str());
        writer.uint(self.not_after.0);
        writer.into_bytes()
    }
}

/// `prescription.redeem`: a pharmacy hands out what was ordered, under the patient's claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrescriptionRedeem {
    /// Who issued the prescription.
    pub issuer: ParticipantName,
    /// The prescription, among the issuer's.
    pub prescription: PrescriptionHandle,
    /// The claim's number.
    pub claim_number: u64,
    /// The last block time at which the claim holds.
    pub claim_not_after: Time,
    /// The token key, so that the claim can be checked without the state; a rule compares it.
    pub token_key: PublicKey,
    /// The token key's signature over the [`Claim`].
    pub claim_signature: Signature,
    /// How much of what was ordered was handed out, line by line.
    pub fractions: Fractions,
    /// The salted commitment to the dispensing document.
    pub commitment: Commitment,
}

impl PrescriptionRedeem {
    /// The claim that the token key must have signed for `pharmacy`.
    #[must_use]
    pub fn claim<'a>(&'a self, network: NetworkId, pharmacy: &'a ParticipantName) -> Claim<'a> {
        Claim {
            network,
            algorithm: self.token_key.algorithm(),
            issuer: &self.issuer,
            prescription: self.prescription,
            number: self.claim_number,
            pharmacy,
            not_after: self.claim_not_after,
        }
    }
}

impl Body for PrescriptionRedeem {
    fn subject<'a>(&'a self, _: &'a ParticipantName) -> Subject<'a> {
        Subject::new("prescription", &self.issuer, self.prescription)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(8);
        writer.key(1).text(self.issuer.as_str());
        writer.key(2).bytes(self.prescription.as_bytes());
        writer.key(3).uint(self.claim_number);
        writer.key(4).uint(self.claim_not_after.0);
        writer.key(5).bytes(&self.token_key.encode());
        writer.key(6).bytes(self.claim_signature.as_bytes());
        self.fractions.write(writer.key(7));
        writer.key(8).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(8)?;
        Ok(Self {
            issuer: reader.key(1)?.parsed(ParticipantName::MAX_LENGTH)?,
            prescription: read_handle(reader.key(2)?)?,
            claim_number: reader.key(3)?.uint()?,
            claim_not_after: Time(reader.key(4)?.uint()?),
            token_key: read_key(reader.key(5)?)?,
            claim_signature: Signature::new(reader.key(6)?.fixed()?),
            fractions: Fractions::read(reader.key(7)?)?,
            commitment: read_commitment(reader.key(8)?)?,
        })
    }
}

/// Why a prescription was voided; the words stay in the issuer's sealed document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoidReason(pub u8);

/// `prescription.void`: the issuer takes an unredeemed prescription back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrescriptionVoid {
    /// The prescription, among the signer's.
    pub prescription: PrescriptionHandle,
    /// Why, as a code of the issuer's own table.
    pub reason: VoidReason,
}

impl Body for PrescriptionVoid {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("prescription", issuer, self.prescription)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(2);
        writer.key(1).bytes(self.prescription.as_bytes());
        writer.key(2).uint(u64::from(self.reason.0));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(2)?;
        Ok(Self {
            prescription: read_handle(reader.key(1)?)?,
            reason: VoidReason(reader.key(2)?.narrow()?),
        })
    }
}
