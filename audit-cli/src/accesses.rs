//! What the rules made of the requests for access, as this audit executed them.
//!
//! What always holds: every request of the log is counted once, one by break-glass apart while it is
//! permitted and with the others where it is denied; of the denials at most a fixed
//! number is kept, the latest, so that memory stays flat.

use crate::outcome::{Judged, Outcome, judged};
use medanchor_ledger::Index;
use medanchor_ledger::event::Event;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::rules::Decision;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// How many denials are kept.
const MOST: usize = 1000;

/// The requests that were decided so far.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Accesses {
    permitted: u64,
    /// Opened without a consent.
    broken: u64,
    denied: BTreeMap<&'static str, u64>,
    latest_denials: VecDeque<Denial>,
}

/// One denied request.
#[derive(Debug, Serialize)]
struct Denial {
    entry: u64,
    event: String,
    reason: &'static str,
}

impl Accesses {
    /// Counts the requests of a block that was executed and found to be sound.
    pub(crate) fn count(&mut self, block: &Executed) {
        for Judged {
            index,
            event,
            outcome,
        } in judged(block)
        {
            match outcome {
                Outcome::Applied => {}
                Outcome::Decided(Decision::Permitted) => self.permitted += 1,
                Outcome::Broken(Decision::Permitted) => self.broken += 1,
                Outcome::Decided(Decision::Denied(reason))
                | Outcome::Broken(Decision::Denied(reason)) => {
                    self.deny(index, event, reason.as_str());
                }
            }
        }
    }

    fn deny(&mut self, index: Index, event: &Event, reason: &'static str) {
        *self.denied.entry(reason).or_default() += 1;
        if self.latest_denials.len() == MOST {
            self.latest_denials.pop_front();
        }
        self.latest_denials.push_back(Denial {
            entry: index.0,
            event: event.id().to_string(),
            reason,
        });
    }

    /// How many were opened without a consent.
    pub(crate) const fn broken(&self) -> u64 {
        self.broken
    }

    /// How many were permitted under a consent, and how many denied.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.permitted, self.denied.values().sum())
    }
}
