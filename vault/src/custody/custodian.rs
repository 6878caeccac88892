//! A custodian: takes deals, keeps shares, answers permitted requests, and logs each answer.
//!
//! What always holds: a deal is acknowledged only when its share fits the points that its dealer
//! signed and is on disk; a share that does not fit comes back as evidence; a share is released only
//! after the release is logged, once for each request, to the key that the ledger names; every answer
//! can be given again, byte for byte. Whether a request is permitted at this moment is for the caller
//! to prove before it calls [`Custodian::release`].
//!
//! ```text
//! CUSTODIAN/keys       wrapped secrets, in slots; never copy it where erasure must reach
//! CUSTODIAN/releases   the release log
//! CUSTODIAN/deals      which deals are not known to be on the ledger; the newest of them stand in `keys`, too
//! ```

mod beside;
mod error;
pub(super) mod waiting;

pub use error::CustodianError;
#[cfg(feature = "testing")]
pub use waiting::dealt;

use self::beside::Beside;
use self::waiting::{Dealt, Waiting};
use super::deal::{Acknowledgement, Deal};
use super::evidence::Evidence;
use super::log::{ReleaseLog, Released};
use super::place::{Custodied, Place};
use super::points::Points;
use super::release::Release;
use super::reshare::{self, Completed, ReshareError, Resharing, SubDeal};
use super::seal::{KeyError, OpeningKey, SealingKey};
use super::shares::{self, ShareError, ToKeep};
use super::sharing::Share;
use super::signed::Signed;
use crate::keeper::KeyKeeper;
use crate::seal::RecordVersion;
use crate::secret::{AnswerKey, DerivationRoot, InstitutionKey};
use crate::slots::{Held, Kind, Name, Row, Slots};
use medanchor_ledger::event::ReaderKey;
use medanchor_ledger::signature::{PublicKey, Signature};
use medanchor_ledger::{
    EventId, NetworkId, ParticipantName, RecordHandle, Size, Time, TreeHash, sha256,
};
use std::collections::BTreeMap;
use std::path::Path;

const ROOT: Name = Name {
    kind: Kind::Root,
    handle: [0; 16],
    version: 0,
};

/// How many deals of one owner a custodian takes that it does not know to be on the ledger.
pub const MAX_UNANCHORED: usize = 10_000;

/// Where the ledger says that this custodian stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its name, the current epoch, its place in that epoch's set.
    pub place: Place,
    /// The set's threshold.
    pub threshold: usize,
}

/// A permitted request, as the caller proved it from the ledger.
#[derive(Clone, Debug)]
pub struct Permitted {
    /// The request's event.
    pub request: EventId,
    /// The record it asks for, with the version that the ledger has.
    pub record: Custodied,
    /// This custodian's place among the record's shares.
    pub place: Place,
    /// The record's points.
    pub points: Points,
    /// The key that the request names.
    pub reader: ReaderKey,
}

/// An open store of one custodian. One process at a time, which the caller's own lock ensures.
pub struct Custodian {
    network: NetworkId,
    slots: Slots,
    log: ReleaseLog,
    answers: AnswerKey,
    waiting: Waiting,
    beside: Beside,
    bound: usize,
}

impl Custodian {
    /// Makes an empty store in a folder that exists.
    ///
    /// # Errors
    /// [`CustodianError`]; what exists is left as it is.
    pub fn create(
        folder: &Path,
        key: &InstitutionKey,
        network: NetworkId,
    ) -> Result<Self, CustodianError> {
        Self::create_kept(folder, KeyKeeper::in_memory(key), network)
    }

    /// [`Custodian::create`] with whoever keeps the institution key.
    ///
    /// # Errors
    /// [`CustodianError`]; what exists is left as it is.
    pub fn create_kept(
        folder: &Path,
        keeper: KeyKeeper,
        network: NetworkId,
    ) -> Result<Self, CustodianError> {
        let mut slots = Slots::create(&folder.join("keys"), keeper, network)?;
        let root = DerivationRoot::generate().map_err(KeyError::Random)?;
        slots.put(&[(ROOT, root.expose())])?;
        let log = ReleaseLog::create(&folder.join("releases"), network)?;
        let waiting = open_waiting(folder, network, &mut slots)?;
        Ok(Self {
            network,
            slots,
            log,
            answers: root.answer_key(),
            waiting,
            beside: Beside::default(),
            bound: MAX_UNANCHORED,
        })
    }

    /// Opens a store. `anchored` is the size and root of its release log that the ledger has.
    ///
    /// # Errors
    /// [`CustodianError`].
    pub fn open(
        folder: &Path,
        key: &InstitutionKey,
        network: NetworkId,
        anchored: Option<(Size, TreeHash)>,
    ) -> Result<Self, CustodianError> {
        Self::open_kept(folder, KeyKeeper::in_memory(key), network, anchored)
    }

    /// [`Custodian::open`] with whoever keeps the institution key.
    ///
    /// # Errors
    /// [`CustodianError`].
    pub fn open_kept(
        folder: &Path,
        keeper: KeyKeeper,
        network: NetworkId,
        anchored: Option<(Size, TreeHash)>,
    ) -> Result<Self, CustodianError> {
        let slots = Slots::open(&folder.join("keys"), keeper, network)?;
        Self::with_slots(folder, slots, network, anchored)
    }

    pub(super) fn with_slots(
        folder: &Path,
        mut slots: Slots,
        network: NetworkId,
        anchored: Option<(Size, TreeHash)>,
    ) -> Result<Self, CustodianError> {
        let Held::Secret(root) = slots.get(&ROOT)? else {
            return Err(CustodianError::NoRoot);
        };
        let log = ReleaseLog::open(&folder.join("releases"), network, anchored)?;
        let waiting = open_waiting(folder, network, &mut slots)?;
        Ok(Self {
            network,
            slots,
            log,
            answers: DerivationRoot::new(*root).answer_key(),
            waiting,
            beside: Beside::default(),
            bound: MAX_UNANCHORED,
        })
    }

    /// Takes a deal and acknowledges it; the same deal again gets the same acknowledgement.
    ///
    /// # Errors
    /// [`CustodianError`]; [`CustodianError::BadDeal`] carries evidence against the dealer.
    pub fn accept(
        &mut self,
        deal: &Signed<Deal>,
        dealer: &PublicKey,
        seat: &Seat,
        key: &OpeningKey,
        sign: impl FnMut(&[u8]) -> Signature,
    ) -> Result<Signed<Acknowledgement>, CustodianError> {
        let accepted = self.accept_all(std::slice::from_ref(deal), dealer, seat, key, sign)?;
        accepted
            .into_iter()
            .next()
            .ok_or(CustodianError::OtherPlace)
    }

    /// Takes deals of one dealer, of a record and version each, together, and acknowledges each, in their
    /// order. If one of them is refused, none is kept by this call. What is not known to be on the ledger
    /// counts against its owner's bound from then on.
    ///
    /// # Errors
    /// As [`Custodian::accept`], of the first that is refused, and [`CustodianError::TooManyUnanchored`].
    pub fn accept_all(
        &mut self,
        deals: &[Signed<Deal>],
        dealer: &PublicKey,
        seat: &Seat,
        key: &OpeningKey,
        mut sign: impl FnMut(&[u8]) -> Signature,
    ) -> Result<Vec<Signed<Acknowledgement>>, CustodianError> {
        let says = Signed::verify_all(deals, dealer)?;
        let mut shares = Vec::with_capacity(deals.len());
        for (says, deal) in says.into_iter().zip(deals) {
            self.check_seat(&says.record, &says.place, seat)?;
            if says.points.threshold() != seat.threshold {
                return Err(CustodianError::OtherPlace);
            }
            shares.push(ToKeep {
                record: &says.record,
                index: says.place.index,
                points: &says.points,
                share: opened(deal, key)?,
            });
        }
        let rows = self.admit(seat.place.epoch, &shares)?;
        let rows = self.beside.places(rows, &mut self.waiting);
        let rows = rows.map_err(CustodianError::Deals)?;
        shares::keep(&mut self.slots, seat.place.epoch, &shares, &rows)?;
        let acknowledged = shares.iter().map(|kept| {
            let says = acknowledgement(kept.record, &seat.place, kept.points);
            Signed::new(says, &mut sign)
        });
        Ok(acknowledged.collect())
    }

    /// Counts shares that are not held against their owners' bounds before they are kept; gives the rows that
    /// say so, also of those that an earlier try counted.
    fn admit(&mut self, epoch: u32, shares: &[ToKeep<'_>]) -> Result<Vec<Row>, CustodianError> {
        let mut of_owners: BTreeMap<&ParticipantName, Vec<Dealt>> = BTreeMap::new();
        for one in shares {
            let at = (one.index, one.points);
            let held = shares::get(&mut self.slots, one.record, epoch, at);
            if matches!(held, Err(ShareError::NotHeld)) {
                let RecordVersion {
                    record, version, ..
                } = one.record.record;
                let of_owner = of_owners.entry(&one.record.owner).or_default();
                of_owner.push((record, version));
            }
        }
        let mut rows = Vec::new();
        for (owner, dealt) in of_owners {
            let new = self.waiting.unknown(owner, &dealt).len();
            let bound = self.bound;
            if self.waiting.count(owner).saturating_add(new) > bound {
                return Err(CustodianError::TooManyUnanchored { bound });
            }
            rows.extend((self.waiting.enter(owner, &dealt)).map_err(CustodianError::Deals)?);
        }
        Ok(rows)
    }

    /// Takes at most so many deals of one owner that are not known to be on the ledger.
    pub const fn set_bound(&mut self, bound: usize) {
        self.bound = bound;
    }

    /// How many more deals of an owner would be taken if none of those that wait is on the ledger.
    #[must_use]
    pub fn room(&self, owner: &ParticipantName) -> usize {
        self.bound.saturating_sub(self.waiting.count(owner))
    }

    /// The next records, each with its version, of which to ask whether the ledger has them, the oldest
    /// first; the ones after them come next.
    pub fn unanchored(&mut self, owner: &ParticipantName, most: usize) -> Vec<(RecordHandle, u32)> {
        self.waiting.next(owner, most)
    }

    /// The ledger has these records of an owner in these versions, so they count no more.
    ///
    /// # Errors
    /// [`CustodianError::Deals`] and [`CustodianError::Share`]; they may still count, and what could not be
    /// done is tried again when this is called again, with whichever records.
    pub fn anchored(
        &mut self,
        owner: &ParticipantName,
        records: &[(RecordHandle, u32)],
    ) -> Result<(), CustodianError> {
        let told = self.waiting.anchored(owner, records);
        self.beside.tidy(&mut self.slots, &mut self.waiting)?;
        told.map_err(CustodianError::Deals)
    }

    /// This custodian's sub-deals for the members of a new epoch; `from` is its place in the old one.
    ///
    /// # Errors
    /// [`CustodianError`].
    pub fn contribute(
        &mut self,
        resharing: &Resharing<'_>,
        from: &Place,
        sign: impl FnMut(&[u8]) -> Signature,
    ) -> Result<Vec<Signed<SubDeal>>, CustodianError> {
        let share = self.share(resharing.record, from, resharing.old)?;
        Ok(reshare::contribute(resharing, from, &share, sign)?)
    }

    /// Takes one sub-deal of each contributor, in the order of their places and each with the key that
    /// the ledger has for its signatures, adds them up, and acknowledges the share of the new epoch.
    ///
    /// # Errors
    /// [`CustodianError`]; [`CustodianError::Reshare`] names a contributor at fault.
    pub fn accept_reshared(
        &mut self,
        old: &Points,
        sub_deals: &[(Signed<SubDeal>, PublicKey)],
        seat: &Seat,
        key: &OpeningKey,
        sign: impl FnOnce(&[u8]) -> Signature,
    ) -> Result<Signed<Acknowledgement>, CustodianError> {
        for (deal, contributor) in sub_deals {
            let terms = &deal.verify(contributor)?.terms;
            self.check_seat(&terms.record, &terms.to, seat)?;
            if terms.points.threshold() != seat.threshold {
                return Err(CustodianError::OtherPlace);
            }
        }
        let deals: Vec<_> = sub_deals.iter().map(|(deal, _)| deal.clone()).collect();
        let (points, share) = reshare::add_up(old, &deals, &seat.place, key)?;
        let first = deals.first().ok_or(ReshareError::Contributors)?;
        let record = &first.says().terms.record;
        let kept = ToKeep {
            record,
            index: seat.place.index,
            points: &points,
            share,
        };
        shares::keep(&mut self.slots, seat.place.epoch, &[kept], &[])?;
        Ok(Signed::new(
            acknowledgement(record, &seat.place, &points),
            sign,
        ))
    }

    /// Destroys this custodian's shares of every epoch before one that is complete; gives how many it
    /// had held.
    ///
    /// # Errors
    /// [`CustodianError`]; call it again until it succeeds.
    pub fn retire(&mut self, completed: &Completed) -> Result<u32, CustodianError> {
        let earlier = 1..completed.epoch();
        Ok(shares::erase(&mut self.slots, completed.record(), earlier)?)
    }

    fn check_seat(
        &self,
        record: &Custodied,
        place: &Place,
        seat: &Seat,
    ) -> Result<(), CustodianError> {
        if record.record.network != self.network || *place != seat.place {
            return Err(CustodianError::OtherPlace);
        }
        match record.owner == seat.place.custodian {
            true => Err(CustodianError::Owner),
            false => Ok(()),
        }
    }

    /// The share that is held at this place under these points.
    fn share(
        &mut self,
        record: &Custodied,
        place: &Place,
        points: &Points,
    ) -> Result<Share, CustodianError> {
        if record.record.network != self.network {
            return Err(CustodianError::OtherPlace);
        }
        let at = (place.index, points);
        Ok(shares::get(&mut self.slots, record, place.epoch, at)?)
    }

    /// Answers a permitted request: logs the release, then gives the signed answer. The same request
    /// gets the same bytes and is logged once.
    ///
    /// # Errors
    /// [`CustodianError`]; nothing was released unless it was logged.
    pub fn release(
        &mut self,
        permitted: &Permitted,
        reader: &SealingKey,
        now: Time,
        sign: impl FnOnce(&[u8]) -> Signature,
    ) -> Result<Signed<Release>, CustodianError> {
        let Permitted {
            request,
            record,
            place,
            points,
            ..
        } = permitted;
        if reader.reader_key() != permitted.reader {
            return Err(CustodianError::OtherKey);
        }
        let share = self.share(record, place, points)?;
        let sealed = (&share, &self.answers);
        let answer = Release::new(record.clone(), *request, place.clone(), sealed, reader)?;
        let answer = Signed::new(answer, sign);
        let released = Released {
            request: *request,
            record: record.clone(),
            epoch: place.epoch,
            index: place.index,
            answer: sha256(&[&answer.encode()]),
            time: now,
        };
        match self.log.of_request(request)? {
            None => drop(self.log.append(&released)?),
            Some(before) => same_answer(before, released)?,
        }
        Ok(answer)
    }

    /// Destroys every share of a record up to an epoch, of whatever version, and takes none of it from then
    /// on; gives how many it had held. Again, it costs no wait for the disk.
    ///
    /// # Errors
    /// [`CustodianError::Share`]; call it again until it succeeds.
    pub fn erase_record(&mut self, record: &Custodied, epoch: u32) -> Result<u32, CustodianError> {
        Ok(shares::erase_all(&mut self.slots, record, epoch)?)
    }

    /// How often its files are waited for, for tests to count and to fail: the deals', the secrets'.
    #[cfg(test)]
    pub(super) const fn syncs(&self) -> [&crate::disk::Syncs; 2] {
        [&self.waiting.syncs, self.slots.syncs()]
    }

    /// The release log.
    #[must_use]
    pub const fn log(&mut self) -> &mut ReleaseLog {
        &mut self.log
    }
}

fn open_waiting(
    folder: &Path,
    network: NetworkId,
    slots: &mut Slots,
) -> Result<Waiting, CustodianError> {
    let beside = slots.rows()?;
    let waiting = Waiting::open(&folder.join("deals"), network, &beside);
    let mut waiting = waiting.map_err(CustodianError::Deals)?;
    beside::clear(slots, &mut waiting)?;
    Ok(waiting)
}

/// The share of a deal, if it fits the points.
fn opened(deal: &Signed<Deal>, key: &OpeningKey) -> Result<Share, CustodianError> {
    let says = deal.says();
    let opened = says
        .open(key)
        .map_err(|_| CustodianError::BadDeal { evidence: None })?;
    let share = Share::decode(&opened.contents);
    share
        .filter(|share| share.fits(says.place.index, &says.points))
        .ok_or_else(|| {
            let evidence = Evidence::bad_deal(deal.clone(), key.public().clone(), &opened);
            let evidence = evidence.map(Box::new);
            CustodianError::BadDeal { evidence }
        })
}

fn acknowledgement(record: &Custodied, place: &Place, points: &Points) -> Acknowledgement {
    Acknowledgement {
        record: record.clone(),
        place: place.clone(),
        points: points.hash(),
    }
}

fn same_answer(before: Released, now: Released) -> Result<(), CustodianError> {
    let request = now.request;
    let time = before.time;
    let (answered, answer) = (before.answer, now.answer);
    if before
        != (Released {
            time,
            answer: answered,
            ..now
        })
    {
        return Err(CustodianError::OtherRequest { request });
    }
    match answered == answer {
        true => Ok(()),
        false => Err(CustodianError::Changed { request }),
    }
}
