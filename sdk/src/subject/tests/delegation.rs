//! Delegations by a patient who has brought a key: words, signature, and what the institution makes of them.

use super::*;
use crate::SdkError;
use crate::domain::{Mandate, NewDelegation, Relation};

const LAPSE: u64 = NOW + 9 * DAY;

fn guardian() -> NewDelegation<'static> {
    NewDelegation {
        name: "guardian",
        subject: "Patient/1",
        delegate: "RelatedPerson/3",
        called: "李娜",
        mandate: Mandate::GuardianOfAdult { until: Time(LAPSE) },
        basis: "court order 17",
        not_before: Time(NOW),
    }
}

fn words() -> DelegationWords {
    DelegationWords {
        network: NetworkId::new([1; 16]),
        owner: name("north-hospital"),
        delegation: medanchor_ledger::ConsentHandle::new([2; 16]),
        delegate: "RelatedPerson/3".into(),
        called: "李娜".into(),
        relation: Relation::Guardian,
        basis: "court order 17".into(),
        quarter: Epoch(224),
        not_before: Time(NOW),
        not_after: Time(NOW + DAY),
    }
}

/// What the delegate grants.
fn given(north: &Identity) -> Result<crate::domain::Consented, SdkError> {
    with_consent(|new| north.grant_as_delegate("guardian", new))
}

fn granted(event: &medanchor_ledger::event::Event) -> &medanchor_ledger::event::ConsentGrant {
    match event.body() {
        EventBody::ConsentGrant(grant) => grant,
        _ => panic!("a grant"),
    }
}

#[test]
fn a_patient_with_a_key_delegates_by_approval_only() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    assert!(north.delegate(&guardian()).is_err());
    let draft = north.draft_delegation(&guardian()).unwrap();
    assert!(given(&north).is_err(), "drafted is not granted");
    let draft = DelegationDraft::from_text(&draft.to_text()).unwrap();
    let words = draft.words();
    assert_eq!(
        (words.called.as_str(), words.not_after),
        ("李娜", Time(LAPSE))
    );
    let approval = patient.approve_delegation(&draft).unwrap();
    let approval = DelegationApproval::from_text(&approval.to_text()).unwrap();

    let delegated = north.delegate_approved(&guardian(), &approval).unwrap();
    let again = north.delegate_approved(&guardian(), &approval).unwrap();
    let grant = granted(&delegated.event);
    assert_eq!(grant.commitment, granted(&again.event).commitment);
    assert!(approval.approves(place.network, &name("north"), grant));
    assert!(!approval.approves(place.network, &name("south"), grant));
    let kept = north.delegation_approvals(delegated.consent).unwrap();
    assert_eq!(kept, std::slice::from_ref(&approval));
    assert_eq!(north.delegation("guardian").unwrap().called, "李娜");

    let consented = given(&north).unwrap();
    let below = granted(&consented.event);
    assert_eq!(below.root, Some(delegated.consent));
    assert!(below.tags.contains(&sealed_tag(&north, "Observation/1")));
    assert!(
        with_consent(|new| north.grant(new)).is_err(),
        "the rest takes the patient"
    );
    drop(north);
    assert!(given(&place.open("north")).is_ok(), "also after a restart");
}

#[test]
fn other_words_than_were_approved_and_approvals_of_others_delegate_nothing() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let draft = north.draft_delegation(&guardian()).unwrap();
    let approval = patient.approve_delegation(&draft).unwrap();
    let until = Time(LAPSE + DAY);
    let others = [
        NewDelegation {
            delegate: "RelatedPerson/4",
            ..guardian()
        },
        NewDelegation {
            called: "王芳",
            ..guardian()
        },
        NewDelegation {
            mandate: Mandate::Proxy { until: Time(LAPSE) },
            ..guardian()
        },
        NewDelegation {
            mandate: Mandate::GuardianOfAdult { until },
            ..guardian()
        },
        NewDelegation {
            basis: "court order 18",
            ..guardian()
        },
        NewDelegation {
            not_before: Time(NOW + DAY),
            ..guardian()
        },
        NewDelegation {
            name: "another",
            ..guardian()
        },
        // A patient without a key approves nothing: the institution's word stays the institution's.
        NewDelegation {
            subject: "Patient/2",
            ..guardian()
        },
    ];
    for other in &others {
        assert!(north.delegate_approved(other, &approval).is_err());
    }
    // Somebody else's card, and the institution's own key over the right handles.
    let other = Subject::new(place.network, TagKey::new([8; 32]));
    let theirs = other.approve_delegation(&draft).unwrap();
    assert!(north.delegate_approved(&guardian(), &theirs).is_err());
    let key = north.subject_keys("Patient/1").unwrap().key;
    let grant = draft
        .words()
        .terms(&key)
        .unwrap()
        .without_document()
        .unwrap();
    let own = SigningKey::from_seed(&[5; 32]);
    let forged = DelegationApproval::sign(draft.words().clone(), &grant, &own);
    assert!(north.delegate_approved(&guardian(), &forged).is_err());
    // Other words under the patient's signature.
    let mut reworded = approval.encode();
    let at = reworded
        .windows(5)
        .position(|bytes| bytes == b"court")
        .unwrap();
    reworded[at] = b'C';
    let reworded = DelegationApproval::decode(&reworded).unwrap();
    assert!(!reworded.approves(place.network, &name("north"), &grant));
    assert!(
        north
            .delegation_approvals(grant.consent)
            .unwrap()
            .is_empty()
    );
    assert!(given(&north).is_err());
}

#[test]
fn an_approval_of_a_consent_is_none_of_a_delegation_and_the_reverse() {
    let place = Place::new();
    let (north, patient) = place.enrolled();
    let draft = north.draft_delegation(&guardian()).unwrap();
    let key = north.subject_keys("Patient/1").unwrap().key;
    let grant = draft
        .words()
        .terms(&key)
        .unwrap()
        .without_document()
        .unwrap();
    let delegation = patient.approve_delegation(&draft).unwrap();

    // A delegation in the words of a consent is refused by whoever holds the card.
    let word = format!("{DELEGATION}/of somebody");
    let disguised = with_consent(|new| {
        let classes = [word.as_str()];
        north.draft_consent(&NewConsent {
            classes: &classes,
            ..*new
        })
    });
    assert!(patient.approve(&disguised.unwrap()).is_err());
    // Even the patient's own signature over the same handles as a consent is no approval of the delegation.
    let signing = patient.approving_key(&name("north"));
    let consent = Approval::sign(place.network, &name("north"), &grant, &signing);
    assert!(consent.approves(place.network, &name("north"), &grant));
    assert!(DelegationApproval::from_text(&consent.to_text()).is_err());
    assert!(Approval::from_text(&delegation.to_text()).is_err());
    assert!(ConsentDraft::from_text(&draft.to_text()).is_err());
    north.keep_approval(&consent).unwrap();
    assert!(given(&north).is_err());
    // And a consent that goes on from a delegation is not the delegation.
    let mut below = grant.clone();
    below.root = Some(grant.consent);
    assert!(!delegation.approves(place.network, &name("north"), &below));
}

#[test]
fn a_delegation_that_the_present_key_did_not_approve_carries_nothing() {
    let place = Place::new();
    let north = place.open("north");
    north.delegate(&guardian()).unwrap();
    assert!(given(&north).is_ok(), "the institution holds the key");
    drop(north);
    let (north, patient) = place.enrolled();
    let refused = given(&north).err().unwrap().to_string();
    assert!(
        refused.contains("was not approved with the key"),
        "{refused}"
    );

    let second = NewDelegation {
        name: "second",
        ..guardian()
    };
    let draft = north.draft_delegation(&second).unwrap();
    let approval = patient.approve_delegation(&draft).unwrap();
    north.delegate_approved(&second, &approval).unwrap();
    let below = || with_consent(|new| north.grant_as_delegate("second", new));
    assert!(below().is_ok());
    let new_card = Subject::new(place.network, TagKey::new([8; 32])).key_for(&name("north"));
    north.take_subject_key("Patient/1", &new_card).unwrap();
    assert!(below().is_err(), "the new card has approved nothing yet");
}

/// The ledger binds the words: no two delegations of other words have the same handles.
#[test]
fn other_words_are_other_handles() {
    let key = Subject::new(NetworkId::new([1; 16]), TagKey::new([7; 32])).key_at(&name("north"));
    let handles = |words: &DelegationWords| {
        let grant = words.terms(&key).unwrap().without_document().unwrap();
        (grant.purposes, grant.classes)
    };
    let base = handles(&words());
    assert_eq!(base, handles(&words()));
    let mut others = vec![words(); 5];
    others[0].delegate.push('0');
    others[1].called.push('0');
    others[2].relation = Relation::Parent;
    others[3].basis.push('0');
    others[4].not_after = Time(NOW + 2 * DAY);
    for other in &others {
        let (purposes, classes) = handles(other);
        assert!(purposes != base.0 && classes != base.1, "{other:?}");
    }
}

#[test]
fn drafts_that_hide_something_are_not_made_and_not_read() {
    let place = Place::new();
    let north = place.open("north");
    let long = "x".repeat(257);
    for text in [
        "",
        " ",
        "two\nlines",
        "esc\u{1b}[2J",
        "\u{202e}gnorw",
        "\u{200b}",
        &long,
    ] {
        for (delegate, called) in [(text, "Li"), ("r/3", text)] {
            let hides = NewDelegation {
                delegate,
                called,
                ..guardian()
            };
            assert!(north.draft_delegation(&hides).is_err(), "{text:?}");
        }
        let mut hides = words();
        hides.called = text.into();
        assert!(
            DelegationWords::decode(&hides.encode()).is_err(),
            "{text:?}"
        );
    }
    assert!(
        north
            .draft_delegation(&NewDelegation {
                basis: "",
                ..guardian()
            })
            .is_err()
    );
    let past = Mandate::Proxy { until: Time(NOW) };
    assert!(
        north
            .draft_delegation(&NewDelegation {
                mandate: past,
                ..guardian()
            })
            .is_err()
    );
    let text = DelegationDraft::new(words()).unwrap().to_text();
    for cut in 0..text.len() {
        assert!(DelegationDraft::from_text(&text[..cut]).is_err());
    }
}

/// The texts of one patient, hospital and delegation, frozen.
#[test]
fn the_texts_of_a_delegation_are_frozen() {
    let patient = Subject::new(NetworkId::new([1; 16]), TagKey::new([7; 32]));
    let draft = DelegationDraft::new(words()).unwrap();
    let approval = patient.approve_delegation(&draft).unwrap();
    assert_eq!(
        draft.to_text(),
        include_str!("../../../../vectors/handover/delegation.txt").trim_end()
    );
    assert_eq!(
        approval.to_text(),
        include_str!("../../../../vectors/handover/delegation-approval.txt").trim_end()
    );
}
