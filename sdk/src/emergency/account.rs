//! Which marks of a token a journal accounts for, and what is lost of the others.
//!
//! What always holds: a mark is of one opening, whose head nothing else has, and the journal accounts for it
//! by having that opening: as an entry, under the mark's number or another one, or as lost, in a frame
//! that bears the mark's head. So an opening is lost once, however often a journal is mended and wherever a mending broke
//! off, and one that was numbered anew is not lost.

use super::JournalStanding;
use super::journal::{Lost, Step};
use medanchor_ledger::JournalHead;
use medanchor_ledger::event::AccessEmergency;
use std::collections::{BTreeMap, BTreeSet};

/// The most entries that were numbered anew, and never marked, in a row before one that was marked.
const ROW: usize = 4;

/// The heads that something had at each number.
type Heads = BTreeMap<u64, Vec<JournalHead>>;

/// What was marked and a journal of these steps does not account for, the lowest number first.
pub(super) fn unaccounted(steps: &[&Step], marks: &[JournalStanding]) -> Vec<JournalStanding> {
    let mut left = marks.to_vec();
    left.sort_by_key(|mark| mark.counter);
    let mut known: BTreeSet<JournalHead> = steps.iter().map(|step| step.standing().head).collect();
    known.insert(JournalHead::EMPTY);
    // One opening has two marks where its head became that of a journal which had lost it.
    left.retain(|mark| known.insert(mark.head));
    left.retain(|mark| !steps.iter().any(|step| spans(step, mark, marks)));
    if left.is_empty() {
        return left;
    }
    let entries: Vec<_> = steps.iter().filter_map(|step| step.entry()).collect();
    let heads = heads(steps, marks);
    left.retain(|mark| !was_numbered_anew(mark, &entries, &heads));
    left
}

/// Whether a step says that all entries up to a mark's are lost, and the given one is among these.
fn spans(step: &Step, mark: &JournalStanding, marks: &[JournalStanding]) -> bool {
    let Step::Lost(lost) = step else {
        return false;
    };
    (lost.first..lost.standing.counter).contains(&mark.counter) && marks.contains(&lost.standing)
}

fn heads(steps: &[&Step], marks: &[JournalStanding]) -> Heads {
    let mut heads = Heads::from([(0, vec![JournalHead::EMPTY])]);
    let steps = steps.iter().map(|step| step.standing());
    for JournalStanding { counter, head } in steps.chain(marks.iter().copied()) {
        let there = heads.entry(counter).or_default();
        if !there.contains(&head) {
            there.push(head);
        }
    }
    heads
}

/// Whether entries of the journal lead to a mark from where a journal once stood. Those that are numbered
/// anew keep their order.
fn was_numbered_anew(mark: &JournalStanding, entries: &[&AccessEmergency], heads: &Heads) -> bool {
    let leads = |start: JournalStanding, length| {
        let mut rows = entries.windows(length);
        rows.any(|row| row.iter().fold(start, |at, entry| after(entry, &at)) == *mark)
    };
    (1..=ROW).any(|length| {
        let Some(counter) = mark.counter.checked_sub(length as u64) else {
            return false;
        };
        let mut starts = heads.get(&counter).into_iter().flatten();
        starts.any(|head| {
            let head = *head;
            leads(JournalStanding { counter, head }, length)
        })
    })
}

/// Where a journal stands after an entry that is put behind where it stood.
fn after(entry: &AccessEmergency, at: &JournalStanding) -> JournalStanding {
    Step::Entry(behind(entry, at)).standing()
}

/// The same opening as the next entry of a journal that stands so.
pub(super) fn behind(entry: &AccessEmergency, at: &JournalStanding) -> AccessEmergency {
    AccessEmergency {
        counter: at.counter.saturating_add(1),
        previous: at.head,
        ..entry.clone()
    }
}

/// What takes a journal that stands at `from` past what it does not account for: one step for each mark,
/// with its head. Where no mark has the number below, that entry is lost with it.
pub(super) fn lost(
    from: u64,
    marks: &[JournalStanding],
    unaccounted: &[JournalStanding],
) -> Vec<Lost> {
    let mut at = from;
    let lose = |mark: &JournalStanding| {
        let counters = marks.iter().map(|one| one.counter);
        let below = counters.filter(|one| *one < mark.counter).max();
        let below = below.unwrap_or(0).max(from);
        let unmarked = mark.counter.saturating_sub(below).saturating_sub(1);
        let first = at.saturating_add(1);
        at = first.saturating_add(unmarked);
        Lost {
            first,
            standing: JournalStanding {
                counter: at,
                head: mark.head,
            },
        }
    };
    unaccounted.iter().map(lose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(counter: u64, byte: u8) -> JournalStanding {
        let head = JournalHead::new([byte; 32]);
        JournalStanding { counter, head }
    }

    /// First, last and head of each.
    fn steps(from: u64, marks: &[JournalStanding], missing: &[JournalStanding]) -> Vec<(u64, u64)> {
        let lost = lost(from, marks, missing);
        let heads = lost.iter().map(|lost| lost.standing.head);
        assert!(heads.eq(missing.iter().map(|mark| mark.head)));
        let ends = lost.iter().map(|lost| (lost.first, lost.standing.counter));
        ends.collect()
    }

    #[test]
    fn each_mark_that_is_not_accounted_for_is_lost_and_what_has_no_mark_below_it_too() {
        let cut = [at(3, 3), at(5, 5), at(6, 6)];
        assert_eq!(steps(3, &cut, &[]), []);
        assert_eq!(steps(3, &cut, &cut[1..]), [(4, 5), (6, 6)]);
        // Parted, and gone on with.
        let parted = [at(5, 1), at(5, 2), at(6, 1), at(7, 1)];
        assert_eq!(steps(7, &parted, &parted[1..2]), [(8, 8)]);
        // Parted at 6, and entry 7 of what was counted has no mark.
        let longer = [at(5, 1), at(6, 2), at(8, 2)];
        assert_eq!(steps(6, &longer, &longer[1..]), [(7, 7), (8, 9)]);
    }

    #[test]
    fn a_frame_that_says_that_several_are_lost_accounts_for_the_marks_of_each() {
        let marks = [at(2, 2), at(3, 3), at(4, 4)];
        let says = |first, standing| Step::Lost(Lost { first, standing });
        let all = says(1, marks[2]);
        assert_eq!(unaccounted(&[&all], &marks), []);
        assert_eq!(unaccounted(&[], &[marks[0], at(9, 2)]), [marks[0]]);
        // Numbered anew, it stands over other numbers.
        let anew = says(2, at(5, 4));
        assert_eq!(unaccounted(&[&anew], &marks), marks[..2]);
    }
}
