//! FHIR R4 JSON: single resources, Bundles and what is in them.
//!
//! What always holds: every resource gives an item or a reason, and so does every entry of a
//! Bundle. A resource taken from a Bundle keeps the exact slice of the Bundle's text.

use super::consent;
use super::found::{Found, check_item};
use super::item::{Institution, Key, Location};
use super::json::{Object, Value};
use super::medication;
use super::reason::Reason;
use super::reference::{Addresses, Place};
use super::resource_type;

/// How deep Bundles may stand in Bundles.
const MAX_BUNDLES: usize = 8;

/// Reads the resource `value`, whose members are `object`, at `at`.
pub(super) fn resource(found: &mut Found, at: &Location, value: Value<'_>, object: &Object<'_>) {
    let addresses = Addresses::default();
    let place = Place {
        at: at.clone(),
        full_url: None,
        addresses: &addresses,
    };
    any(found, &place, value, object, MAX_BUNDLES);
}

fn any(found: &mut Found, place: &Place<'_>, value: Value<'_>, object: &Object<'_>, depth: usize) {
    let kind = object.text("resourceType").unwrap_or_default();
    if kind == "Bundle" {
        return bundle(found, &place.at, object, depth);
    }
    let outcome = match resource_type::known(&kind) {
        None => Err(Reason::UnknownResourceType),
        Some("MedicationRequest") => medication::request(found, place, value, object),
        Some("MedicationDispense") => medication::dispense(found, place, value, object),
        Some("Consent") => consent::consent(found, place, value),
        Some("Organization") => organization(found, place, value, object),
        Some(other) => Err(Reason::ResourceTypeNotHandled(other)),
    };
    if outcome.is_err() && kind == "MedicationRequest" {
        found.items.refused_prescriptions.push(key(place, object));
    }
    found.settle(&place.at, outcome);
}

fn bundle(found: &mut Found, at: &Location, object: &Object<'_>, depth: usize) {
    let Some(inner) = depth.checked_sub(1) else {
        return found.leave_out(at, Reason::BundleTooDeep { limit: MAX_BUNDLES });
    };
    if !object.has("entry") {
        return found.leave_out(at, Reason::Empty);
    }
    let Some(entries) = object.get("entry").and_then(Value::array) else {
        return found.leave_out(at, Reason::Malformed("/entry"));
    };
    let entries: Vec<_> = entries.into_iter().map(Value::object).collect();
    let addresses = addresses(entries.iter().flatten());
    for (index, entry) in entries.iter().enumerate() {
        let at = at.below(format_args!("/entry/{index}"));
        match entry {
            Some(entry) => bundle_entry(found, &at, entry, &addresses, inner),
            None => found.leave_out(&at, Reason::NotStrictJson),
        }
    }
}

fn bundle_entry(
    found: &mut Found,
    at: &Location,
    entry: &Object<'_>,
    addresses: &Addresses,
    depth: usize,
) {
    let Some(value) = entry.get("resource") else {
        return found.leave_out(at, Reason::EntryWithoutResource);
    };
    let at = at.below(format_args!("/resource"));
    let Some(object) = value.object() else {
        return found.leave_out(&at, Reason::NotStrictJson);
    };
    let full_url = entry.text("fullUrl");
    let place = Place {
        at,
        full_url: full_url.as_deref(),
        addresses,
    };
    any(found, &place, value, &object, depth);
}

fn addresses<'a, 'b: 'a>(entries: impl Iterator<Item = &'a Object<'b>>) -> Addresses {
    let mut addresses = Addresses::default();
    for entry in entries {
        let (Some(url), Some(resource)) = (entry.text("fullUrl"), entry.object("resource")) else {
            continue;
        };
        if let (Some(kind), Some(id)) = (resource.text("resourceType"), resource.text("id")) {
            addresses.add(&url, &kind, &id);
        }
    }
    addresses
}

/// By which names references find the resource.
pub(super) fn key(place: &Place<'_>, object: &Object<'_>) -> Key {
    Key {
        id: object.text("id").map(Into::into),
        full_url: place.full_url.map(str::to_owned),
    }
}

fn organization(
    found: &mut Found,
    place: &Place<'_>,
    value: Value<'_>,
    object: &Object<'_>,
) -> Result<(), Reason> {
    check_item(value)?;
    let values = object
        .elements("identifier")
        .into_iter()
        .filter_map(Value::object);
    let identifiers = values
        .filter_map(|one| one.text("value").map(Into::into))
        .collect();
    let source = place.at.clone();
    found.items.institutions.push(Institution {
        source,
        key: key(place, object),
        identifiers,
    });
    Err(Reason::ReadForParticipants)
}
