//! What a home reads back from a disk that may lie.

use crate::{Choices, Seeds, Target};
use medanchor_ledger::{Height, NetworkId, ValueId};
use medanchor_store::Journal;
use medanchor_store::journal::Known;
use std::path::Path;

pub(crate) const TARGETS: &[Target] = &[Target::new(
    "block-journal",
    &[Seeds::of("vectors/block", "", ".hex")],
    journal,
)
.holding(64)];

fn open(folder: &Path) -> Option<Journal> {
    let network = NetworkId::new([1; 16]);
    Journal::open(folder, network, Known::default(), Journal::SEGMENT_BYTES).ok()
}

/// Two bodies are kept, then the file is changed: what is read back was written, and a journal that
/// could be opened can be opened again.
fn journal(bytes: &[u8]) -> bool {
    let Ok(folder) = tempfile::tempdir() else {
        return false;
    };
    let folder = folder.path();
    let mut choices = Choices(bytes);
    let bodies = [
        vec![7; 1 + usize::from(choices.byte())],
        vec![8; 1 + usize::from(choices.byte())],
    ];
    keep(folder, &bodies);
    change(folder, choices);
    let Some(journal) = open(folder) else {
        return false;
    };
    let read = journal.undecided(Height(1)).unwrap_or_default();
    for undecided in &read {
        assert!(
            bodies.iter().any(|body| *body == *undecided.body),
            "never kept"
        );
    }
    drop(journal);
    assert!(open(folder).is_some(), "opened once, and never again");
    !read.is_empty()
}

fn keep(folder: &Path, bodies: &[Vec<u8>]) {
    let journal = open(folder).expect("a new journal");
    for (number, body) in (0..).zip(bodies) {
        let kept = journal.keep_body(Height(1), ValueId::new([number; 32]), body);
        kept.expect("a new journal takes a body");
    }
}

fn change(folder: &Path, mut choices: Choices<'_>) {
    let file = std::fs::read_dir(folder)
        .ok()
        .and_then(|mut files| files.next()?.ok());
    let path = file.expect("a segment").path();
    let mut segment = std::fs::read(&path).expect("a segment");
    for _ in 0..choices.byte() % 4 {
        let at = usize::try_from(choices.below(segment.len() as u64)).unwrap_or(0);
        match (choices.byte() % 3, segment.get_mut(at)) {
            (0, _) => segment.truncate(at),
            (1, Some(byte)) => *byte ^= choices.byte(),
            _ => segment.push(choices.byte()),
        }
    }
    segment.extend(choices.0);
    std::fs::write(&path, segment).expect("a segment");
}
