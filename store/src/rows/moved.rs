//! Where the last saves moved rows to, for maps that were not told yet.
//!
//! A block may be executed over a map while a save moves rows of it, and be decided after that save or
//! after the next, which has what was decided before. No later one: without a decided block nothing is
//! saved. So what a block says it replaced is found after two saves at most.

use super::Place;
use foldhash::fast::RandomState;
use medanchor_ledger::state::BucketMove;
use std::collections::{HashMap, VecDeque};

/// So many saves are remembered: one more than is needed.
const SAVES: usize = 3;

type Moved = HashMap<Place, Place, RandomState>;

/// Where rows were moved to by the last saves, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct MovedRows(VecDeque<Moved>);

impl MovedRows {
    /// Takes in what a save moved.
    pub(crate) fn push(&mut self, moves: &[BucketMove]) {
        if self.0.len() == SAVES {
            self.0.pop_front();
        }
        let places = |moved: &BucketMove| {
            let to = Place::of(&moved.to);
            let (segment, offset) = moved.from;
            let from = Place {
                segment,
                offset,
                length: to.length,
            };
            (from, to)
        };
        self.0.push_back(moves.iter().map(places).collect());
    }

    /// Where the row is that was at `place`.
    pub(crate) fn now(&self, place: Place) -> Place {
        self.0.iter().fold(place, |place, save| {
            save.get(&place).copied().unwrap_or(place)
        })
    }
}
