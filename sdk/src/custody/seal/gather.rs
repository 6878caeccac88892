//! Callers of one document each, which go into custody together.
//!
//! What always holds: callers for the same custodians, with the same certificate, that come while others are
//! sealed are sealed in one call after it, so that a custodian is asked once for all of them; whoever comes
//! alone waits for nobody. A document stands in no other's way: where a call for several fails as a whole, they
//! are sealed one by one, unless a custodian did not answer, which is so for all of them.

use super::{CustodyError, MAX_TOGETHER, SealedInCustody};
use crate::anchor::Sdk;
use crate::custody::Circle;
use crate::direct::{Certificate, Counterpart};
use crate::domain::NewRecord;
use crate::together::Together;
use medanchor_ledger::TlsKeyHash;
use std::slice;
use zeroize::Zeroizing;

/// The longest document that is copied to go with others; what a longer one costs is its own bytes.
const LONGEST: usize = 64 << 10;

/// What waits to go into custody.
pub(crate) type Gathered = Together<Document, Outcome>;

type Outcome = Result<SealedInCustody, CustodyError>;

/// A document of a caller who may be another thread.
pub(crate) struct Document {
    by: By,
    name: Zeroizing<String>,
    version: u32,
    subject: Zeroizing<String>,
    class: Zeroizing<String>,
    payload: Zeroizing<Vec<u8>>,
}

/// Whom a caller asks, and as whom.
#[derive(PartialEq)]
struct By {
    epoch: u32,
    /// Where each custodian is asked, as the caller has it in its book.
    asked: Vec<Option<Counterpart>>,
    own: TlsKeyHash,
}

impl Document {
    fn of(new: &NewRecord<'_>, circle: &Circle, own: &Certificate) -> Self {
        let asked = circle.seats.iter().map(|seat| seat.counterpart.clone());
        Self {
            by: By {
                epoch: circle.epoch(),
                asked: asked.collect(),
                own: own.key_hash(),
            },
            name: new.name.to_owned().into(),
            version: new.version,
            subject: new.subject.to_owned().into(),
            class: new.class.to_owned().into(),
            payload: new.payload.to_vec().into(),
        }
    }

    fn as_new(&self) -> NewRecord<'_> {
        NewRecord {
            name: &self.name,
            version: self.version,
            subject: &self.subject,
            class: &self.class,
            payload: &self.payload,
        }
    }

    /// Two versions of one record are sealed one after the other, as two calls would be.
    fn joins(&self, others: &[Self]) -> bool {
        let fits = |other: &Self| other.by == self.by && *other.name != *self.name;
        others.len() < MAX_TOGETHER && others.iter().all(fits)
    }
}

impl Sdk {
    /// Seals a document together with those of other callers.
    pub(super) fn seal_gathered(
        &self,
        new: &NewRecord<'_>,
        circle: &Circle,
        own: &Certificate,
    ) -> Outcome {
        let alone = |one: &NewRecord<'_>| {
            super::only(self.seal_all_in_custody(slice::from_ref(one), circle, own)?)
        };
        // A turn would wait for the call that is at this record, which may seal a study, and all with it.
        if new.payload.len() > LONGEST || self.claims().has(&self.record_handle(new.name)) {
            return alone(new);
        }
        let one = Document::of(new, circle, own);
        let work = |documents: Vec<Document>| {
            let all: Vec<_> = documents.iter().map(Document::as_new).collect();
            match self.seal_all_in_custody(&all, circle, own) {
                Ok(outcomes) => outcomes,
                Err(CustodyError::NotAcknowledged { name, why }) => {
                    let each = all.iter().map(|_| (name.clone(), why.clone()));
                    let refused = |(name, why)| Err(CustodyError::NotAcknowledged { name, why });
                    each.map(refused).collect()
                }
                Err(error) if all.len() == 1 => vec![Err(error)],
                Err(_) => all.iter().map(alone).collect(),
            }
        };
        let outcome = self
            .gathered()
            .run(one, |others, one| one.joins(others), work);
        outcome.unwrap_or_else(|| alone(new))
    }
}
