//! The states of the newest heights, so that what they hold can be proved.
//!
//! What always holds: at most so many heights are kept, and what they may keep alive beside the
//! newest state stays within a bound; the oldest is let go first. The newest one that a published
//! checkpoint covers is kept besides, so that there is always a state that can be proved to others.
//!
//! A map shares with its successor all that did not change. What an old one keeps alive is what later
//! heights replaced: nodes of the tree, versions of buckets (in memory, if they were replaced before
//! they were saved), and the files of their rows, which stay open although they are deleted. All
//! three grow with the number of changed keys, so each height is charged for its own: that is more
//! than it really keeps, never less.

use medanchor_ledger::Height;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::state::StateMap;
use std::collections::VecDeque;

/// The page of places and the nodes above it that one changed key replaces.
const NODES: usize = 4096;
/// Leaves of the bucket that it replaces, as many as one has.
const LEAVES: usize = 20;
/// Path, root and end of a leaf.
const LEAF: usize = 68;
/// What a height takes by itself.
const HEIGHT: usize = 256;

#[derive(Debug)]
struct KeptState {
    height: Height,
    map: StateMap,
    charge: usize,
}

/// The states of the newest heights.
#[derive(Debug)]
pub(crate) struct Kept {
    states: VecDeque<KeptState>,
    bytes: usize,
    /// The newest one that a published checkpoint covers.
    published: Option<(Height, StateMap)>,
    max_heights: usize,
    max_bytes: usize,
}

impl Kept {
    pub(crate) fn new(height: Height, map: StateMap, max_heights: usize, max_bytes: usize) -> Self {
        let mut kept = Self {
            states: VecDeque::new(),
            bytes: 0,
            published: None,
            max_heights,
            max_bytes,
        };
        kept.push(height, map, HEIGHT);
        kept
    }

    /// Takes in the state after a decided block.
    pub(crate) fn absorb(&mut self, executed: &Executed) {
        let map = executed.map_update.map().clone();
        self.push(executed.seal.height, map, charge(executed));
    }

    fn push(&mut self, height: Height, map: StateMap, charge: usize) {
        self.bytes += charge;
        self.states.push_back(KeptState {
            height,
            map,
            charge,
        });
        while self.states.len() > self.max_heights.max(1) || self.bytes > self.max_bytes {
            let Some(oldest) = self.states.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.charge);
            if self.states.is_empty() {
                // The newest state is in memory anyway.
                self.states.push_back(KeptState {
                    charge: 0,
                    ..oldest
                });
                break;
            }
        }
    }

    /// A published checkpoint covers the heights up to this one.
    pub(crate) fn publish(&mut self, height: Height) {
        let covered = self.states.iter().rev().find(|kept| kept.height <= height);
        if let Some(covered) = covered {
            self.published = Some((covered.height, covered.map.clone()));
        }
    }

    /// The newest state that a published checkpoint covers.
    pub(crate) fn newest_published(&self) -> Option<(Height, StateMap)> {
        self.published.clone()
    }

    /// The state after a height, if it is kept.
    pub(crate) fn at(&self, height: Height) -> Option<StateMap> {
        let published = self.published.iter();
        let published = published.map(|(height, map)| (*height, map));
        let kept = self.states.iter().map(|kept| (kept.height, &kept.map));
        let mut all = kept.chain(published);
        all.find(|(found, _)| *found == height)
            .map(|(_, map)| map.clone())
    }

    /// The oldest height of the unbroken row of kept ones.
    pub(crate) fn oldest(&self) -> Option<Height> {
        self.states.front().map(|kept| kept.height)
    }
}

/// About the most that this block's changes made its predecessors keep alive.
fn charge(executed: &Executed) -> usize {
    let changes = executed.changes.values();
    let bytes = changes.map(|value| {
        let value = value.as_ref().map_or(0, Vec::len);
        NODES + LEAVES * (LEAF + value)
    });
    HEIGHT + bytes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(max_heights: usize, max_bytes: usize) -> Kept {
        Kept::new(Height(0), StateMap::empty(), max_heights, max_bytes)
    }

    fn fill(kept: &mut Kept, heights: std::ops::RangeInclusive<u64>, charge: usize) {
        for height in heights {
            kept.push(Height(height), StateMap::empty(), charge);
        }
    }

    #[test]
    fn the_oldest_heights_are_let_go_by_number_and_by_size() {
        let mut few = kept(3, usize::MAX);
        fill(&mut few, 1..=9, 1);
        assert_eq!(few.oldest(), Some(Height(7)));
        assert!(few.at(Height(6)).is_none() && few.at(Height(9)).is_some());
        let mut small = kept(100, 1000);
        fill(&mut small, 1..=9, 300);
        assert_eq!((small.oldest(), small.bytes), (Some(Height(7)), 900));
    }

    #[test]
    fn the_newest_state_is_kept_however_large_its_block_was() {
        let mut kept = kept(100, 1000);
        fill(&mut kept, 1..=2, 5000);
        assert_eq!((kept.oldest(), kept.bytes), (Some(Height(2)), 0));
        fill(&mut kept, 3..=3, 10);
        assert_eq!(kept.oldest(), Some(Height(2)));
    }

    #[test]
    fn the_newest_published_state_outlives_the_others() {
        let mut kept = kept(2, usize::MAX);
        assert!(kept.newest_published().is_none());
        fill(&mut kept, 1..=2, 1);
        kept.publish(Height(1));
        fill(&mut kept, 3..=9, 1);
        assert!(kept.at(Height(1)).is_some() && kept.at(Height(2)).is_none());
        kept.publish(Height(8));
        assert_eq!(kept.newest_published().unwrap().0, Height(8));
        assert!(kept.at(Height(1)).is_none());
    }
}
