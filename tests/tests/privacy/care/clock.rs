//! A clock a quarter behind.

use medanchor_ledger::Time;
use medanchor_sdk::context::NoRandomness;
use medanchor_sdk::{Context, System};
use std::time::Duration;

/// More than a quarter and less than two, in milliseconds.
pub const BEFORE: u64 = 92 * 24 * 3600 * 1000;

/// The machine's clock, put back by that.
pub struct LastQuarter;

impl Context for LastQuarter {
    fn now(&self) -> Time {
        Time(System.now().0.saturating_sub(BEFORE))
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        System.fill(bytes)
    }

    fn pause(&self, length: Duration) {
        System.pause(length);
    }
}
