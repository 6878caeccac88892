//! The files of `vectors/fhir`, and consents that nobody here wrote.

use medanchor_sdk::fhir::{Consent, words};
use serde_json::Value;
use std::path::Path;

#[path = "../../../tests/src/shared_data.rs"]
mod shared_data;

/// The files of `vectors/fhir` whose names begin so, with their texts.
pub fn files(prefix: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/fhir");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with(prefix) && name.ends_with(".json") {
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_pcf_allows_is_read_and_written_again_equal() {
    let good = files("good-r4-");
    assert_eq!(good.len(), 5);
    for (name, text) in good {
        let consent = Consent::from_r4(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(consent.to_r4().unwrap(), json(&text), "{name}");
    }
}

#[test]
fn what_r5_says_is_read_and_written_again_equal() {
    let good = files("good-r5-");
    assert_eq!(good.len(), 5);
    for (name, text) in good {
        let consent = Consent::from_r5(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(consent.to_r5().unwrap(), json(&text), "{name}");
    }
}

#[test]
fn a_consent_goes_to_the_other_release_and_back() {
    let r4 = |name: &str| Consent::from_r4(&files(name)[0].1).unwrap();
    for name in [
        "good-r4-basic",
        "good-r4-guardian",
        "good-r4-break",
        "good-r4-reject",
    ] {
        let consent = r4(name);
        let there = consent.to_r5().unwrap().to_string();
        assert_eq!(Consent::from_r5(&there).unwrap(), consent, "{name}");
        assert!(!there.contains(words::RESOURCE_TYPES), "{name}");
    }
    assert_eq!(
        r4("good-r4-basic").to_r5().unwrap(),
        json(&files("good-r5-basic")[0].1)
    );
    let (_, verified) = &files("good-r5-verified")[0];
    let refused = Consent::from_r5(verified).unwrap().to_r4().unwrap_err();
    assert_eq!(refused.at, "Consent.verification");
    let (_, least) = &files("good-r5-least")[0];
    assert_eq!(
        Consent::from_r5(least).unwrap().to_r4().unwrap_err().at,
        "Consent.status"
    );
}

/// `rejected.tsv` says of each rejected file which element the error names, and how.
#[test]
fn each_rejected_file_is_refused_by_the_name_of_its_element() {
    let table = include_str!("../../../vectors/fhir/rejected.tsv");
    let rejected = files("rejected-");
    assert_eq!(rejected.len(), table.lines().count());
    for ((name, text), line) in rejected.iter().zip(table.lines()) {
        let error = if name.starts_with("rejected-r5-") {
            Consent::from_r5(text)
        } else {
            Consent::from_r4(text)
        };
        let error = error.expect_err(name);
        let stem = name
            .trim_start_matches("rejected-")
            .trim_end_matches(".json");
        assert_eq!(format!("{stem}\t{}\t{}", error.at, error.fault), line);
    }
}

/// The examples of FHIR R4 itself follow no profile: each lacks what PCF needs, and the answer names it.
#[test]
fn consents_that_nobody_here_wrote_are_refused_by_name() {
    let Some(folder) = shared_data::shared_data("fhir-r4") else {
        return;
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("Consent-")
        {
            continue;
        }
        seen += 1;
        let error = Consent::from_r4(&std::fs::read_to_string(&path).unwrap()).unwrap_err();
        let named = [
            "Consent.provision.type",
            "Consent.provision.action",
            "Consent.provision.actor[0].role",
        ];
        let named = named.contains(&error.at.as_str()) || error.at.starts_with("Consent.provision");
        assert!(named, "{}: {error}", path.display());
    }
    assert_eq!(seen, 12);
}

#[test]
fn what_is_too_large_or_too_deep_is_refused_before_it_is_read() {
    let large = format!(
        r#"{{"resourceType":"Consent","language":"{}"}}"#,
        "x".repeat(1 << 20)
    );
    assert_eq!(Consent::from_r4(&large).unwrap_err().at, "Consent");
    let deep = format!(
        r#"{{"resourceType":"Consent","text":{}{}}}"#,
        "[".repeat(400_000),
        "]".repeat(400_000)
    );
    assert_eq!(Consent::from_r5(&deep).unwrap_err().at, "Consent");
}

/// An error shows where, never what: the text belongs to a patient.
#[test]
fn errors_repeat_nothing_of_the_resource() {
    let (_, text) = &files("good-r4-basic")[0];
    for hostile in [
        text.replace("\"TREAT\"", "[\"Zhang San\"]"),
        text.replace("\"purpose\"", "\"Zhang San\""),
        text.replace("2026-02-20T09", "Zhang San"),
        text.replace("\"permit\"", "\"Zhang San\""),
        text.replace("patient-privacy\"", "Zhang San\""),
    ] {
        let error = Consent::from_r4(&hostile).unwrap_err();
        assert!(!error.to_string().contains("Zhang"), "{error}");
    }
}
