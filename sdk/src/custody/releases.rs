//! Fetching a custodian's log of releases, for `medanchor-audit releases`.
//!
//! What always holds: what comes is bounded and has the form of a log; whether it is the one that the
//! custodian anchored is for the auditor to say.

use crate::anchor::Sdk;
use crate::direct::{AddressBook, Ask, Certificate, Link, LinkError, MAX_ANSWER};
use crate::error::SdkError;
use medanchor_ledger::ParticipantName;
use medanchor_ledger::cbor::{CborError, CborFault, Reader};

/// The entries of a page; the last one may have fewer.
const MAX_PAGE: usize = 1000;
const PAGE: u64 = MAX_PAGE as u64;
/// The most bytes of an entry, and the fewest: a leaf hash stands in the place of another's.
const MAX_ENTRY: usize = 192;
const HASH: usize = 32;
/// The most bytes of a log, and so the most entries.
const MAX_LOG: usize = 256 << 20;
const MAX_ENTRIES: u64 = (MAX_LOG / HASH) as u64;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleasesError {
    /// The custodian is not in the address book.
    #[error(
        "the address book has no entry of that custodian; add the one that it printed when it was set up"
    )]
    NotInBook,
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
    /// It has more than this release takes.
    #[error(
        "the log of {0} says that it has more entries than this release takes ({MAX_ENTRIES}); tell the authorities"
    )]
    TooLong(ParticipantName),
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
        let counterpart = book.get(custodian).ok_or(ReleasesError::NotInBook)?;
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
            match next(first, size, count) {
                _ if pages.len() > MAX_LOG => {
                    return Err(ReleasesError::TooLong(custodian.clone()));
                }
                Next::Over => return Ok(pages),
                Next::From(next) => first = next,
                Next::TooLong => return Err(ReleasesError::TooLong(custodian.clone())),
                Next::Endless => return Err(ReleasesError::Endless(custodian.clone())),
            }
        }
    }
}

/// What follows a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It was the last.
    Over,
    /// The page from this entry on.
    From(u64),
    /// The log has more entries than are taken.
    TooLong,
    /// The page has not the entries that it should have.
    Endless,
}

/// What follows a page from entry `first` on, with `count` entries of a log that has `size`.
const fn next(first: u64, size: u64, count: u64) -> Next {
    let Some(left) = size.checked_sub(first) else {
        return Next::Endless;
    };
    match count {
        _ if size > MAX_ENTRIES => Next::TooLong,
        _ if count == left && count <= PAGE => Next::Over,
        PAGE if count < left => Next::From(first + count),
        _ => Next::Endless,
    }
}

/// How many entries a log has, and how many of them a page.
pub(super) fn measured(page: &[u8]) -> Result<(u64, u64), CborError> {
    let mut reader = Reader::new(page);
    reader.array(3..=3)?;
    let size = reader.uint()?;
    let _root: [u8; 32] = reader.fixed()?;
    let count = reader.array(0..=MAX_PAGE)?;
    for _ in 0..count {
        let fault = reader.fault(CborFault::Value);
        if reader.bytes(MAX_ENTRY)?.len() < HASH {
            return Err(fault);
        }
    }
    reader.finish()?;
    Ok((size, count as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::cbor::Writer;

    fn page(size: u64, entries: &[&[u8]]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(3).uint(size).bytes(&[7; 32]);
        writer.array(entries.len());
        for entry in entries {
            writer.bytes(entry);
        }
        writer.into_bytes()
    }

    #[test]
    fn a_page_has_entries_and_leaf_hashes_and_nothing_else() {
        let good = page(2, &[&[1; 187], &[2; 32]]);
        assert_eq!(measured(&good).unwrap(), (2, 2));
        for bad in [&[][..], &[1], &[1; 31], &[1; 193]] {
            assert!(measured(&page(1, &[bad])).is_err(), "{}", bad.len());
        }
        assert!(measured(&[good, vec![0]].concat()).is_err());
    }

    /// A custodian answered with one short entry a page of a log that never ended, and was asked for another
    /// page until a quarter of a gigabyte was held.
    #[test]
    fn every_page_but_the_last_is_full_and_the_log_ends() {
        assert_eq!(next(0, 0, 0), Next::Over);
        assert_eq!(next(0, 1000, 1000), Next::Over);
        assert_eq!(next(0, 1001, 1000), Next::From(1000));
        assert_eq!(next(1000, 1001, 1), Next::Over);
        // It grew while it was fetched.
        assert_eq!(next(1000, 1700, 700), Next::Over);
        for (first, size, count) in [
            (0, 3, 1),
            (0, 2000, 999),
            (0, 5, 0),
            (0, 3, 4),
            (1000, 999, 0),
        ] {
            assert_eq!(
                next(first, size, count),
                Next::Endless,
                "{first} {size} {count}"
            );
        }
        for size in [MAX_ENTRIES + 1, u64::MAX] {
            assert_eq!(next(0, size, 1), Next::TooLong);
        }
    }
}
