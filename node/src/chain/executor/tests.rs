use super::*;
use crate::chain::testing::Lone;
use crate::http::service::Published;
use medanchor_ledger::cosignature::Gathering;

#[test]
fn a_proposal_asked_for_after_its_height_was_decided_does_not_stop_the_node() {
    let mut lone = Lone::start();
    lone.decide(Height(1));
    let late = lone.executor.propose(Height(1), Round(1));
    assert!(late.expect("no failure").is_none());
    assert!(lone.stopped.try_recv().is_err(), "nobody stops the node");
    lone.decide(Height(2));
}

fn last_signed(lone: &Lone) -> u64 {
    let quorum = lone.shared.cosigners().latest_quorum();
    quorum.first().expect("the one validator's record").seconds
}

/// The second that is written down stands for all that was signed up to it.
#[test]
fn a_cosignature_is_no_older_than_its_block_and_no_newer_than_what_is_written_down() {
    let mut lone = Lone::start();
    lone.decide(Height(1));
    let block = lone.shared.store.view().head().time;
    let signed = last_signed(&lone);
    assert!(signed * 1000 >= block.0, "{signed} s, {} ms", block.0);
    let written = std::fs::read_to_string(lone.shared.data().join("cosigned")).expect("a file");
    let written: u64 = written.trim_end().parse().expect("seconds");
    assert!(
        (signed..=signed + 10).contains(&written),
        "{signed}, {written}"
    );
}

/// A clock that is behind after a power cut, in a home whose file is gone.
#[test]
fn nothing_is_cosigned_earlier_than_the_published_checkpoint_was() {
    const LATER: u64 = 4_000_000_000;
    let mut lone = Lone::start();
    lone.decide(Height(1));
    let shared = Arc::clone(&lone.shared);
    let head = shared.store.view().head().clone();
    let checkpoint = Checkpoint {
        origin: shared.genesis.origin().clone(),
        size: head.frontier.size(),
        root: head.frontier.root(),
    };
    let set = shared.genesis.validators().clone();
    let signing = shared
        .cosigners()
        .decided(checkpoint.clone(), set.clone(), Time(LATER * 1000));
    let (own, _) = signing.expect("signed");
    let mut quorum = Gathering::new(checkpoint.clone(), set);
    quorum.add(&own.expect("a record")).expect("counted");
    let note = quorum.full_note().expect("a quorum").to_string();
    shared.published.send_replace(Some(Published {
        checkpoint,
        note: note.into(),
        served: Bytes::new(),
        cosigned: None,
    }));
    std::fs::remove_file(shared.data().join("cosigned")).expect("removed");
    lone.executor.start().expect("started");
    lone.decide(Height(2));
    assert!(last_signed(&lone) >= LATER);
}
