//! HL7 PurposeOfUse as consents use it: the codes, and what permitting one permits.
//!
//! What always holds: permitting a purpose permits the narrower ones below it (the hierarchy is
//! [`medanchor_vault::purpose`]'s), except breaking the glass, which is an act of its own that no consent on the ledger
//! grants.

use medanchor_vault::Purpose;
use medanchor_vault::purpose::expanded;

/// HL7's code system of reasons.
pub const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
/// Breaking the glass.
pub const BREAK_GLASS: &str = "BTG";

/// The purpose and all that permitting it permits; none for BTG and for codes that HL7 does not have.
///
/// ```
/// use medanchor_sdk::fhir::purpose::included;
/// assert_eq!(included("ETREAT"), Some(vec!["ETREAT", "ERTREAT"]));
/// assert_eq!(included("BTG"), None);
/// ```
#[must_use]
pub fn included(code: &str) -> Option<Vec<&'static str>> {
    let purpose = code
        .parse()
        .ok()
        .filter(|purpose| *purpose != Purpose::BreakGlass)?;
    Some(
        expanded([purpose])
            .into_iter()
            .map(Purpose::as_str)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_purpose_includes_breaking_the_glass_and_what_is_included_includes_no_more() {
        for purpose in Purpose::ALL.iter().map(|purpose| purpose.as_str()) {
            let Some(all) = included(purpose) else {
                assert_eq!(purpose, BREAK_GLASS);
                continue;
            };
            assert_eq!(all.first(), Some(&purpose));
            for narrower in &all {
                assert_ne!(*narrower, BREAK_GLASS);
                let below = included(narrower).unwrap_or_default();
                assert!(below.iter().all(|one| all.contains(one)), "{narrower}");
            }
        }
    }
}
