//! Consents of patients who have brought a card: renewed by what was approved with them, or waiting.

use super::*;
use crate::subject::{Approval, ConsentDraft};

#[test]
fn what_a_card_approved_is_renewed_by_what_was_approved_with_it() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let patient = enrolled(&day.hospital);
    let new = consent("c", &grantees, NOW + YEAR);
    let draft = day.hospital.draft_consent(&new).unwrap();
    let mut all = vec![patient.approve(&draft).unwrap()];
    all.extend(patient.approve_renewals(&draft).unwrap());
    assert_eq!(all.len(), 4, "its own quarter and three more");
    let all = Approval::list_from_text(&Approval::list_to_text(&all)).unwrap();
    let approved = day.hospital.grant_approved(&new, &all[0]).unwrap();
    world.anchored(NOW, approved.event);
    let strangers = Subject::new(day.hospital.network(), TagKey::new([8; 32]));
    let theirs = strangers.approve_renewals(&draft).unwrap();
    assert!(day.hospital.take_renewals(&theirs).is_err());
    day.hospital.take_renewals(&all[1..]).unwrap();
    drop(day);

    let day = world.day(APRIL);
    world.anchored(APRIL, day.seal("late"));
    let renewed = world.renewed(&day, 1);
    let read = day.reads(&mut world, &renewed[0].tickets[0], "late", 2);
    assert_eq!(read, Decision::Permitted);
    let Some(EventBody::ConsentGrant(grant)) = renewed[0].event.as_ref().map(Event::body) else {
        panic!("a grant");
    };
    let (network, owner) = (day.hospital.network(), name("hospital"));
    assert!(all[1].approves(network, &owner, grant));
    let mut wider = grant.clone();
    wider.not_after = Time(NOW + 2 * YEAR);
    assert!(all.iter().all(|one| !one.approves(network, &owner, &wider)));
    // The card that ends the consent ends what renews it.
    let end = patient.end(&owner, approved.consent);
    world.anchored(APRIL + 3, day.second.end_for_patient(&end).unwrap());
    let read = day.reads(&mut world, &renewed[0].tickets[0], "late", 4);
    assert_eq!(read, Decision::Denied(DenialReason::Revoked));
}

/// From before approvals of re-issues, or from before the patient came with a card.
#[test]
fn what_no_card_approved_waits_for_the_patient() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    granted(&mut world, &day, &consent("held", &grantees, NOW + YEAR));
    let patient = enrolled(&day.hospital);
    let new = consent("own", &grantees, NOW + YEAR);
    let draft = day.hospital.draft_consent(&new).unwrap();
    let approval = patient.approve(&draft).unwrap();
    let own = day.hospital.grant_approved(&new, &approval).unwrap();
    world.anchored(NOW + 1, own.event);
    drop(day);
    let day = world.day(APRIL);
    let waiting = |world: &World, hospital: &Identity| -> Vec<ConsentDraft> {
        let judged = world.judged(hospital).into_iter();
        let waits = judged.filter_map(|one| match one {
            Renewing::Stands { renewals, waits } => {
                assert!(renewals.is_empty());
                waits
            }
            _ => None,
        });
        let drafts = waits.map(|waits| {
            assert_eq!(waits.subject, "Patient/1");
            waits.draft
        });
        drafts.collect()
    };
    let waits = waiting(&world, &day.hospital);
    assert_eq!(waits.len(), 2);
    for draft in &waits {
        let draft = ConsentDraft::from_text(&draft.to_text()).unwrap();
        let mut all = vec![patient.approve(&draft).unwrap()];
        all.extend(patient.approve_renewals(&draft).unwrap());
        assert_eq!(all.len(), 3, "April, and what follows");
        day.hospital.take_renewals(&all).unwrap();
    }
    assert_eq!(world.renewed(&day, 2).len(), 2);
    drop(day);
    let day = world.day(JULY);
    assert_eq!(world.renewed(&day, 0).len(), 2);
}
