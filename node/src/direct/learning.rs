//! What a custodian learns of the deals that it took: which of them are on the ledger.
//!
//! What always holds: an owner has no more deals here than the bound that are not known to be on the ledger;
//! one that comes near it makes the custodian ask the ledger for the oldest of them, a batch at a time,
//! proved as everything else; nothing is destroyed for not being found, since its owner may still anchor it.

use super::custodian::Keeper;
use medanchor_ledger::rules::Record;
use medanchor_ledger::{ParticipantName, RecordHandle, Time};
use medanchor_vault::custody::Custodian;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The code of a refusal of an owner whose deals are at the bound.
pub(super) const TOO_MANY_UNANCHORED: &str = "custody.too-many-unanchored";
/// The most records that the ledger is asked for at once: two calls' worth of deals.
const BATCH: usize = 256;
/// How long nothing is asked of an owner of whose deals none was found, in milliseconds: it costs the owner
/// nothing and the nodes some work.
const PAUSE: u64 = 5_000;

/// How long one batch may take, in milliseconds: nodes may be slow.
const LONGEST: u64 = 5_000;

/// When the ledger was last asked, by owner, unless something was found.
#[derive(Default)]
pub(super) struct Learning(Mutex<BTreeMap<ParticipantName, Time>>);

impl Learning {
    /// Whether it is time to ask; then nobody else does for a while.
    fn begins(&self, owner: &ParticipantName, now: Time) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.get(owner);
        let waits = before.is_some_and(|time| now.0.abs_diff(time.0) < PAUSE);
        if !waits {
            asked.insert(owner.clone(), now);
        }
        !waits
    }

    fn found(&self, owner: &ParticipantName) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.remove(owner);
    }
}

/// Tells the store what the ledger has. What cannot be written is told again another time.
pub(super) fn knows(
    store: &mut Custodian,
    owner: &ParticipantName,
    records: &[(RecordHandle, u32)],
) {
    if let Err(error) = store.anchored(owner, records) {
        tracing::warn!(%error, "that the ledger has an owner's deals was not written down whole; they may count on");
    }
}

impl Keeper {
    /// Asks the ledger for an owner's oldest deals if these new ones leave it little room.
    pub(super) fn learn(&self, owner: &ParticipantName, coming: usize) {
        let began = self.sdk().now();
        let batch = {
            let mut store = self.store();
            let little = store.room(owner) < coming.saturating_add(BATCH);
            if !little || !self.learning.begins(owner, began) {
                return;
            }
            store.unanchored(owner, BATCH)
        };
        let mut found = Vec::new();
        for (record, version) in batch {
            match self.value::<Record>(&Record::key(owner, &record)) {
                Ok(Some(state)) if state.version >= version => found.push((record, version)),
                Ok(_) => {}
                // Nobody can be asked; the bound holds all the same.
                Err(_) => break,
            }
            if self.sdk().now().0.abs_diff(began.0) > LONGEST {
                break;
            }
        }
        if !found.is_empty() {
            self.learning.found(owner);
            knows(&mut self.store(), owner, &found);
        }
    }
}
