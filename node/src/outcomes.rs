//! What became of events: those who wait for one are told, and a refusal is kept for a while.
//!
//! What always holds: whoever waits is answered once the event is published or refused for good,
//! or not at all; refusals kept are bounded in number, the oldest go first; the reason why an
//! event is set aside is kept as long as it is in the pool.

use medanchor_ledger::rules::Rejection;
use medanchor_ledger::{EventId, Index};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The end of an event's way.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// It is in the published log.
    Published(Index),
    /// It can never be.
    Rejected(Rejection),
    /// Its not-after passed while it waited, for this rule if it was ever tried.
    Expired(Option<Rejection>),
}

/// Refusals kept at once.
const KEPT: usize = 65_536;

/// Those who wait, and what was refused.
#[derive(Default)]
pub struct Outcomes {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiters: HashMap<EventId, Vec<oneshot::Sender<Outcome>>>,
    refused: HashMap<EventId, Outcome>,
    refused_order: VecDeque<EventId>,
    set_aside: HashMap<EventId, Rejection>,
}

impl Outcomes {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete before the lock is given back.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks to be told. Look whether the event is published already after this, not before.
    pub fn wait_for(&self, id: EventId) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.inner();
        let waiters = inner.waiters.entry(id).or_default();
        // Those who gave up make room for those who come.
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(sender);
        receiver
    }

    /// Forgets those who gave up waiting for an event.
    pub fn stop_waiting(&self, id: &EventId) {
        let mut inner = self.inner();
        if let Some(waiters) = inner.waiters.get_mut(id) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                inner.waiters.remove(id);
            }
        }
    }

    /// Events stand in the published log now.
    pub fn published(&self, events: impl IntoIterator<Item = (EventId, Index)>) {
        let mut inner = self.inner();
        if inner.waiters.is_empty() {
            return;
        }
        for (id, index) in events {
            tell(&mut inner, &id, Outcome::Published(index));
        }
    }

    /// Events were decided: why they were set aside is of no interest any more.
    pub fn decided<'a>(&self, events: impl IntoIterator<Item = &'a EventId>) {
        let mut inner = self.inner();
        if inner.set_aside.is_empty() {
            return;
        }
        for id in events {
            inner.set_aside.remove(id);
        }
    }

    /// An event can never apply.
    pub fn rejected(&self, id: EventId, rejection: Rejection) {
        self.refuse(id, Outcome::Rejected(rejection));
    }

    /// An event's not-after passed in the pool.
    pub fn expired(&self, id: EventId) {
        let reason = self.inner().set_aside.get(&id).copied();
        self.refuse(id, Outcome::Expired(reason));
    }

    fn refuse(&self, id: EventId, outcome: Outcome) {
        let mut inner = self.inner();
        inner.set_aside.remove(&id);
        if inner.refused.insert(id, outcome).is_none() {
            inner.refused_order.push_back(id);
        }
        if inner.refused_order.len() > KEPT
            && let Some(oldest) = inner.refused_order.pop_front()
        {
            inner.refused.remove(&oldest);
        }
        tell(&mut inner, &id, outcome);
    }

    /// An event waits in the pool because of a rule.
    pub fn set_aside(&self, id: EventId, rejection: Rejection) {
        self.inner().set_aside.insert(id, rejection);
    }

    /// Why an event was refused, if that is still known.
    #[must_use]
    pub fn refusal(&self, id: &EventId) -> Option<Outcome> {
        self.inner().refused.get(id).copied()
    }

    /// The rule that an event in the pool waits for.
    #[must_use]
    pub fn waits_for(&self, id: &EventId) -> Option<Rejection> {
        self.inner().set_aside.get(id).copied()
    }
}

fn tell(inner: &mut Inner, id: &EventId, outcome: Outcome) {
    for waiter in inner.waiters.remove(id).unwrap_or_default() {
        // One that gave up does not mind.
        let _ = waiter.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::rules::Rule;

    fn id(number: u32) -> EventId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        EventId::new(bytes)
    }

    #[test]
    fn everybody_who_waits_is_told_once() {
        let outcomes = Outcomes::default();
        let (mut first, mut second) = (outcomes.wait_for(id(1)), outcomes.wait_for(id(1)));
        outcomes.published([(id(2), Index(8)), (id(1), Index(9))]);
        assert!(matches!(first.try_recv(), Ok(Outcome::Published(Index(9)))));
        assert!(matches!(
            second.try_recv(),
            Ok(Outcome::Published(Index(9)))
        ));
        assert!(outcomes.inner().waiters.is_empty());
    }

    #[test]
    fn a_refusal_is_kept_until_too_many_came_after_it() {
        let outcomes = Outcomes::default();
        for number in 0..=KEPT as u32 {
            outcomes.rejected(id(number), Rule::UnitDispensed.into());
        }
        assert!(outcomes.refusal(&id(0)).is_none());
        assert!(matches!(
            outcomes.refusal(&id(1)),
            Some(Outcome::Rejected(_))
        ));
    }

    #[test]
    fn an_event_that_expires_says_what_it_waited_for() {
        let outcomes = Outcomes::default();
        outcomes.set_aside(id(1), Rule::UnitUnknown.into());
        assert!(outcomes.waits_for(&id(1)).is_some());
        outcomes.expired(id(1));
        assert!(outcomes.waits_for(&id(1)).is_none());
        let Some(Outcome::Expired(Some(reason))) = outcomes.refusal(&id(1)) else {
            panic!("kept with its reason");
        };
        assert_eq!(reason.rule, Rule::UnitUnknown);
    }

    #[test]
    fn those_who_give_up_are_forgotten() {
        let outcomes = Outcomes::default();
        drop(outcomes.wait_for(id(1)));
        outcomes.stop_waiting(&id(1));
        assert!(outcomes.inner().waiters.is_empty());
    }
}
