//! Documents that nobody here wrote: every one is committed to, sealed, opened byte for byte, and
//! each of its fields can be shown alone.

use medanchor_ledger::{NetworkId, RecordHandle};
use medanchor_vault::secret::{DataKey, RecordSecret};
use medanchor_vault::{Committed, Disclosure, Document, JsonError, RecordVersion, Value, seal};
use shared_data::shared_data;
use std::path::{Path, PathBuf};

#[path = "../../tests/src/shared_data.rs"]
mod shared_data;

fn documents(shared: &Path, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(shared.join(folder)).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let json = files.filter(|file| {
        file.extension()
            .is_some_and(|end| end == "json" || end == "jsonld")
    });
    json.map(|file| (file.clone(), std::fs::read(&file).unwrap()))
        .collect()
}

/// GS1's own example names `eventID` twice in one object, so readers disagree on what it says. It can
/// be sealed as a whole and has no fields to show.
const AMBIGUOUS: &str = "AssociationEvent-h.jsonld";

fn every_field_can_be_shown_alone(file: &Path, document: &Document) {
    let committed = Committed::new(document, &RecordSecret::new([1; 32]));
    let commitment = committed.commitment();
    for leaf in document.leaves() {
        let text = leaf.pointer.to_string();
        let encoded = committed.disclose(&[&text], &[]).unwrap().encode();
        let shown = Disclosure::decode(&encoded)
            .unwrap()
            .verify(&commitment)
            .unwrap();
        assert!(
            shown.value(&text) == Some(&leaf.value),
            "{} {text}",
            file.display()
        );
    }
}

fn survives_sealing(file: &Path, bytes: &[u8]) {
    let record = RecordVersion {
        network: NetworkId::new([1; 16]),
        record: RecordHandle::new([2; 16]),
        version: 1,
    };
    let key = DataKey::new([3; 32]);
    let sealed = seal::seal(&record, &key, bytes).unwrap();
    assert!(
        seal::open(&record, &key, &sealed).is_ok_and(|opened| *opened == bytes),
        "{}",
        file.display()
    );
}

#[test]
fn every_fhir_and_epcis_example_survives_byte_for_byte() {
    let Some(shared) = shared_data("") else {
        return;
    };
    for folder in ["fhir-r4", "epcis", "epcis-event-hash"] {
        for (file, bytes) in documents(&shared, folder) {
            survives_sealing(&file, &bytes);
            match Document::parse(&bytes) {
                Ok(document) => every_field_can_be_shown_alone(&file, &document),
                Err(JsonError::DuplicateMember { .. }) if file.ends_with(AMBIGUOUS) => {}
                Err(error) => panic!("{}: {error}", file.display()),
            }
        }
    }
}

/// serde_json, told to keep what it reads as text, is the oracle for names, strings and numbers.
#[test]
fn strings_are_those_that_another_parser_reads() {
    let Some(shared) = shared_data("") else {
        return;
    };
    for (file, bytes) in documents(&shared, "fhir-r4") {
        let other: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        for leaf in Document::parse(&bytes).unwrap().leaves() {
            let value = other.pointer(&leaf.pointer.to_string());
            match &leaf.value {
                Value::String(text) => assert_eq!(
                    value.and_then(|value| value.as_str()),
                    Some(&**text),
                    "{}",
                    file.display()
                ),
                Value::Number(_) => assert!(
                    value.is_some_and(serde_json::Value::is_number),
                    "{}",
                    file.display()
                ),
                _ => assert!(value.is_some(), "{}", file.display()),
            }
        }
    }
}
