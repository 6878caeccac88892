//! `medanchor demo` as a newcomer runs it: on the sample data, and on files nobody here wrote.

use anyhow::{Context, Result, ensure};
use medanchor_tests::network::binary;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        claims.len() == 9 && claims.iter().all(|claim| claim["held"] == true),
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
    assert_eq!(summary["audit"]["report"]["events"], summary["events"]);
    let receipts = std::fs::read_dir(dir.path().join("receipts"))?.count();
    assert_eq!(Some(receipts as u64 / 2), summary["events"].as_u64());
    Ok(())
}

#[test]
fn files_that_nobody_here_wrote_are_anchored_or_listed_with_a_reason() -> Result<()> {
    let shared = checkout().join("../shared/data");
    if !shared.exists() {
        println!("skipped: {} is not beside this checkout", shared.display());
        return Ok(());
    }
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
