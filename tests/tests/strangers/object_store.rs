//! The copy of the log in an S3-compatible service that we did not write (moto's server): an auditor
//! reads it from there.

use super::checking::{Checking, NEEDED, agent};
use anyhow::{Context, Result, ensure};
use medanchor_node::publish_store::Publishing;
use medanchor_tests::client::{Client, batch};
use medanchor_tests::network::{Network, PATIENCE, binary, wait_for};
use std::path::Path;
use std::process::Command;

/// Who writes the copy.
const USER: &str = "publisher";

/// A network of one node that copies its log into the service's bucket, with the credentials of this file.
fn publishing(service: &Checking, dir: &Path, credentials: &Path) -> Result<Network> {
    Network::start(&binary("medanchor")?, dir, 1, |config| {
        config.publish.url = "s3://bucket/city".into();
        config.publish.endpoint.clone_from(&service.url);
        config.publish.credentials = credentials.display().to_string();
        config.publish.interval_ms = 50;
    })
}

/// Waits until the copy is what is asked for.
fn wait_for_copy(
    network: &Network,
    client: &Client,
    what: &str,
    is: impl Fn(u64, &Publishing) -> bool,
) -> Result<()> {
    wait_for(what, PATIENCE, || {
        let status = client.status()?;
        let publishing = status.publishing.context("it copies")?;
        Ok(is(status.size, &publishing))
    })
    .with_context(|| network.said())
}

fn whole(size: u64, publishing: &Publishing) -> bool {
    publishing.size == size && publishing.last_error.is_none()
}

fn audited(place: &str) -> Result<()> {
    let audit = Command::new(binary("medanchor-audit")?)
        .args(["verify", place])
        .output()?;
    let said = String::from_utf8_lossy(&audit.stdout);
    ensure!(audit.status.success(), "{said}");
    Ok(())
}

#[test]
fn a_copy_in_an_s3_service_of_others_is_the_log_and_never_written_over() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(service) = Checking::start(dir.path())? else {
        return Ok(());
    };
    service.allow(USER, NEEDED)?;
    let key = service.key(USER)?;
    let mut network = publishing(&service, &dir.path().join("net"), &key.file)?;
    let author = network.authors()?.pop().context("an author")?;
    let client = network.client(0);
    for round in 0..3 {
        client.post(&batch(&author.seal_many(200)?), true)?;
        if round == 1 {
            network.kill(0);
            network.restart(0)?;
            network.wait_until_node_is_ready(0)?;
        }
    }
    wait_for_copy(&network, &client, "the copy to be the log", whole)?;

    // Auditors are not known to the service.
    service.lift()?;
    let agent = agent();
    let place = format!("{}/bucket/city", service.url);
    for (name, content_type, cache) in [
        ("checkpoint", "text/plain; charset=utf-8", "no-cache"),
        (
            "tile/0/000",
            "application/octet-stream",
            "public, max-age=31536000, immutable",
        ),
    ] {
        let answer = agent.get(format!("{place}/{name}")).call()?;
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        ensure!(
            header("content-type") == Some(content_type),
            "{name}: {:?}",
            answer.headers()
        );
        ensure!(
            header("cache-control") == Some(cache),
            "{name}: {:?}",
            answer.headers()
        );
    }
    audited(&place)?;
    service.check_again()?;

    // Somebody puts another tile there, and takes the checkpoint away so that all is pushed again.
    network.kill(0);
    service.put("city/tile/0/000", b"another")?;
    service.delete("city/checkpoint")?;
    network.restart(0)?;
    wait_for_copy(&network, &client, "the conflict to be told", |_, copy| {
        let error = copy.last_error.as_deref();
        error.is_some_and(|error| error.contains("another tile/0/000"))
    })?;
    let found = service.object("city/tile/0/000")?;
    ensure!(found.as_deref() == Some(b"another"), "it was written over");
    key.is_nowhere_in(&network.said())
}

/// A node runs on while the service refuses its copy, and the copy is whole once the credentials are right.
#[test]
fn a_copy_waits_for_credentials_that_the_service_accepts() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(service) = Checking::start(dir.path())? else {
        return Ok(());
    };
    service.allow(USER, &[])?;
    let key = service.key(USER)?;
    let right = std::fs::read_to_string(&key.file)?;
    let mut network = publishing(&service, &dir.path().join("net"), &key.file)?;
    let author = network.authors()?.pop().context("an author")?;
    let client = network.client(0);
    let refused = |network: &Network, words: &str| {
        client.post(&batch(&author.seal_many(20)?), true)?;
        wait_for_copy(network, &client, words, |size, copy| {
            let error = copy.last_error.as_deref();
            copy.size < size && error.is_some_and(|error| error.contains(words))
        })
    };
    let again = |network: &mut Network, credentials: &str| {
        network.kill(0);
        std::fs::write(&key.file, credentials)?;
        network.restart(0)?;
        network.wait_until_node_is_ready(0)
    };

    refused(&network, "permission denied: let the credentials read")?;
    // It needs no other credentials, and is not started again.
    service.allow(USER, NEEDED)?;
    wait_for_copy(&network, &client, "the copy, once it is permitted", whole)?;
    for (slip, words) in [
        (
            key.with_another_secret(&right),
            "the secret access key is not the one",
        ),
        (key.with_another_id(&right), "no such access key id"),
        (
            format!("{right}session_token = \"another\"\n"),
            "the session token is not valid",
        ),
    ] {
        again(&mut network, &slip)?;
        refused(&network, words)?;
    }
    again(&mut network, &right)?;
    wait_for_copy(&network, &client, "the copy, with the right key", whole)?;
    service.withdraw(USER)?;
    refused(&network, "or it was withdrawn")?;
    let next = service.key(USER)?;
    let fresh = std::fs::read_to_string(&next.file)?;
    again(&mut network, &fresh)?;
    wait_for_copy(&network, &client, "the copy, with another key", whole)?;

    for key in [&key, &next] {
        key.is_nowhere_in(&network.said())?;
        key.is_nowhere_in(&serde_json::to_string(&client.status()?)?)?;
    }
    service.lift()?;
    audited(&format!("{}/bucket/city", service.url))
}
