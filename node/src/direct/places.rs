//! How many payloads each participant is sent at once.
//!
//! What always holds: a participant that takes its payloads slowly, which may be for hours, leaves room for the
//! others'; every participant in the table has at least one place, so the table is no longer than there are
//! payloads on their way.

use crate::http::problem::{Code, Problem};
use medanchor_ledger::ParticipantName;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most payloads that one participant is sent at once.
const MOST: usize = 4;

/// The places of each participant.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<BTreeMap<ParticipantName, usize>>>);

/// A participant's place, until it is dropped.
pub struct Place {
    places: Places,
    of: ParticipantName,
}

impl Places {
    /// A place for one more payload, if this participant may have one.
    pub(super) fn take(&self, of: &ParticipantName) -> Result<Place, Problem> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(of).copied().unwrap_or(0);
        if count >= MOST {
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
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.of) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.of)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_participant_has_so_many_places_and_takes_nobody_elses() {
        let places = Places::default();
        let [one, other] = ["south-hospital", "east-pharmacy"].map(|name| name.parse().unwrap());
        let mut held: Vec<_> = (0..MOST).map(|_| places.take(&one).unwrap()).collect();
        assert!(places.take(&one).is_err());
        held.push(places.take(&other).unwrap());
        held.remove(0);
        held.push(places.take(&one).unwrap());
        assert!(places.take(&one).is_err());
        drop(held);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
