//! Consents: let others read a subject's records, hand them what they need to ask, and end it.
//!
//! The application speaks of purposes, classes and grantees in plain words; the ledger gets handles
//! made with the subject's keys, and each grantee a ticket that turns its words into these handles.

use super::check_word;
use super::record::CONSENT;
use crate::error::SdkError;
use crate::identity::Identity;
use crate::ticket::{GrantTicket, GrantedRecord};
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::{ConsentGrant, ConsentRevoke, Event};
use medanchor_ledger::{
    ClassHandle, ConsentHandle, MemberCommitment, ParticipantName, PurposeHandle, Time,
};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;
use std::collections::{BTreeMap, BTreeSet};

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
    /// Records sealed since then are covered; those of the quarter of a year it falls into too.
    pub records_since: Time,
    /// The first moment at which it holds.
    pub not_before: Time,
    /// The first moment at which it no longer holds.
    pub not_after: Time,
    /// The records that exist today, by the application's own ids, each with the word of its class.
    pub records: &'a [(&'a str, &'a str)],
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
    /// [`SdkError`] when it names nobody, nothing or no time, or too much for one event.
    pub fn grant(&self, new: &NewConsent<'_>) -> Result<Consented, SdkError> {
        if new.not_before >= new.not_after {
            return Err(SdkError::Consent("ends before it begins"));
        }
        let keys = Keys::of(self, new)?;
        let kept = self.keep(CONSENT, new.name, new.document)?;
        let opening = |grantee: &Grantee| keys.opening(&grantee.participant);
        let handles = new
            .grantees
            .iter()
            .map(|grantee| opening(grantee).grantee(&grantee.participant, grantee.member.as_ref()));
        let event = self.sign(ConsentGrant {
            consent: self.consent_handle(new.name),
            root: new.root.map(|name| self.consent_handle(name)),
            tags: Tags::new(keys.epochs().map(|epoch| keys.subject.tag(epoch)))?,
            grantees: Grantees::new(handles)?,
            purposes: Purposes::new(keys.purposes.values().copied())?,
            classes: Classes::new(keys.classes.iter().map(|(_, handle)| *handle))?,
            not_before: new.not_before,
            not_after: new.not_after,
            commitment: kept.commitment,
        })?;
        let records = self.granted_records(new)?;
        let tickets = new
            .grantees
            .iter()
            .map(|grantee| keys.ticket(self, new, grantee, &records));
        Ok(Consented {
            consent: self.consent_handle(new.name),
            event,
            tickets: tickets.collect(),
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
    /// [`SdkError::Randomness`].
    pub fn revoke(&self, name: &str) -> Result<Event, SdkError> {
        self.sign(ConsentRevoke {
            consent: self.consent_handle(name),
        })
    }
}

/// The subject's keys and the handles that the words of one consent stand for.
struct Keys {
    subject: SubjectKey,
    first: Epoch,
    last: Epoch,
    purposes: BTreeMap<String, PurposeHandle>,
    classes: BTreeSet<(String, ClassHandle)>,
}

impl Keys {
    fn of(identity: &Identity, new: &NewConsent<'_>) -> Result<Self, SdkError> {
        let subject = identity.vault().held_subject_key(new.subject);
        let last = Epoch::of(identity.context().now());
        let first = Epoch::of(new.records_since).min(last);
        let newest = subject.consent_key(last);
        let mut keys = Self {
            subject,
            first,
            last,
            purposes: BTreeMap::new(),
            classes: BTreeSet::new(),
        };
        for purpose in new.purposes {
            let purpose = check_word("purpose", purpose)?;
            keys.purposes
                .insert(purpose.to_owned(), newest.purpose(purpose));
        }
        // A consent has 64 tags at most: a longer span is refused by the list, not spun out here.
        for epoch in keys.epochs().take(65).collect::<Vec<_>>() {
            let key = keys.subject.consent_key(epoch);
            for class in new.classes {
                let class = check_word("class", class)?;
                keys.classes.insert((class.to_owned(), key.class(class)));
            }
        }
        Ok(keys)
    }

    fn epochs(&self) -> impl Iterator<Item = Epoch> + use<> {
        (self.first.0..=self.last.0).map(Epoch)
    }

    fn opening(&self, grantee: &ParticipantName) -> medanchor_ledger::event::GranteeOpening {
        self.subject.consent_key(self.last).opening(grantee)
    }

    fn ticket(
        &self,
        identity: &Identity,
        new: &NewConsent<'_>,
        grantee: &Grantee,
        records: &[GrantedRecord],
    ) -> GrantTicket {
        GrantTicket {
            network: identity.network(),
            owner: identity.participant().clone(),
            consent: identity.consent_handle(new.name),
            grantee: grantee.participant.clone(),
            member: grantee.member,
            opening: self.opening(&grantee.participant),
            purposes: self.purposes.clone(),
            classes: self.classes.clone(),
            records: records.to_vec(),
            not_before: new.not_before,
            not_after: new.not_after,
        }
    }
}
