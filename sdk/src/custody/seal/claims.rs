//! Records that calls are sealing: one call at a time for each.
//!
//! What always holds: of two calls for one record the second begins when the first has ended, in whatever
//! way, so that it finds the deals of the first; or a custodian would be dealt two shares of one record, and
//! refuse the second for good. A call claims all of its records in one step, so that no two calls wait for each other.

use medanchor_ledger::RecordHandle;
use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The records that calls of one `Sdk` are at.
pub(crate) struct Claims {
    claimed: Mutex<BTreeSet<RecordHandle>>,
    over: Condvar,
}

/// The right to seal these records, until it is dropped. A call that has one asks for no other.
pub(super) struct Claim<'c> {
    claims: &'c Claims,
    records: BTreeSet<RecordHandle>,
}

impl Claims {
    pub(crate) const fn new() -> Self {
        Self {
            claimed: Mutex::new(BTreeSet::new()),
            over: Condvar::new(),
        }
    }

    /// Waits until no other call is at any of these records.
    pub(super) fn claim(&self, records: impl IntoIterator<Item = RecordHandle>) -> Claim<'_> {
        let records: BTreeSet<_> = records.into_iter().collect();
        let is_taken = |claimed: &mut BTreeSet<_>| !claimed.is_disjoint(&records);
        let free = self.over.wait_while(self.lock(), is_taken);
        let mut free = free.unwrap_or_else(PoisonError::into_inner);
        free.extend(&records);
        drop(free);
        Claim {
            claims: self,
            records,
        }
    }

    /// Whether a call is at this record now.
    pub(super) fn has(&self, record: &RecordHandle) -> bool {
        self.lock().contains(record)
    }

    /// What is behind the lock is changed in one step, so a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<RecordHandle>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let is_other = |record: &RecordHandle| !self.records.contains(record);
        self.claims.lock().retain(is_other);
        self.claims.over.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU32, Ordering};

    fn record(number: u8) -> RecordHandle {
        RecordHandle::new([number; 16])
    }

    #[test]
    fn no_two_calls_are_at_one_record_and_none_waits_for_ever() {
        let claims = Claims::new();
        let at: [AtomicU32; 4] = Default::default();
        let call = |own: [u8; 2]| {
            for _ in 0..200 {
                let _claim = claims.claim(own.map(record));
                for one in own {
                    assert_eq!(at[usize::from(one)].fetch_add(1, Ordering::SeqCst), 0);
                }
                std::thread::yield_now();
                for one in own {
                    at[usize::from(one)].store(0, Ordering::SeqCst);
                }
            }
        };
        std::thread::scope(|scope| {
            for own in [[0, 1], [1, 2], [2, 3], [3, 0], [2, 0]] {
                scope.spawn(move || call(own));
            }
        });
        assert!(claims.lock().is_empty());
    }

    #[test]
    fn a_call_that_panics_leaves_its_records_to_others() {
        let claims = Claims::new();
        let call = || {
            let _claim = claims.claim([record(1)]);
            panic!("at work");
        };
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        assert!(!claims.has(&record(1)));
        let claim = claims.claim([record(1)]);
        assert!(claims.has(&record(1)) && !claims.has(&record(2)));
        drop(claim);
        assert!(claims.lock().is_empty());
    }
}
