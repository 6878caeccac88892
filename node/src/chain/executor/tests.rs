use super::*;
use crate::chain::testing::Lone;

#[test]
fn a_proposal_asked_for_after_its_height_was_decided_does_not_stop_the_node() {
    let mut lone = Lone::start();
    lone.decide(Height(1));
    let late = lone.executor.propose(Height(1), Round(1));
    assert!(late.expect("no failure").is_none());
    assert!(lone.stopped.try_recv().is_err(), "nobody stops the node");
    lone.decide(Height(2));
}
