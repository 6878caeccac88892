//! Whose an access under a delegate's consent is: proved from the chain of consents, or the institution's.

use super::*;
use crate::access_list::{Delegate, KeyHolder};
use crate::domain::Relation;
use crate::subject::{DelegationApproval, DelegationDraft, DelegationWords};
use medanchor_ledger::event::ConsentRevoke;

pub(super) const ROOT: ConsentHandle = ConsentHandle::new([9; 16]);

pub(super) fn words(quarter: Epoch) -> DelegationWords {
    DelegationWords {
        network: NetworkId::new([1; 16]),
        owner: name("hospital"),
        delegation: ROOT,
        delegate: "RelatedPerson/3".into(),
        called: "Li Na".into(),
        relation: Relation::Guardian,
        basis: "court order 17".into(),
        quarter,
        not_before: Time(quarter.begin().0),
        not_after: Time(start() + 9 * HOUR),
    }
}

pub(super) fn patient() -> Subject {
    Subject::new(NetworkId::new([1; 16]), TagKey::new([6; 32]))
}

pub(super) fn approved(by: &Subject, words: &DelegationWords) -> DelegationApproval {
    let draft = DelegationDraft::new(words.clone()).unwrap();
    by.approve_delegation(&draft).unwrap()
}

/// The delegation as the ledger has it.
pub(super) fn delegation(words: &DelegationWords) -> ConsentGrant {
    let key = patient().key_at(&name("hospital"));
    let ender = patient().end(&words.owner, words.delegation).ender();
    let terms = words.terms(&key).unwrap().ended_by(Some(ender));
    terms.grant(commitment(8)).unwrap()
}

/// The consent under which the clinic asks, below `root`.
pub(super) fn below(root: Option<ConsentHandle>) -> ConsentGrant {
    let (subject, draft) = own_consent();
    let terms = Terms::of(&subject.key_at(&name("hospital")), draft.words()).unwrap();
    let grant = terms.grant(commitment(8)).unwrap();
    ConsentGrant { root, ..grant }
}

/// What is shown to the list beside the history.
struct Shown {
    known: Known,
    approver: Option<medanchor_ledger::signature::PublicKey>,
    delegated: Vec<Fetched>,
}

fn shown(approvals: &[DelegationApproval]) -> Shown {
    let mut known = known();
    for approval in approvals {
        known.add_delegation_approval(approval.clone());
    }
    Shown {
        known,
        approver: Some(patient().approver_at(&name("hospital"))),
        delegated: Vec::new(),
    }
}

impl Shown {
    fn list(self, chain: &mut Chain) -> PatientHistory {
        let (owner, end) = (name("hospital"), Time(start() + 40 * HOUR));
        let about = About {
            approver: self.approver,
            delegated: self.delegated,
            ..about(&self.known, &owner, end)
        };
        fold(&about, vec![chain.until(end)], Vec::new()).unwrap()
    }

    /// Whose the last access is.
    fn key(self, chain: &mut Chain) -> KeyHolder {
        let history = self.list(chain);
        let entry = history.list.entries.last().unwrap();
        let alone = history.to_text().contains("it could have signed alone");
        assert_eq!(alone, entry.is_by_held_key());
        match &entry.basis {
            Basis::Consent { key, .. } => key.clone(),
            other => panic!("{other:?}"),
        }
    }
}

/// A record, the delegation, and a consent below it.
fn chain(grant: &ConsentGrant) -> Chain {
    let mut chain = Chain::new(QUARTER);
    chain.sealed().add("hospital", 0, grant.clone());
    chain.add("hospital", 0, below(Some(ROOT)));
    chain
}

fn delegate(since: u64) -> KeyHolder {
    KeyHolder::Delegate(Delegate {
        delegation: ROOT,
        id: "RelatedPerson/3".into(),
        name: "Li Na".into(),
        relation: Relation::Guardian,
        since: Time(since),
    })
}

#[test]
fn an_access_under_an_approved_delegation_names_the_delegate() {
    let words = words(QUARTER);
    let mut chain = chain(&delegation(&words));
    let history = shown(&[approved(&patient(), &words)]).list(chain.asked(Decision::Permitted));
    let text = history.to_text();
    for wanted in [
        "granted by the delegate Li Na (guardian, RelatedPerson/3) under delegation 0909",
        "the patient approved and which is on the ledger since 2026-01-01T02:00:00.000Z",
        "that the delegate wanted it is the word of hospital",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in {text}");
    }
    assert!(!text.contains("signed alone"), "{text}");
    let json = history.to_json();
    let access = &json["accesses"][0];
    assert_eq!(access["held_key"], false);
    assert_eq!(access["delegate"]["relation"], "guardian");
    assert_eq!(access["delegate"]["delegation"], ROOT.to_string());
    assert!(history.is_whole());
}

#[test]
fn a_delegation_that_the_patient_did_not_approve_is_the_institutions() {
    let words = words(QUARTER);
    let (grant, approval) = (delegation(&words), approved(&patient(), &words));
    let asked =
        |shown: Shown, grant: &ConsentGrant| shown.key(chain(grant).asked(Decision::Permitted));
    let held = KeyHolder::Institution;
    let shows = || shown(std::slice::from_ref(&approval));
    assert_eq!(asked(shows(), &grant), delegate(start() + 2 * HOUR));
    assert_eq!(asked(shown(&[]), &grant), held);
    // Longer, to another delegate, in another relation, on another basis, as was signed.
    let mut others = vec![words.clone(); 4];
    others[0].not_after = Time(start() + 10 * HOUR);
    others[1].called = "Wang Fang".into();
    others[2].relation = Relation::Proxy;
    others[3].basis = "court order 18".into();
    for other in &others {
        assert_eq!(asked(shows(), &delegation(other)), held, "{other:?}");
        assert_eq!(asked(shown(&[approved(&patient(), other)]), &grant), held);
    }
    // By another patient's card, and where the institution holds the keys.
    let stranger = Subject::new(NetworkId::new([1; 16]), TagKey::new([5; 32]));
    assert_eq!(asked(shown(&[approved(&stranger, &words)]), &grant), held);
    let theirs = Shown {
        approver: None,
        ..shows()
    };
    assert_eq!(asked(theirs, &grant), held);
}

#[test]
fn an_approval_counts_for_what_it_is_of_and_nothing_else() {
    let words = words(QUARTER);
    let grant = delegation(&words);
    let held = KeyHolder::Institution;
    let shows = || shown(&[approved(&patient(), &words)]);
    // A consent that names no root, or another one.
    let mut alone = Chain::new(QUARTER);
    alone.sealed().add("hospital", 0, grant.clone());
    let mut other = Chain::new(QUARTER);
    other.sealed().add("hospital", 0, grant.clone());
    alone.add("hospital", 0, below(None));
    other.add("hospital", 0, below(Some(ConsentHandle::new([8; 16]))));
    for without in [&mut alone, &mut other] {
        assert_eq!(shows().key(without.asked(Decision::Permitted)), held);
    }
    // An approval of the consent that is used as root is none of a delegation.
    let (subject, draft) = own_consent();
    let mut words_of_root = draft.words().clone();
    words_of_root.consent = ROOT;
    let root = ConsentDraft::new(words_of_root).unwrap();
    let mut shows = shown(&[]);
    shows.known.add_approval(subject.approve(&root).unwrap());
    let first = ConsentGrant {
        consent: ROOT,
        ..below(None)
    };
    assert_eq!(shows.key(chain(&first).asked(Decision::Permitted)), held);
    // One of a delegation is none of a consent under which somebody asks.
    let mut named = words.clone();
    named.delegation = ConsentHandle::new([4; 16]);
    let mut direct = Chain::new(QUARTER);
    direct.sealed().add("hospital", 0, delegation(&named));
    let shows = shown(&[approved(&patient(), &named)]);
    assert_eq!(shows.key(direct.asked(Decision::Permitted)), held);
}

#[test]
fn what_was_asked_after_the_delegation_ended_is_not_the_delegates() {
    let words = words(QUARTER);
    let grant = delegation(&words);
    let shows = || shown(&[approved(&patient(), &words)]);
    let revoke = ConsentRevoke { consent: ROOT };
    let denied = Decision::Denied(DenialReason::Revoked);
    let mut revoked = chain(&grant);
    revoked.add("hospital", 0, revoke.clone()).asked(denied);
    assert_eq!(shows().key(&mut revoked), KeyHolder::Institution);
    let mut later = chain(&grant);
    later.asked(Decision::Permitted).add("hospital", 0, revoke);
    assert_eq!(shows().key(&mut later), delegate(start() + 2 * HOUR));

    let mut lapsed = chain(&grant);
    while lapsed.events.len() < 8 {
        lapsed.sealed();
    }
    // The ninth hour is the first at which the delegation no longer holds.
    lapsed.asked(Decision::Denied(DenialReason::Expired));
    assert_eq!(shows().key(&mut lapsed), KeyHolder::Institution);
    let mut early = Chain::new(QUARTER);
    early.sealed().add("hospital", 0, below(Some(ROOT)));
    early.asked(Decision::Permitted).add("hospital", 0, grant);
    assert_eq!(shows().key(&mut early), KeyHolder::Institution);
}

/// A delegation of a quarter that was not asked for counts as far as that quarter is proved, and nothing else
/// of it is listed.
#[test]
fn a_delegation_of_an_earlier_quarter_is_proved_by_its_own_history() {
    let before = Epoch(QUARTER.0 - 1);
    let words = words(before);
    let earlier = |revoked: bool| {
        let mut chain = Chain::new(before);
        chain.add("hospital", 0, delegation(&words));
        if revoked {
            chain.add("hospital", 0, ConsentRevoke { consent: ROOT });
        }
        chain
            .asked(Decision::Permitted)
            .until(Time(start() + 40 * HOUR))
    };
    let list = |delegated| {
        let mut chain = Chain::new(QUARTER);
        chain.sealed().add("hospital", 0, below(Some(ROOT)));
        chain.asked(Decision::Permitted);
        let shown = shown(&[approved(&patient(), &words)]);
        let shown = Shown { delegated, ..shown };
        let history = shown.list(&mut chain);
        assert_eq!(history.list.entries.len(), 1);
        history.list.entries[0].delegate().map(|by| by.since)
    };
    let since = Time(before.begin().0 + HOUR);
    assert_eq!(list(vec![earlier(false)]), Some(since));
    assert_eq!(list(vec![earlier(true)]), None);
    assert_eq!(list(Vec::new()), None);
}

/// Of a quarter that was fetched for a delegation's sake, only that delegation is listed; what cannot be read
/// there may have ended it.
#[test]
fn of_a_delegations_quarter_other_consents_are_not_listed() {
    let before = Epoch(QUARTER.0 - 1);
    let mut words = words(before);
    words.not_after = Time(start() + 50 * HOUR);
    let lasting = |consent: u8, root| ConsentGrant {
        consent: ConsentHandle::new([consent; 16]),
        not_after: Time(start() + 50 * HOUR),
        ..below(root)
    };
    let list = |hidden: usize| {
        let mut earlier = Chain::new(before);
        earlier.add("hospital", 0, delegation(&words));
        earlier.add("hospital", 0, lasting(5, None));
        earlier.add("hospital", 0, ConsentRevoke { consent: ROOT });
        earlier.asked(Decision::Permitted);
        earlier.events[hidden].1 = None;
        let mut chain = Chain::new(QUARTER);
        chain.add("hospital", 0, lasting(6, Some(ROOT)));
        let mut shown = shown(&[approved(&patient(), &words)]);
        shown.delegated = vec![earlier.until(Time(start() + 40 * HOUR))];
        shown.list(&mut chain)
    };
    let history = list(3);
    let listed: Vec<_> = history.consents.iter().map(|one| one.consent).collect();
    assert_eq!(listed, [ROOT, ConsentHandle::new([6; 16])]);
    assert!(history.consents.iter().all(|one| one.ended.is_some()));
    assert!(history.unread.is_empty());
    // The revocation is proved, and no node gave it.
    let history = list(2);
    assert_eq!((history.unread.len(), history.is_whole()), (1, false));
}
