//! What the list does not prove: each as a gap with its reason.

use super::Folding;
use crate::access_list::{Gap, GapOf, GapReason, Quarter};
use medanchor_ledger::event::JournalKeyKind;
use medanchor_ledger::rules::EmergencyHead;
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::{Index, Time};
use medanchor_vault::Epoch;
use std::collections::{BTreeMap, BTreeSet};

/// How long after an `emergency.journal` the next one is due, in milliseconds.
const JOURNAL_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// What was proved of an owner's emergency journal.
pub(in super::super) struct Journal {
    /// Where it stands, at the list's moment or later; none if the owner has none.
    pub(in super::super) head: Result<Option<EmergencyHead>, NotProved>,
    /// For an opening's entry of the log, a time at which the journal was stated before it, as far as one
    /// was found. An earlier one than the last makes the window longer, never shorter.
    pub(in super::super) stated: BTreeMap<Index, Time>,
}

/// No node proved it as of the list's moment.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct NotProved;

impl Journal {
    /// A proved time before the opening at which the journal was stated, or the network's beginning: the
    /// journal of an owner was stated before it was ever used.
    pub(super) fn stated_before(&self, opening: &TagLink, began: Epoch) -> Time {
        let found = self.stated.get(&opening.anchored.index).copied();
        let head = self.head.ok().flatten();
        // A statement of the very block of the opening may have come after it.
        let known = head.into_iter().flat_map(|head| [head.stated, head.since]);
        let before = known.filter(|time| *time < opening.time);
        before.chain(found).max().unwrap_or_else(|| began.begin())
    }
}

impl Folding<'_> {
    /// An owner with an emergency key in a file or a token, or whose daily anchor is missing, may have opened
    /// records that nobody sees; one that lost entries of its journal did open some; one of whose journal nothing is proved may have such a key.
    pub(super) fn take_journal(&mut self) {
        let mut lasts = |from, why| {
            self.gaps.push(Gap {
                from,
                until: None,
                why,
                of: None,
            });
        };
        let journal = match &self.about.journal.head {
            Ok(Some(journal)) => journal,
            Ok(None) => return,
            Err(NotProved) => return lasts(self.about.began.begin(), GapReason::NoJournal),
        };
        match journal.key_kind {
            JournalKeyKind::Hardware => {}
            JournalKeyKind::Token => lasts(journal.since, GapReason::KeyToken),
            _ => lasts(journal.since, GapReason::KeyFile),
        }
        let once = [
            (journal.earlier.file, GapReason::KeyOnceFile),
            (journal.earlier.token, GapReason::KeyOnceToken),
        ];
        for (since, why) in once {
            since.into_iter().for_each(|since| lasts(since, why));
        }
        if self.until > journal.stated.plus_millis(JOURNAL_MILLIS) {
            lasts(journal.stated, GapReason::Unproven);
        }
        let lost = journal.lost.map(|lost| Gap {
            from: lost.from,
            until: Some(lost.until),
            why: GapReason::LostEntries,
            of: Some(GapOf::Entries(lost.count)),
        });
        self.gaps.extend(lost);
    }

    pub(super) fn take_failures(&mut self, quarters: &[Quarter]) {
        let failed = quarters.iter().filter(|quarter| quarter.proved.is_err());
        // Each has a reason of its own.
        let gaps = failed.flat_map(|quarter| Gap::of_runs([quarter.epoch], GapReason::NoProof));
        self.gaps.extend(gaps);
    }

    /// The quarters since the network began of which nothing was asked, those that follow each other as one
    /// gap. Records that were sealed in them may be opened to this day.
    pub(super) fn take_unasked(&mut self, quarters: &[Quarter]) {
        let asked: BTreeSet<Epoch> = quarters.iter().map(|quarter| quarter.epoch).collect();
        let all = (self.about.began.0..=Epoch::of(self.until).0).map(Epoch);
        let unasked = all.filter(|epoch| !asked.contains(epoch));
        self.gaps.extend(Gap::of_runs(unasked, GapReason::NotAsked));
    }

    /// Whoever keeps a record without custodians can open it unseen until its own part of the key is
    /// destroyed.
    pub(super) fn take_alone(&mut self) {
        for (record, from) in std::mem::take(&mut self.alone) {
            let until = self.unreadable.get(&record).copied();
            let document = self.about.known.document(&record).map(Into::into);
            self.gaps.push(Gap {
                from,
                until,
                why: GapReason::NotInCustody,
                of: Some(GapOf::Record { record, document }),
            });
        }
    }
}
