//! The ids of the replay window: events that were anchored and would still be in time.
//!
//! What always holds: an id is here from its block on for as long as its not-after has not passed;
//! an event whose not-after has passed is refused as expired before anybody asks for its id.

use foldhash::fast::RandomState;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::{EventId, Time};
use std::collections::HashMap;

/// Ids that are let go together: sweeping costs a look at every id.
const LEAST_SWEPT: usize = 1 << 16;

/// Ids with their not-after.
#[derive(Debug, Default)]
pub(crate) struct Window {
    ids: HashMap<EventId, Time, RandomState>,
    /// How many ids were left after the last sweep.
    kept: usize,
}

impl Window {
    pub(crate) fn contains(&self, id: &EventId) -> bool {
        self.ids.contains_key(id)
    }

    /// Takes in a block, and lets expired ids go once there may be as many of them as of others.
    pub(crate) fn absorb(&mut self, executed: &Executed) {
        let events = executed.events.iter();
        self.ids
            .extend(events.map(|event| (event.id(), event.not_after())));
        self.sweep(executed.head.time);
    }

    fn sweep(&mut self, now: Time) {
        if self.ids.len() > 2 * self.kept + LEAST_SWEPT {
            self.ids.retain(|_, not_after| *not_after >= now);
            self.kept = self.ids.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> EventId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        EventId::new(bytes)
    }

    #[test]
    fn only_expired_ids_are_let_go_and_they_are_in_time() {
        let mut window = Window::default();
        for number in 0..500_000u64 {
            window.ids.insert(id(number), Time(number + 10_000));
            window.sweep(Time(number));
            assert!(window.contains(&id(number.saturating_sub(10_000))));
        }
        assert!(window.ids.len() < 4 * LEAST_SWEPT, "{}", window.ids.len());
    }
}
