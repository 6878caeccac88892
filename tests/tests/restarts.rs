//! Nodes that die, come back, or were restored from a back-up.

use anyhow::Result;
use medanchor_node::config::Config;
use medanchor_node::exit::Exit;
use medanchor_tests::network::{Network, PATIENCE, binary, wait_for};

/// Nothing times out that is merely slow; heartbeats come often, so that heights pass.
fn adjust(config: &mut Config) {
    config.consensus.propose_timeout_ms = 1_000;
    config.consensus.vote_timeout_ms = 500;
    config.consensus.heartbeat_ms = 300;
}

#[test]
fn a_killed_node_is_not_missed_and_catches_up() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut network = Network::start(&binary("medanchor")?, dir.path(), 4, adjust)?;
    let (client, author) = (network.client(0), network.authors()?.remove(0));
    let policy = network.layout().genesis.policy().clone();
    client.anchor(&author.seal()?)?;
    network.kill(3);
    let events = author.seal_many(20)?;
    let answer = client.post(&medanchor_tests::client::batch(&events), true)?;
    assert!(
        answer
            .results
            .iter()
            .all(|result| result.anchored().is_some())
    );
    network.restart(3)?;
    let size = client.status()?.size;
    let back = network.client(3);
    wait_for("the node to catch up", PATIENCE, || {
        Ok(back.status()?.published >= size)
    })?;
    for event in &events {
        let receipt = back.receipt(&event.id())?;
        medanchor_sdk::verify_receipt(&policy, event.encoded(), &receipt)?;
    }
    Ok(())
}

#[test]
fn a_whole_network_that_is_killed_goes_on_where_it_was() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut network = Network::start(&binary("medanchor")?, dir.path(), 4, adjust)?;
    let author = network.authors()?.remove(0);
    let event = author.seal()?;
    network.client(0).anchor(&event)?;
    (0..4).for_each(|node| network.kill(node));
    (0..4).try_for_each(|node| network.restart(node))?;
    (0..4).try_for_each(|node| network.wait_until_node_is_ready(node))?;
    network.client(2).receipt(&event.id())?;
    network.client(1).anchor(&author.seal()?)?;
    Ok(())
}

#[test]
fn a_restored_home_signs_nothing_until_the_network_is_past_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut network = Network::start(&binary("medanchor")?, dir.path(), 4, adjust)?;
    let (client, author) = (network.client(0), network.authors()?.remove(0));
    client.anchor(&author.seal()?)?;
    network.kill(3);
    let mark = network.node(3).home.restored();
    std::fs::write(&mark, "")?;
    network.restart(3)?;
    let restored = network.client(3);
    assert!(!restored.status().is_ok_and(|status| status.validator) || !mark.exists());
    wait_for("the restored node to vote again", PATIENCE, || {
        Ok(!mark.exists() && restored.status().is_ok_and(|status| status.validator))
    })?;
    network.wait_until_node_is_ready(3)?;
    restored.anchor(&author.seal()?)?;
    Ok(())
}

#[test]
fn a_node_that_lost_its_data_fetches_everything_again_and_votes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut network = Network::start(&binary("medanchor")?, dir.path(), 4, adjust)?;
    let (client, author) = (network.client(0), network.authors()?.remove(0));
    let event = author.seal()?;
    client.anchor(&event)?;
    network.kill(3);
    let home = network.node(3).home.clone();
    std::fs::remove_dir_all(home.data())?;
    std::fs::remove_dir_all(home.log())?;
    std::fs::write(home.restored(), "")?;
    network.restart(3)?;
    let back = network.client(3);
    wait_for("the node to vote again", PATIENCE, || {
        Ok(!home.restored().exists() && back.status().is_ok_and(|status| status.validator))
    })?;
    network.wait_until_node_is_ready(3)?;
    wait_for("the old receipt", PATIENCE, || {
        Ok(back.receipt(&event.id()).is_ok())
    })?;
    back.anchor(&author.seal()?)?;
    Ok(())
}

#[test]
fn a_home_that_lost_its_votes_is_refused_until_it_is_said_to_be_restored() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut network = Network::start(&binary("medanchor")?, dir.path(), 4, adjust)?;
    let (client, author) = (network.client(0), network.authors()?.remove(0));
    client.anchor(&author.seal()?)?;
    let home = network.node(3).home.clone();
    let votes = home.wal().join("consensus.wal");
    let lose = || std::fs::remove_file(&votes);

    network.kill(3);
    lose()?;
    let (code, said) = network.refusal(3, &[])?;
    assert_eq!(code, Exit::Damaged.code(), "{said}");
    assert!(
        said.contains("consensus.wal is missing") && said.contains("--restored"),
        "{said}"
    );
    assert!(!votes.exists(), "a refused home is as it was");

    network.restart_with(3, &["--restored"])?;
    let back = network.client(3);
    wait_for("the restored node to vote again", PATIENCE, || {
        Ok(!home.restored().exists() && back.status().is_ok_and(|status| status.validator))
    })?;
    network.wait_until_node_is_ready(3)?;
    network.kill(3);
    network.restart(3)?;
    network.wait_until_node_is_ready(3)?;
    back.anchor(&author.seal()?)?;

    // Having caught up once excuses nothing later.
    network.kill(3);
    lose()?;
    assert_eq!(network.refusal(3, &[])?.0, Exit::Damaged.code());
    Ok(())
}
