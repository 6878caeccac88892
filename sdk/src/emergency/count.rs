//! The count of the emergency journal in the token that keeps the emergency key.
//!
//! What always holds: an entry is in the journal before it is marked in the token, and marked before the
//! key moves. So a journal may be ahead of its token, by openings that a power cut ended, and it never is
//! behind but where somebody put an older one in its place. A mark counts only if a key of this identity
//! signed it. A token that does not count, full or broken, stops no opening: the journal is stated with
//! [`JournalKeyKind::File`] from then on, which every patient's list says.
//!
//! | bytes of a mark | |
//! |---|---|
//! | 0..16 | magic `medanchor/ectr/1` |
//! | 16..32 | network id |
//! | 32..40 | counter, big-endian |
//! | 40..72 | the journal's head after entry `counter`; zero for 0 |
//! | 72..136 | Ed25519 over "medanchor/emergency-entry/v1" || network || counter || head, as in the journal |

use super::journal::{Journal, Lost, Step};
use super::{EmergencyError, JournalStanding};
use crate::error::SdkError;
use crate::identity::Identity;
use medanchor_ledger::event::JournalKeyKind;
use medanchor_ledger::signature::{PublicKey, Signature, verify};
use medanchor_ledger::slip::entry_bytes;
use medanchor_ledger::{JournalHead, NetworkId};
use medanchor_vault::{MAX_MARKS, Marks, Protection, Tally};

const MAGIC: &[u8; 16] = b"medanchor/ectr/1";
const LENGTH: usize = 136;
const FULL: &str = "it holds as many entries as a count may have";
const EMPTIED: &str = "it has lost every mark of this journal";

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

/// What a token has counted.
pub(super) struct Counted {
    /// The newest standing; several if entries of one number were counted, which only other software does.
    newest: Vec<JournalStanding>,
    /// How many marks there are.
    marks: usize,
}

/// Every mark of this network's journal that is not signed by anybody yet, the newest first.
fn read(tally: &dyn Tally, network: NetworkId) -> Result<(Vec<Mark>, usize), EmergencyError> {
    let found = tally.marks().map_err(EmergencyError::Token)?;
    let marks = found.iter();
    let mut marks: Vec<Mark> = marks.filter_map(|one| Mark::decode(one, network)).collect();
    marks.sort_by_key(|mark| std::cmp::Reverse(mark.standing.counter));
    Ok((marks, found.len()))
}

/// What the token has counted; none if nothing.
fn counted(
    tally: &dyn Tally,
    network: NetworkId,
    keys: &[PublicKey],
) -> Result<Option<Counted>, EmergencyError> {
    let (found, marks) = read(tally, network)?;
    let mut newest: Vec<JournalStanding> = Vec::new();
    for mark in found {
        let below = newest.first();
        if below.is_some_and(|one| one.counter > mark.standing.counter) {
            break;
        }
        if mark.is_signed(network, keys) && !newest.contains(&mark.standing) {
            newest.push(mark.standing);
        }
    }
    Ok((!newest.is_empty()).then_some(Counted { newest, marks }))
}

impl Counted {
    fn counter(&self) -> u64 {
        self.newest.first().map_or(0, |one| one.counter)
    }

    /// Refuses a journal that lacks what was counted, or has it otherwise.
    fn agrees(&self, journal: &Journal) -> Result<(), EmergencyError> {
        let (counted, found) = (self.counter(), journal.standing().counter);
        let has = |one: &JournalStanding| journal.head_at(one.counter) == Some(one.head);
        match self.newest.iter().all(has) {
            true => Ok(()),
            false if found < counted => Err(EmergencyError::Uncounted { counted, found }),
            false => Err(EmergencyError::OtherCount { counted }),
        }
    }
}

/// Every standing above `counter` that the token has counted, the newest first.
#[cfg(feature = "client")]
pub(super) fn counted_above(
    tally: &dyn Tally,
    counter: u64,
    network: NetworkId,
    keys: &[PublicKey],
) -> Result<Vec<JournalStanding>, EmergencyError> {
    let (mut marks, _) = read(tally, network)?;
    marks.retain(|mark| mark.standing.counter > counter && mark.is_signed(network, keys));
    let mut found: Vec<_> = marks.iter().map(|mark| mark.standing).collect();
    found.dedup();
    Ok(found)
}

/// What takes a journal that stands at `from` past what was counted and stands in no journal, so that it
/// agrees with the newest that was; none if nothing is missing.
pub(super) fn lost(
    from: &JournalStanding,
    newest: &[JournalStanding],
    missing: &[JournalStanding],
) -> Option<Lost> {
    let head = missing.first()?.head;
    let behind = from.counter.saturating_add(missing.len() as u64);
    let standing = match newest {
        [only] if only.counter >= behind => *only,
        several => JournalStanding {
            counter: several
                .iter()
                .map(|one| one.counter.saturating_add(1))
                .fold(behind, u64::max),
            head,
        },
    };
    Some(Lost {
        first: from.counter.saturating_add(1),
        standing,
    })
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
    /// The mark of a journal that stands so.
    pub(super) fn mark(&self, standing: JournalStanding) -> Vec<u8> {
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
        let keys = self.own_keys().map_err(SdkError::from)?;
        let Some(tally) = tally else {
            return Ok(Count::Nobody);
        };
        match counted(tally, self.network(), &keys) {
            Err(error) => Ok(Count::Stopped(error.to_string())),
            Ok(None) if journal.kind() == JournalKeyKind::File => Ok(Count::Nobody),
            Ok(None) => Ok(Count::Stopped(EMPTIED.into())),
            Ok(Some(counted)) => {
                counted.agrees(journal)?;
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
        let keys = self.own_keys().map_err(SdkError::from)?;
        if let Some(counted) = counted(tally, self.network(), &keys)? {
            counted.agrees(&journal)?;
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
        let keys = self.own_keys().map_err(SdkError::from)?;
        let Some(counted) = counted(tally, self.network(), &keys)? else {
            return match journal.kind() {
                JournalKeyKind::File => Ok(None),
                _ => Err(EmergencyError::CountGone),
            };
        };
        counted.agrees(&journal)?;
        Ok(Some(counted.counter()))
    }

    /// Writes down as lost what the token has counted and the journal lacks, so that care does not wait for a
    /// back-up of the journal: the ledger comes to say how many entries that are, and every patient's list
    /// of this institution. Asks no network. Gives how many are lost now.
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
        let keys = self.own_keys().map_err(SdkError::from)?;
        let Some(counted) = counted(tally, self.network(), &keys)? else {
            return Ok(0);
        };
        let mut missing = counted.newest.clone();
        missing.retain(|one| journal.head_at(one.counter) != Some(one.head));
        let Some(lost) = lost(&journal.standing(), &counted.newest, &missing) else {
            return Ok(0);
        };
        journal.append(Step::Lost(lost), |bytes| self.sign_bytes(bytes))?;
        // It is this standing that the next opening is held against.
        if !counted.newest.contains(&lost.standing) {
            let set = tally.set(&self.mark(lost.standing));
            set.map_err(EmergencyError::Token)?;
        }
        Ok(lost.count())
    }
}

#[cfg(test)]
mod tests;
