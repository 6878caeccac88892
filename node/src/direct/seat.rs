//! Where a custodian stands now: its place in the set of the newest epoch.
//!
//! What always holds: a place is used for as long as its proof may be old; a deal of another epoch has the
//! ledger asked once more, since a new set may have been approved, and so does one after a failure, but
//! neither sooner than [`AGAIN`] after the last question; nobody waits for the question of another.

use super::custodian::{Keeper, refused};
use crate::http::problem::Problem;
use medanchor_ledger::Time;
use medanchor_ledger::rules::CustodianEpoch;
use medanchor_sdk::custody::Refused;
use medanchor_vault::custody::Seat;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long at least the ledger is not asked again, after it answered as before, or could not be asked.
const AGAIN: Duration = Duration::from_millis(500);

/// What was found when the ledger was asked.
type Found = Result<(Time, Seat), Problem>;

#[derive(Default)]
struct Known {
    /// The place, and the time of the block that says so.
    proved: Option<(Time, Seat)>,
    /// When the last question was answered.
    answered: Option<Instant>,
    /// Why it was not, if it failed.
    failed: Option<Problem>,
}

/// The place that was proved last.
#[derive(Default)]
pub(super) struct LastSeat(Mutex<Known>);

impl LastSeat {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // What is in it is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What serves a deal of this epoch without a question.
    fn serves(&self, now: Time, freshness: u64, epoch: u32) -> Option<Result<Seat, Problem>> {
        let known = self.lock();
        let fresh = |proved: &&(Time, Seat)| now.0.abs_diff(proved.0.0) <= freshness;
        let seat = known.proved.as_ref().filter(fresh).map(|(_, seat)| seat);
        if let Some(seat) = seat.filter(|seat| seat.place.epoch == epoch) {
            return Some(Ok(seat.clone()));
        }
        if known
            .answered
            .is_none_or(|answered| answered.elapsed() >= AGAIN)
        {
            return None;
        }
        match (&known.failed, seat) {
            (Some(problem), _) => Some(Err(problem.clone())),
            (None, Some(seat)) => Some(Ok(seat.clone())),
            (None, None) => None,
        }
    }

    /// Takes note of an answer. Two that asked at once may come back in any order.
    fn note(&self, found: &Found) {
        let mut known = self.lock();
        known.answered = Some(Instant::now());
        known.failed = found.as_ref().err().cloned();
        if let Ok((time, seat)) = found
            && known.proved.as_ref().is_none_or(|(old, _)| old <= time)
        {
            known.proved = Some((*time, seat.clone()));
        }
    }
}

impl Keeper {
    /// This custodian's place in the current set, for a deal of this epoch.
    pub(super) fn seat(&self, epoch: u32) -> Result<Seat, Problem> {
        let (now, freshness) = (self.sdk().now(), self.freshness());
        if let Some(seat) = self.last_seat.serves(now, freshness, epoch) {
            return seat;
        }
        let found = self.ask_seat();
        self.last_seat.note(&found);
        found.map(|(_, seat)| seat)
    }

    fn ask_seat(&self) -> Found {
        let (time, epoch) = self.proved::<CustodianEpoch>(&CustodianEpoch::key())?;
        let epoch = epoch.ok_or_else(|| refused(Refused::NotHere))?.0;
        let (place, threshold) = self.place(epoch)?;
        Ok((time, Seat { place, threshold }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_vault::custody::{Place, ShareIndex};

    const NOON: Time = Time(1_767_268_800_000);
    const MINUTE: u64 = 60_000;

    fn seat(epoch: u32) -> Seat {
        Seat {
            place: Place {
                custodian: "archive".parse().unwrap(),
                epoch,
                index: ShareIndex::new(1).unwrap(),
            },
            threshold: 3,
        }
    }

    fn found(time: Time, epoch: u32) -> Found {
        Ok((time, seat(epoch)))
    }

    /// As if the last question was a while ago.
    fn wait(last: &LastSeat) {
        let mut known = last.lock();
        known.answered = known.answered.and_then(|at| at.checked_sub(AGAIN));
    }

    fn epoch_for(last: &LastSeat, now: Time, epoch: u32) -> Option<Result<u32, ()>> {
        let serves = last.serves(now, MINUTE, epoch)?;
        Some(serves.map(|seat| seat.place.epoch).map_err(drop))
    }

    /// For a minute after a new set was approved, its deals were refused as malformed.
    #[test]
    fn a_deal_of_another_epoch_has_the_ledger_asked_once_more() {
        let last = LastSeat::default();
        assert_eq!(epoch_for(&last, NOON, 1), None);
        last.note(&found(NOON, 1));
        assert_eq!(epoch_for(&last, NOON, 1), Some(Ok(1)));
        assert_eq!(
            epoch_for(&last, NOON, 2),
            Some(Ok(1)),
            "it was asked just now"
        );
        wait(&last);
        assert_eq!(
            epoch_for(&last, NOON, 1),
            Some(Ok(1)),
            "no question for its own"
        );
        assert_eq!(epoch_for(&last, NOON, 2), None);
        last.note(&found(NOON.plus_millis(1), 2));
        // One that had asked before comes back late.
        last.note(&found(NOON, 1));
        assert_eq!(epoch_for(&last, NOON, 2), Some(Ok(2)));
        wait(&last);
        assert_eq!(
            epoch_for(&last, NOON.plus_millis(MINUTE + 2), 2),
            None,
            "too old"
        );
    }

    #[test]
    fn a_failure_is_remembered_for_a_moment_and_takes_nothing_that_was_proved() {
        let last = LastSeat::default();
        last.note(&Err(refused(Refused::Stale)));
        assert_eq!(epoch_for(&last, NOON, 1), Some(Err(())));
        wait(&last);
        assert_eq!(epoch_for(&last, NOON, 1), None);
        last.note(&found(NOON, 1));
        last.note(&Err(refused(Refused::Stale)));
        assert_eq!(epoch_for(&last, NOON, 1), Some(Ok(1)));
        assert_eq!(epoch_for(&last, NOON, 2), Some(Err(())));
    }
}
