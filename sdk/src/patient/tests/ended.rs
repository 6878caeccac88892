//! What a list says of consents: which stand, which the patient can end, and how the others ended.

use super::delegated::{ROOT, approved, below, delegation, patient, words};
use super::*;
use medanchor_ledger::event::{ConsentEnd, ConsentRevoke};

const OWN: ConsentHandle = ConsentHandle::new([4; 16]);

/// The patient's end of a consent of `owner`, as the ledger has it.
fn end(owner: &str, consent: ConsentHandle) -> ConsentEnd {
    let (network, owner) = (NetworkId::new([1; 16]), name(owner));
    let key = SigningKey::from_seed(&[5; 32]);
    let signed = ConsentEnd::sign_bytes(network, &owner, &consent, &key.public_key());
    ConsentEnd {
        owner,
        consent,
        key: key.public_key(),
        signature: key.sign(&signed),
    }
}

/// The list of a history by whoever shows the patient's approvals, or by whoever has none.
fn listed(chain: &mut Chain, shown: bool) -> PatientHistory {
    listed_by(chain, shown, None)
}

fn listed_by(chain: &mut Chain, shown: bool, card: Option<&Subject>) -> PatientHistory {
    let (owner, end) = (name("hospital"), Time(start() + 20 * HOUR));
    let mut known = known();
    if shown {
        known.add_approval(patient().approve(&own_consent().1).unwrap());
        known.add_delegation_approval(approved(&patient(), &words_until_later()));
    }
    let about = About {
        approver: Some(patient().approver_at(&owner)),
        card,
        ..about(&known, &owner, end)
    };
    fold(&about, vec![chain.until(end)], Vec::new()).unwrap()
}

fn words_until_later() -> crate::subject::DelegationWords {
    let mut words = words(QUARTER);
    words.not_after = Time(start() + 40 * HOUR);
    words
}

/// The patient's own consent and a delegation with a consent below it.
fn chain() -> Chain {
    let (subject, draft) = own_consent();
    let mut chain = Chain::new(QUARTER);
    chain.sealed();
    chain.add("hospital", 0, endable(&subject, &draft));
    chain.add("hospital", 0, delegation(&words_until_later()));
    let below = ConsentGrant {
        consent: ConsentHandle::new([6; 16]),
        ..below(Some(ROOT))
    };
    chain.add("hospital", 0, below);
    chain
}

fn ends_of(history: &PatientHistory) -> Vec<Option<ConsentHandle>> {
    let all = history.consents.iter();
    all.map(|one| one.patient_ends).collect()
}

#[test]
fn a_list_says_which_consents_the_patient_can_end_alone() {
    let history = listed(&mut chain(), true);
    assert_eq!(ends_of(&history), [Some(OWN), Some(ROOT), Some(ROOT)]);
    let text = history.to_text();
    for wanted in [
        format!(
            "consent {OWN}, from 2026-01-01T00:00:00.000Z until 2026-01-02T16:00:00.000Z: you can end it with your card"
        ),
        format!("consent {ROOT}, from"),
        format!(": it ends with {ROOT}, which you can end with your card"),
        format!("它随 {ROOT} 终止"),
    ] {
        assert!(text.contains(&wanted), "{wanted:?} is not in {text}");
    }
    assert!(!text.contains("hospital alone can end it"), "{text}");
    let json = history.to_json();
    assert_eq!(json["consents"][2]["patient_ends"], ROOT.to_string());
    assert_eq!(json["consents"][2]["ended"], serde_json::Value::Null);
}

/// Who has the card needs no approvals to know what it ends.
#[test]
fn a_card_tells_which_consents_it_ends() {
    let history = listed_by(&mut chain(), false, Some(&patient()));
    assert_eq!(ends_of(&history), [Some(OWN), Some(ROOT), Some(ROOT)]);
    let stranger = Subject::new(NetworkId::new([1; 16]), TagKey::new([5; 32]));
    let history = listed_by(&mut chain(), false, Some(&stranger));
    assert_eq!(ends_of(&history), [None; 3]);
}

/// An ender that no approval of the patient's holds may be anybody's.
#[test]
fn what_the_patient_did_not_approve_the_patient_cannot_end() {
    let history = listed(&mut chain(), false);
    assert_eq!(ends_of(&history), [None; 3]);
    let text = history.to_text();
    assert_eq!(text.matches("hospital alone can end it").count(), 3);
    // Granted as an earlier release approved it: with no ender.
    let (subject, draft) = own_consent();
    let without = ConsentGrant {
        ender: None,
        ..endable(&subject, &draft)
    };
    let mut chain = Chain::new(QUARTER);
    chain.sealed().add("hospital", 0, without);
    assert_eq!(ends_of(&listed(&mut chain, true)), [None]);
}

#[test]
fn an_end_stands_in_the_list_with_who_brought_it() {
    let mut chain = chain();
    chain.add("clinic", 0, end("hospital", OWN));
    chain.add("hospital", 0, ConsentRevoke { consent: ROOT });
    let history = listed(&mut chain, true);
    let ended: Vec<_> = history
        .consents
        .iter()
        .map(|one| one.ended.as_ref().unwrap())
        .map(|ended| (ended.by.as_str(), ended.by_patient))
        .collect();
    assert_eq!(
        ended,
        [("clinic", true), ("hospital", false), ("hospital", false)]
    );
    let text = history.to_text();
    assert!(
        text.contains("ended by the patient's key on 2026-01-01T05:00:00.000Z, anchored by clinic")
    );
    assert!(text.contains("revoked by hospital on 2026-01-01T06:00:00.000Z"));
    assert!(history.is_whole() && history.unread.is_empty());
    let json = history.to_json();
    assert_eq!(json["consents"][0]["ended"]["by_patient"], true);
}

/// The end of another institution's consent, or somebody else's revocation, is none of this one's.
#[test]
fn ends_of_others_end_nothing_here() {
    let mut chain = chain();
    chain.add("clinic", 0, end("clinic", OWN));
    chain.add("clinic", 0, ConsentRevoke { consent: OWN });
    let history = listed(&mut chain, true);
    assert!(history.consents.iter().all(|one| one.ended.is_none()));
}

#[test]
fn an_access_after_the_patient_ended_the_delegation_is_not_the_delegates() {
    let mut chain = Chain::new(QUARTER);
    chain
        .sealed()
        .add("hospital", 0, delegation(&words_until_later()));
    chain.add("hospital", 0, below(Some(ROOT)));
    chain.asked(Decision::Permitted);
    chain.add("clinic", 0, end("hospital", ROOT));
    chain.asked(Decision::Denied(DenialReason::Revoked));
    let history = listed(&mut chain, true);
    let delegates: Vec<_> = history
        .list
        .entries
        .iter()
        .map(|entry| entry.delegate().is_some())
        .collect();
    assert_eq!(delegates, [true, false]);
}

#[test]
fn what_has_run_out_is_not_listed() {
    let (subject, draft) = own_consent();
    let over = ConsentGrant {
        not_after: Time(start() + 20 * HOUR),
        ..endable(&subject, &draft)
    };
    let mut chain = Chain::new(QUARTER);
    chain.sealed().add("hospital", 0, over);
    let history = listed(&mut chain, true);
    assert!(history.consents.is_empty());
    assert!(!history.to_text().contains("同意"));
}
