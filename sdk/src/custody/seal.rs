//! Sealing a record whose key is shared over custodians.
//!
//! What always holds: the deals are on disk before the first one is posted, and a retry posts the same
//! ones under the tag of the first try, so that no custodian is ever dealt two shares of one record; the
//! event is signed only once every custodian acknowledged and the acknowledgements are on disk, where
//! they stay as evidence; S leaves the vault for good once the event is anchored.

use super::asked::at_once;
use super::circle::{Circle, CircleError, Seat};
use super::messages::{read_messages, write_messages};
use super::supersede::{Known, body};
use crate::anchor::{AnchorError, Sdk};
use crate::client::ClientError;
use crate::direct::{AddressBook, Ask, Certificate, LinkError, MAX_ANSWER, MAX_BODY};
use crate::domain::NewRecord;
use crate::emergency::EmergencyError;
use crate::error::SdkError;
use crate::identity::Identity;
use crate::receipt::Anchored;
use medanchor_ledger::event::Event;
use medanchor_ledger::{ParticipantName, RecordHandle};
use medanchor_vault::custody::{
    Acknowledgement, Custodied, Deal, DealError, Points, Signed, deal_out,
};
use medanchor_vault::{Epoch, ToSeal, ToShare, VaultError};
use std::path::PathBuf;

/// Bytes that a message takes in a list beside its own, and its part of the list's head.
const ROOM: usize = 8;

/// Why a record was not sealed into custody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// Sealing or signing.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The custodians are not known.
    #[error(transparent)]
    Circle(#[from] CircleError),
    /// A custodian did not acknowledge its share.
    #[error("{name} has not acknowledged its share: {why}; run it again")]
    NotAcknowledged {
        /// Who.
        name: ParticipantName,
        /// Why.
        why: String,
    },
    /// More records than are sealed together.
    #[error(
        "{0} records are more than are sealed together; seal at most {MAX_TOGETHER} in one call"
    )]
    TooMany(usize),
    /// The shares could not be made.
    #[error(transparent)]
    Deal(#[from] DealError),
    /// The deals of an earlier try cannot be used.
    #[error("the deals in {path} cannot be used ({why}); they are of an earlier try: restore the file, or move it away and seal the documents under other names", path = path.display())]
    EarlierDeals {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The file of deals, or of acknowledgements.
    #[error("deals or acknowledgements could not be kept in {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A version that does not follow the newest one.
    #[error(
        "version {newest} is the newest that the ledger has of this record; seal the one that follows it"
    )]
    VersionAhead {
        /// The newest version on the ledger; 0 if it has none.
        newest: u32,
    },
    /// A later version of another patient's record, or of a time before the patient brought a key.
    #[error(
        "the record was sealed for another subject, or under a key that this one had before it brought its own; seal the document as another record"
    )]
    OtherSubject,
    /// The ledger has the record otherwise.
    #[error("the ledger has this record already, sealed otherwise; give the document another name")]
    AnchoredOtherwise,
    /// A node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The journal of the emergency key was not registered.
    #[error("the journal of the emergency key is not registered: {0}")]
    Emergency(#[source] Box<EmergencyError>),
    /// The event was not anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// What was signed says other than it should.
    #[error("the points of the sharing make no event: {0}")]
    Build(#[from] medanchor_ledger::event::BuildError),
}

impl From<EmergencyError> for CustodyError {
    fn from(error: EmergencyError) -> Self {
        Self::Emergency(error.into())
    }
}

impl From<VaultError> for CustodyError {
    fn from(error: VaultError) -> Self {
        Self::Sdk(error.into())
    }
}

/// A record that was sealed into custody and anchored.
#[derive(Clone, Debug)]
pub struct SealedInCustody {
    /// What the ledger calls the record.
    pub record: RecordHandle,
    /// The receipt of its `record.custody`.
    pub anchored: Anchored,
}

/// A record on its way into custody.
struct Going<'a> {
    new: &'a NewRecord<'a>,
    known: Known,
    one: ToShare,
}

/// What came of each record of a call, in their order; none until it is decided.
type Outcomes = Vec<Option<Result<SealedInCustody, CustodyError>>>;

impl Sdk {
    /// Seals a document, shares its key over the ledger's current custodians, waits until each has
    /// acknowledged, anchors the record or its next version, and forgets the custodians' part of the key. After a failure
    /// or a crash, call it again with the same document: it goes on where it was. Once it is done the
    /// vault cannot compare documents any more, and says [`VaultError::Entrusted`].
    ///
    /// # Errors
    /// [`CustodyError`] names whoever did not acknowledge; nothing is anchored then.
    pub fn seal_in_custody(
        &self,
        new: &NewRecord<'_>,
        circle: &Circle,
        own: &Certificate,
    ) -> Result<SealedInCustody, CustodyError> {
        let sealed = self.seal_all_in_custody(std::slice::from_ref(new), circle, own)?;
        let none = || Err(CustodyError::Client(ClientError::NoNode));
        // One record gives one result.
        sealed.into_iter().next().unwrap_or_else(none)
    }

    /// [`Sdk::seal_in_custody`] of up to [`MAX_TOGETHER`] documents, each a record of its own: a custodian is
    /// asked once for all of them, and the disk waited for nearly as often as for one. Gives a result for each,
    /// in their order. One that is entrusted already, out of turn, or refused by the ledger stands in nobody's way:
    /// after a failure or a crash, call it again with the same documents.
    ///
    /// # Errors
    /// [`CustodyError`] of the first document that the vault cannot seal, or of a custodian that did not
    /// acknowledge: nothing is anchored then.
    pub fn seal_all_in_custody(
        &self,
        new: &[NewRecord<'_>],
        circle: &Circle,
        own: &Certificate,
    ) -> Result<Vec<Result<SealedInCustody, CustodyError>>, CustodyError> {
        if new.len() > MAX_TOGETHER {
            return Err(CustodyError::TooMany(new.len()));
        }
        let (mut outcomes, going) = self.begin(new)?;
        let mut under_way = UnderWay::read(self.deals_folder())?;
        let mut anchored = Vec::with_capacity(going.len());
        let mut to_deal = Vec::with_capacity(going.len());
        for (at, going) in going {
            match &going.known {
                Known::There(state) => {
                    anchored.push((at, self.anchored_alike(state, &going.one.sealed)));
                }
                _ => to_deal.push((at, going)),
            }
        }
        let events = self.deal(&to_deal, &mut under_way, circle, own)?;
        let places = to_deal.iter().map(|(at, _)| *at);
        anchored.extend(places.zip(self.anchor_together(events)));
        self.end(new, anchored, &mut outcomes, &mut under_way)?;
        let undecided = || Err(CustodyError::Client(ClientError::NoNode));
        let decided = outcomes.into_iter();
        Ok(decided.map(|one| one.unwrap_or_else(undecided)).collect())
    }

    /// Seals in the vault what can go into custody; what cannot has its outcome.
    fn begin<'a>(
        &self,
        new: &'a [NewRecord<'a>],
    ) -> Result<(Outcomes, Vec<(usize, Going<'a>)>), CustodyError> {
        let mut outcomes: Outcomes = Vec::with_capacity(new.len());
        let (mut to_seal, mut known) = (Vec::new(), Vec::new());
        for (at, one) in new.iter().enumerate() {
            match self.known(one) {
                Ok(found) => {
                    outcomes.push(None);
                    to_seal.push(ToSeal {
                        record: self.record_handle(one.name),
                        version: one.version,
                        payload: one.payload,
                    });
                    known.push((at, one, found));
                }
                Err(error) => outcomes.push(Some(Err(error))),
            }
        }
        let sealed = self.vault().seal_all_to_share(&to_seal)?;
        // Before the ledger has a record that the emergency key opens, it has the journal of that key.
        if !sealed.is_empty() {
            self.register_emergency_journal()?;
        }
        let going = known.into_iter().zip(sealed);
        let going = going.map(|((at, new, known), one)| (at, Going { new, known, one }));
        Ok((outcomes, going.collect()))
    }

    /// The custodians of now.
    ///
    /// # Errors
    /// [`CircleError`].
    pub fn custodians(&self, book: &AddressBook) -> Result<Circle, CircleError> {
        Circle::current(self.client(), book)
    }

    /// Deals each record's key out, and signs its event once every custodian has acknowledged every deal.
    fn deal(
        &self,
        going: &[(usize, Going<'_>)],
        under_way: &mut UnderWay,
        circle: &Circle,
        own: &Certificate,
    ) -> Result<Vec<Event>, CustodyError> {
        let dealt = self.dealt(going, under_way, circle)?;
        let fitting = dealt.iter().zip(going).map(|(dealt, (_, going))| {
            let record = self.custodied(&going.one);
            fits(&dealt.deals, circle, &record).map_err(|why| CustodyError::EarlierDeals {
                path: self.deals_folder(),
                why,
            })
        });
        let points: Vec<Points> = fitting.collect::<Result<_, _>>()?;
        let acknowledged = self.hand_out(&dealt, circle, own)?;
        let kept = self.keep_acknowledgements(&acknowledged);
        kept.map_err(|source| CustodyError::Io {
            path: self.folder().join("acknowledgements"),
            source,
        })?;
        let said = going.iter().zip(&dealt).zip(points);
        said.map(|(((_, going), dealt), points)| {
            let quarter = match going.known {
                Known::Next(quarter) => quarter,
                _ => dealt.quarter,
            };
            let seal = self.record_seal_in(quarter, going.new, &going.one.sealed)?;
            let custody = points.custody(circle.epoch())?;
            Ok(self.sign(body(&going.known, seal, custody))?)
        })
        .collect()
    }

    /// The deals of each record, those that are not under way made and kept.
    fn dealt(
        &self,
        going: &[(usize, Going<'_>)],
        under_way: &mut UnderWay,
        circle: &Circle,
    ) -> Result<Vec<Dealt>, CustodyError> {
        let (threshold, members) = (circle.threshold(), circle.members()?);
        let (mut all, mut new) = (Vec::with_capacity(going.len()), Vec::new());
        for (_, going) in going {
            let earlier = under_way.of(&going.one.sealed.record);
            // Deals to custodians of an earlier epoch were never anchored, and never will be.
            if let Some(dealt) = earlier.filter(|dealt| is_of(&dealt.deals, circle.epoch())) {
                all.push(dealt.clone());
                continue;
            }
            let sign = |bytes: &[u8]| self.sign_bytes(bytes);
            let (record, part) = (self.custodied(&going.one), &going.one.part);
            let (_, deals) = deal_out(&record, circle.epoch(), threshold, &members, part, sign)?;
            let now = || Epoch::of(self.now());
            let quarter = earlier.map_or_else(now, |earlier| earlier.quarter);
            all.push(Dealt { quarter, deals });
            new.extend(all.last().cloned());
        }
        under_way.add(new)?;
        Ok(all)
    }

    fn custodied(&self, one: &ToShare) -> Custodied {
        Custodied {
            owner: self.participant().clone(),
            record: one.sealed.record,
        }
    }

    fn anchor_together(&self, mut events: Vec<Event>) -> Vec<Result<Anchored, CustodyError>> {
        let anchored = match (events.len(), events.pop()) {
            (1, Some(event)) => vec![self.anchor(event)],
            (_, last) => {
                events.extend(last);
                self.anchor_batch(events)
            }
        };
        let each = anchored.into_iter();
        each.map(|one| one.map_err(CustodyError::Anchor)).collect()
    }

    /// Forgets what the custodians have now, and what was kept for a retry.
    fn end(
        &self,
        new: &[NewRecord<'_>],
        anchored: Vec<(usize, Result<Anchored, CustodyError>)>,
        outcomes: &mut Outcomes,
        under_way: &mut UnderWay,
    ) -> Result<(), CustodyError> {
        let mut entrusted = Vec::with_capacity(anchored.len());
        for (at, result) in anchored {
            let (Some(new), Some(outcome)) = (new.get(at), outcomes.get_mut(at)) else {
                continue;
            };
            let record = self.record_handle(new.name);
            if result.is_ok() {
                entrusted.push((record, new.version));
            }
            *outcome = Some(result.map(|anchored| SealedInCustody { record, anchored }));
        }
        self.vault().entrust_all(&entrusted)?;
        under_way.forget(|one| entrusted.contains(&(one.record, one.version)))
    }

    /// Posts every deal, each custodian's together and all custodians at once, and checks each
    /// acknowledgement; gives those of each record, in the order of places.
    fn hand_out(
        &self,
        dealt: &[Dealt],
        circle: &Circle,
        own: &Certificate,
    ) -> Result<Vec<Vec<Signed<Acknowledgement>>>, CustodyError> {
        let seats: Vec<(usize, &Seat)> = circle.seats.iter().enumerate().collect();
        let answers = at_once(&seats, |(place, seat)| {
            let deals = dealt
                .iter()
                .filter_map(|one| one.deals.get(*place).cloned());
            self.hand(&deals.collect::<Vec<_>>(), seat, own)
        });
        let mut records = vec![Vec::with_capacity(seats.len()); dealt.len()];
        for (answer, (_, seat)) in answers.into_iter().zip(seats) {
            let name = &seat.custodian.name;
            let acknowledged = answer.map_err(|why| CustodyError::NotAcknowledged {
                name: name.clone(),
                why,
            })?;
            for (record, one) in records.iter_mut().zip(acknowledged) {
                record.push(one);
            }
        }
        Ok(records)
    }

    fn hand(
        &self,
        deals: &[Signed<Deal>],
        seat: &Seat,
        own: &Certificate,
    ) -> Result<Vec<Signed<Acknowledgement>>, String> {
        let longest = deals.iter().map(|deal| deal.encode().len()).max();
        let together = MAX_BODY / (longest.unwrap_or_default() + ROOM);
        let mut all = Vec::with_capacity(deals.len());
        for some in deals.chunks(together.max(1)) {
            all.extend(self.hand_some(some, seat, own)?);
        }
        Ok(all)
    }

    /// As many deals as fit into one statement.
    fn hand_some(
        &self,
        deals: &[Signed<Deal>],
        seat: &Seat,
        own: &Certificate,
    ) -> Result<Vec<Signed<Acknowledgement>>, String> {
        let link = seat.link(own, self.client().config());
        let link = link.map_err(|error| error.to_string())?;
        let name = &seat.custodian.name;
        let statement = self
            .state_to(name, own, Ask::Deals, write_messages(deals))
            .map_err(|error| error.to_string())?;
        let answer = link
            .ask(Ask::Deals, &statement, MAX_ANSWER)
            .map_err(|error: LinkError| error.to_string())?;
        let answer: Vec<Signed<Acknowledgement>> =
            read_messages(&answer).map_err(|error| error.to_string())?;
        let same = answer.len() == deals.len()
            && (deals.iter().zip(&answer)).all(|(deal, one)| is_answer(deal, one));
        if !same {
            return Err("it acknowledged something else".into());
        }
        let signed = |key| Signed::verify_all(&answer, key).is_ok();
        match seat.keys.iter().any(signed) {
            true => Ok(answer),
            false => Err("it did not sign its acknowledgement".into()),
        }
    }

    /// Removes what is left of tries to deal any version of a record, and of moves to other custodians.
    pub(super) fn remove_deals(&self, record: RecordHandle) -> Result<(), CustodyError> {
        UnderWay::read(self.deals_folder())?.forget(|one| one.record == record)?;
        let moves = self.folder().join(super::reshare::FOLDER);
        super::kept::remove_all(&moves, |name| name.starts_with(&format!("{record}-"))).map_err(
            |source| CustodyError::Io {
                path: moves,
                source,
            },
        )
    }
}

impl Identity {
    pub(super) fn deals_folder(&self) -> PathBuf {
        self.folder().join("deals")
    }
}

fn is_answer(deal: &Signed<Deal>, answer: &Signed<Acknowledgement>) -> bool {
    let (says, dealt) = (answer.says(), deal.says());
    says.record == dealt.record && says.place == dealt.place && says.points == dealt.points.hash()
}

fn is_of(deals: &[Signed<Deal>], epoch: u32) -> bool {
    deals.iter().all(|deal| deal.says().place.epoch == epoch)
}

/// The points of deals that are for this record and these custodians.
fn fits(
    deals: &[Signed<Deal>],
    circle: &Circle,
    record: &Custodied,
) -> Result<Points, &'static str> {
    let first = deals.first().ok_or("there are none")?.says();
    if deals.len() != circle.seats.len() || first.place.epoch != circle.epoch() {
        return Err("they are for custodians of another epoch");
    }
    let all = deals.iter().zip(&circle.seats).all(|(deal, seat)| {
        let says = deal.says();
        says.record == *record
            && says.points == first.points
            && says.place.custodian == seat.custodian.name
    });
    match all {
        true => Ok(first.points.clone()),
        false => Err("they are for another record or other custodians"),
    }
}

mod file;
use file::Dealt;
pub use file::MAX_TOGETHER;
pub(super) use file::UnderWay;
