//! Rows that were read lately: a rule looks a value up, the map is updated and the row is written
//! anew within about a second.

use super::Place;
use super::row::Row;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of rows kept.
const LIMIT: usize = 12 << 20;

#[derive(Debug, Default)]
pub(super) struct RowCache(Mutex<Kept>);

/// Two generations: when the young one has half the room, it becomes the old one.
#[derive(Debug, Default)]
struct Kept {
    young: HashMap<Place, Arc<Row>>,
    old: HashMap<Place, Arc<Row>>,
    bytes: usize,
}

impl RowCache {
    pub(super) fn get(&self, place: &Place) -> Option<Arc<Row>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.young
            .get(place)
            .or_else(|| kept.old.get(place))
            .cloned()
    }

    pub(super) fn put(&self, place: Place, row: Arc<Row>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // In memory a row takes its bytes once more for allocation and structure.
        kept.bytes += 2 * row.length();
        kept.young.insert(place, row);
        if kept.bytes > LIMIT / 2 {
            kept.old = std::mem::take(&mut kept.young);
            kept.bytes = 0;
        }
    }
}
