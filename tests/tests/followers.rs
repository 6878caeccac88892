//! A node that follows without voting: it serves and posts as every other node does.

use anyhow::Result;
use medanchor_ledger::rules::Role;
use medanchor_node::chain::Shared;
use medanchor_node::network::{Founding, Institution, Part, Ports};
use medanchor_sdk::Identity;
use medanchor_tests::network::{Network, binary};
use medanchor_tests::workload::Author;
use std::sync::Arc;

#[test]
fn an_event_posted_at_a_follower_is_anchored_and_the_follower_has_its_receipt() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let institution = |name: &str, part| -> Result<Institution> {
        Ok(Institution {
            name: name.parse()?,
            roles: vec![Role::Hospital],
            part,
        })
    };
    let founding = Founding {
        name: "scenario".parse()?,
        institutions: vec![
            institution("follower", Part::Follower)?,
            institution("validator", Part::Validator)?,
        ],
        publisher: None,
        ports: Ports::Free,
        time: Shared::clock(),
    };
    let layout = founding.found(dir.path())?;
    let genesis = layout.genesis.clone();
    let network = Network::run(&binary("medanchor")?, layout)?;
    let (node, follower) = (network.node(0), network.client(0));
    assert!(!follower.status()?.validator);
    let author = Author::new(Arc::new(Identity::open(&node.home.identity())?), 0);
    let event = author.seal()?;
    let receipt = follower.anchor(&event)?;
    medanchor_sdk::verify_receipt(genesis.policy(), event.encoded(), &receipt)?;
    Ok(())
}
