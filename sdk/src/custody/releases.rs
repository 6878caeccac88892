//! Fetching a custodian's log of releases, for `medanchor-audit releases`.
//!
//! What always holds: what comes is bounded and has the form of a log; whether it is the one that the
//! custodian anchored is for the auditor to say.

use crate::anchor::Sdk;
use crate::direct::{AddressBook, Ask, Certificate, Link, LinkError, MAX_ANSWER};
use crate::error::SdkError;
use medanchor_ledger::ParticipantName;
use medanchor_ledger::cbor::{CborError, Reader};

/// The most bytes of a log.
const MAX_LOG: usize = 256 << 20;
/// The most entries of a page, and the most bytes of an entry.
const MAX_PAGE: usize = 1000;
const MAX_ENTRY: usize = 192;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleasesError {
    /// The custodian is not in the address book.
    #[error("the address book has no entry of {0}; add the one that it printed when it was set up")]
    NotInBook(ParticipantName),
    /// The custodian gave none.
    #[error("{0}")]
    Link(Box<LinkError>),
    /// What it gave is none.
    #[error("{custodian} gave no log of releases ({why}); tell the authorities")]
    NoLog {
        /// The custodian.
        custodian: ParticipantName,
        /// What is wrong with it.
        why: CborError,
    },
    /// It does not end.
    #[error("the log of {0} does not end where it says; tell the authorities")]
    Endless(ParticipantName),
    /// Signing.
    #[error(transparent)]
    Sdk(#[from] SdkError),
}

impl From<LinkError> for ReleasesError {
    fn from(error: LinkError) -> Self {
        Self::Link(Box::new(error))
    }
}

impl Sdk {
    /// A custodian's log of releases, page after page, as the auditor reads it. A regulator gets every
    /// entry whole; others get those of their own records, and leaf hashes in the places of the rest.
    ///
    /// # Errors
    /// [`ReleasesError`].
    pub fn release_log(
        &self,
        custodian: &ParticipantName,
        book: &AddressBook,
        own: &Certificate,
    ) -> Result<Vec<u8>, ReleasesError> {
        let missing = || ReleasesError::NotInBook(custodian.clone());
        let counterpart = book.get(custodian).ok_or_else(missing)?;
        let link = Link::new(own, counterpart, None, self.client().config())?;
        let (mut pages, mut first) = (Vec::new(), 0);
        loop {
            let ask = Ask::ReleaseLog;
            let body = u64::to_be_bytes(first).to_vec();
            let statement = self.state_to(custodian, own, ask, body)?;
            let page = link.ask(ask, &statement, MAX_ANSWER)?;
            let (size, count) = measured(&page).map_err(|why| ReleasesError::NoLog {
                custodian: custodian.clone(),
                why,
            })?;
            pages.extend_from_slice(&page);
            first += count;
            if first == size {
                return Ok(pages);
            }
            if count == 0 || first > size || pages.len() > MAX_LOG {
                return Err(ReleasesError::Endless(custodian.clone()));
            }
        }
    }
}

/// How many entries a log has, and how many of them a page.
fn measured(page: &[u8]) -> Result<(u64, u64), CborError> {
    let mut reader = Reader::new(page);
    reader.array(3..=3)?;
    let size = reader.uint()?;
    let _root: [u8; 32] = reader.fixed()?;
    let count = reader.array(0..=MAX_PAGE)?;
    for _ in 0..count {
        reader.bytes(MAX_ENTRY)?;
    }
    reader.finish()?;
    Ok((size, count as u64))
}
