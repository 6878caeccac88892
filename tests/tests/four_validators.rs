//! Four validators as four processes: events posted at any of them are anchored once, rivals are
//! settled by the order of the ledger, and an idle network is quiet and wakes at once.

use anyhow::Result;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::event::Event;
use medanchor_ledger::note::Note;
use medanchor_node::config::Config;
use medanchor_sdk::{verify_consistency, verify_statement, walk_policies};
use medanchor_tests::network::{Network, PATIENCE, binary, wait_for};
use medanchor_tests::workload::record;
use std::sync::Arc;
use tempfile::TempDir;

/// Nothing times out that is merely slow.
fn patient(config: &mut Config) {
    config.consensus.propose_timeout_ms = 3_000;
    config.consensus.vote_timeout_ms = 1_000;
}

fn four() -> Result<(Network, TempDir)> {
    let dir = tempfile::tempdir()?;
    let network = Network::start(&binary("medanchor")?, dir.path(), 4, patient)?;
    Ok((network, dir))
}

/// Waits until all nodes are at one height with one root, all of it published.
fn wait_until_alike(network: &Network) -> Result<()> {
    let clients = network.clients();
    wait_for("all nodes at one published root", PATIENCE, || {
        let all: Result<Vec<_>> = clients.iter().map(|client| client.status()).collect();
        let all = all?;
        Ok(all.iter().all(|one| {
            one.root == all[0].root && one.published == one.size && one.pool_events == 0
        }))
    })
}

#[test]
fn events_posted_at_any_node_get_receipts_that_hold() -> Result<()> {
    let (mut network, _dir) = four()?;
    let genesis = network.layout().genesis.clone();
    let policies = walk_policies(genesis.encoded(), None)?;
    let mut kept = Vec::new();
    for (client, author) in network.clients().iter().zip(network.authors()?) {
        let event = author.seal()?;
        let receipt = client.anchor(&event)?;
        medanchor_sdk::verify_receipt(genesis.policy(), event.encoded(), &receipt)?;
        let path = format!("/v1/events/{}/receipt", event.id());
        let statement = client.get_as(&path, "application/cose")?;
        let proved = verify_statement(&policies, &statement)?;
        assert_eq!(proved.quorum().validators().len(), 3, "a quorum of four");
        kept.push(client.get("/checkpoint")?);
    }
    for (client, checkpoint) in network.clients().iter().zip(&kept) {
        let held: Checkpoint = Note::parse(checkpoint)?.text().parse()?;
        let path = format!("/v1/consistency?from={}", held.size);
        verify_consistency(&policies, checkpoint, &client.get(&path)?)?;
    }
    wait_until_alike(&network)?;
    assert!(network.stop(), "every node stops by itself, with success");
    Ok(())
}

#[test]
fn of_two_rivals_posted_at_two_nodes_one_loses_and_is_shown_the_winners_receipt() -> Result<()> {
    let (network, _dir) = four()?;
    let policy = network.layout().genesis.policy().clone();
    let identity = medanchor_sdk::Identity::open(&network.node(0).home.identity())?;
    let rivals: Vec<Event> = (0..2)
        .map(|_| identity.sign(record(7, 7)))
        .collect::<Result<_, _>>()?;
    let rivals = Arc::new(rivals);
    let posting: Vec<_> = [0, 2]
        .into_iter()
        .enumerate()
        .map(|(rival, node)| {
            let (client, rivals) = (network.client(node), Arc::clone(&rivals));
            std::thread::spawn(move || client.anchor(&rivals[rival]))
        })
        .collect();
    let answers: Vec<Result<Vec<u8>>> = posting
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .collect();
    let winner = answers.iter().position(Result::is_ok).expect("one wins");
    let receipt = answers[winner].as_ref().expect("won");
    medanchor_sdk::verify_receipt(&policy, rivals[winner].encoded(), receipt)?;
    let lost = answers[1 - winner]
        .as_ref()
        .expect_err("the other loses")
        .to_string();
    assert!(lost.contains("record.already-sealed"), "{lost}");
    assert!(lost.contains(&rivals[winner].id().to_string()), "{lost}");
    assert!(lost.contains("winner_receipt"), "{lost}");
    Ok(())
}

#[test]
fn an_idle_network_is_quiet_and_wakes_at_once() -> Result<()> {
    let (network, _dir) = four()?;
    let (client, author) = (network.client(1), network.authors()?.remove(1));
    client.anchor(&author.seal()?)?;
    wait_until_alike(&network)?;
    wait_for("an idle network", PATIENCE, || Ok(client.status()?.idle))?;
    let before = client.status()?.height;
    // A busy network would decide a block every few milliseconds.
    for _ in 0..100 {
        client.status()?;
    }
    let quiet = client.status()?.height;
    assert!(
        quiet <= before + 1,
        "one heartbeat at most, not {}",
        quiet - before
    );
    client.anchor(&author.seal()?)?;
    Ok(())
}

#[test]
fn a_batch_of_a_thousand_is_anchored_whole_and_in_order() -> Result<()> {
    let (network, _dir) = four()?;
    let author = network.authors()?.remove(0);
    let events = author.seal_many(1_000)?;
    let answer = network
        .client(0)
        .post(&medanchor_tests::client::batch(&events), true)?;
    let places: Option<Vec<_>> = answer
        .results
        .iter()
        .map(|result| result.anchored())
        .collect();
    let places = places.expect("all are anchored");
    assert!(
        places.is_sorted_by(|one, other| one < other),
        "in the order in which they came"
    );
    wait_until_alike(&network)
}
