//! The ids of the replay window: events that were anchored and would still be in time.
//!
//! What always holds: an id is here from its block on for as long as its not-after has not passed;
//! an event whose not-after has passed is refused as expired before anybody asks for its id.

use foldhash::fast::RandomState;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::{EventId, Time};
use std::collections::HashMap;

/// Ids that are let go together, besides a quarter of those in time: sweeping costs a look at every
/// id. (One set for each minute lets go sooner, but asking 16 sets for an id takes 3.2 us where one
/// takes 0.2.)
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

    /// Takes in a block, and lets expired ids go once there may be a quarter as many of them as of
    /// others.
    pub(crate) fn absorb(&mut self, executed: &Executed) {
        let events = executed.events.iter();
        self.ids
            .extend(events.map(|event| (event.id(), event.not_after())));
        self.sweep(executed.head.time);
    }

    fn sweep(&mut self, now: Time) {
        if self.ids.len() > self.limit() {
            self.ids.retain(|_, not_after| *not_after >= now);
            self.kept = self.ids.len();
            // Never so small that it must grow before the next sweep.
            self.ids.shrink_to(self.limit());
        }
    }

    /// How many ids are held before those that have expired are let go.
    const fn limit(&self) -> usize {
        self.kept + self.kept / 4 + LEAST_SWEPT
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
        const LIVE: u64 = 400_000;
        let mut window = Window::default();
        for number in 0..4 * LIVE {
            window.ids.insert(id(number), Time(number + LIVE));
            window.sweep(Time(number));
            assert!(window.contains(&id(number.saturating_sub(LIVE))));
            let most = LIVE as usize * 5 / 4 + LEAST_SWEPT + 2;
            assert!(window.ids.len() <= most, "{}", window.ids.len());
        }
    }

    #[test]
    fn memory_is_given_back_after_a_flood() {
        let mut window = Window::default();
        for number in 0..1_000_000 {
            window.ids.insert(id(number), Time(1));
        }
        window.sweep(Time(2));
        assert!(window.ids.is_empty());
        assert!(window.ids.capacity() < 4 * LEAST_SWEPT);
    }
}
