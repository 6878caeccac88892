//! Consent (FHIR R4), in the narrow profile that a grant on the ledger can express.
//!
//! What always holds: a grant never permits more than the consent says in machine-readable form.
//! So `provision.type` must be `permit` (IHE PCF demands that it is there; without it the answer
//! rests on a policy outside the resource), recipients and purposes must be named, and whatever
//! would narrow the permission in a way the ledger cannot hold makes it a plain reason instead.

use super::found::{Found, check_item};
use super::item::{ConsentGrant, Original, Subject};
use super::json::{Object, Value};
use super::medication::moment;
use super::reason::Reason;
use super::reference::Place;
use super::{resource_type, time};
use crate::fhir::purpose;

/// Resource types that a consent opens when it names none: those an institution seals.
pub const ALL_CLASSES: &[&str] = &[
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "FamilyMemberHistory",
    "Goal",
    "ImagingStudy",
    "Immunization",
    "Media",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "NutritionOrder",
    "Observation",
    "Procedure",
    "QuestionnaireResponse",
    "RiskAssessment",
    "ServiceRequest",
    "Specimen",
    "VisionPrescription",
];

/// Recipients, purposes and classes that one grant on the ledger may list.
const MAX_GRANTEES: usize = 16;
const MAX_CLASSES: usize = 32;

/// Reads a Consent.
pub(super) fn consent(
    found: &mut Found,
    place: &Place<'_>,
    value: Value<'_>,
    object: &Object<'_>,
) -> Result<(), Reason> {
    check_item(value)?;
    check_status(&object.text("status").ok_or(Reason::Missing("/status"))?)?;
    check_scope(object)?;
    let patient = object
        .object("patient")
        .ok_or(Reason::Missing("/patient"))?;
    let subject = place
        .of_element(&patient)
        .ok_or(Reason::Missing("/patient/reference"))?;
    let provision = object
        .object("provision")
        .ok_or(Reason::Missing("/provision"))?;
    check_provision(&provision)?;
    let period = provision.object("period");
    let bound = |name, field, read| match &period {
        Some(period) => moment(period, name, field, read),
        None => Ok(None),
    };
    let custodian = object
        .elements("organization")
        .into_iter()
        .next()
        .and_then(Value::object);
    let grant = ConsentGrant {
        source: place.at.clone(),
        original: Original::new(value.text()),
        subject: Subject(subject),
        custodian: custodian.and_then(|custodian| place.of_element(&custodian)),
        grantees: grantees(place, &provision)?,
        purposes: purposes(&provision)?,
        classes: classes(&provision)?,
        not_before: bound("start", "/provision/period/start", time::start)?,
        not_after: bound("end", "/provision/period/end", time::end)?,
    };
    found.items.consents.push(grant);
    Ok(())
}

fn check_status(status: &str) -> Result<(), Reason> {
    let (status, why) = match status {
        "active" => return Ok(()),
        "draft" => ("draft", "it is not given yet"),
        "proposed" => ("proposed", "it is not given yet"),
        "rejected" => ("rejected", "it was refused"),
        "inactive" => ("inactive", "it is no longer in force"),
        "entered-in-error" => ("entered-in-error", "it was never given"),
        _ => return Err(Reason::UnknownStatus),
    };
    Err(Reason::Status { status, why })
}

fn check_scope(object: &Object<'_>) -> Result<(), Reason> {
    let scope = object.object("scope").ok_or(Reason::Missing("/scope"))?;
    let codings = scope
        .elements("coding")
        .into_iter()
        .filter_map(Value::object);
    let mut codes = codings.filter_map(|coding| coding.text("code"));
    if codes.any(|code| code == "patient-privacy") {
        return Ok(());
    }
    Err(Reason::Consent("its scope is not patient-privacy"))
}

/// Refuses everything that a grant on the ledger cannot say.
fn check_provision(provision: &Object<'_>) -> Result<(), Reason> {
    match provision.text("type").as_deref() {
        Some("permit") => {}
        Some("deny") => {
            return Err(Reason::Consent(
                "it denies; grants on the ledger only permit",
            ));
        }
        Some(_) => return Err(Reason::Malformed("/provision/type")),
        None => {
            return Err(Reason::Consent(
                "no /provision/type, so whether it permits rests on a policy outside it",
            ));
        }
    }
    let narrowing = [
        ("provision", "it has exceptions (/provision/provision)"),
        ("data", "it is about particular resources (/provision/data)"),
        (
            "dataPeriod",
            "it is about data of one period (/provision/dataPeriod)",
        ),
        ("code", "it is about particular content (/provision/code)"),
        (
            "securityLabel",
            "it is about labelled data (/provision/securityLabel)",
        ),
    ];
    if let Some((_, what)) = narrowing.iter().find(|(member, _)| provision.has(member)) {
        return Err(Reason::Consent(what));
    }
    check_actions(provision)
}

fn check_actions(provision: &Object<'_>) -> Result<(), Reason> {
    for action in provision.elements("action") {
        let action = action
            .object()
            .ok_or(Reason::Malformed("/provision/action"))?;
        let codings = action
            .elements("coding")
            .into_iter()
            .filter_map(Value::object);
        let mut codes = codings.filter_map(|coding| coding.text("code"));
        if !codes.any(|code| code == "access") {
            return Err(Reason::Consent(
                "it permits other actions than access (/provision/action)",
            ));
        }
    }
    Ok(())
}

fn grantees(place: &Place<'_>, provision: &Object<'_>) -> Result<Vec<String>, Reason> {
    let actors = provision.elements("actor");
    if actors.is_empty() {
        return Err(Reason::Consent(
            "no recipient (/provision/actor), so it would permit everyone",
        ));
    }
    if actors.len() > MAX_GRANTEES {
        return Err(Reason::TooMany {
            what: "recipients",
            limit: MAX_GRANTEES,
        });
    }
    actors
        .into_iter()
        .map(|actor| grantee(place, actor))
        .collect()
}

fn grantee(place: &Place<'_>, actor: Value<'_>) -> Result<String, Reason> {
    let actor = actor
        .object()
        .ok_or(Reason::Malformed("/provision/actor"))?;
    let role = actor
        .object("role")
        .ok_or(Reason::Missing("/provision/actor/role"))?;
    let codings = role
        .elements("coding")
        .into_iter()
        .filter_map(Value::object);
    let mut codes = codings.filter_map(|coding| coding.text("code"));
    if !codes.any(|code| code == "IRCP" || code == "PRCP") {
        return Err(Reason::Consent(
            "an actor in another role than recipient (IRCP, PRCP)",
        ));
    }
    let reference = actor
        .object("reference")
        .and_then(|element| place.of_element(&element));
    reference.ok_or(Reason::Missing("/provision/actor/reference"))
}

fn purposes(provision: &Object<'_>) -> Result<Vec<&'static str>, Reason> {
    let codings = provision.elements("purpose");
    if codings.is_empty() {
        return Err(Reason::Consent(
            "no purpose (/provision/purpose), so it would permit any",
        ));
    }
    let mut all: Vec<&'static str> = Vec::new();
    for coding in codings {
        let code = coding.object().and_then(|coding| coding.text("code"));
        let code = code.ok_or(Reason::Malformed("/provision/purpose"))?;
        let narrower = purpose::included(&code).ok_or(match code.as_ref() {
            purpose::BREAK_GLASS => {
                Reason::Consent("breaking the glass is no purpose to consent to")
            }
            _ => Reason::Consent("a purpose outside HL7 PurposeOfUse"),
        })?;
        all.extend(narrower);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn classes(provision: &Object<'_>) -> Result<Vec<&'static str>, Reason> {
    let codings = provision.elements("class");
    if codings.is_empty() {
        return Ok(ALL_CLASSES.to_vec());
    }
    let mut all = Vec::new();
    for coding in codings {
        let code = coding.object().and_then(|coding| coding.text("code"));
        let code = code.ok_or(Reason::Malformed("/provision/class"))?;
        let known = resource_type::known(&code);
        all.push(known.ok_or(Reason::Consent("a class that is no FHIR R4 resource type"))?);
    }
    all.sort_unstable();
    all.dedup();
    if all.len() > MAX_CLASSES {
        return Err(Reason::TooMany {
            what: "classes",
            limit: MAX_CLASSES,
        });
    }
    Ok(all)
}
