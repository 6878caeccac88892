//! The personal values of an input, by kind.
//!
//! Which of FHIR's elements say something of a person is decided here, by the path at which a text
//! stands. What is not personal: the words of the standard (codes, and displays of codes that HL7
//! defines), the names of institutions, and what is too short to be told from chance.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Shorter texts occur by chance in megabytes of hashes and keys. A Chinese name has two characters of three
/// bytes at least; its forms in UTF-16 and GBK are longer in hexadecimal, base64 and escapes, and found there.
const MIN_BYTES: usize = 6;
/// Shorter digits stand in times and counters.
const MIN_DIGITS: usize = 10;
/// Shorter pieces of free text are words of everybody's, such as "Generated Narrative".
const MIN_FREE_TEXT: usize = 20;
/// Free text is also searched for in pieces of so many characters, in case a leak shows a part.
const PIECE: usize = 24;
/// How many such pieces of one text.
const PIECES: usize = 4;

/// Kinds of personal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Name,
    Identifier,
    Telecom,
    Address,
    BirthDate,
    /// Logical ids of people and of what is about them, and addresses of such resources.
    Id,
    Reference,
    Medication,
    /// Findings, reasons, diagnoses.
    Clinical,
    FreeText,
    /// When something was done with a person, to the second.
    Moment,
}

/// Personal values with their kinds.
pub type Values = BTreeMap<String, Kind>;

/// Values that are words of everybody's although they stand where a person's would: FHIR's own
/// examples give ids such as these, and file names, addresses and our own help say them too.
const EVERYBODYS: [&str; 2] = ["example", "signature"];

/// Resources that are about no person, so that their ids are nobody's.
const IMPERSONAL: [&str; 4] = ["Organization", "Bundle", "Location", "Device"];

/// All personal values of the FHIR documents below `folder`.
pub fn of_input(folder: &Path) -> Result<Values> {
    let mut values = Values::new();
    for path in super::files(folder)? {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let lines = path.extension().is_some_and(|end| end == "ndjson");
        let documents: Vec<&[u8]> = if lines {
            bytes.split(|byte| *byte == b'\n').collect()
        } else {
            vec![&bytes]
        };
        // What is not JSON is refused by the demo and has no FHIR paths.
        let parsed = documents
            .into_iter()
            .filter_map(|text| serde_json::from_slice(text).ok());
        for document in parsed.filter(|one: &Value| one.get("resourceType").is_some()) {
            collect(&document, &mut Vec::new(), "", &mut values);
        }
    }
    Ok(values)
}

fn collect<'v>(value: &'v Value, path: &mut Vec<&'v str>, resource: &str, values: &mut Values) {
    match value {
        Value::Object(members) => {
            let own = members.get("resourceType").and_then(Value::as_str);
            let resource = own.unwrap_or(resource);
            for (name, member) in members {
                if name == "display" && defined_by_hl7(members.get("system")) {
                    continue;
                }
                path.push(name);
                collect(member, path, resource, values);
                path.pop();
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect(item, path, resource, values)),
        Value::String(text) => {
            if let Some(kind) = kind(path, resource, text) {
                take(kind, text, values);
            }
        }
        _ => {}
    }
}

fn defined_by_hl7(system: Option<&Value>) -> bool {
    let of_hl7 = |system: &str| system.contains("hl7.org");
    system.and_then(Value::as_str).is_some_and(of_hl7)
}

fn kind(path: &[&str], resource: &str, text: &str) -> Option<Kind> {
    let (element, above) = path.split_last()?;
    let parent = above.last().copied().unwrap_or_default();
    let drug = above.contains(&"medicationCodeableConcept") || resource == "Medication";
    let kind = match (parent, *element) {
        ("name", "text" | "family" | "given") => Kind::Name,
        ("identifier" | "subscriberId", "value") => Kind::Identifier,
        ("telecom", "value") => Kind::Telecom,
        ("address", "text" | "line" | "city" | "district" | "postalCode") => Kind::Address,
        (_, "birthDate" | "deceasedDateTime") => Kind::BirthDate,
        (_, "fullUrl") => Kind::Id,
        (_, "id") if !IMPERSONAL.contains(&resource) && path.len() <= 3 => Kind::Id,
        (_, "reference") => Kind::Reference,
        (_, "altId") => Kind::Identifier,
        ("agent" | "who" | "source", "name") => Kind::Name,
        (_, "text" | "display" | "code") if drug => Kind::Medication,
        ("coding", "display") => Kind::Clinical,
        (_, "display") => Kind::Name,
        (_, "conclusion" | "valueString" | "outcomeDesc" | "description" | "comment") => {
            Kind::FreeText
        }
        (_, "text" | "div" | "patientInstruction" | "title") => Kind::FreeText,
        (_, "lotNumber") => Kind::Medication,
        (_, "authoredOn" | "whenPrepared" | "whenHandedOver" | "recorded" | "issued" | "start") => {
            Kind::Moment
        }
        _ => return None,
    };
    let of_institution = IMPERSONAL
        .iter()
        .any(|word| text.contains(&format!("{word}/")));
    let unsaid = match kind {
        Kind::Reference | Kind::Id => of_institution || text.starts_with('#'),
        Kind::Moment => !text.contains('T'),
        _ => resource == "Organization",
    };
    (!unsaid).then_some(kind)
}

/// Takes a value, and free text in pieces too.
fn take(kind: Kind, text: &str, values: &mut Values) {
    if kind != Kind::FreeText {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let least = if digits { MIN_DIGITS } else { MIN_BYTES };
        if text.len() >= least && !EVERYBODYS.contains(&text) {
            values.insert(text.to_owned(), kind);
        }
        return;
    }
    // What stands between the tags of XHTML.
    for part in text.split(['<', '>']).step_by(2).map(str::trim) {
        if part.len() < MIN_FREE_TEXT {
            continue;
        }
        values.entry(part.to_owned()).or_insert(kind);
        let characters: Vec<char> = part.chars().collect();
        for piece in characters.chunks_exact(PIECE).take(PIECES) {
            values.entry(piece.iter().collect()).or_insert(kind);
        }
    }
}
