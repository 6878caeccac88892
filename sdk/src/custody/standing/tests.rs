use super::*;
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::{Destroyed, KemSuite};
use medanchor_ledger::rules::{Anchored, DenialReason, Erased, Superseded};
use medanchor_ledger::{ClassHandle, ConsentHandle, GranteeHandle, Index, PurposeHandle, Tag};

const NOW: Time = Time(1_800_000_000_000);
const TERMS: Terms = Terms {
    freshness: 60_000,
    permit: 300_000,
};

fn anchored(index: u64) -> Anchored {
    Anchored {
        event: EventId::new([7; 32]),
        index: Index(index),
    }
}

fn reader() -> ReaderKey {
    ReaderKey {
        suite: KemSuite::X25519,
        hash: [5; 32],
    }
}

fn record() -> Record {
    Record {
        sealed: anchored(1),
        superseded: None,
        version: 1,
        tag: Tag::new([1; 16]),
        class: ClassHandle::new([2; 16]),
        custody: None,
        erased: None,
    }
}

fn consent() -> Consent {
    Consent {
        granted: anchored(2),
        revoked: None,
        root: None,
        tags: Tags::new([Tag::new([1; 16])]).unwrap(),
        grantees: Grantees::new([GranteeHandle::new([3; 16])]).unwrap(),
        purposes: Purposes::new([PurposeHandle::new([4; 16])]).unwrap(),
        classes: Classes::new([ClassHandle::new([2; 16])]).unwrap(),
        not_before: Time(0),
        not_after: Time(NOW.0 + 1),
        ender: None,
    }
}

fn request(decision: Decision, decided: Time) -> Request {
    Request {
        requested: anchored(3),
        decision,
        time: decided,
        owner: "north-hospital".parse().unwrap(),
        record: RecordHandle::new([6; 16]),
        consent: ConsentHandle::new([8; 16]),
        reader_key: reader(),
    }
}

fn judged(
    request: Request,
    state: Record,
    consent: &Consent,
    first: Option<&Consent>,
) -> Result<(), Refused> {
    let at = (Height(9), NOW);
    Standing::of_request(at, request, state, Some(consent), first).judge(&reader(), NOW, &TERMS)
}

fn permitted() -> Request {
    request(Decision::Permitted, NOW)
}

#[test]
fn a_young_permit_on_a_standing_consent_passes() {
    assert_eq!(judged(permitted(), record(), &consent(), None), Ok(()));
    let oldest = request(Decision::Permitted, Time(NOW.0 - 300_000));
    assert_eq!(judged(oldest, record(), &consent(), None), Ok(()));
}

#[test]
fn a_permit_dies_after_its_life() {
    let old = request(Decision::Permitted, Time(NOW.0 - 300_001));
    assert_eq!(
        judged(old, record(), &consent(), None),
        Err(Refused::PermitOver)
    );
}

#[test]
fn a_denied_request_gets_nothing() {
    let denied = request(Decision::Denied(DenialReason::Purpose), NOW);
    assert_eq!(
        judged(denied, record(), &consent(), None),
        Err(Refused::Denied)
    );
}

#[test]
fn a_consent_that_ended_after_the_permit_ends_the_release() {
    let revoked = Consent {
        revoked: Some(anchored(4)),
        ..consent()
    };
    let expired = Consent {
        not_after: NOW,
        ..consent()
    };
    for ended in [revoked.clone(), expired] {
        assert_eq!(
            judged(permitted(), record(), &ended, None),
            Err(Refused::ConsentEnded)
        );
    }
    let continued = Consent {
        root: Some(ConsentHandle::new([9; 16])),
        ..consent()
    };
    for (first, verdict) in [
        (Some(&revoked), Err(Refused::ConsentEnded)),
        (None, Err(Refused::ConsentEnded)),
        (Some(&consent()), Ok(())),
    ] {
        assert_eq!(judged(permitted(), record(), &continued, first), verdict);
    }
}

#[test]
fn a_stale_proof_and_another_key_get_nothing() {
    let standing = Standing::of_request(
        (Height(9), NOW),
        permitted(),
        record(),
        Some(&consent()),
        None,
    );
    for now in [NOW.0 + 60_001, NOW.0 - 60_001] {
        let verdict = standing.judge(&reader(), Time(now), &TERMS);
        assert_eq!(verdict, Err(Refused::Stale));
    }
    let other = ReaderKey {
        hash: [6; 32],
        ..reader()
    };
    assert_eq!(standing.judge(&other, NOW, &TERMS), Err(Refused::OtherKey));
}

#[test]
fn every_reason_has_a_code_of_its_own() {
    let all = [
        Refused::UnknownRequest,
        Refused::Denied,
        Refused::PermitOver,
        Refused::Stale,
        Refused::ConsentEnded,
        Refused::Erased,
        Refused::Superseded,
        Refused::OtherKey,
        Refused::NoCustody,
        Refused::NotHere,
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(|one| one.code()).collect();
    assert_eq!(codes.len(), all.len());
}

#[test]
fn a_version_that_came_after_the_decision_is_not_released_on_it() {
    let newer = Record {
        superseded: Some(Superseded {
            by: anchored(4),
            class_before: ClassHandle::new([2; 16]),
        }),
        version: 2,
        ..record()
    };
    let verdict = judged(permitted(), newer.clone(), &consent(), None);
    assert_eq!(verdict, Err(Refused::Superseded));
    let before = Record {
        superseded: Some(Superseded {
            by: anchored(2),
            class_before: ClassHandle::new([2; 16]),
        }),
        ..newer
    };
    assert_eq!(judged(permitted(), before, &consent(), None), Ok(()));
}

#[test]
fn an_erased_record_is_not_released() {
    let erased = Record {
        erased: Some(Erased {
            by: anchored(4),
            destroyed: Destroyed::new(Destroyed::VAULT_PART).unwrap(),
        }),
        ..record()
    };
    let verdict = judged(permitted(), erased, &consent(), None);
    assert_eq!(verdict, Err(Refused::Erased));
}

#[test]
fn a_consent_ends_by_the_clock_of_whoever_judges() {
    let standing = Standing::of_request(
        (Height(9), NOW),
        permitted(),
        record(),
        Some(&consent()),
        None,
    );
    let verdict = standing.judge(&reader(), Time(NOW.0 + 1), &TERMS);
    assert_eq!(verdict, Err(Refused::ConsentEnded));
}
