//! One file's text: JSON or NDJSON, FHIR or EPCIS.
//!
//! What always holds: any text gives items, reasons, or both; never nothing and never a panic.

use super::found::Found;
use super::item::Location;
use super::json::{self, Value};
use super::reason::Reason;
use super::{epcis, fhir};
use std::sync::Arc;

/// How deep arrays of documents may nest.
const MAX_ARRAYS: usize = 4;

/// Reads the text of the file named `file`.
pub(super) fn read(found: &mut Found, file: &Arc<str>, text: &str) {
    let text = json::without_mark(text);
    let whole = Location::of_file(file);
    let named_lines = file.ends_with(".ndjson") || file.ends_with(".jsonl");
    match json::parse(text) {
        Some(value) if !named_lines => any(found, &whole, value, MAX_ARRAYS),
        _ if named_lines || is_lines(text) => lines(found, &whole, text),
        _ => found.leave_out(&whole, Reason::NotJson),
    }
}

/// Whether the text is objects, one a line, whatever the file is called.
fn is_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let object = |line: &str| line.trim_start().starts_with('{') && json::parse(line).is_some();
    lines.next().is_some_and(object) && lines.next().is_some_and(object)
}

fn lines(found: &mut Found, whole: &Location, text: &str) {
    let mut empty = true;
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        empty = false;
        let at = Location {
            line: u32::try_from(index + 1).ok(),
            ..whole.clone()
        };
        match json::parse(line) {
            Some(value) => any(found, &at, value, MAX_ARRAYS),
            None => found.leave_out(&at, Reason::NotJson),
        }
    }
    if empty {
        found.leave_out(whole, Reason::Empty);
    }
}

fn any(found: &mut Found, at: &Location, value: Value<'_>, depth: usize) {
    if let Some(items) = value.array() {
        return array(found, at, items, depth);
    }
    if !value.text().starts_with('{') {
        return found.leave_out(at, Reason::NeitherFhirNorEpcis);
    }
    let Some(object) = value.object() else {
        return found.leave_out(at, Reason::NotStrictJson);
    };
    if object.has("resourceType") {
        fhir::resource(found, at, value, &object);
    } else if epcis::is_epcis(&object) {
        epcis::document(found, at, value, &object);
    } else {
        found.leave_out(at, Reason::NeitherFhirNorEpcis);
    }
}

fn array(found: &mut Found, at: &Location, items: Vec<Value<'_>>, depth: usize) {
    let Some(inner) = depth.checked_sub(1) else {
        return found.leave_out(at, Reason::NestedTooDeep { limit: MAX_ARRAYS });
    };
    if items.is_empty() {
        return found.leave_out(at, Reason::Empty);
    }
    // An array of other things is one document of another kind, not a hundred.
    if !items.iter().copied().any(is_ours) {
        return found.leave_out(at, Reason::NeitherFhirNorEpcis);
    }
    for (index, item) in items.into_iter().enumerate() {
        any(found, &at.below(format_args!("/{index}")), item, inner);
    }
}

/// Whether an element is worth a look of its own: a resource, an event, or an array that may have
/// some.
fn is_ours(value: Value<'_>) -> bool {
    let ours = |object: json::Object<'_>| object.has("resourceType") || epcis::is_epcis(&object);
    value.text().starts_with('[') || value.object().is_some_and(ours)
}
