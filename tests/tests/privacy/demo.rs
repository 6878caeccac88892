//! A demo over some input: what it leaves in its folder, prints, and answers while it runs, also to
//! clients that send nonsense full of personal values.

use super::nodes::{Client, Shown, ask, provoke};
use super::values::Values;
use super::{care, commands, services};
use anyhow::{Context, Result, ensure};
use medanchor_tests::network::{binary, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a demo may take.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);
/// How many values of the input are sent in requests that must fail.
const ASKED: usize = 12;

/// What a demo left and showed; its nodes are stopped.
pub struct Demo {
    /// Its folder.
    pub dir: tempfile::TempDir,
    /// What it printed and answered.
    pub shown: Shown,
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

/// Runs a demo over `input`, cares for one patient more, asks its nodes for all that they show, provokes
/// errors with `values`, and stops it. What the patient has at home is left in `home`.
pub fn run(input: &Path, values: &Values, home: &Path) -> Result<Demo> {
    run_and(input, Some(values), |dir, node, shown| {
        care::live(care::Desk::new(dir, node, home)?, shown)
    })
}

/// As [`run`]; once the demo's own work is done and while its nodes run, `meanwhile` is given its
/// folder and the address of a hospital's node.
pub fn run_and(
    input: &Path,
    values: Option<&Values>,
    meanwhile: impl FnOnce(&Path, &str, &mut Shown) -> Result<()>,
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
    wait_until_done(&mut demo, &said, &complained)?;
    let summary: Value = serde_json::from_slice(&fs::read(dir.path().join("summary.json"))?)?;
    let mut shown = Shown::new();
    meanwhile(dir.path(), node(&summary)?, &mut shown)?;
    if let Some(values) = values {
        provoke_all(dir.path(), input, (&summary, values), &mut shown)?;
    }
    demo.stop()?;
    shown.push(("standard output", "the demo".into(), fs::read(said)?));
    shown.push(("standard error", "the demo".into(), fs::read(complained)?));
    Ok(Demo { dir, shown })
}

/// Where the node listens at which both hospitals post.
fn node(summary: &Value) -> Result<&str> {
    let mut nodes = summary["nodes"].as_array().into_iter().flatten();
    let node = nodes.find(|node| node["institution"] == services::OWNER);
    let url = node.and_then(|node| node["url"].as_str());
    url.context("no such node")
}

/// Asks nodes, services and commands, rightly and wrongly.
fn provoke_all(
    dir: &Path,
    input: &Path,
    (summary, values): (&Value, &Values),
    shown: &mut Shown,
) -> Result<()> {
    let asked = values.evenly(ASKED);
    let nodes = summary["nodes"].as_array().context("no nodes")?;
    let urls = nodes.iter().map(|node| node["url"].as_str());
    let urls: Vec<&str> = urls.collect::<Option<_>>().context("no address")?;
    let first = urls.first().context("no node")?;
    let few = values.of_each_kind();
    services::provoke(dir, first, &few, input, shown)?;
    commands::complain(dir, first, &few, input, shown)?;
    for url in urls {
        let client = Client::new(url);
        provoke(&client, &asked, input, shown)?;
        // Last, so that what was provoked is counted in it.
        ask(&client, dir, shown)?;
    }
    Ok(())
}

fn wait_until_done(demo: &mut Running, said: &Path, complained: &Path) -> Result<()> {
    let start = Instant::now();
    while !fs::read_to_string(said)?.contains("Ctrl-C stops all of it") {
        ensure!(
            start.elapsed() < PATIENCE,
            "the demo does not come to its end"
        );
        ensure!(
            demo.0.try_wait()?.is_none(),
            "the demo ended before its end: {}",
            fs::read_to_string(complained)?
        );
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
