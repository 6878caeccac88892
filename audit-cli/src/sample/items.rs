//! The file of a population's items, of which an inspector was shown all or those that were drawn.
//!
//! What always holds: the file is read line by line, each within its bound; its places ascend; it is
//! either a whole population, whose root is computed again, or a part, each line of which is held
//! against what was answered. What an item says is never printed.

use crate::fault::{Failure, Trouble};
use crate::source::unreadable;
use medanchor_ledger::draw::{SALT_LENGTH, item_leaf};
use medanchor_ledger::items::{HEADER, MAX_LINE, OpenItem};
use medanchor_ledger::merkle::Frontier;
use medanchor_ledger::{ItemCommitment, TreeHash, sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// What a file of items holds.
pub(crate) struct Items {
    /// How many items there are.
    pub(crate) count: u64,
    /// The root of the population, if the file may be a whole one.
    pub(crate) root: Option<TreeHash>,
    /// The items at the places that somebody asked for.
    pub(crate) shown: BTreeMap<u64, ShownItem>,
}

/// An item that was opened.
pub(crate) struct ShownItem {
    pub(crate) commitment: ItemCommitment,
    pub(crate) salt: [u8; SALT_LENGTH],
    /// SHA-256 of its bytes.
    pub(crate) item: [u8; 32],
}

/// Reads a file; keeps what stands at `wanted` places.
pub(crate) fn read(path: &Path, wanted: &BTreeSet<u64>) -> Result<Items, Failure> {
    let shown = path.display().to_string();
    let failed = |cause: &dyn std::fmt::Display| Failure::from(unreadable(&shown, cause));
    let file = File::open(path).map_err(|error| failed(&error))?;
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(failed(&"it is no file"));
    }
    read_lines(&shown, BufReader::new(file), wanted)
}

/// The same, of a file that is open; `shown` is what it is called.
pub(crate) fn read_lines(
    shown: &str,
    file: impl BufRead,
    wanted: &BTreeSet<u64>,
) -> Result<Items, Failure> {
    let failed = |cause: &dyn std::fmt::Display| Failure::from(unreadable(shown, cause));
    let mut lines = Lines(file);
    if lines.next().map_err(|error| failed(&error))?.as_deref() != Some(HEADER) {
        return Err(failed(&"its first line is not medanchor/items/v1"));
    }
    let mut items = Items {
        count: 0,
        root: None,
        shown: BTreeMap::new(),
    };
    let (mut whole, mut last) = (Frontier::new(), None);
    while let Some(line) = lines.next().map_err(|error| failed(&error))? {
        let wrong = |cause: &dyn std::fmt::Display| -> Trouble {
            unreadable(&format!("{shown}, item {}", items.count), cause)
        };
        let item: OpenItem = line.parse().map_err(|error| wrong(&error))?;
        if last.is_some_and(|last| last >= item.place) {
            return Err(wrong(&"its place is not after the one before").into());
        }
        last = Some(item.place);
        let commitment = item.commitment();
        whole.append(item_leaf(&commitment));
        items.count += 1;
        if wanted.contains(&item.place) {
            let shown = ShownItem {
                commitment,
                salt: item.salt,
                item: sha256(&[&item.item]),
            };
            items.shown.insert(item.place, shown);
        }
    }
    // Ascending places of which the last is one less than their number are all of them.
    let is_whole = last.is_some_and(|last| last.checked_add(1) == Some(items.count));
    items.root = is_whole.then(|| whole.root());
    Ok(items)
}

struct Lines<F>(F);

impl<F: BufRead> Lines<F> {
    fn next(&mut self) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        let limit = MAX_LINE as u64 + 1;
        let read = self.0.by_ref().take(limit).read_line(&mut line)?;
        if read == 0 {
            return Ok(None);
        }
        match line.pop() {
            Some('\n') => Ok(Some(line)),
            _ => Err(std::io::Error::other(
                "a line has no end, or is longer than an item can be",
            )),
        }
    }
}
