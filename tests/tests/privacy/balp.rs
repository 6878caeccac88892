//! What can be told of an AuditEvent and a Provenance without a validator that knows profiles: required
//! elements, how often they may stand, and fixed codes. Each rule names where it is from, and has a change
//! after which it must not hold.
//!
//! `Read` and `PatientRead` are profiles of IHE BALP 1.1 (`input/fsh/PatientRead.fsh` of its source);
//! `R4` is FHIR 4.0.1.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const IRCP: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ENTITY: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const BASIC: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";

/// One rule: its source and words, whether a resource follows it, and how to break it.
pub struct Rule {
    /// Where it stands, and what it says.
    pub source: &'static str,
    holds: fn(&Value) -> bool,
    bend: fn(&mut Value),
}

impl Rule {
    /// # Errors
    /// If the resource does not follow it, or still does when it is bent.
    pub fn check(&self, resource: &Value) -> Result<()> {
        ensure!((self.holds)(resource), "{}: {resource:#}", self.source);
        let mut bent = resource.clone();
        (self.bend)(&mut bent);
        ensure!(!(self.holds)(&bent), "{} holds of anything", self.source);
        Ok(())
    }
}

fn is(coding: &Value, system: &str, code: &str) -> bool {
    coding["system"] == system && coding["code"] == code
}

fn all<'v>(resource: &'v Value, name: &str) -> Vec<&'v Value> {
    resource[name].as_array().into_iter().flatten().collect()
}

/// The agents whose type has this coding.
fn agents<'v>(event: &'v Value, system: &str, code: &str) -> Vec<&'v Value> {
    let mut found = all(event, "agent");
    found.retain(|one| {
        all(&one["type"], "coding")
            .iter()
            .any(|coding| is(coding, system, code))
    });
    found
}

fn entities<'v>(event: &'v Value, system: &str, code: &str) -> Vec<&'v Value> {
    let mut found = all(event, "entity");
    found.retain(|one| is(&one["type"], system, code));
    found
}

/// The one agent of a role; none if there are two.
fn agent<'v>(event: &'v Value, code: &str) -> Option<&'v Value> {
    match agents(event, DICOM, code)[..] {
        [one] => Some(one),
        _ => None,
    }
}

fn entity<'v>(event: &'v Value, code: &str) -> Option<&'v Value> {
    match entities(event, ENTITY, code)[..] {
        [one] => Some(one),
        _ => None,
    }
}

/// A member of the agent or entity that has this code, to bend it.
fn member<'v>(event: &'v mut Value, list: &str, code: &str) -> Option<&'v mut Value> {
    let mut all = event[list].as_array_mut()?.iter_mut();
    all.find(|one| one["type"]["code"] == code || one["type"]["coding"][0]["code"] == code)
}

fn put(event: &mut Value, list: &str, code: &str, name: &str, value: Value) {
    if let Some(one) = member(event, list, code) {
        one[name] = value;
    }
}

fn twice(event: &mut Value, list: &str, code: &str) {
    let copy = member(event, list, code).cloned();
    if let (Some(all), Some(copy)) = (event[list].as_array_mut(), copy) {
        all.push(copy);
    }
}

fn is_instant(time: &Value) -> bool {
    let zoned = |text: &str| text.contains('T') && (text.ends_with('Z') || text.contains('+'));
    time.as_str().is_some_and(zoned)
}

macro_rules! rules {
    ($($source:literal: |$holds:ident| $check:expr, |$bent:ident| $bend:expr;)*) => {
        &[$(Rule { source: $source, holds: |$holds| $check, bend: |$bent| { $bend; } }),*]
    };
}

/// What every AuditEvent follows, also of a denial.
pub const AUDIT_EVENT: &[Rule] = rules! {
    "R4 AuditEvent.type 1..1": |event| event["type"]["code"].is_string(), |event| event["type"].take();
    "R4 AuditEvent.recorded 1..1, an instant": |event| is_instant(&event["recorded"]), |event| event["recorded"] = "2026-11-23".into();
    "R4 AuditEvent.agent.requestor 1..1": |event| all(event, "agent").iter().all(|one| one["requestor"].is_boolean()), |event| event["agent"][0]["requestor"].take();
    "R4 AuditEvent.source 1..1, observer 1..1": |event| event["source"]["observer"].is_object(), |event| event["source"]["observer"].take();
    "R4 AuditEvent.outcome, required binding: 0, 4, 8, 12": |event| ["0", "4", "8", "12"].iter().any(|code| event["outcome"] == *code), |event| event["outcome"] = "1".into();
    "R4 AuditEvent.action, required binding: C, R, U, D, E": |event| ["C", "R", "U", "D", "E"].iter().any(|code| event["action"] == *code), |event| event["action"] = "read".into();
    "R4 AuditEvent.agent.network.type, required binding: 1 to 5": |event| agents(event, DICOM, "110152").iter().all(|one| ["1", "2", "3", "4", "5"].iter().any(|code| one["network"]["type"] == *code)), |event| put(event, "agent", "110152", "network", json!({"type": "6"}));
};

/// What an AuditEvent follows that names the profile.
pub const PATIENT_READ: &[Rule] = rules! {
    "Read: type = audit-event-type#rest": |event| is(&event["type"], "http://terminology.hl7.org/CodeSystem/audit-event-type", "rest"), |event| event["type"]["code"] = "110110".into();
    "Read: subtype 1..": |event| !all(event, "subtype").is_empty(), |event| event["subtype"].take();
    "Read: subtype[anyRead] 0..1": |event| all(event, "subtype").iter().filter(|one| is(one, "http://hl7.org/fhir/restful-interaction", "read")).count() == 1, |event| event["subtype"] = json!([event["subtype"][0], event["subtype"][0]]);
    "Read: action = #R": |event| event["action"] == "R", |event| event["action"] = "E".into();
    "Read: recorded 1..1": |event| event["recorded"].is_string(), |event| event["recorded"].take();
    "Read: outcome = audit-event-outcome#0": |event| event["outcome"] == "0", |event| event["outcome"] = "4".into();
    "Read: agent 2..": |event| all(event, "agent").len() >= 2, |event| event["agent"] = json!([event["agent"][0]]);
    "Read: agent[client] 1..1, type DCM#110152": |event| agent(event, "110152").is_some(), |event| twice(event, "agent", "110152");
    "Read: agent[client].who 1..1": |event| agent(event, "110152").is_some_and(|one| one["who"].is_object()), |event| put(event, "agent", "110152", "who", Value::Null);
    "Read: agent[client].network 1..1": |event| agent(event, "110152").is_some_and(|one| one["network"]["address"].is_string()), |event| put(event, "agent", "110152", "network", Value::Null);
    "Read: agent[client].media 0..0": |event| agent(event, "110152").is_some_and(|one| one["media"].is_null()), |event| put(event, "agent", "110152", "media", json!({"code": "110030"}));
    "Read: agent[server] 1..1, type DCM#110153": |event| agent(event, "110153").is_some(), |event| twice(event, "agent", "110153");
    "Read: agent[server].who 1..1": |event| agent(event, "110153").is_some_and(|one| one["who"].is_object()), |event| put(event, "agent", "110153", "who", Value::Null);
    "Read: agent[server].network 1..1": |event| agent(event, "110153").is_some_and(|one| one["network"]["address"].is_string()), |event| put(event, "agent", "110153", "network", Value::Null);
    "Read: agent[server].media 0..0": |event| agent(event, "110153").is_some_and(|one| one["media"].is_null()), |event| put(event, "agent", "110153", "media", json!({"code": "110030"}));
    "Read: entity[data] 1..1, type audit-entity-type#2": |event| entity(event, "2").is_some(), |event| twice(event, "entity", "2");
    "Read: entity[data].role from RestObjectRoles (required)": |event| entity(event, "2").is_some_and(|one| ["3", "4", "20"].iter().any(|code| is(&one["role"], ROLE, code))), |event| put(event, "entity", "2", "role", json!({"system": ROLE, "code": "1"}));
    "Read: entity[data].what 1..1": |event| entity(event, "2").is_some_and(|one| one["what"].is_object()), |event| put(event, "entity", "2", "what", Value::Null);
    "PatientRead: entity 2..": |event| all(event, "entity").len() >= 2, |event| event["entity"] = json!([event["entity"][0]]);
    "PatientRead: entity[patient] 1..1, type audit-entity-type#1": |event| entity(event, "1").is_some(), |event| twice(event, "entity", "1");
    "PatientRead: entity[patient].role = object-role#1": |event| entity(event, "1").is_some_and(|one| is(&one["role"], ROLE, "1")), |event| put(event, "entity", "1", "role", json!({"system": ROLE, "code": "4"}));
    "PatientRead: entity[patient].what 1..1, only Reference(Patient)": |event| entity(event, "1").is_some_and(|one| one["what"]["type"] == "Patient"), |event| put(event, "entity", "1", "what", json!({"type": "Group"}));
};

/// Where a request stands in the event, which an opening by the emergency key has not.
pub const TRANSACTION: &[Rule] = rules! {
    "Read: entity[transaction] 0..1, type BasicAuditEntityType#XrequestId": |event| entities(event, BASIC, "XrequestId").len() == 1, |event| twice(event, "entity", "XrequestId");
    "Read: entity[transaction].what.identifier.value 1..1": |event| entities(event, BASIC, "XrequestId").iter().all(|one| one["what"]["identifier"]["value"].is_string()), |event| put(event, "entity", "XrequestId", "what", json!({"identifier": {}}));
};

/// Where somebody's name was disclosed to the patient.
pub const USER: &[Rule] = rules! {
    "Read: agent[user] 0..1, type v3-ParticipationType#IRCP": |event| agents(event, IRCP, "IRCP").len() == 1, |event| twice(event, "agent", "IRCP");
    "Read: agent[user].who 1..1": |event| agents(event, IRCP, "IRCP").iter().all(|one| one["who"].is_object()), |event| put(event, "agent", "IRCP", "who", Value::Null);
    "Read: agent[user].requestor = true": |event| agents(event, IRCP, "IRCP").iter().all(|one| one["requestor"] == true), |event| put(event, "agent", "IRCP", "requestor", false.into());
    "Read: agent[user].media 0..0, network 0..0": |event| agents(event, IRCP, "IRCP").iter().all(|one| one["media"].is_null() && one["network"].is_null()), |event| put(event, "agent", "IRCP", "network", json!({"type": "5"}));
};

/// What a Provenance follows.
pub const PROVENANCE: &[Rule] = rules! {
    "R4 Provenance.target 1..*": |one| !all(one, "target").is_empty(), |one| one["target"].take();
    "R4 Provenance.recorded 1..1, an instant": |one| is_instant(&one["recorded"]), |one| one["recorded"].take();
    "R4 Provenance.agent 1..*, who 1..1": |one| !all(one, "agent").is_empty() && all(one, "agent").iter().all(|agent| agent["who"].is_object()), |one| one["agent"][0]["who"].take();
    "R4 Provenance.entity.role 1..1, required binding; what 1..1": |one| !all(one, "entity").is_empty() && all(one, "entity").iter().all(|entity| ["derivation", "revision", "quotation", "source", "removal"].iter().any(|code| entity["role"] == *code) && entity["what"].is_object()), |one| one["entity"][0]["role"] = "root".into();
};

/// How many rules there are.
pub const RULES: usize =
    AUDIT_EVENT.len() + PATIENT_READ.len() + TRANSACTION.len() + USER.len() + PROVENANCE.len();

/// Whether an event has a request, or a person.
pub fn has(event: &Value, code: &str) -> bool {
    !agents(event, IRCP, code).is_empty() || !entities(event, BASIC, code).is_empty()
}
