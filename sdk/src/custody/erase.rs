//! Erasing a record for good.
//!
//! What always holds: the ledger says that something was destroyed only once it is; every step leaves
//! the disk so that the same call goes on where it was cut off; custodians that cannot be reached do not
//! stop the erasure, since nothing opens without the vault's part, and each that has confirmed is named.
//!
//! ```text
//! 1  certificate sealed in the vault       what is about to be destroyed
//! 2  vault                                 V, S and its emergency wrap overwritten in place, payload removed
//! 3  record.erase                          from here on nobody is permitted to read, and custodians may destroy
//! 4  custodians, of every epoch            each destroys its shares; its signed word is kept
//! 5  certificate, record.erase             once too few shares are left: who has confirmed
//! ```

use super::asked::{PAUSE, TRIES, at_once};
use super::circle::{Circle, CircleError, Seat};
use super::erasure::Certified;
use super::seal::CustodyError;
use super::standing::StandingError;
use super::words::{Asked, Word, Words, are_enough, read_word};
use crate::anchor::{AnchorError, Sdk};
use crate::client::ClientError;
use crate::direct::{AddressBook, Ask, Certificate};
use crate::error::SdkError;
use crate::receipt::Anchored;
use medanchor_ledger::event::{Custody, Destroyed, ErasureReason, EventBody, RecordErase};
use medanchor_ledger::rules::Record;
use medanchor_ledger::{EventId, Height, ParticipantName, RecordHandle};
use std::path::{Path, PathBuf};

/// Why a record was not erased, or not wholly. What was done by then stays done: call it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErasureError {
    /// The ledger has no such record.
    #[error(
        "the ledger has no record {0} of this participant; check the name, and anchor what waits in the journal first"
    )]
    NotOnLedger(RecordHandle),
    /// The vault lacks a version's key.
    #[error(
        "this vault has no key of version {version} of record {record}, so it cannot destroy it; erase where the record was sealed"
    )]
    NotInVault {
        /// The record.
        record: RecordHandle,
        /// The version.
        version: u32,
    },
    /// The vault, or signing.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// What the ledger says could not be had.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// A set of custodians is not known.
    #[error(transparent)]
    Circle(#[from] CircleError),
    /// A node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What was destroyed is not on the ledger yet.
    #[error("the ledger does not say so yet: {0}")]
    Anchor(#[from] AnchorError),
    /// Deals that are under way.
    #[error(transparent)]
    Deals(#[from] CustodyError),
    /// Something went wrong after the key was destroyed.
    #[error(
        "the vault's part of the key is destroyed and nothing opens the record any more, but the erasure is not over: {0}; run it again"
    )]
    Unfinished(Box<ErasureError>),
    /// The ledger does not show the event that was anchored.
    #[error("no node shows the anchored event yet")]
    NotShown,
    /// A custodian's word could not be kept.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl From<medanchor_vault::VaultError> for ErasureError {
    fn from(error: medanchor_vault::VaultError) -> Self {
        Self::Sdk(error.into())
    }
}

/// What is to be erased, and why.
#[derive(Clone, Copy, Debug)]
pub struct NewErasure {
    /// The record, all versions of it.
    pub record: RecordHandle,
    /// Why.
    pub reason: ErasureReason,
}

/// What has just been done.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ErasureStep<'a> {
    /// The vault's part of the keys of that many versions is destroyed.
    VaultDestroyed(u32),
    /// Its payloads are removed from the vault.
    PayloadsRemoved,
    /// The ledger says so, by the event.
    Anchored(EventId),
    /// A custodian has destroyed so many shares.
    Confirmed(&'a ParticipantName, u32),
    /// A custodian has not confirmed, and why.
    NotConfirmed(&'a ParticipantName, &'a str),
    /// The ledger says that too few shares are left.
    SharesAnchored,
}

/// A record that was erased.
#[derive(Clone, Debug)]
pub struct Erased {
    /// The record.
    pub record: RecordHandle,
    /// How many versions it had.
    pub versions: u32,
    /// The `record.erase` from which on nobody is permitted to read it.
    pub event: EventId,
    /// All that the ledger says is destroyed.
    pub destroyed: Destroyed,
    /// Custodians that confirmed, with how many shares they had held.
    pub confirmed: Vec<(ParticipantName, u32)>,
    /// Custodians that have not, and why.
    pub missing: Vec<(ParticipantName, String)>,
    /// What this call anchored, with receipts.
    pub anchored: Vec<Anchored>,
}

impl Sdk {
    /// Erases a record: destroys the vault's part of the keys of all its versions, says so on the
    /// ledger, and has every custodian of every epoch destroy its shares. `told` hears of each step.
    /// After a failure or a crash call it again; once all custodians have confirmed it changes nothing.
    ///
    /// # Errors
    /// [`ErasureError`]. Custodians that cannot be reached are none: they are named in what is given.
    pub fn erase(
        &self,
        new: &NewErasure,
        book: &AddressBook,
        own: &Certificate,
        told: &mut dyn FnMut(ErasureStep<'_>),
    ) -> Result<Erased, ErasureError> {
        let state = self.own_record(new.record)?;
        let (state, at) = state.ok_or(ErasureError::NotOnLedger(new.record))?;
        self.require_keys(new.record, state.version)?;
        // A retry cannot give another reason than the ledger has.
        let reason = match state.erased {
            Some(erased) => self.reason_of(&erased.by.event)?.unwrap_or(new.reason),
            None => new.reason,
        };
        let new = &NewErasure { reason, ..*new };
        let mut erasing = Erasing {
            sdk: self,
            new,
            state,
            at,
            circles: Vec::new(),
            book,
            own,
            anchored: Vec::new(),
        };
        erasing.look_for_custodians()?;
        erasing.run(told)
    }

    /// Why a record was erased by an event.
    fn reason_of(&self, event: &EventId) -> Result<Option<ErasureReason>, ClientError> {
        Ok(match self.client().event(event)?.body() {
            EventBody::RecordErase(body) => Some(body.reason),
            _ => None,
        })
    }

    /// Nothing is destroyed while another vault may hold a part of the record.
    fn require_keys(&self, record: RecordHandle, versions: u32) -> Result<(), ErasureError> {
        let held = self.vault().versions(record);
        match (1..=versions).find(|version| held.binary_search(version).is_err()) {
            Some(version) => Err(ErasureError::NotInVault { record, version }),
            None => Ok(()),
        }
    }
}

/// An erasure that is under way.
struct Erasing<'a> {
    sdk: &'a Sdk,
    new: &'a NewErasure,
    state: Record,
    /// The height at which the ledger says so.
    at: Height,
    /// The custodians of every epoch that there was by then.
    circles: Vec<Circle>,
    book: &'a AddressBook,
    own: &'a Certificate,
    anchored: Vec<Anchored>,
}

impl Erasing<'_> {
    fn run(self, told: &mut dyn FnMut(ErasureStep<'_>)) -> Result<Erased, ErasureError> {
        let here = self.here(Destroyed::PAYLOAD)?;
        let certificate = self.sdk.certify(&self.certified(here, None))?;
        self.sdk.vault().erase_keys(self.new.record)?;
        // Nothing opens the record any more, so the ledger hears of it, whatever becomes of the payload.
        let removed = self.sdk.vault().remove_payloads(self.new.record);
        let finished = match removed {
            Ok(()) => self.finish(here, certificate, told),
            Err(error) => self.without_payload(told).and(Err(error.into())),
        };
        finished.map_err(|error| ErasureError::Unfinished(Box::new(error)))
    }

    /// The keys are destroyed and the sealed payload is still there: it is said to be gone by a later call.
    fn without_payload(
        self,
        told: &mut dyn FnMut(ErasureStep<'_>),
    ) -> Result<Erased, ErasureError> {
        let here = self.here(0)?;
        let certificate = self.sdk.certify(&self.certified(here, None))?;
        self.finish(here, certificate, told)
    }

    /// All that follows once the vault's part is destroyed.
    fn finish(
        mut self,
        here: Destroyed,
        certificate: medanchor_ledger::Commitment,
        told: &mut dyn FnMut(ErasureStep<'_>),
    ) -> Result<Erased, ErasureError> {
        let (record, versions) = (self.new.record, self.state.version);
        self.sdk.remove_deals(record)?;
        told(ErasureStep::VaultDestroyed(versions));
        if here.contains(Destroyed::PAYLOAD) {
            told(ErasureStep::PayloadsRemoved);
        }
        let before = self.at;
        self.say(here, certificate)?;
        // A set may have been named since. One that comes after the erasure is never given a share.
        if self.at != before {
            self.look_for_custodians()?;
        }
        let event = self.state.erased.map(|erased| erased.by.event);
        let event = event.ok_or(ErasureError::NotShown)?;
        told(ErasureStep::Anchored(event));
        let (words, missing) = self.ask_custodians(event, told)?;
        // What the ledger says only grows, so the shares wait for a payload that could not be removed.
        if here.contains(Destroyed::PAYLOAD) && are_enough(&words, &self.circles) {
            let all = Destroyed::new(here.bits() | Destroyed::SHARES).map_err(SdkError::from)?;
            let certificate = self
                .sdk
                .certify(&self.certified(all, Some((event, &words))))?;
            self.say(all, certificate)?;
            told(ErasureStep::SharesAnchored);
        }
        let confirmed = words.into_iter().map(|(name, word)| (name, word.shares));
        Ok(Erased {
            record,
            versions,
            event,
            destroyed: self.state.erased.map_or(here, |erased| erased.destroyed),
            confirmed: confirmed.collect(),
            missing,
            anchored: self.anchored,
        })
    }

    /// A sealing or a move that was cut off may have dealt to the custodians of any epoch, and no event names
    /// it.
    fn look_for_custodians(&mut self) -> Result<(), CircleError> {
        if self.state.custody.is_some() {
            self.circles = Circle::all_at(self.sdk.client(), self.book, self.at)?;
        }
        Ok(())
    }

    /// What the owner destroys itself, with the payload or without.
    fn here(&self, payload: u8) -> Result<Destroyed, SdkError> {
        let wrap = match self.sdk.vault().has_emergency_wrap(self.new.record) {
            true => Destroyed::EMERGENCY_WRAP,
            false => 0,
        };
        Ok(Destroyed::new(Destroyed::VAULT_PART | payload | wrap)?)
    }

    fn certified<'a>(
        &'a self,
        destroyed: Destroyed,
        confirmed: Option<(EventId, &'a Words)>,
    ) -> Certified<'a> {
        Certified {
            record: self.new.record,
            state: &self.state,
            reason: self.new.reason,
            destroyed,
            circles: &self.circles,
            confirmed,
        }
    }

    /// Anchors that all this is destroyed, unless the ledger says so already, and takes up what it says.
    fn say(
        &mut self,
        destroyed: Destroyed,
        certificate: medanchor_ledger::Commitment,
    ) -> Result<(), ErasureError> {
        let says = |state: &Record| {
            let erased = state.erased.as_ref();
            erased.is_some_and(|erased| erased.destroyed.contains(destroyed.bits()))
        };
        if says(&self.state) {
            return Ok(());
        }
        let event = self.sdk.sign(RecordErase {
            record: self.new.record,
            version: self.state.version,
            reason: self.new.reason,
            destroyed,
            certificate,
        })?;
        let refused = match self.sdk.anchor(event) {
            Ok(anchored) => {
                self.anchored.push(anchored);
                None
            }
            // An earlier try may have come first.
            Err(AnchorError::Refused(refusal)) => Some(AnchorError::Refused(refusal)),
            Err(other) => return Err(other.into()),
        };
        // A node may be a block behind.
        for _ in 0..TRIES {
            let state = self.sdk.own_record(self.new.record)?;
            (self.state, self.at) = state.ok_or(ErasureError::NotShown)?;
            if says(&self.state) {
                return Ok(());
            }
            self.sdk.client().turn_to_next_node();
            self.sdk.context().pause(PAUSE);
        }
        Err(refused.map_or(ErasureError::NotShown, ErasureError::Anchor))
    }

    /// Asks every custodian that has not confirmed yet, all at once.
    fn ask_custodians(
        &self,
        event: EventId,
        told: &mut dyn FnMut(ErasureStep<'_>),
    ) -> Result<(Words, Vec<(ParticipantName, String)>), ErasureError> {
        let Some(newest) = self.circles.last() else {
            return Ok((Words::new(), Vec::new()));
        };
        let asked = Asked {
            network: self.sdk.network(),
            owner: self.sdk.participant(),
            record: self.new.record,
            versions: (1, self.state.version),
            epoch: newest.epoch(),
            event,
        };
        let folder = self.sdk.words_path(self.new.record);
        let mut seats = Vec::new();
        for seat in seats_of(&self.circles) {
            let kept = read_word(&folder, &seat.custodian.name).map_err(io(&folder))?;
            seats.push((seat, kept));
        }
        let answers = at_once(&seats, |(seat, kept)| {
            self.word(&asked, seat, kept.as_deref())
        });
        let (mut words, mut missing) = (Words::new(), Vec::new());
        for (answer, (seat, _)) in answers.into_iter().zip(&seats) {
            let name = &seat.custodian.name;
            match answer {
                Ok(word) => {
                    word.keep(&folder, name).map_err(io(&folder))?;
                    told(ErasureStep::Confirmed(name, word.shares));
                    words.insert(name.clone(), word);
                }
                Err(why) => {
                    told(ErasureStep::NotConfirmed(name, &why));
                    missing.push((name.clone(), why));
                }
            }
        }
        Ok((words, missing))
    }

    /// A custodian's word: the one that is kept, or the one that it gives now.
    fn word(&self, asked: &Asked<'_>, seat: &Seat, kept: Option<&[u8]>) -> Result<Word, String> {
        let read = |bytes: &[u8]| {
            let word = asked.word(&seat.custodian.name, &seat.keys, bytes)?;
            match word.shares == 0 && self.must_have_held(seat) {
                true => Err(
                    "it says that it never held a share, though the record went to it; tell the authorities",
                ),
                false => Ok(word),
            }
        };
        if let Some(Ok(word)) = kept.map(read) {
            return Ok(word);
        }
        let (body, not_yet) = (self.new.record.as_bytes(), "custody.not-erased");
        let answer = (self.sdk).ask_seat(seat, self.own, Ask::Erase, body, not_yet)?;
        read(&answer).map_err(ToOwned::to_owned)
    }

    /// Whether a custodian is of the set that the ledger names for the record, so that it acknowledged a
    /// share.
    fn must_have_held(&self, seat: &Seat) -> bool {
        let held = self.state.custody.as_ref().map(Custody::epoch);
        let of = self
            .circles
            .iter()
            .find(|circle| Some(circle.epoch()) == held);
        of.is_some_and(|circle| circle.names().any(|name| *name == seat.custodian.name))
    }
}

/// Every custodian once, by the newest set that it is in.
pub(super) fn seats_of(circles: &[Circle]) -> Vec<&Seat> {
    let mut seats: Vec<&Seat> = Vec::new();
    for seat in circles.iter().rev().flat_map(|circle| &circle.seats) {
        if seats
            .iter()
            .all(|one| one.custodian.name != seat.custodian.name)
        {
            seats.push(seat);
        }
    }
    seats.sort_by(|a, b| a.custodian.name.cmp(&b.custodian.name));
    seats
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> ErasureError {
    move |source| ErasureError::Io {
        path: path.into(),
        source,
    }
}
