//! The revocation of a consent with the re-issues that hang on another one.
//!
//! What always holds: when a call says that a consent is revoked, no re-issue of it stands, and none can come to
//! stand: one that a crash left signed is anchored and revoked, or its time has passed without a block that has
//! it. A call that fails leaves what the next one needs to go on.

use super::anchored::{Looked, is_there};
use super::{RenewalError, granted};
use crate::anchor::{AnchorError, Sdk};
use crate::error::SdkError;
use crate::receipt::Anchored;
use medanchor_ledger::ConsentHandle;
use medanchor_ledger::event::{ConsentRevoke, Event};
use medanchor_ledger::rules::Rule;
use std::collections::BTreeSet;

impl Sdk {
    /// Revokes a consent and its re-issues, those first, which hang on another consent where this one
    /// continues one; gives the revocations, of which there is none for what was ended before. Called again after
    /// a failure, it goes on, and until then the consent is not renewed. It waits while consents are being renewed.
    ///
    /// # Errors
    /// [`RenewalError`], as [`Sdk::anchor`] says; where only the re-issues could not be revoked, or what is kept of
    /// them not be read, the consent itself is revoked all the same.
    pub fn revoke_consent(&self, name: &str) -> Result<Vec<Anchored>, RenewalError> {
        let consent = self.consent_handle(name);
        let mut looked = self.looked();
        looked.waits.retain(|at, _| at.consent != consent);
        let beside = self.revoke_beside(consent, &mut looked);
        let own = self.anchor(self.sign(ConsentRevoke { consent })?);
        let own = is_ended(own)?;
        let mut anchored = beside?;
        anchored.extend(own);
        for at in self.running(consent)? {
            self.forget_running(&at)?;
        }
        Ok(anchored)
    }

    /// Revokes what does not end with a consent and renews it.
    pub(super) fn revoke_beside(
        &self,
        consent: ConsentHandle,
        looked: &mut Looked,
    ) -> Result<Vec<Anchored>, RenewalError> {
        let (names, unread) = self.names_beside(consent)?;
        let settled = self.settle_renewals(&names, looked);
        let mut standing = Vec::new();
        for name in &names {
            // What was anchored a moment ago may be missing at a node that is a block behind.
            let stands = match self.proved_consent(name)?.consent {
                Some(found) => found.revoked.is_none(),
                None => looked.beside.contains(name),
            };
            if stands {
                standing.push(*name);
            }
        }
        let sign = |consent| self.sign(ConsentRevoke { consent });
        let events = standing.into_iter().map(sign).collect::<Result<_, _>>()?;
        let ended = self.anchor_batch(events).into_iter().map(is_ended);
        let ended = ended.collect::<Result<Vec<_>, _>>()?;
        settled?;
        match unread {
            Some(why) if self.may_hang_beside(consent)? => Err(why.into()),
            _ => Ok(ended.into_iter().flatten().collect()),
        }
    }

    /// What the re-issues beside a consent are called, and why not all is known.
    fn names_beside(
        &self,
        consent: ConsentHandle,
    ) -> Result<(BTreeSet<ConsentHandle>, Option<SdkError>), SdkError> {
        let (mut names, mut unread) = (BTreeSet::new(), None);
        for at in self.running(consent)? {
            match self.kept_running(&at) {
                Ok(kept) => names.extend(self.renewals_beside(&kept.unwrap_or_default())?),
                Err(why) => unread = Some(why),
            }
        }
        Ok((names, unread))
    }

    /// Whether re-issues of a consent would not end with it, by what the ledger has.
    fn may_hang_beside(&self, consent: ConsentHandle) -> Result<bool, RenewalError> {
        let found = self.proved_consent(&consent)?.consent;
        Ok(found.is_none_or(|found| found.root.is_some()))
    }

    /// Brings re-issues that are signed and not settled to their end: a node may have them.
    fn settle_renewals(
        &self,
        names: &BTreeSet<ConsentHandle>,
        looked: &mut Looked,
    ) -> Result<(), RenewalError> {
        let of = |event: &Event| granted(event.body()).filter(|one| names.contains(one));
        for pending in self.unsettled() {
            let Ok(event) = Event::decode(&pending.event) else {
                continue;
            };
            let Some(consent) = of(&event) else { continue };
            let found = self.proved_consent(&consent)?;
            if found.consent.is_some() || found.time > event.not_after() {
                // It is there, or no block can have it any more.
                self.abandon(&pending.id)?;
                continue;
            }
            for result in self.resume_such(|one| one.id() == event.id()) {
                looked.beside.extend(is_granted(result)?.then_some(consent));
            }
        }
        Ok(())
    }
}

/// What was ended before needs no revocation.
fn is_ended(result: Result<Anchored, AnchorError>) -> Result<Option<Anchored>, AnchorError> {
    match result {
        Err(AnchorError::Refused(why)) if why.rule() == Rule::ConsentRevoked.code() => Ok(None),
        other => other.map(Some),
    }
}

/// Whether the ledger has a grant that was brought to its end; one that a rule refuses it will never have.
fn is_granted(result: Result<Anchored, AnchorError>) -> Result<bool, RenewalError> {
    match result {
        Err(AnchorError::Refused(why)) if why.rule() != Rule::ConsentExists.code() => Ok(false),
        other => is_there(other).map(|()| true),
    }
}
