//! Moving a record to the custodians of a new epoch, without opening anything.
//!
//! What always holds: what old custodians contributed is on disk before a new custodian is given any of
//! it, and a retry gives the same; the ledger names the new set only once each of its members has
//! acknowledged its share under the new points, and the acknowledgements are on disk by then; old shares
//! are asked to be destroyed only after. Sub-deals are kept no longer than until the ledger names the new
//! set, whose members could open them. Readers are served by the old set until then.
//!
//! ```text
//! 1  old custodians, as many as it takes    each shares its share out; sealed to the new members
//! 2  FOLDER/resharing/RECORD-VERSION-EPOCH.deals
//! 3  every new custodian                    checks, adds up, acknowledges the new points; .offers has who did
//! 4  FOLDER/resharing/RECORD-VERSION-EPOCH.acks
//! 5  record.reshare                         from here on the new set is asked; .deals and .offers are removed
//! 6  old custodians                         destroy their shares, against the acknowledgements
//! ```

use super::asked::at_once;
use super::circle::{Circle, Seat};
use super::erase::seats_of;
use super::messages::{read_messages, write_messages};
use super::words::{Asked, Word, Words, are_enough, read_word};
use crate::anchor::Sdk;
use crate::direct::{AddressBook, Ask, Certificate};
use crate::durable;
use medanchor_ledger::event::{Custody, RecordReshare};
use medanchor_ledger::rules::Record;
use medanchor_ledger::{EventId, ParticipantName, RecordHandle};
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{
    Acknowledgement, Body, Custodied, Points, ReshareError, Signed, SubDeal, new_points,
};
use std::path::{Path, PathBuf};

mod contribute;
mod error;
mod offers;

use offers::Kept;

pub use error::MoveError;

/// Where moves that are not over are kept, in the identity's folder.
pub(super) const FOLDER: &str = "resharing";
/// Where old custodians' words are kept, in the identity's folder: `RETIREMENTS/RECORD/CUSTODIAN`.
const RETIREMENTS: &str = "retirements";
/// The most bytes of a file of this module.
const MAX_FILE: u64 = 2 << 20;

/// What has just been done.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MoveStep<'a> {
    /// What was contributed to an earlier try is given up for what has been contributed now.
    Anew,
    /// An old custodian has contributed.
    Contributed(&'a ParticipantName),
    /// An old custodian has not, and why; another is asked.
    Silent(&'a ParticipantName, &'a str),
    /// A new custodian has acknowledged its share.
    Acknowledged(&'a ParticipantName),
    /// The ledger names the new set, by the event.
    Anchored(EventId),
    /// An old custodian has destroyed so many shares.
    Retired(&'a ParticipantName, u32),
    /// An old custodian has not confirmed, and why.
    NotRetired(&'a ParticipantName, &'a str),
}

/// A record that the newest custodians hold.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The record.
    pub record: RecordHandle,
    /// The epoch of the custodians that hold it.
    pub epoch: u32,
    /// Old custodians that have not confirmed that they destroyed their shares, and why.
    pub missing: Vec<(ParticipantName, String)>,
    /// Whether so many of them have, as far as is known here, that too few old shares are left, in every earlier epoch.
    pub old_useless: bool,
}

/// What is to be moved.
#[derive(Clone, Copy, Debug)]
pub struct NewMove<'a> {
    /// The record.
    pub record: RecordHandle,
    /// Old custodians that contribute nothing, since what they contributed was refused.
    pub without: &'a [ParticipantName],
}

type Told<'a, 'b> = &'a mut (dyn FnMut(MoveStep<'_>) + 'b);

impl Sdk {
    /// Moves a record to the ledger's newest custodians: as many of the old ones as it takes share their
    /// shares out anew, the new ones acknowledge, the ledger names them, and the old shares are
    /// destroyed. No payload is touched and nobody holds the key on the way. After a failure or a crash
    /// call it again. Whoever is to be left out is, unless every new custodian has accepted what it
    /// contributed.
    ///
    /// # Errors
    /// [`MoveError`]. Old custodians that are lost are none while enough are left.
    pub fn reshare(
        &self,
        new: &NewMove<'_>,
        book: &AddressBook,
        own: &Certificate,
        told: Told<'_, '_>,
    ) -> Result<Moved, MoveError> {
        let NewMove { record, without } = *new;
        let state = self.own_record(record)?;
        let (state, _) = state.ok_or(MoveError::NotToMove(
            "the ledger has no such record of yours",
        ))?;
        let mut moving = Moving {
            sdk: self,
            record,
            without,
            new: Circle::current(self.client(), book)?,
            held: custody_of(&state)?,
            state,
            own,
            book,
        };
        if moving.held.epoch() < moving.new.epoch() {
            moving.hand_over(told)?;
        }
        moving.retire(told)
    }
}

fn custody_of(state: &Record) -> Result<Custody, MoveError> {
    if state.erased.is_some() {
        return Err(MoveError::NotToMove(
            "the record is erased; nothing of it is left to move",
        ));
    }
    let none = "the key of the record is not shared over custodians; there is nothing to move";
    state.custody.clone().ok_or(MoveError::NotToMove(none))
}

/// A move that is under way.
struct Moving<'a> {
    sdk: &'a Sdk,
    record: RecordHandle,
    without: &'a [ParticipantName],
    new: Circle,
    held: Custody,
    state: Record,
    own: &'a Certificate,
    book: &'a AddressBook,
}

impl Moving<'_> {
    fn custodied(&self) -> Custodied {
        Custodied {
            owner: self.sdk.participant().clone(),
            record: RecordVersion {
                network: self.sdk.network(),
                record: self.record,
                version: self.state.version,
            },
        }
    }

    fn path(&self, ending: &str) -> PathBuf {
        let (version, epoch) = (self.state.version, self.new.epoch());
        let name = format!("{}-{version}-{epoch}.{ending}", self.record);
        self.sdk.folder().join(FOLDER).join(name)
    }

    /// Steps 1 to 5.
    fn hand_over(&mut self, told: Told<'_, '_>) -> Result<(), MoveError> {
        let old_points = points_of(&self.held)?;
        let deals = self.contributed(&old_points, told)?;
        let each = self.by_receiver(&deals)?;
        let points = each.first().map_or(&[][..], Vec::as_slice);
        let points = new_points(&old_points, points)?;
        let acks = read::<Acknowledgement>(&self.path("acks"))?;
        match acks.map(|acks| self.kept(&acks, &points)) {
            Some(Kept::Whole) => {}
            // The ledger would name points that nobody holds.
            Some(Kept::Others) => {
                return Err(MoveError::Earlier {
                    path: self.path("acks"),
                    why: "it is not of the sub-deals beside it".into(),
                });
            }
            // Who has a new key since says the same again.
            None | Some(Kept::OtherKeys) => {
                let acks = self.acknowledged(&each, &points, told)?;
                let kept = self.sdk.keep_acknowledgements(std::slice::from_ref(&acks));
                kept.map_err(io(self.sdk.acknowledgements_path()))?;
                write(&self.path("acks"), &acks)?;
            }
        }
        let custody = points.custody(self.new.epoch())?;
        let event = self.sdk.sign(RecordReshare {
            record: self.record,
            version: self.state.version,
            custody: custody.clone(),
        })?;
        told(MoveStep::Anchored(self.sdk.anchor(event)?.id()));
        self.held = custody;
        Ok(())
    }

    /// One list of sub-deals for each new member, in the order of their places; the file has them by
    /// contributor.
    fn by_receiver(
        &self,
        deals: &[Signed<SubDeal>],
    ) -> Result<Vec<Vec<Signed<SubDeal>>>, MoveError> {
        let members = self.new.seats.len();
        let (record, epoch) = (self.custodied(), self.new.epoch());
        let sound = |deal: &Signed<SubDeal>| {
            let terms = &deal.says().terms;
            terms.record == record && terms.to.epoch == epoch
        };
        if deals.is_empty() || !deals.len().is_multiple_of(members) || !deals.iter().all(sound) {
            return Err(MoveError::Earlier {
                path: self.path("deals"),
                why: "it is of another move".into(),
            });
        }
        let of = |place: usize| deals.iter().skip(place).step_by(members).cloned().collect();
        Ok((0..members).map(of).collect())
    }

    /// Step 6, for whatever epoch the ledger names.
    fn retire(&self, told: Told<'_, '_>) -> Result<Moved, MoveError> {
        let mut moved = Moved {
            record: self.record,
            epoch: self.held.epoch(),
            missing: Vec::new(),
            old_useless: true,
        };
        // Whoever copies them and a member's share key later would have a share that was destroyed.
        self.remove_over(|name| !name.ends_with(".acks"))?;
        let earlier =
            self.sdk
                .circles_of::<MoveError>(&self.state, self.held.epoch() - 1, self.book)?;
        if earlier.is_empty() {
            return Ok(moved);
        }
        let acks = read::<Acknowledgement>(&self.path("acks"))?;
        let asked = Asked {
            network: self.sdk.network(),
            owner: self.sdk.participant(),
            record: self.record,
            versions: (self.state.version, self.state.version),
            epoch: self.held.epoch() - 1,
            event: self.state.newest().event,
        };
        let seats = seats_of(&earlier);
        let folder = (self.sdk.folder().join(RETIREMENTS)).join(self.record.to_string());
        let body = acks.as_deref().map(write_messages);
        let answers = at_once(&seats, |seat| {
            self.retired(&asked, seat, &folder, body.as_deref())
        });
        let mut words = Words::new();
        for (answer, seat) in answers.into_iter().zip(&seats) {
            let name = &seat.custodian.name;
            match answer {
                Ok(word) => {
                    word.keep(&folder, name).map_err(io(&folder))?;
                    told(MoveStep::Retired(name, word.shares));
                    words.insert(name.clone(), word);
                }
                Err(why) => {
                    told(MoveStep::NotRetired(name, &why));
                    moved.missing.push((name.clone(), why));
                }
            }
        }
        moved.old_useless = are_enough(&words, &earlier);
        if moved.missing.is_empty() {
            self.remove_over(|_| true)?;
        }
        Ok(moved)
    }

    /// An old custodian's word: the one that is kept, or the one that it gives now.
    fn retired(
        &self,
        asked: &Asked<'_>,
        seat: &Seat,
        folder: &Path,
        acks: Option<&[u8]>,
    ) -> Result<Word, String> {
        let name = &seat.custodian.name;
        let kept = read_word(folder, name).map_err(|error| error.to_string())?;
        if let Some(Ok(word)) = kept.map(|kept| asked.word(name, &seat.keys, &kept)) {
            return Ok(word);
        }
        let lost = "its word is not here, nor what it would be asked with; nobody here knows";
        let body = acks.ok_or(lost)?;
        let answer = (self.sdk).ask_seat(seat, self.own, Ask::Retire, body, "custody.not-moved")?;
        let word = asked.word(name, &seat.keys, &answer);
        word.map_err(ToOwned::to_owned)
    }

    /// Removes such files of the record's moves to the epoch that the ledger names, or to earlier ones. A
    /// node may be a little behind: what is under way to a later epoch stays.
    fn remove_over(&self, is_such: impl Fn(&str) -> bool) -> Result<(), MoveError> {
        let folder = self.sdk.folder().join(FOLDER);
        let prefix = format!("{}-", self.record);
        let is_over = |name: &str| {
            let named = name.strip_prefix(&prefix).and_then(epoch_of);
            named.is_some_and(|epoch| epoch <= self.held.epoch())
        };
        let removed = durable::remove_all(&folder, |name| is_over(name) && is_such(name));
        removed.map_err(io(&folder))
    }
}

/// The epoch in `VERSION-EPOCH.ENDING`.
fn epoch_of(name: &str) -> Option<u32> {
    let (_, rest) = name.split_once('-')?;
    let (epoch, _) = rest.split_once('.')?;
    epoch.parse().ok()
}

fn points_of(custody: &Custody) -> Result<Points, MoveError> {
    Points::of_custody(custody).map_err(|_| ReshareError::Points.into())
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> MoveError {
    move |source| MoveError::Io {
        path: path.into(),
        source,
    }
}

fn write<T: Body>(path: &Path, messages: &[Signed<T>]) -> Result<(), MoveError> {
    durable::write(path, &write_messages(messages)).map_err(io(path))
}

fn read<T: Body>(path: &Path) -> Result<Option<Vec<Signed<T>>>, MoveError> {
    let Some(bytes) = durable::read_bounded(path, MAX_FILE).map_err(io(path))? else {
        return Ok(None);
    };
    // Whoever was killed may not have waited for its name, and it is gone on with now.
    durable::sync_folder_of(path).map_err(io(path))?;
    let messages = read_messages(&bytes).map_err(|error| MoveError::Earlier {
        path: path.into(),
        why: error.to_string(),
    })?;
    Ok(Some(messages))
}
