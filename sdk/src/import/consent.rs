//! Consent (FHIR R4 under IHE PCF).
//!
//! What always holds: consents have one reading, that of [`crate::fhir`], which refuses whatever it does
//! not carry; so nothing that would narrow a consent is overlooked. What it grants is decided when the
//! plan is made, where it is known who keeps the records and for whom recipients stand.

use super::found::{Found, check_item};
use super::item::{ConsentGrant, Original, Subject};
use super::json::Value;
use super::reason::Reason;
use super::reference::Place;
use crate::fhir::{Consent, Reference};

/// Reads a Consent.
pub(super) fn consent(
    found: &mut Found,
    place: &Place<'_>,
    value: Value<'_>,
) -> Result<(), Reason> {
    check_item(value)?;
    let mut consent = Consent::from_r4(value.text()).map_err(Reason::ConsentNotRead)?;
    let subject = place
        .of_reference(&consent.subject)
        .ok_or(Reason::Missing("/patient/reference"))?;
    let custodian = consent.custodians.first();
    let custodian = custodian.and_then(|custodian| place.of_reference(custodian));
    respell_recipients(&mut consent, place);
    found.items.consents.push(ConsentGrant {
        source: place.at.clone(),
        original: Original::new(value.text()),
        subject: Subject(subject),
        custodian,
        consent,
    });
    Ok(())
}

/// Brings the references to recipients to the spelling by which participants are found.
fn respell_recipients(consent: &mut Consent, place: &Place<'_>) {
    let base = &mut consent.base;
    let exceptions = base.exceptions.iter_mut().map(|one| &mut one.rule);
    for rule in exceptions.chain([&mut base.rule]) {
        for actor in &mut rule.actors {
            if let Some(spelled) = place.of_reference(&actor.who) {
                actor.who = Reference::to(&spelled);
            }
        }
    }
}
