//! Callers of one thing each, whose things are done together.
//!
//! What always holds: whoever finds nobody at work, and nobody before it, does at once what waits, its own
//! first; whoever comes meanwhile waits for a later turn. Each gets the outcome of its own thing, or none if the
//! work ended without one; a panic at work leaves nobody waiting.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Things of several callers that wait to be done.
pub(crate) struct Together<T, R> {
    state: Mutex<State<T, R>>,
    over: Condvar,
}

struct State<T, R> {
    next: u64,
    waiting: VecDeque<(u64, T)>,
    done: BTreeMap<u64, Option<R>>,
    working: bool,
}

impl<T, R> Together<T, R> {
    pub(crate) const fn new() -> Self {
        let state = State {
            next: 0,
            waiting: VecDeque::new(),
            done: BTreeMap::new(),
            working: false,
        };
        Self {
            state: Mutex::new(state),
            over: Condvar::new(),
        }
    }

    /// Has `one` done, by `work` or by that of another caller, and gives its outcome. `work` gets `one` and
    /// of what waits, in its order, whatever `joins` those that it has already; it gives an outcome for each.
    pub(crate) fn run(
        &self,
        one: T,
        joins: impl Fn(&[T], &T) -> bool,
        work: impl Fn(Vec<T>) -> Vec<R>,
    ) -> Option<R> {
        let mut state = self.lock();
        let own = state.next;
        state.next += 1;
        state.waiting.push_back((own, one));
        loop {
            if let Some(outcome) = state.done.remove(&own) {
                return outcome;
            }
            let first = state.waiting.front().map(|(ticket, _)| *ticket);
            if state.working || first != Some(own) {
                let woken = self.over.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (tickets, things) = state.take(own, &joins);
            state.working = true;
            drop(state);
            let mut turn = Turn {
                together: self,
                own,
                tickets,
                outcomes: Vec::new(),
            };
            turn.outcomes = work(things);
            drop(turn);
            state = self.lock();
        }
    }

    /// What is behind the lock is changed in one step, so a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, State<T, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, R> State<T, R> {
    /// Takes out `own`, which is the first one, and what joins it.
    fn take(&mut self, own: u64, joins: impl Fn(&[T], &T) -> bool) -> (Vec<u64>, Vec<T>) {
        let (mut tickets, mut things, mut rest) = (Vec::new(), Vec::new(), VecDeque::new());
        for (ticket, thing) in self.waiting.drain(..) {
            if ticket == own || joins(&things, &thing) {
                tickets.push(ticket);
                things.push(thing);
            } else {
                rest.push_back((ticket, thing));
            }
        }
        self.waiting = rest;
        (tickets, things)
    }
}

/// The right to work; when it ends, in whatever way, everybody whose thing was taken has an outcome.
struct Turn<'t, T, R> {
    together: &'t Together<T, R>,
    own: u64,
    tickets: Vec<u64>,
    outcomes: Vec<R>,
}

impl<T, R> Drop for Turn<'_, T, R> {
    fn drop(&mut self) {
        let panics = std::thread::panicking();
        let outcomes = self.outcomes.drain(..).map(Some);
        let outcomes = outcomes.chain(std::iter::repeat_with(|| None));
        let mut state = self.together.lock();
        for (ticket, outcome) in self.tickets.drain(..).zip(outcomes) {
            // Nobody will ask for the outcome of the caller that panics.
            if !(panics && ticket == self.own) {
                state.done.insert(ticket, outcome);
            }
        }
        state.working = false;
        drop(state);
        self.together.over.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;

    const fn any(_: &[u32], _: &u32) -> bool {
        true
    }

    /// Waits until so many things wait behind a turn that runs.
    fn wait_for_waiting(together: &Together<u32, u32>, count: usize) {
        while together.lock().waiting.len() < count {
            std::thread::yield_now();
        }
    }

    /// Runs `others` while a first turn is at work, and gives the things of each turn, in order.
    fn turns(
        others: &[u32],
        joins: impl Fn(&[u32], &u32) -> bool + Sync,
    ) -> (Vec<Vec<u32>>, Vec<Option<u32>>) {
        let together = Together::new();
        let (seen, turns) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let work = |things: Vec<u32>| {
            let first = things == [0];
            let outcomes = things.iter().map(|thing| thing * 10).collect();
            seen.send(things).unwrap();
            if first {
                gate.lock().unwrap().recv().unwrap();
            }
            outcomes
        };
        let outcomes = std::thread::scope(|scope| {
            let first = scope.spawn(|| together.run(0, &joins, work));
            let started = || together.lock().working;
            while !started() {
                std::thread::yield_now();
            }
            let mut waiting = Vec::new();
            for (count, other) in others.iter().enumerate() {
                let (together, joins, work) = (&together, &joins, &work);
                waiting.push(scope.spawn(move || together.run(*other, joins, work)));
                wait_for_waiting(together, count + 1);
            }
            go.send(()).unwrap();
            let all = std::iter::once(first).chain(waiting);
            all.map(|one| one.join().unwrap()).collect()
        });
        assert!(together.lock().done.is_empty() && together.lock().waiting.is_empty());
        drop(seen);
        (turns.iter().collect(), outcomes)
    }

    #[test]
    fn whoever_comes_while_another_works_goes_together_and_gets_its_own_outcome() {
        let (mut turns, outcomes) = turns(&[1, 2, 3], any);
        turns.iter_mut().for_each(|turn| turn.sort_unstable());
        assert_eq!(turns, [vec![0], vec![1, 2, 3]]);
        assert_eq!(outcomes, [Some(0), Some(10), Some(20), Some(30)]);
    }

    #[test]
    fn what_does_not_join_goes_by_itself() {
        let few = |things: &[u32], _: &u32| things.len() < 2;
        let (turns, outcomes) = turns(&[1, 2, 3, 4, 5], few);
        assert!(turns.iter().all(|turn| turn.len() <= 2), "{turns:?}");
        assert_eq!(turns.iter().flatten().count(), 6);
        assert_eq!(outcomes.len(), 6);
        assert!(outcomes.iter().all(Option::is_some));
    }

    #[test]
    fn a_panic_at_work_leaves_nobody_waiting() {
        let together = Together::<u32, u32>::new();
        let (go, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let other = std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                let work = |_: Vec<u32>| gate.lock().unwrap().recv().map(|()| Vec::new()).unwrap();
                together.run(0, any, work)
            });
            while !together.lock().working {
                std::thread::yield_now();
            }
            let second = scope.spawn(|| {
                let work = |_: Vec<u32>| panic!("at work");
                catch_unwind(AssertUnwindSafe(|| together.run(1, any, work)))
            });
            wait_for_waiting(&together, 1);
            let third = scope.spawn(|| together.run(2, any, |things| things));
            wait_for_waiting(&together, 2);
            go.send(()).unwrap();
            // The first one's work gives no outcome at all.
            assert_eq!(first.join().unwrap(), None);
            (second.join().unwrap(), third.join().unwrap())
        });
        match other {
            // The second one worked for both.
            (Err(_), third) => assert_eq!(third, None),
            // The third one did.
            (second, third) => assert_eq!((second.unwrap(), third), (Some(1), Some(2))),
        }
        assert!(!together.lock().working && together.lock().done.is_empty());
        assert_eq!(together.run(4, any, |things| things), Some(4));
    }
}
