//! Buckets that were read or put away lately: a rule looks a value up, the map is updated and the
//! row is written anew within about a second.

use super::Place;
use medanchor_ledger::state::Bucket;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Buckets by where their rows stand, bounded in bytes.
#[derive(Debug)]
pub(super) struct RowCache {
    limit: usize,
    kept: Mutex<Kept>,
}

type Generation = HashMap<Place, Arc<Bucket>, foldhash::fast::RandomState>;

/// Two generations: when the young one has half the room, it becomes the old one.
#[derive(Debug, Default)]
struct Kept {
    young: Generation,
    old: Generation,
    bytes: usize,
}

/// What a bucket takes beside its bytes.
const OVERHEAD: usize = 128;

impl RowCache {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: Mutex::default(),
        }
    }

    pub(super) fn get(&self, place: &Place) -> Option<Arc<Bucket>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.young.get(place).or_else(|| kept.old.get(place));
        found.cloned()
    }

    pub(super) fn put(&self, place: Place, bucket: Arc<Bucket>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += bucket.as_bytes().len() + OVERHEAD;
        kept.young.insert(place, bucket);
        if kept.bytes > self.limit / 2 {
            kept.old = std::mem::take(&mut kept.young);
            kept.bytes = 0;
        }
    }
}
