//! Sealing a record whose key is shared over custodians.
//!
//! What always holds: the deals are on disk before the first one is posted, and a retry posts the same
//! ones under the tag of the first try, so that no custodian is ever dealt two shares of one record; the
//! event is signed only once every custodian acknowledged and the acknowledgements are on disk, where
//! they stay as evidence; S leaves the vault for good once the event is anchored.

mod claims;
mod error;
mod file;
mod gather;
mod hand;
mod stream;

pub(crate) use claims::Claims;
pub use error::CustodyError;
use file::Dealt;
pub use file::MAX_TOGETHER;
pub(super) use file::UnderWay;
pub(crate) use gather::Gathered;

use super::circle::{Circle, CircleError};
use super::supersede::{Known, body};
use crate::anchor::Sdk;
use crate::client::ClientError;
use crate::direct::{AddressBook, Certificate};
use crate::domain::{NewRecord, RecordLabel};
use crate::durable;
use crate::identity::Identity;
use crate::receipt::Anchored;
use medanchor_ledger::RecordHandle;
use medanchor_ledger::event::Event;
use medanchor_vault::custody::{Custodied, Deal, Points, Signed, deal_out};
use medanchor_vault::json::{JsonError, MAX_DOCUMENT};
use medanchor_vault::{Epoch, RecordVersion, ToSeal, ToShare};
use std::path::PathBuf;

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
    new: RecordLabel<'a>,
    known: Known,
    one: ToShare,
}

/// What came of each record of a call, in their order; none until it is decided.
type Outcomes = Vec<Option<Result<SealedInCustody, CustodyError>>>;

impl Sdk {
    /// Seals a document, shares its key over the ledger's current custodians, waits until each has
    /// acknowledged, anchors the record or its next version, and forgets the custodians' part of the key. After a failure
    /// or a crash, call it again with the same document: it goes on where it was. Once it is done the
    /// vault cannot compare documents any more, and says [`medanchor_vault::VaultError::Entrusted`].
    ///
    /// Threads that call it at the same time with this very `Sdk`, for the same custodians and with the same
    /// certificate, are sealed together, up to [`MAX_TOGETHER`] in a call (documents of up to 64 KiB), which costs
    /// each a fraction of a call of its own. Calls for one record come one after the other.
    ///
    /// The document is JSON within the bounds of [`medanchor_vault::json`], since it is committed to field by field;
    /// anything else is sealed by [`Sdk::seal_stream_in_custody`].
    ///
    /// # Errors
    /// [`CustodyError`] names whoever did not acknowledge; nothing is anchored then.
    pub fn seal_in_custody(
        &self,
        new: &NewRecord<'_>,
        circle: &Circle,
        own: &Certificate,
    ) -> Result<SealedInCustody, CustodyError> {
        self.seal_gathered(new, circle, own)
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
        let _claim = (self.claims()).claim(new.iter().map(|one| self.record_handle(one.name)));
        let (outcomes, going) = self.begin(new)?;
        self.go_on(going, outcomes, circle, own)
    }

    /// Deals out and anchors what the vault has sealed; gives the outcome of every record of the call.
    fn go_on(
        &self,
        going: Vec<(usize, Going<'_>)>,
        mut outcomes: Outcomes,
        circle: &Circle,
        own: &Certificate,
    ) -> Result<Vec<Result<SealedInCustody, CustodyError>>, CustodyError> {
        let sealed = |(at, going): &(usize, Going<'_>)| (*at, going.one.sealed.record);
        let records: Vec<_> = going.iter().map(sealed).collect();
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
        self.end(&records, anchored, &mut outcomes, &mut under_way)?;
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
            match sealable(one).and_then(|()| self.known(&one.label())) {
                Ok(found) => {
                    outcomes.push(None);
                    to_seal.push(ToSeal {
                        record: self.record_handle(one.name),
                        version: one.version,
                        payload: one.payload,
                    });
                    known.push((at, one.label(), found));
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
        if going.is_empty() {
            return Ok(Vec::new());
        }
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
            path: self.acknowledgements_path().into(),
            source,
        })?;
        let said = going.iter().zip(&dealt).zip(points);
        said.map(|(((_, going), dealt), points)| {
            let quarter = match going.known {
                Known::Next(quarter) => quarter,
                _ => dealt.quarter,
            };
            let seal = self.record_seal_in(quarter, &going.new, &going.one.sealed)?;
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
            let sign = |bytes: &[u8]| self.sign_bytes(bytes);
            let earlier = under_way.of(&going.one.sealed.record, circle.epoch())?;
            // Deals to custodians of an earlier epoch were never anchored, and never will be.
            if let Some(dealt) = earlier.filter(|dealt| is_of(&dealt.deals, circle.epoch())) {
                all.push(dealt.signed_by(sign));
                continue;
            }
            let (record, part) = (self.custodied(&going.one), &going.one.part);
            let (_, deals) = deal_out(&record, circle.epoch(), threshold, &members, part, sign)?;
            let now = || Epoch::of(self.now());
            let quarter = earlier.map_or_else(now, |earlier| earlier.quarter);
            all.push(Dealt { quarter, deals });
            new.extend(all.last().cloned());
        }
        if new.len() < all.len() {
            under_way.sync()?;
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
        records: &[(usize, RecordVersion)],
        anchored: Vec<(usize, Result<Anchored, CustodyError>)>,
        outcomes: &mut Outcomes,
        under_way: &mut UnderWay,
    ) -> Result<(), CustodyError> {
        let mut entrusted = Vec::with_capacity(anchored.len());
        for (at, result) in anchored {
            let found = records.iter().find(|(place, _)| *place == at);
            let (Some((_, of)), Some(outcome)) = (found, outcomes.get_mut(at)) else {
                continue;
            };
            let record = of.record;
            if result.is_ok() {
                entrusted.push((record, of.version));
            }
            *outcome = Some(result.map(|anchored| SealedInCustody { record, anchored }));
        }
        self.vault().entrust_all(&entrusted)?;
        under_way.forget(|one| entrusted.contains(&(one.record, one.version)))
    }

    /// Removes what is left of tries to deal any version of a record, and of moves to other custodians.
    pub(super) fn remove_deals(&self, record: RecordHandle) -> Result<(), CustodyError> {
        let _claim = self.claims().claim([record]);
        UnderWay::read(self.deals_folder())?.forget(|one| one.record == record)?;
        let moves = self.folder().join(super::reshare::FOLDER);
        durable::remove_all(&moves, |name| name.starts_with(&format!("{record}-"))).map_err(
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

/// One record gives one result.
fn only(
    sealed: Vec<Result<SealedInCustody, CustodyError>>,
) -> Result<SealedInCustody, CustodyError> {
    let none = || Err(CustodyError::Client(ClientError::NoNode));
    sealed.into_iter().next().unwrap_or_else(none)
}

/// A document that is too long stands in no other's way; how deep it is and how many values it has is seen when
/// it is read.
fn sealable(new: &NewRecord<'_>) -> Result<(), CustodyError> {
    match new.payload.len() {
        ..=MAX_DOCUMENT => Ok(()),
        _ => Err(CustodyError::TooLarge(JsonError::TooLarge {
            what: "bytes",
            limit: MAX_DOCUMENT,
        })),
    }
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
