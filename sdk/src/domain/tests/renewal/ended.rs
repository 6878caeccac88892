//! What ends a consent ends its re-issues, and nothing else ends either.

use super::*;
use crate::subject::Approval;
use medanchor_ledger::event::ConsentRevoke;
use std::collections::BTreeSet;

/// A consent below a delegation, with its re-issue for April, as July comes.
fn renewed_below(world: &mut World) -> (ConsentHandle, ConsentHandle) {
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let guardian = guardian("guardian", NOW + YEAR);
    world.anchored(NOW, day.hospital.delegate(&guardian).unwrap().event);
    let new = consent("c", &grantees, NOW + YEAR);
    let given = day.hospital.grant_as_delegate("guardian", &new).unwrap();
    world.anchored(NOW + 1, given.event);
    drop(day);
    let renewed = world.renewed(&world.day(APRIL), 1);
    (given.consent, renewed[0].consent)
}

/// The re-issue hangs on the delegation. A call that revoked the consent and not the re-issue was told of a
/// failure; then the consent was forgotten, and the next call knew no re-issue.
#[test]
fn a_revoked_consent_is_kept_while_what_renews_it_stands() {
    let mut world = World::of(&PEOPLE);
    let (consent, renewal) = renewed_below(&mut world);
    let day = world.day(JULY);
    let revoke = |consent| day.hospital.sign(ConsentRevoke { consent }).unwrap();
    world.anchored(JULY, revoke(consent));
    for _ in 0..2 {
        let judged = world.judged(&day.hospital);
        let [Renewing::Outlived(standing)] = &judged[..] else {
            panic!("{} judged", judged.len());
        };
        assert_eq!(*standing, BTreeSet::from([renewal]));
    }
    world.anchored(JULY + 1, revoke(renewal));
    assert!(matches!(world.judged(&day.hospital)[..], [Renewing::Over]));
    assert!(day.hospital.renewals_due().unwrap().is_empty());
}

/// A kill left the re-issue for July signed and journalled: whoever resumes posts it.
#[test]
fn a_revoked_consent_is_kept_while_what_renews_it_is_on_its_way() {
    let mut world = World::of(&PEOPLE);
    let (consent, renewal) = renewed_below(&mut world);
    let day = world.day(JULY);
    let signed = world.signed(&day.hospital).remove(0);
    let event = signed.event.unwrap();
    day.hospital.journal().sign(&[event.encoded()]).unwrap();
    for (after, consent) in [(1, renewal), (2, consent)] {
        let revoked = day.hospital.sign(ConsentRevoke { consent }).unwrap();
        world.anchored(JULY + after, revoked);
    }
    let judged = world.judged(&day.hospital);
    let [Renewing::Outlived(standing)] = &judged[..] else {
        panic!("{} judged", judged.len());
    };
    assert_eq!(*standing, BTreeSet::from([signed.consent]));
    day.hospital.journal().settle(&[event.id()]).unwrap();
    assert!(matches!(world.judged(&day.hospital)[..], [Renewing::Over]));
}

/// Lists name the re-issue beside an access, so a patient ended that one, and was renewed again a quarter later
/// by what had been approved ahead.
#[test]
fn a_patient_who_ends_one_renewal_has_no_further_one() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let patient = enrolled(&day.hospital);
    let new = consent("c", &grantees, NOW + YEAR);
    let draft = day.hospital.draft_consent(&new).unwrap();
    let mut all = vec![patient.approve(&draft).unwrap()];
    all.extend(patient.approve_renewals(&draft).unwrap());
    let all: Vec<Approval> = all;
    let approved = day.hospital.grant_approved(&new, &all[0]).unwrap();
    world.anchored(NOW, approved.event);
    day.hospital.take_renewals(&all[1..]).unwrap();
    drop(day);
    let day = world.day(APRIL);
    let renewed = world.renewed(&day, 0);
    let end = patient.end(&name("hospital"), renewed[0].consent);
    world.anchored(APRIL + 1, day.second.end_for_patient(&end).unwrap());
    drop(day);
    let day = world.day(JULY);
    assert!(matches!(world.judged(&day.hospital)[..], [Renewing::Over]));
    assert!(day.hospital.renewals_due().unwrap().is_empty());
}

/// An application that grants a consent once more after a crash says another time. The ledger refuses that, and has
/// the first words, which were no longer kept: nobody could read what was sealed in the next quarter.
#[test]
fn what_is_granted_again_in_other_words_is_renewed_in_those_that_the_ledger_has() {
    for first in [true, false] {
        let mut world = World::of(&PEOPLE);
        let grantees = [name("second").into()];
        let day = world.day(NOW);
        let new = |after| NewConsent {
            not_before: Time(NOW + after),
            ..consent("c", &grantees, NOW + YEAR)
        };
        let events: Vec<Event> = (0..40)
            .map(|after| day.hospital.grant(&new(after)).unwrap().event)
            .collect();
        let [one, other] = match first {
            true => [&events[0], &events[39]],
            false => [&events[39], &events[0]],
        };
        let results = world.block(NOW, &[one.clone(), other.clone()]);
        assert_eq!(results, [Ok(()), Err(Rule::ConsentExists)]);
        drop(day);
        let day = world.day(APRIL);
        let renewed = world.renewed(&day, 1);
        let [renewal] = &renewed[..] else {
            panic!("{} re-issues", renewed.len());
        };
        let wanted = NOW + if first { 0 } else { 39 };
        let anchored = world.consent(&renewal.consent).unwrap();
        assert_eq!(anchored.not_before, Time(wanted));
    }
}

#[test]
fn a_consent_in_words_that_are_not_kept_is_told_and_not_forgotten() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let new = consent("c", &grantees, NOW + YEAR);
    granted(&mut world, &day, &new);
    let kept = world.root.path().join("hospital/consents/2026-Q1");
    std::fs::remove_dir_all(&kept).unwrap();
    let other = NewConsent {
        purposes: &["HRESCH"],
        ..new
    };
    day.hospital.grant(&other).unwrap();
    drop(day);
    let day = world.day(APRIL);
    for _ in 0..2 {
        let judged = world.judged_at(&day.hospital, Time(APRIL));
        let [Err(SdkError::Consent(why))] = &judged[..] else {
            panic!("{} judged", judged.len());
        };
        assert!(why.contains("other words"), "{why}");
    }
    drop(day);
    let day = world.day(NOW + YEAR);
    assert!(matches!(world.judged(&day.hospital)[..], [Renewing::Over]));
}

/// One look with a clock that had jumped ahead forgot every consent that runs.
#[test]
fn a_clock_that_jumps_ahead_forgets_no_consent_and_renews_none_early() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    granted(&mut world, &day, &consent("c", &grantees, NOW + YEAR));
    drop(day);
    let wrong = world.day(NOW + 20 * YEAR);
    for (block, renewals) in [(NOW + DAY, 0), (APRIL, 1)] {
        let judged = world.judged_at(&wrong.hospital, Time(block)).remove(0);
        let Renewing::Stands { renewals: all, .. } = judged.unwrap() else {
            panic!("it stands");
        };
        assert_eq!(all.len(), renewals);
    }
    drop(wrong);
    assert_eq!(world.renewed(&world.day(APRIL), 0).len(), 1);
}
