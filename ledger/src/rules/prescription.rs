//! Prescriptions: issued by a hospital for a record that it has sealed and not erased, then redeemed once by a pharmacy
//! under the patient's token, or voided once by the issuer, never both.

use super::governance::{Role, require_role};
use super::value::{StateValue, kind};
use super::{Anchored, Record, Refusal, Rejection, Rule, Turn};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::{
    DecodeError, Fraction, PrescriptionIssue, PrescriptionRedeem, PrescriptionVoid,
};
use crate::signature::PublicKey;
use crate::state::StateKey;
use crate::{ParticipantName, PrescriptionHandle, Time};

/// What became of a prescription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be redeemed or voided.
    Open,
    /// It was redeemed, by that event.
    Redeemed(Anchored),
    /// It was voided, by that event.
    Voided(Anchored),
}

/// A prescription, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prescription {
    /// The `prescription.issue`.
    pub issued: Anchored,
    /// What became of it.
    pub standing: Standing,
    /// Number of claims that were used.
    pub claims: u64,
    /// The patient's key.
    pub token_key: PublicKey,
    /// Number of lines.
    pub lines: u8,
    /// The first block time at which it can no longer be redeemed.
    pub expires: Time,
}

impl Prescription {
    /// Where the state holds `issuer`'s prescription.
    #[must_use]
    pub fn key(issuer: &ParticipantName, prescription: &PrescriptionHandle) -> StateKey {
        StateKey::owned(kind::PRESCRIPTION, issuer, prescription.as_bytes())
    }

    fn require_open(&self) -> Result<(), Rejection> {
        match self.standing {
            Standing::Open => Ok(()),
            Standing::Redeemed(by) => Err(Rejection::lost_to(Rule::PrescriptionRedeemed, by)),
            Standing::Voided(by) => Err(Rejection::lost_to(Rule::PrescriptionVoided, by)),
        }
    }
}

impl StateValue for Prescription {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        let (code, decided) = match &self.standing {
            Standing::Open => (0, None),
            Standing::Redeemed(by) => (1, Some(by)),
            Standing::Voided(by) => (2, Some(by)),
        };
        self.issued.write(writer.array(8));
        writer.uint(code);
        Anchored::write_optional(decided, writer);
        writer.uint(self.claims);
        writer.bytes(&self.token_key.encode());
        writer.uint(u64::from(self.lines)).uint(self.expires.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(8..=8)?;
        Ok(Self {
            issued: Anchored::read(reader)?,
            standing: read_standing(reader)?,
            claims: reader.uint()?,
            token_key: read_token(reader)?,
            lines: reader.narrow()?,
            expires: Time(reader.uint()?),
        })
    }
}

fn read_standing(reader: &mut Reader<'_>) -> Result<Standing, DecodeError> {
    let value = reader.fault(CborFault::Value);
    match (reader.uint()?, Anchored::read_optional(reader)?) {
        (0, None) => Ok(Standing::Open),
        (1, Some(by)) => Ok(Standing::Redeemed(by)),
        (2, Some(by)) => Ok(Standing::Voided(by)),
        _ => Err(value.into()),
    }
}

fn read_token(reader: &mut Reader<'_>) -> Result<PublicKey, DecodeError> {
    let bytes = reader.fixed::<{ PublicKey::ENCODED_LENGTH }>()?;
    // The key was judged when the prescription was issued.
    PublicKey::decode_registered(&bytes).map_err(|_| DecodeError::Key {
        what: "a token key",
    })
}

/// `prescription.issue`: by a hospital, under a new handle, for a time to come, and for a record that
/// the hospital has sealed, so that what was ordered is committed to before anybody can redeem it. Of an
/// erased record nobody could ever show what was ordered.
pub(super) fn issue(turn: &mut Turn<'_, '_>, body: &PrescriptionIssue) -> Result<(), Refusal> {
    require_role(turn, &[Role::Hospital])?;
    let key = Prescription::key(turn.signer_name(), &body.prescription);
    if let Some(prescription) = turn.read::<Prescription>(&key)? {
        return Err(Rejection::lost_to(Rule::PrescriptionExists, prescription.issued).into());
    }
    if body.expires <= turn.time() {
        return Err(Rule::PrescriptionExpiresEarly.into());
    }
    // Last, since it alone may pass later.
    let record: Option<Record> = turn.read(&Record::key(turn.signer_name(), &body.record))?;
    let record = record.ok_or(Rule::PrescriptionRecordUnknown)?;
    if let Some(erased) = record.erased {
        return Err(Rejection::lost_to(Rule::RecordErased, erased.by).into());
    }
    let prescription = Prescription {
        issued: turn.anchored(),
        standing: Standing::Open,
        claims: 0,
        token_key: body.token_key,
        lines: body.lines,
        expires: body.expires,
    };
    turn.write(key, &prescription);
    Ok(())
}

/// `prescription.redeem`: by a pharmacy, once, in time, under the next claim of the prescription's
/// token, and within what was ordered.
pub(super) fn redeem(turn: &mut Turn<'_, '_>, body: &PrescriptionRedeem) -> Result<(), Refusal> {
    require_role(turn, &[Role::Pharmacy])?;
    let key = Prescription::key(&body.issuer, &body.prescription);
    let Some(mut prescription) = turn.read::<Prescription>(&key)? else {
        return Err(not_issued(turn, body));
    };
    prescription.require_open()?;
    if prescription.expires <= turn.time() {
        return Err(Rule::PrescriptionExpired.into());
    }
    require_claim(turn, &prescription, body)?;
    require_quantity(&prescription, body)?;
    prescription.standing = Standing::Redeemed(turn.anchored());
    prescription.claims = body.claim_number;
    turn.write(key, &prescription);
    Ok(())
}

/// Why what was never issued cannot be redeemed, now or ever.
fn not_issued(turn: &mut Turn<'_, '_>, body: &PrescriptionRedeem) -> Refusal {
    match turn.has_role(&body.issuer, Role::Hospital) {
        Err(failed) => failed.into(),
        Ok(false) => Rule::PrescriptionIssuerUnknown.into(),
        Ok(true) if body.claim_not_after < turn.time() => Rule::PrescriptionClaimExpired.into(),
        Ok(true) => Rule::PrescriptionUnknown.into(),
    }
}

fn require_claim(
    turn: &Turn<'_, '_>,
    prescription: &Prescription,
    body: &PrescriptionRedeem,
) -> Result<(), Rule> {
    if body.token_key != prescription.token_key {
        return Err(Rule::PrescriptionToken);
    }
    if prescription.claims.checked_add(1) != Some(body.claim_number) {
        return Err(Rule::PrescriptionClaimNumber);
    }
    if body.claim_not_after < turn.time() {
        return Err(Rule::PrescriptionClaimExpired);
    }
    Ok(())
}

fn require_quantity(prescription: &Prescription, body: &PrescriptionRedeem) -> Result<(), Rule> {
    let fractions = body.fractions.as_slice();
    if fractions.len() != usize::from(prescription.lines) {
        return Err(Rule::PrescriptionLines);
    }
    if fractions.iter().any(|fraction| *fraction > Fraction::WHOLE) {
        return Err(Rule::PrescriptionQuantity);
    }
    Ok(())
}

/// `prescription.void`: by the issuer, while nothing was handed out.
pub(super) fn void(turn: &mut Turn<'_, '_>, body: &PrescriptionVoid) -> Result<(), Refusal> {
    require_role(turn, &[Role::Hospital])?;
    let key = Prescription::key(turn.signer_name(), &body.prescription);
    let mut prescription: Prescription = turn.read(&key)?.ok_or(Rule::PrescriptionUnknown)?;
    prescription.require_open()?;
    prescription.standing = Standing::Voided(turn.anchored());
    turn.write(key, &prescription);
    Ok(())
}
