//! When a witness is asked next.

use std::time::{Duration, Instant};

/// The first pause after a failure; each further one doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(300);

/// The pace at which one witness is asked.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    interval: Duration,
    failures: u32,
    next: Instant,
}

impl Pace {
    /// At once, and then no more often than `interval`.
    pub(super) const fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            failures: 0,
            next: now,
        }
    }

    /// Failures in a row.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// When the witness may be asked.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// It is asked now.
    pub(super) fn asked(&mut self, now: Instant) {
        self.next = now + self.interval;
    }

    /// It cosigned.
    pub(super) const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It did not; `chance` of 0 to 255 spreads the pause over the upper half of its length, so
    /// that nodes that lost one witness together do not come back together.
    pub(super) fn failed(&mut self, now: Instant, chance: u8) {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16));
        let whole = doubled.min(LONGEST).max(self.interval);
        self.failures = self.failures.saturating_add(1);
        self.next = now + whole / 2 + whole / 2 * u32::from(chance) / 255;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap_and_end_with_a_success() {
        let now = Instant::now();
        let mut pace = Pace::new(Duration::from_millis(10), now);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            pace.failed(now, 255);
            pauses.push(pace.next().duration_since(now).as_secs());
        }
        assert_eq!(pauses[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert!(pauses[10..].iter().all(|pause| *pause == 300));
        pace.succeeded();
        pace.failed(now, 0);
        assert_eq!(pace.next().duration_since(now), Duration::from_millis(500));
    }

    #[test]
    fn a_witness_that_is_asked_seldom_is_not_asked_more_often_when_it_fails() {
        let now = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(60), now);
        pace.asked(now);
        assert_eq!(pace.next().duration_since(now), Duration::from_secs(60));
        pace.failed(now, 0);
        assert_eq!(pace.next().duration_since(now), Duration::from_secs(30));
    }
}
