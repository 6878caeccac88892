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
    all.map(ListedConsent::patient_ends).collect()
}

fn endings_of(history: &PatientHistory) -> Vec<Ending> {
    history.consents.iter().map(|one| one.ending).collect()
}

/// Who anchored the ends, and whose will each shows.
fn ended_of(history: &PatientHistory) -> Vec<(&str, EndedHow)> {
    let all = history.consents.iter();
    let all = all.map(|one| one.ended.as_ref().unwrap());
    all.map(|ended| (ended.by.as_str(), ended.how)).collect()
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
    assert_eq!(endings_of(&history), [Ending::OtherKey; 3]);
    let text = history.to_text();
    assert_eq!(text.matches("you cannot with this card").count(), 3);
}

/// An ender that no approval of the patient's holds may be anybody's.
#[test]
fn what_the_patient_did_not_approve_the_patient_cannot_end() {
    let history = listed(&mut chain(), false);
    assert_eq!(endings_of(&history), [Ending::Untold; 3]);
    let text = history.to_text();
    assert_eq!(text.matches("cannot tell who else can").count(), 3);
    assert!(!text.contains("alone can end it"), "{text}");
    // Granted as an earlier release approved it: with no ender.
    let (subject, draft) = own_consent();
    let without = ConsentGrant {
        ender: None,
        ..endable(&subject, &draft)
    };
    let mut chain = Chain::new(QUARTER);
    chain.sealed().add("hospital", 0, without);
    let history = listed(&mut chain, true);
    assert_eq!(endings_of(&history), [Ending::Institution]);
    assert!(history.to_text().contains("hospital alone can end it"));
}

/// A consent that ended with a root of another quarter stands in this one as if nothing had happened.
#[test]
fn where_the_first_consent_is_not_seen_the_list_does_not_say_what_stands() {
    let (subject, draft) = own_consent();
    let own = ConsentGrant {
        root: Some(ROOT),
        ..endable(&subject, &draft)
    };
    let without = ConsentGrant {
        consent: ConsentHandle::new([6; 16]),
        ..below(Some(ROOT))
    };
    let mut chain = Chain::new(QUARTER);
    chain.sealed().add("hospital", 0, own);
    chain.add("hospital", 0, without);
    let history = listed_by(&mut chain, false, Some(&patient()));
    let own = Ending::Patient {
        own: true,
        root: false,
    };
    assert_eq!(endings_of(&history), [own, Ending::Untold]);
    assert!(history.consents.iter().all(|one| one.root_unseen));
    let text = history.to_text();
    let unseen = format!(
        "it continues {ROOT}, which is of no quarter of this list: whether it still stands this list cannot tell"
    );
    assert_eq!(text.matches(&unseen).count(), 2, "{text}");
    assert!(!text.contains("alone can end it"), "{text}");
    let json = history.to_json();
    assert_eq!(json["consents"][1]["root"], ROOT.to_string());
    assert_eq!(json["consents"][1]["who_ends"], "not-known");
}

/// A re-issue's own end leaves the rest of its chain.
#[test]
fn a_list_says_which_end_is_the_end_of_all() {
    let (subject, draft) = own_consent();
    let mut words = draft.words().clone();
    words.consent = ConsentHandle::new([6; 16]);
    words.root = Some(OWN);
    let again = ConsentDraft::new(words).unwrap();
    let mut chain = Chain::new(QUARTER);
    chain
        .sealed()
        .add("hospital", 0, endable(&subject, &draft))
        .add("hospital", 0, endable(&subject, &again));
    let history = listed_by(&mut chain, false, Some(&subject));
    assert_eq!(
        ends_of(&history),
        [Some(OWN), Some(again.words().consent)],
        "each has a key of its own"
    );
    let all = format!("; it continues {OWN}: end that one to end all");
    assert_eq!(history.to_text().matches(&all).count(), 1);
    assert_eq!(history.to_json()["consents"][1]["root"], OWN.to_string());
}

#[test]
fn an_end_stands_in_the_list_with_who_brought_it() {
    let mut chain = chain();
    chain.add("clinic", 0, end("hospital", OWN));
    chain.add("hospital", 0, ConsentRevoke { consent: ROOT });
    let history = listed(&mut chain, true);
    let revoked = ("hospital", EndedHow::Revoked);
    assert_eq!(
        ended_of(&history),
        [("clinic", EndedHow::ByPatient), revoked, revoked]
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

/// An institution may revoke what has ended with its root, and is not to choose the end that is shown.
#[test]
fn the_first_end_of_a_consent_is_the_one_that_is_shown() {
    let below = ConsentHandle::new([6; 16]);
    let mut ended_first = chain();
    ended_first.add("clinic", 0, end("hospital", OWN));
    ended_first.add("clinic", 0, end("hospital", ROOT));
    ended_first.add("hospital", 0, ConsentRevoke { consent: below });
    let by_patient = ("clinic", EndedHow::ByPatient);
    let history = listed(&mut ended_first, true);
    assert_eq!(ended_of(&history), [by_patient; 3]);
    let mut revoked_first = chain();
    revoked_first.add("clinic", 0, end("hospital", OWN));
    revoked_first.add("hospital", 0, ConsentRevoke { consent: below });
    revoked_first.add("clinic", 0, end("hospital", ROOT));
    assert_eq!(
        ended_of(&listed(&mut revoked_first, true)),
        [by_patient, by_patient, ("hospital", EndedHow::Revoked)]
    );
}

/// An institution can put an ender of its own into a consent that it made up, and end that.
#[test]
fn an_end_by_a_key_that_is_not_shown_to_be_the_patients_is_not_called_the_patients() {
    let stranger = Subject::new(NetworkId::new([1; 16]), TagKey::new([5; 32]));
    for (shown, card) in [(false, None), (false, Some(&stranger))] {
        let mut chain = chain();
        chain.add("hospital", 0, end("hospital", OWN));
        chain.add("hospital", 0, end("hospital", ROOT));
        let history = listed_by(&mut chain, shown, card);
        assert_eq!(ended_of(&history), [("hospital", EndedHow::ByNamedKey); 3]);
        let text = history.to_text();
        assert!(text.contains("ended by the key that its grant names on 2026-01-01T05"));
        assert!(!text.contains("by the patient's key"), "{text}");
        let json = history.to_json();
        assert_eq!(json["consents"][0]["ended"]["by_patient"], false);
        assert_eq!(json["consents"][0]["ended"]["revoked"], false);
    }
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
