//! A consent that is re-issued for later quarters, and the patient's approvals of that.
//!
//! What always holds: a re-issue has the words of the consent that it renews, its grantees, purposes, classes and
//! period, and covers the records of one later quarter. Its handle follows from the subject's key, the
//! quarter and the handle of that consent, so whoever holds the key can tell it from any other consent; it
//! names as root the first consent of the chain, so that it ends with that. The patient signs each by itself,
//! exactly as it will stand on the ledger: an institution that holds the approvals can add nothing to them.

use super::{Approval, ConsentDraft, Subject, Words};
use crate::error::SdkError;
use crate::token::HandoverError;
use medanchor_ledger::Time;
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;

/// The most re-issues of one consent, 16 years of them, and so the most that are approved with it.
const MAX_RENEWALS: usize = 64;

impl Words {
    /// The quarters after its last in which it still holds, the next first.
    pub fn later_quarters(&self) -> impl Iterator<Item = Epoch> + use<> {
        let end = Epoch::of(Time(self.not_after.0.saturating_sub(1)));
        let next = self.last.0.saturating_add(1);
        (next..=end.0).map(Epoch).take(MAX_RENEWALS)
    }

    /// The same for the records of one later quarter.
    pub(crate) fn renewed(&self, key: &SubjectKey, quarter: Epoch) -> Self {
        Self {
            consent: key.consent_key(quarter).renewal(&self.consent),
            root: Some(self.root.unwrap_or(self.consent)),
            first: quarter,
            last: quarter,
            ..self.clone()
        }
    }

    /// The first consent of the chain, with the last quarter that these words cover: these words themselves,
    /// or what they renew. None of a consent that continues another in other words.
    fn renews(&self, key: &SubjectKey) -> Option<Self> {
        match self.root {
            None => Some(self.clone()),
            Some(root) if key.consent_key(self.last).renewal(&root) == self.consent => Some(Self {
                consent: root,
                root: None,
                ..self.clone()
            }),
            Some(_) => None,
        }
    }
}

impl Subject {
    /// Approves with a consent that it is re-issued, in the same words, for each later quarter in which it
    /// holds: one approval for each, 64 at most. None for a consent that continues another: its end would
    /// not end its re-issues, which hang on that other one.
    ///
    /// # Errors
    /// As [`Subject::approve`].
    pub fn approve_renewals(&self, draft: &ConsentDraft) -> Result<Vec<Approval>, SdkError> {
        let words = draft.words();
        let key = self.key_at(&words.owner);
        let Some(first) = words.renews(&key) else {
            return Ok(Vec::new());
        };
        let renewed = |quarter| self.approve_words(&first.renewed(&key, quarter));
        words.later_quarters().map(renewed).collect()
    }
}

impl Approval {
    /// Approvals as text, one in each line: of a consent, and of its re-issues.
    #[must_use]
    pub fn list_to_text(all: &[Self]) -> String {
        let lines: Vec<String> = all.iter().map(Self::to_text).collect();
        lines.join("\n")
    }

    /// Reads what [`Approval::list_to_text`] gave: one approval at least, 65 at most, the consent's first.
    ///
    /// # Errors
    /// [`HandoverError`] as [`Approval::from_text`], and when there are more.
    pub fn list_from_text(text: &str) -> Result<Vec<Self>, HandoverError> {
        if text.split('\n').nth(MAX_RENEWALS + 1).is_some() {
            return Err(HandoverError::Inconsistent(
                "a consent and its re-issues have 65 approvals at most",
            ));
        }
        text.split('\n').map(Self::from_text).collect()
    }
}
