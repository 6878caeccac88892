//! Delegations of patients who have brought a key: drafted here, approved by the patient, then granted.
//!
//! What always holds: what stands on the ledger is what the patient approved; no consent is granted
//! for such a patient below a delegation that was not approved with the key that the patient has now.

use super::delegation::{Delegated, Delegation, NewDelegation};
use super::record::CONSENT;
use crate::error::SdkError;
use crate::identity::Identity;
use crate::subject::{DelegationApproval, DelegationDraft, DelegationWords, SubjectKeys};
use medanchor_ledger::Time;
use medanchor_ledger::signature::PublicKey;
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;

impl Identity {
    /// What a delegation would say, for the patient to approve.
    ///
    /// # Errors
    /// [`SdkError::Delegation`] when it has lapsed already, [`SdkError::DelegationDraft`] when delegate,
    /// name or basis is missing, too long, or not one line of text.
    pub fn draft_delegation(&self, new: &NewDelegation<'_>) -> Result<DelegationDraft, SdkError> {
        let words = self.words_of(new.name, self.says(new)?, Epoch::of(self.context().now()));
        DelegationDraft::new(words)
    }

    /// Seals at home what the patient approved, keeps the approval, and signs the first consent of the
    /// chain: exactly that.
    ///
    /// # Errors
    /// As [`Identity::draft_delegation`], and [`SdkError::DelegationDraft`] when the approval is another's,
    /// or of other words than these: another quarter of the year may have begun since.
    pub fn delegate_approved(
        &self,
        new: &NewDelegation<'_>,
        approval: &DelegationApproval,
    ) -> Result<Delegated, SdkError> {
        let keys = self.subject_keys(new.subject)?;
        let words = self.draft_delegation(new)?;
        let approved = keys.approver.as_ref().is_some_and(|approver| {
            self.is_approval(approval, words.words(), (&keys.key, approver))
        });
        if !approved {
            return Err(SdkError::DelegationDraft(
                "is not what the patient approved",
            ));
        }
        let says = self.says(new)?;
        self.keep_delegation_approval(approval)?;
        let kept = self.keep(CONSENT, new.name, &says.document()?)?;
        let terms = words.words().terms(&keys.key)?.ended_by(approval.ender());
        Ok(Delegated {
            consent: self.consent_handle(new.name),
            event: self.sign(terms.grant(kept.commitment)?)?,
            lapse: Time(says.lapse),
        })
    }

    /// A patient who has brought a key has approved what the delegation says, with that key.
    pub(super) fn require_approved(
        &self,
        name: &str,
        says: &Delegation,
        keys: &SubjectKeys,
    ) -> Result<(), SdkError> {
        let Some(approver) = &keys.approver else {
            return Ok(());
        };
        let all = self.delegation_approvals(self.consent_handle(name))?;
        let approved = all.iter().any(|approval| {
            let words = self.words_of(name, says.clone(), approval.words().quarter);
            self.is_approval(approval, &words, (&keys.key, approver))
        });
        match approved {
            true => Ok(()),
            false => Err(SdkError::Delegation(
                "was not approved with the key that the patient has brought",
            )),
        }
    }

    fn words_of(&self, name: &str, says: Delegation, quarter: Epoch) -> DelegationWords {
        DelegationWords {
            network: self.network(),
            owner: self.participant().clone(),
            delegation: self.consent_handle(name),
            delegate: says.delegate,
            called: says.called,
            relation: says.relation,
            basis: says.basis,
            quarter,
            not_before: Time(says.begins),
            not_after: Time(says.lapse),
        }
    }

    fn is_approval(
        &self,
        approval: &DelegationApproval,
        words: &DelegationWords,
        (key, approver): (&SubjectKey, &PublicKey),
    ) -> bool {
        let terms = words.terms(key);
        let grant = terms.and_then(|terms| terms.ended_by(approval.ender()).without_document());
        let approves =
            grant.is_ok_and(|grant| approval.approves(self.network(), self.participant(), &grant));
        approves && approval.approver() == approver && approval.words() == words
    }
}
