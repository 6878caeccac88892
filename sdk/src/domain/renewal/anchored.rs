//! Re-issues on the ledger: what is due is signed by what the ledger proves, anchored, and noted.
//!
//! What always holds: a consent is renewed only if a proof of the last minute says that it stands; one that
//! cannot be renewed keeps no other from it; no consent is revoked while it is being renewed, nor renewed while
//! its revocation is on its way.

use super::{ProvedConsent, Renewal, RenewalError, Renewing, RunningConsent, WaitingConsent};
use crate::anchor::{AnchorError, Sdk};
use crate::custody::{Terms, fresh_value};
use crate::error::SdkError;
use crate::receipt::Anchored;
use medanchor_ledger::event::EventBody;
use medanchor_ledger::rules::{Consent, Rule};
use medanchor_ledger::{ConsentHandle, Time};
use medanchor_vault::Epoch;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// How many consents are looked at before what re-issues them is anchored.
const TOGETHER: usize = 64;
/// How long a consent is taken to wait for its patient, in milliseconds, while no approval comes: the ledger may
/// say meanwhile that it is over, and is asked again once a day.
const WAITS_MILLIS: u64 = 24 * 3_600_000;

/// What a process knows of the consents that it looked at. Whoever renews or revokes has it to themselves.
pub(crate) struct Looked {
    /// The re-issues that this process anchored and that hang on another consent than the one which they renew. A
    /// node that is asked later may be a block behind, and not have them.
    pub(super) beside: BTreeSet<ConsentHandle>,
    /// What waits, and since when that is known.
    pub(super) waits: BTreeMap<RunningConsent, (Time, WaitingConsent)>,
}

impl Looked {
    pub(crate) const fn new() -> Self {
        Self {
            beside: BTreeSet::new(),
            waits: BTreeMap::new(),
        }
    }

    /// Notes what waits, and since when that is known.
    pub(crate) fn note_waiting(&mut self, due: RunningConsent, known: (Time, WaitingConsent)) {
        self.waits.insert(due, known);
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
    /// Neither, and why; the next call tries again. A consent that stands in other words than any that are kept
    /// is here until it ends, so that nobody takes it for renewed.
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
            // What is judged to stand is anchored before anything can be revoked.
            let mut looked = self.looked();
            let signed = self.sign_renewals(due, &mut looked, &mut done);
            self.anchor_renewals(signed, &mut looked, &mut done);
            if done.failed.iter().any(|(_, why)| why.is_unreachable()) {
                break;
            }
        }
        Ok(done)
    }

    fn sign_renewals(
        &self,
        due: &[RunningConsent],
        looked: &mut Looked,
        done: &mut RenewedConsents,
    ) -> Vec<Renewal> {
        let revoking = self.on_their_way(revoked);
        let mut signed = Vec::new();
        for one in due.iter().filter(|one| !revoking.contains(&one.consent)) {
            match self.look(one, looked) {
                Ok(Renewing::Stands { renewals, waits }) => {
                    signed.extend(renewals);
                    done.waiting.extend(waits.map(|waits| *waits));
                }
                Ok(_) => {}
                Err(why) => {
                    let gone = why.is_unreachable();
                    done.failed.push((one.consent, why));
                    if gone {
                        break;
                    }
                }
            }
        }
        signed
    }

    /// Looks what becomes of one consent; revokes what has outlived it.
    fn look(&self, one: &RunningConsent, looked: &mut Looked) -> Result<Renewing, RenewalError> {
        if let Some(waits) = self.still_waits(one, looked)? {
            let (renewals, waits) = (Vec::new(), Some(Box::new(waits)));
            return Ok(Renewing::Stands { renewals, waits });
        }
        looked.waits.remove(one);
        let found = self.renew_consent(one, |consent| self.proved_consent(consent))?;
        match &found {
            Renewing::Stands {
                waits: Some(waits), ..
            } => {
                let now = self.context().now();
                looked.note_waiting(*one, (now, waits.as_ref().clone()));
            }
            Renewing::Outlived(_) => {
                self.revoke_beside(one.consent, looked)?;
            }
            _ => {}
        }
        Ok(found)
    }

    /// What was found to wait today and can still not be signed, so that the ledger need not be asked.
    fn still_waits(
        &self,
        one: &RunningConsent,
        looked: &Looked,
    ) -> Result<Option<WaitingConsent>, SdkError> {
        let Some((since, waits)) = looked.waits.get(one) else {
            return Ok(None);
        };
        let words = waits.draft.words();
        let key = self.subject_keys(&waits.subject)?.key;
        let same_key = key.consent_key(words.last).renewal(&waits.of) == words.consent;
        let today = self.context().now().0.abs_diff(since.0) < WAITS_MILLIS;
        let waits_on = same_key && today && self.approvals(words.consent)?.is_empty();
        Ok(waits_on.then(|| waits.clone()))
    }

    fn anchor_renewals(
        &self,
        signed: Vec<Renewal>,
        looked: &mut Looked,
        done: &mut RenewedConsents,
    ) {
        let events = signed.iter().filter_map(|one| one.event.clone());
        let mut results = self.anchor_batch(events.collect()).into_iter();
        for one in signed {
            let result = one.event.as_ref().and_then(|_| results.next());
            let anchored = result.map_or(Ok(()), is_there);
            if anchored.is_ok() && hangs_beside(&one) {
                looked.beside.insert(one.consent);
            }
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

    pub(super) fn proved_consent(
        &self,
        consent: &ConsentHandle,
    ) -> Result<ProvedConsent, RenewalError> {
        let key = Consent::key(self.participant(), consent);
        let found = fresh_value(self.client(), &key, &Terms::default())?;
        Ok(ProvedConsent {
            consent: found.value,
            time: found.at.1,
        })
    }
}

/// Whether a re-issue that was signed now does not end with the consent that it renews.
fn hangs_beside(one: &Renewal) -> bool {
    let body = one.event.as_ref().map(|event| event.body());
    matches!(body, Some(EventBody::ConsentGrant(grant)) if grant.root != Some(one.of.consent))
}

/// The consent that an event revokes.
const fn revoked(body: &EventBody) -> Option<ConsentHandle> {
    match body {
        EventBody::ConsentRevoke(revoke) => Some(revoke.consent),
        _ => None,
    }
}

/// A re-issue that the ledger has already was anchored by a call that was cut off.
pub(super) fn is_there(result: Result<Anchored, AnchorError>) -> Result<(), RenewalError> {
    match result {
        Err(AnchorError::Refused(why)) if why.rule() == Rule::ConsentExists.code() => Ok(()),
        other => Ok(other.map(drop)?),
    }
}
