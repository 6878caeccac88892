//! Delegations that a patient with a key approved, before the ledger's own rules.

use super::delegation::{PEOPLE, asked, consent, guardian, lab};
use super::*;
use crate::subject::Subject;
use medanchor_ledger::{MemberCommitment, NetworkId};
use medanchor_vault::secret::TagKey;

/// The hospital's patient brings a key.
fn enrolled(hospital: &Identity) -> Subject {
    let patient = Subject::new(hospital.network(), TagKey::new([7; 32]));
    let brought = patient.key_for(&name("hospital"));
    hospital.take_subject_key("Patient/1", &brought).unwrap();
    patient
}

fn delegated(hospital: &Identity, patient: &Subject, new: &NewDelegation<'_>) -> Event {
    let draft = hospital.draft_delegation(new).unwrap();
    let approval = patient.approve_delegation(&draft).unwrap();
    hospital.delegate_approved(new, &approval).unwrap().event
}

#[test]
fn revoking_an_approved_delegation_ends_all_that_rests_on_it() {
    let mut world = World::of(&PEOPLE);
    let (hospital, second) = (world.open("hospital"), world.open("second"));
    let patient = enrolled(&hospital);
    let delegation = delegated(&hospital, &patient, &guardian("guardian", NOW + 2 * DAY));
    let grantees = [name("second").into()];
    let below = |name| {
        let new = consent(name, &grantees, NOW + DAY);
        hospital.grant_as_delegate("guardian", &new).unwrap()
    };
    let new = consent("own", &grantees, NOW + DAY);
    let draft = hospital.draft_consent(&new).unwrap();
    let approval = patient.approve(&draft).unwrap();
    let (first, own) = (
        below("c1"),
        hospital.grant_approved(&new, &approval).unwrap(),
    );
    let events = [
        lab(&hospital),
        delegation,
        first.event.clone(),
        own.event.clone(),
    ];
    assert_eq!(world.block(NOW, &events), [Ok(()); 4]);

    let asks = |round: &str| {
        [&first, &own]
            .map(|one| asked(&second, &one.tickets[0], &format!("{}{round}", one.consent)))
    };
    let before = asks("before");
    world.block(NOW + 1, &before.clone().map(|asked| asked.event));
    assert!(
        before
            .iter()
            .all(|asked| world.decision(asked) == Decision::Permitted)
    );

    let after = asks("after");
    let [one, two] = after.clone().map(|asked| asked.event);
    let revoked = world.block(NOW + 2, &[hospital.revoke("guardian").unwrap(), one, two]);
    assert!(revoked.iter().all(Result::is_ok));
    let denied = Decision::Denied(DenialReason::Revoked);
    assert_eq!(
        after.each_ref().map(|asked| world.decision(asked)),
        [denied, Decision::Permitted],
        "what the patient approved alone stands"
    );
    assert_eq!(
        world.block(NOW + 3, &[below("c2").event]),
        [Err(Rule::ConsentRootRevoked)]
    );
}

#[test]
fn an_approved_delegation_gives_nothing_once_it_has_lapsed() {
    let mut world = World::of(&PEOPLE);
    let (hospital, second) = (world.open("hospital"), world.open("second"));
    let patient = enrolled(&hospital);
    let lapse = NOW + 5 * 60_000;
    let delegation = delegated(&hospital, &patient, &guardian("guardian", lapse));
    let grantees = [name("second").into()];
    let new = consent("c1", &grantees, NOW + DAY);
    let given = hospital.grant_as_delegate("guardian", &new).unwrap();
    assert_eq!(given.tickets[0].not_after, Time(lapse));
    let late = asked(&second, &given.tickets[0], "late");
    assert_eq!(
        world.block(NOW, &[lab(&hospital), delegation, given.event]),
        [Ok(()); 3]
    );
    world.block(lapse, std::slice::from_ref(&late.event));
    assert_eq!(
        world.decision(&late),
        Decision::Denied(DenialReason::Expired)
    );
    drop(hospital);
    let later = world.open_at("hospital", lapse);
    let refused = later.grant_as_delegate("guardian", &consent("c2", &grantees, NOW + DAY));
    assert!(refused.err().unwrap().to_string().contains("lapsed"));
}

#[test]
fn a_patient_with_a_key_signs_up_with_a_team_or_has_the_delegate_do_it() {
    let mut world = World::of(&PEOPLE);
    let hospital = world.open("hospital");
    let patient = enrolled(&hospital);
    let team = Grantee {
        participant: name("second"),
        member: Some(MemberCommitment::new([5; 32])),
    };
    let contract = NewContract {
        name: "contract",
        delegation: None,
        subject: "Patient/1",
        team: &team,
        classes: &["laboratory"],
        records_since: Time(NOW),
        records: &[],
        signed: Time(NOW),
        ends: Time(NOW + 9 * DAY),
        utc_offset: 0,
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: b"{}",
    };
    assert!(hospital.sign_up(&contract).is_err());
    let draft = hospital.draft_contract(&contract).unwrap();
    assert!(draft.words().purposes.contains(&"TREAT".to_owned()));
    let approval = patient.approve(&draft).unwrap();
    let longer = NewContract {
        ends: Time(NOW + 10 * DAY),
        ..contract
    };
    assert!(hospital.sign_up_approved(&longer, &approval).is_err());
    let signed = hospital.sign_up_approved(&contract, &approval).unwrap();
    let EventBody::ConsentGrant(grant) = signed.event.body() else {
        panic!("a grant");
    };
    let end = patient.end(&name("hospital"), grant.consent);
    assert_eq!(grant.ender, Some(end.ender()), "the patient can end it");

    let delegation = delegated(&hospital, &patient, &guardian("guardian", NOW + 2 * DAY));
    let by_guardian = NewContract {
        name: "by guardian",
        delegation: Some("guardian"),
        ..contract
    };
    assert!(
        hospital.draft_contract(&by_guardian).is_err(),
        "nothing is left to approve"
    );
    let below = hospital.sign_up(&by_guardian).unwrap();
    assert_eq!(below.tickets[0].not_after, Time(NOW + 2 * DAY));
    assert_eq!(
        world.block(NOW, &[signed.event, delegation, below.event]),
        [Ok(()); 3]
    );
}

/// A card of another network approves nothing here.
#[test]
fn a_draft_of_another_network_is_not_approved() {
    let world = World::of(&PEOPLE);
    let hospital = world.open("hospital");
    let draft = hospital
        .draft_delegation(&guardian("guardian", NOW + DAY))
        .unwrap();
    let elsewhere = Subject::new(NetworkId::new([9; 16]), TagKey::new([7; 32]));
    assert!(matches!(
        elsewhere.approve_delegation(&draft),
        Err(SdkError::OtherNetwork { .. })
    ));
}
