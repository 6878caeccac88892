//! Re-issues on the ledger: what is due is signed by what the ledger proves, anchored, and noted.
//!
//! What always holds: a consent is renewed only if a proof of the last minute says that it stands; one that
//! cannot be renewed keeps no other from it.

use super::{Kept, Renewal, Renewing, RunningConsent, WaitingConsent};
use crate::anchor::{AnchorError, Sdk};
use crate::client::ClientError;
use crate::custody::{StandingError, Terms, fresh_value};
use crate::error::SdkError;
use crate::receipt::Anchored;
use medanchor_ledger::ConsentHandle;
use medanchor_ledger::event::ConsentRevoke;
use medanchor_ledger::rules::{Consent, Rule};
use medanchor_vault::Epoch;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// How many consents are looked at before what re-issues them is anchored.
const TOGETHER: usize = 64;

/// Why a consent was not renewed, or not revoked with its re-issues.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalError {
    /// Nothing was signed.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// What the ledger has of it is not known.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// What was signed is not anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
}

impl RenewalError {
    /// Whether no node could be reached.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Standing(StandingError::Client(ClientError::Unreachable(_)))
                | Self::Anchor(AnchorError::Client(ClientError::Unreachable(_)))
        )
    }
}

/// A consent that covers one more quarter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewedConsent {
    /// The consent.
    pub of: ConsentHandle,
    /// What the ledger calls its re-issue.
    pub consent: ConsentHandle,
    /// The quarter.
    pub quarter: Epoch,
    /// The files with the grantees' tickets, in the order of the grantees. They are secrets.
    pub tickets: Vec<PathBuf>,
}

/// What became of the consents that were due.
#[derive(Default)]
pub struct RenewedConsents {
    /// Renewed, each quarter by itself.
    pub renewed: Vec<RenewedConsent>,
    /// Waiting for their patients.
    pub waiting: Vec<WaitingConsent>,
    /// Neither, and why; the next call tries again.
    pub failed: Vec<(ConsentHandle, RenewalError)>,
}

impl Sdk {
    /// Re-issues every consent of this institution that runs on and does not cover the quarter that runs in
    /// a week from now, and writes the grantees' tickets to the folder `tickets/` of the identity: hand them over by a
    /// confidential way, and remove them. Called again, it goes on where it was cut off, and does nothing
    /// twice; call it once a day, or let `medanchor vault serve` do so.
    ///
    /// # Errors
    /// [`SdkError::Identity`] when the consents cannot be listed. What one of them lacks stands in what is
    /// given; where no node can be reached, the others are not tried.
    pub fn renew_consents(&self) -> Result<RenewedConsents, SdkError> {
        let mut done = RenewedConsents::default();
        for due in self.renewals_due()?.chunks(TOGETHER) {
            let signed = self.sign_renewals(due, &mut done);
            self.anchor_renewals(signed, &mut done);
            if done.failed.iter().any(|(_, why)| why.is_unreachable()) {
                break;
            }
        }
        Ok(done)
    }

    fn sign_renewals(&self, due: &[RunningConsent], done: &mut RenewedConsents) -> Vec<Renewal> {
        let mut signed = Vec::new();
        for one in due {
            match self.renew_consent(one, |consent| self.own_consent(consent)) {
                Ok(Renewing::Stands { renewals, waits }) => {
                    signed.extend(renewals);
                    done.waiting.extend(waits.map(|waits| *waits));
                }
                Ok(Renewing::Over | Renewing::NotAnchored) => {}
                Err(why) => {
                    let gone = RenewalError::is_unreachable(&why);
                    done.failed.push((one.consent, why));
                    if gone {
                        break;
                    }
                }
            }
        }
        signed
    }

    fn anchor_renewals(&self, signed: Vec<Renewal>, done: &mut RenewedConsents) {
        let events = signed.iter().filter_map(|one| one.event.clone());
        let mut results = self.anchor_batch(events.collect()).into_iter();
        for one in signed {
            let result = one.event.as_ref().and_then(|_| results.next());
            let anchored = result.map_or(Ok(()), is_there);
            let noted = anchored.and_then(|()| Ok(self.note_renewal(&one)?));
            match noted {
                Ok(tickets) => done.renewed.push(RenewedConsent {
                    of: one.of.consent,
                    consent: one.consent,
                    quarter: one.quarter,
                    tickets,
                }),
                Err(why) => done.failed.push((one.of.consent, why)),
            }
        }
    }

    /// Revokes a consent and its re-issues, those first, which hang on another consent where this one
    /// continues one. Called again after a failure, it goes on.
    ///
    /// # Errors
    /// [`RenewalError`], as [`Sdk::anchor`] says.
    pub fn revoke_consent(&self, name: &str) -> Result<Vec<Anchored>, RenewalError> {
        let consent = self.consent_handle(name);
        let mut beside = BTreeSet::new();
        for kept in self.running(consent)? {
            if kept.words.root.is_some() {
                beside.extend(self.standing_renewals(&kept)?);
            }
        }
        let sign = |consent| Ok(self.sign(ConsentRevoke { consent })?);
        let events = beside.into_iter().chain([consent]).map(sign);
        let events = events.collect::<Result<Vec<_>, RenewalError>>()?;
        let anchored = self.anchor_batch(events).into_iter();
        Ok(anchored.collect::<Result<_, _>>()?)
    }

    fn standing_renewals(&self, kept: &Kept) -> Result<Vec<ConsentHandle>, RenewalError> {
        let mut standing = Vec::new();
        for renewal in self.renewals_of(kept)? {
            let found = self.own_consent(&renewal)?;
            standing.extend(found.filter(|one| one.revoked.is_none()).map(|_| renewal));
        }
        Ok(standing)
    }

    fn own_consent(&self, consent: &ConsentHandle) -> Result<Option<Consent>, RenewalError> {
        let key = Consent::key(self.participant(), consent);
        Ok(fresh_value(self.client(), &key, &Terms::default())?.value)
    }
}

/// A re-issue that the ledger has already was anchored by a call that was cut off.
fn is_there(result: Result<Anchored, AnchorError>) -> Result<(), RenewalError> {
    match result {
        Err(AnchorError::Refused(why)) if why.rule() == Rule::ConsentExists.code() => Ok(()),
        other => Ok(other.map(drop)?),
    }
}
