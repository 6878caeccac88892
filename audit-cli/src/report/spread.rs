//! How durations spread: counts in steps of equal length, and the longest one.
//!
//! What always holds: memory is that of the steps, whatever is added; a percentile is the end of the
//! step in which it lies, so it is never shown as less than it was.

/// Counts of durations.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    step: u64,
    cells: Vec<u64>,
    /// Of those beyond the last step.
    above: u64,
    count: u64,
    longest: u64,
}

impl Spread {
    /// Counts in `steps` steps of `step` milliseconds.
    pub(crate) fn new(step: u64, steps: usize) -> Self {
        Self {
            step: step.max(1),
            cells: vec![0; steps],
            above: 0,
            count: 0,
            longest: 0,
        }
    }

    pub(crate) fn add(&mut self, millis: u64) {
        let cell = usize::try_from(millis / self.step).unwrap_or(usize::MAX);
        match self.cells.get_mut(cell) {
            Some(cell) => *cell += 1,
            None => self.above += 1,
        }
        self.count += 1;
        self.longest = self.longest.max(millis);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The longest duration, in milliseconds.
    pub(crate) const fn longest(&self) -> u64 {
        self.longest
    }

    /// The duration below which `percent` of a hundred lie, in milliseconds; none if there are none.
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let wanted = self.count.saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (cell, count) in (1..).zip(&self.cells) {
            seen += count;
            if seen >= wanted {
                return Some((self.step * cell).min(self.longest.max(self.step)));
            }
        }
        Some(self.longest)
    }

    /// How many lie from `from` up to below `to` milliseconds, both ends of steps; no end means all
    /// that are longer.
    pub(crate) fn between(&self, from: u64, to: Option<u64>) -> u64 {
        let cell = |millis: u64| usize::try_from(millis / self.step).unwrap_or(usize::MAX);
        let last = to.map_or(self.cells.len(), cell).min(self.cells.len());
        let inside = self.cells.get(cell(from).min(last)..last);
        let inside: u64 = inside.unwrap_or_default().iter().sum();
        inside + if to.is_none() { self.above } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_never_too_low() {
        let mut spread = Spread::new(10, 100);
        assert_eq!(spread.percentile(50), None);
        (1..=100).for_each(|at| spread.add(at * 5));
        assert_eq!(spread.percentile(50), Some(260));
        assert_eq!(spread.percentile(99), Some(500));
        assert_eq!((spread.count(), spread.longest()), (100, 500));
        spread.add(5_000_000);
        assert_eq!(spread.percentile(100), Some(5_000_000));
    }

    #[test]
    fn every_duration_is_in_one_range() {
        let mut spread = Spread::new(1_000, 60);
        for at in [0, 999, 1_000, 4_999, 59_999, 60_000, 3_600_000] {
            spread.add(at);
        }
        let ranges = [(0, Some(1_000)), (1_000, Some(5_000)), (5_000, None)];
        let counts = ranges.map(|(from, to)| spread.between(from, to));
        assert_eq!(counts, [2, 2, 3]);
    }
}
