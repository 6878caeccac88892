//! What the nodes of a demo tell everyone, and what they answer to requests that are refused.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::TlsConfig;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// What was printed and answered, each with the kind of place and a name.
pub type Shown = Vec<(&'static str, String, Vec<u8>)>;

/// Connections to one service.
pub struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    /// To a service at this address.
    pub fn new(url: &str) -> Self {
        Self::over(url, TlsConfig::default())
    }

    /// The same, with keys.
    pub fn over(url: &str, tls: TlsConfig) -> Self {
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER))
            .tls_config(tls)
            .proxy(None);
        Self {
            agent: settings.build().new_agent(),
            url: url.to_owned(),
        }
    }

    /// Status, and headers with body.
    pub fn get(&self, path: &str) -> Result<(u16, Vec<u8>)> {
        let url = format!("{}{path}", self.url);
        read(twice(|| self.agent.get(&url).call())?)
    }

    /// Status, and headers with body.
    pub fn post(&self, path: &str, kind: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let url = format!("{}{path}", self.url);
        read(twice(|| {
            self.agent.post(&url).content_type(kind).send(body)
        })?)
    }
}

/// Again if the connection was one that the other end had closed meanwhile: what is refused unread may be
/// asked twice.
fn twice<T>(ask: impl Fn() -> Result<T, ureq::Error>) -> Result<T, ureq::Error> {
    match ask() {
        Err(ureq::Error::Io(_)) => ask(),
        answer => answer,
    }
}

/// Headers and body.
fn read(mut answer: ureq::http::Response<ureq::Body>) -> Result<(u16, Vec<u8>)> {
    let mut bytes = format!("{:?}\n", answer.headers()).into_bytes();
    bytes.extend(
        answer
            .body_mut()
            .with_config()
            .limit(16 << 20)
            .read_to_vec()?,
    );
    Ok((answer.status().as_u16(), bytes))
}

/// What a node tells everyone, and what it tells of some events and blocks.
pub fn ask(client: &Client, dir: &Path, shown: &mut Shown) -> Result<()> {
    let mut paths: Vec<String> = [
        "/v1/status",
        "/checkpoint",
        "/policy",
        "/policy-chain",
        "/genesis",
        "/certificates",
        "/cosignatures",
        "/health",
        "/ready",
        "/openapi.json",
        "/v1/blocks/1",
        "/v1/blocks/5",
    ]
    .map(str::to_owned)
    .into();
    for file in super::files(&dir.join("receipts"))?.iter().step_by(97) {
        let id = file.file_stem().and_then(|id| id.to_str());
        let id = id.context("a receipt without an id")?;
        paths.push(format!("/v1/events/{id}"));
        paths.push(format!("/v1/events/{id}/receipt"));
    }
    for path in paths {
        let (_, body) = client.get(&path)?;
        shown.push(("HTTP answer", path, body));
    }
    let (status, metrics) = client.get("/metrics")?;
    let text = String::from_utf8_lossy(&metrics);
    ensure!(status == 200 && text.contains("medanchor"), "no metrics");
    shown.push(("metrics", client.url.clone(), metrics));
    Ok(())
}

/// Requests that are refused, each with a personal value in it: what a muddled client of a hospital
/// might send. Answers that repeat it, or a node that logs it, would leak.
pub fn provoke(client: &Client, values: &[&str], input: &Path, shown: &mut Shown) -> Result<()> {
    let mut errors = Vec::new();
    for value in values {
        let word = percent(value);
        for path in [
            format!("/{word}"),
            format!("/v1/events/{word}"),
            format!("/v1/events/{word}/receipt"),
            format!("/v1/events/{word}/access-receipt"),
            format!("/v1/state/{word}"),
            format!("/v1/state/{word}/proof"),
            format!("/v1/blocks/{word}"),
            format!("/v1/tags/{word}/{word}/history"),
            format!("/v1/consistency?from={word}&to={word}"),
            format!("/policies/{word}"),
            format!("/tile/{word}"),
        ] {
            errors.push((client.get(&path)?, "GET"));
        }
        let patient = serde_json::json!({"resourceType": "Patient", "name": [{"text": value}]});
        let patient = patient.to_string();
        for kind in ["application/json", "application/cose", "text/plain", value] {
            // Not every value can stand in a header.
            if !is_header(kind) {
                continue;
            }
            for path in ["/v1/events", "/v1/events/batch", "/v1/status"] {
                errors.push((client.post(path, kind, patient.as_bytes())?, "POST"));
            }
        }
        let waiting = format!("/v1/events?wait={word}");
        errors.push((
            client.post(&waiting, "application/cose", value.as_bytes())?,
            "POST",
        ));
    }
    let garbage = fs::read(super::files(input)?.first().context("no input")?)?;
    for kind in ["application/cose", "application/cbor-seq"] {
        errors.push((client.post("/v1/events", kind, &garbage)?, "POST"));
        errors.push((client.post("/v1/events/batch", kind, &garbage)?, "POST"));
    }
    let unknown = format!("/v1/events/{}", "5a".repeat(32));
    errors.push((client.get(&unknown)?, "GET"));
    for ((status, body), method) in errors {
        ensure!(status >= 400, "{method} was answered with {status}");
        shown.push(("HTTP error", method.to_owned(), body));
    }
    for value in values {
        shown.push((
            "HTTP error",
            "no request".into(),
            babble(&client.url, value)?,
        ));
    }
    Ok(())
}

/// What a service answers to what is no HTTP.
pub fn babble(url: &str, value: &str) -> Result<Vec<u8>> {
    let address = url.split("//").nth(1).context("an address")?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER))?;
    // Some values make a request of it all: its connection would be kept.
    let said =
        format!("{value} /{value} HTTP/1.1\r\n{value}: {value}\r\nconnection: close\r\n\r\n");
    stream.write_all(said.as_bytes())?;
    let mut answer = Vec::new();
    // Services may cut off who babbles.
    let _ = stream.take(1 << 20).read_to_end(&mut answer);
    Ok(answer)
}

/// Whether a text can stand in a header.
pub fn is_header(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// With all but letters and digits escaped, as in addresses.
pub fn percent(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
