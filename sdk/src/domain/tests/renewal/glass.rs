//! Consents that permit breaking the glass, as an earlier release granted them: what is kept of them reads.

use super::*;
use crate::domain::renewal::Kept;
use crate::subject::{ConsentDraft, Terms, Words};
use medanchor_ledger::event::{ConsentGrant, ConsentRevoke};
use medanchor_ledger::{Commitment, RecordHandle, TreeHash};
use std::collections::BTreeSet;

/// The same words with BTG in the place of a purpose that may be drafted.
fn with_glass(draft: &ConsentDraft) -> ConsentDraft {
    let mut bytes = draft.encode();
    let at = bytes.windows(3).position(|word| word == b"BTF").unwrap();
    bytes[at..at + 3].copy_from_slice(b"BTG");
    ConsentDraft::decode(&bytes).unwrap()
}

fn grant(hospital: &Identity, words: &Words) -> ConsentGrant {
    let key = hospital.subject_keys("Patient/1").unwrap().key;
    let document = Commitment::new(TreeHash::new([5; 32]));
    Terms::of(&key, words).unwrap().grant(document).unwrap()
}

/// What was kept was called damaged for ever, and a revocation could not name what hangs on the delegation.
#[test]
fn a_consent_that_has_btg_is_not_renewed_and_ends_with_what_renewed_it() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let guardian = guardian("guardian", NOW + YEAR);
    world.anchored(NOW, day.hospital.delegate(&guardian).unwrap().event);
    let new = NewConsent {
        root: Some("guardian"),
        purposes: &["BTF", "TREAT"],
        ..consent("c", &grantees, NOW + YEAR)
    };
    let draft = with_glass(&day.hospital.draft_consent(&new).unwrap());
    assert!(ConsentDraft::new(draft.words().clone()).is_err());
    assert!(ConsentDraft::from_text(&draft.to_text()).is_err());
    let own = grant(&day.hospital, draft.words());
    world.anchored(NOW + 1, day.hospital.sign(own.clone()).unwrap());
    let kept = Kept {
        subject: "Patient/1".into(),
        draft: draft.clone(),
        delegated: true,
        document: RecordHandle::new([9; 16]),
    };
    day.hospital.keep_running(&kept).unwrap();
    drop(day);

    let day = world.day(APRIL);
    let told = |world: &World, day: &Day| {
        let judged = world.judged_at(&day.hospital, Time(day.now));
        let [Err(SdkError::Consent(why))] = &judged[..] else {
            panic!("{} judged", judged.len());
        };
        assert!(why.contains("breaking the glass"), "{why}");
    };
    told(&world, &day);
    // The earlier release re-issued it for April.
    let key = day.hospital.subject_keys("Patient/1").unwrap().key;
    let april = draft.words().renewed(&key, Epoch::of(Time(APRIL)));
    let renewal = grant(&day.hospital, &april);
    world.anchored(APRIL, day.hospital.sign(renewal.clone()).unwrap());
    let signed = world.signed(&day.hospital).remove(0);
    assert!(signed.event.is_none() && signed.consent == renewal.consent);
    day.hospital.note_renewal(&signed).unwrap();
    drop(day);

    let day = world.day(JULY);
    told(&world, &day);
    let revoke = |consent| day.hospital.sign(ConsentRevoke { consent }).unwrap();
    assert!(day.hospital.revoke("c").is_err(), "it has re-issues");
    world.anchored(JULY, revoke(own.consent));
    let judged = world.judged(&day.hospital);
    let [Renewing::Outlived(standing)] = &judged[..] else {
        panic!("{} judged", judged.len());
    };
    assert_eq!(
        *standing,
        BTreeSet::from([renewal.consent]),
        "and none for July"
    );
    world.anchored(JULY + 1, revoke(renewal.consent));
    assert!(matches!(world.judged(&day.hospital)[..], [Renewing::Over]));
    assert!(day.hospital.renewals_due().unwrap().is_empty());
}
