//! A custodian's own anchored log convicts it of what the ledger did not permit before, and nothing that an
//! honest custodian logs does, however late it asked and whatever its clock said.

use super::log::released;
use super::*;
use medanchor_ledger::event::{CustodyLog, Event, UnsignedEvent};
use medanchor_ledger::merkle::{Leaves, inclusion_proof, leaf_hash, root_of_leaves};
use medanchor_ledger::note::Note;
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::{Nonce, Size, TreeHash};
use proptest::prelude::*;

const PLACE: Index = Index(2);

/// The release that is judged, between others.
fn entries(judged: Released) -> Vec<Released> {
    vec![released(1), released(2), judged, released(3)]
}

fn of_request() -> Released {
    Released {
        request: REQUEST,
        ..released(9)
    }
}

fn leaves(entries: &[Released]) -> Vec<TreeHash> {
    let hashes = entries.iter().map(|entry| leaf_hash(&entry.encode()));
    hashes.collect()
}

fn anchoring(size: u64, root: TreeHash) -> Event {
    let unsigned = UnsignedEvent {
        issuer: named(NAMES[0]),
        network: NETWORK,
        nonce: Nonce::new([1; 16]),
        not_after: NOON,
        body: CustodyLog {
            size: Size(size),
            root,
        }
        .into(),
    };
    unsigned.sign(&signer(NAMES[0])).unwrap()
}

/// A receipt that nobody looks at here: the ledger of the tests says where the event stands.
fn receipt() -> Receipt {
    let note = include_bytes!("../../../../vectors/note/good-one-signature.txt");
    Receipt {
        index: Index(0),
        proof: Vec::new(),
        checkpoint: Note::parse(note).unwrap(),
        extra: Some(vec![1]),
    }
}

fn logged(judged: Released) -> LoggedRelease {
    let leaves = leaves(&entries(judged.clone()));
    let path = inclusion_proof(&Leaves(&leaves), PLACE, Size(4)).unwrap();
    let anchoring = anchoring(4, root_of_leaves(leaves));
    LoggedRelease::new(anchoring, receipt(), (PLACE, judged), path).unwrap()
}

fn decided(permitted: bool, place: u64) -> Decided {
    Decided {
        permitted,
        time: NOON,
        place: Index(place),
        owner: named("north-hospital"),
        record: record().record.record,
        reader: reader_key(KemSuite::X25519).public().reader_key(),
        consent: None,
    }
}

/// What comes of a release whose request was decided so, in a log whose root stands at this entry.
fn judge(
    logged: LoggedRelease,
    decided: Option<Decided>,
    anchored: Option<u64>,
) -> Result<Breach, Unconvincing> {
    let known = Ledger {
        decided,
        anchored: anchored.map(Index),
        ..ledger(&reader_key(KemSuite::X25519))
    };
    let convicted = Evidence::Logged(Box::new(logged)).verify(&known)?;
    assert_eq!(convicted.who, named(NAMES[0]));
    Ok(convicted.of)
}

#[test]
fn a_denied_request_another_record_and_a_request_that_came_later_convict() {
    let other = Decided {
        record: RecordHandle::new([3; 16]),
        ..decided(true, 10)
    };
    let others = Decided {
        owner: named("south-hospital"),
        ..decided(true, 10)
    };
    for (decided, of) in [
        (decided(false, 10), Breach::ReleasedDenied),
        (decided(false, 30), Breach::ReleasedDenied),
        (other, Breach::ReleasedOther),
        (others, Breach::ReleasedOther),
        (decided(true, 21), Breach::ReleasedEarly),
    ] {
        let found = judge(logged(of_request()), Some(decided), Some(20));
        assert_eq!(found, Ok(of));
    }
}

#[test]
fn nobody_is_convicted_of_what_is_not_shown() {
    let judge_with = |logged, decided| judge(logged, decided, Some(20));
    let denied = || Some(decided(false, 10));
    assert_eq!(
        judge_with(logged(of_request()), None),
        Err(Unconvincing::Unknown)
    );
    assert_eq!(
        judge(logged(of_request()), denied(), None),
        Err(Unconvincing::Unknown)
    );
    // The custodian anchored a log without this release, or with it elsewhere.
    let leaves = leaves(&entries(of_request()));
    let path = |place| inclusion_proof(&Leaves(&leaves), Index(place), Size(4)).unwrap();
    let made = |root, place, path| {
        let release = (Index(place), of_request());
        LoggedRelease::new(anchoring(4, root), receipt(), release, path).unwrap()
    };
    let root = root_of_leaves(leaves.clone());
    for (root, place, path) in [
        (TreeHash::new([7; 32]), 2, path(2)),
        (root, 3, path(2)),
        (root, 2, path(3)),
        (root, 2, Vec::new()),
    ] {
        let found = judge_with(made(root, place, path), denied());
        assert_eq!(found, Err(Unconvincing::NotLogged));
    }
    let later = Released {
        time: Time(0),
        ..of_request()
    };
    let found = made(root, 2, path(2));
    assert_ne!(logged(later), found, "the entry is what was logged");
}

#[test]
fn its_one_encoding_comes_back_and_no_other_event_anchors_a_log() {
    let logged = logged(of_request());
    let evidence = Evidence::Logged(Box::new(logged.clone()));
    let bytes = evidence.encode();
    let Evidence::Logged(read) = Evidence::decode(&bytes).unwrap() else {
        panic!("another kind");
    };
    assert_eq!(*read, logged);
    let long = [&bytes[..], &[0; super::super::evidence::MAX_EVIDENCE]].concat();
    let cut = Evidence::decode(&long).err();
    assert!(matches!(cut, Some(MessageError::Malformed(_))), "{cut:?}");
    let longer = [&bytes[..2], &vec![0; LoggedRelease::MAX_BYTES]].concat();
    let oversize = Evidence::decode(&longer).err();
    assert_eq!(oversize, Some(MessageError::Oversize));
}

proptest! {
    /// An honest custodian logs what it saw permitted, and signs its root afterwards: how far behind it
    /// was, how late its root came onto the ledger and which time it logged makes no difference.
    #[test]
    fn an_honest_custodian_is_never_convicted(
        requested in 0u64..1_000,
        saw in 0u64..1_000,
        lag in 0u64..1_000,
        permitted in any::<bool>(),
        time in any::<u64>(),
    ) {
        let released = Released { time: Time(time), ..of_request() };
        let anchored = saw + lag;
        let found = judge(logged(released), Some(decided(permitted, requested)), Some(anchored));
        let honest = permitted && requested < saw;
        if honest {
            prop_assert_eq!(found, Err(Unconvincing::Accounted));
        } else if !permitted {
            prop_assert_eq!(found, Ok(Breach::ReleasedDenied));
        } else if requested > anchored {
            prop_assert_eq!(found, Ok(Breach::ReleasedEarly));
        } else {
            // It did not see the request, and nothing that it signed shows that.
            prop_assert_eq!(found, Err(Unconvincing::Accounted));
        }
    }
}
