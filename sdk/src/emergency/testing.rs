//! The readers of the emergency journal, which are private to it: for the fuzzers.

use super::journal::{Journal, Journalled};
use medanchor_ledger::NetworkId;
use medanchor_ledger::signature::PublicKey;
use std::path::Path;

/// The entries of a journal; none if it is refused.
#[must_use]
pub fn journal(path: &Path, network: NetworkId, keys: &[PublicKey]) -> Option<Vec<Journalled>> {
    Some(Journal::open(path, network, keys).ok()?.into_entries())
}

/// What is sound in a journal, damaged or not; none if it cannot be read.
#[must_use]
pub fn salvage(path: &Path, network: NetworkId, keys: &[PublicKey]) -> Option<Vec<Journalled>> {
    Journal::salvage(path, network, keys).ok()
}
