//! The kinds of data that a consent speaks of.

use super::consent::{Level, is_sensitive};

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

/// The word under which a record of a class and a level is sealed and granted, such as
/// `Observation/L4`. A record whose level nobody set is sealed under the class alone.
///
/// ```
/// use medanchor_sdk::fhir::{Level, class_word};
/// assert_eq!(class_word("Observation", Some(Level::L4)), "Observation/L4");
/// ```
#[must_use]
pub fn class_word(class: &str, level: Option<Level>) -> String {
    level.map_or_else(
        || class.to_owned(),
        |level| format!("{class}/{}", level.as_str()),
    )
}

/// Whether a consent to records of this word must be a separate one (PIPL 29): whether its level is
/// [sensitive](is_sensitive). A word without a level is not.
///
/// ```
/// use medanchor_sdk::fhir::is_sensitive_word;
/// assert!(is_sensitive_word("Observation/L4") && !is_sensitive_word("Observation/L3"));
/// ```
#[must_use]
pub fn is_sensitive_word(word: &str) -> bool {
    let level = word
        .rsplit_once('/')
        .and_then(|(_, level)| Level::ALL.into_iter().find(|known| known.as_str() == level));
    level.is_some_and(is_sensitive)
}
