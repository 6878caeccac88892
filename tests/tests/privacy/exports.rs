//! The list of a patient's accesses as the patient gets it from the network in which all of that happened, held
//! against what IHE BALP and FHIR R4 require, as far as it can be told without a validator that knows profiles,
//! and against the models of FHIR that others made, which know structure and no bindings of codes.

use super::balp::{self, Rule};
use super::{care, demo, seeds};
use anyhow::{Context, Result, bail, ensure};
use medanchor_sdk::fhir::PATIENT_READ;
use medanchor_tests::network::wait_for;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long the models may take to load and to check a few files.
const PATIENCE: Duration = Duration::from_secs(150);

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn lists_from_the_network_follow_balp_and_fit_the_models_of_others() -> Result<()> {
    let home = tempfile::tempdir()?;
    demo::run_and(&seeds(), None, |dir, node, shown| {
        care::live(care::Desk::new(dir, node, home.path())?, shown)
    })?;
    let lists = [care::OWNER, care::VISITED];
    let lists = lists.map(|at| home.path().join(format!("{}{at}.json", care::LIST)));
    let own = read(&lists[0])?;
    has_the_whole_care(&own)?;
    let mut checked = BTreeSet::new();
    for list in &lists {
        checked.append(&mut follows_the_rules(&read(list)?)?);
    }
    ensure!(checked.len() == balp::RULES, "{} rules", checked.len());
    fits_the_models(&lists, home.path())
}

fn read(file: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// The resources of a kind.
fn resources<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let resources = entries.map(|entry| &entry["resource"]);
    resources
        .filter(|one| one["resourceType"] == kind)
        .collect()
}

/// Reads under a guardian's and under a renewed consent, broken glass with and without review, an opening by the
/// emergency key, and a denial: by words of the events and how many have them.
fn has_the_whole_care(bundle: &Value) -> Result<()> {
    let events = resources(bundle, "AuditEvent");
    let count = |word: &str| {
        let with = events
            .iter()
            .filter(|event| event.to_string().contains(word));
        with.count()
    };
    for (word, expected) in [
        (care::people::GUARDIAN, 2),
        (care::people::READER, 3),
        ("break-glass, reviewed as justified", 1),
        ("break-glass, not reviewed, due", 1),
        ("\"code\":\"BTG\"", 2),
        ("network cut, opened between", 1),
        ("\"outcome\":\"8\"", 1),
    ] {
        ensure!(
            count(word) == expected,
            "{} events say {word:?}",
            count(word)
        );
    }
    ensure!(events.len() == 7, "{} events", events.len());
    let by_patient = events.iter().filter(|event| is_by_the_patient(event));
    ensure!(by_patient.count() == 1, "the read under the renewal");
    Ok(())
}

/// Whether an access was permitted under a consent that a key of the patient's approved.
fn is_by_the_patient(event: &Value) -> bool {
    let mut entities = event["entity"].as_array().into_iter().flatten();
    let consent = entities.find(|entity| entity["type"]["code"] == "Consent");
    event["outcome"] == "0" && consent.is_some_and(|consent| consent["detail"].is_null())
}

/// Gives the rules that were checked.
fn follows_the_rules(bundle: &Value) -> Result<BTreeSet<&'static str>> {
    let mut checked: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut check = |rules: &'static [Rule], resource: &Value| {
        for rule in rules {
            rule.check(resource)?;
            *checked.entry(rule.source).or_default() += 1;
        }
        anyhow::Ok(())
    };
    for event in resources(bundle, "AuditEvent") {
        check(balp::AUDIT_EVENT, event)?;
        match event["meta"]["profile"][0].as_str() {
            Some(PATIENT_READ) => check(balp::PATIENT_READ, event)?,
            None => ensure!(event["outcome"] != "0", "a success without a profile"),
            Some(other) => bail!("{other} is no profile of ours"),
        }
        for (code, rules) in [("XrequestId", balp::TRANSACTION), ("IRCP", balp::USER)] {
            if balp::has(event, code) {
                check(rules, event)?;
            }
        }
    }
    for provenance in resources(bundle, "Provenance") {
        check(balp::PROVENANCE, provenance)?;
    }
    println!("{checked:#?}");
    Ok(checked.into_keys().collect())
}

/// All resources of the lists fit; one that lacks what R4 requires does not.
fn fits_the_models(lists: &[PathBuf], dir: &Path) -> Result<()> {
    let Some((fit, said)) = models(lists, dir)? else {
        return Ok(());
    };
    ensure!(fit, "{said}");
    let mut entries = 0;
    for list in lists {
        entries += 1 + read(list)?["entry"].as_array().context("entries")?.len();
    }
    ensure!(said.matches("ok ").count() == entries, "{said}");
    let mut bent = read(&lists[0])?;
    let entries = bent["entry"].as_array_mut().context("entries")?;
    let event = entries
        .iter_mut()
        .find(|one| one["resource"]["resourceType"] == "AuditEvent");
    let event = event.context("an access")?;
    let lost = event["resource"]
        .as_object_mut()
        .and_then(|one| one.remove("recorded"));
    ensure!(lost.is_some());
    let file = dir.join("bent.json");
    std::fs::write(&file, bent.to_string())?;
    let (fit, said) = models(&[file], dir)?.context("the models are there")?;
    ensure!(!fit && said.contains("wrong AuditEvent"), "{said}");
    Ok(())
}

/// Whether files fit the models of Python's fhir.resources, and what was said; none if these are not installed,
/// which one line says past the test runner, which shows nothing that a passing test prints.
fn models(files: &[PathBuf], dir: &Path) -> Result<Option<(bool, String)>> {
    let python = checkout("target/strangers/venv/bin/python");
    if !python.exists() {
        let line = "skipped: fhir.resources is not installed; run .ci/strangers-install\n";
        // A closed standard error only costs the count.
        let _ = std::io::stderr().write_all(line.as_bytes());
        return Ok(None);
    }
    let said = dir.join("said");
    let mut child = Command::new(python)
        .arg(checkout("strangers/python/fhir_models.py"))
        .arg("r4")
        .args(files)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&said)?)
        .spawn()?;
    let mut status = None;
    let ended = wait_for("the end of the models", PATIENCE, || {
        status = child.try_wait()?;
        Ok(status.is_some())
    });
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    ended?;
    let fit = status.is_some_and(|status| status.success());
    Ok(Some((fit, std::fs::read_to_string(&said)?)))
}
