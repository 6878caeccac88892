//! One validator's keys in two processes: the one that comes second stops before it has said
//! anything, says why, and keeps the proof; the first goes on.

use crate::stage::Stage;
use anyhow::{Context, Result};
use medanchor_ledger::ValueId;
use medanchor_ledger::certificate::VoteKind;
use medanchor_ledger::signature::{Signature, SigningKey, verify};
use medanchor_node::config::Config;
use medanchor_node::exit::Exit;
use medanchor_node::home::Home;
use medanchor_node::process::{NodeProcess, free_ports};
use medanchor_tests::network::{Network, PATIENCE, binary, wait_for};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// Nothing times out that is merely slow; heartbeats come often, so that heights pass.
fn adjust(config: &mut Config) {
    config.consensus.propose_timeout_ms = 1_000;
    config.consensus.vote_timeout_ms = 500;
    config.consensus.heartbeat_ms = 300;
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let path = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &path)?,
            false => drop(std::fs::copy(entry.path(), &path)?),
        }
    }
    Ok(())
}

/// A copy of a home that does not run, with ports of its own.
fn twin_of(home: &Home, dir: &Path) -> Result<Home> {
    copy(home.path(), dir)?;
    let twin = Home::new(dir);
    let mut config = Config::read(&twin.config())?;
    let ports = free_ports(2)?;
    let address = |port: &u16| SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
    config.http.listen = address(&ports[0]);
    config.p2p.listen = address(&ports[1]);
    std::fs::write(twin.config(), config.documented())?;
    Ok(twin)
}

fn evidence(home: &Home) -> String {
    std::fs::read_to_string(home.data().join("evidence")).unwrap_or_default()
}

#[test]
fn a_second_process_with_a_validators_keys_stops_and_the_first_goes_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let medanchor = binary("medanchor")?;
    let mut network = Network::start(&medanchor, &dir.path().join("net"), 4, adjust)?;
    let (client, author) = (network.client(3), network.authors()?.remove(3));
    client.anchor(&author.seal()?)?;
    network.kill(3);
    let twin = twin_of(&network.node(3).home, &dir.path().join("twin"))?;
    network.restart(3)?;
    network.wait_until_node_is_ready(3)?;
    client.anchor(&author.seal()?)?;

    let mut second = NodeProcess::spawn(&medanchor, &twin, &[])?;
    let status = second.wait(PATIENCE).context("the second process stops")?;
    let said = second.said();
    assert_eq!(
        status.code(),
        Some(Exit::DuplicateKey.code().into()),
        "{said}"
    );
    let name = &network.node(3).name;
    assert!(
        said.contains(&format!("another node signs as {name}")),
        "{said}"
    );
    assert!(evidence(&twin).starts_with("own-key-elsewhere "), "{said}");

    let before = client.status()?.height;
    wait_for("two more heights", PATIENCE, || {
        Ok(client.status()?.height > before + 1)
    })?;
    client.anchor(&author.seal()?)?;
    assert!(client.status()?.validator);
    for node in 0..4 {
        let kept = evidence(&network.node(node).home);
        assert_eq!(kept, "", "nobody signed two things");
    }
    assert!(network.stop(), "every node stops by itself, with success");
    Ok(())
}

#[test]
fn two_processes_that_start_together_with_one_key_do_not_both_go_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let medanchor = binary("medanchor")?;
    let mut network = Network::start(&medanchor, &dir.path().join("net"), 4, adjust)?;
    network
        .client(0)
        .anchor(&network.authors()?.remove(0).seal()?)?;
    network.kill(3);
    let home = network.node(3).home.clone();
    let twin = twin_of(&home, &dir.path().join("twin"))?;
    let mut both = [
        NodeProcess::spawn(&medanchor, &twin, &[])?,
        NodeProcess::spawn(&medanchor, &home, &[])?,
    ];
    wait_for("one of them to stop", PATIENCE, || {
        Ok(both.iter_mut().any(|process| !process.is_running()))
    })?;
    for process in &mut both {
        // The other one has been told, too, or is alone now.
        if let Some(status) = process.wait(std::time::Duration::ZERO) {
            let said = process.said();
            assert_eq!(
                status.code(),
                Some(Exit::DuplicateKey.code().into()),
                "{said}"
            );
        }
    }
    for node in 0..3 {
        assert_eq!(
            evidence(&network.node(node).home),
            "",
            "nobody signed two things"
        );
    }
    Ok(())
}

/// Whatever way it comes: a message that the node's key signed and the node did not make.
#[tokio::test(flavor = "multi_thread")]
async fn a_vote_with_the_nodes_own_key_that_it_did_not_cast_stops_it() -> Result<()> {
    let mut stage = Stage::set().await?;
    let block = stage.block(0, &[])?;
    stage.propose(0, &block)?;
    let value = Some(block.value_id);
    stage.hear_vote(VoteKind::Prevote, 0, value).await?;
    let stolen = stage.stolen_key()?;
    let peer = &stage.roles[1].player;

    let own = stage.ballot(&stage.node.name, VoteKind::Prevote, 0, value);
    assert!(peer.vote(&own, stolen.signing_key()), "an echo is sent");
    let other = stage.ballot(
        &stage.node.name,
        VoteKind::Prevote,
        0,
        Some(ValueId::new([7; 32])),
    );
    let forger = SigningKey::from_seed(&[7; 32]);
    assert!(peer.vote(&other, &forger), "a forgery is sent");
    // That the node goes on shows that neither stopped it.
    stage.vote(&[0, 1], VoteKind::Prevote, 0, value)?;
    stage.hear_vote(VoteKind::Precommit, 0, value).await?;
    assert!(stage.process.is_running());
    assert!(stage.evidence().is_empty());

    assert!(
        stage.roles[1].player.vote(&other, stolen.signing_key()),
        "it is sent"
    );
    let status = stage.process.wait(PATIENCE).context("the node stops")?;
    let said = stage.process.said();
    assert_eq!(
        status.code(),
        Some(Exit::DuplicateKey.code().into()),
        "{said}"
    );
    let evidence = stage.evidence();
    let [(kind, bytes)] = &evidence[..] else {
        panic!("one proof, not {evidence:?}");
    };
    let (statement, signature) = bytes.split_last_chunk::<64>().context("a signature")?;
    assert_eq!(kind, "own-key-elsewhere");
    assert_eq!(statement, other.signed_bytes());
    verify(&stolen.public(), statement, &Signature::new(*signature))?;
    Ok(())
}
