//! Consents that run on are re-issued, each quarter of a year: a consent lists the tags of the quarters up to
//! the one in which it was granted, and a record is sealed under the tag of its own.
//!
//! What always holds: a re-issue grants no more than the consent that it renews. Grantees, purposes, classes and
//! period are the same, it covers one more quarter, and it names as root the first consent of the chain, so
//! that the end of that ends it. A consent that was revoked, ended by card or ran out is not renewed, nor
//! one of which a re-issue was ended by itself, nor one of which the ledger has other words than are kept here.
//! What a consent's time is judged by is a block's, never this machine's clock. Of a patient who has brought a key a re-issue takes
//! the patient's approval, which can be given with that of the consent ([`crate::Subject::approve_renewals`]),
//! but below a delegation that the patient approved with the key of now. The re-issue of a consent for a quarter
//! has one handle, so doing it again gives no second one.
//!
//! A delegation opens nothing and lists no tag that a record bears, so it is not re-issued: what rests on it
//! names it, whatever quarter it is of.

#[cfg(feature = "client")]
mod anchored;
#[cfg(feature = "client")]
mod error;
mod judged;
mod kept;
#[cfg(feature = "client")]
mod revoked;

#[cfg(feature = "client")]
pub(crate) use anchored::Looked;
#[cfg(feature = "client")]
pub use anchored::{RenewedConsent, RenewedConsents};
#[cfg(feature = "client")]
pub use error::RenewalError;
pub(super) use kept::Kept;
pub use kept::RunningConsent;

use crate::access_list::quarter_name;
use crate::durable;
use crate::error::SdkError;
use crate::identity::{Identity, IdentityError};
use crate::subject::ConsentDraft;
use crate::ticket::GrantTicket;
use judged::Renewals;
use medanchor_ledger::event::{Event, EventBody};
use medanchor_ledger::rules::Consent;
use medanchor_ledger::{ConsentHandle, Time};
use medanchor_vault::Epoch;
use std::collections::BTreeSet;
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
    /// What each grantee must be given, by a confidential way.
    pub tickets: Vec<GrantTicket>,
}

/// What the ledger has under a consent's handle, as a fresh proof says.
pub struct ProvedConsent {
    /// The consent; none if the ledger has none, or not yet.
    pub consent: Option<Consent>,
    /// The time of the block that the proof is of.
    pub time: Time,
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
    /// It is over: it was revoked, ended by card, or ran out, or a re-issue of it was ended by itself.
    Over,
    /// It was revoked, and these re-issues of it hang on another consent and stand, or may come to: they are to be
    /// revoked (`Sdk::revoke_consent`), and what is kept of it stays until none of them stands.
    Outlived(BTreeSet<ConsentHandle>),
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
    /// institution as the state holds it, and the time of that state.
    ///
    /// # Errors
    /// [`SdkError`] when what is kept cannot be read, or the document not be sealed anew;
    /// [`SdkError::Consent`] when the consent stands in other words than any that are kept; what `ledger` gives.
    pub fn renew_consent<E: From<SdkError>>(
        &self,
        due: &RunningConsent,
        ledger: impl FnMut(&ConsentHandle) -> Result<ProvedConsent, E>,
    ) -> Result<Renewing, E> {
        match self.kept_running(due)? {
            Some(kept) => Renewals::new(self, due, &kept).judge(ledger),
            None => Ok(Renewing::Over),
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

    /// Whether re-issues of this consent may stand on the ledger that do not end with it, because they hang on
    /// another one.
    pub(super) fn has_renewals_beside(&self, consent: ConsentHandle) -> Result<bool, SdkError> {
        let to = self.renewed_to();
        // What cannot be read must not keep a consent from being revoked.
        let all = self.running(consent)?.into_iter();
        let mut kept = all.filter_map(|at| self.kept_running(&at).ok().flatten());
        let beside = |one: &Kept| one.words().root.is_some() && one.words().last < to;
        Ok(kept.any(|all| all.iter().any(beside)))
    }

    /// What all re-issues of a consent are called, whether or not their quarters have come, under every key that
    /// the patient has had here.
    fn renewals_of(&self, kept: &Kept) -> Result<BTreeSet<(Epoch, ConsentHandle)>, SdkError> {
        let words = kept.words();
        let mut all = BTreeSet::new();
        for keys in self.all_subject_keys(&kept.subject)? {
            all.extend(words.later_quarters().map(|quarter| {
                let name = keys.key.consent_key(quarter).renewal(&words.consent);
                (quarter, name)
            }));
        }
        Ok(all)
    }

    /// What the re-issues are called that do not end with their consent.
    fn renewals_beside(&self, kept: &[Kept]) -> Result<BTreeSet<ConsentHandle>, SdkError> {
        let mut all = BTreeSet::new();
        for one in kept.iter().filter(|one| one.words().root.is_some()) {
            let names = self.renewals_of(one)?.into_iter();
            all.extend(names.map(|(_, name)| name));
        }
        Ok(all)
    }

    /// The handles of what is signed and not settled, of one kind: a node may have it, and it is posted again.
    fn on_their_way(&self, of: fn(&EventBody) -> Option<ConsentHandle>) -> BTreeSet<ConsentHandle> {
        let pending = self.unsettled().into_iter();
        // The journal was read with the same decoder, so no event drops out here.
        let events = pending.filter_map(|one| Event::decode(&one.event).ok());
        events.filter_map(|event| of(event.body())).collect()
    }
}

/// The consent that an event grants.
const fn granted(body: &EventBody) -> Option<ConsentHandle> {
    match body {
        EventBody::ConsentGrant(grant) => Some(grant.consent),
        _ => None,
    }
}
