//! The list of a patient for whom the institution has used more than one key.

use crate::access_list::{Gap, GapOf, GapReason};
use crate::anchor::Sdk;
use crate::client::{Client, ClientConfig};
use crate::context::fixed::Fixed;
use crate::identity::Identity;
use crate::patient::{Known, PatientHistory};
use crate::subject::{Subject, SubjectKeys};
use crate::testing::node::{Reply, Seen, serve};
use crate::testing::{Network, Stated, name, network_with};
use medanchor_ledger::document::HistoryPage;
use medanchor_ledger::event::EventKind;
use medanchor_ledger::rules::tag::{TagIndex, TagLink};
use medanchor_ledger::rules::{Anchored, Role, StateValue};
use medanchor_ledger::{EventId, Index, Tag, Time};
use medanchor_vault::Epoch;
use medanchor_vault::secret::{SubjectKey, TagKey};
use std::sync::Arc;

const NOW: u64 = 1_767_225_600_000;
const PATIENT: &str = "Patient/1";

struct Stage {
    root: tempfile::TempDir,
    network: Network,
}

/// An event under a tag, and when.
type Used<'a> = (&'a SubjectKey, Epoch);

fn this_quarter() -> Epoch {
    Epoch::of(Time(NOW))
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let network = network_with(root.path(), &[("north", Role::Hospital)]);
        Self { root, network }
    }

    fn identity(&self) -> Identity {
        let context = Arc::new(Fixed::at(NOW));
        Identity::open_with(&self.root.path().join("north"), context).unwrap()
    }

    /// The key on the patient's first, second... card.
    fn card(&self, number: u8) -> crate::subject::BroughtKey {
        let network = self.network.genesis.network_id();
        Subject::new(network, TagKey::new([number; 32])).key_for(&name("north"))
    }

    fn ledger(&self, time: u64, used: &[Used<'_>]) -> Stated {
        let link = TagLink {
            anchored: Anchored {
                event: EventId::new([1; 32]),
                index: Index(1),
            },
            time: Time(time),
            kind: EventKind::RecordCustody,
            outcome: 0,
        };
        let values = used.iter().map(|(key, epoch)| {
            let key = TagIndex::key(&name("north"), &key.tag(*epoch));
            (key, TagIndex::EMPTY.after(&link).encode())
        });
        Stated::new(self.network.fork(1), (1, time), values.collect())
    }

    /// The list of the last two quarters by the key that `by` picks.
    fn listed(&self, node: &str, by: impl FnOnce(&Identity) -> SubjectKeys) -> PatientHistory {
        let identity = self.identity();
        let keys = by(&identity);
        let (policy, context) = (identity.policy().clone(), Arc::new(Fixed::at(NOW)));
        let client = Client::with([node], policy, ClientConfig::default(), context).unwrap();
        let sdk = Sdk::with_client(identity, client);
        let none = |_: &SubjectKey, _: &[Epoch]| Known::default();
        sdk.patient_history(PATIENT, &keys, Some(2), none).unwrap()
    }
}

fn newest(identity: &Identity) -> SubjectKeys {
    identity.subject_keys(PATIENT).unwrap()
}

/// A history without events, which is all that is asked for whole here.
fn history(ledger: &Stated, request: &Seen) -> Option<Reply> {
    let path = request.path.split('?').next()?;
    let tag = path.strip_prefix("/v1/tags/north/")?;
    let tag: Tag = tag.strip_suffix("/history")?.parse().ok()?;
    let page = HistoryPage {
        owner: name("north"),
        tag,
        first: 0,
        links: Vec::new(),
        state: Some(ledger.document(TagIndex::key(&name("north"), &tag))),
    };
    Some(Reply::Whole(200, "application/cbor", page.encode()))
}

/// A node that gives histories from the one and values from the other.
fn node(histories: Stated, values: Option<Stated>) -> String {
    serve(move |request| {
        let shown = history(&histories, request);
        let value = || (values.as_ref().unwrap_or(&histories)).answer(request);
        (shown.or_else(value)).unwrap_or_else(|| Reply::problem(404, "not-found"))
    })
}

fn under_other_keys(list: &PatientHistory) -> Vec<&Gap> {
    let gaps = list.list.gaps.iter();
    gaps.filter(|gap| gap.why == GapReason::EarlierKey)
        .collect()
}

fn of(first: Epoch, last: Epoch) -> Option<GapOf> {
    Some(GapOf::Quarters { first, last })
}

/// A card was lost and replaced, and the patient had come without one before that. Records were sealed under
/// each key in turn, and the list by the newest one claimed to be whole.
#[test]
fn what_stands_under_another_key_of_the_patient_is_a_gap() {
    let (stage, now) = (Stage::new(), this_quarter());
    let before = Epoch(now.0 - 1);
    let (first, second) = (stage.card(1), stage.card(2));
    let identity = stage.identity();
    identity.take_subject_key(PATIENT, &first).unwrap();
    identity.take_subject_key(PATIENT, &second).unwrap();
    let held = identity.held_subject_keys(PATIENT).key;
    drop(identity);

    let whole = stage.listed(&node(stage.ledger(NOW, &[]), None), newest);
    assert!(
        under_other_keys(&whole).is_empty(),
        "nothing is under the others"
    );

    for (used, gap) in [
        (vec![(first.key(), now)], of(now, now)),
        (vec![(&held, before)], of(before, before)),
        (vec![(&held, before), (first.key(), now)], of(before, now)),
    ] {
        let list = stage.listed(&node(stage.ledger(NOW, &used), None), newest);
        let gaps = under_other_keys(&list);
        assert_eq!(gaps.iter().map(|gap| &gap.of).collect::<Vec<_>>(), [&gap]);
        assert!(!list.is_whole());
    }
    // The list by the key of before has a gap for what came after, and none for its own.
    let held_list = |used: &[Used<'_>]| {
        let node = node(stage.ledger(NOW, used), None);
        let list = stage.listed(&node, |identity| identity.held_subject_keys(PATIENT));
        under_other_keys(&list).len()
    };
    assert_eq!((held_list(&[(second.key(), now)]), held_list(&[])), (1, 0));
}

#[test]
fn every_form_of_the_list_names_what_is_under_another_key() {
    let stage = Stage::new();
    let brought = stage.card(1);
    let identity = stage.identity();
    identity.take_subject_key(PATIENT, &brought).unwrap();
    let held = identity.held_subject_keys(PATIENT).key;
    drop(identity);
    let ledger = stage.ledger(NOW, &[(&held, this_quarter())]);
    let list = stage.listed(&node(ledger, None), newest);
    let ehds = serde_json::json!(list.list.to_ehds()).to_string();
    let (json, balp) = (
        list.to_json().to_string(),
        list.list.to_bundle().to_string(),
    );
    for form in [&list.to_text(), &json, &balp, &ehds] {
        let said = GapReason::EarlierKey.to_string();
        assert!(
            form.contains(&said) && form.contains(GapReason::EarlierKey.zh()),
            "{form}"
        );
    }
    for form in [&json, &ehds] {
        assert!(form.contains("earlier-key"), "{form}");
    }
}

/// A node that shows the state from before, or none, proves nothing.
#[test]
fn what_no_node_proves_to_be_bare_is_a_gap() {
    let (stage, now) = (Stage::new(), this_quarter());
    let identity = stage.identity();
    identity.take_subject_key(PATIENT, &stage.card(1)).unwrap();
    drop(identity);
    let earlier = stage.ledger(NOW - 1, &[]);
    let behind = node(stage.ledger(NOW, &[]), Some(earlier));
    let ledger = stage.ledger(NOW, &[]);
    let silent = serve(move |request| {
        let shown = history(&ledger, request);
        shown.unwrap_or_else(|| Reply::problem(503, "storage"))
    });
    for node in [behind, silent] {
        let list = stage.listed(&node, newest);
        let gaps = under_other_keys(&list);
        let quarters = of(Epoch(now.0 - 1), now);
        assert_eq!(
            gaps.iter().map(|gap| &gap.of).collect::<Vec<_>>(),
            [&quarters]
        );
    }
}
