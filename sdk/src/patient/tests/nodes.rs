//! The list as it is fetched from nodes, of which one lies, lags or hides: every proof is made here, under
//! checkpoints of a quorum.

use super::*;
use crate::client::{Client, ClientConfig};
use crate::context::fixed::Fixed;
use crate::testing::Network;
use crate::testing::node::{Reply, Seen, nobody, serve};
use medanchor_ledger::document::{HistoryPage, SealProof, StateClaim, StateDocument};
use medanchor_ledger::event::EmergencyJournal;
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::rules::tag::TagIndex;
use medanchor_ledger::rules::{EarlierKinds, EmergencyHead, StateValue};
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::{StateKey, StateMap};
use medanchor_ledger::{PolicyHash, Round};
use std::sync::Arc;
use std::sync::atomic::Ordering;

mod slow;

const BEFORE: Epoch = Epoch(QUARTER.0 - 5);
const MINUTE: u64 = 60_000;
/// How long before its not-after an event is anchored here.
const AHEAD: u64 = 10 * MINUTE;

/// A ledger in this process: what stands in it is proved by the seal of its last block.
struct Ledger {
    network: Network,
    entries: Vec<Vec<u8>>,
    events: Vec<(EventId, usize)>,
    map: StateMap,
    tags: BTreeMap<Tag, (TagIndex, Vec<TagLink>)>,
    seal: Option<Seal>,
}

impl Ledger {
    fn new() -> Self {
        Self {
            network: Network::of(&[]),
            entries: vec![b"seal".to_vec()],
            events: Vec::new(),
            map: StateMap::empty(),
            tags: BTreeMap::new(),
            seal: None,
        }
    }

    /// As it stands now, for a node that stays there.
    fn frozen(&self) -> Arc<Self> {
        Arc::new(Self {
            network: self.network.fork(self.entries.len()),
            entries: self.entries.clone(),
            events: self.events.clone(),
            map: self.map.clone(),
            tags: self.tags.clone(),
            seal: self.seal.clone(),
        })
    }

    /// An event of `by` in a block of its own at this time, under the tag of a quarter.
    fn block(
        &mut self,
        time: u64,
        by: &str,
        under: Option<Epoch>,
        body: impl Into<EventBody>,
    ) -> EventId {
        let event = UnsignedEvent {
            issuer: name(by),
            network: NetworkId::new([1; 16]),
            nonce: Nonce::new([u8::try_from(self.entries.len()).unwrap(); 16]),
            not_after: Time(time + AHEAD),
            body: body.into(),
        };
        let event = event.sign(&SigningKey::from_seed(&[3; 32])).unwrap();
        let index = self.push(event.encoded());
        self.events.push((event.id(), index));
        if let Some(under) = under {
            self.link(&event, Index(index as u64), Time(time), under);
        }
        self.close(Time(time), 1);
        event.id()
    }

    fn push(&mut self, entry: &[u8]) -> usize {
        self.entries.push(entry.to_vec());
        self.network.push(entry)
    }

    fn link(&mut self, event: &Event, index: Index, time: Time, under: Epoch) {
        let tag = subject().tag(under);
        let anchored = Anchored {
            event: event.id(),
            index,
        };
        let link = TagLink {
            anchored,
            time,
            kind: event.kind(),
            outcome: 0,
        };
        let (at, links) = self
            .tags
            .entry(tag)
            .or_insert((TagIndex::EMPTY, Vec::new()));
        *at = at.after(&link);
        links.push(link);
        let key = TagIndex::key(&name("hospital"), &tag);
        let value = at.encode();
        self.put(&key, value);
    }

    fn put(&mut self, key: &StateKey, value: Vec<u8>) {
        let changes = [(key.path(), Some(value))].into();
        let update = self.map.update(&changes).unwrap();
        self.map.apply(&update).unwrap();
    }

    fn close(&mut self, time: Time, count: u64) {
        let seal = Seal {
            height: Height(self.entries.len() as u64),
            round: Round(0),
            proposer: Some(name("validator-0")),
            time,
            first: Index(self.entries.len() as u64 - count),
            count,
            log_root: TreeHash::new([1; 32]),
            previous: TreeHash::new([2; 32]),
            state_root: self.map.root(),
            rules_version: 1,
            policy: PolicyHash::new([4; 32]),
            next_policy: PolicyHash::new([4; 32]),
        };
        self.push(&seal.encode());
        self.seal = Some(seal);
    }

    /// A block in which nothing happens.
    fn beat(&mut self, time: u64) {
        self.close(Time(time), 0);
    }

    /// The hospital states its journal, which has this many entries.
    fn state(&mut self, time: u64, counter: u64) {
        let (head, key_kind) = (JournalHead::new([9; 32]), JournalKeyKind::File);
        let said = EmergencyJournal {
            counter,
            head,
            key_kind,
            lost: 0,
        };
        let index = Index(self.entries.len() as u64);
        let since = self.journal().map_or(Time(time), |journal| journal.since);
        // The head is in the state of the very block.
        let value = EmergencyHead {
            newest: Anchored {
                event: EventId::new([1; 32]),
                index,
            },
            counter,
            head,
            key_kind,
            since,
            stated: Time(time),
            lost: None,
            earlier: EarlierKinds::default(),
        };
        self.put(&EmergencyHead::key(&name("hospital")), value.encode());
        self.block(time, "hospital", None, said);
    }

    fn journal(&self) -> Option<EmergencyHead> {
        let path = EmergencyHead::key(&name("hospital")).path();
        let value = self.map.value(&path).unwrap()?;
        Some(EmergencyHead::decode(&value).unwrap())
    }

    fn emergency(&mut self, time: u64, claimed: u64, under: Epoch) {
        let opened = AccessEmergency {
            counter: 1,
            record: record(1),
            version: 1,
            claimed: Time(claimed),
            previous: JournalHead::EMPTY,
            commitment: commitment(5),
        };
        self.block(time, "hospital", Some(under), opened);
    }

    fn document(&self, key: StateKey) -> StateDocument {
        let receipt = self.network.receipt(self.entries.len() - 1, 3);
        StateDocument {
            claim: StateClaim::of(&self.map, &key).unwrap(),
            key,
            seal: SealProof {
                seal: self.seal.clone().unwrap(),
                receipt: Receipt::parse(&receipt).unwrap(),
            },
        }
    }

    fn page(&self, tag: Tag) -> HistoryPage {
        let owner = name("hospital");
        let links = self.tags.get(&tag).map(|(_, links)| links.clone());
        HistoryPage {
            first: 0,
            links: links.unwrap_or_default(),
            state: Some(self.document(TagIndex::key(&owner, &tag))),
            owner,
            tag,
        }
    }

    /// What an honest node at this height answers.
    fn answer(&self, request: &Seen) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        let words: Vec<&str> = path.split('/').skip(1).collect();
        let cbor = |bytes| Reply::Whole(200, "application/cbor", bytes);
        let place = |id: &str| {
            let id: EventId = id.parse().unwrap();
            self.events.iter().find(|(event, _)| *event == id)
        };
        match *words {
            ["v1", "tags", _, tag, "history"] => cbor(self.page(tag.parse().unwrap()).encode()),
            ["v1", "state", key, "proof"] => {
                let key = StateKey::new(&hex::decode(key).unwrap()).unwrap();
                cbor(self.document(key).encode())
            }
            ["v1", "events", id] => match place(id) {
                Some((_, index)) => {
                    Reply::Whole(200, "application/cose", self.entries[*index].clone())
                }
                None => Reply::problem(404, "not-found"),
            },
            ["v1", "events", id, "receipt"] => match place(id) {
                Some((_, index)) => {
                    Reply::Whole(200, "text/plain", self.network.receipt(*index, 3))
                }
                None => Reply::problem(404, "not-found"),
            },
            ["checkpoint"] => {
                let note = self.network.checkpoint(3).to_string();
                Reply::Whole(200, "text/plain", note.into_bytes())
            }
            ["tile", "entries", ..] => {
                let entry = |entry: &Vec<u8>| {
                    let length = u16::try_from(entry.len()).unwrap().to_be_bytes();
                    [&length[..], entry].concat()
                };
                let all = self.entries.iter().take(256).flat_map(entry).collect();
                Reply::Whole(200, "application/octet-stream", all)
            }
            _ => Reply::problem(404, "not-found"),
        }
    }
}

fn honest(ledger: &Arc<Ledger>) -> String {
    let ledger = ledger.clone();
    serve(move |request| ledger.answer(request))
}

/// Answers from `shown` what `hides` picks, and everything else from `ledger`.
fn liar(ledger: &Arc<Ledger>, shown: &Arc<Ledger>, hides: &'static str) -> String {
    let (ledger, shown) = (ledger.clone(), shown.clone());
    serve(move |request| match request.path.contains(hides) {
        true => shown.answer(request),
        false => ledger.answer(request),
    })
}

/// The list that these nodes give at `now`, of a network that began five quarters before.
fn listed(ledger: &Arc<Ledger>, nodes: &[&str], now: u64, epochs: &[Epoch]) -> PatientHistory {
    listed_by(ledger, nodes, Arc::new(Fixed::at(now)), epochs)
}

fn listed_by(
    ledger: &Arc<Ledger>,
    nodes: &[&str],
    clock: Arc<Fixed>,
    epochs: &[Epoch],
) -> PatientHistory {
    let policy = ledger.network.genesis.policy().clone();
    let nodes = nodes.iter().copied();
    let client = Client::with(nodes, policy, ClientConfig::default(), clock).unwrap();
    let known = Known::of(&subject(), epochs.iter().copied(), &["laboratory"]);
    let asked = Asked {
        network: NetworkId::new([1; 16]),
        owner: &name("hospital"),
        subject: &subject(),
        approver: None,
        card: None,
        began: BEFORE,
        epochs,
        patient: "Patient/7",
        known: &known,
    };
    client.patient_history(&asked).unwrap()
}

fn all(now: u64) -> Vec<Epoch> {
    all_quarters(BEFORE, Time(now))
}

/// A record that was sealed in custody five quarters ago and is opened in this one.
fn sealed_long_ago() -> (Ledger, u64) {
    let mut ledger = Ledger::new();
    let sealed = BEFORE.begin().0 + HOUR;
    ledger.block(sealed, "hospital", Some(BEFORE), in_custody(BEFORE));
    let opened = start() + HOUR;
    ledger.block(opened, "clinic", Some(BEFORE), break_glass(1));
    (ledger, opened)
}

#[test]
fn an_access_of_today_to_a_record_sealed_five_quarters_ago_is_in_the_list() {
    let (ledger, opened) = sealed_long_ago();
    let ledger = ledger.frozen();
    let (node, now) = (honest(&ledger), opened + 1_000);
    let whole = listed(&ledger, &[&node], now, &all(now));
    assert_eq!((whole.list.entries.len(), whole.is_sound()), (1, true));
    assert!(whole.list.gaps.is_empty() && whole.list.quarters.len() == 6);

    let some = listed(&ledger, &[&node], now, &last_quarters(Time(now), 4));
    assert!(some.list.entries.is_empty() && !some.is_sound());
    let gap = some.list.gaps.first().unwrap();
    assert_eq!(gap.why, GapReason::NotAsked);
    assert_eq!((gap.from, gap.until), (BEFORE.begin(), None));
}

#[test]
fn no_node_hides_the_emergency_journal_by_a_state_from_before_it() {
    let (mut ledger, opened) = sealed_long_ago();
    let before = ledger.frozen();
    ledger.state(opened + HOUR, 0);
    let (ledger, now) = (ledger.frozen(), opened + HOUR + 1_000);
    let (lies, tells) = (liar(&ledger, &before, "/v1/state/"), honest(&ledger));
    let why = |nodes: &[&str]| {
        let list = listed(&ledger, nodes, now, &all(now));
        let why: Vec<_> = list.list.gaps.iter().map(|gap| gap.why).collect();
        (why, list.is_whole())
    };
    assert_eq!(why(&[&lies]), (vec![GapReason::NoJournal], false));
    assert_eq!(why(&[&tells]), (vec![GapReason::KeyFile], true));
    assert_eq!(why(&[&lies, &tells]), (vec![GapReason::KeyFile], true));
}

#[test]
fn a_node_that_lags_is_passed_over_and_where_all_do_the_list_is_old() {
    let (mut ledger, opened) = sealed_long_ago();
    let before = ledger.frozen();
    let now = opened + HOUR;
    ledger.block(now, "clinic", Some(BEFORE), break_glass(2));
    let ledger = ledger.frozen();
    let (lags, fresh) = (honest(&before), honest(&ledger));
    for nodes in [[&lags, &fresh], [&fresh, &lags]] {
        let list = listed(&ledger, &nodes.map(String::as_str), now, &all(now));
        assert_eq!((list.list.entries.len(), list.is_sound()), (2, true));
    }
    let old = listed(&ledger, &[&lags], now, &all(now));
    assert!(old.is_stale() && old.is_whole() && !old.is_sound());
    let warned = "THIS LIST IS OLD: it rests on a block of 3600 seconds ago";
    let (balp, ehds) = (old.list.to_bundle(), serde_json::json!(old.list.to_ehds()));
    assert_eq!(ehds["stale"], true);
    for form in [
        old.to_text(),
        old.to_json().to_string(),
        balp.to_string(),
        ehds.to_string(),
    ] {
        assert!(
            form.contains(warned) && form.contains("本清单已过时"),
            "{form}"
        );
    }
}

/// A list of many quarters does not wait for a dead network once for each of them.
#[test]
fn a_network_that_is_gone_is_waited_for_once() {
    let policy = Ledger::new().network.genesis.policy().clone();
    let (owner, subject, known) = (name("hospital"), subject(), Known::default());
    let waited = |epochs: &[Epoch]| {
        let clock = Arc::new(Fixed::at(start()));
        let (config, nodes) = (ClientConfig::default(), [nobody()]);
        let client = Client::with(nodes, policy.clone(), config, clock.clone()).unwrap();
        let asked = Asked {
            network: NetworkId::new([1; 16]),
            owner: &owner,
            subject: &subject,
            approver: None,
            card: None,
            began: BEFORE,
            epochs,
            patient: "Patient/7",
            known: &known,
        };
        assert!(client.patient_history(&asked).is_err());
        clock.paused.load(Ordering::SeqCst)
    };
    assert_eq!(waited(&all(start())), waited(&[QUARTER]));
}

/// The window begins where the journal was stated last before the opening, whatever the owner claims. A
/// node that hides statements makes it longer.
#[test]
fn the_window_of_an_opening_begins_where_the_ledger_last_heard_of_the_journal() {
    let (mut ledger, _) = sealed_long_ago();
    let day = |n: u64| start() + 24 * HOUR * n;
    (1..=3).for_each(|n| ledger.state(day(n), 0));
    let opened = day(4);
    ledger.emergency(opened, opened - MINUTE, BEFORE);
    let waits = ledger.frozen();
    ledger.state(opened + HOUR, 1);
    ledger.beat(opened + 2 * HOUR);
    let stated = ledger.frozen();
    let window = |ledger: &Arc<Ledger>, node: String, now| {
        let list = listed(ledger, &[&node], now, &all(now));
        let entry = list.list.entries.last().unwrap().clone();
        let gap = list
            .list
            .gaps
            .iter()
            .find(|gap| gap.until.is_some())
            .unwrap();
        assert_eq!((gap.until, entry.time), (Some(Time(opened)), Time(opened)));
        let claimed = Time(opened - MINUTE);
        assert_eq!(
            entry.basis,
            Basis::Emergency {
                since: gap.from,
                claimed
            }
        );
        gap.from
    };
    // While nothing was stated since, the journal itself says when it was; later the statement is found, and
    // its receipt bears it out to within fifteen minutes.
    assert_eq!(window(&waits, honest(&waits), opened), Time(day(3)));
    let now = opened + 2 * HOUR;
    let found = Time(day(3) + AHEAD - 15 * MINUTE);
    assert_eq!(window(&stated, honest(&stated), now), found);
    let hides = liar(&stated, &Ledger::new().frozen(), "/tile/");
    assert_eq!(window(&stated, hides, now), Time(day(1)));
}

/// The delegation stands in a quarter that was not asked for: its history is asked for as well, and a node
/// that shows another one is not believed.
#[test]
fn the_delegation_of_an_earlier_quarter_is_fetched_and_proved() {
    use super::delegated::{ROOT, approved, below, delegation, patient, words};
    let words = words(BEFORE);
    let mut ledger = Ledger::new();
    let given = BEFORE.begin().0 + HOUR;
    ledger.block(given, "hospital", Some(BEFORE), delegation(&words));
    let stands = ledger.frozen();
    let sealed = start() + HOUR;
    ledger.block(sealed, "hospital", Some(QUARTER), in_custody(QUARTER));
    ledger.block(sealed + 1, "hospital", Some(QUARTER), below(Some(ROOT)));
    let mut asked = Chain::new(QUARTER);
    let (_, event) = asked.asked(Decision::Permitted).events.pop().unwrap();
    let body = event.unwrap().body().clone();
    ledger.block(sealed + 2, "clinic", Some(QUARTER), body);
    let (ledger, now) = (ledger.frozen(), sealed + 1_000);
    let mut known = Known::of(&subject(), [QUARTER], &["laboratory"]);
    known.add_delegation_approval(approved(&patient(), &words));
    let delegate = |node: &str, known: &Known| {
        let policy = ledger.network.genesis.policy().clone();
        let clock = Arc::new(Fixed::at(now));
        let client = Client::with([node], policy, ClientConfig::default(), clock).unwrap();
        let list = client.patient_history(&Asked {
            network: NetworkId::new([1; 16]),
            owner: &name("hospital"),
            subject: &subject(),
            approver: Some(patient().approver_at(&name("hospital"))),
            card: None,
            began: BEFORE,
            epochs: &[QUARTER],
            patient: "Patient/7",
            known,
        });
        let list = list.unwrap().list;
        assert_eq!((list.entries.len(), list.quarters.len()), (1, 1));
        list.entries[0]
            .delegate()
            .map(|by| (by.name.clone(), by.since))
    };
    let named = Some(("Li Na".to_owned(), Time(given)));
    assert_eq!(delegate(&honest(&ledger), &known), named);
    assert_eq!(delegate(&honest(&ledger), &Known::default()), None);
    let tag: &'static str = Box::leak(subject().tag(BEFORE).to_string().into_boxed_str());
    let old = liar(&ledger, &stands, tag);
    assert_eq!(
        delegate(&old, &known),
        None,
        "from before a revocation could stand"
    );
}
