//! The copy of the log in an S3-compatible service that we did not write (moto's server): an auditor
//! reads it from there.

use anyhow::{Context, Result, ensure};
use medanchor_tests::client::batch;
use medanchor_tests::network::{Network, PATIENCE, binary, wait_for};
use medanchor_tests::tool::{Running, Tool, installed};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use ureq::Agent;

/// What no log line may hold.
const SECRET: &str = "a-secret-of-this-test";

/// The bucket's policy.
const READABLE: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}]}"#;

/// Who else writes; the service does not check signatures.
const ANOTHER: &str = "AWS4-HMAC-SHA256 Credential=another/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00";

#[test]
fn a_copy_in_an_s3_service_of_others_is_the_log_and_never_written_over() -> Result<()> {
    let Some(server) = installed("venv/bin/moto_server") else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let service = Service::start(&server, dir.path())?;
    let bucket = format!("{}/bucket", service.url);
    let agent = agent();
    agent.put(&bucket).send_empty()?;
    // Anybody may read, as auditors do; who writes must say who it is.
    agent.put(format!("{bucket}?policy")).send(READABLE)?;
    let credentials = dir.path().join("credentials.toml");
    std::fs::write(
        &credentials,
        format!("access_key_id = \"test\"\nsecret_access_key = \"{SECRET}\"\n"),
    )?;
    let mut network = Network::start(
        &binary("medanchor")?,
        &dir.path().join("net"),
        1,
        |config| {
            config.publish.url = "s3://bucket/city".into();
            config.publish.endpoint.clone_from(&service.url);
            config.publish.credentials = credentials.display().to_string();
            config.publish.interval_ms = 50;
        },
    )?;
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
    wait_for("the copy to be the log", PATIENCE, || {
        let status = client.status()?;
        let publishing = status.publishing.context("it copies")?;
        Ok(publishing.size == status.size)
    })
    .with_context(|| network.said())?;

    let place = format!("{bucket}/city");
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
    let audit = Command::new(binary("medanchor-audit")?)
        .args(["verify", &place])
        .output()?;
    ensure!(
        audit.status.success(),
        "{}",
        String::from_utf8_lossy(&audit.stdout)
    );

    // Somebody puts another tile there, and takes the checkpoint away so that all is pushed again.
    network.kill(0);
    let put = agent.put(format!("{place}/tile/0/000"));
    put.header("authorization", ANOTHER)
        .send(b"another".as_slice())?;
    let delete = agent.delete(format!("{place}/checkpoint"));
    delete.header("authorization", ANOTHER).call()?;
    network.restart(0)?;
    wait_for("the conflict to be told", PATIENCE, || {
        let publishing = client.status()?.publishing.context("it copies")?;
        Ok(publishing
            .last_error
            .is_some_and(|error| error.contains("another tile/0/000")))
    })?;
    let found = agent
        .get(format!("{place}/tile/0/000"))
        .call()?
        .body_mut()
        .read_to_vec()?;
    ensure!(found == b"another", "it was written over");
    ensure!(!network.said().contains(SECRET), "a secret is in the log");
    Ok(())
}

pub(super) fn agent() -> Agent {
    let settings = Agent::config_builder().timeout_global(Some(Duration::from_secs(30)));
    settings.proxy(None).build().new_agent()
}

/// The service, until it is dropped.
pub(super) struct Service {
    pub(super) url: String,
    _running: Running,
}

impl Service {
    pub(super) fn start(server: &Tool, dir: &Path) -> Result<Self> {
        let said = dir.join("service");
        let running = server.start(&said, &["-H", "127.0.0.1", "-p", "0"])?;
        let mut url = None;
        let heard = wait_for("the service to listen", PATIENCE, || {
            let text = std::fs::read_to_string(&said)?;
            // Without its line break the address may not be whole yet.
            let mut lines = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            url = lines.find_map(address);
            Ok(url.is_some())
        });
        heard.with_context(|| std::fs::read_to_string(&said).unwrap_or_default())?;
        Ok(Self {
            url: url.context("its address")?,
            _running: running,
        })
    }
}

/// `http://127.0.0.1:PORT` out of a line of what it says.
fn address(line: &str) -> Option<String> {
    let rest = line.split("http://127.0.0.1:").nth(1)?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("http://127.0.0.1:{port}"))
}
