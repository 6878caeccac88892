//! Writing a journal that was rolled back anew from the ledger, which has every entry that was anchored.
//!
//! What always holds: what a node shows counts only if this identity signed it, if its chain leads to the head
//! that the ledger's state proves, and if as many entries are lost in it as the state says; entries of the file
//! that the ledger lacks are kept, numbered anew behind them, so that nothing that was opened is forgotten;
//! what a token has counted and neither has is lost, once, and said to be; the old file stays beside the new
//! one. A file that is missing counts as one without entries, and of a damaged one every entry that is
//! whole and signed.

use super::account::behind as entry_behind;
use super::count::lost_behind;
use super::journal::{Journal, Lost, Step, replace};
use super::{EmergencyError, JournalStanding};
use crate::anchor::Sdk;
use crate::error::SdkError;
use medanchor_ledger::Size;
use medanchor_ledger::event::{AccessEmergency, Event, EventBody};
use medanchor_ledger::rules::EmergencyHead;
use medanchor_ledger::signature::PublicKey;
use medanchor_vault::Tally;
use std::collections::{BTreeMap, BTreeSet};

impl Sdk {
    /// Writes the emergency journal anew: every entry that the ledger has, behind them those of the file
    /// that it lacks, and behind these, as lost, what the token has counted beyond them. Notes of entries
    /// that only the ledger has are not here any more. It reads the whole log. The journal is stated with a
    /// key in a file then; [`Identity::count_emergencies`](crate::Identity::count_emergencies) has the token
    /// count on. To be anchored afterwards. Called again, it changes nothing.
    ///
    /// # Errors
    /// [`EmergencyError::NotShown`] when a node hides an entry; nothing is changed then.
    pub fn restore_emergency_journal(
        &self,
        tally: Option<&dyn Tally>,
    ) -> Result<JournalStanding, EmergencyError> {
        let (ledger, _) = self.emergency_head()?;
        let keys = self.own_keys().map_err(SdkError::from)?;
        let mut steps = match &ledger {
            Some(ledger) => self.anchored_steps(ledger, &keys)?,
            None => Vec::new(),
        };
        let _turn = self.emergency_turn();
        let (path, network) = (self.emergency_path(), self.network());
        let sound = Journal::salvage(&path, network, &keys)?;
        let own: Vec<Step> = sound.into_iter().map(|one| one.step).collect();
        put_behind(&mut steps, &own);
        if let Some(tally) = tally {
            let lost = lost_behind(&steps, tally, network, &keys)?;
            steps.extend(lost.into_iter().map(Step::Lost));
        }
        replace(&path, network, &steps, |bytes| self.sign_bytes(bytes))?;
        Ok(self.open_journal()?.standing())
    }

    /// What took the journal to the ledger's head.
    fn anchored_steps(
        &self,
        ledger: &EmergencyHead,
        keys: &[PublicKey],
    ) -> Result<Vec<Step>, EmergencyError> {
        let log = self.client().checkpoint()?.checkpoint().size;
        let mut found: BTreeMap<u64, Step> = BTreeMap::new();
        self.client().unproven_events(Size(0), log, |event| {
            if event.issuer() == self.participant()
                && let Some(step) = step_of(event.body())
                && is_signed(event, keys)
            {
                found.insert(step.standing().counter, step);
            }
        })?;
        chained(found.into_values(), ledger).ok_or(EmergencyError::NotShown)
    }
}

/// Whether one of these keys signed an event, which a node alone vouches for.
fn is_signed(event: &Event, keys: &[PublicKey]) -> bool {
    let mut keys = keys.iter();
    keys.any(|key| event.clone().verify(key).is_ok())
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

fn end(steps: &[Step]) -> JournalStanding {
    let last = steps.last();
    last.map_or(JournalStanding::EMPTY, Step::standing)
}

/// Puts what the file has, and the ledger does not, behind what the ledger has. What the file has lost and the
/// ledger knows, as an entry or as lost, is no more lost than that.
fn put_behind(steps: &mut Vec<Step>, own: &[Step]) {
    let known = steps.len();
    let mut heads: BTreeSet<_> = steps.iter().map(|step| step.standing().head).collect();
    for step in own {
        let is_there = match step {
            Step::Lost(lost) => !heads.insert(lost.standing.head),
            Step::Entry(own) => steps.iter().take(known).any(|there| same(there, own)),
        };
        if !is_there {
            steps.push(behind(step, &end(steps)));
        }
    }
}

/// Whether both are of one opening, whatever their numbers.
fn same(one: &Step, other: &AccessEmergency) -> bool {
    one.entry().is_some_and(|one| {
        (one.record, one.version) == (other.record, other.version)
            && (one.claimed, one.commitment) == (other.claimed, other.commitment)
    })
}

/// The steps to where the state has the journal, if these lead there and lose as many entries on the way.
pub(super) fn chained(
    found: impl Iterator<Item = Step>,
    ledger: &EmergencyHead,
) -> Option<Vec<Step>> {
    let (mut at, mut steps) = (JournalStanding::EMPTY, Vec::new());
    let mut lost: u64 = 0;
    for step in found.take_while(|step| step.standing().counter <= ledger.counter) {
        if !step.follows(&at) {
            return None;
        }
        if let Step::Lost(more) = &step {
            lost = lost.saturating_add(more.count());
        }
        at = step.standing();
        steps.push(step);
    }
    let leads = (at.counter, at.head) == (ledger.counter, ledger.head);
    (leads && lost == ledger.lost.map_or(0, |lost| lost.count)).then_some(steps)
}

/// The same, behind another standing.
fn behind(own: &Step, last: &JournalStanding) -> Step {
    let first = last.counter.saturating_add(1);
    match own {
        Step::Entry(own) => Step::Entry(entry_behind(own, last)),
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
    use crate::emergency::account::{lost, unaccounted};
    use medanchor_ledger::event::{JournalKeyKind, UnsignedEvent};
    use medanchor_ledger::rules::{Anchored, EarlierKinds, LostEntries};
    use medanchor_ledger::signature::SigningKey;
    use medanchor_ledger::{
        Commitment, EventId, Index, NetworkId, Nonce, RecordHandle, Time, TreeHash,
    };

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
        steps.iter().map(Step::standing).collect()
    }

    /// What the state has of a journal of these steps.
    fn state(steps: &[Step]) -> EmergencyHead {
        let lost = steps.iter().map(|step| match step {
            Step::Lost(lost) => lost.count(),
            Step::Entry(_) => 0,
        });
        let count = lost.sum();
        EmergencyHead {
            newest: Anchored {
                event: EventId::new([1; 32]),
                index: Index(1),
            },
            counter: end(steps).counter,
            head: end(steps).head,
            key_kind: JournalKeyKind::File,
            since: Time(1),
            stated: Time(1),
            lost: (count > 0).then_some(LostEntries {
                count,
                from: Time(1),
                until: Time(1),
            }),
            earlier: EarlierKinds::default(),
        }
    }

    /// The journal that comes of the ledger's steps, the file's own and what a token counted.
    fn restored(ledger: &[Step], own: &[Step], counted: &[Step]) -> Vec<Step> {
        let shown = ledger.iter().cloned();
        let mut steps = chained(shown, &state(ledger)).unwrap();
        put_behind(&mut steps, own);
        let (marks, all) = (standings(counted), steps.iter().collect::<Vec<_>>());
        let lost = lost(end(&steps).counter, &marks, &unaccounted(&all, &marks));
        steps.extend(lost.into_iter().map(Step::Lost));
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
            assert!(steps[known..].iter().all(|step| step.entry().is_none()));
            assert_eq!(end(&steps), end(&whole));
        }
    }

    /// The command was killed, or the network cut, before all of it was anchored, and it is given again.
    #[test]
    fn a_restored_journal_that_is_restored_again_stays_as_it_is() {
        let whole = chain(&[1, 2, 3, 4, 5, 6, 7]);
        let (parted, other) = (chain(&[1, 8, 9]), chain(&[1, 2]));
        for (ledger, own, counted) in [
            (&whole[..3], &whole[..0], &whole),
            (&whole[..3], &whole[..5], &whole),
            (&other[..], &parted[..], &parted),
            (&other[..], &parted[..2], &parted),
        ] {
            let steps = restored(ledger, own, counted);
            let marks = [&counted[..], &steps[steps.len() - 1..]].concat();
            for anchored in ledger.len()..=steps.len() {
                let again = restored(&steps[..anchored], &steps, &marks);
                assert_eq!(again, steps, "{anchored} of them anchored");
            }
        }
    }

    /// The ledger had them all the time.
    #[test]
    fn what_was_lost_at_home_and_stands_on_the_ledger_is_not_lost() {
        let whole = chain(&[1, 2, 3]);
        let lost = Step::Lost(Lost {
            first: 2,
            standing: end(&whole),
        });
        let own = [whole[0].clone(), lost, entry(&end(&whole), 5)];
        let steps = restored(&whole, &own, &[&whole[..], &own[2..]].concat());
        assert_eq!(steps, [&whole[..], &own[2..]].concat());
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
    }

    /// It would have every entry that is on the ledger numbered anew and anchored again.
    #[test]
    fn a_node_cannot_say_that_entries_are_lost_which_the_ledger_has() {
        let whole = chain(&[1, 2, 3]);
        let lost = |first| {
            Step::Lost(Lost {
                first,
                standing: end(&whole),
            })
        };
        let shown = |steps: &[Step]| chained(steps.iter().cloned(), &state(&whole));
        assert_eq!(shown(&whole), Some(whole.clone()));
        assert_eq!(shown(&[lost(1)]), None);
        assert_eq!(shown(&[whole[0].clone(), lost(2)]), None);
        // The other way round: what is lost is shown as entries.
        let ledger = [whole[0].clone(), lost(2)];
        assert_eq!(chained(whole.clone().into_iter(), &state(&ledger)), None);
    }

    #[test]
    fn what_a_node_shows_counts_only_if_this_identity_signed_it() {
        let sign = |byte| {
            let key = SigningKey::from_seed(&[byte; 32]);
            let unsigned = UnsignedEvent {
                issuer: "north-hospital".parse().unwrap(),
                network: NetworkId::new([1; 16]),
                nonce: Nonce::new([1; 16]),
                not_after: Time(1),
                body: chain(&[1])[0].entry().unwrap().clone().into(),
            };
            (unsigned.sign(&key).unwrap(), key.public_key())
        };
        let ((event, key), (_, other)) = (sign(5), sign(6));
        assert!(is_signed(&event, &[other, key]));
        assert!(!is_signed(&event, &[other]));
        let mut bytes = event.encoded().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let forged = Event::decode(&bytes).unwrap();
        assert!(!is_signed(&forged, &[other, key]));
    }

    #[test]
    fn a_journal_that_parted_is_numbered_anew_and_nothing_is_lost_of_it() {
        let (ledger, own) = (chain(&[1, 2]), chain(&[1, 7, 8]));
        let steps = restored(&ledger, &own, &own);
        assert_eq!(steps.len(), 4);
        assert_eq!(end(&steps).counter, 4);
    }
}
