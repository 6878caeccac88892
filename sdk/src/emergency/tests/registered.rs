//! How often the ledger is asked whether it has the journal of the emergency key.

use super::super::journal::Lost;
use super::*;
use crate::anchor::Sdk;
use crate::client::{Client, ClientConfig};
use crate::context::fixed::Fixed;
use crate::testing::node::{Reply, Seen, serve};
use crate::testing::{Network, Stated};
use medanchor_ledger::event::{Event, EventKind, JournalKeyKind};
use medanchor_ledger::rules::{Anchored, CustodianEpoch, EarlierKinds, EmergencyHead, StateValue};
use medanchor_ledger::{EventId, ParticipantName};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOW: u64 = 1_767_225_600_000;

/// A node that refuses every event until it is told otherwise, and then anchors one.
struct Node {
    network: Network,
    identity: ParticipantName,
    refuses: bool,
    anchored: Option<(EventId, Vec<u8>)>,
    asked: usize,
    posted: Vec<EventKind>,
}

impl Node {
    fn answer(&mut self, request: &Seen) -> Reply {
        self.asked += 1;
        if request.method == "POST" {
            return self.post(&request.body);
        }
        let stated = self.stated().answer(request);
        stated.unwrap_or_else(|| match &self.anchored {
            Some((id, receipt)) if request.path.contains(&id.to_string()) => {
                Reply::Whole(200, "text/plain", receipt.clone())
            }
            _ => Reply::problem(404, "not-found"),
        })
    }

    fn post(&mut self, bytes: &[u8]) -> Reply {
        self.posted.push(Event::decode(bytes).unwrap().kind());
        if self.refuses {
            let rule = serde_json::json!({ "status": 409, "code": "rule-broken", "rule": "any" });
            return Reply::json(409, &rule);
        }
        let id = Event::decode(bytes).unwrap().id();
        self.anchored = Some((id, self.network.append(bytes)));
        let pooled = serde_json::json!({ "id": id.to_string(), "status": "pooled" });
        Reply::json(202, &pooled)
    }

    fn stated(&self) -> Stated {
        let mut values = vec![(CustodianEpoch::key(), CustodianEpoch(1).encode())];
        if let Some((event, _)) = &self.anchored {
            let head = EmergencyHead {
                newest: Anchored {
                    event: *event,
                    index: medanchor_ledger::Index(1),
                },
                counter: 0,
                head: JournalHead::EMPTY,
                key_kind: JournalKeyKind::File,
                since: Time(NOW),
                stated: Time(NOW),
                lost: None,
                earlier: EarlierKinds::default(),
            };
            values.push((EmergencyHead::key(&self.identity), head.encode()));
        }
        Stated::new(self.network.fork(1), (1, NOW), values)
    }
}

/// A hospital with an emergency key, at a node that refuses.
fn at_a_node(root: &Path) -> (Sdk, Arc<Mutex<Node>>) {
    drop(hospital(root));
    let network = network_with(root, &[("north-hospital", Role::Hospital)]);
    let context = Arc::new(Fixed::at(NOW));
    let identity = Identity::open_with(&root.join("north-hospital"), context.clone()).unwrap();
    let node = Arc::new(Mutex::new(Node {
        network,
        identity: identity.participant().clone(),
        refuses: true,
        anchored: None,
        asked: 0,
        posted: Vec::new(),
    }));
    let shared = node.clone();
    let address = serve(move |request| shared.lock().unwrap().answer(request));
    let policy = identity.policy().clone();
    let client = Client::with([address], policy, ClientConfig::default(), context);
    (Sdk::with_client(identity, client.unwrap()), node)
}

#[test]
fn the_ledger_is_asked_for_the_journal_until_it_has_it_and_then_no_more() {
    let root = tempfile::tempdir().unwrap();
    let (sdk, node) = at_a_node(root.path());

    let refused = sdk.register_emergency_journal();
    assert!(
        matches!(refused, Err(EmergencyError::Anchor(_))),
        "{refused:?}"
    );
    node.lock().unwrap().refuses = false;
    sdk.register_emergency_journal().unwrap();
    assert!(node.lock().unwrap().anchored.is_some());
    let asked = node.lock().unwrap().asked;
    sdk.register_emergency_journal().unwrap();
    assert_eq!(node.lock().unwrap().asked, asked);
}

/// A statement that waited in a pool behind one that was refused would be taken later, behind anything.
#[test]
fn nothing_is_posted_behind_lost_entries_that_the_ledger_refuses() {
    let root = tempfile::tempdir().unwrap();
    let (sdk, node) = at_a_node(root.path());
    node.lock().unwrap().refuses = false;
    sdk.register_emergency_journal().unwrap();
    let mut journal = sdk.open_journal().unwrap();
    let lost = Lost {
        first: 1,
        standing: JournalStanding {
            counter: 2,
            head: JournalHead::new([9; 32]),
        },
    };
    let sign = |bytes: &[u8]| sdk.sign_bytes(bytes);
    journal.append(Step::Lost(lost), sign).unwrap();
    drop(journal);
    sdk.journal_emergency(&new(), None).unwrap();
    node.lock().unwrap().refuses = true;
    node.lock().unwrap().posted.clear();
    let refused = sdk.anchor_emergency(Duration::MAX);
    assert!(matches!(refused, Err(EmergencyError::Anchor(_))));
    let posted = node.lock().unwrap().posted.clone();
    assert!(!posted.is_empty());
    assert!(
        posted
            .iter()
            .all(|kind| *kind == EventKind::EmergencyJournal)
    );
}
