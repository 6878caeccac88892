//! MedicationRequest and MedicationDispense (FHIR R4), as far as the ledger's prescription goes.
//!
//! What always holds: a prescription that was never in force, or that must not be dispensed on, is
//! left out with its status; so is a dispense that did not take place. A dispense `in-progress` is
//! one whose product waits to be picked up: the prescription is used up from then on, so it counts
//! as its redemption.

use super::decimal::Amount;
use super::fhir::key;
use super::found::{Found, check_item};
use super::item::{Dispense, Location, Ordered, Original, Prescription, PrescriptionLink, Subject};
use super::json::{Object, Value};
use super::reason::Reason;
use super::reference::{Place, Target};
use super::time;
use medanchor_ledger::Time;

/// More refills than any prescription has.
const MAX_REPEATS: u64 = 10_000;

/// Reads a MedicationRequest.
pub(super) fn request(
    found: &mut Found,
    place: &Place<'_>,
    value: Value<'_>,
    object: &Object<'_>,
) -> Result<(), Reason> {
    check_item(value)?;
    request_status(&object.text("status").ok_or(Reason::Missing("/status"))?)?;
    check_intent(object)?;
    let subject = object
        .object("subject")
        .ok_or(Reason::Missing("/subject"))?;
    let subject = place
        .of_element(&subject)
        .ok_or(Reason::Missing("/subject/reference"))?;
    let dispensing = object.object("dispenseRequest");
    let until = dispensing
        .as_ref()
        .and_then(|part| part.object("validityPeriod"));
    let requester = object.object("requester");
    let prescription = Prescription {
        source: place.at.clone(),
        original: Original::new(value.text()),
        key: key(place, object),
        subject: Subject(subject),
        ordered: dispensing.as_ref().map_or(Ok(Ordered::Whole), ordered)?,
        authored: moment(object, "authoredOn", "/authoredOn", time::start)?,
        valid_until: match until {
            Some(period) => moment(
                &period,
                "end",
                "/dispenseRequest/validityPeriod/end",
                time::end,
            )?,
            None => None,
        },
        requester: requester.and_then(|requester| place.of_element(&requester)),
    };
    found.items.prescriptions.push(prescription);
    Ok(())
}

fn request_status(status: &str) -> Result<(), Reason> {
    let (status, why) = match status {
        "active" | "completed" => return Ok(()),
        "on-hold" => (
            "on-hold",
            "nothing may be dispensed on it, and holds are not handled yet",
        ),
        "cancelled" => ("cancelled", "it was withdrawn before it took effect"),
        "entered-in-error" => ("entered-in-error", "it was never valid"),
        "stopped" => ("stopped", "nothing may be dispensed on it any more"),
        "draft" => ("draft", "it is not issued yet"),
        "unknown" => ("unknown", "its sender does not know whether it is in force"),
        _ => return Err(Reason::UnknownStatus),
    };
    Err(Reason::Status { status, why })
}

fn check_intent(object: &Object<'_>) -> Result<(), Reason> {
    let intent = object.text("intent").ok_or(Reason::Missing("/intent"))?;
    match intent.as_ref() {
        "order" | "original-order" | "reflex-order" | "filler-order" | "instance-order" => {}
        "proposal" => return Err(Reason::NotAnOrder("its intent is proposal")),
        "plan" => return Err(Reason::NotAnOrder("its intent is plan")),
        "option" => return Err(Reason::NotAnOrder("its intent is option")),
        _ => return Err(Reason::Malformed("/intent")),
    }
    if object.get("doNotPerform").is_some_and(Value::is_true) {
        return Err(Reason::NotAnOrder(
            "it says that the medicine is not to be given",
        ));
    }
    Ok(())
}

/// What a `dispenseRequest` orders in all: the quantity of one fill, once and for each repeat.
fn ordered(dispensing: &Object<'_>) -> Result<Ordered, Reason> {
    const FIELD: &str = "/dispenseRequest/quantity/value";
    let Some(quantity) = dispensing.object("quantity") else {
        return Ok(Ordered::Whole);
    };
    let fill = amount(&quantity, FIELD)?.ok_or(Reason::Missing(FIELD))?;
    let repeats = repeats(dispensing)?;
    let error = super::decimal::AmountError::TooLarge;
    let amount = fill.times(repeats + 1).ok_or(Reason::Amount {
        field: FIELD,
        error,
    })?;
    Ok(Ordered::Quantity {
        amount,
        unit: unit(&quantity),
    })
}

fn repeats(dispensing: &Object<'_>) -> Result<u64, Reason> {
    let Some(value) = dispensing.get("numberOfRepeatsAllowed") else {
        return Ok(0);
    };
    let repeats = value.number().and_then(|text| text.parse().ok());
    let repeats = repeats.filter(|&repeats| repeats <= MAX_REPEATS);
    repeats.ok_or(Reason::Malformed("/dispenseRequest/numberOfRepeatsAllowed"))
}

/// Reads a MedicationDispense, and the MedicationRequest contained in it if it refers to one.
pub(super) fn dispense(
    found: &mut Found,
    place: &Place<'_>,
    value: Value<'_>,
    object: &Object<'_>,
) -> Result<(), Reason> {
    check_item(value)?;
    dispense_status(&object.text("status").ok_or(Reason::Missing("/status"))?)?;
    let reference = prescription_reference(object)?;
    let quantity = object.object("quantity");
    let handed_over = moment(object, "whenHandedOver", "/whenHandedOver", time::start)?;
    let prepared = moment(object, "whenPrepared", "/whenPrepared", time::start)?;
    let amount = quantity
        .as_ref()
        .map(|part| amount(part, "/quantity/value"))
        .transpose()?;
    let subject = object
        .object("subject")
        .and_then(|subject| place.of_element(&subject));
    let performer = object
        .elements("performer")
        .into_iter()
        .next()
        .and_then(Value::object);
    let actor = performer.and_then(|performer| performer.object("actor"));
    let dispense = Dispense {
        source: place.at.clone(),
        original: Original::new(value.text()),
        key: key(place, object),
        prescription: link(found, place, object, &reference)?,
        subject: subject.map(Subject),
        quantity: amount.flatten(),
        unit: quantity.as_ref().and_then(unit),
        when: handed_over.or(prepared),
        performer: actor.and_then(|actor| place.of_element(&actor)),
    };
    found.items.dispenses.push(dispense);
    Ok(())
}

fn dispense_status(status: &str) -> Result<(), Reason> {
    let (status, why) = match status {
        "completed" | "in-progress" => return Ok(()),
        "preparation" => ("preparation", "nothing was dispensed yet"),
        "cancelled" => ("cancelled", "nothing was dispensed"),
        "on-hold" => ("on-hold", "nothing was dispensed yet"),
        "entered-in-error" => ("entered-in-error", "it did not take place"),
        "stopped" => ("stopped", "it ended before all of it was dispensed"),
        "declined" => ("declined", "nothing was dispensed"),
        "unknown" => ("unknown", "its sender does not know whether it took place"),
        _ => return Err(Reason::UnknownStatus),
    };
    Err(Reason::Status { status, why })
}

fn prescription_reference(object: &Object<'_>) -> Result<String, Reason> {
    let named = object.elements("authorizingPrescription");
    let [only] = named.as_slice() else {
        return Err(match named.as_slice() {
            [] => Reason::Missing("/authorizingPrescription"),
            _ => Reason::SeveralPrescriptions,
        });
    };
    let reference = only
        .object()
        .and_then(|only| only.text("reference").map(Into::into));
    reference.ok_or(Reason::Missing("/authorizingPrescription/0/reference"))
}

/// Finds a contained prescription now; other references wait until all of the input is read.
fn link(
    found: &mut Found,
    place: &Place<'_>,
    object: &Object<'_>,
    reference: &str,
) -> Result<PrescriptionLink, Reason> {
    let Target::Contained(id) = Target::of(reference) else {
        return Ok(PrescriptionLink::Reference(reference.to_owned()));
    };
    let contained = object.elements("contained").into_iter().enumerate();
    let mut objects = contained.filter_map(|(index, value)| Some((index, value, value.object()?)));
    let (index, value, contained) = objects
        .find(|(_, _, contained)| contained.text("id").as_deref() == Some(id))
        .ok_or(Reason::PrescriptionNotInInput)?;
    if contained.text("resourceType").as_deref() != Some("MedicationRequest") {
        return Err(Reason::PrescriptionNotInInput);
    }
    let at: Location = place.at.below(format_args!("/contained/{index}"));
    let inner = Place {
        at: at.clone(),
        full_url: None,
        addresses: place.addresses,
    };
    let outcome = request(found, &inner, value, &contained);
    found.settle(&at, outcome);
    Ok(PrescriptionLink::Contained(at))
}

/// The value of a Quantity, if it has one; a comparator makes it no exact amount.
fn amount(quantity: &Object<'_>, field: &'static str) -> Result<Option<Amount>, Reason> {
    let Some(value) = quantity.get("value") else {
        return Ok(None);
    };
    let text = value.number().ok_or(Reason::Malformed(field))?;
    if quantity.has("comparator") {
        return Err(Reason::Malformed(field));
    }
    Amount::from_decimal(text)
        .map(Some)
        .map_err(|error| Reason::Amount { field, error })
}

/// The code of a Quantity's unit, or else its name, in lower case.
fn unit(quantity: &Object<'_>) -> Option<String> {
    let unit = quantity.text("code").or_else(|| quantity.text("unit"))?;
    Some(unit.to_lowercase())
}

/// A time, if the member is there; an error if it is there and no time.
pub(super) fn moment(
    object: &Object<'_>,
    name: &str,
    field: &'static str,
    read: fn(&str) -> Option<Time>,
) -> Result<Option<Time>, Reason> {
    let Some(value) = object.get(name) else {
        return Ok(None);
    };
    let time = value.string().and_then(|text| read(&text));
    time.map(Some).ok_or(Reason::Malformed(field))
}
