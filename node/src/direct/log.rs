//! Anchoring the roots of a custodian's release log.
//!
//! What always holds: a root is anchored again only when the log has grown; what could not be anchored
//! now is tried again at the next turn, with the root of then.

use super::custodian::Keeper;
use medanchor_ledger::Size;
use medanchor_ledger::event::CustodyLog;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often the end of the service is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Anchors the log's root whenever it has grown, at most once in `every`, until `stop`.
pub(super) fn anchor_releases(keeper: &Keeper, every: Duration, stop: &CancellationToken) {
    let mut anchored = Size(0);
    while !stop.is_cancelled() {
        if let Some((size, root)) = keeper.log_head().filter(|(size, _)| *size > anchored) {
            let event = keeper.sdk().sign(CustodyLog { size, root });
            match event.map(|event| keeper.sdk().anchor(event)) {
                Ok(Ok(_)) => anchored = size,
                Ok(Err(error)) => tracing::warn!(%error, "the release log's root waits"),
                Err(error) => tracing::warn!(%error, "the release log's root was not signed"),
            }
        }
        let next = Instant::now() + every;
        while Instant::now() < next && !stop.is_cancelled() {
            std::thread::sleep(LOOK);
        }
    }
}
