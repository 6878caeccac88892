//! The journal under crashes: every torn tail is cut, all damage inside is named.

use super::*;
use medanchor_ledger::sha256;
use std::cell::RefCell;

thread_local! {
    static AT_THE_END: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// Does this when this thread drops a journal that has something left to write.
pub(crate) fn at_the_end(what: impl FnOnce() + 'static) {
    AT_THE_END.set(Some(Box::new(what)));
}

pub(super) fn comes_to_its_end() {
    if let Some(what) = AT_THE_END.take() {
        what();
    }
}

fn id(event: &[u8]) -> Option<EventId> {
    Some(EventId::new(sha256(&[event])))
}

fn id_of(event: &[u8]) -> EventId {
    EventId::new(sha256(&[event]))
}

fn open(path: &Path) -> Journal {
    Journal::open(path, id).unwrap()
}

fn events(journal: &Journal) -> Vec<Vec<u8>> {
    journal.pending().into_iter().map(|one| one.event).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("journal")
    }
}

#[test]
fn what_is_signed_and_not_settled_is_there_after_a_restart_in_order() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    journal.sign(&[b"one", b"two", b"three"]).unwrap();
    journal.settle(&[id_of(b"two")]).unwrap();
    journal.sign(&[b"a"]).unwrap();
    drop(journal);
    let journal = open(&folder.journal());
    assert_eq!(events(&journal), [&b"one"[..], b"three", b"a"]);
}

/// What a crash would leave of the file now.
fn after_a_crash(folder: &Folder) -> usize {
    let copy = folder.0.path().join("copy");
    std::fs::copy(folder.journal(), &copy).unwrap();
    open(&copy).pending().len()
}

#[test]
fn what_is_settled_soon_is_written_with_the_next_few_or_at_the_end() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    let all: Vec<[u8; 1]> = (0..20).map(|number| [number]).collect();
    let signed: Vec<&[u8]> = all.iter().map(<[u8; 1]>::as_slice).collect();
    journal.sign(&signed).unwrap();
    for (count, one) in (1..).zip(&all) {
        journal.settle_soon(&[id_of(one)]).unwrap();
        assert_eq!(journal.pending().len(), 20 - count);
        let there = if count <= UNWRITTEN { 20 } else { 20 - 17 };
        assert_eq!(after_a_crash(&folder), there);
    }
    drop(journal);
    assert_eq!(after_a_crash(&folder), 0);
}

#[test]
fn what_is_settled_is_on_disk_with_all_that_was_before() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    journal.sign(&[b"one", b"two", b"three"]).unwrap();
    journal.settle_soon(&[id_of(b"two")]).unwrap();
    journal.settle(&[id_of(b"one")]).unwrap();
    assert_eq!(after_a_crash(&folder), 1);
    journal
        .settle_soon(&[id_of(b"three"), id_of(b"none")])
        .unwrap();
    journal.compact().unwrap();
    assert_eq!(after_a_crash(&folder), 0);
}

#[test]
fn a_renewed_event_remembers_the_ids_it_had() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    journal.sign(&[b"old"]).unwrap();
    assert!(journal.renew(&id_of(b"old"), b"new").unwrap());
    assert!(journal.renew(&id_of(b"new"), b"newer").unwrap());
    assert!(
        !journal.renew(&id_of(b"old"), b"other").unwrap(),
        "renewed already"
    );
    journal.compact().unwrap();
    drop(journal);
    let journal = open(&folder.journal());
    let pending = journal.get(&id_of(b"newer")).unwrap();
    assert_eq!(pending.earlier, [id_of(b"old"), id_of(b"new")]);
    assert_eq!(journal.pending().len(), 1);
}

/// A crash can leave any prefix of the record that was being written.
#[test]
fn a_tail_torn_at_any_byte_is_cut_and_what_was_synced_before_stays() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    journal.sign(&[b"first"]).unwrap();
    let whole = std::fs::read(folder.journal()).unwrap();
    journal.sign(&[b"second", b"third"]).unwrap();
    journal.renew(&id_of(b"second"), b"fourth").unwrap();
    journal.settle(&[id_of(b"third")]).unwrap();
    drop(journal);
    let after = std::fs::read(folder.journal()).unwrap();
    for end in 0..after.len() {
        std::fs::write(folder.journal(), &after[..end]).unwrap();
        let mut journal = open(&folder.journal());
        assert_eq!(
            !events(&journal).is_empty(),
            end >= whole.len(),
            "cut at {end}"
        );
        journal.sign(&[b"more"]).unwrap();
        drop(journal);
        let found = events(&open(&folder.journal()));
        assert_eq!(
            found.last().map(Vec::as_slice),
            Some(&b"more"[..]),
            "cut at {end}"
        );
    }
}

/// A file system may extend the file before it writes the bytes: the tail is then zeros or old bytes.
#[test]
fn a_tail_of_zeros_or_of_other_bytes_is_cut() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    journal.sign(&[b"first"]).unwrap();
    let whole = std::fs::read(folder.journal()).unwrap();
    for tail in [
        vec![0; 300],
        vec![0xa5; 300],
        whole[HEADER.len()..].to_vec(),
    ] {
        std::fs::write(folder.journal(), [&whole[..], &tail].concat()).unwrap();
        assert_eq!(events(&open(&folder.journal())), [b"first"]);
        assert_eq!(std::fs::read(folder.journal()).unwrap(), whole);
    }
}

#[test]
fn a_flipped_bit_before_the_last_record_is_damage_with_its_position() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    journal.sign(&[b"first"]).unwrap();
    let last = journal.length as usize;
    journal.sign(&[b"second"]).unwrap();
    let whole = std::fs::read(folder.journal()).unwrap();
    for place in 0..last {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        std::fs::write(folder.journal(), &bytes).unwrap();
        match Journal::open(&folder.journal(), id).unwrap_err() {
            JournalError::Damaged { position, .. } => assert_eq!(position, HEADER.len() as u64),
            JournalError::NotAJournal { .. } => assert!(place < HEADER.len()),
            other => panic!("{other}"),
        }
        assert_eq!(
            std::fs::read(folder.journal()).unwrap(),
            bytes,
            "a refused file is not touched"
        );
    }
}

#[test]
fn a_file_of_something_else_is_refused_and_not_touched() {
    let folder = Folder::new();
    std::fs::write(folder.journal(), b"{}").unwrap();
    let error = Journal::open(&folder.journal(), id).unwrap_err();
    assert!(matches!(error, JournalError::NotAJournal { .. }));
    assert_eq!(std::fs::read(folder.journal()).unwrap(), b"{}");
}

#[test]
fn compaction_keeps_what_is_pending_and_drops_the_rest() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    let events_in: Vec<Vec<u8>> = (0u16..600)
        .map(|n| [&n.to_be_bytes()[..], &[7; 4000]].concat())
        .collect();
    let slices: Vec<&[u8]> = events_in.iter().map(Vec::as_slice).collect();
    journal.sign(&slices).unwrap();
    let ids: Vec<EventId> = events_in.iter().skip(2).map(|event| id_of(event)).collect();
    journal.settle(&ids).unwrap();
    assert!(
        std::fs::metadata(folder.journal()).unwrap().len() < 20_000,
        "compacted on its own"
    );
    journal.sign(&[b"after"]).unwrap();
    drop(journal);
    assert_eq!(
        events(&open(&folder.journal())),
        [&events_in[0][..], &events_in[1], b"after"]
    );
}

#[test]
fn a_crash_during_compaction_leaves_the_old_file_in_force() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    journal.sign(&[b"one"]).unwrap();
    drop(journal);
    std::fs::write(folder.journal().with_extension("new"), b"half a file").unwrap();
    let mut journal = open(&folder.journal());
    assert_eq!(events(&journal), [b"one"]);
    journal.compact().unwrap();
    drop(journal);
    assert_eq!(events(&open(&folder.journal())), [b"one"]);
}

fn vector(name: &str) -> Result<Vec<Vec<u8>>, JournalError> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/sdk-journal");
    let folder = Folder::new();
    std::fs::copy(vectors.join(name), folder.journal()).unwrap();
    Journal::open(&folder.journal(), id).map(|journal| events(&journal))
}

#[test]
fn the_format_is_frozen() {
    assert_eq!(
        vector("one-of-each.journal").unwrap(),
        [&b"three"[..], b"newer"]
    );
    assert_eq!(
        vector("torn.journal").unwrap(),
        [&b"one"[..], b"three", b"newer"]
    );
    assert_eq!(
        vector("torn-zeros.journal").unwrap(),
        [&b"three"[..], b"newer"]
    );
    for damaged in ["rejected-damaged.journal", "rejected-moved.journal"] {
        let error = vector(damaged).unwrap_err();
        assert!(
            matches!(error, JournalError::Damaged { position: 25, .. }),
            "{error}"
        );
    }
    let error = vector("rejected-header.journal").unwrap_err();
    assert!(matches!(error, JournalError::NotAJournal { .. }), "{error}");
}

#[test]
fn what_is_written_are_the_frozen_bytes() {
    let folder = Folder::new();
    let mut journal = open(&folder.journal());
    journal.sign(&[b"one", b"two", b"three"]).unwrap();
    journal.renew(&id_of(b"two"), b"newer").unwrap();
    journal.settle(&[id_of(b"one")]).unwrap();
    let frozen = include_bytes!("../../../vectors/sdk-journal/one-of-each.journal");
    assert_eq!(std::fs::read(folder.journal()).unwrap(), frozen);
}
