//! HAPI FHIR's instance validator holds the golden consents and the golden list of accesses against FHIR's own
//! definitions of R4 and R5: cardinality, types, required bindings, invariants. What is right passes, without a
//! warning that nobody expects; the same with one thing wrong does not.

use anyhow::{Context, Result, ensure};
use medanchor_tests::files::names;
use medanchor_tests::tool::{checkout, installed};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const LIST: &str = "access-list-bundle.json";
const R4: &str = "good-r4-basic.json";
const R5: &str = "good-r5-basic.json";

/// A golden file, how it is bent, and words of what must then be said of it.
type Bent = (&'static str, fn(&mut Value), &'static str);

const BENT_R4: &[Bent] = &[
    // A mandatory element is lost.
    (
        R4,
        |one| lose(one, "status"),
        "Consent.status: minimum required = 1",
    ),
    (
        LIST,
        |one| lose(first(one, "AuditEvent"), "recorded"),
        "AuditEvent.recorded: minimum required = 1",
    ),
    (
        LIST,
        |one| lose(first(one, "Provenance"), "target"),
        "Provenance.target: minimum required = 1",
    ),
    (
        LIST,
        |one| lose(first(one, "OperationOutcome"), "issue"),
        "OperationOutcome.issue: minimum required = 1",
    ),
    (
        LIST,
        |one| lose(one, "type"),
        "Bundle.type: minimum required = 1",
    ),
    // A code that its required binding does not know.
    (R4, |one| one["status"] = json!("activated"), "'activated'"),
    (
        R4,
        |one| one["provision"]["type"] = json!("allow"),
        "'allow'",
    ),
    (
        LIST,
        |one| first(one, "AuditEvent")["outcome"] = json!("99"),
        "'99'",
    ),
    (
        LIST,
        |one| first(one, "AuditEvent")["action"] = json!("read"),
        "'read'",
    ),
    (
        LIST,
        |one| first(one, "AuditEvent")["agent"][0]["network"]["type"] = json!("9"),
        "'9'",
    ),
    (
        LIST,
        |one| first(one, "Provenance")["entity"][0]["role"] = json!("origin"),
        "'origin'",
    ),
    (
        LIST,
        |one| first(one, "OperationOutcome")["issue"][0]["severity"] = json!("bad"),
        "'bad'",
    ),
    // An invariant is broken.
    (R4, |one| lose(one, "policy"), "ppc-1"),
    (R4, |one| one["provision"]["period"] = backwards(), "per-1"),
    (
        LIST,
        |one| {
            let entity = &mut first(one, "AuditEvent")["entity"][0];
            entity["name"] = json!("n");
            entity["query"] = json!("cQ==")
        },
        "sev-1",
    ),
    (LIST, twice, "bdl-7"),
    // A value of another type.
    (R4, |one| one["dateTime"] = json!(7), "Consent.dateTime"),
    (
        LIST,
        |one| first(one, "AuditEvent")["agent"][0]["requestor"] = json!("yes"),
        "must be a boolean",
    ),
    // What nobody defined.
    (
        R4,
        |one| one["verifications"] = json!("none"),
        "'verifications'",
    ),
    (
        R4,
        |one| one["extension"] = json!([{"url": "https://example.org/x", "valueBoolean": true}]),
        "https://example.org/x",
    ),
    // Only a warning, and none that is expected.
    (
        R4,
        |one| one["meta"] = json!({"profile": ["https://example.org/profile"]}),
        "has not been checked",
    ),
];

const BENT_R5: &[Bent] = &[
    (
        R5,
        |one| lose(one, "status"),
        "Consent.status: minimum required = 1",
    ),
    (R5, |one| one["decision"] = json!("maybe"), "'maybe'"),
    (R5, |one| one["period"] = backwards(), "per-1"),
    (R5, |one| one["date"] = json!("yesterday"), "Consent.date"),
    (
        R5,
        |one| one["subject"] = json!("Patient/sample-101"),
        "Consent.subject",
    ),
    (
        "good-r5-verified.json",
        |one| {
            one["provision"][0]["resourceType"][0]["system"] =
                json!("http://hl7.org/fhir/resource-types")
        },
        "not found in the value set 'Resource Types'",
    ),
];

fn lose(one: &mut Value, member: &str) {
    let lost = one.as_object_mut().and_then(|one| one.remove(member));
    assert!(lost.is_some(), "no {member}");
}

/// The first resource of a kind.
fn first<'b>(bundle: &'b mut Value, kind: &str) -> &'b mut Value {
    let entries = bundle["entry"].as_array_mut().expect("a bundle").iter_mut();
    let mut resources = entries.map(|entry| &mut entry["resource"]);
    resources
        .find(|one| one["resourceType"] == kind)
        .expect("one of the kind")
}

fn backwards() -> Value {
    json!({"start": "2030-01-01", "end": "2020-01-01"})
}

fn twice(bundle: &mut Value) {
    let entries = bundle["entry"].as_array_mut().expect("a bundle");
    entries.push(entries.last().expect("entries").clone());
}

#[test]
fn golden_consents_and_accesses_hold_by_fhir_r4_and_bent_ones_do_not() -> Result<()> {
    holds("r4", &["good-r4-", LIST], 6, BENT_R4)
}

#[test]
fn golden_consents_hold_by_fhir_r5_and_bent_ones_do_not() -> Result<()> {
    holds("r5", &["good-r5-"], 5, BENT_R5)
}

/// It ends well only if nothing is wrong.
#[test]
fn the_validator_ends_as_it_judges() -> Result<()> {
    let Some(validator) = installed("java/validate") else {
        return Ok(());
    };
    let file = checkout("vectors/fhir").join(R4).display().to_string();
    validator.accepts(&["r4", &file])?;
    validator.refuses("usage: ", &["r6", &file])?;
    validator.refuses("usage: ", &["r4"])
}

/// Every golden file whose name begins so passes, and none of the bent ones does; they are `count`. One run judges
/// all of them, since it reads all of FHIR first.
fn holds(release: &str, prefixes: &[&str], count: usize, bent: &[Bent]) -> Result<()> {
    let Some(validator) = installed("java/validate") else {
        return Ok(());
    };
    let golden = checkout("vectors/fhir");
    let mut good = names(&golden)?;
    good.retain(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    ensure!(good.len() == count, "{good:?}");
    let good: Vec<PathBuf> = good.iter().map(|name| golden.join(name)).collect();
    let dir = tempfile::tempdir()?;
    let wrong = written(bent, dir.path())?;
    let call = [&[PathBuf::from(release)], &good[..], &wrong].concat();
    let (succeeded, said) = validator.run(&call)?;
    ensure!(!succeeded, "{said}");
    let said = by_file(&said);
    let of = |file: &PathBuf| {
        let of_it = said.get(file.as_path());
        of_it.with_context(|| format!("nothing of {}: {said:?}", file.display()))
    };
    for file in &good {
        ensure!(of(file)?.starts_with("ok "), "{}", of(file)?);
    }
    for (file, (_, _, words)) in wrong.iter().zip(bent) {
        let of_it = of(file)?;
        ensure!(of_it.starts_with("wrong "), "{words}: {of_it}");
        let mut issues = of_it.lines().filter(|line| !line.starts_with("expected "));
        ensure!(issues.any(|line| line.contains(words)), "{words}: {of_it}");
    }
    Ok(())
}

/// Writes each bent file; gives where.
fn written(bent: &[Bent], dir: &Path) -> Result<Vec<PathBuf>> {
    let write = |(place, (file, bend, _)): (usize, &Bent)| {
        let golden = std::fs::read(checkout("vectors/fhir").join(file))?;
        let mut resource = serde_json::from_slice(&golden)?;
        bend(&mut resource);
        let file = dir.join(format!("{place}.json"));
        std::fs::write(&file, resource.to_string())?;
        Ok(file)
    };
    bent.iter().enumerate().map(write).collect()
}

/// What was said of each file: its verdict, then its issues.
fn by_file(said: &str) -> BTreeMap<&Path, String> {
    let mut all: BTreeMap<&Path, String> = BTreeMap::new();
    let mut current = Path::new("");
    for line in said.lines() {
        if let Some(file) = line.strip_prefix("ok ").or(line.strip_prefix("wrong ")) {
            current = Path::new(file);
        }
        let of_it = all.entry(current).or_default();
        of_it.push_str(line);
        of_it.push('\n');
    }
    all
}
