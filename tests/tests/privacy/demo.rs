//! A demo over some input: what it leaves in its folder, prints, and answers while it runs, also to
//! clients that send nonsense full of personal values.

use anyhow::{Context, Result, ensure};
use medanchor_tests::network::{binary, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use ureq::Agent;

/// How long a demo may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);
/// How many values of the input are sent in requests that must fail.
const ASKED: usize = 12;

/// What a demo left and showed; its nodes are stopped.
pub struct Demo {
    /// Its folder.
    pub dir: tempfile::TempDir,
    /// What it printed and answered, each with the kind of place and a name.
    pub shown: Vec<(&'static str, String, Vec<u8>)>,
}

/// A demo that runs; it is told to stop, and waited for, whatever happens.
struct Running(Child);

impl Running {
    fn stop(&mut self) -> Result<()> {
        if self.0.try_wait()?.is_none() {
            kill(Pid::from_raw(i32::try_from(self.0.id())?), Signal::SIGTERM)?;
        }
        wait_for("the demo's end", PATIENCE, || {
            Ok(self.0.try_wait()?.is_some())
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that fails already says why.
        let _ = self.stop();
    }
}

/// Runs a demo over `input`, asks its nodes for all that they show, provokes errors with `values`,
/// and stops it.
pub fn run(input: &Path, values: &[String]) -> Result<Demo> {
    run_and(input, values, |_, _| Ok(()))
}

/// As [`run`]; once the demo's own work is done and while its nodes run, `meanwhile` is given its
/// folder and its summary.
pub fn run_and(
    input: &Path,
    values: &[String],
    meanwhile: impl FnOnce(&Path, &Value) -> Result<()>,
) -> Result<Demo> {
    let (dir, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (said, complained) = (out.path().join("out"), out.path().join("err"));
    let child = Command::new(binary("medanchor")?)
        .args(["demo", "--keep", "--dir"])
        .arg(dir.path())
        .arg("--input")
        .arg(input)
        .stdout(File::create(&said)?)
        .stderr(File::create(&complained)?)
        .stdin(Stdio::null())
        .spawn()?;
    let mut demo = Running(child);
    wait_until_done(&mut demo, &said)?;
    let summary: Value = serde_json::from_slice(&fs::read(dir.path().join("summary.json"))?)?;
    meanwhile(dir.path(), &summary)?;
    let asked = evenly(values, ASKED);
    let mut shown = Vec::new();
    for node in summary["nodes"].as_array().context("no nodes")? {
        let url = node["url"].as_str().context("no address")?;
        let client = Client::new(url);
        provoke(&client, &asked, input, &mut shown)?;
        // Last, so that what was provoked is counted in it.
        ask(&client, dir.path(), &mut shown)?;
    }
    demo.stop()?;
    complain_of_files(dir.path(), input, &mut shown)?;
    shown.push(("standard output", "the demo".into(), fs::read(said)?));
    shown.push(("standard error", "the demo".into(), fs::read(complained)?));
    Ok(Demo { dir, shown })
}

fn wait_until_done(demo: &mut Running, said: &Path) -> Result<()> {
    let start = Instant::now();
    while !fs::read_to_string(said)?.contains("Ctrl-C stops all of it") {
        ensure!(
            start.elapsed() < PATIENCE,
            "the demo does not come to its end"
        );
        ensure!(
            demo.0.try_wait()?.is_none(),
            "the demo ended before its end"
        );
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// So many of the values, from all over the list.
fn evenly(values: &[String], count: usize) -> Vec<&str> {
    let step = (values.len() / count).max(1);
    values.iter().step_by(step).map(String::as_str).collect()
}

struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    fn new(url: &str) -> Self {
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER))
            .proxy(None);
        Self {
            agent: settings.build().new_agent(),
            url: url.to_owned(),
        }
    }

    fn get(&self, path: &str) -> Result<(u16, Vec<u8>)> {
        read(self.agent.get(format!("{}{path}", self.url)).call()?)
    }

    fn post(&self, path: &str, kind: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let request = self.agent.post(format!("{}{path}", self.url));
        read(request.content_type(kind).send(body)?)
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

type Shown = Vec<(&'static str, String, Vec<u8>)>;

/// What a node tells everyone, and what it tells of some events and blocks.
fn ask(client: &Client, dir: &Path, shown: &mut Shown) -> Result<()> {
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
fn provoke(client: &Client, values: &[&str], input: &Path, shown: &mut Shown) -> Result<()> {
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
            if !kind.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
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
    Ok(())
}

/// What the commands say of a patient's file that they are given by mistake.
fn complain_of_files(dir: &Path, input: &Path, shown: &mut Shown) -> Result<()> {
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let mistaken: Vec<PathBuf> = super::files(input)?.into_iter().filter(is_json).collect();
    for file in mistaken.iter().step_by((mistaken.len() / 4).max(1)) {
        let (file, policy) = (file.as_os_str(), dir.join("policy"));
        let commands: [&[&std::ffi::OsStr]; 3] = [
            &[
                "audit".as_ref(),
                "receipt".as_ref(),
                file,
                "--event".as_ref(),
                file,
                "--policy".as_ref(),
                policy.as_ref(),
            ],
            &["audit".as_ref(), "verify".as_ref(), file],
            &["run".as_ref(), "--home".as_ref(), file],
        ];
        for arguments in commands {
            let output = Command::new(binary("medanchor")?)
                .args(arguments)
                .stdin(Stdio::null())
                .output()?;
            ensure!(!output.status.success(), "{arguments:?} went well");
            // The path of the file is the caller's own word, and may hold the name of a person's file.
            let name = file.to_string_lossy();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).replace(&*name, "FILE");
            shown.push(("command's complaint", format!("{arguments:?}"), said.into()));
        }
    }
    Ok(())
}

fn percent(value: &str) -> String {
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
