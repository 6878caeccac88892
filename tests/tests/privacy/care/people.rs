//! Who is cared for, by whom, why, and in which words: a FHIR document of the input, so that each of these
//! words is searched for wherever the care leaves something.

use serde_json::{Value, json};

/// The patient, who has a printed card and is known by this name at both hospitals.
pub const PATIENT: &str = "Patient/care-patient-4711";
/// Who decides for the patient.
pub const GUARDIAN: &str = "Marchetti Lucia";
pub const GUARDIAN_ID: &str = "RelatedPerson/care-guardian-4712";
pub const BASIS: &str = "guardianship order 2031-77 of the district court";
/// Who reads under a consent.
pub const READER: &str = "Dr. Holmberg Astrid";
/// Who breaks the glass, and who opens by the emergency key.
pub const RESCUER: &str = "Dr. Ferreira Joaquim";
/// Who judges that.
pub const REVIEWER: &str = "Prof. Nakagawa Hiroshi";
/// The record in custody, by its name at the hospital, and one that is not in custody.
pub const RECORD: &str = "Observation/care-observation-4713";
pub const PLAIN: &str = "Observation/care-observation-4714";
/// Why somebody reads, breaks the glass, does so again, judges it, and opens by the emergency key.
pub const WHY: [&str; 5] = [
    "second opinion on the biopsy of the left kidney",
    "found unconscious at the bus stop, insulin pen in the coat",
    "seizure in the scanner, seven minutes after contrast",
    "chart and ambulance protocol seen, opening was in order",
    "ward cut off by the flood, potassium of the morning needed",
];

/// The document of a record, in its first or its corrected version.
pub fn document(version: u32) -> Value {
    json!({
        "resourceType": "Observation", "id": "care-observation-4713", "status": "amended",
        "subject": {"reference": PATIENT},
        "valueString": format!("creatinine rising for a week, see the nephrologist's letter no. {version}"),
    })
}

fn named(kind: &str, id: &str, name: &str) -> Value {
    json!({"resourceType": kind, "id": id, "name": [{"text": name}]})
}

/// The words above, as the file of the input in which they stand.
pub fn bundle() -> Value {
    let mut patient = named("Patient", "care-patient-4711", "Oyelaran Temitope");
    patient["identifier"] = json!([{"value": "NH-2031-884-213"}]);
    patient["telecom"] = json!([{"system": "phone", "value": "+44 7700 900 413"}]);
    patient["birthDate"] = "1957-11-03".into();
    let mut guardian = named("RelatedPerson", "care-guardian-4712", GUARDIAN);
    guardian["comment"] = BASIS.into();
    let report = |(number, why): (usize, &&str)| {
        json!({
            "resourceType": "DiagnosticReport", "id": format!("care-report-{number}"), "conclusion": why,
            "subject": {"reference": PATIENT}, "performer": [{"reference": GUARDIAN_ID}],
            "result": [{"reference": RECORD}, {"reference": PLAIN}],
        })
    };
    let people = [READER, RESCUER, REVIEWER].into_iter().enumerate();
    let staff =
        people.map(|(number, name)| named("Practitioner", &format!("care-staff-{number}"), name));
    let resources = [patient, guardian, document(1), document(2)]
        .into_iter()
        .chain(staff)
        .chain(WHY.iter().enumerate().map(report));
    let entries: Vec<Value> = resources.map(|one| json!({"resource": one})).collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries})
}
