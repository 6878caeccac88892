//! Slips of a journal that parted: the ledger has another entry under their number.
//!
//! What always holds: an institution that mends its journal puts what the ledger lacks behind what it has,
//! under new numbers, so that a slip's number and head are not on the ledger although its opening is. The
//! head is a hash over the opening and the head before it; so where that head is known, of the ledger or of
//! another slip, it can be told whether an entry of the ledger is the slip's opening, and by nothing else.

use medanchor_ledger::event::AccessEmergency;
use medanchor_ledger::{Index, JournalHead};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The most entries numbered anew in a row that nobody has a slip of, before one that is looked for.
const ROW: u64 = 4;

/// A number and the head after the entry of that number.
type Standing = (u64, JournalHead);

/// The slips of one journal that its ledger contradicts, and what became of their openings.
#[derive(Default)]
pub(super) struct Parted {
    /// The heads that slips, and the ledger, have at the numbers of slips and a few before each.
    heads: BTreeMap<u64, BTreeSet<JournalHead>>,
    /// What slips prove, by their numbers.
    slips: BTreeSet<Standing>,
    /// What is contradicted, and found nowhere yet.
    sought: Vec<Standing>,
    /// The newest entries, the oldest first.
    newest: VecDeque<AccessEmergency>,
    found: BTreeMap<Standing, Index>,
}

impl Parted {
    /// Learns of a slip.
    pub(super) fn expect(&mut self, counter: u64, head: JournalHead) {
        for before in 1..=ROW {
            if let Some(number) = counter.checked_sub(before) {
                self.heads.entry(number).or_default();
            }
        }
        self.heads.entry(counter).or_default().insert(head);
        self.slips.insert((counter, head));
        self.heads.entry(0).or_default().insert(JournalHead::EMPTY);
    }

    /// Takes the journal's next entry, which is at `at` in the ledger.
    pub(super) fn take(&mut self, at: Index, entry: &AccessEmergency) {
        let head = entry.head();
        self.passed(entry.counter, entry.counter, head);
        self.newest.push_back(entry.clone());
        if self.newest.len() as u64 > ROW {
            self.newest.pop_front();
        }
        let sought = std::mem::take(&mut self.sought);
        for standing in sought {
            match self.ends_in(standing) {
                true => drop(self.found.insert(standing, at)),
                false => self.sought.push(standing),
            }
        }
    }

    /// The ledger has come from `first` to `last`, where its head is `head`: slips of these numbers and another head are
    /// contradicted.
    pub(super) fn passed(&mut self, first: u64, last: u64, head: JournalHead) {
        let (low, high) = (
            (first, JournalHead::EMPTY),
            (last, JournalHead::new([0xff; 32])),
        );
        let slips = self.slips.range(low..=high);
        let other = slips.filter(|slip| **slip != (last, head)).copied();
        self.sought.extend(other);
        if let Some(heads) = self.heads.get_mut(&last) {
            heads.insert(head);
        }
    }

    /// Whether the newest entries, under the numbers up to this one's, lead to it.
    fn ends_in(&self, standing: Standing) -> bool {
        (1..=self.newest.len()).any(|length| {
            let Some(counter) = standing.0.checked_sub(length as u64) else {
                return false;
            };
            let row = self.newest.len().saturating_sub(length);
            let after = |head: &JournalHead| {
                let row = self.newest.iter().skip(row);
                row.fold((counter, *head), |at, entry| behind(entry, at))
            };
            let mut heads = self.heads.get(&counter).into_iter().flatten();
            heads.any(|head| after(head) == standing)
        })
    }

    /// Where the ledger has the opening of a slip under another number.
    pub(super) fn found(&self, counter: u64, head: JournalHead) -> Option<Index> {
        self.found.get(&(counter, head)).copied()
    }
}

/// The journal after an entry that was put behind this standing.
fn behind(entry: &AccessEmergency, (counter, head): Standing) -> Standing {
    let entry = AccessEmergency {
        counter: counter.saturating_add(1),
        previous: head,
        ..entry.clone()
    };
    (entry.counter, entry.head())
}
