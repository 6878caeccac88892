//! What was opened by break-glass, and what became of its review.
//!
//! What always holds: the whole log counts, whatever the period, since a review may be open for long;
//! of the openings that wait at most a fixed number is kept, so that memory stays flat, and how many
//! there are is counted all the same.

use crate::outcome;
use medanchor_ledger::event::{EventBody, Verdict};
use medanchor_ledger::execute::Executed;
use medanchor_ledger::rules::BreakGlass;
use medanchor_ledger::{ParticipantName, RequestHandle, Time};
use std::collections::BTreeMap;

/// How many openings that wait are kept.
const MOST: usize = 1000;

/// The reviews so far.
#[derive(Debug, Default)]
pub(crate) struct Reviews {
    open: BTreeMap<(ParticipantName, RequestHandle), BreakGlass>,
    /// Records that were opened.
    opened: u64,
    reviewed: u64,
    /// Of the reviewed: those whose review came late.
    pub(crate) late: u64,
    /// Of the reviewed: those that were found not to be justified.
    pub(crate) not_justified: u64,
    now: Time,
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
        self.now = block.seal.time;
        for event in block.events.iter() {
            match event.body() {
                EventBody::AccessBreakGlass(body) => {
                    self.opened(block, (event.issuer().clone(), body.request));
                }
                EventBody::AccessReview(body) => {
                    let place = (body.requester.clone(), body.request);
                    let late =
                        written(block, &place).is_some_and(|opened| opened.was_reviewed_late());
                    self.open.remove(&place);
                    self.reviewed += 1;
                    self.late += u64::from(late);
                    // A verdict of a later version counts as the worse one.
                    self.not_justified += u64::from(body.verdict != Verdict::Justified);
                }
                _ => {}
            }
        }
    }

    fn opened(&mut self, block: &Executed, place: (ParticipantName, RequestHandle)) {
        let Some(opened) = written(block, &place).filter(|opened| opened.review_by.is_some())
        else {
            return;
        };
        self.opened += 1;
        // One that is reviewed in the same block is seen again at its review.
        if self.open.len() < MOST {
            self.open.insert(place, opened);
        }
    }

    /// How many wait for their review.
    pub(crate) const fn waiting(&self) -> u64 {
        self.opened.saturating_sub(self.reviewed)
    }

    /// Those that wait and are kept, the first that falls due first.
    pub(crate) fn list(&self) -> Vec<Waiting<'_>> {
        let mut list: Vec<Waiting<'_>> = self
            .open
            .iter()
            .map(|((requester, request), opened)| Waiting {
                requester,
                request,
                opened,
                overdue: opened.review_by.is_some_and(|by| self.now > by),
            })
            .collect();
        list.sort_by_key(|one| (one.opened.review_by, one.opened.requested.index));
        list
    }

    /// How many of those that are kept are late.
    pub(crate) fn overdue(&self) -> u64 {
        let late = self.list().into_iter().filter(|one| one.overdue);
        late.map(|_| 1).sum()
    }
}

/// What the block's execution wrote down for a break-glass.
fn written(
    block: &Executed,
    (requester, request): &(ParticipantName, RequestHandle),
) -> Option<BreakGlass> {
    outcome::written(block, &BreakGlass::key(requester, request))
}
