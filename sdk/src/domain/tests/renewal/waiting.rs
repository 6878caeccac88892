//! What waits for a patient costs no proof while nothing has come.

use super::*;
use crate::client::{Client, ClientConfig};
use crate::testing::node::nobody;
use crate::{RenewalError, Sdk};

impl World {
    /// The hospital's, whose nodes do not answer.
    fn cut_off(&self, now: u64) -> Sdk {
        let context = Arc::new(Fixed::at(now));
        let identity = self.open_at("hospital", now);
        let policy = identity.policy().clone();
        let client = Client::with([nobody()], policy, ClientConfig::default(), context);
        Sdk::with_client(identity, client.unwrap())
    }
}

#[test]
fn what_waits_for_its_patient_is_proved_once_a_day_until_an_approval_comes() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let patient = enrolled(&day.hospital);
    let new = consent("c", &grantees, NOW + YEAR);
    let draft = day.hospital.draft_consent(&new).unwrap();
    let approval = patient.approve(&draft).unwrap();
    let own = day.hospital.grant_approved(&new, &approval).unwrap();
    world.anchored(NOW, own.event);
    drop(day);
    let sdk = world.cut_off(APRIL);
    let due = sdk.renewals_due().unwrap()[0];
    let judged = world.judged(&sdk).remove(0);
    let Renewing::Stands {
        waits: Some(waits), ..
    } = judged
    else {
        panic!("it waits");
    };
    let looked = || sdk.renew_consents().unwrap();
    let asked = looked();
    let unreachable = asked.failed.iter().all(|(_, why)| why.is_unreachable());
    assert!(
        asked.failed.len() == 1 && unreachable,
        "nothing is known yet"
    );
    let noted = |since| {
        let known = (Time(since), waits.as_ref().clone());
        sdk.looked().note_waiting(due, known);
        looked()
    };
    let today = noted(APRIL - DAY + 1);
    assert!(today.failed.is_empty() && today.waiting[0] == *waits);
    assert_eq!(noted(APRIL - DAY).failed.len(), 1, "yesterday's");
    let approval = patient.approve(&waits.draft).unwrap();
    sdk.take_renewals(&[approval]).unwrap();
    assert_eq!(noted(APRIL).failed.len(), 1, "it may be signed now");
}

/// A consent that somebody is revoking is not looked at, and so not renewed.
#[test]
fn a_consent_whose_revocation_is_on_its_way_is_not_renewed() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    granted(&mut world, &day, &consent("c", &grantees, NOW + YEAR));
    drop(day);
    let sdk = world.cut_off(APRIL);
    assert_eq!(sdk.renew_consents().unwrap().failed.len(), 1);
    let revocation = sdk.revoke("c").unwrap();
    assert!(sdk.anchor(revocation).is_err());
    assert!(sdk.renew_consents().unwrap().failed.is_empty());
}

#[test]
fn a_log_is_told_the_kind_of_an_error_and_no_name() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let given = granted(&mut world, &day, &consent("c", &grantees, NOW + YEAR));
    drop(day);
    let path = format!("hospital/consents/2026-Q1/{}", given.consent);
    std::fs::write(world.root.path().join(path), b"damaged").unwrap();
    let done = world.cut_off(APRIL).renew_consents().unwrap();
    let (_, why) = &done.failed[0];
    assert!(why.to_string().contains(&given.consent.to_string()));
    assert_eq!(why.kind(), "identity");
    let other = RenewalError::from(SdkError::Consent("stands in other words"));
    assert_eq!(other.kind(), "other-words");
}
