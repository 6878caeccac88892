//! Documents that prove what the state holds, as a client fetches and checks them.

use crate::rig::{Rig, commitment};
use medanchor_ledger::document::{
    AccessReceipt, HistoryPage, HistoryVerifier, StateDocument, VerifiedHistory, VerifiedState,
};
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::{
    AccessRequest, ConsentGrant, Event, EventBody, GranteeOpening, KemSuite, ReaderKey,
    UnsignedEvent,
};
use medanchor_ledger::policy::PolicyRange;
use medanchor_ledger::rules::{Decision, Record, TagIndex};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{
    ClassHandle, ConsentHandle, Height, Nonce, PurposeHandle, RecordHandle, RequestHandle, Size,
    Tag, Time,
};
use medanchor_node::chain::Shared;
use medanchor_sdk::Client;

const OPENING: GranteeOpening = GranteeOpening::new([42; 16]);

fn policy(rig: &Rig) -> PolicyRange {
    PolicyRange::from(rig.layout.genesis.policy().clone(), Size(0))
}

fn proved(rig: &Rig, key: &StateKey, query: &str) -> VerifiedState {
    let path = format!("/v1/state/{}/proof{query}", hex::encode(key.as_bytes()));
    let answer = rig.get(&path);
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(
        (answer.status, answer.kind.as_str()),
        (200, "application/cbor"),
        "{said}"
    );
    let document = StateDocument::decode(&answer.body).expect("a document");
    let verified = document.verify(&policy(rig)).expect("it holds");
    assert_eq!(verified.key, *key);
    verified
}

fn record_key(rig: &Rig, event: &Event) -> StateKey {
    let EventBody::RecordSeal(body) = event.body() else {
        panic!("no record");
    };
    Record::key(&rig.layout.nodes[0].name, &body.record)
}

fn anchored(rig: &Rig, body: impl Into<EventBody>) -> Event {
    let event = rig.sign(rig.unsigned(body));
    assert_eq!(rig.anchor(&event).status, 200);
    event
}

fn sealed(rig: &Rig) -> Event {
    let event = rig.sign(rig.record());
    assert_eq!(rig.anchor(&event).status, 200);
    event
}

#[test]
fn values_and_absence_are_proved_at_kept_heights_and_at_no_others() {
    let rig = Rig::with(|config| config.state.kept_heights = 3);
    let event = sealed(&rig);
    let key = record_key(&rig, &event);
    let first = proved(&rig, &key, "");
    assert!(first.value.is_some() && first.height > Height(0));
    let nobody = Record::key(&rig.layout.nodes[0].name, &RecordHandle::new([99; 16]));
    assert_eq!(proved(&rig, &nobody, "").value, None);
    let at = |height: u64| format!("?height={height}");
    let again = proved(&rig, &key, &at(first.height.0));
    assert_eq!((again.height, &again.value), (first.height, &first.value));
    let later = proved(
        &rig,
        &key,
        &format!("{}&wait=receipt", at(first.height.0 + 1)),
    );
    assert_eq!(
        (later.height.0, later.value),
        (first.height.0 + 1, first.value)
    );

    (0..4).for_each(|_| drop(sealed(&rig)));
    let path = format!("/v1/state/{}/proof", hex::encode(key.as_bytes()));
    let gone = rig.get(&format!("{path}?height=0"));
    assert_eq!((gone.status, gone.code().as_str()), (410, "not-kept"));
    let detail = gone.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.contains("this node keeps those from"), "{detail}");
    let early = rig.get(&format!("{path}?height=1000000"));
    assert_eq!(
        (early.status, early.code().as_str()),
        (404, "not-checkpointed")
    );
    for wrong in ["?height=x", "?height=-1", "?size=1", "?wait=tomorrow"] {
        assert_eq!(
            rig.get(&format!("{path}{wrong}")).code(),
            "malformed",
            "{wrong}"
        );
    }
    assert_eq!(rig.get("/v1/state/zz/proof").code(), "malformed");
}

/// All pages of a tag's history, checked.
fn history(rig: &Rig, tag: &Tag) -> (Vec<HistoryPage>, VerifiedHistory) {
    let owner = rig.layout.nodes[0].name.clone();
    let mut verifier = HistoryVerifier::new(owner.clone(), *tag);
    let (mut pages, mut first) = (Vec::new(), 0);
    loop {
        let answer = rig.get(&format!("/v1/tags/{owner}/{tag}/history?first={first}"));
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (200, "application/cbor"),
            "{said}"
        );
        let page = HistoryPage::decode(&answer.body).expect("a page");
        first += page.links.len();
        let verdict = verifier.add(&page, &policy(rig)).expect("it holds");
        pages.push(page);
        if let Some(verified) = verdict {
            return (pages, verified);
        }
    }
}

#[test]
fn a_history_is_exactly_the_events_of_the_tag() {
    let rig = Rig::new();
    let tag = Tag::new([107; 16]);
    // Nothing is proved before the first checkpoint.
    sealed(&rig);
    let (_, none) = history(&rig, &tag);
    assert_eq!(none.count, 0);
    let mut expected = Vec::new();
    for number in 0..3u8 {
        let mut body = crate::rig::record(number + 50);
        body.tag = tag;
        expected.push(anchored(&rig, body).id());
        sealed(&rig);
    }
    let (pages, verified) = history(&rig, &tag);
    let found: Vec<_> = pages[0]
        .links
        .iter()
        .map(|link| link.anchored.event)
        .collect();
    assert_eq!((found, verified.count), (expected, 3));
    let owner = &rig.layout.nodes[0].name;
    let state = proved(&rig, &TagIndex::key(owner, &tag), "");
    assert!(state.height >= verified.height);
    let beyond = rig.get(&format!("/v1/tags/{owner}/{tag}/history?first=9"));
    assert_eq!(beyond.code(), "malformed");
    assert_eq!(
        rig.get(&format!("/v1/tags/NORTH/{tag}/history")).code(),
        "malformed"
    );
    assert_eq!(
        rig.get(&format!("/v1/tags/{owner}/77/history")).code(),
        "malformed"
    );
}

/// A client refuses a page that is neither full nor the last.
#[test]
fn every_page_of_a_long_history_but_the_last_is_full_wherever_it_begins() {
    const MORE: usize = 6;
    let rig = Rig::new();
    let tag = Tag::new([108; 16]);
    let count = HistoryPage::MAX_LINKS + MORE;
    let events = (0..count).map(|number| {
        let mut nonce = [1; 16];
        nonce[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let mut body = crate::rig::record(0);
        (body.record, body.tag) = (RecordHandle::new(nonce), tag);
        let unsigned = rig.unsigned(body);
        let nonce = Nonce::new(nonce);
        rig.sign(UnsignedEvent { nonce, ..unsigned })
    });
    let batch: Vec<u8> = events.flat_map(|event| event.encoded().to_vec()).collect();
    let is_anchored = || {
        let path = "/v1/events/batch?wait=receipt";
        let answer = rig.send(path, "application/cbor-seq", &batch).json();
        let results = answer["results"].as_array().expect("results");
        let anchored = |result: &serde_json::Value| result["status"] == "anchored";
        results.len() == count && results.iter().all(anchored)
    };
    // A node waits for half a minute at most, which may be short where much else runs.
    assert!((0..10).any(|_| is_anchored()));
    let owner = rig.layout.nodes[0].name.clone();
    let trust = rig.layout.genesis.policy().clone();
    let client = Client::new([&rig.url], trust).expect("a client");
    let history = client.history(&owner, &tag).expect("a history");
    assert_eq!(history.links().len(), count);
    for first in [0, 1, MORE - 1, MORE, MORE + 1, count - 1, count] {
        let answer = rig.get(&format!("/v1/tags/{owner}/{tag}/history?first={first}"));
        let page = HistoryPage::decode(&answer.body).expect("a page");
        let links = (count - first).min(HistoryPage::MAX_LINKS);
        let found = (page.links.len(), page.state.is_some());
        assert_eq!(found, (links, first + links == count), "from {first}");
    }
}

#[test]
fn a_node_without_an_index_says_so() {
    let rig = Rig::with(|config| config.state.histories = false);
    let mut body = crate::rig::record(1);
    body.tag = Tag::new([7; 16]);
    anchored(&rig, body);
    let owner = &rig.layout.nodes[0].name;
    let refused = rig.get(&format!("/v1/tags/{owner}/{}/history", Tag::new([7; 16])));
    assert_eq!((refused.status, refused.code().as_str()), (410, "not-kept"));
}

pub fn request(rig: &Rig, number: u8, consent: u8) -> AccessRequest {
    AccessRequest {
        request: RequestHandle::new([number; 16]),
        owner: rig.layout.nodes[0].name.clone(),
        record: RecordHandle::new([60; 16]),
        consent: ConsentHandle::new([consent; 16]),
        purpose: PurposeHandle::new([1; 16]),
        opening: OPENING,
        member: None,
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [5; 32],
        },
        commitment: commitment(),
    }
}

#[test]
fn an_access_receipt_proves_the_decision_and_its_grounds() {
    let rig = Rig::with(|config| config.state.kept_heights = 3);
    let owner = rig.layout.nodes[0].name.clone();
    let record = anchored(&rig, crate::rig::record(60));
    let now = Shared::clock();
    anchored(
        &rig,
        ConsentGrant {
            consent: ConsentHandle::new([1; 16]),
            root: None,
            tags: Tags::new([Tag::new([60; 16])]).expect("a set"),
            grantees: Grantees::new([OPENING.grantee(&owner, None)]).expect("a set"),
            purposes: Purposes::new([PurposeHandle::new([1; 16])]).expect("a set"),
            classes: Classes::new([ClassHandle::new([1; 16])]).expect("a set"),
            not_before: Time(0),
            not_after: now.plus_millis(3_600_000),
            commitment: commitment(),
            ender: None,
        },
    );
    let path = |event: &Event| format!("/v1/events/{}/access-receipt", event.id());
    let decided = |consent, number| {
        let event = rig.sign(rig.unsigned(request(&rig, number, consent)));
        assert_eq!(rig.post(event.encoded()).status, 202);
        let answer = rig.get(&format!("{}?wait=receipt", path(&event)));
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(
            (answer.status, answer.kind.as_str()),
            (200, "application/cbor"),
            "{said}"
        );
        let receipt = AccessReceipt::decode(&answer.body).expect("a receipt");
        assert_eq!(receipt.event.id(), event.id());
        let verified = receipt.verify(&policy(&rig)).expect("it holds");
        (event, verified.decision(), verified.consent.is_some())
    };
    let (permitted, decision, consent) = decided(1, 1);
    assert_eq!((decision, consent), (Decision::Permitted, true));
    let (_, decision, consent) = decided(2, 2);
    assert!(matches!(decision, Decision::Denied(_)) && !consent);
    assert_eq!(rig.get(&path(&record)).code(), "malformed");
    (0..4).for_each(|_| drop(sealed(&rig)));
    let gone = rig.get(&path(&permitted));
    assert_eq!((gone.status, gone.code().as_str()), (410, "not-kept"));
    let unknown = format!("/v1/events/{}/access-receipt", "00".repeat(32));
    assert_eq!(rig.get(&unknown).code(), "not-found");
}
