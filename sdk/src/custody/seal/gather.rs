//! Callers of one document each, which go into custody together.
//!
//! What always holds: callers with the same circle and certificate that come while others are sealed are
//! sealed in one call after it, so that a custodian is asked once for all of them; whoever comes alone
//! waits for nobody. A document stands in no other's way: where a call for several fails as a whole, each
//! caller makes its own.

use super::{CustodyError, MAX_TOGETHER, SealedInCustody};
use crate::anchor::Sdk;
use crate::custody::Circle;
use crate::direct::Certificate;
use crate::domain::NewRecord;
use crate::together::Together;
use std::ptr;
use zeroize::Zeroizing;

/// The longest document that is copied to go with others; what a longer one costs is its own bytes.
const LONGEST: usize = 64 << 10;

/// What waits to go into custody.
pub(crate) type Gathered = Together<Document, Outcome>;

type Outcome = Result<SealedInCustody, CustodyError>;

/// A document of a caller who may be another thread.
pub(crate) struct Document {
    /// Which circle and certificate the caller has: they are borrowed as long as it waits, so that no two
    /// have one address.
    by: (usize, usize),
    name: Zeroizing<String>,
    version: u32,
    subject: Zeroizing<String>,
    class: Zeroizing<String>,
    payload: Zeroizing<Vec<u8>>,
}

impl Document {
    fn of(new: &NewRecord<'_>, circle: &Circle, own: &Certificate) -> Self {
        Self {
            by: (ptr::from_ref(circle).addr(), ptr::from_ref(own).addr()),
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
        let alone =
            || super::only(self.seal_all_in_custody(std::slice::from_ref(new), circle, own)?);
        if new.payload.len() > LONGEST {
            return alone();
        }
        let one = Document::of(new, circle, own);
        let work = |documents: Vec<Document>| {
            let all: Vec<_> = documents.iter().map(Document::as_new).collect();
            match (self.seal_all_in_custody(&all, circle, own), all.len()) {
                (Ok(outcomes), _) => outcomes,
                (Err(error), 1) => vec![Err(error)],
                (Err(_), _) => Vec::new(),
            }
        };
        let outcome = self
            .gathered()
            .run(one, |others, one| one.joins(others), work);
        outcome.unwrap_or_else(alone)
    }
}
