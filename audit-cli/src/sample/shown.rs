//! Which draws of an inspection a file of items opens.
//!
//! What always holds: an answer is a commitment and a path, which anybody can make of random bytes,
//! so only a draw whose item was opened counts as shown, and one item counts once: a second one with
//! the same commitment, salt or bytes fills up a population and shows nothing.

use super::check::Checked;
use super::items::{Items, ShownItem};
use medanchor_ledger::ItemCommitment;
use std::collections::BTreeSet;

/// What a file of items says about an inspection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// It is the whole population: the root was computed again.
    pub(crate) whole: bool,
    /// The answered draws whose items it opens, by number.
    pub(crate) opened: BTreeSet<u16>,
    /// The answered draws at whose place it has another item than the answer.
    pub(crate) other: BTreeSet<u16>,
    /// The opened draws whose item was seen at an earlier one.
    pub(crate) again: BTreeSet<u16>,
}

impl Shown {
    /// What `items` say about the inspection; `None` if they are of others.
    pub(crate) fn of(items: &Items, checked: &Checked<'_>) -> Option<Self> {
        let population = checked.population;
        let answers = checked.answered.iter().filter_map(|(number, item)| {
            let place = checked.places.get(usize::from(*number))?;
            Some((*number, *item, items.shown.get(place)?))
        });
        let mut shown = opened(answers);
        shown.whole = items.root == Some(population.root) && items.count == population.count;
        (shown.whole || !shown.opened.is_empty()).then_some(shown)
    }

    /// Whether the draw was answered, opened, and its item is no repetition.
    pub(crate) fn shows(&self, number: u16) -> bool {
        self.opened.contains(&number) && !self.again.contains(&number)
    }
}

/// Holds what a file has at the drawn places against the answers.
fn opened<'i>(answers: impl Iterator<Item = (u16, ItemCommitment, &'i ShownItem)>) -> Shown {
    let mut shown = Shown::default();
    let (mut commitments, mut salts, mut items) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (number, answered, found) in answers {
        if found.commitment != answered {
            shown.other.insert(number);
            continue;
        }
        shown.opened.insert(number);
        let first = [
            commitments.insert(*answered.as_bytes()),
            salts.insert(found.salt),
            items.insert(found.item),
        ];
        if first.contains(&false) {
            shown.again.insert(number);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::draw::commit_item;
    use medanchor_ledger::sha256;

    fn item(salt: u8, text: &[u8]) -> ShownItem {
        ShownItem {
            commitment: commit_item(&[salt; 32], text),
            salt: [salt; 32],
            item: sha256(&[text]),
        }
    }

    #[test]
    fn an_item_shows_something_once() {
        let items = [
            item(1, b"a"),
            item(2, b"b"),
            item(1, b"a"),
            item(1, b"c"),
            item(3, b"b"),
        ];
        let answers = (0..)
            .zip(&items)
            .map(|(n, item)| (n, item.commitment, item));
        let shown = opened(answers);
        assert_eq!(shown.opened.len(), 5);
        assert_eq!(shown.again, [2, 3, 4].into());
        let counted: Vec<u16> = (0..6).filter(|number| shown.shows(*number)).collect();
        assert_eq!(counted, [0, 1], "and draw 5 was not answered");
    }

    #[test]
    fn another_item_than_the_answered_one_opens_nothing() {
        let (answered, in_file) = (item(1, b"a"), item(2, b"a"));
        let shown = opened([(7, answered.commitment, &in_file)].into_iter());
        assert_eq!(shown.other, [7].into());
        assert!(shown.opened.is_empty() && !shown.shows(7));
    }
}
