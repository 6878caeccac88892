//! The whole state in memory: for tests, examples and logs that fit.

use super::{Executed, Halt, Head, View, execute_genesis};
use crate::genesis::Genesis;
use crate::state::StateMap;
use crate::{EventId, ReadFailed, Time};
use std::collections::BTreeMap;

/// A [`View`] that holds everything in memory.
#[derive(Clone, Debug)]
pub struct MemoryState {
    head: Head,
    map: StateMap,
    /// Events of the replay window, with their not-after.
    seen: BTreeMap<EventId, Time>,
}

impl MemoryState {
    /// The state after height 0.
    ///
    /// # Errors
    /// [`Halt`] if height 0 cannot be executed.
    pub fn genesis(genesis: &Genesis) -> Result<Self, Halt> {
        let executed = execute_genesis(genesis)?;
        let mut state = Self {
            head: executed.head.clone(),
            map: StateMap::empty(),
            seen: BTreeMap::new(),
        };
        state.apply(&executed)?;
        Ok(state)
    }

    /// Becomes the state after a block that was executed over this one.
    ///
    /// # Errors
    /// [`Halt`] when it was executed over another state; this one then stays as it is.
    pub fn apply(&mut self, executed: &Executed) -> Result<(), Halt> {
        self.map
            .apply(&executed.map_update)
            .map_err(|stale| ReadFailed(Box::new(stale)))?;
        self.head = executed.head.clone();
        let events = executed.events.iter();
        self.seen
            .extend(events.map(|event| (event.id(), event.not_after())));
        self.seen
            .retain(|_, not_after| *not_after >= self.head.time);
        Ok(())
    }
}

impl View for MemoryState {
    fn head(&self) -> &Head {
        &self.head
    }

    fn seen(&self, id: &EventId) -> Result<bool, ReadFailed> {
        Ok(self.seen.contains_key(id))
    }

    fn map(&self) -> &StateMap {
        &self.map
    }
}
