//! Events that take longer to come than a proof stays fresh.

use super::*;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// A node of which each event takes two minutes to come. `happens` is told of each, and of the time; before each
/// history there is a block. Gives the node, and the paths that it was asked for.
fn slow(
    ledger: Ledger,
    clock: &Arc<Fixed>,
    happens: impl Fn(&mut Ledger, u64) + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (ledger, clock, paths) = (Mutex::new(ledger), clock.clone(), asked.clone());
    let node = serve(move |request| {
        let mut ledger = ledger.lock().unwrap();
        paths.lock().unwrap().push(request.path.clone());
        if request.path.starts_with("/v1/events/") {
            let before = clock.now.fetch_add(2 * MINUTE, Ordering::SeqCst);
            happens(&mut ledger, before + 2 * MINUTE);
        } else if request.path.contains("/history") {
            ledger.beat(clock.now.load(Ordering::SeqCst));
        }
        ledger.answer(request)
    });
    (node, asked)
}

/// How often histories and events were asked for, and how many events.
fn counted(asked: &Mutex<Vec<String>>) -> (usize, usize, usize) {
    let asked = asked.lock().unwrap();
    let events = asked.iter().filter(|path| path.starts_with("/v1/events/"));
    let each: BTreeSet<_> = events.clone().collect();
    let histories = asked.iter().filter(|path| path.contains("/history"));
    (histories.count(), events.count(), each.len())
}

/// Thousands of accesses take minutes to fetch, one by one, and anybody who may ask can make them so many. The
/// list was called a second old where its proofs were six minutes old, and lacked what happened meanwhile.
#[test]
fn what_happens_while_events_are_fetched_is_in_the_list_and_the_list_is_fresh() {
    let (ledger, opened) = sealed_long_ago();
    let (before, now) = (ledger.frozen(), opened + 1_000);
    let clock = Arc::new(Fixed::at(now));
    let happened = AtomicBool::new(false);
    let (node, asked) = slow(ledger, &clock, move |ledger, now| {
        if !happened.swap(true, Ordering::SeqCst) {
            ledger.block(now, "clinic", Some(BEFORE), break_glass(2));
        }
    });
    let list = listed_by(&before, &[&node], clock.clone(), &all(now));
    assert_eq!((list.list.entries.len(), list.is_sound()), (2, true));
    let made = clock.now.load(Ordering::SeqCst);
    assert_eq!(list.list.until.0 + list.list.age, made);
    assert_eq!(
        counted(&asked),
        (3 * 6, 3, 3),
        "three rounds, and each event once"
    );
}

#[test]
fn a_list_that_never_gets_ahead_of_what_happens_is_old() {
    let (ledger, opened) = sealed_long_ago();
    let (before, now) = (ledger.frozen(), opened + 1_000);
    let clock = Arc::new(Fixed::at(now));
    let (node, asked) = slow(ledger, &clock, |ledger, now| {
        let next = u8::try_from(ledger.entries.len()).unwrap();
        ledger.block(now, "clinic", Some(BEFORE), break_glass(next));
    });
    let list = listed_by(&before, &[&node], clock.clone(), &all(now));
    assert_eq!(counted(&asked), (3 * 6, 6, 6));
    assert_eq!(list.list.entries.len(), 5);
    assert!(list.is_stale() && list.is_whole() && !list.is_sound());
    assert_eq!(list.list.age, 4 * MINUTE);
}

/// The node's blocks have stopped, and it gives the same proofs again.
#[test]
fn a_list_is_as_old_as_its_proofs_when_its_events_are_there() {
    let (ledger, opened) = sealed_long_ago();
    let (ledger, now) = (ledger.frozen(), opened + 1_000);
    let clock = Arc::new(Fixed::at(now));
    let late = {
        let (ledger, clock) = (ledger.clone(), clock.clone());
        serve(move |request| {
            if request.path.starts_with("/v1/events/") {
                clock.now.fetch_add(2 * MINUTE, Ordering::SeqCst);
            }
            ledger.answer(request)
        })
    };
    let list = listed_by(&ledger, &[&late], clock.clone(), &all(now));
    let made = clock.now.load(Ordering::SeqCst);
    assert_eq!(made, now + 4 * MINUTE, "each event once");
    assert_eq!(list.list.age, 4 * MINUTE + 1_000);
    assert!(list.is_stale() && !list.is_sound());
}
