//! EPCIS 2.0 in JSON and JSON-LD: documents, query documents and single events.
//!
//! What always holds: every event gives a step for each unit it names, or a reason; so does every
//! identifier and every quantity in it. Types, actions and business steps are understood in their
//! short form, as CURIE, as URN and as web address (EPCIS 2.0 and CBV 2.0 allow all of them).

use super::code::UnitCode;
use super::found::{Found, check_item};
use super::item::{Location, Original, StepKind, UnitEvent, UnitStep};
use super::json::{Object, Value};
use super::reason::Reason;
use super::time;
use std::borrow::Cow;
use std::sync::Arc;

/// Lists of an event that name units, and those that name quantities of a class.
const UNIT_LISTS: [&str; 3] = ["epcList", "childEPCs", "outputEPCList"];
const QUANTITY_LISTS: [&str; 4] = [
    "quantityList",
    "childQuantityList",
    "inputQuantityList",
    "outputQuantityList",
];

/// Business steps of the Core Business Vocabulary 2.0 and its predecessors.
const STEPS: &[&str] = &[
    "accepting",
    "arriving",
    "assembling",
    "collecting",
    "commissioning",
    "consigning",
    "creating_class_instance",
    "cycle_counting",
    "decommissioning",
    "departing",
    "destroying",
    "disassembling",
    "dispensing",
    "encoding",
    "entering_exiting",
    "holding",
    "inspecting",
    "installing",
    "killing",
    "loading",
    "other",
    "packing",
    "picking",
    "receiving",
    "removing",
    "repackaging",
    "repairing",
    "replacing",
    "reserving",
    "retail_selling",
    "sampling",
    "sensor_reporting",
    "shipping",
    "staging_outbound",
    "stock_taking",
    "stocking",
    "storing",
    "transporting",
    "unloading",
    "unpacking",
    "void_shipping",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum EventType {
    Object,
    Aggregation,
    Transaction,
    Transformation,
    Association,
}

impl EventType {
    fn of(text: &str) -> Option<Self> {
        match local(text).as_ref() {
            "ObjectEvent" => Some(Self::Object),
            "AggregationEvent" => Some(Self::Aggregation),
            "TransactionEvent" => Some(Self::Transaction),
            "TransformationEvent" => Some(Self::Transformation),
            "AssociationEvent" => Some(Self::Association),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Object => "ObjectEvent",
            Self::Aggregation => "AggregationEvent",
            Self::Transaction => "TransactionEvent",
            Self::Transformation => "TransformationEvent",
            Self::Association => "AssociationEvent",
        }
    }
}

/// The last part of a short name, CURIE, URN or web address: `shipping` of `cbv:BizStep-shipping`.
fn local(text: &str) -> Cow<'_, str> {
    let last = text.rsplit([':', '/', '#']).next().unwrap_or(text);
    Cow::Borrowed(last.strip_prefix("BizStep-").unwrap_or(last))
}

/// Whether a term is spelled in a vocabulary of the standard's, or short.
fn is_standard_term(text: &str) -> bool {
    const VOCABULARIES: [&str; 8] = [
        "urn:epcglobal:",
        "cbv:",
        "epcis:",
        "gs1:",
        "https://ref.gs1.org/",
        "http://ref.gs1.org/",
        "https://ns.gs1.org/",
        "https://gs1.org/",
    ];
    !text.contains([':', '/']) || VOCABULARIES.iter().any(|start| text.starts_with(start))
}

/// Whether the object is an EPCIS document or event, by its `type`.
pub(super) fn is_epcis(object: &Object<'_>) -> bool {
    let kind = kind(object).unwrap_or_default();
    is_document(&kind) || local(&kind).ends_with("Event") || object.has("epcisBody")
}

fn kind<'a>(object: &Object<'a>) -> Option<Cow<'a, str>> {
    object.text("type").or_else(|| object.text("@type"))
}

fn is_document(kind: &str) -> bool {
    matches!(local(kind).as_ref(), "EPCISDocument" | "EPCISQueryDocument")
}

/// Reads the document or event `value`, whose members are `object`, at `at`.
pub(super) fn document(found: &mut Found, at: &Location, value: Value<'_>, object: &Object<'_>) {
    if !object.has("epcisBody") && !kind(object).is_some_and(|kind| is_document(&kind)) {
        return one(found, at, value);
    }
    let Some(body) = object.object("epcisBody") else {
        return found.leave_out(at, Reason::Missing("/epcisBody"));
    };
    if let Some(list) = body.get("eventList") {
        return events(found, &at.below(format_args!("/epcisBody/eventList")), list);
    }
    if let Some(event) = body.get("event") {
        return one(found, &at.below(format_args!("/epcisBody/event")), event);
    }
    let results = body
        .object("queryResults")
        .and_then(|results| results.object("resultsBody"));
    match results.and_then(|results| results.get("eventList")) {
        Some(list) => {
            let pointer = format_args!("/epcisBody/queryResults/resultsBody/eventList");
            events(found, &at.below(pointer), list);
        }
        None => found.leave_out(at, Reason::Missing("/epcisBody/eventList")),
    }
}

fn events(found: &mut Found, at: &Location, list: Value<'_>) {
    match list.array() {
        None => found.leave_out(at, Reason::Malformed("/epcisBody/eventList")),
        Some(events) if events.is_empty() => found.leave_out(at, Reason::Empty),
        Some(events) => {
            for (index, value) in events.into_iter().enumerate() {
                one(found, &at.below(format_args!("/{index}")), value);
            }
        }
    }
}

fn one(found: &mut Found, at: &Location, value: Value<'_>) {
    let outcome = event(found, at, value);
    found.settle(at, outcome);
}

fn event(found: &mut Found, at: &Location, value: Value<'_>) -> Result<(), Reason> {
    check_item(value)?;
    let object = value.object().ok_or(Reason::NotStrictJson)?;
    let name = kind(&object).ok_or(Reason::Missing("/type"))?;
    let kind = EventType::of(&name).ok_or(Reason::UnknownEventType)?;
    let step = step(kind, &object)?;
    if object.has("errorDeclaration") {
        return Err(Reason::DeclaredInError);
    }
    let time = object
        .text("eventTime")
        .ok_or(Reason::Missing("/eventTime"))?;
    let event = Arc::new(UnitEvent {
        source: at.clone(),
        original: Original::new(value.text()),
        kind: step,
        time: time::start(&time).ok_or(Reason::Malformed("/eventTime"))?,
        lot: lot(&object),
        from: parties(&object, "sourceList", "source"),
        to: parties(&object, "destinationList", "destination"),
        places: places(&object),
    });
    let named = units(found, &event, &object) + not_units(found, at, &object);
    if named == 0 {
        Err(Reason::NoUnit)
    } else {
        Ok(())
    }
}

/// Which of the four steps the event is, if its type, business step and action go together.
fn step(kind: EventType, object: &Object<'_>) -> Result<StepKind, Reason> {
    let text = object.text("bizStep").ok_or(Reason::Missing("/bizStep"))?;
    let term = local(&text);
    let known = STEPS
        .iter()
        .find(|step| **step == term && is_standard_term(&text));
    let step = known.ok_or(Reason::UnknownStep(kind.name()))?;
    let not_handled = Reason::StepNotHandled {
        event: kind.name(),
        step,
    };
    let found = match (*step, kind) {
        ("commissioning", EventType::Object | EventType::Transformation) => StepKind::Commission,
        (_, EventType::Transformation | EventType::Association) => return Err(not_handled),
        ("shipping", _) => StepKind::Ship,
        ("receiving", _) => StepKind::Receive,
        ("dispensing", _) => StepKind::Dispense,
        _ => return Err(not_handled),
    };
    if kind != EventType::Transformation {
        check_action(found, object)?;
    }
    Ok(found)
}

fn check_action(step: StepKind, object: &Object<'_>) -> Result<(), Reason> {
    let text = object.text("action").ok_or(Reason::Missing("/action"))?;
    let action = match local(&text).trim_start_matches("Action-") {
        "ADD" => "ADD",
        "OBSERVE" => "OBSERVE",
        "DELETE" => "DELETE",
        _ => return Err(Reason::Malformed("/action")),
    };
    let fits = match step {
        StepKind::Commission => action == "ADD",
        StepKind::Ship | StepKind::Receive => action != "DELETE",
        StepKind::Dispense => true,
    };
    if fits {
        Ok(())
    } else {
        Err(Reason::ActionForStep {
            action,
            step: step.name(),
        })
    }
}

/// The lot in `ilmd`: `lotNumber`, or `batch` as older documents have it, under any prefix.
fn lot(object: &Object<'_>) -> Option<String> {
    let ilmd = object.object("ilmd")?;
    let lot = ilmd
        .get_unprefixed("lotNumber")
        .or_else(|| ilmd.get_unprefixed("batch"))?;
    lot.string().map(Into::into)
}

/// The parties of a source or destination list, most telling first.
fn parties(object: &Object<'_>, list: &str, member: &str) -> Vec<String> {
    let rank = |kind: &str| match local(kind).trim_start_matches("SDT-") {
        "owning_party" => 0,
        "possessing_party" => 1,
        _ => 2,
    };
    let entries = object.elements(list).into_iter().filter_map(Value::object);
    let mut parties: Vec<_> = entries
        .filter_map(|entry| Some((rank(&entry.text("type")?), entry.text(member)?.into_owned())))
        .collect();
    parties.sort_by_key(|(rank, _)| *rank);
    parties.into_iter().map(|(_, party)| party).collect()
}

fn places(object: &Object<'_>) -> Vec<String> {
    let place = |name| {
        object
            .object(name)
            .and_then(|place| place.text("id").map(Into::into))
    };
    ["bizLocation", "readPoint"]
        .into_iter()
        .filter_map(place)
        .collect()
}

/// Adds a step for each unit the event names; how many identifiers it looked at.
fn units(found: &mut Found, event: &Arc<UnitEvent>, object: &Object<'_>) -> usize {
    let mut named = 0;
    for list in UNIT_LISTS {
        for (index, value) in object.elements(list).into_iter().enumerate() {
            unit(found, event, value, format_args!("/{list}/{index}"));
            named += 1;
        }
    }
    if let Some(parent) = object.get("parentID") {
        unit(found, event, parent, format_args!("/parentID"));
        named += 1;
    }
    named
}

fn unit(
    found: &mut Found,
    event: &Arc<UnitEvent>,
    value: Value<'_>,
    tail: std::fmt::Arguments<'_>,
) {
    let source = event.source.below(tail);
    let text = value.string().ok_or(Reason::BadCode("it is no text"));
    match text.and_then(|text| UnitCode::parse(&text)) {
        Ok(code) => {
            found.items.units.push(UnitStep {
                source,
                event: Arc::clone(event),
                code,
            });
        }
        Err(reason) => found.leave_out(&source, reason),
    }
}

/// Gives a reason for each identifier and quantity that is no unit of this step; how many.
fn not_units(found: &mut Found, at: &Location, object: &Object<'_>) -> usize {
    let mut named = 0;
    let lists = QUANTITY_LISTS.map(|list| (list, Reason::ClassNotUnit));
    for (list, reason) in lists.into_iter().chain([("inputEPCList", Reason::UsedUp)]) {
        for index in 0..object.elements(list).len() {
            found.leave_out(&at.below(format_args!("/{list}/{index}")), reason.clone());
            named += 1;
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_understood_in_every_form_the_standard_allows() {
        for text in [
            "shipping",
            "cbv:BizStep-shipping",
            "urn:epcglobal:cbv:bizstep:shipping",
            "https://ref.gs1.org/cbv/BizStep-shipping",
            "https://ns.gs1.org/cbv/BizStep-shipping",
        ] {
            assert!(
                local(text) == "shipping" && is_standard_term(text),
                "{text}"
            );
        }
        assert!(!is_standard_term("http://own.example/bizstep/shipping"));
        assert!(EventType::of("https://ref.gs1.org/epcis/ObjectEvent").is_some());
        assert!(EventType::of("QuantityEvent").is_none());
        assert!(STEPS.is_sorted());
    }
}
