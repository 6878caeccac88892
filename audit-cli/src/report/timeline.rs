//! Counts over time, in cells that grow wider as the time they span grows longer.
//!
//! What always holds: there are at most [`Timeline::MOST`] cells between the first and the last, so
//! memory does not grow with the log; widths are multiples of one another, so nothing that was
//! counted moves across the border of a wider cell.

use super::clock::Clock;
use medanchor_ledger::Time;
use std::collections::BTreeMap;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Widths of cells, in milliseconds; each divides the next. From days on they keep doubling.
const WIDTHS: [i64; 10] = [
    SECOND,
    5 * SECOND,
    15 * SECOND,
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    6 * HOUR,
    DAY,
    2 * DAY,
];

/// What stands in a cell.
pub(crate) trait Tally: Default {
    /// Adds what another cell counted.
    fn absorb(&mut self, other: Self);
}

/// Cells of equal width from the first to the last that something was counted in.
pub(crate) struct Timeline<T> {
    clock: Clock,
    width: i64,
    cells: BTreeMap<i64, T>,
}

impl<T: Tally> Timeline<T> {
    /// The most cells from the first to the last.
    pub(crate) const MOST: i64 = 120;

    pub(crate) const fn new(clock: Clock) -> Self {
        Self {
            clock,
            width: SECOND,
            cells: BTreeMap::new(),
        }
    }

    /// The cell of a time.
    pub(crate) fn at(&mut self, time: Time) -> &mut T {
        let local = self.clock.local_millis(time);
        while self.span_with(local.div_euclid(self.width)) > Self::MOST {
            self.widen();
        }
        self.cells.entry(local.div_euclid(self.width)).or_default()
    }

    /// How wide each cell is, in milliseconds.
    pub(crate) const fn width(&self) -> i64 {
        self.width
    }

    /// The cells from the first to the last, none left out: when each begins, in local milliseconds,
    /// and what it counted, if it counted anything.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (i64, Option<&T>)> {
        let ends = self.cells.keys().next().zip(self.cells.keys().next_back());
        let range = ends.map_or(0..0, |(first, last)| *first..last.saturating_add(1));
        range.map(|at| (at.saturating_mul(self.width), self.cells.get(&at)))
    }

    fn span_with(&self, at: i64) -> i64 {
        let first = self.cells.keys().next().map_or(at, |first| at.min(*first));
        let last = self.cells.keys().next_back();
        let last = last.map_or(at, |last| at.max(*last));
        last.saturating_sub(first).saturating_add(1)
    }

    fn widen(&mut self) {
        let wider = WIDTHS.iter().find(|width| **width > self.width);
        let wider = wider.map_or_else(|| self.width.saturating_mul(2), |width| *width);
        let times = wider / self.width;
        for (at, tally) in std::mem::take(&mut self.cells) {
            let cell = self.cells.entry(at.div_euclid(times)).or_default();
            cell.absorb(tally);
        }
        self.width = wider;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Tally for u64 {
        fn absorb(&mut self, other: Self) {
            *self += other;
        }
    }

    #[test]
    fn cells_grow_wider_and_lose_nothing() {
        let mut timeline: Timeline<u64> = Timeline::new(Clock::UTC);
        let start = 1_700_000_000_000;
        for step in 0..10_000_u64 {
            *timeline.at(Time(start + step * 7_200_000)) += 1;
        }
        let cells: Vec<_> = timeline.cells().collect();
        assert!(cells.len() as i64 <= Timeline::<u64>::MOST);
        assert_eq!(
            cells.iter().filter_map(|(_, cell)| *cell).sum::<u64>(),
            10_000
        );
        assert!(
            cells
                .windows(2)
                .all(|two| two[1].0 - two[0].0 == timeline.width())
        );
        assert_eq!(timeline.width() % DAY, 0);
    }

    #[test]
    fn cells_that_counted_nothing_are_shown_as_such() {
        let mut timeline: Timeline<u64> = Timeline::new(Clock::UTC);
        *timeline.at(Time(0)) += 1;
        *timeline.at(Time(3_000)) += 2;
        let counted: Vec<_> = timeline.cells().map(|(_, cell)| cell.copied()).collect();
        assert_eq!(counted, [Some(1), None, None, Some(2)]);
    }

    #[test]
    fn an_earlier_time_makes_room_too() {
        let mut timeline: Timeline<u64> = Timeline::new(Clock::UTC);
        *timeline.at(Time(1_000_000_000)) += 1;
        *timeline.at(Time(0)) += 1;
        assert!(timeline.cells().count() as i64 <= Timeline::<u64>::MOST);
        assert_eq!(
            timeline.cells().filter_map(|(_, cell)| cell).sum::<u64>(),
            2
        );
    }
}
