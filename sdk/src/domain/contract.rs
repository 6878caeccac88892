//! Contracts with family-doctor teams (家庭医生签约).
//!
//! What always holds: a contract grants treatment, and all that it includes, to a team and not to a whole
//! institution, for a year at most, and ends with its consent.

use super::consent::{Consented, Grantee, NewConsent};
use crate::error::SdkError;
use crate::fhir::{SeparateConsent, purpose};
use crate::identity::Identity;
use crate::import::time;
use crate::subject::{Approval, ConsentDraft};
use medanchor_ledger::Time;

/// A contract between a patient and a family-doctor team (家庭医生签约).
#[derive(Clone, Copy)]
pub struct NewContract<'a> {
    /// The application's own id of the contract; it stays at home.
    pub name: &'a str,
    /// The delegation under which somebody signs for the patient, if somebody does.
    pub delegation: Option<&'a str>,
    /// The application's own id of the patient; it stays at home.
    pub subject: &'a str,
    /// The team: a member of its institution, by commitment.
    pub team: &'a Grantee,
    /// Which kinds of data, in the words under which records were sealed.
    pub classes: &'a [&'a str],
    /// Records sealed since then are covered.
    pub records_since: Time,
    /// The records that exist today, each with the word of its class.
    pub records: &'a [(&'a str, &'a str)],
    /// The first moment at which the contract holds.
    pub signed: Time,
    /// The first moment at which it no longer holds: that of the same day of the next year at the latest; of the 29th
    /// of February, of the 1st of March.
    pub ends: Time,
    /// Minutes that the clocks there are ahead of UTC, by which that day is meant.
    pub utc_offset: i16,
    /// The separate consents that the patient gave with it (PIPL 29, 23, 39).
    pub separate: SeparateConsent,
    /// Whether the team is in another jurisdiction than this institution.
    pub abroad: bool,
    /// The contract: JSON. It stays at home.
    pub document: &'a [u8],
}

impl Identity {
    /// Grants treatment, and all that it includes, to the team for as long as the contract runs. The
    /// contract is ended early by [`Identity::revoke`] with its name, and renewed by a new one.
    ///
    /// # Errors
    /// [`SdkError::Consent`] when it names no team or runs longer than a year, and what
    /// [`Identity::grant`] and [`Identity::grant_as_delegate`] refuse.
    pub fn sign_up(&self, new: &NewContract<'_>) -> Result<Consented, SdkError> {
        new.with_consent(|consent| match new.delegation {
            Some(delegation) => self.grant_as_delegate(delegation, consent),
            None => self.grant(consent),
        })
    }

    /// What a contract would grant, for a patient who has brought a key to approve.
    ///
    /// # Errors
    /// As [`Identity::sign_up`], and [`SdkError::Consent`] when somebody signs for the patient.
    pub fn draft_contract(&self, new: &NewContract<'_>) -> Result<ConsentDraft, SdkError> {
        new.require_own()?;
        new.with_consent(|consent| self.draft_consent(consent))
    }

    /// Signs up with the team as the patient approved it.
    ///
    /// # Errors
    /// As [`Identity::draft_contract`] and [`Identity::grant_approved`].
    pub fn sign_up_approved(
        &self,
        new: &NewContract<'_>,
        approval: &Approval,
    ) -> Result<Consented, SdkError> {
        new.require_own()?;
        new.with_consent(|consent| self.grant_approved(consent, approval))
    }
}

impl NewContract<'_> {
    fn require_own(&self) -> Result<(), SdkError> {
        match self.delegation {
            None => Ok(()),
            Some(_) => Err(SdkError::Consent(
                "is signed by a delegate, whom the patient approved before",
            )),
        }
    }

    /// The consent that the contract is.
    fn with_consent<T>(
        &self,
        run: impl FnOnce(&NewConsent<'_>) -> Result<T, SdkError>,
    ) -> Result<T, SdkError> {
        if self.team.member.is_none() {
            return Err(SdkError::Consent(
                "names a whole institution where a contract is with a team",
            ));
        }
        if self.ends > time::a_year_after(self.signed, self.utc_offset) {
            return Err(SdkError::Consent(
                "runs longer than a year; renew it instead",
            ));
        }
        let purposes = purpose::included("TREAT").unwrap_or_default();
        run(&NewConsent {
            name: self.name,
            root: None,
            subject: self.subject,
            grantees: std::slice::from_ref(self.team),
            purposes: &purposes,
            classes: self.classes,
            records_since: self.records_since,
            not_before: self.signed,
            not_after: self.ends,
            records: self.records,
            separate: self.separate,
            abroad: self.abroad,
            document: self.document,
        })
    }
}
