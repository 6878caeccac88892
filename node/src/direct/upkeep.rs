//! What the service of an owner's vault does by itself: the emergency journal is anchored whenever it has
//! grown, and stated once a day even when nothing was opened; what a crash left of a sealing into custody
//! that is anchored is ended; events that were signed before and are not settled are taken up, once.
//!
//! What always holds: what could not be done is tried again, at least once a minute, but for an event that a
//! node took and that waits: that is taken up at the next start; the journal is stated
//! an hour before its day is over, if a node can be asked by then; a journal that was rolled back, or an
//! emergency key that is gone, is an error in the service's log each time.

use super::pause::pause;
use medanchor_sdk::emergency::EmergencyError;
use medanchor_sdk::{AnchorError, ClientError, Sdk};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often sealings that were cut off are looked for, and the pause after a failure, at most. Where none
/// is under way, to look is to read a folder.
const TURN: Duration = Duration::from_secs(60);
/// A statement that is older than this is made again, at the latest.
const DUE: Duration = Duration::from_secs(20 * 60 * 60);
/// A statement may not become older than this before the next is tried: the day has an hour left then.
const LAST: Duration = Duration::from_secs(23 * 60 * 60);

/// Ends sealings that were cut off, once a minute, and looks once in `every` whether the journal is to be
/// anchored or stated, until `stop`. Takes up what was left unsettled as soon as a node can be asked.
pub(super) fn keep_up(sdk: &Sdk, every: Duration, stop: &CancellationToken) {
    let (mut next, mut resumed) = (Instant::now(), false);
    while !stop.is_cancelled() {
        settle(sdk);
        let now = Instant::now();
        if next <= now {
            next = match anchored(sdk, due(every)) {
                true => now + every,
                false => now + every.min(TURN),
            };
        }
        // Only now: an event that waits holds this up for as long as a client is patient.
        resumed = resumed || stop.is_cancelled() || resume(sdk);
        pause(
            TURN.min(next.saturating_duration_since(Instant::now())),
            stop,
        );
    }
}

/// How old a statement is that is made anew, where the next look is `every` later.
fn due(every: Duration) -> Duration {
    DUE.min(LAST.saturating_sub(every))
}

/// Sees to it that every record that the ledger has in custody is entrusted to the custodians alone.
fn settle(sdk: &Sdk) {
    match sdk.settle_custody() {
        Ok(0) => {}
        Ok(records) => tracing::info!(records, "sealings that were cut off are ended"),
        Err(error) => tracing::warn!(%error, "sealings that were cut off wait"),
    }
}

/// Posts what was signed before and is not settled; whether a node could be asked.
fn resume(sdk: &Sdk) -> bool {
    let results = sdk.resume();
    let refused: Vec<&AnchorError> = results
        .iter()
        .filter_map(|one| one.as_ref().err())
        .collect();
    for error in &refused {
        tracing::warn!(%error, "an event from before the start is not anchored");
    }
    let events = results.len() - refused.len();
    if events > 0 {
        tracing::info!(events, "events from before the start are anchored");
    }
    let lost =
        |error: &&AnchorError| matches!(error, AnchorError::Client(ClientError::Unreachable(_)));
    !refused.iter().any(lost)
}

/// Whether the ledger has the emergency journal as it is now.
fn anchored(sdk: &Sdk, due: Duration) -> bool {
    if sdk.vault().lost_emergency_key() {
        let error = medanchor_vault::EmergencyError::Lost;
        tracing::error!(%error, "records are sealed without an emergency wrap");
    }
    if !sdk.vault().has_emergency_key() {
        return true;
    }
    match sdk.anchor_emergency(due) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// With a look every four hours, which the configuration allows, a statement came a day after the last.
    #[test]
    fn no_statement_waits_into_the_last_hour_of_its_day() {
        let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
        for every in [Duration::from_secs(1), hours(1), hours(3), hours(4)] {
            assert!(due(every) + every <= hours(23), "{every:?}");
        }
        assert_eq!(due(hours(1)), hours(20));
    }
}
