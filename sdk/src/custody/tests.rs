//! An owner whose nodes are behind: what it is told is true, and not so any more.

use super::*;
use crate::anchor::Sdk;
use crate::client::{Client, ClientConfig};
use crate::context::fixed::Fixed;
use crate::direct::{AddressBook, Certificate};
use crate::domain::NewRecord;
use crate::identity::Identity;
use crate::testing::node::{Reply, Seen, serve};
use crate::testing::{Network, Stated, name, network_with};
use crate::{NextKeyError, SignedEvent};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_COMPRESSED;
use medanchor_ledger::event::custody::{Custodian, Custodians};
use medanchor_ledger::event::{
    Custody, Destroyed, ErasureReason, EventBody, KemSuite, ReaderKey, SharePoint,
};
use medanchor_ledger::rules::Erased as ErasedState;
use medanchor_ledger::rules::{
    Anchored, CustodianEpoch, CustodianSet, Participant, Record, Role, StateValue,
};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{EventId, Index, TlsKeyHash};
use medanchor_vault::json::{MAX_DEPTH, MAX_DOCUMENT, MAX_LEAVES};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NOW: u64 = 1_767_225_600_000;
const MINUTE: u64 = 60_000;

/// An owner with a record in its vault, which the ledger has in custody.
struct Stage {
    root: tempfile::TempDir,
    network: Network,
    sealed: SignedEvent,
    state: Record,
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let network = network_with(root.path(), &[("north", Role::Hospital)]);
        let identity = Identity::open(&root.path().join("north")).unwrap();
        let new = NewRecord {
            name: "Observation/1",
            version: 1,
            subject: "Patient/1",
            class: "laboratory",
            payload: b"{}",
        };
        let sealed = identity.seal_record(&new).unwrap().event;
        let EventBody::RecordSeal(seal) = sealed.body() else {
            panic!("a seal");
        };
        let point = SharePoint::new(RISTRETTO_BASEPOINT_COMPRESSED.to_bytes());
        let state = Record {
            sealed: anchored(sealed.id()),
            superseded: None,
            version: 1,
            tag: seal.tag,
            class: seal.class,
            custody: Some(Custody::new(1, vec![point; 2]).unwrap()),
            erased: None,
        };
        Self {
            root,
            network,
            sealed,
            state,
        }
    }

    fn record(&self) -> medanchor_ledger::RecordHandle {
        match self.sealed.body() {
            EventBody::RecordSeal(seal) => seal.record,
            _ => panic!("a seal"),
        }
    }

    /// The ledger at a height and time, with that many epochs of custodians.
    fn ledger(&self, at: (u64, u64), state: &Record, epochs: u32) -> Stated {
        let owner = name("north");
        let mut values = vec![
            (Record::key(&owner, &self.record()), state.encode()),
            (CustodianEpoch::key(), CustodianEpoch(epochs).encode()),
        ];
        values.extend((1..=epochs).map(set));
        Stated::new(self.network.fork(1), at, values)
    }

    fn sdk(&self, node: &str) -> Sdk {
        let context = Arc::new(Fixed::at(NOW));
        let folder = self.root.path().join("north");
        let identity = Identity::open_with(&folder, context.clone()).unwrap();
        let policy = identity.policy().clone();
        let client = Client::with([node], policy, ClientConfig::default(), context);
        Sdk::with_client(identity, client.unwrap())
    }

    /// A node that shows this, and the event that sealed the record.
    fn node(&self, ledger: Stated) -> String {
        let sealed = self.sealed.clone();
        serve(move |request| {
            let shown = ledger.answer(request);
            shown.unwrap_or_else(|| event(request, &sealed))
        })
    }

    /// What a move of the record left.
    fn moves(&self, endings: &[&str]) -> Vec<PathBuf> {
        let folder = self.root.path().join("north/resharing");
        std::fs::create_dir_all(&folder).unwrap();
        let file = |ending: &&str| folder.join(format!("{}-{ending}", self.record()));
        let files: Vec<_> = endings.iter().map(file).collect();
        for file in &files {
            std::fs::write(file, b"what was contributed").unwrap();
        }
        files
    }
}

fn event(request: &Seen, known: &SignedEvent) -> Reply {
    match request.path == format!("/v1/events/{}", known.id()) {
        true => Reply::Whole(200, "application/cose", known.encoded().to_vec()),
        false => Reply::problem(404, "not-found"),
    }
}

fn anchored(event: EventId) -> Anchored {
    let index = Index(1);
    Anchored { event, index }
}

/// The custodians of an epoch: two of them, of whom the second is in this one alone.
fn set(epoch: u32) -> (StateKey, Vec<u8>) {
    let custodian = |name: String| Custodian {
        name: name.parse().unwrap(),
        share_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [1; 32],
        },
        tls: TlsKeyHash::new([1; 32]),
    };
    let members = [String::from("archive"), format!("custodian-{epoch}")].map(custodian);
    let set = CustodianSet {
        adopted: anchored(EventId::new([2; 32])),
        custodians: Custodians::new(epoch, 2, members.into()).unwrap(),
    };
    (CustodianSet::key(epoch), set.encode())
}

fn asker() -> (AddressBook, Certificate) {
    let certificate = Certificate::generate(&["127.0.0.1".into()]).unwrap();
    (AddressBook::default(), certificate)
}

/// The only node was behind by more than a minute. It showed the epoch from before a move: the files of the
/// move were removed, though new custodians held shares by them. It hid the newest epoch: its custodians were
/// never asked to destroy their shares, and the ledger was told that too few are left.
#[test]
fn nothing_is_decided_by_what_was_so_a_minute_ago() {
    let stage = Stage::new();
    let files = stage.moves(&["1-2.deals", "1-2.offers"]);
    let node = stage.node(stage.ledger((1, NOW - MINUTE - 1), &stage.state, 1));
    let (sdk, (book, own)) = (stage.sdk(&node), asker());
    let stale = |error: &StandingError| matches!(error, StandingError::Refused(Refused::Stale));

    let moved = sdk.reshare(
        &NewMove {
            record: stage.record(),
            without: &[],
        },
        &book,
        &own,
        &mut |_| {},
    );
    assert!(
        matches!(&moved, Err(MoveError::Standing(error)) if stale(error)),
        "{moved:?}"
    );
    assert!(files.iter().all(|file| file.exists()));

    let erasure = NewErasure {
        record: stage.record(),
        reason: ErasureReason::Order,
    };
    let erased = sdk.erase(&erasure, &book, &own, &mut |_| {});
    assert!(
        matches!(&erased, Err(ErasureError::Standing(error)) if stale(error)),
        "{erased:?}"
    );
    assert!(sdk.vault().open_record(stage.record(), 1).is_ok());

    let circle = sdk.custodians(&book).err();
    assert!(matches!(&circle, Some(CircleError::Standing(error)) if stale(error)));
}

#[test]
fn the_next_key_is_not_taken_by_what_was_so_a_minute_ago() {
    let stage = Stage::new();
    let next = Identity::make_next_key(&stage.root.path().join("north")).unwrap();
    let known = Participant::new(vec![Role::Hospital], vec![next]).unwrap();
    let value = vec![(Participant::key(&name("north")), known.encode())];
    let taken = |age: u64| {
        let ledger = Stated::new(stage.network.fork(1), (1, NOW - age), value.clone());
        stage.sdk(&stage.node(ledger)).take_next_key()
    };
    assert!(matches!(
        taken(MINUTE + 1),
        Err(NextKeyError::Stale(Refused::Stale))
    ));
    assert_eq!(taken(MINUTE).unwrap(), next);
}

/// Half a minute behind is fresh enough: what is under way to an epoch that such a node does not know stays.
#[test]
fn a_move_to_a_later_epoch_than_the_ledger_names_is_left_alone() {
    let stage = Stage::new();
    let over = stage.moves(&["1-1.deals", "1-1.offers", "1-1.deals.part"]);
    let under_way = stage.moves(&["1-2.deals", "1-2.offers", "1-2.acks", "1-10.deals"]);
    let node = stage.node(stage.ledger((1, NOW - MINUTE / 2), &stage.state, 1));
    let (sdk, (book, own)) = (stage.sdk(&node), asker());
    let new = NewMove {
        record: stage.record(),
        without: &[],
    };
    let moved = sdk.reshare(&new, &book, &own, &mut |_| {}).unwrap();
    assert_eq!((moved.epoch, moved.old_useless), (1, true));
    assert!(under_way.iter().all(|file| file.exists()));
    assert!(over.iter().all(|file| !file.exists()));
}

/// A set was named, and the record moved to it, while the node was a few blocks behind. Once the erasure is on
/// the ledger nobody is given a share any more: whoever is asked is looked for at that height.
#[test]
fn the_custodians_of_a_set_that_was_named_before_the_erasure_are_asked() {
    let stage = Stage::new();
    let destroyed = Destroyed::new(Destroyed::VAULT_PART | Destroyed::PAYLOAD).unwrap();
    let ended = Record {
        erased: Some(ErasedState {
            by: anchored(EventId::new([9; 32])),
            destroyed,
        }),
        ..stage.state.clone()
    };
    let before = stage.ledger((1, NOW - MINUTE / 2), &stage.state, 1);
    let after = stage.ledger((5, NOW), &ended, 2);
    let (sealed, posted) = (stage.sealed.clone(), AtomicBool::new(false));
    let node = serve(move |request| {
        if request.method == "POST" {
            // As an earlier try's event, which came first, would be answered.
            posted.store(true, Ordering::SeqCst);
            let refusal = serde_json::json!({
                "status": 409, "code": "rule-broken", "rule": "record.erased",
            });
            return Reply::json(409, &refusal);
        }
        let ledger = match posted.load(Ordering::SeqCst) {
            true => &after,
            false => &before,
        };
        let shown = ledger.answer(request);
        shown.unwrap_or_else(|| event(request, &sealed))
    });
    let (sdk, (book, own)) = (stage.sdk(&node), asker());
    // What a cut left of a sealing, and of a move.
    let mut left = stage.moves(&["1-2.deals", "1-2.deals.part"]);
    let deals = sdk.folder().join("deals");
    std::fs::create_dir_all(&deals).unwrap();
    left.push(deals.join("00112233.part"));
    std::fs::write(&left[2], b"deals").unwrap();

    let erasure = NewErasure {
        record: stage.record(),
        reason: ErasureReason::Order,
    };
    let erased = sdk.erase(&erasure, &book, &own, &mut |_| {}).unwrap();
    let missing: Vec<_> = erased
        .missing
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(missing, ["archive", "custodian-1", "custodian-2"]);
    assert!(!erased.destroyed.contains(Destroyed::SHARES));
    assert!(left.iter().all(|file| !file.exists()));
}

/// It was said to take 256 MiB, and took no more than is committed to field by field.
#[test]
fn what_is_not_sealed_field_by_field_is_refused_with_the_way_that_seals_it() {
    let stage = Stage::new();
    let node = stage.node(stage.ledger((1, NOW), &stage.state, 1));
    let (sdk, (book, own)) = (stage.sdk(&node), asker());
    let circle = sdk.custodians(&book).unwrap();
    let long = [b"\"", &vec![b'a'; MAX_DOCUMENT - 1][..], b"\""].concat();
    let deep = ["[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1)].concat();
    let wide = format!("[{}0]", "0,".repeat(MAX_LEAVES));
    for (what, payload) in [
        ("16777216 bytes", &long[..]),
        ("64 levels", deep.as_bytes()),
        ("131072 values", wide.as_bytes()),
    ] {
        let new = NewRecord {
            name: "ImagingStudy/1",
            version: 1,
            subject: "Patient/1",
            class: "imaging",
            payload,
        };
        let refused = sdk.seal_in_custody(&new, &circle, &own).unwrap_err();
        assert!(matches!(refused, CustodyError::TooLarge(_)), "{refused}");
        let said = refused.to_string();
        assert!(said.contains(what), "{said}");
        assert!(said.contains("seal_stream_in_custody"), "{said}");
        let handle = sdk.record_handle("ImagingStudy/1");
        assert!(sdk.vault().versions(handle).is_empty(), "{what}");
    }
}
