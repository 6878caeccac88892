//! Stopping when the user asks for it.
//!
//! What always holds: after SIGINT or SIGTERM whoever waits here wakes at once, and the program ends
//! at its next safe place; a second signal ends it where it is, which loses nothing that was said to
//! be kept.

use nix::sys::signal::{SigSet, Signal};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Exit code of a second signal, as a shell gives for SIGINT.
const KILLED: i32 = 130;

/// Whether to stop. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Stops at SIGINT and SIGTERM. To be called before any other thread is started: all that are
    /// started later leave these signals to the one that waits for them.
    pub(crate) fn at_signals() -> Self {
        let stop = Self::default();
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        // Where the system refuses, a signal ends the program at once, as it would without this.
        if signals.thread_block().is_ok() {
            let heard = stop.clone();
            thread::spawn(move || {
                if signals.wait().is_ok() {
                    heard.set();
                    let _ = signals.wait();
                    std::process::exit(KILLED);
                }
            });
        }
        stop
    }

    fn set(&self) {
        let (set, bell) = &*self.0;
        *set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
    }

    /// Whether the user asked to stop.
    pub(crate) fn is_set(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, but not after the user asked to stop; whether that is so.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let (set, bell) = &*self.0;
        let end = Instant::now() + time;
        let mut stopped = set.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stopped {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = bell.wait_timeout(stopped, left);
            stopped = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        *stopped
    }
}
