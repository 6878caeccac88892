//! Many documents sealed at once, before what is said of them is signed.

use super::record::{CONSENT, DISPENSING, RECORD};
use crate::error::SdkError;
use crate::identity::Identity;
use medanchor_ledger::RecordHandle;
use medanchor_vault::ToSeal;

/// A document that is to be sealed ahead of what is said of it.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    domain: &'static str,
    name: &'a str,
    version: u32,
    payload: &'a [u8],
}

impl<'a> Ahead<'a> {
    /// The document of a [`NewRecord`](super::NewRecord), or of a
    /// [`NewPrescription`](super::NewPrescription), whose version is 1.
    #[must_use]
    pub const fn record(name: &'a str, version: u32, payload: &'a [u8]) -> Self {
        Self {
            domain: RECORD,
            name,
            version,
            payload,
        }
    }

    /// The dispensing document of a [`Redemption`](super::Redemption).
    #[must_use]
    pub const fn redemption(name: &'a str, payload: &'a [u8]) -> Self {
        Self {
            domain: DISPENSING,
            name,
            version: 1,
            payload,
        }
    }

    /// The consent document of a [`NewConsent`](super::NewConsent).
    #[must_use]
    pub const fn consent(name: &'a str, document: &'a [u8]) -> Self {
        Self {
            domain: CONSENT,
            name,
            version: 1,
            payload: document,
        }
    }
}

impl Identity {
    /// Seals documents together, each under a name of its own, with three waits for the disk instead
    /// of four for each: whoever imports thousands calls this first, and then [`Identity::prescribe`],
    /// [`Identity::redeem`], [`Identity::grant`] or [`Identity::seal_record`] as ever, which find their
    /// documents sealed.
    ///
    /// # Errors
    /// [`SdkError::Vault`] of the first that cannot be sealed; what was kept by then, a later call finds
    /// again.
    pub fn seal_ahead(&self, documents: &[Ahead<'_>]) -> Result<(), SdkError> {
        let payloads: Vec<ToSeal<'_>> = documents
            .iter()
            .map(|one| ToSeal {
                record: RecordHandle::new(self.handle(one.domain, one.name)),
                version: one.version,
                payload: one.payload,
            })
            .collect();
        self.vault().seal_many(&payloads)?;
        Ok(())
    }
}
