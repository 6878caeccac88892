//! The node's published folder behind a plain file server is the same log as the node's own HTTP.

use anyhow::{Context, Result, ensure};
use medanchor_tests::file_server::FileServer;
use medanchor_tests::files::names;
use medanchor_tests::network::{Network, PATIENCE, binary, wait_for};
use std::process::Command;
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;

/// What the node must say of a file, as C2SP tlog-tiles asks.
fn expected(name: &str) -> (&'static str, &'static str) {
    let text = "text/plain; charset=utf-8";
    let octets = "application/octet-stream";
    let for_ever = "public, max-age=31536000, immutable";
    match name {
        "checkpoint" | "witnessed" => (text, "no-cache"),
        "policy-chain" => ("application/cbor", "no-cache"),
        "certificates" | "cosignatures" => (octets, "no-cache"),
        name if name.starts_with("policies/") => (text, for_ever),
        _ => (octets, for_ever),
    }
}

#[test]
fn every_file_of_the_folder_is_what_the_node_serves_and_an_audit_of_the_files_passes() -> Result<()>
{
    let dir = tempfile::tempdir()?;
    // No heartbeat in the middle of the comparison.
    let network = Network::start(&binary("medanchor")?, dir.path(), 1, |config| {
        config.consensus.heartbeat_ms = 3_600_000;
    })?;
    let author = network.authors()?.pop().context("an author")?;
    let client = network.client(0);
    for _ in 0..4 {
        let batch = medanchor_tests::client::batch(&author.seal_many(150)?);
        ensure!(client.post(&batch, true)?.refused == 0);
    }
    wait_for("the log to be published", PATIENCE, || {
        let status = client.status()?;
        Ok(status.idle && status.published == status.size)
    })?;

    let folder = network.node(0).home.log();
    let files = FileServer::start(&folder)?;
    let agent = agent();
    let own = format!("http://{}", network.node(0).http);
    let names = names(&folder)?;
    for wanted in [
        "tile/0/000",
        "tile/0/001",
        "tile/entries/000",
        "tile/1/000.p/2",
    ] {
        ensure!(
            names.iter().any(|name| name == wanted),
            "{wanted} of {names:?}"
        );
    }
    for name in &names {
        let from_node = agent.get(format!("{own}/{name}")).call()?;
        let from_file = agent.get(format!("{}/{name}", files.url())).call()?;
        ensure!(
            from_node.status() == 200 && from_file.status() == 200,
            "{name}"
        );
        let headers = (
            header(&from_node, "content-type"),
            header(&from_node, "cache-control"),
        );
        let (content_type, cache) = expected(name);
        ensure!(
            headers == (content_type.into(), cache.into()),
            "{name}: {headers:?}"
        );
        let head = agent.head(format!("{own}/{name}")).call()?;
        ensure!(head.status() == 200, "{name}");
        ensure!(header(&head, "content-type") == headers.0, "{name}");
        let (node, file) = (body(from_node)?, body(from_file)?);
        ensure!(node == file, "{name} differs");
        ensure!(
            header(&head, "content-length") == node.len().to_string(),
            "{name}"
        );
    }
    // What is not there yet may be there soon: nobody may remember that it was not.
    let missing = agent.get(format!("{own}/tile/0/099")).call()?;
    ensure!(missing.status() == 404 && header(&missing, "cache-control") == "no-store");

    let audit = Command::new(binary("medanchor-audit")?)
        .args(["verify", &files.url()])
        .output()?;
    ensure!(
        audit.status.success(),
        "{}",
        String::from_utf8_lossy(&audit.stdout)
    );
    Ok(())
}

fn agent() -> Agent {
    let settings = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .proxy(None);
    settings.build().new_agent()
}

fn header(answer: &Response<ureq::Body>, name: &str) -> String {
    let value = answer
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn body(mut answer: Response<ureq::Body>) -> Result<Vec<u8>> {
    Ok(answer.body_mut().read_to_vec()?)
}
