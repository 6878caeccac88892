//! Where time and randomness come from, so that everything built on them can be repeated in a test.
//!
//! What always holds: no other module of this crate reads a clock or asks the system for random
//! bytes, except the vault, which draws its own keys.

use medanchor_ledger::Time;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes; nothing was signed or sent, so try again")]
pub struct NoRandomness;

/// Time, randomness and patience.
pub trait Context: Send + Sync {
    /// The time now.
    fn now(&self) -> Time;

    /// Fills `bytes` with bytes that nobody can guess.
    ///
    /// # Errors
    /// [`NoRandomness`], and then nothing may be made of `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;

    /// Waits before something is tried again.
    fn pause(&self, length: Duration);
}

/// The machine's clock and random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Context for System {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Time(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::fill(bytes).map_err(|_| NoRandomness)
    }

    fn pause(&self, length: Duration) {
        std::thread::sleep(length);
    }
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>(context: &dyn Context) -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    context.fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod fixed {
    use super::{Context, Duration, NoRandomness, Time};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A clock that stands still until told, and bytes that count up.
    pub(crate) struct Fixed {
        pub(crate) now: AtomicU64,
        drawn: AtomicU64,
        pub(crate) paused: AtomicU64,
    }

    impl Fixed {
        pub(crate) fn at(now: u64) -> Self {
            Self {
                now: now.into(),
                drawn: 0.into(),
                paused: 0.into(),
            }
        }
    }

    impl Context for Fixed {
        fn now(&self) -> Time {
            Time(self.now.load(Ordering::SeqCst))
        }

        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
            for chunk in bytes.chunks_mut(8) {
                let next = self.drawn.fetch_add(1, Ordering::SeqCst) + 1;
                chunk.copy_from_slice(&next.to_be_bytes()[8 - chunk.len()..]);
            }
            Ok(())
        }

        fn pause(&self, length: Duration) {
            let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
            self.paused.fetch_add(millis, Ordering::SeqCst);
            self.now.fetch_add(millis, Ordering::SeqCst);
        }
    }
}
