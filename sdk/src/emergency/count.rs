//! The count of the emergency journal in the token that keeps the emergency key.
//!
//! What always holds: an entry is in the journal before it is marked in the token, and marked before the
//! key moves. So a journal may be ahead of its token, by openings that a power cut ended, and it never is
//! behind but where somebody put an older one in its place. A mark counts only if a key of this identity
//! signed it, and a journal has to account for every one that does (`account.rs`), not for the newest alone:
//! what was cut off and written over is seen, and what is written down as lost needs no mark of its own. A
//! token that does not count, full, broken or slow, stops no opening: the journal is stated with
//! [`JournalKeyKind::File`] from then on, which every patient's list says.
//!
//! | bytes of a mark | |
//! |---|---|
//! | 0..16 | magic `medanchor/ectr/1` |
//! | 16..32 | network id |
//! | 32..40 | counter, big-endian |
//! | 40..72 | the journal's head after entry `counter`; zero for 0 |
//! | 72..136 | Ed25519 over "medanchor/emergency-entry/v1" || network || counter || head, as in the journal |

use super::account::{lost, unaccounted};
use super::journal::{Journal, Lost, Step};
use super::{EmergencyError, JournalStanding};
use crate::error::SdkError;
use crate::identity::Identity;
use medanchor_ledger::event::JournalKeyKind;
use medanchor_ledger::signature::{PublicKey, Signature, verify};
use medanchor_ledger::slip::entry_bytes;
use medanchor_ledger::{JournalHead, NetworkId};
use medanchor_vault::{MAX_MARKS, Marks, Protection, Tally};
use std::collections::BTreeMap;
use std::time::Duration;

const MAGIC: &[u8; 16] = b"medanchor/ectr/1";
const LENGTH: usize = 136;
const FULL: &str = "it holds as many entries as a count may have";
const EMPTIED: &str = "it has lost every mark of this journal";
/// How long a token's marks are read while a record waits to be opened, and where nothing waits for them.
const OPENING: Duration = Duration::from_secs(20);
const MENDING: Duration = Duration::from_secs(600);

/// What a mark says.
struct Mark {
    standing: JournalStanding,
    signature: Signature,
}

impl Mark {
    fn encode(&self, network: NetworkId) -> Vec<u8> {
        let parts: [&[u8]; 5] = [
            MAGIC,
            network.as_bytes(),
            &self.standing.counter.to_be_bytes(),
            self.standing.head.as_bytes(),
            self.signature.as_bytes(),
        ];
        parts.concat()
    }

    fn decode(bytes: &[u8], network: NetworkId) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
        let rest = bytes
            .strip_prefix(MAGIC)?
            .strip_prefix(network.as_bytes())?;
        let (counter, rest) = rest.split_first_chunk()?;
        let (head, signature) = rest.split_first_chunk()?;
        Some(Self {
            standing: JournalStanding {
                counter: u64::from_be_bytes(*counter),
                head: JournalHead::new(*head),
            },
            signature: Signature::new(signature.try_into().ok()?),
        })
    }

    fn is_signed(&self, network: NetworkId, keys: &[PublicKey]) -> bool {
        let JournalStanding { counter, head } = self.standing;
        let message = entry_bytes(network, counter, &head);
        let mut keys = keys.iter();
        keys.any(|key| verify(key, &message, &self.signature).is_ok())
    }
}

/// What a token has counted, held against a journal.
struct Counted {
    /// The number of the newest entry that it counted.
    newest: u64,
    /// Every standing that it counted.
    standings: Vec<JournalStanding>,
    /// Those that the journal does not account for, the lowest number first.
    unaccounted: Vec<JournalStanding>,
    /// How many marks there are, whoever set them.
    marks: usize,
}

/// What the token has counted, held against a journal of these steps; none if it counted nothing.
fn counted(
    tally: &dyn Tally,
    within: Duration,
    steps: &[&Step],
    (network, keys): (NetworkId, &[PublicKey]),
) -> Result<Option<Counted>, EmergencyError> {
    let found = tally.marks(within).map_err(EmergencyError::Token)?;
    let marks = found.len();
    let decoded = found.iter().filter_map(|one| Mark::decode(one, network));
    let mut found: Vec<Mark> = decoded.collect();
    found.sort_by_key(|mark| std::cmp::Reverse(mark.standing.counter));
    let newest = found.iter().find(|mark| mark.is_signed(network, keys));
    let Some(newest) = newest.map(|mark| mark.standing.counter) else {
        return Ok(None);
    };
    // What the journal says itself needs no signature of the mark's.
    let stands = |step: &&Step| (step.standing().counter, step.standing().head);
    let own: BTreeMap<_, _> = steps.iter().map(stands).collect();
    let is_own = |one: &JournalStanding| own.get(&one.counter) == Some(&one.head);
    found.retain(|mark| is_own(&mark.standing) || mark.is_signed(network, keys));
    let standings: Vec<_> = found.iter().map(|mark| mark.standing).collect();
    Ok(Some(Counted {
        newest,
        unaccounted: unaccounted(steps, &standings),
        standings,
        marks,
    }))
}

impl Counted {
    /// Refuses a journal that stands at entry `found` and lacks what was counted, or has it otherwise.
    fn agrees(&self, found: u64) -> Result<(), EmergencyError> {
        match self.unaccounted.last().map(|one| one.counter) {
            None => Ok(()),
            Some(counted) if found < counted => Err(EmergencyError::Uncounted { counted, found }),
            Some(counted) => Err(EmergencyError::OtherCount { counted }),
        }
    }

    /// What says that the rest is lost, behind entry `from`.
    fn lost(&self, from: u64) -> Vec<Lost> {
        lost(from, &self.standings, &self.unaccounted)
    }
}

/// What is lost of a journal of these steps, behind them.
#[cfg(feature = "client")]
pub(super) fn lost_behind(
    steps: &[Step],
    tally: &dyn Tally,
    network: NetworkId,
    keys: &[PublicKey],
) -> Result<Vec<Lost>, EmergencyError> {
    let all: Vec<&Step> = steps.iter().collect();
    let counted = counted(tally, MENDING, &all, (network, keys))?;
    let end = steps.last().map_or(0, |last| last.standing().counter);
    Ok(counted.map_or_else(Vec::new, |counted| counted.lost(end)))
}

/// Whether the next entry is counted.
pub(super) enum Count<'t> {
    /// It is to be marked.
    Goes(&'t dyn Tally),
    /// The token should count, and does not.
    Stopped(String),
    /// Nobody said that it is.
    Nobody,
}

impl Identity {
    /// What the token has counted, held against the journal; none if it counted nothing.
    fn counted(
        &self,
        tally: &dyn Tally,
        within: Duration,
        journal: &Journal,
    ) -> Result<Option<Counted>, EmergencyError> {
        let keys = self.own_keys().map_err(SdkError::from)?;
        let steps: Vec<&Step> = journal.steps().collect();
        counted(tally, within, &steps, (self.network(), &keys))
    }

    /// The mark of a journal that stands so.
    fn mark(&self, standing: JournalStanding) -> Vec<u8> {
        let JournalStanding { counter, head } = standing;
        let signature = self.sign_bytes(&entry_bytes(self.network(), counter, &head));
        let mark = Mark {
            standing,
            signature,
        };
        mark.encode(self.network())
    }

    /// Whether a journal's next entry is counted by the token.
    pub(super) fn count_of<'t>(
        &self,
        tally: Option<&'t dyn Tally>,
        journal: &Journal,
    ) -> Result<Count<'t>, EmergencyError> {
        let Some(tally) = tally else {
            return Ok(Count::Nobody);
        };
        match self.counted(tally, OPENING, journal) {
            Err(error @ EmergencyError::Token(_)) => Ok(Count::Stopped(error.to_string())),
            Err(other) => Err(other),
            Ok(None) if journal.kind() == JournalKeyKind::File => Ok(Count::Nobody),
            Ok(None) => Ok(Count::Stopped(EMPTIED.into())),
            Ok(Some(counted)) => {
                counted.agrees(journal.standing().counter)?;
                Ok(match counted.marks < MAX_MARKS {
                    true => Count::Goes(tally),
                    false => Count::Stopped(FULL.into()),
                })
            }
        }
    }

    /// Counts an entry that is in the journal; where that cannot be, the journal says so, and why is given.
    pub(super) fn count_entry(
        &self,
        count: &Count<'_>,
        journal: &mut Journal,
        signature: Signature,
    ) -> Result<Option<String>, EmergencyError> {
        let why = match count {
            Count::Nobody => return Ok(None),
            Count::Stopped(why) => why.clone(),
            Count::Goes(tally) => {
                let standing = journal.standing();
                let mark = Mark {
                    standing,
                    signature,
                };
                match tally.set(&mark.encode(self.network())) {
                    Ok(()) => return Ok(None),
                    Err(error) => error.to_string(),
                }
            }
        };
        journal.restate(JournalKeyKind::File)?;
        Ok(Some(why))
    }

    /// Has the token that keeps the emergency key count the journal's entries from now on, if it shows that
    /// its marks can be neither changed nor destroyed. Where it does, and says that it is hardware, the
    /// journal is stated with [`JournalKeyKind::Token`] from now on; otherwise with `File`.
    ///
    /// # Errors
    /// [`EmergencyError`]: the journal is not the one that the token has counted so far; the token refused.
    pub fn count_emergencies(&self, tally: &dyn Tally) -> Result<Marks, EmergencyError> {
        let _turn = self.emergency_turn();
        let mut journal = self.open_journal()?;
        if let Some(counted) = self.counted(tally, MENDING, &journal)? {
            counted.agrees(journal.standing().counter)?;
            if counted.marks >= MAX_MARKS {
                return Err(EmergencyError::CountFull);
            }
        }
        let marks = tally.prove(&self.mark(journal.standing()));
        let marks = marks.map_err(EmergencyError::Token)?;
        journal.restate(match marks {
            Marks::StayInHardware => JournalKeyKind::Token,
            Marks::StayInSoftware | Marks::Vanish => JournalKeyKind::File,
        })?;
        Ok(marks)
    }

    /// Holds the journal against what the token has counted; gives the number of the newest entry that it
    /// counted, none if it counts nothing.
    ///
    /// # Errors
    /// [`EmergencyError::Uncounted`] and [`EmergencyError::OtherCount`] among them.
    pub fn check_emergency_count(&self, tally: &dyn Tally) -> Result<Option<u64>, EmergencyError> {
        let _turn = self.emergency_turn();
        let journal = self.open_journal()?;
        let Some(counted) = self.counted(tally, MENDING, &journal)? else {
            return match journal.kind() {
                JournalKeyKind::File => Ok(None),
                _ => Err(EmergencyError::CountGone),
            };
        };
        counted.agrees(journal.standing().counter)?;
        Ok(Some(counted.newest))
    }

    /// Writes down as lost what the token has counted and the journal lacks, so that care does not wait for a
    /// back-up of the journal: the ledger comes to say how many entries that are, and every patient's list
    /// of this institution. Asks no network, sets no mark. Gives how many are lost now: none when it is called
    /// again, also where it broke off.
    ///
    /// # Errors
    /// [`EmergencyError`].
    pub fn lose_emergencies(&self, protection: &Protection) -> Result<u64, EmergencyError> {
        let keeper = self.vault().unlock_emergency(protection)?;
        keeper
            .tally()
            .map_or(Ok(0), |tally| self.lose_counted(tally))
    }

    fn lose_counted(&self, tally: &dyn Tally) -> Result<u64, EmergencyError> {
        let _turn = self.emergency_turn();
        let mut journal = self.open_journal()?;
        let Some(counted) = self.counted(tally, MENDING, &journal)? else {
            return Ok(0);
        };
        let lost = counted.lost(journal.standing().counter);
        for one in &lost {
            journal.append(Step::Lost(*one), |bytes| self.sign_bytes(bytes))?;
        }
        Ok(lost.iter().map(Lost::count).sum())
    }
}

#[cfg(test)]
mod tests;
