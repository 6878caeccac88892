//! HL7 PurposeOfUse: the purposes that a consent may permit, and what each includes.
//!
//! What always holds: permitting a purpose permits the narrower ones below it, except breaking the
//! glass: BTG stands below ETREAT and is included by nothing, because it is an act of its own, which
//! no consent on the ledger grants.

/// HL7's code system of reasons.
pub const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
/// Breaking the glass.
pub const BREAK_GLASS: &str = "BTG";

const PURPOSES: &[(&str, &[&str])] = &[
    (
        "TREAT",
        &["TREAT", "COC", "CLINTRL", "POPHLTH", "ETREAT", "ERTREAT"],
    ),
    ("COC", &["COC"]),
    ("CLINTRL", &["CLINTRL"]),
    ("POPHLTH", &["POPHLTH"]),
    ("ETREAT", &["ETREAT", "ERTREAT"]),
    ("ERTREAT", &["ERTREAT"]),
    ("HPAYMT", &["HPAYMT"]),
    ("HOPERAT", &["HOPERAT"]),
    ("HRESCH", &["HRESCH"]),
    ("PATRQT", &["PATRQT", "FAMRQT", "PWATRNY", "SUPNWK"]),
    ("FAMRQT", &["FAMRQT"]),
    ("PWATRNY", &["PWATRNY"]),
    ("SUPNWK", &["SUPNWK"]),
    ("PUBHLTH", &["PUBHLTH", "DISASTER", "THREAT"]),
    ("DISASTER", &["DISASTER"]),
    ("THREAT", &["THREAT"]),
    ("HMARKT", &["HMARKT"]),
];

/// The purpose and all that permitting it permits; none for BTG and for codes that HL7 does not have.
///
/// ```
/// use medanchor_sdk::fhir::purpose::included;
/// assert_eq!(included("ETREAT"), Some(&["ETREAT", "ERTREAT"][..]));
/// assert_eq!(included("BTG"), None);
/// ```
#[must_use]
pub fn included(code: &str) -> Option<&'static [&'static str]> {
    let found = PURPOSES.iter().find(|(purpose, _)| *purpose == code);
    found.map(|(_, included)| *included)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_purpose_includes_breaking_the_glass_and_what_is_included_includes_no_more() {
        for (purpose, included_in) in PURPOSES {
            assert_eq!(included_in.first(), Some(purpose));
            for narrower in *included_in {
                assert_ne!(*narrower, BREAK_GLASS);
                let below = included(narrower).unwrap_or_default();
                assert!(
                    below.iter().all(|one| included_in.contains(one)),
                    "{narrower}"
                );
            }
        }
    }
}
