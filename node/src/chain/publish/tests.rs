use super::*;
use crate::chain::testing::Lone;
use medanchor_ledger::Height;

/// Quorums of three sizes, and a publisher that has seen none of them.
fn three() -> (Lone, Publishing, [Box<Gathering>; 3]) {
    let mut lone = Lone::start();
    lone.decide(Height(1));
    lone.decide(Height(2));
    let quorums: Vec<_> = lone
        .inbox
        .0
        .try_iter()
        .filter_map(|message| match message {
            Message::Quorum(gathering) => Some(gathering),
            _ => None,
        })
        .collect();
    let publishing = Publishing {
        shared: Arc::clone(&lone.shared),
        interval: Duration::ZERO,
        newest: Size(0),
        unpublished: VecDeque::new(),
        ready: None,
        last: None,
        stopping: false,
    };
    let quorums = quorums.try_into().expect("one for each size");
    (lone, publishing, quorums)
}

fn published(lone: &Lone) -> (Size, Option<Size>) {
    let told = lone.shared.published.borrow();
    let told = told.as_ref().map(|last| last.checkpoint.size);
    (lone.shared.store.published(), told)
}

/// Story: the quorum of a size comes from a peer's cosignature, that of the next from the executing
/// thread, and the second overtakes the first. Whoever waits for the second must not wait longer.
#[test]
fn a_quorum_that_was_overtaken_before_it_was_published_replaces_nothing() {
    let (lone, mut publishing, [_, second, third]) = three();
    let size = third.checkpoint().size;
    publishing.note(Message::Quorum(third));
    publishing.note(Message::Quorum(second));
    assert!(publishing.publish());
    assert_eq!(published(&lone), (size, Some(size)));
}

#[test]
fn a_quorum_that_comes_after_a_larger_one_was_published_does_not_stop_the_node() {
    let (mut lone, mut publishing, [first, second, third]) = three();
    let (small, large) = (second.checkpoint().size, third.checkpoint().size);
    publishing.note(Message::Quorum(second));
    assert!(publishing.publish());
    publishing.note(Message::Quorum(first));
    assert!(publishing.publish(), "there is nothing to publish");
    assert_eq!(published(&lone), (small, Some(small)));
    assert!(lone.stopped.try_recv().is_err(), "nobody stops the node");
    publishing.note(Message::Quorum(third));
    assert!(publishing.publish());
    assert_eq!(published(&lone), (large, Some(large)));
}
