//! `medanchor demo` as a newcomer runs it: on the sample data, and on files nobody here wrote.

use anyhow::{Context, Result, ensure};
use medanchor_tests::network::{binary, wait_for};
use medanchor_tests::shared_data::shared_data;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs the demo and gives its summary; every claim in it held.
fn demo(dir: &Path, input: &Path) -> Result<Value> {
    let output = Command::new(binary("medanchor")?)
        .arg("demo")
        .arg("--dir")
        .arg(dir)
        .arg("--input")
        .arg(input)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}\n{complained}");
    let summary = std::fs::read(dir.join("summary.json")).context("no summary")?;
    let summary: Value = serde_json::from_slice(&summary)?;
    let claims = summary["claims"].as_array().context("no claims")?;
    ensure!(
        claims.len() == 17 && claims.iter().all(|claim| claim["held"] == true),
        "{claims:?}"
    );
    Ok(summary)
}

#[test]
fn the_sample_data_is_anchored_and_audited() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let summary = demo(dir.path(), &checkout().join("seeds"))?;
    assert_eq!(summary["input"]["anchored"], 496);
    assert_eq!(summary["input"]["refused"], Value::Array(Vec::new()));
    assert_eq!(summary["reads"]["permitted"], 61);
    let audited = |pointer: &str| summary["audit"]["report"].pointer(pointer)?.as_u64();
    // The nodes register their keys for random outputs by themselves.
    let registered = audited("/events_by_kind/inspection.key").unwrap_or_default();
    let anchored = summary["events"].as_u64().context("no count")?;
    // So do the custodians with the roots of their logs.
    let logs = audited("/events_by_kind/custody.log").unwrap_or_default();
    assert_eq!(logs, 2);
    assert_eq!(audited("/events"), Some(anchored + registered + logs));
    assert_eq!(summary["custody"]["releases"], serde_json::json!([1, 1]));
    assert_eq!(audited("/events_by_kind/access.emergency"), Some(1));
    assert_eq!(audited("/events_by_kind/record.erase"), Some(2));
    assert_eq!(
        summary["erasure"]["confirmed"].as_array().map(Vec::len),
        Some(3)
    );
    assert_eq!(
        summary["institutions"][4],
        serde_json::json!({
            "institution": "south-hospital",
            "role": "hospital",
            "validator": false,
            "posts_at": "north-hospital",
            "url": summary["institutions"][0]["url"],
        })
    );
    assert_eq!(
        summary["flipped"]["entry"], summary["denial"]["index"],
        "the denial is what somebody would like to be gone"
    );
    folder_is_laid_out(dir.path(), &summary)
}

/// As the demo's help says.
fn folder_is_laid_out(dir: &Path, summary: &Value) -> Result<()> {
    for node in summary["nodes"].as_array().context("no nodes")? {
        let home = dir.join(node["institution"].as_str().context("no name")?);
        for file in ["config.toml", "genesis", "log/checkpoint", "log/tile"] {
            ensure!(home.join(file).exists(), "{file} of {}", home.display());
        }
    }
    ensure!(dir.join("policy").is_file(), "no policy");
    let mut receipts = 0;
    for file in std::fs::read_dir(dir.join("receipts"))? {
        let path = file?.path();
        match path.extension().and_then(|end| end.to_str()) {
            Some("tlog-proof") => ensure!(path.with_extension("event").is_file()),
            Some("event") => ensure!(path.with_extension("tlog-proof").is_file()),
            _ => anyhow::bail!("{} is no receipt", path.display()),
        }
        receipts += 1;
    }
    assert_eq!(Some(receipts / 2), summary["events"].as_u64());
    Ok(())
}

/// A signal in the middle of everything: no node is left, and the exit code says what it was.
#[test]
fn a_demo_that_is_told_to_stop_leaves_no_node_running() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut demo = Command::new(binary("medanchor")?)
        .arg("demo")
        .arg("--keep")
        .arg("--dir")
        .arg(dir.path())
        .arg("--input")
        .arg(checkout().join("seeds"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let first_receipt = || dir.path().join("receipts").exists();
    let anchoring = wait_until(first_receipt);
    kill(Pid::from_raw(i32::try_from(demo.id())?), Signal::SIGTERM)?;
    wait_for("the demo's end", PATIENCE, || {
        Ok(demo.try_wait()?.is_some())
    })?;
    let status = demo.wait()?;
    anchoring?;
    assert_eq!(status.code(), Some(128 + 15));
    no_node_runs(dir.path())
}

fn no_node_runs(dir: &Path) -> Result<()> {
    let mut homes = 0;
    for home in std::fs::read_dir(dir)? {
        if let Ok(bytes) = std::fs::read(home?.path().join("run/addresses")) {
            let addresses: Value = serde_json::from_slice(&bytes)?;
            let address = addresses["http"].as_str().context("no address")?;
            ensure!(
                std::net::TcpStream::connect(address).is_err(),
                "a node runs at {address}"
            );
        }
        homes += 1;
    }
    ensure!(homes >= 7, "{homes} institutions");
    Ok(())
}

/// What `| head` does, once there are nodes to stop.
#[test]
fn a_demo_whose_reader_goes_away_ends_quietly_and_leaves_no_node_running() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut demo = Command::new(binary("medanchor")?)
        .arg("demo")
        .arg("--dir")
        .arg(dir.path())
        .arg("--input")
        .arg(checkout().join("seeds"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(demo.stdout.take().context("no output")?).lines();
    let founded = lines.find(|line| line.as_ref().map_or(true, |line| line.contains("listen")));
    drop(lines);
    let output = demo.wait_with_output()?;
    founded.context("it ended before its nodes listened")??;
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*complained), (Some(128 + 13), ""));
    no_node_runs(dir.path())
}

#[test]
fn input_that_is_missing_or_empty_is_refused_and_leaves_no_folder_behind() -> Result<()> {
    let outer = tempfile::tempdir()?;
    let empty = outer.path().join("empty");
    std::fs::create_dir(&empty)?;
    for (input, words) in [
        (empty, "has no file"),
        (outer.path().join("none"), "exists"),
    ] {
        let dir = outer.path().join("net");
        let output = Command::new(binary("medanchor")?)
            .arg("demo")
            .arg("--dir")
            .arg(&dir)
            .arg("--input")
            .arg(&input)
            .output()?;
        let complained = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{complained}");
        let path = input.display().to_string();
        assert_eq!(complained.matches(&path).count(), 1, "{complained}");
        ensure!(complained.contains(words), "{complained}");
        ensure!(!dir.exists(), "{} was made", dir.display());
    }
    Ok(())
}

fn wait_until(condition: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !condition() {
        ensure!(start.elapsed() < PATIENCE, "nothing was anchored");
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

#[test]
fn files_that_nobody_here_wrote_are_anchored_or_listed_with_a_reason() -> Result<()> {
    let Some(shared) = shared_data("") else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let summary = demo(dir.path(), &shared)?;
    assert_eq!(summary["input"]["files"], 457);
    let left_out = summary["input"]["left_out"].as_array().context("no list")?;
    assert!(
        left_out
            .iter()
            .all(|one| one["reason"].as_str().is_some_and(|why| !why.is_empty()))
    );
    Ok(())
}
