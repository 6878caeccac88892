//! Building a candidate: events of the pool in arrival order, until time or bytes are used up.
//!
//! What always holds: an event is refused for good only against the decided state, never because
//! of another event that merely stands before it in an undecided candidate.

use super::shared::Shared;
use crate::pool::Pooled;
use medanchor_ledger::event::Verified;
use medanchor_ledger::execute::{BlockBuilder, Candidate, Halt, View};
use medanchor_ledger::rules::{Rejection, Rule};
use medanchor_ledger::{EventId, Time};
use medanchor_network::PeerKey;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A candidate and when it was built.
pub struct Built {
    /// The executed block, without its seal.
    pub candidate: Candidate,
    /// When it was finished.
    pub at: Instant,
    /// How long that took.
    pub took: Duration,
}

impl Built {
    /// A candidate whose time lies too far back to be proposed.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.at.elapsed() > Duration::from_millis(500)
    }
}

/// Bytes of a block that its seal and framing take.
const OVERHEAD: u64 = 1024;

/// What became of the events that were tried.
#[derive(Default)]
struct Verdicts {
    waiting: Vec<(EventId, Rejection)>,
    refused: Vec<(EventId, Rejection)>,
}

/// Builds the block after the view's head out of the pool; takes no more events after `patience`,
/// and the state after them takes its time on top of that.
///
/// # Errors
/// [`Halt`] when storage cannot be read.
pub fn build(shared: &Shared, view: &dyn View, patience: Duration) -> Result<Built, Halt> {
    let start = Instant::now();
    let now = Shared::clock();
    let room = u64::from(shared.consensus.max_block_bytes).saturating_sub(OVERHEAD);
    let picked = shared.pool().pick(room);
    let mut builder = BlockBuilder::new(view, now)?;
    let mut verdicts = Verdicts::default();
    for event in picked {
        if !try_one(&mut builder, view, now, &event, &mut verdicts)? || start.elapsed() > patience {
            break;
        }
    }
    record(shared, verdicts);
    let candidate = builder.finish()?;
    let took = start.elapsed();
    metrics::histogram!("medanchor_block_build_seconds").record(took);
    Ok(Built {
        candidate,
        at: Instant::now(),
        took,
    })
}

/// Looks which events of a small pool apply to the view's head, so that those that never can are
/// answered without waiting for this node's turn to propose.
///
/// # Errors
/// [`Halt`] when storage cannot be read.
pub fn sweep(shared: &Shared, view: &dyn View, patience: Duration) -> Result<(), Halt> {
    let start = Instant::now();
    let now = Shared::clock();
    let room = u64::from(shared.consensus.max_block_bytes);
    let mut verdicts = Verdicts::default();
    let picked = shared.pool().pick(room);
    let mut builder = BlockBuilder::new(view, now)?;
    for event in picked {
        if !try_one(&mut builder, view, now, &event, &mut verdicts)? || start.elapsed() > patience {
            break;
        }
    }
    record(shared, verdicts);
    Ok(())
}

/// Tries an event; false when the block is full.
fn try_one(
    builder: &mut BlockBuilder<'_>,
    view: &dyn View,
    now: Time,
    event: &Arc<Pooled<Verified, PeerKey>>,
    verdicts: &mut Verdicts,
) -> Result<bool, Halt> {
    let Err(rejection) = builder.push(&event.event)? else {
        return Ok(true);
    };
    if rejection.rule == Rule::BlockFull {
        return Ok(false);
    }
    if rejection.later() {
        verdicts.waiting.push((event.id, rejection));
        return Ok(true);
    }
    // Alone against the decided state: what stands before it in this candidate may never be decided.
    match BlockBuilder::new(view, now)?.push(&event.event)? {
        Err(rejection) if !rejection.later() => verdicts.refused.push((event.id, rejection)),
        _ => {}
    }
    Ok(true)
}

fn record(shared: &Shared, verdicts: Verdicts) {
    let refused = verdicts.refused.len() as u64;
    metrics::counter!("medanchor_events_rejected_total").increment(refused);
    let mut pool = shared.pool();
    for (id, rejection) in verdicts.waiting {
        shared.outcomes.set_aside(id, rejection);
        pool.set_aside(&id);
    }
    for (id, _) in &verdicts.refused {
        pool.remove(id);
    }
    drop(pool);
    for (id, rejection) in verdicts.refused {
        shared.outcomes.rejected(id, rejection);
    }
}
