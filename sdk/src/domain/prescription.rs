//! Prescriptions: issue one, redeem one under the patient's claim, take one back.

use super::record::{DISPENSING, NewRecord};
use crate::error::SdkError;
use crate::identity::Identity;
use crate::token::{PatientToken, SignedClaim};
use medanchor_ledger::event::{
    Event, Fraction, Fractions, PrescriptionIssue, PrescriptionRedeem, PrescriptionVoid, VoidReason,
};
use medanchor_ledger::{PrescriptionHandle, RecordHandle, Time};

/// A prescription to be issued.
#[derive(Clone, Copy)]
pub struct NewPrescription<'a> {
    /// The application's own id of the prescription; it stays at home.
    pub name: &'a str,
    /// The application's own id of the patient; it stays at home.
    pub subject: &'a str,
    /// What kind of data the document is, such as `medication`; it stays at home.
    pub class: &'a str,
    /// The document: JSON, such as a FHIR MedicationRequest.
    pub payload: &'a [u8],
    /// How many lines it orders, 1 to 16.
    pub lines: u8,
    /// The first moment at which it can no longer be redeemed.
    pub expires: Time,
}

/// A prescription that was sealed and signed.
pub struct Prescribed {
    /// What the ledger calls the prescription.
    pub prescription: PrescriptionHandle,
    /// What the ledger calls the sealed document.
    pub record: RecordHandle,
    /// What the patient redeems it with: hand over [`PatientToken::to_text`], and show it to nobody.
    pub token: PatientToken,
    /// `record.seal` and `prescription.issue`, to be anchored in this order.
    pub events: Vec<Event>,
}

/// A prescription that a pharmacy redeems.
#[derive(Clone, Copy)]
pub struct Redemption<'a> {
    /// The application's own id of the dispensing; it stays at home.
    pub name: &'a str,
    /// What the patient's wallet shows.
    pub claim: &'a SignedClaim,
    /// How much of each line is handed out, in the order of the prescription.
    pub fractions: &'a [Fraction],
    /// The dispensing document: JSON, such as a FHIR MedicationDispense. It stays at home.
    pub payload: &'a [u8],
}

impl Identity {
    /// What the ledger calls the prescription that the application calls `name`.
    #[must_use]
    pub fn prescription_handle(&self, name: &str) -> PrescriptionHandle {
        PrescriptionHandle::new(self.handle("prescription", name))
    }

    /// The token of a prescription of this institution: drawn from the vault, so that it can be
    /// handed over again when the patient has lost it.
    #[must_use]
    pub fn patient_token(&self, name: &str) -> PatientToken {
        let prescription = self.prescription_handle(name);
        let seed = self.seed("token", name);
        PatientToken::new(
            self.network(),
            self.participant().clone(),
            prescription,
            &seed,
        )
    }

    /// Seals a prescription and signs the events that say so.
    ///
    /// # Errors
    /// [`SdkError`]; what the vault has kept by then, a later call finds again.
    pub fn prescribe(&self, new: &NewPrescription<'_>) -> Result<Prescribed, SdkError> {
        let sealed = self.seal_record(&NewRecord {
            name: new.name,
            version: 1,
            subject: new.subject,
            class: new.class,
            payload: new.payload,
        })?;
        let token = self.patient_token(new.name);
        let issue = self.sign(PrescriptionIssue {
            prescription: token.prescription(),
            record: sealed.record,
            token_key: token.public_key(),
            lines: new.lines,
            expires: new.expires,
        })?;
        Ok(Prescribed {
            prescription: token.prescription(),
            record: sealed.record,
            token,
            events: vec![sealed.event, issue],
        })
    }

    /// Seals the dispensing document at home and signs the redemption.
    ///
    /// The ledger gets a commitment to the document with salts of its own: it neither equals nor
    /// links to a record that this pharmacy may seal from the same document.
    ///
    /// # Errors
    /// [`SdkError`] when the claim is for another network or pharmacy or has ended, and what the
    /// vault and the lists refuse.
    pub fn redeem(&self, redemption: &Redemption<'_>) -> Result<Event, SdkError> {
        let claim = redemption.claim;
        if claim.network() != self.network() {
            let (found, own) = (claim.network(), self.network());
            return Err(SdkError::OtherNetwork { found, own });
        }
        if !claim.is_for(self.participant()) {
            let own = self.participant().clone();
            return Err(SdkError::NotForUs { what: "claim", own });
        }
        if claim.not_after() < self.context().now() {
            return Err(SdkError::ClaimEnded);
        }
        let fractions = Fractions::new(redemption.fractions.iter().copied())?;
        let kept = self.keep(DISPENSING, redemption.name, redemption.payload)?;
        self.sign(PrescriptionRedeem {
            issuer: claim.issuer().clone(),
            prescription: claim.prescription(),
            claim_number: claim.number(),
            claim_not_after: claim.not_after(),
            token_key: *claim.token_key(),
            claim_signature: *claim.signature(),
            fractions,
            commitment: kept.commitment,
        })
    }

    /// Signs the withdrawal of a prescription of this institution. `reason` is a code of the
    /// institution's own table.
    ///
    /// # Errors
    /// [`SdkError::Randomness`].
    pub fn void(&self, name: &str, reason: VoidReason) -> Result<Event, SdkError> {
        self.sign(PrescriptionVoid {
            prescription: self.prescription_handle(name),
            reason,
        })
    }
}
