//! The list of a patient's accesses as the patient gets it from the network in which all of that happened, held
//! against what IHE BALP and FHIR R4 require, as far as it can be told without a validator that knows BALP;
//! against the models of FHIR that others made, which know structure and no bindings of codes; and against FHIR's
//! own definitions, by a validator of others that knows these.

use super::balp::{self, Rule};
use super::{care, demo, seeds};
use anyhow::{Context, Result, bail, ensure};
use medanchor_sdk::fhir::PATIENT_READ;
use medanchor_tests::tool::{checkout, installed};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[test]
fn lists_from_the_network_follow_balp_and_hold_by_checkers_of_others() -> Result<()> {
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
    let lacking = bent(&lists[0], home.path().join("lacking.json"), |access| {
        access.as_object_mut().map(|one| one.remove("recorded"));
    })?;
    let miscoded = bent(&lists[0], home.path().join("miscoded.json"), |access| {
        access["outcome"] = "99".into();
    })?;
    fits_the_models(&lists, &lacking)?;
    holds_by_r4(&lists, &lacking, &miscoded)
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

/// The lists fit the models; one that lacks what R4 requires does not.
fn fits_the_models(lists: &[PathBuf], lacking: &Path) -> Result<()> {
    let Some(python) = installed("venv/bin/python") else {
        return Ok(());
    };
    let program = checkout("strangers/python/fhir_models.py");
    let call = [program, "r4".into()];
    let said = python.accepts(&[&call, lists].concat())?;
    let mut resources = 0;
    for list in lists {
        resources += 1 + read(list)?["entry"].as_array().context("entries")?.len();
    }
    ensure!(said.matches("ok ").count() == resources, "{said}");
    python.refuses("wrong AuditEvent", &[&call[..], &[lacking.into()]].concat())
}

/// The lists hold by FHIR's own definitions of R4, as HAPI FHIR applies them; two bent ones do not.
fn holds_by_r4(lists: &[PathBuf], lacking: &Path, miscoded: &Path) -> Result<()> {
    let Some(validator) = installed("java/validate") else {
        return Ok(());
    };
    let call = [PathBuf::from("r4")];
    println!("{}", validator.accepts(&[&call, lists].concat())?);
    let bent = [lacking, miscoded].map(Path::to_path_buf);
    let (succeeded, said) = validator.run(&[&call[..], &bent].concat())?;
    ensure!(!succeeded && !said.contains("ok "), "{said}");
    for words in ["AuditEvent.recorded: minimum required = 1", "'99'"] {
        ensure!(said.contains(words), "{words}: {said}");
    }
    Ok(())
}

/// Writes the list to `file` with its first access bent.
fn bent(list: &Path, file: PathBuf, bend: fn(&mut Value)) -> Result<PathBuf> {
    let mut bundle = read(list)?;
    let entries = bundle["entry"].as_array_mut().context("entries")?;
    let mut resources = entries.iter_mut().map(|entry| &mut entry["resource"]);
    let access = resources.find(|one| one["resourceType"] == "AuditEvent");
    bend(access.context("an access")?);
    std::fs::write(&file, bundle.to_string())?;
    Ok(file)
}
