//! How many long payloads are sent at once, and how many of them to one participant.
//!
//! What always holds: a participant that takes its payloads slowly, which may be for hours, leaves room for the
//! others'; every participant in the table has at least one place, so the table is no longer than there are
//! payloads on their way. What is short takes no place, so it never waits for one.

use crate::http::problem::{Code, Problem};
use medanchor_ledger::ParticipantName;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most payloads that one participant is sent at once, where there are places enough.
const MOST: usize = 4;

/// The places, and who has how many.
#[derive(Clone)]
pub(super) struct Places {
    all: usize,
    of_one: usize,
    taken: Arc<Mutex<BTreeMap<ParticipantName, usize>>>,
}

/// A participant's place, until it is dropped.
pub struct Place {
    places: Places,
    of: ParticipantName,
}

impl Places {
    /// A quarter as many as there are requests worked on at once, and half of them at most for one participant.
    pub(super) fn beside(requests: usize) -> Self {
        let all = (requests / 4).max(1);
        Self {
            all,
            of_one: (all / 2).clamp(1, MOST),
            taken: Arc::default(),
        }
    }

    /// A place for one more payload, if there is one and this participant may have it.
    pub(super) fn take(&self, of: &ParticipantName) -> Result<Place, Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.all {
            let detail =
                "as many long payloads are sent as are at once; come back when one has gone out";
            return Err(Problem::new(Code::Busy, detail));
        }
        let count = taken.get(of).copied().unwrap_or(0);
        if count >= self.of_one {
            let detail = "you are sent as many payloads as one participant is at once; come back when one has come";
            return Err(Problem::new(Code::Busy, detail));
        }
        taken.insert(of.clone(), count + 1);
        Ok(Place {
            places: self.clone(),
            of: of.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .places
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.of) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.of)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(names: [&str; N]) -> [ParticipantName; N] {
        names.map(|name| name.parse().unwrap())
    }

    #[test]
    fn a_participant_has_so_many_places_and_takes_nobody_elses() {
        let places = Places::beside(32);
        let [one, other] = names(["south-hospital", "east-pharmacy"]);
        let mut held: Vec<_> = (0..MOST).map(|_| places.take(&one).unwrap()).collect();
        assert!(places.take(&one).is_err());
        held.push(places.take(&other).unwrap());
        held.remove(0);
        held.push(places.take(&one).unwrap());
        assert!(places.take(&one).is_err());
        drop(held);
        assert!(places.taken.lock().unwrap().is_empty());
    }

    /// Where there were few places, one participant that took its time had them all.
    #[test]
    fn one_participant_has_half_of_the_places_at_most_and_all_have_so_many() {
        let [one, other, third] = names(["south-hospital", "east-pharmacy", "archive"]);
        for (requests, all, of_one) in [(1, 1, 1), (8, 2, 1), (12, 3, 1), (16, 4, 2), (64, 16, 4)] {
            let places = Places::beside(requests);
            let of = |name: &ParticipantName| {
                let mut held = Vec::new();
                while let Ok(place) = places.take(name) {
                    held.push(place);
                }
                held
            };
            let held = [of(&one), of(&other)];
            assert_eq!(held[0].len(), of_one, "{requests}");
            assert_eq!(held[1].len(), of_one.min(all - of_one), "{requests}");
            let left = all - held[0].len() - held[1].len();
            assert_eq!(of(&third).len(), left.min(of_one), "{requests}");
        }
    }
}
