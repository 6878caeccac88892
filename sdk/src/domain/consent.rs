//! Consents: let others read a subject's records, hand them what they need to ask, and end it.
//!
//! The application speaks of purposes, classes and grantees in plain words; the ledger gets handles
//! made with the subject's keys, and each grantee a ticket that turns its words into these handles.

use super::delegation::DELEGATION;
use super::record::CONSENT;
use super::renewal::Kept;
use crate::error::SdkError;
use crate::fhir::{SeparateConsent, is_sensitive_word};
use crate::identity::Identity;
use crate::subject::{Approval, ConsentDraft, Terms, Words};
use crate::ticket::{GrantTicket, GrantedRecord};
use medanchor_ledger::event::{ConsentRevoke, Event, GranteeOpening};
use medanchor_ledger::{ConsentHandle, MemberCommitment, ParticipantName, RecordHandle, Time};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;

/// Who may read: an institution, or one person or team in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grantee {
    /// The institution.
    pub participant: ParticipantName,
    /// The person or team, as a commitment that the institution gave.
    pub member: Option<MemberCommitment>,
}

impl From<ParticipantName> for Grantee {
    fn from(participant: ParticipantName) -> Self {
        Self {
            participant,
            member: None,
        }
    }
}

/// A consent to be granted.
#[derive(Clone, Copy)]
pub struct NewConsent<'a> {
    /// The application's own id of the consent; it stays at home.
    pub name: &'a str,
    /// The application's own id of the consent that this one continues, if it continues one: the
    /// first of the chain. To revoke that one ends this one.
    pub root: Option<&'a str>,
    /// The application's own id of the patient; it stays at home.
    pub subject: &'a str,
    /// Who may read.
    pub grantees: &'a [Grantee],
    /// For what, in HL7's words, such as `TREAT`; they stay between owner and grantee.
    pub purposes: &'a [&'a str],
    /// Which kinds of data, in the words under which records were sealed.
    pub classes: &'a [&'a str],
    /// Records sealed since then are covered; those of the quarter of a year it falls into too, and those of
    /// each later one once the consent is re-issued for it (`Sdk::renew_consents`). Not a later quarter than
    /// that of now.
    pub records_since: Time,
    /// The first moment at which it holds.
    pub not_before: Time,
    /// The first moment at which it no longer holds.
    pub not_after: Time,
    /// The records that exist today, by the application's own ids, each with the word of its class.
    pub records: &'a [(&'a str, &'a str)],
    /// The separate consents that the patient gave with it (PIPL 29, 23, 39).
    pub separate: SeparateConsent,
    /// Whether a grantee is in another jurisdiction than this institution, as the institution's own
    /// directory says; the SDK knows nobody's.
    pub abroad: bool,
    /// The consent document: JSON, such as a FHIR Consent. It stays at home.
    pub document: &'a [u8],
}

/// A consent that was signed.
pub struct Consented {
    /// What the ledger calls the consent.
    pub consent: ConsentHandle,
    /// `consent.grant`, to be anchored.
    pub event: Event,
    /// What each grantee must be given, by a confidential way, in the order of the grantees.
    pub tickets: Vec<GrantTicket>,
}

impl Identity {
    /// What the ledger calls the consent that the application calls `name`.
    #[must_use]
    pub fn consent_handle(&self, name: &str) -> ConsentHandle {
        ConsentHandle::new(self.handle("consent", name))
    }

    /// Seals the consent document at home, signs the grant, and makes the grantees' tickets.
    ///
    /// # Errors
    /// [`SdkError`] when it names nobody, nothing or no time, or too much for one event,
    /// [`SdkError::Separate`] when a separate consent is missing, and [`SdkError::Consent`] when the
    /// patient has brought a key: then the patient approves ([`Identity::draft_consent`]).
    pub fn grant(&self, new: &NewConsent<'_>) -> Result<Consented, SdkError> {
        let keys = self.subject_keys(new.subject)?;
        if keys.approver.is_some() {
            return Err(SdkError::Consent(
                "is of a patient who has brought a key, and takes that patient's approval",
            ));
        }
        self.grant_under(new, &keys.key, false)
    }

    /// Grants under a subject's key what nobody need be asked for any more, because a delegate decided it, say.
    pub(super) fn grant_under(
        &self,
        new: &NewConsent<'_>,
        key: &SubjectKey,
        delegated: bool,
    ) -> Result<Consented, SdkError> {
        let draft = self.draft_consent(new)?;
        let terms = Terms::of(key, draft.words())?;
        if !new.classes.contains(&DELEGATION) {
            self.keep_to_renew(new, &draft, delegated)?;
        }
        self.grant_terms(new, &draft, &terms)
    }

    /// Keeps what is needed to re-issue a consent when its last quarter is over.
    fn keep_to_renew(
        &self,
        new: &NewConsent<'_>,
        draft: &ConsentDraft,
        delegated: bool,
    ) -> Result<(), SdkError> {
        let kept = Kept {
            subject: new.subject.to_owned(),
            draft: draft.clone(),
            delegated,
            document: RecordHandle::new(self.handle(CONSENT, new.name)),
        };
        self.keep_running(&kept)
    }

    /// What a consent would grant, for the patient to approve.
    ///
    /// # Errors
    /// As [`Identity::grant`].
    pub fn draft_consent(&self, new: &NewConsent<'_>) -> Result<ConsentDraft, SdkError> {
        self.check_separate(new)?;
        let (first, last) = (
            Epoch::of(new.records_since),
            Epoch::of(self.context().now()),
        );
        if first > last {
            return Err(SdkError::Consent(
                "covers records sealed from a later quarter of the year on, and would cover those of this one; grant it in that quarter",
            ));
        }
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect();
        ConsentDraft::new(Words {
            network: self.network(),
            owner: self.participant().clone(),
            consent: self.consent_handle(new.name),
            root: new.root.map(|name| self.consent_handle(name)),
            grantees: new.grantees.to_vec(),
            purposes: words(new.purposes),
            classes: words(new.classes),
            first,
            last,
            not_before: new.not_before,
            not_after: new.not_after,
        })
    }

    /// Nothing is granted that is sensitive, shared with another organisation or given abroad without the
    /// separate consent that PIPL asks for, whoever drafts it.
    fn check_separate(&self, new: &NewConsent<'_>) -> Result<(), SdkError> {
        let other = |grantee: &Grantee| grantee.participant != *self.participant();
        let needed = SeparateConsent {
            sensitive: new.classes.iter().any(|word| is_sensitive_word(word)),
            share: new.grantees.iter().any(other),
            cross_border: new.abroad,
        };
        let missing = new.separate.missing(needed);
        missing.map_or(Ok(()), |flag| Err(SdkError::Separate(flag)))
    }

    /// Grants what the patient approved, and keeps the approval.
    ///
    /// # Errors
    /// As [`Identity::grant`], and [`SdkError::Consent`] when the approval is another's, or of other
    /// words than these: another quarter of the year may have begun since.
    pub fn grant_approved(
        &self,
        new: &NewConsent<'_>,
        approval: &Approval,
    ) -> Result<Consented, SdkError> {
        let keys = self.subject_keys(new.subject)?;
        let draft = self.draft_consent(new)?;
        let terms = Terms::of(&keys.key, draft.words())?.ended_by(approval.ender());
        let by_patient = keys.approver.as_ref() == Some(approval.approver());
        let grant = terms.without_document()?;
        if !by_patient || !approval.approves(self.network(), self.participant(), &grant) {
            return Err(SdkError::Consent(
                "is not what the patient approved; draft it again and ask the patient",
            ));
        }
        self.keep_approval(approval)?;
        // The end of one that continues another would not end its re-issues.
        if new.root.is_none() {
            self.keep_to_renew(new, &draft, false)?;
        }
        self.grant_terms(new, &draft, &terms)
    }

    fn grant_terms(
        &self,
        new: &NewConsent<'_>,
        draft: &ConsentDraft,
        terms: &Terms,
    ) -> Result<Consented, SdkError> {
        let records = self.granted_records(new)?;
        let kept = self.keep(CONSENT, new.name, new.document)?;
        Ok(Consented {
            consent: terms.consent(),
            event: self.sign(terms.grant(kept.commitment)?)?,
            tickets: tickets_of(draft.words(), terms, &records),
        })
    }

    fn granted_records(&self, new: &NewConsent<'_>) -> Result<Vec<GrantedRecord>, SdkError> {
        let granted = |(name, class): &(&str, &str)| GrantedRecord {
            record: self.record_handle(name),
            class: (*class).to_owned(),
        };
        let mut records: Vec<GrantedRecord> = new.records.iter().map(granted).collect();
        records.sort();
        records.dedup_by_key(|one| one.record);
        if records
            .iter()
            .all(|one| new.classes.contains(&one.class.as_str()))
        {
            Ok(records)
        } else {
            Err(SdkError::Consent(
                "lists a record of a class that it does not cover",
            ))
        }
    }

    /// Signs the end of a consent of this institution, and of all that continue it.
    ///
    /// # Errors
    /// [`SdkError::Randomness`], and [`SdkError::Consent`] of a consent that continues another and may have
    /// been re-issued: its re-issues continue that other one, too, and `Sdk::revoke_consent` ends them with it.
    pub fn revoke(&self, name: &str) -> Result<Event, SdkError> {
        let consent = self.consent_handle(name);
        if self.has_renewals_beside(consent)? {
            return Err(SdkError::Consent(
                "continues another and was re-issued beside it, so `Sdk::revoke_consent` has to end it",
            ));
        }
        self.sign(ConsentRevoke { consent })
    }
}

/// What the grantees of these words are given, in their order.
pub(super) fn tickets_of(
    words: &Words,
    terms: &Terms,
    records: &[GrantedRecord],
) -> Vec<GrantTicket> {
    let ticket = |(grantee, opening): (&Grantee, &GranteeOpening)| GrantTicket {
        network: words.network,
        owner: words.owner.clone(),
        consent: words.consent,
        grantee: grantee.participant.clone(),
        member: grantee.member,
        opening: *opening,
        purposes: terms.purposes.clone(),
        classes: terms.classes.clone(),
        records: records.to_vec(),
        not_before: words.not_before,
        not_after: words.not_after,
    };
    let grantees = words.grantees.iter().zip(&terms.openings);
    grantees.map(ticket).collect()
}
