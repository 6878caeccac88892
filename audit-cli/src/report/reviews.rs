//! What was opened by break-glass, and what became of its review.
//!
//! What always holds: the whole log counts, whatever the period, since a review may be open for long. How
//! many wait, and how many of these are late, is exact: those whose time has passed are one number, and the
//! others are counted by when they fall due, which is three days ahead at most. Of the openings themselves
//! a fixed number is kept to be listed; what is left out is counted, and the table says so.

use crate::outcome;
use medanchor_ledger::event::{EventBody, Verdict};
use medanchor_ledger::execute::Executed;
use medanchor_ledger::rules::BreakGlass;
use medanchor_ledger::{ParticipantName, RequestHandle, Time};
use std::collections::BTreeMap;

/// How many openings that wait are kept.
const MOST: usize = 1000;

/// How many reviews are open, by when they fall due.
///
/// Memory: a number for each block of the last 72 hours that opened something.
#[derive(Debug, Default)]
struct Due {
    overdue: u64,
    ahead: BTreeMap<Time, u64>,
    now: Time,
}

impl Due {
    /// Goes on to the time of a block; a review is in time until the very millisecond it falls due.
    fn at(&mut self, now: Time) {
        self.now = now;
        let ahead = self.ahead.split_off(&now);
        let passed = std::mem::replace(&mut self.ahead, ahead);
        self.overdue += passed.into_values().sum::<u64>();
    }

    fn add(&mut self, due: Time) {
        *self.ahead.entry(due).or_default() += 1;
    }

    fn remove(&mut self, due: Time) {
        if due < self.now {
            self.overdue = self.overdue.saturating_sub(1);
            return;
        }
        if let Some(count) = self.ahead.get_mut(&due) {
            *count -= 1;
            if *count == 0 {
                self.ahead.remove(&due);
            }
        }
    }

    fn open(&self) -> u64 {
        self.overdue + self.ahead.values().sum::<u64>()
    }
}

/// The reviews so far.
#[derive(Debug, Default)]
pub(crate) struct Reviews {
    kept: BTreeMap<(ParticipantName, RequestHandle), BreakGlass>,
    due: Due,
    /// Of the reviewed: those whose review came late.
    pub(crate) late: u64,
    /// Of the reviewed: those that were found not to be justified.
    pub(crate) not_justified: u64,
}

/// An opening that waits for its review.
pub(crate) struct Waiting<'r> {
    pub(crate) requester: &'r ParticipantName,
    pub(crate) request: &'r RequestHandle,
    pub(crate) opened: &'r BreakGlass,
    pub(crate) overdue: bool,
}

impl Reviews {
    /// Takes what a block that holds says of them.
    pub(crate) fn block(&mut self, block: &Executed) {
        self.due.at(block.seal.time);
        for event in block.events.iter() {
            match event.body() {
                EventBody::AccessBreakGlass(body) => {
                    self.opened(block, (event.issuer().clone(), body.request));
                }
                EventBody::AccessReview(body) => {
                    self.reviewed(block, &(body.requester.clone(), body.request));
                    // A verdict of a later version counts as the worse one.
                    self.not_justified += u64::from(body.verdict != Verdict::Justified);
                }
                _ => {}
            }
        }
    }

    fn opened(&mut self, block: &Executed, place: (ParticipantName, RequestHandle)) {
        let opened = written(block, &place);
        let Some((opened, due)) = opened.and_then(|one| one.review_by.map(|due| (one, due))) else {
            return;
        };
        self.due.add(due);
        // One that is reviewed in the same block is seen again at its review.
        if self.kept.len() < MOST {
            self.kept.insert(place, opened);
        }
    }

    fn reviewed(&mut self, block: &Executed, place: &(ParticipantName, RequestHandle)) {
        self.kept.remove(place);
        // The rules let nothing else be reviewed than what they wrote down.
        let Some(opened) = written(block, place) else {
            return;
        };
        self.late += u64::from(opened.was_reviewed_late());
        opened
            .review_by
            .into_iter()
            .for_each(|due| self.due.remove(due));
    }

    /// How many wait for their review.
    pub(crate) fn waiting(&self) -> u64 {
        self.due.open()
    }

    /// How many of these are late.
    pub(crate) const fn overdue(&self) -> u64 {
        self.due.overdue
    }

    /// How many of these are not kept, so that [`Reviews::list`] lacks them.
    pub(crate) fn not_listed(&self) -> u64 {
        let listed = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        self.waiting().saturating_sub(listed)
    }

    /// Those that wait and are kept, the first that falls due first.
    pub(crate) fn list(&self) -> Vec<Waiting<'_>> {
        let mut list: Vec<Waiting<'_>> = self
            .kept
            .iter()
            .map(|((requester, request), opened)| Waiting {
                requester,
                request,
                opened,
                overdue: opened.is_overdue(self.due.now),
            })
            .collect();
        list.sort_by_key(|one| (one.opened.review_by, one.opened.requested.index));
        list
    }
}

/// What the block's execution wrote down for a break-glass.
fn written(
    block: &Executed,
    (requester, request): &(ParticipantName, RequestHandle),
) -> Option<BreakGlass> {
    outcome::written(block, &BreakGlass::key(requester, request))
}
