//! The emergency path: while ledger or custodians cannot be reached, an institution opens records of its
//! own by its emergency key, and says so afterwards.
//!
//! What always holds: an opening is in the journal, synced, before the emergency key is unlocked for it;
//! entries are counted and chained, and anchored in their order, each once, whatever crashes; a journal
//! that lacks what the ledger has, or has it otherwise, is told apart and never anchored. An entry
//! may stand for an opening that a crash cut off: too much is said, never too little.
//!
//! With a key file, whoever holds the passphrase could open records without the journal, and put an older
//! journal in its place: the journal is stated with `JournalKeyKind::File`. A token can count the entries of
//! this software (`count.rs`), so that an older journal is seen; but who has the PIN can still open by
//! other software, and it is stated with `JournalKeyKind::Token`. Every patient's list says either
//! (DESIGN.md section 7, Care never waits).

mod account;
#[cfg(feature = "client")]
mod anchor;
mod count;
mod error;
mod journal;
#[cfg(feature = "client")]
mod restore;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "client")]
pub use anchor::{EmergencyAnchored, EmergencyStanding};
pub use error::EmergencyError;
pub use journal::{EmergencyJournalError, Journalled};

use crate::error::SdkError;
use crate::identity::Identity;
use crate::new_file::NewFile;
use journal::{Journal, Step};
use medanchor_ledger::event::AccessEmergency;
use medanchor_ledger::slip::Slip;
use medanchor_ledger::{Commitment, JournalHead, RecordHandle, Time};
use medanchor_vault::{
    Custodial, EmergencyKeeper, Marks, Protection, StreamError, Tally, VaultError,
};
use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The domain of handles under which notes of openings are kept.
const NOTE: &str = "emergency-note";
/// How many milliseconds a note may be put off by others of the same time.
const NOTE_TRIES: u32 = 64;

/// A record of this institution's own, to be opened while the network is cut.
#[derive(Clone, Copy)]
pub struct NewEmergency<'a> {
    /// The record.
    pub record: RecordHandle,
    /// The version of the document.
    pub version: u32,
    /// Who reads; it stays at home.
    pub actor: &'a str,
    /// Why; it stays at home.
    pub reason: &'a str,
}

/// A record that was opened by the emergency key.
pub struct OpenedInEmergency {
    /// The document.
    pub payload: Zeroizing<Vec<u8>>,
    /// What the journal says of it; none of a record whose key never left the vault.
    pub entry: Option<AccessEmergency>,
    /// What proves that the journal has it.
    pub slip: Option<Slip>,
    /// Why the token that should have counted the entry did not, and counts no more.
    pub uncounted: Option<String>,
}

/// A record that was opened by the emergency key into a file.
pub struct OpenedIntoInEmergency {
    /// Bytes of the document.
    pub length: u64,
    /// What the journal says of it; none of a record whose key never left the vault.
    pub entry: Option<AccessEmergency>,
    /// What proves that the journal has it.
    pub slip: Option<Slip>,
    /// Why the token that should have counted the entry did not, and counts no more.
    pub uncounted: Option<String>,
}

/// What a record opens with in an emergency, once that may be used.
struct Entered {
    /// The emergency key; none where the record's whole key is here.
    keeper: Option<EmergencyKeeper>,
    entry: Option<Entry>,
}

/// An entry that is in the journal.
struct Entry {
    says: AccessEmergency,
    slip: Slip,
    uncounted: Option<String>,
}

/// What is handed out of an entry.
type Handed = (Option<AccessEmergency>, Option<Slip>, Option<String>);

fn handed(entry: Option<Entry>) -> Handed {
    entry.map_or((None, None, None), |entry| {
        (Some(entry.says), Some(entry.slip), entry.uncounted)
    })
}

/// Where the journal's file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalStanding {
    /// How many entries it has.
    pub counter: u64,
    /// Its head.
    pub head: JournalHead,
}

impl JournalStanding {
    /// That of a journal without entries.
    pub const EMPTY: Self = Self {
        counter: 0,
        head: JournalHead::EMPTY,
    };
}

impl Identity {
    pub(crate) fn emergency_path(&self) -> PathBuf {
        self.folder().join("emergency-journal")
    }

    /// Whoever writes the journal holds this.
    fn emergency_turn(&self) -> MutexGuard<'_, ()> {
        // The journal's file is whole between any two writes.
        let turn = self.emergency().lock();
        turn.unwrap_or_else(PoisonError::into_inner)
    }

    fn open_journal(&self) -> Result<Journal, EmergencyError> {
        let keys = self.own_keys().map_err(SdkError::from)?;
        Ok(Journal::open(
            &self.emergency_path(),
            self.network(),
            &keys,
        )?)
    }

    /// Makes the emergency key, under a passphrase or in a token, and an empty journal. Records that are
    /// sealed into custody from now on can be opened by it. Have the journal anchored at once, and once a
    /// day: `Sdk::anchor_emergency`.
    ///
    /// # Errors
    /// [`EmergencyError`]; call it again until it succeeds.
    pub fn make_emergency_key(&self, protection: &Protection) -> Result<(), EmergencyError> {
        let _turn = self.emergency_turn();
        if !self.vault().has_emergency_key() {
            Journal::make(&self.emergency_path(), self.network())?;
        }
        Ok(self.vault().make_emergency_key(protection)?)
    }

    /// [`Identity::make_emergency_key`], and has its token count the journal, if it is in one; gives what the
    /// token does with marks. Where the key is made already, it is only that: [`Identity::count_emergencies`].
    ///
    /// # Errors
    /// [`EmergencyError`].
    pub fn make_counted_emergency_key(
        &self,
        protection: &Protection,
    ) -> Result<Option<Marks>, EmergencyError> {
        self.make_emergency_key(protection)?;
        let keeper = self.vault().unlock_emergency(protection)?;
        let tally = keeper.tally();
        tally.map(|tally| self.count_emergencies(tally)).transpose()
    }

    /// Where the journal stands; none if there is no emergency key.
    ///
    /// # Errors
    /// [`EmergencyJournalError`].
    pub fn emergency_journal(&self) -> Result<Option<JournalStanding>, EmergencyError> {
        if !self.vault().has_emergency_key() {
            return Ok(None);
        }
        let _turn = self.emergency_turn();
        Ok(Some(self.open_journal()?.standing()))
    }

    /// The entries of the journal, the first first; none if there is no emergency key.
    ///
    /// # Errors
    /// [`EmergencyJournalError`].
    pub fn emergency_entries(&self) -> Result<Vec<Journalled>, EmergencyError> {
        if !self.vault().has_emergency_key() {
            return Ok(Vec::new());
        }
        let _turn = self.emergency_turn();
        Ok(self.open_journal()?.into_entries())
    }

    /// Opens a record of this institution's own by the emergency key. No network is asked. The passphrase
    /// is checked first, then who opens which record and why is journalled, and only then is the key
    /// unlocked and the record opened. Each call is an entry, whatever becomes of it afterwards.
    ///
    /// A record whose sealing was cut off by the same emergency has its whole key here still: it is opened by
    /// that, and without an entry if the ledger cannot know the record, since the entry could not be anchored.
    /// Where the file of acknowledgements cannot be read it is entered: that may be one entry too many.
    ///
    /// # Errors
    /// [`EmergencyError`]; nothing is journalled where the passphrase is wrong, the record has no wrap, or its
    /// payload is too long for memory.
    pub fn open_in_emergency(
        &self,
        new: &NewEmergency<'_>,
        protection: &Protection,
    ) -> Result<OpenedInEmergency, EmergencyError> {
        let (vault, record, version) = (self.vault(), new.record, new.version);
        let fits = || Ok(vault.check_fits_memory(record, version)?);
        let entered = self.enter_emergency(new, protection, fits)?;
        let payload = match &entered.keeper {
            None => vault.open_record(record, version),
            Some(keeper) => vault.open_in_emergency(keeper, record, version),
        };
        let payload = payload?;
        let (entry, slip, uncounted) = handed(entered.entry);
        Ok(OpenedInEmergency {
            payload,
            entry,
            slip,
            uncounted,
        })
    }

    /// [`Identity::open_in_emergency`] of a document of any length, in flat memory, into a file, which has its
    /// name once the whole document has authenticated.
    ///
    /// # Errors
    /// As [`Identity::open_in_emergency`]; nothing is left of the file then.
    pub fn open_in_emergency_into(
        &self,
        new: &NewEmergency<'_>,
        protection: &Protection,
        mut file: NewFile,
    ) -> Result<OpenedIntoInEmergency, EmergencyError> {
        let entered = self.enter_emergency(new, protection, || Ok(()))?;
        let (vault, record, version) = (self.vault(), new.record, new.version);
        let opening = match &entered.keeper {
            None => vault.opening(record, version),
            Some(keeper) => vault.opening_in_emergency(keeper, record, version),
        };
        let length = opening?.write_to(&mut file).map_err(VaultError::from)?;
        let kept = file.finish().map_err(StreamError::Write);
        kept.map_err(VaultError::from)?;
        let (entry, slip, uncounted) = handed(entered.entry);
        Ok(OpenedIntoInEmergency {
            length,
            entry,
            slip,
            uncounted,
        })
    }

    /// Checks what unlocks the key and that the record can be opened, and journals who opens it unless `check`
    /// finds that it will not be.
    fn enter_emergency(
        &self,
        new: &NewEmergency<'_>,
        protection: &Protection,
        check: impl FnOnce() -> Result<(), EmergencyError>,
    ) -> Result<Entered, EmergencyError> {
        let keeper = self.vault().unlock_emergency(protection)?;
        if self.vault().custodial(new.record, new.version)? == Custodial::Here {
            check()?;
            // Care does not wait for a file of evidence: where it cannot be read, the opening is entered.
            let acknowledged = self.is_acknowledged(new.record, new.version);
            let entry = match acknowledged.unwrap_or(true) {
                true => Some(self.journal_emergency(new, keeper.tally())?),
                false => None,
            };
            return Ok(Entered {
                keeper: None,
                entry,
            });
        }
        self.vault().check_emergency(new.record, new.version)?;
        check()?;
        let entry = self.journal_emergency(new, keeper.tally())?;
        Ok(Entered {
            keeper: Some(keeper),
            entry: Some(entry),
        })
    }

    fn journal_emergency(
        &self,
        new: &NewEmergency<'_>,
        tally: Option<&dyn Tally>,
    ) -> Result<Entry, EmergencyError> {
        let _turn = self.emergency_turn();
        let mut journal = self.open_journal()?;
        let count = self.count_of(tally, &journal)?;
        let JournalStanding { counter, head } = journal.standing();
        let (claimed, commitment) = self.emergency_note(new, &journal)?;
        let entry = AccessEmergency {
            counter: counter.saturating_add(1),
            record: new.record,
            version: new.version,
            claimed,
            previous: head,
            commitment,
        };
        let step = Step::Entry(entry.clone());
        let signature = journal.append(step, |bytes| self.sign_bytes(bytes))?;
        let uncounted = self.count_entry(&count, &mut journal, signature)?;
        let JournalStanding { counter, head } = journal.standing();
        Ok(Entry {
            says: entry,
            slip: Slip {
                network: self.network(),
                owner: self.participant().clone(),
                counter,
                head,
                signature,
            },
            uncounted,
        })
    }

    /// Keeps who opens and why; gives the time by which it is found again. A note that is there already, of
    /// the same millisecond or of a clock that was set back, must not stop an opening.
    fn emergency_note(
        &self,
        new: &NewEmergency<'_>,
        journal: &Journal,
    ) -> Result<(Time, Commitment), EmergencyError> {
        let name = |claimed| note_name(new.record, new.version, claimed);
        let is_there = |claimed| {
            journal.entries().any(|one| {
                (one.record, one.version, one.claimed) == (new.record, new.version, claimed)
            })
        };
        let mut claimed = self.context().now();
        for _ in 0..NOTE_TRIES {
            if !is_there(claimed) {
                match self.note(NOTE, &name(claimed), new.actor, new.reason) {
                    Err(SdkError::Vault(VaultError::Taken { .. })) => {}
                    kept => return Ok((claimed, kept?)),
                }
            }
            claimed = claimed.plus_millis(1);
        }
        Ok((
            claimed,
            self.note(NOTE, &name(claimed), new.actor, new.reason)?,
        ))
    }

    /// Shows the patient who opened a record in an emergency, and nothing else of the entry's note.
    ///
    /// # Errors
    /// [`EmergencyError`] when there is no such entry.
    pub fn disclose_emergency_note(
        &self,
        entry: &AccessEmergency,
    ) -> Result<Vec<u8>, EmergencyError> {
        let name = note_name(entry.record, entry.version, entry.claimed);
        let note = RecordHandle::new(self.handle(NOTE, &name));
        let shown = self
            .vault()
            .disclose(note, 1, &[crate::patient::ACTOR], &[])?;
        Ok(shown.encode())
    }
}

/// Of what an entry keeps when a journal is written anew: not its number, nor the head before it.
fn note_name(record: RecordHandle, version: u32, claimed: Time) -> String {
    format!("{record} {version} {claimed}")
}

#[cfg(test)]
mod tests;
