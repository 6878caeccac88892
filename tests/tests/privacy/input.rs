//! The input of a run: what was given, and beside it what it may lack: people whose names are short in
//! ASCII, a patient's file that breaks off in the middle of a name, and whoever stands in `care`.

use super::care::people;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Family and given name.
const PEOPLE: [(&str, &str); 4] = [
    ("Chen", "Weiyi"),
    ("Wang", "Rui"),
    ("Okoro", "Ada"),
    ("Zhao", "Xiaoqing"),
];
/// In the middle of this name the broken file ends; it is long enough to be found.
const BROKEN: &str = "欧阳建国";

fn bundle() -> Value {
    let mut entries = Vec::new();
    for (number, (family, given)) in PEOPLE.iter().enumerate() {
        let id = format!("short-name-{number}");
        entries.push(json!({
            "resourceType": "Patient", "id": id,
            "name": [{"text": format!("{family} {given}"), "family": family, "given": [given]}],
        }));
        entries.push(json!({
            "resourceType": "MedicationRequest", "id": format!("rx-of-{id}"), "status": "active", "intent": "order",
            "medicationCodeableConcept": {"text": "Metformin 500 mg tablet"},
            "subject": {"reference": format!("Patient/{id}"), "display": family},
            "authoredOn": "2026-03-03T10:17:30+08:00",
            "requester": {"reference": "Organization/south-hospital"},
            "dispenseRequest": {"quantity": {"value": 60, "unit": "TAB", "code": "TAB"}},
        }));
    }
    let entries = entries.into_iter().map(|resource| {
        let place = [&resource["resourceType"], &resource["id"]].map(|part| part.as_str().unwrap_or_default());
        json!({"fullUrl": format!("https://south-hospital.example/fhir/{}", place.join("/")), "resource": resource})
    });
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries.collect::<Vec<_>>()})
}

/// A copy of the input with all of it; the broken file's name is [`BROKEN_FILE`].
pub fn completed(input: &Path) -> Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    for name in medanchor_tests::files::names(input)? {
        let to = dir.path().join(&name);
        fs::create_dir_all(to.parent().context("a folder")?)?;
        fs::copy(input.join(&name), to)?;
    }
    fs::write(dir.path().join("short-names.json"), bundle().to_string())?;
    fs::write(dir.path().join("care.json"), people::bundle().to_string())?;
    let whole = json!({"resourceType": "Patient", "name": [{"family": "Chen", "text": BROKEN}]});
    let whole = whole.to_string();
    let end = whole.find(BROKEN).context("the name")? + BROKEN.len() - 1;
    // Within the last character.
    fs::write(dir.path().join(BROKEN_FILE), &whole.as_bytes()[..end])?;
    Ok(dir)
}

/// The file that breaks off in the middle of a name.
pub const BROKEN_FILE: &str = "broken-in-a-name.json";
