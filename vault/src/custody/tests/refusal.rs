//! An owner that refuses its part for a permitted request is convicted by its own signature, and one that
//! had a reason by the rules is not, whatever its reader leaves out.

use super::*;
use medanchor_ledger::event::{Destroyed, HandleSet};
use medanchor_ledger::rules::{Anchored, Erased, Superseded};
use medanchor_ledger::{ClassHandle, Index, Tag};

const MINUTE: u64 = 60_000;
const CONSENT: ConsentHandle = ConsentHandle::new([3; 16]);
const FIRST: ConsentHandle = ConsentHandle::new([4; 16]);

fn refusal(code: &str) -> Refusal {
    Refusal {
        record: record(),
        request: REQUEST,
        reader: reader_key(KemSuite::X25519).public().reader_key(),
        code: code.parse().unwrap(),
        time: NOON,
    }
}

/// What the owner signed at noon.
pub(super) fn refused(code: &str) -> Signed<Refusal> {
    Signed::new(refusal(code), signs("north-hospital"))
}

fn anchored(index: u64) -> Anchored {
    Anchored {
        event: EventId::new([1; 32]),
        index: Index(index),
    }
}

fn decided() -> Decided {
    Decided {
        permitted: true,
        time: NOON,
        place: Index(7),
        owner: named("north-hospital"),
        record: record().record.record,
        reader: reader_key(KemSuite::X25519).public().reader_key(),
        consent: Some(CONSENT),
    }
}

fn sealed() -> Record {
    Record {
        sealed: anchored(2),
        superseded: None,
        version: 3,
        tag: Tag::new([1; 16]),
        class: ClassHandle::new([1; 16]),
        custody: None,
        erased: None,
    }
}

fn consent(root: Option<ConsentHandle>) -> Consent {
    Consent {
        granted: anchored(3),
        revoked: None,
        root,
        tags: HandleSet::new([Tag::new([1; 16])]).unwrap(),
        grantees: HandleSet::new([medanchor_ledger::GranteeHandle::new([1; 16])]).unwrap(),
        purposes: HandleSet::new([medanchor_ledger::PurposeHandle::new([1; 16])]).unwrap(),
        classes: HandleSet::new([ClassHandle::new([1; 16])]).unwrap(),
        not_before: Time(0),
        not_after: NOON.plus_millis(60 * MINUTE),
        ender: None,
    }
}

/// The ledger so long after noon: the request is permitted, and all that it rests on stands.
fn after(minutes: u64) -> Ledger {
    let time = NOON.plus_millis(minutes * MINUTE);
    Ledger {
        decided: Some(decided()),
        record: Some((time, sealed())),
        consents: vec![
            (CONSENT, (time, consent(Some(FIRST)))),
            (FIRST, (time, consent(None))),
        ],
        ..ledger(&reader_key(KemSuite::X25519))
    }
}

/// The verdict, also after the evidence travelled as bytes.
fn verdict(refused: Signed<Refusal>, known: &Ledger) -> Result<Breach, Unconvincing> {
    let evidence = Evidence::Refusal(refused);
    let read = Evidence::decode(&evidence.encode()).unwrap();
    assert_eq!(read.encode(), evidence.encode());
    let verdict = evidence.verify(known);
    assert_eq!(read.verify(known), verdict);
    verdict.map(|convicted| {
        assert_eq!(convicted.who, named("north-hospital"));
        convicted.of
    })
}

fn said(code: &str, known: &Ledger) -> Result<Breach, Unconvincing> {
    verdict(refused(code), known)
}

#[test]
fn a_refusal_of_a_permitted_request_convicts_unless_a_rule_gives_the_reason() {
    for code in ["custody.not-here", "custody.vault-unusable", "internal"] {
        assert_eq!(said(code, &after(0)), Ok(Breach::Refused), "{code}");
    }
    for code in ["custody.stale-proof", "custody.ledger-unreachable"] {
        let good = said(code, &after(60 * 24));
        assert_eq!(good, Err(Unconvincing::GoodReason), "{code}");
    }
}

#[test]
fn a_reason_that_the_ledger_contradicts_convicts_once_the_ledger_is_late_enough() {
    for code in ["custody.permit-over", "custody.denied", "custody.other-key"] {
        assert_eq!(said(code, &after(0)), Ok(Breach::RefusedFalsely), "{code}");
    }
    let later = [
        ("custody.consent-ended", 5),
        ("custody.record-superseded", 5),
        ("custody.record-erased", 24 * 60),
    ];
    for (code, minutes) in later {
        let from = NOON.plus_millis(minutes * MINUTE);
        let early = said(code, &after(minutes - 1));
        assert_eq!(early, Err(Unconvincing::TooEarly { from }), "{code}");
        let late = said(code, &after(minutes));
        assert_eq!(late, Ok(Breach::RefusedFalsely), "{code}");
    }
    // A break-glass rests on no consent that could end.
    let mut known = after(0);
    known.decided.as_mut().unwrap().consent = None;
    let falsely = said("custody.consent-ended", &known);
    assert_eq!(falsely, Ok(Breach::RefusedFalsely));
}

#[test]
fn a_true_reason_convicts_nobody() {
    let good = |code: &str, change: fn(&mut Ledger)| {
        let mut known = after(24 * 60);
        change(&mut known);
        assert_eq!(said(code, &known), Err(Unconvincing::GoodReason), "{code}");
    };
    good("custody.consent-ended", |known| {
        known.consents[0].1.1.revoked = Some(anchored(9));
    });
    good("custody.consent-ended", |known| {
        known.consents[1].1.1.revoked = Some(anchored(9));
    });
    // It ends by itself within what clocks may differ by.
    good("custody.consent-ended", |known| {
        known.consents[0].1.1.not_after = NOON.plus_millis(5 * MINUTE);
    });
    good("custody.record-superseded", |known| {
        known.record.as_mut().unwrap().1.superseded = Some(Superseded {
            by: anchored(8),
            class_before: ClassHandle::new([1; 16]),
        });
    });
    let erase: fn(&mut Ledger) = |known| {
        known.record.as_mut().unwrap().1.erased = Some(Erased {
            by: anchored(8),
            destroyed: Destroyed::new(Destroyed::VAULT_PART).unwrap(),
        });
    };
    good("custody.record-erased", erase);
    good("custody.not-here", erase);
    good("custody.other-key", |known| {
        let other = OpeningKey::decode(KemSuite::X25519, &[0x78; 32]).unwrap();
        known.decided.as_mut().unwrap().reader = other.public().reader_key();
    });
}

#[test]
fn what_was_not_permitted_or_too_late_or_of_something_else_convicts_nobody() {
    let code = "custody.not-here";
    let mut denied = after(0);
    denied.decided.as_mut().unwrap().permitted = false;
    assert_eq!(said(code, &denied), Err(Unconvincing::NotPermitted));
    let late = Refusal {
        time: NOON.plus_millis(5 * MINUTE + 1),
        ..refusal(code)
    };
    let late = verdict(Signed::new(late, signs("north-hospital")), &after(60));
    assert_eq!(late, Err(Unconvincing::PermitOver));
    let mut other = after(0);
    other.decided.as_mut().unwrap().record = RecordHandle::new([9; 16]);
    assert_eq!(said(code, &other), Err(Unconvincing::Unrelated));
    let forged = verdict(Signed::new(refusal(code), signs("c-elm")), &after(0));
    assert!(matches!(forged, Err(Unconvincing::Signature { .. })));
    let earlier = Ledger {
        record: Some((Time(NOON.0 - 1), sealed())),
        ..after(0)
    };
    assert_eq!(
        said(code, &earlier),
        Err(Unconvincing::TooEarly { from: NOON })
    );
}

#[test]
fn facts_that_are_left_out_convict_nobody() {
    let without = |change: fn(&mut Ledger)| {
        let mut known = after(24 * 60);
        change(&mut known);
        known
    };
    let unknown = Err(Unconvincing::Unknown);
    let known = without(|known| known.decided = None);
    assert_eq!(said("custody.denied", &known), unknown);
    let known = without(|known| known.record = None);
    for code in [
        "custody.not-here",
        "custody.record-erased",
        "custody.record-superseded",
    ] {
        assert_eq!(said(code, &known), unknown, "{code}");
    }
    for keep in [0, 1] {
        let mut known = after(24 * 60);
        known.consents.truncate(keep);
        assert_eq!(said("custody.consent-ended", &known), unknown);
    }
}

#[test]
fn a_code_is_short_and_plain() {
    let long = "a".repeat(RefusalCode::MAX_LENGTH + 1);
    for text in ["", "Custody.denied", "custody denied", "a\n", &long] {
        assert_eq!(text.parse::<RefusalCode>(), Err(NotACode), "{text:?}");
    }
    let code: RefusalCode = long[1..].parse().unwrap();
    assert_eq!(code.to_string(), long[1..]);
}
