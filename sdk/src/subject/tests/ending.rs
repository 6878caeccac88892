//! Ends of consents by the patient's card: signed at home, for any participant to anchor.

use super::*;
use crate::domain::{Mandate, NewDelegation};
use medanchor_ledger::event::{ConsentEnd, ConsentGrant, Event};
use medanchor_ledger::{ConsentHandle, Ender};
use std::collections::BTreeSet;

/// The hospital's consent of this name, as the patient approved it.
fn granted(north: &Identity, patient: &Subject, called: &str) -> ConsentGrant {
    with_consent(|new| {
        let new = NewConsent {
            name: called,
            ..*new
        };
        let draft = north.draft_consent(&new).unwrap();
        let approval = patient.approve(&draft).unwrap();
        grant_of(&north.grant_approved(&new, &approval).unwrap().event)
    })
}

fn grant_of(event: &Event) -> ConsentGrant {
    match event.body() {
        EventBody::ConsentGrant(grant) => grant.clone(),
        _ => panic!("a grant"),
    }
}

fn end_of(event: &Event) -> ConsentEnd {
    match event.body() {
        EventBody::ConsentEnd(end) => end.clone(),
        _ => panic!("an end"),
    }
}

#[test]
fn what_the_patient_approved_another_participant_ends_with_the_patients_signature() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let grant = granted(&north, &patient, "Consent/1");
    let text = patient.end(&name("north"), grant.consent).to_text();
    let end = SignedEnd::from_text(&text).unwrap();
    assert_eq!(
        (end.owner(), end.consent()),
        (&name("north"), grant.consent)
    );
    assert_eq!(grant.ender, Some(end.ender()));
    let south = place.open("south");
    let event = south.end_for_patient(&end).unwrap();
    assert_eq!(event.issuer(), &name("south"));
    let body = end_of(&event);
    assert_eq!(grant.ender, Some(body.ender(place.network)));
    // Its signatures hold for whoever checks them without the state.
    let key = south.public_key();
    assert!(event.verify(&key).is_ok());
    // From the card alone, on any day.
    let again = Subject::new(place.network, TagKey::new([7; 32]));
    assert_eq!(again.end(&name("north"), grant.consent), end);
}

#[test]
fn a_delegation_is_ended_the_same_way_and_what_is_below_it_has_no_end_of_its_own() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let guardian = NewDelegation {
        name: "guardian",
        subject: "Patient/1",
        delegate: "RelatedPerson/3",
        called: "李娜",
        mandate: Mandate::Proxy {
            until: Time(NOW + 9 * DAY),
        },
        basis: "the patient's own words",
        not_before: Time(NOW),
    };
    let draft = north.draft_delegation(&guardian).unwrap();
    let approval = patient.approve_delegation(&draft).unwrap();
    let delegated = north.delegate_approved(&guardian, &approval).unwrap();
    let grant = grant_of(&delegated.event);
    let end = patient.end(&name("north"), grant.consent);
    assert_eq!(grant.ender, Some(end.ender()));
    assert_eq!(approval.ender(), grant.ender);
    let below = with_consent(|new| north.grant_as_delegate("guardian", new)).unwrap();
    assert_eq!(grant_of(&below.event).ender, None);
}

#[test]
fn another_card_or_an_institution_ends_nothing() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let grant = granted(&north, &patient, "Consent/1");
    let stranger = Subject::new(place.network, TagKey::new([8; 32]));
    let elsewhere = Subject::new(NetworkId::new([9; 16]), TagKey::new([7; 32]));
    // All that the institution is handed, misused as if it were the card.
    let handed = patient.key_for(&name("north"));
    let misused = Subject::new(place.network, TagKey::new(*handed.key().expose()));
    for other in [&stranger, &elsewhere, &misused] {
        let end = other.end(&name("north"), grant.consent);
        assert_ne!(grant.ender, Some(end.ender()));
    }
    for other in [
        patient.end(&name("south"), grant.consent),
        patient.end(&name("north"), ConsentHandle::new([3; 16])),
    ] {
        assert_ne!(grant.ender, Some(other.ender()));
    }
    let elsewhere = elsewhere.end(&name("north"), grant.consent);
    assert!(place.open("south").end_for_patient(&elsewhere).is_err());
}

/// An observer of the ledger sees enders, and of an ended consent its key: nothing of it is common to two
/// consents of a patient, or to a patient's consents and keys.
#[test]
fn nothing_that_stands_for_an_end_links_two_consents() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let consents = ["Consent/1", "Consent/2", "Consent/3"];
    let grants = consents.map(|called| granted(&north, &patient, called));
    let enders: BTreeSet<Ender> = grants.iter().filter_map(|grant| grant.ender).collect();
    assert_eq!(enders.len(), 3);
    let ends = grants.map(|grant| patient.end(&name("north"), grant.consent));
    let south = place.open("south");
    let keys: BTreeSet<_> = ends
        .iter()
        .map(|end| end_of(&south.end_for_patient(end).unwrap()).key)
        .collect();
    assert_eq!(keys.len(), 3);
    assert!(!keys.contains(&patient.approver_at(&name("north"))));
    // The same consent of another institution has another key, too.
    let other = patient.end(&name("south"), ends[0].consent());
    let other = end_of(&south.end_for_patient(&other).unwrap());
    assert!(!keys.contains(&other.key));
}

/// Re-issues have keys of their own, so that one can be ended and nothing links them but their root.
#[test]
fn a_consent_that_continues_another_has_an_ender_of_its_own() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let first = granted(&north, &patient, "Consent/1");
    let again = ["Consent/2", "Consent/3"].map(|called| {
        with_consent(|new| {
            let new = NewConsent {
                name: called,
                root: Some("Consent/1"),
                ..*new
            };
            let draft = north.draft_consent(&new).unwrap();
            let approval = patient.approve(&draft).unwrap();
            grant_of(&north.grant_approved(&new, &approval).unwrap().event)
        })
    });
    assert!(again.iter().all(|one| one.root == Some(first.consent)));
    let all = again.iter().chain([&first]);
    for grant in all.clone() {
        let end = patient.end(&name("north"), grant.consent);
        assert_eq!(grant.ender, Some(end.ender()));
    }
    let enders: BTreeSet<_> = all.map(|grant| grant.ender).collect();
    assert_eq!(enders.len(), 3);
}

/// An approval is over the ender: another one, or none, is not what the patient signed.
#[test]
fn an_institution_cannot_leave_the_end_out() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let draft = with_consent(|new| north.draft_consent(new)).unwrap();
    let approval = patient.approve(&draft).unwrap();
    let grant = granted(&north, &patient, "Consent/1");
    let approves = |grant: &ConsentGrant| approval.approves(place.network, &name("north"), grant);
    assert!(approves(&grant));
    for ender in [None, Some(Ender::new([1; 32]))] {
        let other = ConsentGrant {
            ender,
            ..grant.clone()
        };
        assert!(!approves(&other));
    }
    // Nor can it take the ender out of the approval, or put its own in.
    let bytes = approval.encode();
    let mut cut = bytes[..bytes.len() - 35].to_vec();
    cut[0] = 0xa5;
    let mut own = bytes.clone();
    own[bytes.len() - 1] ^= 1;
    for bent in [cut, own] {
        let bent = Approval::decode(&bent).unwrap();
        let refused = with_consent(|new| north.grant_approved(new, &bent));
        assert!(refused.is_err());
    }
}

/// What a patient approved with a release that knew no ender still holds.
#[test]
fn approvals_without_an_ender_are_read_and_hold() {
    let network = NetworkId::new([1; 16]);
    let (north, patient) = (
        name("north-hospital"),
        Subject::new(network, TagKey::new([7; 32])),
    );
    let key = patient.key_at(&north);
    let read = |text: &'static str| text.trim_end();
    let draft = ConsentDraft::from_text(read(include_str!(
        "../../../../vectors/handover/consent.txt"
    )));
    let old = Approval::from_text(read(include_str!(
        "../../../../vectors/handover/approval-without-ender.txt"
    )));
    let (draft, old) = (draft.unwrap(), old.unwrap());
    let grant = Terms::of(&key, draft.words()).unwrap().without_document();
    assert!(old.approves(network, &north, &grant.unwrap()));
    assert_eq!(old.ender(), None);

    let draft = DelegationDraft::from_text(read(include_str!(
        "../../../../vectors/handover/delegation.txt"
    )));
    let old = DelegationApproval::from_text(read(include_str!(
        "../../../../vectors/handover/delegation-approval-without-ender.txt"
    )));
    let (draft, old) = (draft.unwrap(), old.unwrap());
    let grant = draft.words().terms(&key).unwrap().without_document();
    assert!(old.approves(network, &north, &grant.unwrap()));
    assert_eq!(old.ender(), None);
}

#[test]
fn a_damaged_or_forged_end_is_not_read() {
    let place = Place::new();
    let text = place
        .patient()
        .end(&name("north"), ConsentHandle::new([2; 16]))
        .to_text();
    for cut in 0..text.len() {
        assert!(SignedEnd::from_text(&text[..cut]).is_err());
    }
    assert!(Approval::from_text(&text).is_err());
}
