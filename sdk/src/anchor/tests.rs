//! Events on their way through crashes, lost answers, late arrival and lost races.

use super::*;
use crate::client::ClientConfig;
use crate::context::fixed::Fixed;
use crate::testing::node::{Reply, Seen, serve};
use crate::testing::{Network, network_with};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_COMPRESSED;
use medanchor_ledger::event::{
    AccessBreakGlass, AccessReview, Custody, Destroyed, ErasureReason, EventBody,
    GovernanceApprove, KemSuite, ReaderKey, RecordErase, RecordReshare, RecordSupersede,
    SharePoint, Verdict,
};
use medanchor_ledger::rules::Role;
use medanchor_ledger::{
    ChangeHash, CiphertextHash, ClassHandle, Commitment, KeyCheck, ParticipantName, ProposalHandle,
    RecordHandle, RequestHandle, TreeHash, VaultPartHash,
};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A node that keeps a log, and refuses what repeats the subject of an earlier event.
struct Node {
    network: Network,
    anchored: BTreeMap<EventId, (Vec<u8>, Vec<u8>)>,
    by_subject: BTreeMap<String, EventId>,
    pooled: BTreeMap<EventId, Vec<u8>>,
    /// How many more requests pass before what is pooled gets into a block.
    delay: usize,
    /// Posts that are taken and whose answer is lost.
    lose_answers: usize,
    /// How many more requests get no answer at all.
    down_for: usize,
    /// Events with an earlier not-after are stale.
    now: u64,
    posts: usize,
}

type Shared = Arc<Mutex<Node>>;

impl Node {
    fn answer(&mut self, request: &Seen) -> Reply {
        if self.down_for > 0 {
            self.down_for -= 1;
            return Reply::Raw(Vec::new());
        }
        if self.delay == 0 {
            self.make_block();
        }
        self.delay = self.delay.saturating_sub(1);
        let path = request.path.split('?').next().unwrap_or_default();
        let words: Vec<&str> = path.split('/').collect();
        match (request.method.as_str(), words.as_slice()) {
            ("POST", ["", "v1", "events"]) => {
                let item = self.post(&request.body);
                self.maybe_lost(Self::whole(item))
            }
            ("POST", ["", "v1", "events", "batch"]) => self.batch(&request.body),
            ("GET", ["", "v1", "events", id]) => match self.anchored.get(&id.parse().unwrap()) {
                Some((event, _)) => Reply::Whole(200, "application/cose", event.clone()),
                None => Reply::problem(404, "not-found"),
            },
            ("GET", ["", "v1", "events", id, "receipt"]) => self.receipt(&id.parse().unwrap()),
            _ => Reply::problem(404, "no-such-resource"),
        }
    }

    fn batch(&mut self, mut bytes: &[u8]) -> Reply {
        let mut results = Vec::new();
        while !bytes.is_empty() {
            // The only way to find an event's end here is to try.
            let end = (1..=bytes.len())
                .find(|end| Event::decode(&bytes[..*end]).is_ok())
                .unwrap();
            let (status, value) = self.post(&bytes[..end]);
            let problem = serde_json::json!({ "problem": value });
            results.push(if status < 300 { value } else { problem });
            bytes = &bytes[end..];
        }
        self.maybe_lost(Reply::json(202, &serde_json::json!({ "results": results })))
    }

    fn maybe_lost(&mut self, reply: Reply) -> Reply {
        if self.lose_answers == 0 {
            return reply;
        }
        self.lose_answers -= 1;
        Reply::Raw(Vec::new())
    }

    fn whole((status, value): (u16, serde_json::Value)) -> Reply {
        Reply::json(status, &value)
    }

    fn post(&mut self, bytes: &[u8]) -> (u16, serde_json::Value) {
        self.posts += 1;
        let event = Event::decode(bytes).unwrap();
        let id = event.id();
        let pooled = |status| serde_json::json!({ "id": id.to_string(), "status": status });
        if self.anchored.contains_key(&id) {
            return (202, pooled("anchored"));
        }
        if event.not_after().0 < self.now {
            return (422, serde_json::json!({ "status": 422, "code": "stale" }));
        }
        if let Some(winner) = self.by_subject.get(&subject(&event)) {
            return (
                409,
                serde_json::json!({
                    "status": 409, "code": "rule-broken", "rule": "record.exists", "winner": winner.to_string(),
                }),
            );
        }
        self.pooled.insert(id, bytes.to_vec());
        (202, pooled("pooled"))
    }

    fn make_block(&mut self) {
        for (id, bytes) in std::mem::take(&mut self.pooled) {
            self.anchor(id, &bytes);
        }
    }

    fn anchor(&mut self, id: EventId, bytes: &[u8]) {
        let receipt = self.network.append(bytes);
        self.by_subject
            .insert(subject(&Event::decode(bytes).unwrap()), id);
        self.anchored.insert(id, (bytes.to_vec(), receipt));
    }

    fn receipt(&self, id: &EventId) -> Reply {
        match self.anchored.get(id) {
            Some((_, receipt)) => Reply::Whole(200, "text/plain", receipt.clone()),
            None if self.pooled.contains_key(id) => {
                let value = serde_json::json!({ "id": id.to_string(), "status": "pooled" });
                Reply::json(202, &value)
            }
            None => Reply::problem(404, "not-found"),
        }
    }
}

fn subject(event: &Event) -> String {
    event.subject().to_string()
}

struct Stage {
    root: tempfile::TempDir,
    node: Shared,
    address: String,
}

const NOW: u64 = 1_700_000_000_000;

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let people = [("hospital", Role::Hospital), ("pharmacy", Role::Pharmacy)];
        let network = network_with(root.path(), &people);
        let node = Arc::new(Mutex::new(Node {
            network,
            anchored: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            pooled: BTreeMap::new(),
            delay: 0,
            lose_answers: 0,
            down_for: 0,
            now: 0,
            posts: 0,
        }));
        let shared = node.clone();
        let address = serve(move |request| shared.lock().unwrap().answer(request));
        Self {
            root,
            node,
            address,
        }
    }

    fn sdk_at(&self, who: &str, now: u64) -> Sdk {
        let context = Arc::new(Fixed::at(now));
        let identity = Identity::open_with(&self.root.path().join(who), context.clone()).unwrap();
        let policy = identity.policy().clone();
        let client = Client::with([&self.address], policy, ClientConfig::default(), context);
        Sdk::with_client(identity, client.unwrap())
    }

    fn sdk(&self, who: &str) -> Sdk {
        self.sdk_at(who, NOW)
    }
}

fn ids(results: &[Result<Anchored, AnchorError>]) -> Vec<EventId> {
    results
        .iter()
        .map(|result| result.as_ref().unwrap().id())
        .collect()
}

#[test]
fn an_anchored_event_leaves_the_journal_and_its_receipt_can_be_kept() {
    let stage = Stage::new();
    let sdk = stage.sdk("hospital");
    let event = sdk.revoke("c").unwrap();
    let anchored = sdk.anchor(event.clone()).unwrap();
    assert_eq!(anchored.id(), event.id());
    assert!(sdk.unsettled().is_empty());
    let folder = stage.root.path().join("receipts");
    anchored.save(&folder).unwrap();
    let read = |end: &str| std::fs::read(folder.join(format!("{}.{end}", event.id()))).unwrap();
    let policy = sdk.policy();
    let checked = crate::verify_receipt(policy, &read("event"), &read("tlog-proof")).unwrap();
    assert_eq!(checked.index(), anchored.index());
}

#[test]
fn a_batch_is_posted_at_once_and_every_receipt_is_waited_for() {
    let stage = Stage::new();
    stage.node.lock().unwrap().delay = 5;
    let sdk = stage.sdk("hospital");
    let events: Vec<Event> = (0..20)
        .map(|n| sdk.revoke(&n.to_string()).unwrap())
        .collect();
    let wanted: Vec<EventId> = events.iter().map(Event::id).collect();
    let results = sdk.anchor_batch(events);
    assert_eq!(ids(&results), wanted);
    assert!(sdk.unsettled().is_empty());
    assert_eq!(stage.node.lock().unwrap().posts, 20);
}

#[test]
fn after_a_crash_the_same_bytes_are_posted_again() {
    let stage = Stage::new();
    let sdk = stage.sdk("hospital");
    let events: Vec<Event> = (0..3)
        .map(|n| sdk.revoke(&n.to_string()).unwrap())
        .collect();
    let wanted: Vec<EventId> = events.iter().map(Event::id).collect();
    // Signed and journalled, and then the power goes.
    drop(sdk.journalled(events).unwrap());
    drop(sdk);
    let sdk = stage.sdk("hospital");
    assert_eq!(ids(&sdk.resume()), wanted);
    assert!(sdk.resume().is_empty());
}

#[test]
fn a_lost_answer_is_made_good_without_a_second_event() {
    let stage = Stage::new();
    stage.node.lock().unwrap().lose_answers = 2;
    let sdk = stage.sdk("hospital");
    let event = sdk.revoke("c").unwrap();
    assert_eq!(sdk.anchor(event.clone()).unwrap().id(), event.id());
    assert_eq!(stage.node.lock().unwrap().anchored.len(), 1);
}

#[test]
fn an_event_whose_time_has_passed_is_signed_anew_with_the_same_handles() {
    let stage = Stage::new();
    let sdk = stage.sdk("hospital");
    let event = sdk.revoke("c").unwrap();
    drop(sdk.journalled(vec![event.clone()]).unwrap());
    drop(sdk);
    let later = NOW + 3_600_000;
    stage.node.lock().unwrap().now = later;
    let sdk = stage.sdk_at("hospital", later);
    let anchored = sdk.resume().pop().unwrap().unwrap();
    assert_ne!(anchored.id(), event.id());
    assert_eq!(anchored.event().body(), event.body());
    assert!(sdk.unsettled().is_empty());
}

/// The first bytes were anchored, but the node that is asked now does not know it yet: what is signed
/// anew is refused as a repetition, and the winner turns out to be the first.
#[test]
fn exists_same_content_mine_is_success() {
    let stage = Stage::new();
    let sdk = stage.sdk("hospital");
    let first = sdk.revoke("c").unwrap();
    drop(sdk.journalled(vec![first.clone()]).unwrap());
    let second = sdk.renewed(&first).unwrap().unwrap();
    assert_ne!(first.id(), second.id());
    stage
        .node
        .lock()
        .unwrap()
        .anchor(first.id(), first.encoded());
    let anchored = sdk.resume().pop().unwrap().unwrap();
    assert_eq!(anchored.id(), first.id());
    assert!(anchored.stood_already());
    assert!(sdk.unsettled().is_empty());
}

#[test]
fn sealing_and_issuing_again_after_a_crash_before_the_journal_is_success_too() {
    let stage = Stage::new();
    let new = crate::NewRecord {
        name: "Observation/1",
        version: 1,
        subject: "Patient/1",
        class: "laboratory",
        payload: br#"{"value":1.50}"#,
    };
    let sdk = stage.sdk("hospital");
    let first = sdk.anchor(sdk.seal_record(&new).unwrap().event).unwrap();
    let again = sdk.anchor(sdk.seal_record(&new).unwrap().event).unwrap();
    assert_eq!(again.id(), first.id());
    assert!(again.stood_already() && !first.stood_already());
}

/// Events that a power cut brings back, and events that were given up.
mod again;

fn commitment(byte: u8) -> Commitment {
    Commitment::new(TreeHash::new([byte; 32]))
}

/// One statement of each kind that is said once and about something of its own.
fn said_once() -> Vec<EventBody> {
    let requester: ParticipantName = "pharmacy".parse().unwrap();
    let break_glass = AccessBreakGlass {
        request: RequestHandle::new([1; 16]),
        owner: requester.clone(),
        record: RecordHandle::new([1; 16]),
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [1; 32],
        },
        commitment: commitment(1),
    };
    let review = AccessReview {
        requester: requester.clone(),
        request: RequestHandle::new([2; 16]),
        verdict: Verdict::Justified,
        commitment: commitment(2),
    };
    let erase = RecordErase {
        record: RecordHandle::new([3; 16]),
        version: 1,
        reason: ErasureReason::SubjectRequest,
        destroyed: Destroyed::new(Destroyed::VAULT_PART).unwrap(),
        certificate: commitment(3),
    };
    let supersede = RecordSupersede {
        record: RecordHandle::new([4; 16]),
        version: 2,
        class: ClassHandle::new([4; 16]),
        commitment: commitment(4),
        ciphertext: CiphertextHash::new([4; 32]),
        vault_part: VaultPartHash::new([4; 32]),
        key_check: KeyCheck::new([4; 16]),
        custody: None,
    };
    let point = SharePoint::new(RISTRETTO_BASEPOINT_COMPRESSED.to_bytes());
    let reshare = RecordReshare {
        record: RecordHandle::new([5; 16]),
        version: 1,
        custody: Custody::new(2, vec![point; 2]).unwrap(),
    };
    let approve = GovernanceApprove {
        proposer: requester,
        proposal: ProposalHandle::new([6; 16]),
        change: ChangeHash::new([6; 32]),
    };
    vec![
        break_glass.into(),
        review.into(),
        erase.into(),
        supersede.into(),
        reshare.into(),
        approve.into(),
    ]
}

#[test]
fn what_is_said_once_and_signed_again_after_a_crash_is_success() {
    let stage = Stage::new();
    let sdk = stage.sdk("hospital");
    for body in said_once() {
        let kind = body.kind();
        let first = sdk.anchor(sdk.sign(body.clone()).unwrap()).unwrap();
        let again = sdk.sign(body).unwrap();
        assert_ne!(first.id(), again.id(), "{kind}");
        let anchored = sdk.anchor(again).unwrap();
        assert_eq!(anchored.id(), first.id(), "{kind}");
        assert!(anchored.stood_already(), "{kind}");
    }
}

#[test]
fn what_is_said_once_and_differs_loses() {
    let stage = Stage::new();
    let sdk = stage.sdk("hospital");
    for body in said_once() {
        let EventBody::AccessReview(mut review) = body else {
            continue;
        };
        sdk.anchor(sdk.sign(review.clone()).unwrap()).unwrap();
        review.verdict = Verdict::NotJustified;
        let error = sdk.anchor(sdk.sign(review).unwrap()).unwrap_err();
        assert!(matches!(error, AnchorError::Refused(_)), "{error}");
    }
}

#[test]
fn losing_to_another_statement_is_a_refusal_with_the_winners_verified_receipt() {
    let stage = Stage::new();
    let hospital = stage.sdk("hospital");
    let winner = hospital.anchor(hospital.revoke("c").unwrap()).unwrap();
    // The same subject again, in another statement: here the same words at another time.
    let loser = hospital.revoke("c").unwrap();
    let error = hospital.anchor(loser.clone()).unwrap_err();
    let AnchorError::Refused(refusal) = error else {
        panic!("{error}")
    };
    assert_eq!(refusal.event, loser.id());
    assert_eq!(refusal.rule(), "record.exists");
    assert_eq!(refusal.winner.unwrap().id(), winner.id());
    assert!(hospital.unsettled().is_empty());
}

#[test]
fn patience_ends_and_the_event_stays_journalled() {
    let stage = Stage::new();
    stage.node.lock().unwrap().delay = usize::MAX;
    let sdk = stage.sdk("hospital");
    let event = sdk.revoke("c").unwrap();
    let error = sdk.anchor(event.clone()).unwrap_err();
    assert!(
        matches!(error, AnchorError::Waiting { id, .. } if id == event.id()),
        "{error}"
    );
    assert_eq!(sdk.unsettled().len(), 1);
    stage.node.lock().unwrap().delay = 0;
    assert_eq!(ids(&sdk.resume()), [event.id()]);
}

#[test]
fn a_node_that_lost_its_pool_gets_the_bytes_again() {
    let stage = Stage::new();
    stage.node.lock().unwrap().delay = 100;
    let sdk = stage.sdk("hospital");
    let event = sdk.revoke("c").unwrap();
    let posted = sdk.post_batch(vec![event.clone()]);
    let mut node = stage.node.lock().unwrap();
    (node.pooled, node.delay) = (BTreeMap::new(), 3);
    drop(node);
    assert_eq!(ids(&sdk.wait_all(posted)), [event.id()]);
    assert_eq!(stage.node.lock().unwrap().posts, 2);
}

/// A node that accepts everything and tells nobody: another node is asked, and given the event.
#[test]
fn a_node_that_keeps_events_to_itself_is_left_for_another() {
    let stage = Stage::new();
    let sink = serve(|request| match Event::decode(&request.body) {
        Ok(event) => {
            let value = serde_json::json!({ "id": event.id().to_string(), "status": "pooled" });
            Reply::json(202, &value)
        }
        Err(_) => Reply::json(202, &serde_json::json!({ "status": "pooled" })),
    });
    let context = Arc::new(Fixed::at(NOW));
    let identity = Identity::open_with(&stage.root.path().join("hospital"), context.clone());
    let identity = identity.unwrap();
    let policy = identity.policy().clone();
    let nodes = [&sink, &stage.address];
    let client = Client::with(nodes, policy, ClientConfig::default(), context).unwrap();
    let sdk = Sdk::with_client(identity, client);
    let event = sdk.revoke("c").unwrap();
    assert_eq!(sdk.anchor(event.clone()).unwrap().id(), event.id());
}

/// The node goes away after it has accepted an event, and comes back without its pool.
#[test]
fn an_accepted_event_survives_its_node() {
    let stage = Stage::new();
    stage.node.lock().unwrap().delay = usize::MAX;
    let sdk = stage.sdk("hospital");
    let event = sdk.revoke("c").unwrap();
    let posted = sdk.post_batch(vec![event.clone()]);
    let mut node = stage.node.lock().unwrap();
    (node.pooled, node.delay, node.lose_answers) = (BTreeMap::new(), 0, 0);
    node.down_for = 12;
    drop(node);
    assert_eq!(ids(&sdk.wait_all(posted)), [event.id()]);
}
