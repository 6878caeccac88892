//! Who proposes in which round of a height.
//!
//! What always holds: the order of a height follows from the validators and the seals of the last
//! 100 heights alone, so every node and every auditor computes the same one. A validator whose
//! slot was missed is passed over: it comes after all others for 100 heights. At most as many are
//! passed over as a quorum can spare, those with the most recent misses. Misses of height 1 are
//! forgiven, since networks start unevenly, and a seal whose round is not below the number of
//! validators marks nobody: such a height was in trouble for other reasons.

use crate::validator::{ValidatorSet, quorum};
use crate::{Height, ParticipantName, Round};
use std::collections::BTreeMap;

/// For how many heights after a missed slot its validator is passed over.
pub const PASSED_OVER_HEIGHTS: u64 = 100;

/// The proposers of the height that follows the last recorded seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// In the order of their names; never empty.
    validators: Vec<ParticipantName>,
    /// Each validator's latest miss, as height and slot.
    misses: BTreeMap<ParticipantName, (Height, u32)>,
    /// The height whose order is asked for.
    next: Height,
}

impl Schedule {
    /// The schedule of height 1 after genesis.
    #[must_use]
    pub fn new(validators: &ValidatorSet) -> Self {
        let names = validators.iter().map(|validator| validator.name.clone());
        Self {
            validators: names.collect(),
            misses: BTreeMap::new(),
            next: Height(1),
        }
    }

    /// The schedule as it was stored.
    pub(crate) fn restore(
        validators: Vec<ParticipantName>,
        misses: BTreeMap<ParticipantName, (Height, u32)>,
        next: Height,
    ) -> Self {
        Self {
            validators,
            misses,
            next,
        }
    }

    /// The height whose order this is.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.next
    }

    /// The validators in the order of their names.
    #[must_use]
    pub fn validators(&self) -> &[ParticipantName] {
        &self.validators
    }

    pub(crate) const fn misses(&self) -> &BTreeMap<ParticipantName, (Height, u32)> {
        &self.misses
    }

    /// The validators that come last at this height.
    #[must_use]
    pub fn passed_over(&self) -> Vec<&ParticipantName> {
        let mut recent: Vec<_> = self
            .misses
            .iter()
            .filter(|(_, (height, _))| self.next.0 <= height.0.saturating_add(PASSED_OVER_HEIGHTS))
            .collect();
        recent.sort_by_key(|(_, miss)| std::cmp::Reverse(**miss));
        let spare =
            self.validators.len() - quorum(self.validators.len()).min(self.validators.len());
        let mut names: Vec<_> = recent
            .into_iter()
            .take(spare)
            .map(|(name, _)| name)
            .collect();
        names.sort();
        names
    }

    /// All validators in the order in which they propose at this height: round r is the turn of
    /// the one at place r modulo their number.
    #[must_use]
    pub fn order(&self) -> Vec<&ParticipantName> {
        let last = self.passed_over();
        let (mut late, mut order): (Vec<_>, Vec<_>) = self
            .validators
            .iter()
            .partition(|name| last.binary_search(name).is_ok());
        rotate(&mut order, self.next);
        rotate(&mut late, self.next);
        order.extend(late);
        order
    }

    /// The proposer of a round of this height.
    #[must_use]
    pub fn proposer(&self, round: Round) -> Option<&ParticipantName> {
        let order = self.order();
        let place = usize::try_from(round.0).ok()?.checked_rem(order.len())?;
        order.get(place).copied()
    }

    /// The schedule of the next height, after this height's seal with its `round`.
    #[must_use]
    pub fn after(&self, round: Round) -> Self {
        let mut after = self.clone();
        let missed = usize::try_from(round.0).unwrap_or(usize::MAX);
        if missed < self.validators.len() && self.next > Height(1) {
            for (slot, name) in (0..).zip(self.order().into_iter().take(missed)) {
                after.misses.insert(name.clone(), (self.next, slot));
            }
        }
        after.next = self.next.next();
        let oldest = after.next.0.saturating_sub(PASSED_OVER_HEIGHTS);
        after.misses.retain(|_, (height, _)| height.0 >= oldest);
        after
    }
}

fn rotate(names: &mut [&ParticipantName], height: Height) {
    // The remainder is below the length, which fits, so both conversions are exact.
    if let Some(turn) = height.0.checked_rem(names.len() as u64) {
        names.rotate_left(usize::try_from(turn).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(n: u8, next: u64) -> Schedule {
        let names = (0..n).map(|i| format!("v{i}").parse().unwrap()).collect();
        Schedule::restore(names, BTreeMap::new(), Height(next))
    }

    fn order(schedule: &Schedule) -> Vec<&str> {
        schedule
            .order()
            .into_iter()
            .map(ParticipantName::as_str)
            .collect()
    }

    #[test]
    fn everybody_takes_turns() {
        assert_eq!(order(&schedule(4, 1)), ["v1", "v2", "v3", "v0"]);
        assert_eq!(order(&schedule(4, 6)), ["v2", "v3", "v0", "v1"]);
        assert_eq!(order(&schedule(1, u64::MAX)), ["v0"]);
        let proposer = schedule(4, 1).proposer(Round(5)).unwrap().to_string();
        assert_eq!(proposer, "v2");
    }

    #[test]
    fn whoever_missed_its_slot_comes_last_for_a_hundred_heights() {
        let mut schedule = schedule(4, 2);
        assert_eq!(order(&schedule), ["v2", "v3", "v0", "v1"]);
        schedule = schedule.after(Round(1));
        for height in 3..=102 {
            assert_eq!(schedule.height(), Height(height));
            assert_eq!(order(&schedule).last(), Some(&"v2"), "{height}");
            schedule = schedule.after(Round(0));
        }
        assert_eq!(order(&schedule), ["v3", "v0", "v1", "v2"]);
        assert!(schedule.passed_over().is_empty() && schedule.misses().is_empty());
    }

    #[test]
    fn no_more_are_passed_over_than_a_quorum_can_spare() {
        let schedule = schedule(4, 2).after(Round(2));
        let names: Vec<_> = schedule.passed_over();
        assert_eq!(
            names,
            [&"v3".parse().unwrap()],
            "the later slot is the more recent miss"
        );
        assert!(
            self::schedule(3, 2)
                .after(Round(2))
                .passed_over()
                .is_empty()
        );
    }

    #[test]
    fn misses_of_height_1_are_forgiven() {
        assert!(schedule(4, 1).after(Round(1)).passed_over().is_empty());
    }

    #[test]
    fn a_round_beyond_all_validators_marks_nobody() {
        assert!(schedule(4, 5).after(Round(4)).passed_over().is_empty());
        assert!(
            schedule(4, 5)
                .after(Round(u32::MAX))
                .passed_over()
                .is_empty()
        );
    }

    #[test]
    fn a_height_has_every_validator_once() {
        for n in 1..=7 {
            let mut schedule = schedule(n, 2);
            for step in 0..300u32 {
                let mut names = order(&schedule);
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), usize::from(n));
                schedule = schedule.after(Round(step % 5));
            }
        }
    }
}
