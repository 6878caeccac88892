//! The journal survives torn tails, and is refused when anything in it was changed.
//!
//! `vectors/emergency` has the bytes. `write` makes them: run it by name when a file is added.

use super::frame::checked;
use super::*;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{Commitment, RecordHandle, Time, TreeHash};

const NETWORK: NetworkId = NetworkId::new([1; 16]);

fn key() -> SigningKey {
    SigningKey::from_seed(&[5; 32])
}

fn next(standing: &JournalStanding, byte: u8) -> AccessEmergency {
    AccessEmergency {
        counter: standing.counter + 1,
        record: RecordHandle::new([byte; 16]),
        version: 1,
        claimed: Time(1_700_000_000_000 + u64::from(byte)),
        previous: standing.head,
        commitment: Commitment::new(TreeHash::new([byte; 32])),
    }
}

fn open(path: &Path) -> Result<Journal, EmergencyJournalError> {
    Journal::open(path, NETWORK, &[key().public_key()])
}

/// A journal with entries of these bytes.
fn journal(path: &Path, bytes: &[u8]) -> Journal {
    Journal::make(path, NETWORK).unwrap();
    let mut journal = open(path).unwrap();
    for byte in bytes {
        let entry = next(&journal.standing(), *byte);
        add(&mut journal, Step::Entry(entry), &key());
    }
    journal
}

fn add(journal: &mut Journal, step: Step, key: &SigningKey) {
    journal.append(step, |bytes| key.sign(bytes)).unwrap();
}

/// Three entries behind the newest are lost.
fn lose(journal: &mut Journal) {
    let counter = journal.standing().counter;
    let lost = Lost {
        first: counter + 1,
        standing: JournalStanding {
            counter: counter + 3,
            head: JournalHead::new([9; 32]),
        },
    };
    assert_eq!(lost.count(), 3);
    add(journal, Step::Lost(lost), &key());
}

/// The frame at byte 384 signed for a lost run from `first` to `counter`.
fn lost_frame(bytes: &mut [u8], first: u64, counter: u64) {
    let head = JournalHead::new([9; 32]);
    let standing = JournalStanding { counter, head };
    let signed = Signed::new(NETWORK, Step::Lost(Lost { first, standing }), |bytes| {
        key().sign(bytes)
    });
    bytes[2 * FRAME..3 * FRAME].copy_from_slice(&signed.encode());
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("emergency-journal");
    (folder, path)
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/emergency")
}

/// The file `name`, made from a journal of two entries.
fn made(name: &str) -> Vec<u8> {
    let (_folder, path) = folder();
    drop(journal(&path, &[7, 8]));
    let mut bytes = std::fs::read(&path).unwrap();
    match name {
        "good-two-entries.journal" => {}
        "good-empty.journal" => bytes.truncate(FRAME),
        "good-token.journal" => {
            bytes[..FRAME].copy_from_slice(&header(NETWORK, JournalKeyKind::Token));
        }
        "good-lost.journal" => {
            let mut journal = open(&path).unwrap();
            lose(&mut journal);
            let entry = next(&journal.standing(), 9);
            add(&mut journal, Step::Entry(entry), &key());
            bytes = std::fs::read(&path).unwrap();
        }
        "rejected-key-kind.journal" => {
            bytes[..FRAME].copy_from_slice(&header(NETWORK, JournalKeyKind::Hardware));
        }
        "rejected-lost-none.journal" => lost_frame(&mut bytes, 2, 1),
        "rejected-lost-after-a-gap.journal" => lost_frame(&mut bytes, 3, 4),
        "rejected-lost-again.journal" => lost_frame(&mut bytes, 1, 4),
        "torn.journal" => bytes.truncate(3 * FRAME - 1),
        "torn-zeros.journal" => bytes[2 * FRAME..].fill(0),
        "rejected-version.journal" => bytes[15] = b'2',
        "rejected-another-network.journal" => {
            bytes[..FRAME].copy_from_slice(&header(NetworkId::new([9; 16]), JournalKeyKind::File));
        }
        "rejected-flipped-bit.journal" => bytes[FRAME + 40] ^= 1,
        "rejected-first-entry-missing.journal" => drop(bytes.drain(FRAME..2 * FRAME)),
        "rejected-entry-twice.journal" => bytes.extend_from_within(2 * FRAME..),
        "rejected-other-head.journal" => {
            let mut frame: [u8; FRAME] = bytes[2 * FRAME..].try_into().unwrap();
            frame[36] ^= 1;
            bytes[2 * FRAME..].copy_from_slice(&checked(frame));
        }
        "rejected-signed-by-another.journal" => {
            let mut frame: [u8; FRAME] = bytes[2 * FRAME..].try_into().unwrap();
            let step = Signed::decode(&frame).unwrap().step;
            let other = SigningKey::from_seed(&[6; 32]);
            frame = Signed::new(NETWORK, step, |bytes| other.sign(bytes)).encode();
            bytes[2 * FRAME..].copy_from_slice(&frame);
        }
        other => panic!("nobody makes {other}"),
    }
    bytes
}

/// Each file, how many entries it has when it opens, or where it is damaged.
const FILES: [(&str, Result<u64, Option<u64>>); 17] = [
    ("good-empty.journal", Ok(0)),
    ("good-two-entries.journal", Ok(2)),
    ("good-token.journal", Ok(2)),
    ("good-lost.journal", Ok(6)),
    ("torn.journal", Ok(1)),
    ("torn-zeros.journal", Ok(1)),
    ("rejected-version.journal", Err(None)),
    ("rejected-key-kind.journal", Err(None)),
    ("rejected-lost-none.journal", Err(Some(384))),
    ("rejected-lost-after-a-gap.journal", Err(Some(384))),
    ("rejected-lost-again.journal", Err(Some(384))),
    ("rejected-another-network.journal", Err(None)),
    ("rejected-flipped-bit.journal", Err(Some(192))),
    ("rejected-first-entry-missing.journal", Err(Some(192))),
    ("rejected-entry-twice.journal", Err(Some(576))),
    ("rejected-other-head.journal", Err(Some(384))),
    ("rejected-signed-by-another.journal", Err(Some(384))),
];

#[test]
fn each_file_opens_or_is_refused_where_it_is_damaged() {
    for (name, wanted) in FILES {
        let bytes = std::fs::read(vectors().join(name)).unwrap();
        assert_eq!(bytes, made(name), "{name}");
        let (_folder, path) = folder();
        std::fs::write(&path, bytes).unwrap();
        let found = match open(&path) {
            Ok(journal) => Ok(journal.standing().counter),
            Err(EmergencyJournalError::Format { .. }) => Err(None),
            Err(EmergencyJournalError::Damaged { at, .. }) => Err(Some(at)),
            Err(other) => panic!("{name}: {other}"),
        };
        assert_eq!(found, wanted, "{name}");
    }
    let named = std::fs::read_dir(vectors()).unwrap().count();
    assert_eq!(named, FILES.len() + 1, "every file but README.md is named");
}

#[test]
#[ignore = "it writes the files"]
fn write() {
    std::fs::create_dir_all(vectors()).unwrap();
    for (name, _) in FILES {
        std::fs::write(vectors().join(name), made(name)).unwrap();
    }
}

#[test]
fn what_was_appended_is_there_again_and_what_was_torn_is_gone_on_with() {
    let (_folder, path) = folder();
    let first = journal(&path, &[7, 8]);
    let (standing, one) = (first.standing(), first.head_at(1).unwrap());
    drop(first);
    assert_eq!(open(&path).unwrap().standing(), standing);
    let whole = std::fs::read(&path).unwrap();
    for length in 2 * FRAME..3 * FRAME {
        std::fs::write(&path, &whole[..length]).unwrap();
        let cut = open(&path).unwrap();
        assert_eq!((cut.standing().counter, cut.standing().head), (1, one));
        drop(cut);
        assert_eq!(journal(&path, &[8]).standing(), standing, "cut at {length}");
    }
}

/// A power cut between the two sectors of an entry leaves either of them as it was: nothing.
#[test]
fn an_entry_of_which_one_sector_was_written_is_cut() {
    let (_folder, path) = folder();
    drop(journal(&path, &[7, 8]));
    let whole = std::fs::read(&path).unwrap();
    for lost in [2 * FRAME..512, 512..3 * FRAME] {
        let mut half = whole.clone();
        half[lost.clone()].fill(0);
        std::fs::write(&path, &half).unwrap();
        assert_eq!(open(&path).unwrap().standing().counter, 1, "{lost:?}");
        assert_eq!(std::fs::read(&path).unwrap().len(), 2 * FRAME);
    }
    // In the middle of the file the same is damage.
    let mut half = whole;
    half[FRAME + 60..2 * FRAME].fill(0);
    std::fs::write(&path, &half).unwrap();
    assert!(matches!(
        open(&path),
        Err(EmergencyJournalError::Damaged { at: 192, .. })
    ));
}

#[cfg(feature = "client")]
#[test]
fn what_is_sound_of_a_damaged_journal_is_salvaged() {
    let (_folder, path) = folder();
    drop(journal(&path, &[7, 8, 9]));
    let entries = open(&path).unwrap().into_entries();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[2 * FRAME + 50] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let salvaged = |key: &PublicKey| Journal::salvage(&path, NETWORK, &[*key]).unwrap();
    let sound = [entries[0].clone(), entries[2].clone()];
    let found = salvaged(&key().public_key()).into_iter();
    let found: Vec<_> = found.filter_map(Signed::into_journalled).collect();
    assert_eq!(found, sound);
    let other = SigningKey::from_seed(&[6; 32]).public_key();
    assert!(salvaged(&other).is_empty());
    std::fs::remove_file(&path).unwrap();
    assert!(salvaged(&key().public_key()).is_empty());
    assert!(matches!(
        open(&path),
        Err(EmergencyJournalError::Missing { .. })
    ));
}

/// The identity goes over to another key: what it journalled before stays its word.
#[test]
fn entries_of_a_former_key_count_before_those_of_a_later_one_and_not_after() {
    let (_folder, path) = folder();
    let later = SigningKey::from_seed(&[6; 32]);
    let keys = [key().public_key(), later.public_key()];
    let append = |journal: &mut Journal, byte, key: &SigningKey| {
        let entry = next(&journal.standing(), byte);
        add(journal, Step::Entry(entry), key);
    };
    let mut journal = journal(&path, &[7]);
    append(&mut journal, 8, &later);
    let standing = journal.standing();
    drop(journal);
    let mut journal = Journal::open(&path, NETWORK, &keys).unwrap();
    assert_eq!(journal.standing(), standing);
    append(&mut journal, 9, &key());
    drop(journal);
    let damaged = |keys: &[PublicKey]| match Journal::open(&path, NETWORK, keys) {
        Err(EmergencyJournalError::Damaged { at, .. }) => Some(at),
        _ => None,
    };
    assert_eq!(damaged(&keys), Some(3 * 192), "by a key that was replaced");
    assert_eq!(damaged(&keys[..1]), Some(2 * 192));
    assert_eq!(damaged(&keys[1..]), Some(192));
}

#[test]
fn every_flipped_bit_is_refused() {
    let (_folder, path) = folder();
    drop(journal(&path, &[7, 8]));
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bent = whole.clone();
        bent[at] ^= 0x10;
        std::fs::write(&path, bent).unwrap();
        assert!(open(&path).is_err(), "byte {at}");
    }
}

#[cfg(feature = "client")]
#[test]
fn a_journal_that_is_replaced_stays_beside_the_new_one() {
    let (folder, path) = folder();
    let old = journal(&path, &[7, 8]);
    let entry = next(
        &JournalStanding {
            counter: 0,
            head: JournalHead::EMPTY,
        },
        9,
    );
    let before = std::fs::read(&path).unwrap();
    drop(old);
    let steps = [Step::Entry(entry.clone())];
    replace(&path, NETWORK, &steps, |bytes| key().sign(bytes)).unwrap();
    assert!(open(&path).unwrap().entries().eq([&entry]));
    let kept = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|one| one.unwrap().path());
    let kept: Vec<_> = kept.filter(|one| *one != path).collect();
    assert_eq!(std::fs::read(&kept[0]).unwrap(), before);
}

#[test]
fn a_journal_goes_on_behind_lost_entries_and_knows_no_head_among_them() {
    let (_folder, path) = folder();
    let mut first = journal(&path, &[7]);
    lose(&mut first);
    let entry = next(&first.standing(), 8);
    add(&mut first, Step::Entry(entry.clone()), &key());
    drop(first);
    let again = open(&path).unwrap();
    assert_eq!(again.standing().counter, 5);
    assert_eq!(again.head_at(4), Some(JournalHead::new([9; 32])));
    assert_eq!((again.head_at(2), again.head_at(3)), (None, None));
    assert_eq!(again.head_at(5), Some(entry.head()));
    assert_eq!((again.head_at(6), again.entries().count()), (None, 2));
}

#[test]
fn where_the_key_is_kept_is_stated_anew_in_place() {
    let (_folder, path) = folder();
    let mut first = journal(&path, &[7, 8]);
    let before = std::fs::read(&path).unwrap();
    assert_eq!(first.kind(), JournalKeyKind::File);
    first.restate(JournalKeyKind::Token).unwrap();
    drop(first);
    let mut again = open(&path).unwrap();
    let found = (again.kind(), again.standing().counter);
    assert_eq!(found, (JournalKeyKind::Token, 2));
    again.restate(JournalKeyKind::File).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
