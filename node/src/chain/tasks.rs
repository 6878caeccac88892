//! What happens by the clock: what peers may have missed is sent again.

use super::shared::Shared;
use crate::pool::Pooled;
use bytes::Bytes;
use medanchor_ledger::event::Verified;
use medanchor_network::PeerKey;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Events sent again at once.
const AT_ONCE: usize = 2_048;

/// How often cosignatures without a quorum are sent again.
const COSIGNATURES: Duration = Duration::from_millis(500);

/// How often events that are in no block yet are sent again.
const EVENTS: Duration = Duration::from_secs(5);

/// Sends again until `stop`.
pub async fn resend(shared: Arc<Shared>, stop: CancellationToken) {
    let mut cosignatures = tokio::time::interval(COSIGNATURES);
    let mut events = tokio::time::interval(EVENTS);
    let mut before = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = cosignatures.tick() => resend_cosignatures(&shared),
            _ = events.tick() => before = resend_events(&shared, before),
        }
    }
}

fn resend_cosignatures(shared: &Shared) {
    let records = shared.cosigners().tick();
    let Some(network) = shared.network.get() else {
        return;
    };
    for record in records {
        network.send_cosignature(record.encode().into());
    }
}

/// Sends a peer that has just connected the clients' events that wait.
pub fn send_events_to(shared: &Shared, peer: PeerKey) {
    let events = shared.pool().of_clients(u64::MAX, AT_ONCE);
    if let Some(network) = shared.network.get()
        && !events.is_empty()
    {
        // What finds no room is sent again by the clock.
        let _ = network.send_events_to(peer, &bytes_of(&events));
    }
}

fn bytes_of(events: &[Arc<Pooled<Verified, PeerKey>>]) -> Vec<Bytes> {
    events
        .iter()
        .map(|pooled| Bytes::copy_from_slice(pooled.event.encoded()))
        .collect()
}

/// Sends again the clients' events that came before the arrival number `before`; returns the next
/// arrival number.
pub fn resend_events(shared: &Shared, before: u64) -> u64 {
    let (events, next) = {
        let pool = shared.pool();
        (pool.of_clients(before, AT_ONCE), pool.next_arrival())
    };
    if let Some(network) = shared.network.get()
        && !events.is_empty()
    {
        // What finds no room is sent again the next time.
        let _ = network.send_events(&bytes_of(&events));
    }
    next
}
