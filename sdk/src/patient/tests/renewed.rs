//! What a list says of consents that were re-issued for later quarters.

use super::delegated::{ROOT, approved, below, delegation, patient, words};
use super::*;
use medanchor_ledger::event::ConsentRevoke;

const OWN: ConsentHandle = ConsentHandle::new([4; 16]);
const NEXT: Epoch = Epoch(QUARTER.0 + 1);

/// The patient's own consent, until the end of the next quarter.
fn long() -> ConsentDraft {
    let mut words = own_consent().1.words().clone();
    words.not_after = Time(Epoch(QUARTER.0 + 2).begin().0);
    ConsentDraft::new(words).unwrap()
}

/// Its re-issue for the next quarter.
fn renewed() -> ConsentDraft {
    ConsentDraft::new(long().words().renewed(own_key(), NEXT)).unwrap()
}

fn granted() -> ConsentGrant {
    endable(&patient(), &renewed())
}

/// The histories of both quarters, and what the patient shows.
fn listed(first: &mut Chain, next: &mut Chain, known: &Known) -> PatientHistory {
    let (owner, now) = (name("hospital"), Time(NEXT.begin().0 + 20 * HOUR));
    let about = About {
        approver: Some(patient().approver_at(&owner)),
        card: Some(&patient()),
        ..about(known, &owner, now)
    };
    fold(&about, vec![first.until(now), next.until(now)], Vec::new()).unwrap()
}

fn chains(renewal: ConsentGrant) -> (Chain, Chain) {
    let (mut first, mut next) = (Chain::new(QUARTER), Chain::new(NEXT));
    first.add("hospital", 0, endable(&patient(), &long()));
    next.add("hospital", 0, renewal);
    (first, next)
}

fn all_approvals() -> Known {
    let mut known = known();
    known.add_approval(patient().approve(&long()).unwrap());
    let later = patient().approve_renewals(&long()).unwrap();
    later.into_iter().for_each(|one| known.add_approval(one));
    known
}

#[test]
fn a_renewed_consent_is_one_consent() {
    let (mut first, mut next) = chains(granted());
    let history = listed(&mut first, &mut next, &all_approvals());
    let [one] = &history.consents[..] else {
        panic!("{:?}", history.consents);
    };
    assert_eq!((one.consent, one.patient_ends()), (OWN, Some(OWN)));
    let renewal = granted().consent;
    let wanted = format!("; renewed for 2026-Q2 as {renewal}");
    let text = history.to_text();
    assert!(text.contains(&wanted), "{text}");
    assert!(
        text.contains(&format!("已续发：2026-Q2 为 {renewal}")),
        "{text}"
    );
    let json = &history.to_json()["consents"];
    assert_eq!(json[0]["renewals"][0]["consent"], renewal.to_string());
    assert_eq!(json[0]["renewals"][0]["quarter"], "2026-Q2");
}

/// An access under a re-issue that the patient approved with the consent is the patient's, and else it is not.
#[test]
fn the_patient_gave_what_was_approved_with_the_consent() {
    for (known, own) in [(all_approvals(), true), (known(), false)] {
        let (mut first, mut next) = chains(granted());
        next.asked_under(granted().consent, Decision::Permitted);
        let history = listed(&mut first, &mut next, &known);
        let entry = history.list.entries.first().unwrap();
        assert_eq!(!entry.is_by_held_key(), own);
    }
}

#[test]
fn what_only_calls_itself_a_renewal_stands_by_itself() {
    let longer = ConsentGrant {
        not_after: Time(Epoch(QUARTER.0 + 8).begin().0),
        ..granted()
    };
    let without = ConsentGrant {
        ender: None,
        ..granted()
    };
    let other = ConsentGrant {
        consent: ConsentHandle::new([5; 16]),
        ..granted()
    };
    for bent in [longer, without, other] {
        let (mut first, mut next) = chains(bent.clone());
        let history = listed(&mut first, &mut next, &all_approvals());
        let listed: Vec<_> = history.consents.iter().map(|one| one.consent).collect();
        assert_eq!(listed, [OWN, bent.consent]);
        assert!(history.consents.iter().all(|one| one.renewals.is_empty()));
    }
    // Ended by itself, while the consent stands.
    let (mut first, mut next) = chains(granted());
    let consent = granted().consent;
    next.add("hospital", 0, ConsentRevoke { consent });
    let history = listed(&mut first, &mut next, &all_approvals());
    let ended: Vec<_> = history
        .consents
        .iter()
        .map(|one| one.ended.is_some())
        .collect();
    assert_eq!(ended, [false, true]);
}

/// An institution that holds the patient's key signs what it likes under the handle of a re-issue.
#[test]
fn what_grants_more_than_the_consent_is_no_renewal() {
    let mut words = renewed().words().clone();
    let more: [fn(&mut Words); 3] = [
        |words| words.grantees.push(name("second").into()),
        |words| words.purposes.push("HRESCH".into()),
        |words| words.classes.push("psychiatry".into()),
    ];
    for add in more {
        let mut wider = words.clone();
        add(&mut wider);
        let held = |words| {
            let draft = ConsentDraft::new(words).unwrap();
            let terms = Terms::of(own_key(), draft.words()).unwrap();
            terms.grant(commitment(8)).unwrap()
        };
        let (mut first, mut next) = (Chain::new(QUARTER), Chain::new(NEXT));
        first.add("hospital", 0, held(long().words().clone()));
        next.add("hospital", 0, held(wider));
        let history = listed(&mut first, &mut next, &known());
        let listed: Vec<_> = history.consents.iter().map(|one| one.consent).collect();
        assert_eq!(listed, [OWN, words.consent]);
    }
    // A consent of two quarters has two handles for each class, and its re-issue has one.
    words = long().words().clone();
    words.first = Epoch(QUARTER.0 - 1);
    let two = Terms::of(own_key(), &words).unwrap().grant(commitment(8));
    let one = Terms::of(own_key(), renewed().words())
        .unwrap()
        .grant(commitment(8));
    let (mut first, mut next) = (Chain::new(QUARTER), Chain::new(NEXT));
    first.add("hospital", 0, two.unwrap());
    next.add("hospital", 0, one.unwrap());
    let history = listed(&mut first, &mut next, &known());
    assert_eq!(history.consents.len(), 1);
    assert_eq!(history.consents[0].renewals.len(), 1);
}

/// Re-issues below a delegation hang on the delegation, and are listed with the consent that they renew.
#[test]
fn a_delegates_consent_is_renewed_below_the_delegation() {
    let mut until_later = words(QUARTER);
    until_later.not_after = long().words().not_after;
    let mut first = Chain::new(QUARTER);
    let mut next = Chain::new(NEXT);
    let mut words = long().words().clone();
    words.root = Some(ROOT);
    let terms = |words: &Words| Terms::of(own_key(), words).unwrap();
    let consent = terms(&words).grant(commitment(8)).unwrap();
    let renewal = words.renewed(own_key(), NEXT);
    let renewal = terms(&renewal).grant(commitment(8)).unwrap();
    assert_eq!(renewal.root, Some(ROOT));
    first.add("hospital", 0, delegation(&until_later));
    first.add("hospital", 0, consent);
    next.add("hospital", 0, renewal.clone());
    next.asked_under(renewal.consent, Decision::Permitted);
    let mut known = known();
    known.add_delegation_approval(approved(&patient(), &until_later));
    let history = listed(&mut first, &mut next, &known);
    let listed: Vec<_> = history.consents.iter().map(|one| one.consent).collect();
    assert_eq!(listed, [ROOT, below(None).consent]);
    assert_eq!(history.consents[1].renewals[0].consent, renewal.consent);
    assert!(history.to_text().contains("granted by the delegate Li Na"));
}
