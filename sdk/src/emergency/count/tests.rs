//! What a token has counted cannot be taken back, and a token that does not count stops nobody.
//!
//! `vectors/emergency-mark` has the bytes of marks. `write` makes them: run it by name when one is added.

use super::super::tests::{hospital, new};
use super::*;
use medanchor_ledger::signature::SigningKey;
use medanchor_vault::KeeperError;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

const NETWORK: NetworkId = NetworkId::new([1; 16]);

/// A token as the standard has it, or as it should not be.
struct Fake {
    marks: RefCell<Vec<Vec<u8>>>,
    full: Cell<bool>,
    does: Marks,
}

fn token(does: Marks) -> Fake {
    Fake {
        marks: RefCell::default(),
        full: Cell::new(false),
        does,
    }
}

impl Tally for Fake {
    fn marks(&self, _: Duration) -> Result<Vec<Vec<u8>>, KeeperError> {
        Ok(self.marks.borrow().clone())
    }

    fn set(&self, mark: &[u8]) -> Result<(), KeeperError> {
        if self.full.get() {
            return Err(KeeperError::Token {
                asked: "set a mark",
                why: "DeviceMemory".into(),
            });
        }
        self.marks.borrow_mut().push(mark.to_vec());
        Ok(())
    }

    fn prove(&self, mark: &[u8]) -> Result<Marks, KeeperError> {
        self.set(mark)?;
        if self.does == Marks::Vanish {
            self.marks.borrow_mut().pop();
        }
        Ok(self.does)
    }
}

/// Journals an opening; gives why it was not counted.
fn open(identity: &Identity, token: &Fake) -> Result<Option<String>, EmergencyError> {
    let entry = identity.journal_emergency(&new(), Some(token));
    entry.map(|entry| entry.uncounted)
}

fn kind(identity: &Identity) -> JournalKeyKind {
    identity.open_journal().unwrap().kind()
}

#[test]
fn an_older_journal_that_is_put_back_is_refused_until_its_missing_entries_are_said_to_be_lost() {
    let root = tempfile::tempdir().unwrap();
    let (identity, token) = (hospital(root.path()), token(Marks::StayInHardware));
    assert_eq!(
        identity.count_emergencies(&token).unwrap(),
        Marks::StayInHardware
    );
    assert_eq!(kind(&identity), JournalKeyKind::Token);
    assert_eq!(open(&identity, &token).unwrap(), None);
    let old = std::fs::read(identity.emergency_path()).unwrap();
    for _ in 0..2 {
        assert_eq!(open(&identity, &token).unwrap(), None);
    }
    assert_eq!(identity.check_emergency_count(&token).unwrap(), Some(3));

    std::fs::write(identity.emergency_path(), &old).unwrap();
    let cut = |error: EmergencyError| {
        let EmergencyError::Uncounted { counted, found } = error else {
            panic!("{error}")
        };
        assert_eq!((counted, found), (3, 1));
    };
    cut(open(&identity, &token).unwrap_err());
    cut(identity.check_emergency_count(&token).unwrap_err());
    cut(identity.count_emergencies(&token).unwrap_err());
    assert_eq!(std::fs::read(identity.emergency_path()).unwrap(), old);

    assert_eq!(identity.lose_counted(&token).unwrap(), 2);
    assert_eq!(identity.lose_counted(&token).unwrap(), 0);
    assert_eq!(open(&identity, &token).unwrap(), None);
    let journal = identity.open_journal().unwrap();
    assert_eq!((journal.standing().counter, lost_in_all(&identity)), (4, 2));
}

/// Written on from an old journal by software that asks no token.
#[test]
fn a_journal_that_parted_from_the_count_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (identity, token) = (hospital(root.path()), token(Marks::StayInHardware));
    identity.count_emergencies(&token).unwrap();
    let old = std::fs::read(identity.emergency_path()).unwrap();
    open(&identity, &token).unwrap();
    std::fs::write(identity.emergency_path(), &old).unwrap();
    for _ in 0..2 {
        identity.journal_emergency(&new(), None).unwrap();
    }
    let refused = open(&identity, &token);
    assert!(matches!(
        refused,
        Err(EmergencyError::OtherCount { counted: 1 })
    ));
    assert_eq!(identity.lose_counted(&token).unwrap(), 1);
    assert_eq!(open(&identity, &token).unwrap(), None);
    assert_eq!(identity.open_journal().unwrap().standing().counter, 4);
}

fn lost_in_all(identity: &Identity) -> u64 {
    let journal = identity.open_journal().unwrap();
    journal.standing().counter - journal.entries().count() as u64
}

/// An entry was journalled while the token's marks could not be listed, on a journal that was put back.
#[test]
fn what_was_counted_under_a_number_that_the_journal_has_too_is_lost_with_the_others() {
    let root = tempfile::tempdir().unwrap();
    let (identity, token) = (hospital(root.path()), token(Marks::StayInHardware));
    identity.count_emergencies(&token).unwrap();
    for _ in 0..5 {
        open(&identity, &token).unwrap();
    }
    let old = std::fs::read(identity.emergency_path()).unwrap();
    for _ in 0..3 {
        open(&identity, &token).unwrap();
    }
    std::fs::write(identity.emergency_path(), &old).unwrap();
    identity.journal_emergency(&new(), None).unwrap();
    assert_eq!(identity.lose_counted(&token).unwrap(), 3);
    assert_eq!(identity.lose_counted(&token).unwrap(), 0);
    assert_eq!(open(&identity, &token).unwrap(), None);
    assert_eq!(lost_in_all(&identity), 3);
}

#[test]
fn a_full_token_and_a_parted_journal_stop_no_opening_and_lose_nothing_twice() {
    let root = tempfile::tempdir().unwrap();
    let (identity, token) = (hospital(root.path()), token(Marks::StayInHardware));
    identity.count_emergencies(&token).unwrap();
    let old = std::fs::read(identity.emergency_path()).unwrap();
    open(&identity, &token).unwrap();
    std::fs::write(identity.emergency_path(), &old).unwrap();
    for _ in 0..2 {
        identity.journal_emergency(&new(), None).unwrap();
    }
    token.full.set(true);
    assert!(open(&identity, &token).is_err());
    assert_eq!(identity.lose_counted(&token).unwrap(), 1);
    assert_eq!(identity.lose_counted(&token).unwrap(), 0);
    let why = open(&identity, &token).unwrap().unwrap();
    assert!(why.contains("DeviceMemory"), "{why}");
    assert_eq!(kind(&identity), JournalKeyKind::File);
    assert_eq!(lost_in_all(&identity), 1);
}

#[test]
fn a_journal_may_be_ahead_of_its_token_by_openings_that_a_power_cut_ended() {
    let root = tempfile::tempdir().unwrap();
    let (identity, token) = (hospital(root.path()), token(Marks::StayInHardware));
    identity.count_emergencies(&token).unwrap();
    open(&identity, &token).unwrap();
    // The power was cut between the journal and the token.
    identity.journal_emergency(&new(), None).unwrap();
    assert_eq!(identity.check_emergency_count(&token).unwrap(), Some(1));
    assert_eq!(open(&identity, &token).unwrap(), None);
    assert_eq!(identity.check_emergency_count(&token).unwrap(), Some(3));
}

#[test]
fn a_token_that_is_full_or_emptied_stops_no_opening_and_the_journal_says_so() {
    let root = tempfile::tempdir().unwrap();
    let (identity, token) = (hospital(root.path()), token(Marks::StayInHardware));
    identity.count_emergencies(&token).unwrap();
    open(&identity, &token).unwrap();
    let old = std::fs::read(identity.emergency_path()).unwrap();
    token.full.set(true);
    let why = open(&identity, &token).unwrap().unwrap();
    assert!(why.contains("DeviceMemory"), "{why}");
    assert_eq!(kind(&identity), JournalKeyKind::File);
    assert!(identity.count_emergencies(&token).is_err());
    // Mended: what was opened meanwhile is under the next mark.
    token.full.set(false);
    assert_eq!(
        identity.count_emergencies(&token).unwrap(),
        Marks::StayInHardware
    );
    assert_eq!(kind(&identity), JournalKeyKind::Token);
    std::fs::write(identity.emergency_path(), old).unwrap();
    assert!(open(&identity, &token).is_err());
    assert_eq!(identity.lose_counted(&token).unwrap(), 1);

    token.marks.borrow_mut().clear();
    let gone = identity.check_emergency_count(&token);
    assert!(matches!(gone, Err(EmergencyError::CountGone)));
    assert_eq!(open(&identity, &token).unwrap().as_deref(), Some(EMPTIED));
    assert_eq!(kind(&identity), JournalKeyKind::File);
    assert_eq!(
        open(&identity, &token).unwrap(),
        None,
        "nobody says that it counts"
    );
}

#[test]
fn a_count_has_an_end() {
    let root = tempfile::tempdir().unwrap();
    let (identity, token) = (hospital(root.path()), token(Marks::StayInHardware));
    identity.count_emergencies(&token).unwrap();
    let junk = std::iter::repeat_n(vec![0; LENGTH], MAX_MARKS - 1);
    token.marks.borrow_mut().extend(junk);
    assert_eq!(open(&identity, &token).unwrap().as_deref(), Some(FULL));
    assert_eq!(token.marks.borrow().len(), MAX_MARKS);
    assert_eq!(kind(&identity), JournalKeyKind::File);
    let full = identity.count_emergencies(&token);
    assert!(matches!(full, Err(EmergencyError::CountFull)));
}

#[test]
fn a_journal_is_stated_with_a_key_in_a_token_only_where_a_mark_stays_in_hardware() {
    for (does, stated, counts) in [
        (Marks::StayInHardware, JournalKeyKind::Token, true),
        (Marks::StayInSoftware, JournalKeyKind::File, true),
        (Marks::Vanish, JournalKeyKind::File, false),
    ] {
        let root = tempfile::tempdir().unwrap();
        let (identity, token) = (hospital(root.path()), token(does));
        assert_eq!(identity.count_emergencies(&token).unwrap(), does);
        assert_eq!(kind(&identity), stated);
        assert_eq!(open(&identity, &token).unwrap(), None);
        let counted = identity.check_emergency_count(&token).unwrap();
        assert_eq!(counted, counts.then_some(1), "{does:?}");
    }
}

#[test]
fn marks_that_nobody_of_this_identity_signed_count_for_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (identity, token) = (hospital(root.path()), token(Marks::StayInHardware));
    identity.count_emergencies(&token).unwrap();
    open(&identity, &token).unwrap();
    let standing = JournalStanding {
        counter: 9,
        head: JournalHead::new([9; 32]),
    };
    let forged = mark(identity.network(), standing).encode(identity.network());
    let mut own = identity.mark(standing);
    own[130] ^= 1;
    let elsewhere = Mark::decode(&identity.mark(standing), identity.network()).unwrap();
    let elsewhere = elsewhere.encode(NETWORK);
    for bytes in [forged, own, elsewhere, Vec::new(), vec![7; 300]] {
        token.set(&bytes).unwrap();
        assert_eq!(identity.check_emergency_count(&token).unwrap(), Some(1));
    }
    assert_eq!(open(&identity, &token).unwrap(), None);
}

fn mark(network: NetworkId, standing: JournalStanding) -> Mark {
    let JournalStanding { counter, head } = standing;
    let message = entry_bytes(network, counter, &head);
    Mark {
        standing,
        signature: SigningKey::from_seed(&[5; 32]).sign(&message),
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/emergency-mark")
}

const FILES: [&str; 6] = [
    "good.mark",
    "rejected-version.mark",
    "rejected-another-network.mark",
    "rejected-truncated.mark",
    "rejected-trailing-byte.mark",
    "rejected-flipped-bit.mark",
];

fn made(name: &str) -> Vec<u8> {
    let standing = JournalStanding {
        counter: 7,
        head: JournalHead::new([9; 32]),
    };
    let mut bytes = mark(NETWORK, standing).encode(NETWORK);
    match name {
        "good.mark" => {}
        "rejected-version.mark" => bytes[15] = b'2',
        "rejected-another-network.mark" => bytes[16] = 9,
        "rejected-truncated.mark" => drop(bytes.pop()),
        "rejected-trailing-byte.mark" => bytes.push(0),
        "rejected-flipped-bit.mark" => bytes[50] ^= 1,
        other => panic!("nobody makes {other}"),
    }
    bytes
}

#[test]
fn marks_have_golden_bytes() {
    let key = SigningKey::from_seed(&[5; 32]).public_key();
    for name in FILES {
        let bytes = std::fs::read(vectors().join(name)).unwrap();
        assert_eq!(bytes, made(name), "{name}");
        let mark = Mark::decode(&bytes, NETWORK);
        let good = mark.is_some_and(|mark| mark.is_signed(NETWORK, &[key]));
        assert_eq!(good, name == "good.mark", "{name}");
    }
    let named = std::fs::read_dir(vectors()).unwrap().count();
    assert_eq!(named, FILES.len() + 1, "every file but README.md is named");
}

#[test]
#[ignore = "it writes the files"]
fn write() {
    for name in FILES {
        std::fs::write(vectors().join(name), made(name)).unwrap();
    }
}
