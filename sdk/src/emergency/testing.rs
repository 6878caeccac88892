//! The readers of the emergency journal, which are private to it: for the fuzzers.

use super::journal::{Journal, Journalled, Signed, Step};
use medanchor_ledger::NetworkId;
use medanchor_ledger::signature::PublicKey;
use std::path::Path;

/// What a journal says.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its entries, in its order.
    pub entries: Vec<Journalled>,
    /// How many entries it says are lost.
    pub lost: u64,
    /// The number of the last entry, lost or not.
    pub counter: u64,
}

/// What a journal says; none if it is refused.
#[must_use]
pub fn journal(path: &Path, network: NetworkId, keys: &[PublicKey]) -> Option<Whole> {
    let journal = Journal::open(path, network, keys).ok()?;
    let lost = journal.steps().map(|step| match step {
        Step::Entry(_) => 0,
        Step::Lost(lost) => lost.count(),
    });
    Some(Whole {
        lost: lost.sum(),
        counter: journal.standing().counter,
        entries: journal.into_entries(),
    })
}

/// The entries that are sound in a journal, damaged or not; none if it cannot be read.
#[must_use]
pub fn salvage(path: &Path, network: NetworkId, keys: &[PublicKey]) -> Option<Vec<Journalled>> {
    let sound = Journal::salvage(path, network, keys).ok()?.into_iter();
    Some(sound.filter_map(Signed::into_journalled).collect())
}
