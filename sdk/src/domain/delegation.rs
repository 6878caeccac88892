//! Delegation: guardians and proxies who consent for a patient.
//!
//! What always holds: a delegation is the first consent of a chain. It lets nobody read: it is granted
//! to the institution itself, for a class of which no record is sealed, and its document says who
//! decides for whom, why, and until when. Every consent that the delegate gives names it as root, so
//! that revoking the delegation ends them all, and lies in the time of the delegation: its period is cut
//! to that here, and the ledger refuses one that does not. Who decides for a child does so until the
//! child comes of age; no other end can be given.

use super::consent::{Consented, NewConsent};
use super::record::CONSENT;
use crate::error::SdkError;
use crate::fhir::SeparateConsent;
use crate::identity::Identity;
use crate::import::time;
use medanchor_ledger::event::Event;
use medanchor_ledger::{ConsentHandle, RecordHandle, Time};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The word that stands for purpose and class of a delegation; one that a patient approved adds what it
/// says ([`crate::subject::DelegationWords`]).
pub(crate) const DELEGATION: &str = "medanchor/delegation";
const HOUR: u64 = 3_600_000;

/// What a delegate is to the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// A parent of a child.
    Parent,
    /// A guardian by law or court.
    Guardian,
    /// Somebody whom the patient appointed.
    Proxy,
}

impl Relation {
    /// The one word for it that documents and lists have.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Guardian => "guardian",
            Self::Proxy => "proxy",
        }
    }
}

/// The ages from which patients decide for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Majority {
    /// 14: personal data (PIPL article 31).
    Data,
    /// 18: everything (Civil Code article 17).
    Civil,
}

impl Majority {
    /// The age in years.
    #[must_use]
    pub const fn years(self) -> u16 {
        match self {
            Self::Data => 14,
            Self::Civil => 18,
        }
    }
}

/// A patient who is not of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minor<'a> {
    /// The day of birth, as `2015-03-31`.
    pub born: &'a str,
    /// From which age the patient decides.
    pub of: Majority,
}

impl Minor<'_> {
    /// When the patient comes of age: when the birthday begins anywhere on earth, so that nobody
    /// decides an hour too long for another.
    ///
    /// # Errors
    /// [`SdkError::Delegation`] when the day of birth is no day.
    pub fn comes_of_age(&self) -> Result<Time, SdkError> {
        birthday(self.born, self.of.years()).ok_or(SdkError::Delegation(
            "has no day of birth such as 2015-03-31",
        ))
    }
}

/// By what somebody decides for the patient, with all that says when it ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mandate<'a> {
    /// A parent, until the child comes of age.
    Parent(Minor<'a>),
    /// A child's guardian by law or court, until the child comes of age.
    GuardianOfMinor {
        /// The child.
        child: Minor<'a>,
        /// When it ends before, if it does.
        until: Option<Time>,
    },
    /// An adult's guardian by court.
    GuardianOfAdult {
        /// When it ends.
        until: Time,
    },
    /// Somebody whom the patient appointed.
    Proxy {
        /// When it ends.
        until: Time,
    },
}

impl Mandate<'_> {
    /// What the delegate is to the patient.
    #[must_use]
    pub const fn relation(&self) -> Relation {
        match self {
            Self::Parent(_) => Relation::Parent,
            Self::GuardianOfMinor { .. } | Self::GuardianOfAdult { .. } => Relation::Guardian,
            Self::Proxy { .. } => Relation::Proxy,
        }
    }

    /// When it ends by itself.
    ///
    /// # Errors
    /// As [`Minor::comes_of_age`].
    pub fn lapse(&self) -> Result<Time, SdkError> {
        match self {
            Self::Parent(child) => child.comes_of_age(),
            Self::GuardianOfMinor { child, until } => {
                let of_age = child.comes_of_age()?;
                Ok(until.map_or(of_age, |until| until.min(of_age)))
            }
            Self::GuardianOfAdult { until } | Self::Proxy { until } => Ok(*until),
        }
    }
}

/// When the birthday after `years` begins in the first time zone, 14 hours before UTC. Who was born on
/// the 29th of February has it on the 1st of March where that day is missing.
fn birthday(born: &str, years: u16) -> Option<Time> {
    let (year, day) = born.split_once('-').filter(|(_, day)| day.len() == 5)?;
    // The day must exist.
    time::range(born)?;
    let year = year.parse::<u16>().ok()?.checked_add(years)?;
    let first = time::start(&format!("{year:04}-{day}"))
        .or_else(|| time::start(&format!("{year:04}-03-01")))?;
    Some(Time(first.0.saturating_sub(14 * HOUR)))
}

/// A delegation to be given.
#[derive(Clone, Copy)]
pub struct NewDelegation<'a> {
    /// The application's own id of the delegation; it stays at home.
    pub name: &'a str,
    /// The application's own id of the patient; it stays at home.
    pub subject: &'a str,
    /// The application's own id of the delegate, such as `RelatedPerson/3`; it stays at home.
    pub delegate: &'a str,
    /// The delegate's name, as the patient knows it; it stays at home. A patient who has brought a key
    /// reads it before approving.
    pub called: &'a str,
    /// By what the delegate decides, and until when.
    pub mandate: Mandate<'a>,
    /// What it rests on, such as the number of a court's order; it stays at home.
    pub basis: &'a str,
    /// The first moment at which it holds.
    pub not_before: Time,
}

/// What the sealed document of a delegation says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// Whom it is about.
    pub subject: String,
    /// Who decides.
    pub delegate: String,
    /// The name of who decides; empty in documents that were written before it was kept.
    #[serde(default)]
    pub called: String,
    /// What the delegate is to the patient.
    pub relation: Relation,
    /// What it rests on.
    pub basis: String,
    /// The first moment at which it holds, in milliseconds since 1970; 0 in documents that were written
    /// before it was kept.
    #[serde(default)]
    pub begins: u64,
    /// The first moment at which it no longer holds, in milliseconds since 1970.
    pub lapse: u64,
}

impl Delegation {
    pub(super) fn document(&self) -> Result<Zeroizing<Vec<u8>>, SdkError> {
        let document =
            serde_json::to_vec(self).map_err(|_| SdkError::Delegation("cannot be written"))?;
        Ok(Zeroizing::new(document))
    }
}

/// A delegation that was signed.
#[derive(Clone, Debug)]
pub struct Delegated {
    /// What the ledger calls it.
    pub consent: ConsentHandle,
    /// `consent.grant`, to be anchored before the consents that rest on it.
    pub event: Event,
    /// When it ends by itself.
    pub lapse: Time,
}

impl Identity {
    /// Seals who decides for whom at home, and signs the first consent of the chain. To revoke it, by
    /// [`Identity::revoke`] with its name, ends every consent that rests on it.
    ///
    /// # Errors
    /// [`SdkError::Delegation`] when it has lapsed already, and what [`Identity::grant`] refuses: of a
    /// patient who has brought a key it is drafted ([`Identity::draft_delegation`]).
    pub fn delegate(&self, new: &NewDelegation<'_>) -> Result<Delegated, SdkError> {
        let says = self.says(new)?;
        let lapse = Time(says.lapse);
        let consented = self.grant(&NewConsent {
            name: new.name,
            root: None,
            subject: new.subject,
            grantees: &[self.participant().clone().into()],
            purposes: &[DELEGATION],
            classes: &[DELEGATION],
            records_since: self.context().now(),
            not_before: new.not_before,
            not_after: lapse,
            records: &[],
            separate: SeparateConsent::NONE,
            abroad: false,
            document: &says.document()?,
        })?;
        Ok(Delegated {
            consent: consented.consent,
            event: consented.event,
            lapse,
        })
    }

    /// What the document of a delegation will say.
    pub(super) fn says(&self, new: &NewDelegation<'_>) -> Result<Delegation, SdkError> {
        let lapse = new.mandate.lapse()?;
        if lapse <= self.context().now() {
            return Err(SdkError::Delegation("has lapsed"));
        }
        Ok(Delegation {
            subject: new.subject.to_owned(),
            delegate: new.delegate.to_owned(),
            called: new.called.to_owned(),
            relation: new.mandate.relation(),
            basis: new.basis.to_owned(),
            begins: new.not_before.0,
            lapse: lapse.0,
        })
    }

    /// What a delegation says, from the vault.
    ///
    /// # Errors
    /// [`SdkError`] when there is none of this name.
    pub fn delegation(&self, name: &str) -> Result<Delegation, SdkError> {
        let handle = RecordHandle::new(self.handle(CONSENT, name));
        let document = self.vault().open_record(handle, 1)?;
        serde_json::from_slice(&document)
            .map_err(|_| SdkError::Delegation("of that name is another consent"))
    }

    /// Grants what the delegate decided: below the delegation, and for no other time than it holds.
    ///
    /// # Errors
    /// [`SdkError::Delegation`] when it has lapsed, is about another patient, or was not approved by the
    /// patient with the key that the patient has brought, and what [`Identity::grant`] refuses.
    pub fn grant_as_delegate(
        &self,
        delegation: &str,
        new: &NewConsent<'_>,
    ) -> Result<Consented, SdkError> {
        let says = self.delegation(delegation)?;
        let lapse = Time(says.lapse);
        match () {
            () if says.subject != new.subject => {
                Err(SdkError::Delegation("is about another patient"))
            }
            () if new.root.is_some() => Err(SdkError::Delegation(
                "is the first consent of the chain, so the consent cannot name another",
            )),
            () if lapse <= self.context().now() || lapse <= new.not_before => {
                Err(SdkError::Delegation("has lapsed"))
            }
            () => {
                let keys = self.subject_keys(new.subject)?;
                self.require_approved(delegation, &says, &keys)?;
                let cut = NewConsent {
                    root: Some(delegation),
                    not_before: new.not_before.max(Time(says.begins)),
                    not_after: new.not_after.min(lapse),
                    ..*new
                };
                self.grant_under(&cut, &keys.key, true)
            }
        }
    }
}
