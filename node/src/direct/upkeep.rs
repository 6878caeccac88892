//! What the service of an owner's vault does by itself: the emergency journal is anchored whenever it has
//! grown, and stated once a day even when nothing was opened; what a crash left of a sealing into custody
//! that is anchored is ended.
//!
//! What always holds: what could not be done is tried again, at least once a minute; a journal that was
//! rolled back is an error in the service's log each time.

use medanchor_sdk::Sdk;
use medanchor_sdk::emergency::EmergencyError;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often the end of the service is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// The pause after a failure, at most.
const AGAIN: Duration = Duration::from_secs(60);
/// A statement that is older than this is made again: well before the day is over.
const DUE: Duration = Duration::from_secs(20 * 60 * 60);

/// Looks once in `every` whether something is to be done, until `stop`.
pub(super) fn keep_up(sdk: &Sdk, every: Duration, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match settled(sdk) & anchored(sdk) {
            true => every,
            false => every.min(AGAIN),
        };
        let next = Instant::now() + pause;
        while Instant::now() < next && !stop.is_cancelled() {
            std::thread::sleep(LOOK);
        }
    }
}

/// Whether every record that the ledger has in custody is entrusted to the custodians alone.
fn settled(sdk: &Sdk) -> bool {
    match sdk.settle_custody() {
        Ok(0) => true,
        Ok(records) => {
            tracing::info!(records, "sealings that were cut off are ended");
            true
        }
        Err(error) => {
            tracing::warn!(%error, "sealings that were cut off wait");
            false
        }
    }
}

/// Whether the ledger has the emergency journal as it is now.
fn anchored(sdk: &Sdk) -> bool {
    if !sdk.vault().has_emergency_key() {
        return true;
    }
    match sdk.anchor_emergency(DUE) {
        Ok(done) => {
            let (entries, stated) = (done.entries.len(), done.stated.is_some());
            if entries > 0 || stated {
                tracing::info!(entries, stated, "the emergency journal is anchored");
            }
            true
        }
        Err(error @ (EmergencyError::RolledBack { .. } | EmergencyError::Forked { .. })) => {
            tracing::error!(%error, "the emergency journal is not the one that was anchored");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "the emergency journal waits");
            false
        }
    }
}
