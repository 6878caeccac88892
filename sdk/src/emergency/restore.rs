//! Writing a journal that was rolled back anew from the ledger, which has every entry that was anchored.
//!
//! What always holds: the entries that a node shows count only if their chain leads to the head that the
//! ledger's state proves; entries of the file that the ledger lacks are kept, numbered anew behind
//! them, so that nothing that was opened is forgotten; what a token has counted and neither has is lost,
//! and said to be; the old file stays beside the new one. A file that is missing counts as one without
//! entries, and of a damaged one every entry that is whole and signed.

use super::count::{counted_above, lost};
use super::journal::{Journal, Lost, Step, replace};
use super::{EmergencyError, JournalStanding};
use crate::anchor::Sdk;
use crate::error::SdkError;
use medanchor_ledger::Size;
use medanchor_ledger::event::{AccessEmergency, EventBody};
use medanchor_ledger::rules::EmergencyHead;
use medanchor_vault::Tally;
use std::collections::BTreeMap;

impl Sdk {
    /// Writes the emergency journal anew: every entry that the ledger has, behind them those of the file
    /// that it lacks, and behind these, as lost, what the token has counted beyond them. Notes of entries
    /// that only the ledger has are not here any more. It reads the whole log. The journal is stated with a
    /// key in a file then; [`Identity::count_emergencies`](crate::Identity::count_emergencies) has the token
    /// count on. To be anchored afterwards.
    ///
    /// # Errors
    /// [`EmergencyError::NotShown`] when a node hides an entry; nothing is changed then.
    pub fn restore_emergency_journal(
        &self,
        tally: Option<&dyn Tally>,
    ) -> Result<JournalStanding, EmergencyError> {
        let (ledger, _) = self.emergency_head()?;
        let mut steps = match &ledger {
            Some(ledger) => self.anchored_steps(ledger)?,
            None => Vec::new(),
        };
        let _turn = self.emergency_turn();
        let (path, network) = (self.emergency_path(), self.network());
        let keys = self.own_keys().map_err(SdkError::from)?;
        let sound = Journal::salvage(&path, network, &keys)?;
        let own: Vec<Step> = sound.into_iter().map(|one| one.step).collect();
        put_behind(&mut steps, &own);
        if let Some(tally) = tally {
            let anchored = ledger.map_or(0, |ledger| ledger.counter);
            let counted = counted_above(tally, anchored, network, &keys)?;
            steps.extend(missing(&steps, &own, counted).map(Step::Lost));
        }
        replace(&path, network, &steps, |bytes| self.sign_bytes(bytes))?;
        if let Some(tally) = tally {
            // What the next opening is held against, whatever numbers the entries had before.
            let set = tally.set(&self.mark(end(&steps)));
            set.map_err(EmergencyError::Token)?;
        }
        Ok(self.open_journal()?.standing())
    }

    /// What took the journal to the ledger's head.
    fn anchored_steps(&self, ledger: &EmergencyHead) -> Result<Vec<Step>, EmergencyError> {
        let log = self.client().checkpoint()?.checkpoint().size;
        let mut found: BTreeMap<u64, Step> = BTreeMap::new();
        self.client().unproven_events(Size(0), log, |event| {
            if event.issuer() == self.participant()
                && let Some(step) = step_of(event.body())
            {
                found.insert(step.standing().counter, step);
            }
        })?;
        let head = JournalStanding {
            counter: ledger.counter,
            head: ledger.head,
        };
        chained(found.into_values(), &head).ok_or(EmergencyError::NotShown)
    }
}

/// What an event says of a journal's way; a statement that nothing is lost says where it is, and no more.
fn step_of(event: &EventBody) -> Option<Step> {
    match event {
        EventBody::AccessEmergency(entry) => Some(Step::Entry(entry.clone())),
        EventBody::EmergencyJournal(said) if said.lost > 0 => Some(Step::Lost(Lost {
            first: said.counter.checked_sub(said.lost)?.checked_add(1)?,
            standing: JournalStanding {
                counter: said.counter,
                head: said.head,
            },
        })),
        _ => None,
    }
}

/// What the token has counted beyond the ledger, and neither the new steps nor the file's own have.
fn missing(steps: &[Step], own: &[Step], counted: Vec<JournalStanding>) -> Option<Lost> {
    let top = counted.first().map(|one| one.counter);
    let mut newest = counted.clone();
    newest.retain(|one| Some(one.counter) == top);
    let known = |one| {
        let mut all = steps.iter().chain(own);
        all.any(|step| step.standing() == one)
    };
    let mut missing = counted;
    missing.retain(|one| !known(*one));
    lost(&end(steps), &newest, &missing)
}

fn end(steps: &[Step]) -> JournalStanding {
    let last = steps.last();
    last.map_or(JournalStanding::EMPTY, Step::standing)
}

/// Puts what the file has, and the ledger does not, behind what the ledger has.
fn put_behind(steps: &mut Vec<Step>, own: &[Step]) {
    let known = steps.len();
    for step in own {
        if !steps.iter().take(known).any(|there| same(there, step)) {
            steps.push(behind(step, &end(steps)));
        }
    }
}

fn same(one: &Step, other: &Step) -> bool {
    match (one, other) {
        (Step::Entry(one), Step::Entry(other)) => {
            (one.record, one.version) == (other.record, other.version)
                && (one.claimed, one.commitment) == (other.claimed, other.commitment)
        }
        (one, other) => one == other,
    }
}

/// The steps to `head`, if these lead there.
pub(super) fn chained(
    found: impl Iterator<Item = Step>,
    head: &JournalStanding,
) -> Option<Vec<Step>> {
    let (mut at, mut steps) = (JournalStanding::EMPTY, Vec::new());
    for step in found.take_while(|step| step.standing().counter <= head.counter) {
        if !step.follows(&at) {
            return None;
        }
        at = step.standing();
        steps.push(step);
    }
    (at == *head).then_some(steps)
}

/// The same, behind another standing.
fn behind(own: &Step, last: &JournalStanding) -> Step {
    let first = last.counter.saturating_add(1);
    match own {
        Step::Entry(own) => Step::Entry(AccessEmergency {
            counter: first,
            previous: last.head,
            ..own.clone()
        }),
        // Of these the ledger has come past the first ones.
        Step::Lost(own) if (own.first..=own.standing.counter).contains(&first) => {
            Step::Lost(Lost { first, ..*own })
        }
        Step::Lost(own) => Step::Lost(Lost {
            first,
            standing: JournalStanding {
                counter: last.counter.saturating_add(own.count()),
                head: own.standing.head,
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::{Commitment, JournalHead, RecordHandle, Time, TreeHash};

    fn entry(after: &JournalStanding, byte: u8) -> Step {
        Step::Entry(AccessEmergency {
            counter: after.counter + 1,
            record: RecordHandle::new([byte; 16]),
            version: 1,
            claimed: Time(u64::from(byte)),
            previous: after.head,
            commitment: Commitment::new(TreeHash::new([byte; 32])),
        })
    }

    /// Entries of these bytes, one behind the other.
    fn chain(bytes: &[u8]) -> Vec<Step> {
        let mut steps = Vec::new();
        for byte in bytes {
            steps.push(entry(&end(&steps), *byte));
        }
        steps
    }

    fn standings(steps: &[Step]) -> Vec<JournalStanding> {
        let mut newest_first: Vec<_> = steps.iter().map(Step::standing).collect();
        newest_first.reverse();
        newest_first
    }

    /// The journal that comes of the ledger's steps, the file's own and what a token counted.
    fn restored(ledger: &[Step], own: &[Step], counted: &[Step]) -> Vec<Step> {
        let mut steps = ledger.to_vec();
        put_behind(&mut steps, own);
        let mut counted = standings(counted);
        counted.retain(|one| one.counter > end(ledger).counter);
        let lost = missing(&steps, own, counted);
        steps.extend(lost.map(Step::Lost));
        let mut at = JournalStanding::EMPTY;
        for step in &steps {
            assert!(step.follows(&at));
            at = step.standing();
        }
        steps
    }

    #[test]
    fn what_only_the_token_counted_is_lost_and_all_else_keeps_its_number() {
        let whole = chain(&[1, 2, 3, 4, 5]);
        for (anchored, kept) in [(0, 0), (0, 2), (2, 0), (2, 2), (2, 4), (4, 2), (5, 5)] {
            let steps = restored(&whole[..anchored], &whole[..kept], &whole);
            let known = anchored.max(kept);
            assert_eq!(steps[..known], whole[..known]);
            let lost = match &steps[known..] {
                [] => 0,
                [Step::Lost(lost)] => lost.count(),
                other => panic!("{other:?}"),
            };
            assert_eq!(lost, 5 - known as u64);
            assert_eq!(end(&steps), end(&whole));
        }
    }

    #[test]
    fn what_was_written_down_as_lost_meanwhile_is_lost_once() {
        let whole = chain(&[1, 2, 3, 4]);
        let lost = |first| {
            Step::Lost(Lost {
                first,
                standing: end(&whole),
            })
        };
        let own = [whole[0].clone(), lost(2), entry(&end(&whole), 5)];
        let steps = restored(&whole[..3], &own, &whole);
        assert_eq!(steps[..3], whole[..3]);
        assert_eq!(steps[3..], [lost(4), own[2].clone()]);
        // The ledger knew already that some are lost.
        let part = Step::Lost(Lost {
            first: 2,
            standing: whole[2].standing(),
        });
        let ledger = [whole[0].clone(), part];
        let steps = restored(&ledger, &own, &whole);
        assert_eq!(steps[2..], [lost(4), own[2].clone()]);
        assert!(chained(steps.clone().into_iter(), &end(&steps)).is_some());
        assert!(
            chained(
                own.clone().into_iter(),
                &JournalStanding {
                    counter: 3,
                    head: JournalHead::new([3; 32]),
                }
            )
            .is_none()
        );
    }

    #[test]
    fn a_journal_that_parted_is_numbered_anew_and_nothing_is_lost_of_it() {
        let (ledger, own) = (chain(&[1, 2]), chain(&[1, 7, 8]));
        let steps = restored(&ledger, &own, &own);
        assert_eq!(steps.len(), 4);
        assert_eq!(end(&steps).counter, 4);
    }
}
