//! The longest times in which nothing came.

use medanchor_ledger::{Height, Time};

/// A time without a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gap {
    /// How long, in milliseconds.
    pub(crate) millis: u64,
    /// When it began: the time of the block before.
    pub(crate) since: Time,
    /// The block that ended it.
    pub(crate) height: Height,
}

/// The longest gaps, the longest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps(Vec<Gap>);

impl Gaps {
    /// The most that are kept.
    const MOST: usize = 20;

    pub(crate) fn add(&mut self, gap: Gap) {
        let place = self.0.partition_point(|kept| kept.millis >= gap.millis);
        if place < Self::MOST {
            self.0.insert(place, gap);
            self.0.truncate(Self::MOST);
        }
    }

    pub(crate) fn as_slice(&self) -> &[Gap] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_are_kept_in_order() {
        let mut gaps = Gaps::default();
        for millis in (0..100).map(|at| at * 37 % 100) {
            gaps.add(Gap {
                millis,
                since: Time(millis),
                height: Height(millis),
            });
        }
        let kept: Vec<u64> = gaps.as_slice().iter().map(|gap| gap.millis).collect();
        assert_eq!(kept, (80..100).rev().collect::<Vec<_>>());
    }
}
