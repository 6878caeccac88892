//! The whole state in memory: for tests, examples and logs that fit.

use super::{Executed, Halt, Head, View, execute_genesis};
use crate::genesis::Genesis;
use crate::state::{Bucket, BucketChange, BucketReader, Prefix, StateKey, StateMap};
use crate::{EventId, ReadFailed, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A [`View`] that holds everything in memory.
#[derive(Clone, Debug)]
pub struct MemoryState {
    head: Head,
    values: BTreeMap<StateKey, Vec<u8>>,
    buckets: BTreeMap<Prefix, Arc<Bucket>>,
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
            values: BTreeMap::new(),
            buckets: BTreeMap::new(),
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
        for (key, change) in &*executed.changes {
            match change {
                Some(value) => self.values.insert(key.clone(), value.clone()),
                None => self.values.remove(key),
            };
        }
        for (prefix, change) in executed.map_update.buckets() {
            match change {
                BucketChange::Write { bucket, .. } => self.buckets.insert(*prefix, bucket.clone()),
                BucketChange::Empty | BucketChange::Remove => self.buckets.remove(prefix),
            };
        }
        self.head = executed.head.clone();
        let events = executed.events.iter();
        self.seen
            .extend(events.map(|event| (event.id(), event.not_after())));
        self.seen
            .retain(|_, not_after| *not_after >= self.head.time);
        Ok(())
    }

    /// Every key and value.
    pub fn values(&self) -> impl Iterator<Item = (&StateKey, &[u8])> {
        self.values
            .iter()
            .map(|(key, value)| (key, value.as_slice()))
    }
}

impl BucketReader for MemoryState {
    fn bucket(&self, prefix: &Prefix) -> Result<Arc<Bucket>, ReadFailed> {
        let bucket = self.buckets.get(prefix).map(Arc::clone);
        bucket.ok_or_else(|| ReadFailed(format!("no bucket is held under {prefix:?}").into()))
    }
}

impl View for MemoryState {
    fn head(&self) -> &Head {
        &self.head
    }

    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadFailed> {
        Ok(self.values.get(key).cloned())
    }

    fn seen(&self, id: &EventId) -> Result<bool, ReadFailed> {
        Ok(self.seen.contains_key(id))
    }

    fn map(&self) -> &StateMap {
        &self.map
    }
}
