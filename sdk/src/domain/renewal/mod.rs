//! Consents that run on are re-issued, each quarter of a year: a consent lists the tags of the quarters up to
//! the one in which it was granted, and a record is sealed under the tag of its own.
//!
//! What always holds: a re-issue grants no more than the consent that it renews. Grantees, purposes, classes and
//! period are the same, it covers one more quarter, and it names as root the first consent of the chain, so
//! that the end of that ends it. A consent that was revoked, ended by card or ran out is not renewed, nor
//! one of which the ledger has other words than are kept here. Of a patient who has brought a key a re-issue takes
//! the patient's approval, which can be given with that of the consent ([`crate::Subject::approve_renewals`]),
//! but below a delegation that the patient approved with the key of now. The re-issue of a consent for a quarter
//! has one handle, so doing it again gives no second one.
//!
//! A delegation opens nothing and lists no tag that a record bears, so it is not re-issued: what rests on it
//! names it, whatever quarter it is of.

#[cfg(feature = "client")]
mod anchored;
mod kept;

#[cfg(feature = "client")]
pub use anchored::{RenewalError, RenewedConsent, RenewedConsents};
pub(super) use kept::Kept;
pub use kept::RunningConsent;

use super::consent::tickets_of;
use crate::access_list::quarter_name;
use crate::durable;
use crate::error::SdkError;
use crate::identity::{Identity, IdentityError};
use crate::subject::{ConsentDraft, SubjectKeys, Terms, Words};
use crate::ticket::GrantTicket;
use medanchor_ledger::event::Event;
use medanchor_ledger::rules::Consent;
use medanchor_ledger::{ConsentHandle, Ender, RecordHandle};
use medanchor_vault::Epoch;
use std::path::PathBuf;

/// How long before a quarter begins consents are re-issued for it, in milliseconds: a week, so that tickets
/// can be handed over, and a service that stands still over holidays is in time.
pub const RENEWAL_LEAD_MILLIS: u64 = 7 * 24 * 3_600_000;

/// A re-issue of a consent for one quarter.
pub struct Renewal {
    /// The consent that it renews, and where that is kept until this is anchored.
    pub of: RunningConsent,
    /// What the ledger calls it.
    pub consent: ConsentHandle,
    /// The quarter whose records it covers.
    pub quarter: Epoch,
    /// `consent.grant`, to be anchored; none if the ledger has it already.
    pub event: Option<Event>,
    /// What each grantee must be given, by a confidential way; none if it was ended by itself.
    pub tickets: Vec<GrantTicket>,
}

/// A consent that is not renewed before its patient approves that. It names the patient, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct WaitingConsent {
    /// The consent.
    pub of: ConsentHandle,
    /// The patient, by the application's own id.
    pub subject: String,
    /// What the patient is to approve; [`Identity::take_renewals`] takes the approval.
    pub draft: ConsentDraft,
}

/// What becomes of a consent that does not cover the quarter that runs or comes next.
pub enum Renewing {
    /// It is over: it was revoked, ended by card, or ran out, or the ledger has another. It is forgotten here.
    Over,
    /// The ledger does not have it, or not yet.
    NotAnchored,
    /// It stands.
    Stands {
        /// Its re-issues, the next quarter's first; [`Identity::note_renewal`] of each that is anchored.
        renewals: Vec<Renewal>,
        /// The first one that waits for the patient's approval.
        waits: Option<Box<WaitingConsent>>,
    },
}

impl Identity {
    /// The consents that run on and do not cover the quarter that runs in a week from now.
    ///
    /// # Errors
    /// [`SdkError::Identity`] when what is kept of them cannot be listed.
    pub fn renewals_due(&self) -> Result<Vec<RunningConsent>, SdkError> {
        self.running_before(self.renewed_to())
    }

    /// The quarter up to which consents are re-issued now.
    pub(crate) fn renewed_to(&self) -> Epoch {
        Epoch::of(self.context().now().plus_millis(RENEWAL_LEAD_MILLIS))
    }

    /// Signs what re-issues a consent, by what the ledger has of it: `ledger` gives a consent of this
    /// institution as the state holds it.
    ///
    /// # Errors
    /// [`SdkError`] when what is kept cannot be read, or the document not be sealed anew; what `ledger` gives.
    pub fn renew_consent<E: From<SdkError>>(
        &self,
        due: &RunningConsent,
        mut ledger: impl FnMut(&ConsentHandle) -> Result<Option<Consent>, E>,
    ) -> Result<Renewing, E> {
        let Some(kept) = self.kept_running(due)? else {
            return Ok(Renewing::Over);
        };
        if kept.words.not_after <= self.context().now() {
            self.forget_running(due)?;
            return Ok(Renewing::Over);
        }
        let to = self.renewed_to();
        let quarters = kept.words.later_quarters();
        let quarters = quarters.filter(|quarter| (due.covers.0 + 1..=to.0).contains(&quarter.0));
        let quarters: Vec<Epoch> = quarters.collect();
        let renewals = Renewals {
            identity: self,
            keys: self.subject_keys(&kept.subject)?,
            due,
            kept: &kept,
            free: false,
        };
        match quarters.is_empty() {
            true => Ok(renewals.stands(Vec::new(), None)),
            false => renewals.judge(quarters, &mut ledger),
        }
    }

    /// Notes that a re-issue is on the ledger: writes its tickets to the folder `tickets/` of the identity, and
    /// keeps the consent as covered up to that quarter. Gives the tickets' files.
    ///
    /// # Errors
    /// [`SdkError::Identity`]; the next call of [`Identity::renew_consent`] gives it again.
    pub fn note_renewal(&self, renewal: &Renewal) -> Result<Vec<PathBuf>, SdkError> {
        let folder = self.folder().join("tickets");
        let (consent, quarter) = (renewal.of.consent, quarter_name(renewal.quarter));
        let file = |(number, ticket): (usize, &GrantTicket)| {
            let name = format!("{consent}.{quarter}.{number}.{}.ticket", ticket.grantee);
            let mut text = ticket.to_text();
            text.push('\n');
            (folder.join(name), text)
        };
        let files: Vec<_> = (1..).zip(&renewal.tickets).map(file).collect();
        let bytes: Vec<_> = files
            .iter()
            .map(|(path, text)| (path.clone(), text.as_bytes()))
            .collect();
        let written = durable::write_all(&bytes);
        written.map_err(|source| IdentityError::io(&folder, source))?;
        self.move_running(&renewal.of, renewal.quarter)?;
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }

    /// Whether re-issues of this consent stand on the ledger that do not end with it, because they hang on
    /// another one.
    pub(super) fn has_renewals_beside(&self, consent: ConsentHandle) -> Result<bool, SdkError> {
        // What cannot be read must not keep a consent from being revoked.
        let kept = self.running(consent)?;
        let to = self.renewed_to();
        Ok(kept
            .iter()
            .any(|kept| kept.words.root.is_some() && kept.words.last < to))
    }

    /// What the re-issues of a consent up to a week from now are called, under every key that the patient has
    /// had here.
    #[cfg(feature = "client")]
    fn renewals_of(&self, kept: &Kept) -> Result<Vec<ConsentHandle>, SdkError> {
        let to = self.renewed_to();
        let quarters: Vec<_> = kept
            .words
            .later_quarters()
            .take_while(|one| *one <= to)
            .collect();
        let keys = self.all_subject_keys(&kept.subject)?;
        let name = |keys: &SubjectKeys, quarter| {
            keys.key.consent_key(quarter).renewal(&kept.words.consent)
        };
        let all = keys
            .iter()
            .flat_map(|keys| quarters.iter().map(|quarter| name(keys, *quarter)));
        Ok(all.collect())
    }
}

/// The re-issues of one consent in the making.
struct Renewals<'a> {
    identity: &'a Identity,
    keys: SubjectKeys,
    due: &'a RunningConsent,
    kept: &'a Kept,
    /// Whether the patient need not be asked.
    free: bool,
}

impl Renewals<'_> {
    /// Looks whether the consent stands, and in the words that are kept, before anything is signed.
    fn judge<E: From<SdkError>>(
        mut self,
        quarters: Vec<Epoch>,
        mut ledger: impl FnMut(&ConsentHandle) -> Result<Option<Consent>, E>,
    ) -> Result<Renewing, E> {
        let Some(consent) = ledger(&self.due.consent)? else {
            return Ok(Renewing::NotAnchored);
        };
        let first = consent.root.map(|root| ledger(&root)).transpose()?;
        let first_stands = first.is_none_or(|first| first.is_some_and(|it| it.revoked.is_none()));
        let stands = consent.revoked.is_none() && first_stands;
        let Some(same_key) = self.is_of(&consent)?.filter(|_| stands) else {
            self.identity.forget_running(self.due)?;
            return Ok(Renewing::Over);
        };
        self.free = self.keys.approver.is_none() || (same_key && self.kept.delegated);
        self.sign(quarters, ledger)
    }

    /// Whether the ledger has the consent as it is kept, under a key that the patient has had here; and then
    /// whether that is the key of now.
    fn is_of(&self, consent: &Consent) -> Result<Option<bool>, SdkError> {
        let words = &self.kept.words;
        for keys in self.identity.all_subject_keys(&self.kept.subject)? {
            let terms = Terms::of(&keys.key, words)?.without_document()?;
            let same = terms.root == consent.root
                && terms.tags == consent.tags
                && terms.grantees == consent.grantees
                && terms.purposes == consent.purposes
                && terms.classes == consent.classes
                && (terms.not_before, terms.not_after) == (consent.not_before, consent.not_after);
            if same {
                let now = self.keys.key.tag(words.last);
                return Ok(Some(keys.key.tag(words.last) == now));
            }
        }
        Ok(None)
    }

    fn sign<E: From<SdkError>>(
        &self,
        quarters: Vec<Epoch>,
        mut ledger: impl FnMut(&ConsentHandle) -> Result<Option<Consent>, E>,
    ) -> Result<Renewing, E> {
        let mut renewals = Vec::with_capacity(quarters.len());
        for quarter in quarters {
            let words = self.kept.words.renewed(&self.keys.key, quarter);
            let terms = Terms::of(&self.keys.key, &words)?;
            let found = ledger(&words.consent)?;
            let ended = found.as_ref().is_some_and(|found| found.revoked.is_some());
            let event = match (&found, self.ender(&terms)?) {
                (Some(_), _) => None,
                (None, Some(ender)) => Some(self.event(&words, terms.clone().ended_by(ender))?),
                (None, None) => return Ok(self.stands(renewals, Some(ConsentDraft::new(words)?))),
            };
            let tickets = match ended {
                true => Vec::new(),
                false => tickets_of(&words, &terms, &[]),
            };
            renewals.push(Renewal {
                of: RunningConsent {
                    covers: Epoch(quarter.0 - 1),
                    ..*self.due
                },
                consent: words.consent,
                quarter,
                event,
                tickets,
            });
        }
        Ok(self.stands(renewals, None))
    }

    fn stands(&self, renewals: Vec<Renewal>, waits: Option<ConsentDraft>) -> Renewing {
        Renewing::Stands {
            renewals,
            waits: waits.map(|draft| {
                Box::new(WaitingConsent {
                    of: self.due.consent,
                    subject: self.kept.subject.clone(),
                    draft,
                })
            }),
        }
    }

    /// By what the patient ends the re-issue, if it has such; none at all where an approval is lacking.
    fn ender(&self, terms: &Terms) -> Result<Option<Option<Ender>>, SdkError> {
        if self.free {
            return Ok(Some(None));
        }
        let (network, owner) = (self.identity.network(), self.identity.participant());
        for approval in self.identity.approvals(terms.consent())? {
            let grant = terms
                .clone()
                .ended_by(approval.ender())
                .without_document()?;
            let by_patient = self.keys.approver.as_ref() == Some(approval.approver());
            if by_patient && approval.approves(network, owner, &grant) {
                return Ok(Some(approval.ender()));
            }
        }
        Ok(None)
    }

    /// The document is sealed anew, so that its commitment is another.
    fn event(&self, words: &Words, terms: Terms) -> Result<Event, SdkError> {
        let vault = self.identity.vault();
        let document = vault.open_record(self.kept.document, 1)?;
        let handle = RecordHandle::new(*words.consent.as_bytes());
        let sealed = vault.seal(handle, 1, &document)?;
        self.identity.sign(terms.grant(sealed.commitment)?)
    }
}
