//! The client before nodes that are hostile, slow, full or dead.

use super::*;
use crate::context::fixed::Fixed;
use crate::identity::Identity;
use crate::testing::node::{Reply, Seen, nobody, serve};
use crate::testing::{Network, network_with};
use medanchor_ledger::Size;
use medanchor_ledger::policy::Policy;
use medanchor_ledger::rules::{self, Role};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

struct Bench {
    network: Network,
    event: Event,
    _root: tempfile::TempDir,
}

fn bench() -> Bench {
    let root = tempfile::tempdir().unwrap();
    let network = network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let identity = Identity::open(&root.path().join("maker")).unwrap();
    let event = identity.revoke("c").unwrap();
    Bench {
        network,
        event,
        _root: root,
    }
}

impl Bench {
    fn client(&self, nodes: &[&str]) -> (Client, Arc<Fixed>) {
        self.client_with(nodes, ClientConfig::default())
    }

    fn client_with(&self, nodes: &[&str], config: ClientConfig) -> (Client, Arc<Fixed>) {
        let context = Arc::new(Fixed::at(1_000));
        let policy = self.network.genesis.policy().clone();
        let client = Client::with(nodes.iter().copied(), policy, config, context.clone());
        (client.unwrap(), context)
    }
}

fn accepted(event: &Event) -> Reply {
    Reply::json(
        202,
        &serde_json::json!({ "id": event.id().to_string(), "status": "pooled" }),
    )
}

#[test]
fn one_event_goes_out_as_it_is() {
    let bench = bench();
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let (kept, event) = (seen.clone(), bench.event.clone());
    let node = serve(move |request| {
        kept.lock().unwrap().push(request.clone());
        accepted(&event)
    });
    let (client, _) = bench.client(&[&format!("{node}/")]);
    assert_eq!(
        client.post(&bench.event, false).unwrap(),
        Posted::Accepted { rule: None }
    );
    let seen = seen.lock().unwrap();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].path.as_str()),
        ("POST", "/v1/events")
    );
    assert_eq!(seen[0].body, bench.event.encoded());
}

#[test]
fn a_receipt_is_returned_only_if_the_policy_accepts_it() {
    let mut bench = bench();
    let good = bench.network.append(bench.event.encoded());
    let index = 1;
    let too_few = bench.network.receipt(index, 2);
    let of_another = bench.network.append(b"another entry");
    for (receipt, right) in [
        (good, true),
        (too_few, false),
        (of_another, false),
        (b"none".to_vec(), false),
    ] {
        let node = serve(move |_| Reply::Whole(200, "text/plain; charset=utf-8", receipt.clone()));
        let (client, _) = bench.client(&[&node]);
        let posted = client.post(&bench.event, true);
        let asked = client.receipt(&bench.event, false);
        if right {
            let asked = asked.unwrap();
            assert_eq!(asked.index().0, 1);
            assert_eq!(asked.verified().checkpoint().cosigners().len(), 3);
            assert!(asked.counted().to_string().contains("cosigned by 3"));
            assert_eq!(posted.unwrap(), Posted::Anchored(Box::new(asked)));
        } else {
            assert!(matches!(posted.unwrap_err(), ClientError::FalseReceipt(_)));
            assert!(matches!(asked.unwrap_err(), ClientError::FalseReceipt(_)));
        }
    }
}

#[test]
fn hostile_answers_are_errors_and_never_fill_the_memory() {
    let bench = bench();
    let garbage: [fn() -> Reply; 7] = [
        || Reply::Endless,
        || Reply::Whole(200, "application/json", b"{".to_vec()),
        || Reply::Whole(200, "text/html", b"<html>".to_vec()),
        || Reply::json(200, &serde_json::json!({ "id": 7 })),
        || Reply::json(200, &serde_json::json!({ "id": "00".repeat(32) })),
        || Reply::Whole(200, "application/json", vec![b'['; 100_000]),
        || Reply::Whole(302, "text/plain", Vec::new()),
    ];
    for reply in garbage {
        let node = serve(move |_| reply());
        let config = ClientConfig {
            attempts: 1,
            ..ClientConfig::default()
        };
        let (client, _) = bench.client_with(&[&node], config);
        assert!(client.post(&bench.event, false).is_err());
        assert!(client.post_batch(&[&bench.event])[0].is_err());
        assert!(client.event(&bench.event.id()).is_err());
        assert!(client.receipt(&bench.event, false).is_err());
        assert!(client.checkpoint().is_err());
    }
}

#[test]
fn what_is_not_http_or_breaks_off_is_no_answer() {
    let bench = bench();
    for bytes in [
        &b"SSH-2.0-x\r\n"[..],
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"id\"",
    ] {
        let node = serve(move |_| Reply::Raw(bytes.to_vec()));
        let (client, context) = bench.client(&[&node]);
        let error = client.post(&bench.event, false).unwrap_err();
        assert!(matches!(error, ClientError::Unreachable(_)), "{error}");
        assert!(context.paused.load(Ordering::SeqCst) > 0);
    }
}

#[test]
fn a_node_that_says_nothing_costs_its_timeout_and_the_next_is_asked() {
    let bench = bench();
    let silent = serve(|_| Reply::Silence);
    let event = bench.event.clone();
    let good = serve(move |_| accepted(&event));
    let config = ClientConfig {
        request_timeout: Duration::from_millis(100),
        ..ClientConfig::default()
    };
    let (client, _) = bench.client_with(&[&silent, &good], config.clone());
    assert_eq!(
        client.post(&bench.event, false).unwrap(),
        Posted::Accepted { rule: None }
    );
    let (client, _) = bench.client_with(
        &[&silent],
        ClientConfig {
            attempts: 2,
            ..config
        },
    );
    let error = client.post(&bench.event, false).unwrap_err();
    assert!(
        matches!(error, ClientError::Unreachable(NoAnswer::Timeout)),
        "{error}"
    );
}

#[test]
fn a_dead_node_is_passed_over_at_once_and_not_asked_first_again() {
    let bench = bench();
    let event = bench.event.clone();
    let asked: Arc<AtomicUsize> = Arc::default();
    let counter = asked.clone();
    let good = serve(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        accepted(&event)
    });
    let (client, context) = bench.client(&[&nobody(), &good]);
    for _ in 0..3 {
        assert_eq!(
            client.post(&bench.event, false).unwrap(),
            Posted::Accepted { rule: None }
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(context.paused.load(Ordering::SeqCst), 0);
}

#[test]
fn a_full_node_is_asked_again_after_the_pause_it_asks_for() {
    let bench = bench();
    let event = bench.event.clone();
    let asked: Arc<AtomicUsize> = Arc::default();
    let counter = asked.clone();
    let node = serve(move |_| match counter.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::With(
            429,
            "retry-after: 7".into(),
            "application/problem+json",
            b"{\"code\":\"pool-full\"}".to_vec(),
        ),
        1 => Reply::problem(503, "busy"),
        _ => accepted(&event),
    });
    let (client, context) = bench.client(&[&node]);
    assert_eq!(
        client.post(&bench.event, false).unwrap(),
        Posted::Accepted { rule: None }
    );
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert!(context.paused.load(Ordering::SeqCst) >= 7_000);
}

#[test]
fn attempts_are_bounded_and_a_refusal_is_not_repeated() {
    let bench = bench();
    for (status, code, attempts) in [
        (503, "busy", 8),
        (409, "rule-broken", 1),
        (400, "malformed", 1),
    ] {
        let asked: Arc<AtomicUsize> = Arc::default();
        let counter = asked.clone();
        let node = serve(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Reply::problem(status, code)
        });
        let (client, _) = bench.client(&[&node]);
        let error = client.post(&bench.event, false).unwrap_err();
        assert!(error.has_code(code), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), attempts);
    }
}

#[test]
fn a_batch_has_one_result_for_each_event_in_its_order() {
    let bench = bench();
    let events = vec![bench.event.clone(); 300];
    let id = bench.event.id().to_string();
    let posts: Arc<Mutex<Vec<usize>>> = Arc::default();
    let kept = posts.clone();
    let length = bench.event.encoded().len();
    let node = serve(move |request| {
        assert_eq!(request.path, "/v1/events/batch");
        let count = request.body.len() / length;
        kept.lock().unwrap().push(count);
        let problem =
            serde_json::json!({ "problem": { "status": 409, "code": "rule-broken", "rule": "x" } });
        let mut results = vec![serde_json::json!({ "id": id, "status": "pooled" }); count - 1];
        results.push(problem);
        Reply::json(202, &serde_json::json!({ "results": results }))
    });
    let (client, _) = bench.client(&[&node]);
    let results = client.post_batch(&events.iter().collect::<Vec<_>>());
    assert_eq!(*posts.lock().unwrap(), [256, 44]);
    let refused: Vec<usize> = (0..300).filter(|place| results[*place].is_err()).collect();
    assert_eq!(refused, [255, 299]);
}

#[test]
fn a_batch_answer_of_another_length_is_refused() {
    let bench = bench();
    let node = serve(|_| Reply::json(202, &serde_json::json!({ "results": [] })));
    let (client, _) = bench.client(&[&node]);
    let error = client.post_batch(&[&bench.event]).remove(0).unwrap_err();
    assert!(matches!(error, ClientError::Nonsense(_)), "{error}");
}

#[test]
fn an_event_is_believed_by_its_hash_only() {
    let bench = bench();
    let bytes = bench.event.encoded().to_vec();
    let node = serve(move |_| Reply::Whole(200, "application/cose", bytes.clone()));
    let (client, _) = bench.client(&[&node]);
    assert_eq!(client.event(&bench.event.id()).unwrap(), bench.event);
    let other = EventId::new([7; 32]);
    assert!(matches!(
        client.event(&other).unwrap_err(),
        ClientError::Nonsense(_)
    ));
}

#[test]
fn no_node_and_no_address_are_said_at_once() {
    let bench = bench();
    let policy = bench.network.genesis.policy().clone();
    let none = Client::new(Vec::<String>::new(), policy).err().unwrap();
    assert!(matches!(none, ClientError::NoNode));
    let (client, _) = bench.client(&["not an address"]);
    let error = client.post(&bench.event, false).unwrap_err();
    assert!(
        matches!(error, ClientError::Unreachable(NoAnswer::Address)),
        "{error}"
    );
}

#[test]
fn a_waiting_event_is_pending_with_the_rule_it_waits_for() {
    let bench = bench();
    let id = bench.event.id().to_string();
    let node = serve(move |_| {
        let value = serde_json::json!({ "id": id, "status": "waiting", "rule": "unit.unknown" });
        Reply::json(202, &value)
    });
    let (client, _) = bench.client(&[&node]);
    let wanted = Some("unit.unknown".to_owned());
    let posted = client.post(&bench.event, true).unwrap();
    assert_eq!(
        posted,
        Posted::Accepted {
            rule: wanted.clone()
        }
    );
    for error in [
        client.receipt(&bench.event, true).unwrap_err(),
        client.event(&bench.event.id()).unwrap_err(),
    ] {
        assert!(matches!(error, ClientError::Pending { rule } if rule == wanted));
    }
}

#[test]
fn a_state_value_is_read_and_its_absence_too() {
    let bench = bench();
    let record = medanchor_ledger::RecordHandle::new([1; 16]);
    let key = rules::Record::key(bench.event.issuer(), &record);
    for (value, good) in [("null", true), ("\"00\"", false), ("7", false)] {
        let body = format!(r#"{{"height":1,"value":{value}}}"#);
        let node = serve(move |_| Reply::Whole(200, "application/json", body.clone().into()));
        let (client, _) = bench.client(&[&node]);
        assert_eq!(client.unproven_state::<rules::Record>(&key).is_ok(), good);
    }
}

#[test]
fn a_node_that_gives_false_receipts_is_passed_over() {
    let mut bench = bench();
    let receipt = bench.network.append(bench.event.encoded());
    let forged = bench.network.receipt(1, 2);
    let liar = serve(move |_| Reply::Whole(200, "text/plain", forged.clone()));
    let honest = serve(move |_| Reply::Whole(200, "text/plain", receipt.clone()));
    let (client, _) = bench.client(&[&liar, &honest]);
    assert!(client.receipt(&bench.event, false).is_ok());
    let (client, _) = bench.client(&[&liar, &honest]);
    assert!(client.post(&bench.event, true).is_ok());
}

#[test]
fn a_batch_that_breaks_off_says_so_of_the_rest_only() {
    let bench = bench();
    let id = bench.event.id().to_string();
    let posts: Arc<AtomicUsize> = Arc::default();
    let node = serve(move |_| match posts.fetch_add(1, Ordering::SeqCst) {
        0 => {
            let results = vec![serde_json::json!({ "id": id, "status": "pooled" }); 256];
            Reply::json(202, &serde_json::json!({ "results": results }))
        }
        _ => Reply::problem(403, "unknown-signer"),
    });
    let (client, _) = bench.client(&[&node]);
    let events = vec![&bench.event; 300];
    let results = client.post_batch(&events);
    assert_eq!(results.len(), 300);
    assert!(results[..256].iter().all(Result::is_ok));
    assert!(results[256..].iter().all(Result::is_err));
}

fn vector(name: &str) -> Vec<u8> {
    let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let digits = std::fs::read_to_string(vectors.join(name)).unwrap();
    hex::decode(digits.split_whitespace().collect::<String>()).unwrap()
}

/// A client that believes the policy of the vectors, and a node that always gives one document.
fn asked_for(document: &str) -> Client {
    let (folder, _) = document.split_once('/').unwrap();
    let policy = vector(&format!("{folder}/policy.hex"));
    let document = vector(document);
    let node = serve(move |_| Reply::Whole(200, "application/cbor", document.clone()));
    Client::new([node], Policy::parse(&policy).unwrap()).unwrap()
}

#[test]
fn a_proof_is_returned_only_if_it_holds_and_is_about_what_was_asked_for() {
    use medanchor_ledger::document::{AccessReceipt, StateDocument};
    use medanchor_ledger::{Height, Tag};
    let good = StateDocument::decode(&vector("state-proof/good-value.hex")).unwrap();
    let state = |name: &str, height| asked_for(name).state(&good.key, height);
    let proved = state("state-proof/good-value.hex", Some(Height(1))).unwrap();
    assert_eq!(proved.proved().height, Height(1));
    for (name, height) in [
        ("state-proof/good-value.hex", Some(Height(2))),
        ("state-proof/good-absent.hex", None),
        ("state-proof/wrong-another-network.hex", None),
        ("state-proof/rejected-trailing-byte.hex", None),
    ] {
        let refused = state(name, height).unwrap_err();
        assert!(
            matches!(refused, ClientError::FalseReceipt(_)),
            "{name}: {refused}"
        );
    }
    let (owner, tag) = ("north-hospital".parse().unwrap(), Tag::new([1; 16]));
    let history = |name: &str| asked_for(name).history(&owner, &tag);
    assert_eq!(
        history("history/good-six-events.hex")
            .unwrap()
            .links()
            .len(),
        6
    );
    let refused = history("history/wrong-one-missing.hex").unwrap_err();
    assert!(matches!(refused, ClientError::FalseReceipt(_)), "{refused}");
    let receipt = AccessReceipt::decode(&vector("access-receipt/good-permitted.hex")).unwrap();
    let access = |name: &str| asked_for(name).access_receipt(&receipt.event.id(), false);
    access("access-receipt/good-permitted.hex").unwrap();
    for name in ["good-denied-grantee", "wrong-no-decision"] {
        let refused = access(&format!("access-receipt/{name}.hex")).unwrap_err();
        assert!(
            matches!(refused, ClientError::FalseReceipt(_)),
            "{name}: {refused}"
        );
    }
}

#[test]
fn an_access_receipt_that_is_not_there_yet_is_pending() {
    let bench = bench();
    let event = bench.event.clone();
    let node = serve(move |_| accepted(&event));
    let (client, _) = bench.client(&[&node]);
    let asked = client.access_receipt(&bench.event.id(), true);
    assert!(matches!(asked, Err(ClientError::Pending { rule: None })));
}

/// A node that serves what a test made, by path.
fn serving(answers: Vec<(String, &'static str, Vec<u8>)>) -> String {
    serve(move |request| {
        let found = answers.iter().find(|(path, ..)| *path == request.path);
        found.map_or_else(
            || Reply::problem(404, "not-found"),
            |(_, kind, body)| Reply::Whole(200, kind, body.clone()),
        )
    })
}

#[test]
fn a_client_of_walked_policies_takes_the_same_receipts_and_fetches_the_chain() {
    use medanchor_ledger::policy::PolicyChain;
    let mut bench = bench();
    let receipt = bench.network.append(bench.event.encoded());
    let (genesis, other) = (&bench.network.genesis, self::bench().network.genesis);
    let chain = |genesis| PolicyChain::of_genesis(genesis).encode();
    let node = |chain| {
        let path = format!("/v1/events/{}/receipt", bench.event.id());
        serving(vec![
            (path, "text/plain", receipt.clone()),
            ("/policy-chain".into(), "application/cbor", chain),
        ])
    };
    let known = crate::walk_policies(genesis.encoded(), None).unwrap();
    let client = Client::new([node(chain(genesis))], known.clone()).unwrap();
    let anchored = client.receipt(&bench.event, false).unwrap();
    assert_eq!(anchored.id(), bench.event.id());
    assert_eq!(client.policies(genesis.encoded()).unwrap(), known);
    let refused = client.policies(b"none").unwrap_err();
    assert!(matches!(refused, ClientError::Genesis(_)), "{refused}");
    for false_chain in [chain(&other), b"none".to_vec()] {
        let client = Client::new([node(false_chain)], known.clone()).unwrap();
        let refused = client.policies(genesis.encoded()).unwrap_err();
        assert!(matches!(refused, ClientError::FalseChain(_)), "{refused}");
    }
    let theirs = crate::walk_policies(other.encoded(), None).unwrap();
    let client = Client::new([node(chain(genesis))], theirs).unwrap();
    let refused = client.receipt(&bench.event, false).unwrap_err();
    assert!(matches!(refused, ClientError::FalseReceipt(_)), "{refused}");
}

#[test]
fn a_statement_is_returned_only_if_a_quorum_of_cose_keys_signed_it_and_it_is_the_events() {
    let mut bench = bench();
    let index = bench.network.push(bench.event.encoded());
    let path = format!("/v1/events/{}/receipt", bench.event.id());
    let asked = |event: &Event, signatures| {
        let statement = bench.network.statement(event, index, signatures);
        let kind = "application/scitt-statement+cose";
        let node = serving(vec![(path.clone(), kind, statement)]);
        let policies = crate::walk_policies(bench.network.genesis.encoded(), None).unwrap();
        let client = Client::new([node], policies).unwrap();
        client.statement(&bench.event, false)
    };
    let good = asked(&bench.event, 3).unwrap();
    assert_eq!(
        (good.event(), good.quorum().validators().len()),
        (&bench.event, 3)
    );
    let too_few = asked(&bench.event, 2).unwrap_err();
    assert!(matches!(too_few, ClientError::FalseProof(_)), "{too_few}");
    let (client, _) = bench.client(&[&nobody()]);
    let refused = client.statement(&bench.event, false).unwrap_err();
    assert!(matches!(refused, ClientError::NoCoseKeys), "{refused}");
}

#[test]
fn a_statement_of_another_event_is_refused() {
    let mut bench = bench();
    let other = self::bench().event;
    let index = bench.network.push(other.encoded());
    let path = format!("/v1/events/{}/receipt", bench.event.id());
    let statement = bench.network.statement(&other, index, 3);
    let node = serving(vec![(path, "application/scitt-statement+cose", statement)]);
    let policies = crate::walk_policies(bench.network.genesis.encoded(), None).unwrap();
    let client = Client::new([node], policies).unwrap();
    let refused = client.statement(&bench.event, false).unwrap_err();
    assert!(matches!(refused, ClientError::Nonsense(_)), "{refused}");
}

#[test]
fn growth_is_proved_from_the_checkpoint_that_is_held_and_no_other() {
    let mut bench = bench();
    bench.network.push(b"one");
    let held = bench.network.checkpoint(3).to_string();
    let mut fork = bench.network.fork(1);
    let unsigned = bench.network.checkpoint(2).to_string();
    (0..3).for_each(|_| {
        bench.network.push(b"more");
    });
    let receipt = bench.network.consistency(Size(2));
    (0..4).for_each(|_| {
        fork.push(b"other");
    });
    let forked = fork.consistency(Size(2));
    let path = "/v1/consistency?from=2".to_owned();
    let client = |receipt: &str, trust: Trust| {
        let answer = (path.clone(), "text/plain", receipt.as_bytes().to_vec());
        Client::new([serving(vec![answer])], trust).unwrap()
    };
    let genesis = &bench.network.genesis;
    let walked = || Trust::from(crate::walk_policies(genesis.encoded(), None).unwrap());
    for trust in [walked(), genesis.policy().clone().into()] {
        let newest = client(&receipt, trust)
            .consistency(held.as_bytes())
            .unwrap();
        assert_eq!(newest.checkpoint().size, Size(5));
    }
    let refused = client(&forked, walked()).consistency(held.as_bytes());
    assert!(
        matches!(refused, Err(ClientError::FalseProof(_))),
        "{refused:?}"
    );
    for held in [unsigned.as_bytes(), b"none"] {
        let refused = client(&receipt, walked()).consistency(held);
        assert!(matches!(refused, Err(ClientError::Held(_))), "{refused:?}");
    }
}

/// It could hold its caller for a million requests, with one link in each answer.
#[test]
fn a_node_that_hands_out_a_history_link_by_link_is_passed_over_at_its_first_page() {
    use medanchor_ledger::document::HistoryPage;
    use medanchor_ledger::{ParticipantName, Tag};
    let whole = vector("history/good-six-events.hex");
    let page = HistoryPage::decode(&whole).unwrap();
    let good = serve(move |_| Reply::Whole(200, "application/cbor", whole.clone()));
    let (owner, tag): (ParticipantName, _) = (page.owner.clone(), Tag::new([1; 16]));
    let policy = Policy::parse(&vector("history/policy.hex")).unwrap();
    for links in [1, 6] {
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, page) = (asked.clone(), page.clone());
        let drips = serve(move |_| {
            let before = counted.fetch_add(1, Ordering::SeqCst);
            let part = HistoryPage {
                first: (before * links) as u64,
                links: page.links[..links].to_vec(),
                state: None,
                ..page.clone()
            };
            match before < 5 {
                true => Reply::Whole(200, "application/cbor", part.encode()),
                false => Reply::Whole(200, "application/cbor", Vec::new()),
            }
        });
        let alone = Client::new([&drips], policy.clone()).unwrap();
        let refused = alone.history(&owner, &tag).unwrap_err();
        assert!(matches!(refused, ClientError::Nonsense(_)), "{refused}");
        assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
        let client = Client::new([&drips, &good], policy.clone()).unwrap();
        assert_eq!(client.history(&owner, &tag).unwrap().links().len(), 6);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

/// One node lags and one is fresh: whichever is asked first, what comes is fresh; and if none is, the newest.
#[test]
fn a_stale_proof_is_asked_again_at_another_node() {
    use medanchor_ledger::document::StateDocument;
    let documents = [
        "good-absent-before-it-came",
        "good-value-at-the-last-height",
    ]
    .map(|name| vector(&format!("state-proof/{name}.hex")));
    let key = StateDocument::decode(&documents[0]).unwrap().key;
    let times = [&documents[0], &documents[1]]
        .map(|bytes| StateDocument::decode(bytes).unwrap().seal.seal.time);
    assert!(times[0] < times[1]);
    let [stale, fresh] =
        documents.map(|bytes| serve(move |_| Reply::Whole(200, "application/cbor", bytes.clone())));
    let policy = Policy::parse(&vector("state-proof/policy.hex")).unwrap();
    for nodes in [[&stale, &fresh], [&fresh, &stale]] {
        for (now, age) in [(times[1].0, 0), (times[1].0 + 1_000, 10)] {
            let context = Arc::new(Fixed::at(now));
            let config = ClientConfig::default();
            let client = Client::with(nodes.map(String::as_str), policy.clone(), config, context);
            let found = client.unwrap().state_within(&key, age).unwrap();
            assert_eq!(found.proved().time, times[1], "age {age}");
        }
    }
}
