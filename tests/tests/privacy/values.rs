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

/// Shorter texts occur by chance in megabytes of hashes and keys, and are looked for as words (`short.rs`).
/// A Chinese name has two characters of three
/// bytes at least; its forms in UTF-16 and GBK are longer in hexadecimal, base64 and escapes, and found there.
const MIN_BYTES: usize = 6;
/// Two letters are an abbreviation of anything.
const MIN_SHORT: usize = 3;
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

/// The personal values of an input.
#[derive(Default)]
pub struct Values {
    /// Those that are long enough to be searched for everywhere, in every form.
    pub long: BTreeMap<String, Kind>,
    /// Short names and identifiers in ASCII, which are searched for as words.
    pub short: BTreeMap<String, Kind>,
}

impl Values {
    /// About so many of them, from all over the lists, a few of them short.
    pub fn evenly(&self, count: usize) -> Vec<&str> {
        let some = |of: &'_ BTreeMap<String, Kind>, count: usize| -> Vec<usize> {
            (0..of.len()).step_by((of.len() / count).max(1)).collect()
        };
        let long: Vec<&String> = self.long.keys().collect();
        let short: Vec<&String> = self.short.keys().collect();
        let long = some(&self.long, count).into_iter().map(|at| long[at]);
        let short = some(&self.short, FEW).into_iter().map(|at| short[at]);
        long.chain(short).map(String::as_str).collect()
    }

    /// A value of each kind that people are called or known by, and a short one.
    pub fn of_each_kind(&self) -> Vec<&str> {
        // Behind the Latin names are the Chinese ones; an id passes for a name of a participant.
        let kinds = [Kind::Name, Kind::Id];
        let last = |kind| {
            let mut all = self.long.iter().rev();
            all.find(|(_, own)| **own == kind).map(|(value, _)| value)
        };
        let long = kinds.into_iter().filter_map(last);
        let short = self.short.keys().take(1);
        long.chain(short).map(String::as_str).collect()
    }
}

/// How many short values are asked with.
const FEW: usize = 2;

/// Values that are words of everybody's although they stand where a person's would: FHIR's own
/// examples give ids and names such as these, and file names, addresses and our own help say them too.
const EVERYBODYS: [&str; 3] = ["example", "signature", "Where"];

/// Resources that are about no person, so that their ids are nobody's.
const IMPERSONAL: [&str; 4] = ["Organization", "Bundle", "Location", "Device"];

/// All personal values of the FHIR documents below `folder`.
pub fn of_input(folder: &Path) -> Result<Values> {
    let mut values = Values::default();
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

/// A short name as it is written, `Chen`; or a short identifier of letters and digits, `f001`. Digits alone, and
/// words in small letters, stand everywhere.
fn is_short_word(kind: Kind, text: &str) -> bool {
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let named = match kind {
        Kind::Name | Kind::Address => {
            digits == 0 && text.starts_with(|one: char| one.is_ascii_uppercase())
        }
        Kind::Identifier | Kind::Telecom | Kind::Id => letters > 0 && digits > 0,
        _ => false,
    };
    named && letters + digits == text.len() && (MIN_SHORT..MIN_BYTES).contains(&text.len())
}

/// Takes a value, and free text in pieces too.
fn take(kind: Kind, text: &str, values: &mut Values) {
    if kind != Kind::FreeText {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let least = if digits { MIN_DIGITS } else { MIN_BYTES };
        match text {
            text if EVERYBODYS.contains(&text) => {}
            text if text.len() >= least => drop(values.long.insert(text.to_owned(), kind)),
            text if is_short_word(kind, text) => drop(values.short.insert(text.to_owned(), kind)),
            _ => {}
        }
        return;
    }
    // What stands between the tags of XHTML.
    for part in text.split(['<', '>']).step_by(2).map(str::trim) {
        if part.len() < MIN_FREE_TEXT {
            continue;
        }
        values.long.entry(part.to_owned()).or_insert(kind);
        let characters: Vec<char> = part.chars().collect();
        for piece in characters.chunks_exact(PIECE).take(PIECES) {
            values.long.entry(piece.iter().collect()).or_insert(kind);
        }
    }
}
