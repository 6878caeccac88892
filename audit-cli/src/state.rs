//! The state that the audit computes as it goes, block by block.
//!
//! What always holds: it holds what the rules made of the log so far, and nothing that any node
//! said.

use crate::fault::Trouble;
use medanchor_ledger::execute::{Executed, Head, View};
use medanchor_ledger::state::{Bucket, BucketChange, BucketReader, Prefix, StateKey, StateMap};
use medanchor_ledger::{EventId, ReadFailed, StateRoot, Time};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The state after one height.
pub(crate) struct AuditState {
    head: Head,
    map: StateMap,
    values: BTreeMap<StateKey, Vec<u8>>,
    buckets: BTreeMap<Prefix, Arc<Bucket>>,
    /// Events that may still be replayed, until when.
    seen: BTreeMap<EventId, Time>,
}

impl AuditState {
    /// The state that genesis lays down.
    pub(crate) fn new(_work: Option<&Path>, first: &Executed) -> Result<Self, Trouble> {
        let mut state = Self {
            head: first.head.clone(),
            map: StateMap::empty(),
            values: BTreeMap::new(),
            buckets: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        state.apply(first)?;
        Ok(state)
    }

    /// Takes over what a block changed.
    pub(crate) fn apply(&mut self, executed: &Executed) -> Result<(), Trouble> {
        self.map
            .apply(&executed.map_update)
            .map_err(|error| Trouble::Work(error.to_string()))?;
        for (key, value) in executed.changes.iter() {
            match value {
                Some(value) => drop(self.values.insert(key.clone(), value.clone())),
                None => drop(self.values.remove(key)),
            }
        }
        for (prefix, change) in executed.map_update.buckets() {
            match change {
                BucketChange::Write { bucket, .. } => {
                    self.buckets.insert(*prefix, Arc::clone(bucket));
                }
                _ => drop(self.buckets.remove(prefix)),
            }
        }
        for event in executed.events.iter() {
            self.seen.insert(event.id(), event.not_after());
        }
        self.head = executed.head.clone();
        Ok(())
    }

    /// The root of the state.
    pub(crate) fn root(&self) -> StateRoot {
        self.map.root()
    }
}

impl View for AuditState {
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

impl BucketReader for AuditState {
    fn bucket(&self, prefix: &Prefix) -> Result<Bucket, ReadFailed> {
        let found = self.buckets.get(prefix).map(|bucket| (**bucket).clone());
        found.ok_or_else(|| ReadFailed("a bucket of the audit's state is missing".into()))
    }
}
