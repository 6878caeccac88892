//! Events that were checked and wait for a block.
//!
//! What always holds: the pool is bounded in events and bytes, both also for each participant, and
//! in bytes for each peer that sent some; a participant many of whose events are set aside brings no
//! more; an id is in it once; events leave in the order in which they
//! came, except that one whose turn has not come ("not yet") is set aside and tried again until
//! its not-after. The pool knows no rules and does no I/O.

use medanchor_ledger::{EventId, ParticipantName, Time};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

/// How much the pool holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events.
    pub events: usize,
    /// Bytes.
    pub bytes: u64,
    /// Bytes of one participant's events.
    pub participant_bytes: u64,
    /// Bytes of events that one peer sent.
    pub peer_bytes: u64,
}

/// An event with what the pool must know of it.
#[derive(Debug)]
pub struct Pooled<E, P> {
    /// Its id.
    pub id: EventId,
    /// Who signed it.
    pub signer: ParticipantName,
    /// When it becomes worthless.
    pub not_after: Time,
    /// Its size in bytes.
    pub size: u64,
    /// The peer that sent it, or none if a client did.
    pub peer: Option<P>,
    /// The event.
    pub event: E,
}

/// Why an event was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its id is in the pool already.
    #[error("the event is in the pool already")]
    Known,
    /// The pool is full for everybody.
    #[error("the pool is full; try again in a second")]
    Full,
    /// The participant has as many bytes in the pool as it may.
    #[error("the participant has as many events in the pool as it may; try again in a second")]
    ParticipantFull,
    /// The peer sent as many bytes as it may.
    #[error("the peer has as many events in the pool as it may")]
    PeerFull,
}

/// How many set-aside events one block tries again, so that they cannot eat its time.
const RETRIES: usize = 256;

/// One participant holds at most this part of the pool's events (and at least one), so that no one
/// keeps out the others.
const PARTICIPANT_PART: usize = 4;

/// A participant with this part of the pool's events set aside brings no more: they stay long.
const ASIDE_PART: usize = 8;

/// With this part of the pool set aside, only those bring more who have nothing set aside.
const ALL_ASIDE_PART: usize = 2;

/// What one participant holds of the pool.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    bytes: u64,
    events: usize,
    aside: usize,
}

/// Which queue an event stands in, and where.
#[derive(Clone, Copy, Debug)]
enum Place {
    Ready(u64),
    Aside(u64),
}

/// The pool.
pub struct Pool<E, P> {
    limits: Limits,
    next: u64,
    bytes: u64,
    events: HashMap<EventId, (Place, Arc<Pooled<E, P>>)>,
    ready: BTreeMap<u64, EventId>,
    aside: BTreeMap<u64, EventId>,
    retry: bool,
    by_not_after: BTreeSet<(Time, EventId)>,
    by_participant: HashMap<ParticipantName, Held>,
    by_peer: HashMap<P, u64>,
}

impl<E, P: Clone + Eq + Hash> Pool<E, P> {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            bytes: 0,
            events: HashMap::new(),
            ready: BTreeMap::new(),
            aside: BTreeMap::new(),
            retry: false,
            by_not_after: BTreeSet::new(),
            by_participant: HashMap::new(),
            by_peer: HashMap::new(),
        }
    }

    /// Events held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// True if it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes held.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// True if a block should be made: an event was not tried yet, or one that was set aside may
    /// apply now.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty() || (self.retry && !self.aside.is_empty())
    }

    /// Says that the state has changed, so that what was set aside is worth another try.
    pub fn state_changed(&mut self) {
        self.retry = true;
    }

    /// The event with this id.
    #[must_use]
    pub fn get(&self, id: &EventId) -> Option<Arc<Pooled<E, P>>> {
        self.events.get(id).map(|(_, event)| Arc::clone(event))
    }

    /// True if an event with this id is held.
    #[must_use]
    pub fn contains(&self, id: &EventId) -> bool {
        self.events.contains_key(id)
    }

    /// True if `size` more bytes from `peer` would be taken now: asked before the cost of a check.
    #[must_use]
    pub fn has_room(&self, size: u64, peer: Option<&P>) -> bool {
        let peer_has_room = peer.is_none_or(|peer| {
            self.by_peer.get(peer).copied().unwrap_or(0) + size <= self.limits.peer_bytes
        });
        self.events.len() < self.limits.events
            && self.bytes + size <= self.limits.bytes
            && peer_has_room
    }

    /// Takes an event that was checked.
    ///
    /// # Errors
    /// If its id is known or a bound is reached; nothing has changed then.
    pub fn insert(&mut self, event: Pooled<E, P>) -> Result<Arc<Pooled<E, P>>, Refusal> {
        self.admit(&event)?;
        let event = Arc::new(event);
        self.bytes += event.size;
        let held = self.by_participant.entry(event.signer.clone()).or_default();
        held.bytes += event.size;
        held.events += 1;
        if let Some(peer) = &event.peer {
            *self.by_peer.entry(peer.clone()).or_default() += event.size;
        }
        self.by_not_after.insert((event.not_after, event.id));
        self.ready.insert(self.next, event.id);
        self.events
            .insert(event.id, (Place::Ready(self.next), Arc::clone(&event)));
        self.next += 1;
        Ok(event)
    }

    fn admit(&self, event: &Pooled<E, P>) -> Result<(), Refusal> {
        if self.contains(&event.id) {
            return Err(Refusal::Known);
        }
        if self.events.len() >= self.limits.events || self.bytes + event.size > self.limits.bytes {
            return Err(Refusal::Full);
        }
        if !self.participant_has_room(event) {
            return Err(Refusal::ParticipantFull);
        }
        if !self.has_room(event.size, event.peer.as_ref()) {
            return Err(Refusal::PeerFull);
        }
        Ok(())
    }

    fn participant_has_room(&self, event: &Pooled<E, P>) -> bool {
        let held = self.by_participant.get(&event.signer).copied();
        let held = held.unwrap_or_default();
        let part = |of: usize| (self.limits.events / of).max(1);
        let too_many_aside = held.aside >= part(ASIDE_PART)
            || (held.aside > 0 && self.aside.len() >= part(ALL_ASIDE_PART));
        held.bytes + event.size <= self.limits.participant_bytes
            && held.events < part(PARTICIPANT_PART)
            && !too_many_aside
    }

    /// Events for a block, in arrival order, of about `bytes` bytes: first some that were set
    /// aside, then the rest. They stay in the pool until they are removed.
    #[must_use]
    pub fn pick(&mut self, bytes: u64) -> Vec<Arc<Pooled<E, P>>> {
        self.retry = false;
        let mut left = bytes;
        let mut picked = Vec::new();
        let order = self.aside.values().take(RETRIES).chain(self.ready.values());
        for (_, event) in order.filter_map(|id| self.events.get(id)) {
            if event.size > left {
                break;
            }
            left -= event.size;
            picked.push(Arc::clone(event));
        }
        picked
    }

    /// The number that the next event to come will have.
    #[must_use]
    pub const fn next_arrival(&self) -> u64 {
        self.next
    }

    /// Events of clients that came before the arrival number `before`, at most `count`.
    #[must_use]
    pub fn of_clients(&self, before: u64, count: usize) -> Vec<Arc<Pooled<E, P>>> {
        let order = self.aside.range(..before).chain(self.ready.range(..before));
        let events = order.filter_map(|(_, id)| self.get(id));
        events
            .filter(|event| event.peer.is_none())
            .take(count)
            .collect()
    }

    /// Sets an event aside whose turn has not come; it is tried again in later blocks.
    pub fn set_aside(&mut self, id: &EventId) {
        let next = self.next;
        let Some((place, event)) = self.events.get_mut(id) else {
            return;
        };
        let old = std::mem::replace(place, Place::Aside(next));
        if let (Place::Ready(_), Some(held)) = (old, self.by_participant.get_mut(&event.signer)) {
            held.aside += 1;
        }
        self.next += 1;
        self.leave(old);
        self.aside.insert(next, *id);
    }

    fn leave(&mut self, place: Place) {
        match place {
            Place::Ready(number) => self.ready.remove(&number),
            Place::Aside(number) => self.aside.remove(&number),
        };
    }

    /// Removes an event, because it was anchored or can never be.
    pub fn remove(&mut self, id: &EventId) -> Option<Arc<Pooled<E, P>>> {
        let (place, event) = self.events.remove(id)?;
        self.leave(place);
        self.bytes -= event.size;
        self.by_not_after.remove(&(event.not_after, event.id));
        self.release_participant(&event, matches!(place, Place::Aside(_)));
        if let Some(peer) = &event.peer {
            release(&mut self.by_peer, peer, event.size);
        }
        Some(event)
    }

    fn release_participant(&mut self, event: &Pooled<E, P>, was_aside: bool) {
        let Some(held) = self.by_participant.get_mut(&event.signer) else {
            return;
        };
        held.bytes = held.bytes.saturating_sub(event.size);
        held.events = held.events.saturating_sub(1);
        held.aside = held.aside.saturating_sub(was_aside.into());
        if held.events == 0 {
            self.by_participant.remove(&event.signer);
        }
    }

    /// Removes the events whose not-after is before `now`.
    pub fn expire(&mut self, now: Time) -> Vec<Arc<Pooled<E, P>>> {
        let gone: Vec<EventId> = self
            .by_not_after
            .iter()
            .take_while(|(not_after, _)| *not_after < now)
            .map(|(_, id)| *id)
            .collect();
        gone.iter().filter_map(|id| self.remove(id)).collect()
    }
}

fn release<K: Eq + Hash>(held: &mut HashMap<K, u64>, key: &K, size: u64) {
    let Some(bytes) = held.get_mut(key) else {
        return;
    };
    *bytes = bytes.saturating_sub(size);
    if *bytes == 0 {
        held.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        events: 32,
        bytes: 1000,
        participant_bytes: 500,
        peer_bytes: 300,
    };

    fn event(number: u8, signer: &str, size: u64, peer: Option<u8>) -> Pooled<(), u8> {
        Pooled {
            id: EventId::new([number; 32]),
            signer: signer.parse().expect("a name"),
            not_after: Time(u64::from(number)),
            size,
            peer,
            event: (),
        }
    }

    fn numbers(events: &[Arc<Pooled<(), u8>>]) -> Vec<u8> {
        events.iter().map(|event| event.id.as_bytes()[0]).collect()
    }

    #[test]
    fn events_leave_in_arrival_order() {
        let mut pool = Pool::new(LIMITS);
        for number in [5, 3, 9] {
            pool.insert(event(number, "a", 10, None)).expect("room");
        }
        assert_eq!(numbers(&pool.pick(1000)), [5, 3, 9]);
        assert_eq!(numbers(&pool.pick(25)), [5, 3]);
    }

    #[test]
    fn an_id_is_taken_once() {
        let mut pool = Pool::new(LIMITS);
        pool.insert(event(1, "a", 10, None)).expect("room");
        assert_eq!(
            pool.insert(event(1, "a", 10, None)).err(),
            Some(Refusal::Known)
        );
    }

    #[test]
    fn each_bound_refuses_and_changes_nothing() {
        let mut pool = Pool::new(LIMITS);
        pool.insert(event(1, "a", 300, Some(1))).expect("room");
        assert_eq!(
            pool.insert(event(2, "a", 201, None)).err(),
            Some(Refusal::ParticipantFull)
        );
        assert_eq!(
            pool.insert(event(2, "b", 1, Some(1))).err(),
            Some(Refusal::PeerFull)
        );
        pool.insert(event(2, "b", 500, None)).expect("room");
        assert_eq!(
            pool.insert(event(3, "c", 201, None)).err(),
            Some(Refusal::Full)
        );
        assert_eq!((pool.len(), pool.bytes()), (2, 800));
    }

    #[test]
    fn a_participant_has_a_quarter_of_the_pool_at_most() {
        let mut pool = Pool::new(LIMITS);
        for number in 0..8 {
            pool.insert(event(number, "a", 1, None)).expect("room");
        }
        assert_eq!(
            pool.insert(event(8, "a", 1, None)).err(),
            Some(Refusal::ParticipantFull)
        );
        pool.insert(event(8, "b", 1, None)).expect("room of others");
        pool.remove(&EventId::new([0; 32])).expect("held");
        pool.insert(event(9, "a", 1, None)).expect("room again");
        let mut tiny = Pool::new(Limits {
            events: 1,
            ..LIMITS
        });
        tiny.insert(event(1, "a", 1, None)).expect("at least one");
    }

    #[test]
    fn who_has_much_set_aside_brings_no_more() {
        let mut pool = Pool::new(LIMITS);
        for number in 0..4 {
            pool.insert(event(number, "a", 1, None)).expect("room");
            pool.set_aside(&EventId::new([number; 32]));
            pool.set_aside(&EventId::new([number; 32]));
        }
        assert_eq!(
            pool.insert(event(9, "a", 1, None)).err(),
            Some(Refusal::ParticipantFull)
        );
        pool.insert(event(9, "b", 1, None)).expect("room of others");
        pool.remove(&EventId::new([0; 32])).expect("held");
        pool.insert(event(10, "a", 1, None)).expect("room again");
    }

    #[test]
    fn removal_gives_the_room_back() {
        let mut pool = Pool::new(LIMITS);
        pool.insert(event(1, "a", 300, Some(1))).expect("room");
        pool.remove(&EventId::new([1; 32])).expect("held");
        assert_eq!(pool.bytes(), 0);
        pool.insert(event(2, "a", 300, Some(1)))
            .expect("room again");
    }

    #[test]
    fn a_set_aside_event_is_tried_again_once_the_state_has_changed() {
        let mut pool = Pool::new(LIMITS);
        pool.insert(event(1, "a", 10, None)).expect("room");
        pool.insert(event(2, "a", 10, None)).expect("room");
        pool.set_aside(&EventId::new([1; 32]));
        assert_eq!(numbers(&pool.pick(1000)), [1, 2]);
        pool.remove(&EventId::new([2; 32]));
        assert!(!pool.has_work() && !pool.is_empty());
        pool.state_changed();
        assert!(pool.has_work());
    }

    #[test]
    fn an_event_goes_when_its_not_after_has_passed() {
        let mut pool = Pool::new(LIMITS);
        pool.insert(event(4, "a", 10, None)).expect("room");
        pool.insert(event(6, "a", 10, None)).expect("room");
        pool.set_aside(&EventId::new([4; 32]));
        assert!(pool.expire(Time(4)).is_empty());
        assert_eq!(numbers(&pool.expire(Time(5))), [4]);
        assert_eq!(numbers(&pool.pick(1000)), [6]);
    }
}
