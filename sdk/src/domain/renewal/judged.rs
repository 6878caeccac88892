//! Whether a consent that is due still stands, and in which of the words that are kept; and then its re-issues.
//!
//! What always holds: nothing is signed, and nothing that is kept is forgotten, but by what the ledger has, and by
//! the time of its block; a clock that is wrong forgets no consent and re-issues none for a quarter to come.

use super::{
    Kept, ProvedConsent, RENEWAL_LEAD_MILLIS, Renewal, Renewing, RunningConsent, WaitingConsent,
};
use crate::domain::consent::tickets_of;
use crate::error::SdkError;
use crate::identity::Identity;
use crate::subject::{ConsentDraft, SubjectKeys, Terms, Words};
use medanchor_ledger::event::Event;
use medanchor_ledger::rules::Consent;
use medanchor_ledger::{ConsentHandle, Ender, RecordHandle, Time};
use medanchor_vault::Epoch;
use std::collections::BTreeSet;

const GLASS: SdkError = SdkError::Consent(
    "permits breaking the glass (BTG), so it is not renewed; grant it without under another name",
);

/// The re-issues of one consent in the making.
pub(super) struct Renewals<'a> {
    identity: &'a Identity,
    due: &'a RunningConsent,
    /// The words in which it was granted; the ledger has those of one of them.
    kept: &'a [Kept],
}

/// The words that the ledger has.
struct Granted<'a> {
    kept: &'a Kept,
    /// The patient's keys of now.
    keys: SubjectKeys,
    /// Whether the patient need not be asked.
    free: bool,
}

impl<'a> Renewals<'a> {
    pub(super) const fn new(
        identity: &'a Identity,
        due: &'a RunningConsent,
        kept: &'a [Kept],
    ) -> Self {
        Self {
            identity,
            due,
            kept,
        }
    }

    pub(super) fn judge<E: From<SdkError>>(
        self,
        mut ledger: impl FnMut(&ConsentHandle) -> Result<ProvedConsent, E>,
    ) -> Result<Renewing, E> {
        if self.is_idle() {
            return Ok(stands(Vec::new()));
        }
        let ProvedConsent { consent, time } = ledger(&self.due.consent)?;
        let Some(consent) = consent else {
            let over = self.kept.iter().all(|one| one.words().not_after <= time);
            return Ok(if over {
                self.over()?
            } else {
                Renewing::NotAnchored
            });
        };
        let first = match consent.root {
            Some(root) => ledger(&root)?
                .consent
                .is_some_and(|one| one.revoked.is_none()),
            None => true,
        };
        if !first || consent.not_after <= time {
            return Ok(self.over()?);
        }
        if consent.revoked.is_some() {
            // What names this one as its first ends with it.
            return match consent.root {
                Some(_) => self.revoked(ledger),
                None => Ok(self.over()?),
            };
        }
        let granted = self.granted(&consent)?.ok_or(SdkError::Consent(
            "stands in other words than are kept here, so it is not renewed; grant it under another name",
        ))?;
        let to = self.quarter_at(time);
        let Some(there) = self.renewals_there(granted.kept, to, ledger)? else {
            // What hangs on another consent is needed to revoke this one with its re-issues.
            let hangs = granted.kept.words().root.is_some();
            return Ok(if hangs { Renewing::Over } else { self.over()? });
        };
        Ok(self.sign(&granted, to, &there)?)
    }

    /// Whether there is nothing to look for: it covers the last quarter in which it holds, and is not over.
    fn is_idle(&self) -> bool {
        let (now, to) = (self.identity.context().now(), self.identity.renewed_to());
        let idle = |one: &Kept| now < one.words().not_after && self.quarters(one, to).is_empty();
        self.kept.iter().all(idle)
    }

    /// The quarters that are due, by the block's time as by this machine's clock.
    fn quarter_at(&self, time: Time) -> Epoch {
        let to = Epoch::of(time.plus_millis(RENEWAL_LEAD_MILLIS));
        to.min(self.identity.renewed_to())
    }

    fn quarters(&self, kept: &Kept, to: Epoch) -> Vec<Epoch> {
        let later = kept.words().later_quarters();
        let due = self.due.covers.0.saturating_add(1)..=to.0;
        later.filter(|quarter| due.contains(&quarter.0)).collect()
    }

    fn over(&self) -> Result<Renewing, SdkError> {
        self.identity.forget_running(self.due)?;
        Ok(Renewing::Over)
    }

    /// A consent that was revoked is forgotten once nothing that hangs beside it stands, or can come to stand.
    fn revoked<E: From<SdkError>>(
        &self,
        mut ledger: impl FnMut(&ConsentHandle) -> Result<ProvedConsent, E>,
    ) -> Result<Renewing, E> {
        let names = self.identity.renewals_beside(self.kept)?;
        if names.is_empty() {
            return Ok(self.over()?);
        }
        let mut standing = self.identity.on_their_way(super::granted);
        standing.retain(|one| names.contains(one));
        for name in names {
            let found = ledger(&name)?.consent;
            if found.is_some_and(|found| found.revoked.is_none()) {
                standing.insert(name);
            }
        }
        match standing.is_empty() {
            true => Ok(self.over()?),
            false => Ok(Renewing::Outlived(standing)),
        }
    }

    /// The re-issues that the ledger has; none at all where one of them was ended and the consent was not. Lists
    /// name a re-issue beside each access, so whoever ends what stands there ends that one, and means the consent.
    fn renewals_there<E: From<SdkError>>(
        &self,
        kept: &Kept,
        to: Epoch,
        mut ledger: impl FnMut(&ConsentHandle) -> Result<ProvedConsent, E>,
    ) -> Result<Option<BTreeSet<ConsentHandle>>, E> {
        let mut there = BTreeSet::new();
        let names = self.identity.renewals_of(kept)?.into_iter();
        for (_, name) in names.filter(|(quarter, _)| *quarter <= to) {
            if let Some(found) = ledger(&name)?.consent {
                if found.revoked.is_some() {
                    return Ok(None);
                }
                there.insert(name);
            }
        }
        Ok(Some(there))
    }

    /// The words that the ledger has, under a key that the patient has had here.
    fn granted(&self, consent: &Consent) -> Result<Option<Granted<'a>>, SdkError> {
        for kept in self.kept {
            if let Some(same_key) = self.is_of(kept, consent)? {
                let keys = self.identity.subject_keys(&kept.subject)?;
                let free = keys.approver.is_none() || (same_key && kept.delegated);
                return Ok(Some(Granted { kept, keys, free }));
            }
        }
        Ok(None)
    }

    /// Whether the ledger has the consent in these words; and then whether under the patient's key of now.
    fn is_of(&self, kept: &Kept, consent: &Consent) -> Result<Option<bool>, SdkError> {
        let words = kept.words();
        for keys in self.identity.all_subject_keys(&kept.subject)? {
            let terms = Terms::of(&keys.key, words)?.without_document()?;
            let same = terms.root == consent.root
                && terms.tags == consent.tags
                && terms.grantees == consent.grantees
                && terms.purposes == consent.purposes
                && terms.classes == consent.classes
                && (terms.not_before, terms.not_after) == (consent.not_before, consent.not_after);
            if same {
                let now = self.identity.subject_keys(&kept.subject)?.key;
                return Ok(Some(keys.key.tag(words.last) == now.tag(words.last)));
            }
        }
        Ok(None)
    }

    fn sign(
        &self,
        granted: &Granted<'_>,
        to: Epoch,
        there: &BTreeSet<ConsentHandle>,
    ) -> Result<Renewing, SdkError> {
        let mut renewals = Vec::new();
        for quarter in self.quarters(granted.kept, to) {
            let words = granted.kept.words().renewed(&granted.keys.key, quarter);
            let terms = Terms::of(&granted.keys.key, &words)?;
            if !there.contains(&words.consent) {
                // Consents that an earlier release granted may have it.
                words.check_purposes().map_err(|_| GLASS)?;
            }
            let event = match (there.contains(&words.consent), self.ender(granted, &terms)?) {
                (true, _) => None,
                (false, Some(ender)) => {
                    let terms = terms.clone().ended_by(ender);
                    Some(self.event(granted.kept.document, &words, terms)?)
                }
                (false, None) => {
                    let waits = Some(Box::new(self.waits(granted.kept, words)?));
                    return Ok(Renewing::Stands { renewals, waits });
                }
            };
            let covers = Epoch(quarter.0.saturating_sub(1));
            renewals.push(Renewal {
                of: RunningConsent {
                    covers,
                    ..*self.due
                },
                consent: words.consent,
                quarter,
                event,
                tickets: tickets_of(&words, &terms, &[]),
            });
        }
        Ok(stands(renewals))
    }

    fn waits(&self, kept: &Kept, words: Words) -> Result<WaitingConsent, SdkError> {
        Ok(WaitingConsent {
            of: self.due.consent,
            subject: kept.subject.clone(),
            draft: ConsentDraft::new(words)?,
        })
    }

    /// By what the patient ends the re-issue, if it has such; none at all where an approval is lacking.
    fn ender(
        &self,
        granted: &Granted<'_>,
        terms: &Terms,
    ) -> Result<Option<Option<Ender>>, SdkError> {
        if granted.free {
            return Ok(Some(None));
        }
        let (network, owner) = (self.identity.network(), self.identity.participant());
        for approval in self.identity.approvals(terms.consent())? {
            let grant = terms
                .clone()
                .ended_by(approval.ender())
                .without_document()?;
            let by_patient = granted.keys.approver.as_ref() == Some(approval.approver());
            if by_patient && approval.approves(network, owner, &grant) {
                return Ok(Some(approval.ender()));
            }
        }
        Ok(None)
    }

    /// The document is sealed anew, so that its commitment is another.
    fn event(
        &self,
        document: RecordHandle,
        words: &Words,
        terms: Terms,
    ) -> Result<Event, SdkError> {
        let vault = self.identity.vault();
        let document = vault.open_record(document, 1)?;
        let handle = RecordHandle::new(*words.consent.as_bytes());
        let sealed = vault.seal(handle, 1, &document)?;
        self.identity.sign(terms.grant(sealed.commitment)?)
    }
}

const fn stands(renewals: Vec<Renewal>) -> Renewing {
    Renewing::Stands {
        renewals,
        waits: None,
    }
}
