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
//! ```

use super::deal::{Acknowledgement, Deal, DealError};
use super::evidence::Evidence;
use super::log::{LogError, ReleaseLog, Released};
use super::place::{Custodied, Place};
use super::points::Points;
use super::release::Release;
use super::reshare::{self, Completed, ReshareError, Resharing, SubDeal};
use super::seal::{KeyError, OpeningKey, SealingKey};
use super::shares::{self, ShareError, ToKeep};
use super::sharing::Share;
use super::signed::Signed;
use crate::keeper::KeyKeeper;
use crate::secret::{AnswerKey, DerivationRoot, InstitutionKey};
use crate::slots::{Held, Kind, Name, Slots, SlotsError};
use crate::vault::VaultError;
use medanchor_ledger::event::ReaderKey;
use medanchor_ledger::signature::{BadSignature, PublicKey, Signature};
use medanchor_ledger::{EventId, NetworkId, Size, Time, TreeHash, sha256};
use std::path::Path;

const ROOT: Name = Name {
    kind: Kind::Root,
    handle: [0; 16],
    version: 0,
};

/// What went wrong at a custodian.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodianError {
    /// A message was not signed by whom it names.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// A message for another network, custodian, epoch, place or threshold.
    #[error(
        "the message is for another network, custodian, epoch, place or threshold; deal to the ledger's current set of custodians"
    )]
    OtherPlace,
    /// The owner's own record.
    #[error(
        "a record's owner is never its own custodian; deal to a set that it does not belong to"
    )]
    Owner,
    /// The dealer signed a share that its own points do not bear out, or bytes that do not open.
    #[error(
        "the share that was dealt does not fit the points, or does not open; deal again, the evidence is kept"
    )]
    BadDeal {
        /// Convicts the dealer, where the deal can be opened without giving away the share key.
        evidence: Option<Box<Evidence>>,
    },
    /// Sub-shares of a new epoch that do not belong together.
    #[error(transparent)]
    Reshare(#[from] ReshareError),
    /// Nothing was contributed to a new epoch.
    #[error(transparent)]
    Deal(#[from] DealError),
    /// The reader's key is not the one that the request names.
    #[error(
        "the key is not the one that the request names; send the public key whose hash is in the request"
    )]
    OtherKey,
    /// The request was answered for something else.
    #[error(
        "request {request} was answered for another record, epoch or place; make a new request"
    )]
    OtherRequest {
        /// The request's event.
        request: EventId,
    },
    /// The answer that was logged cannot be given again.
    #[error(
        "the answer to request {request} would differ from the one that was logged; make a new request"
    )]
    Changed {
        /// The request's event.
        request: EventId,
    },
    /// The store has no derivation root.
    #[error("the custodian's store was not made to the end; remove it and make it again")]
    NoRoot,
    /// The share.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The key of the store, or its files.
    #[error(transparent)]
    Store(Box<VaultError>),
    /// The release log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<VaultError> for CustodianError {
    fn from(error: VaultError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<SlotsError> for CustodianError {
    fn from(error: SlotsError) -> Self {
        Self::Share(error.into())
    }
}

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
        Ok(Self {
            network,
            slots,
            log,
            answers: root.answer_key(),
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
        Ok(Self {
            network,
            slots,
            log,
            answers: DerivationRoot::new(*root).answer_key(),
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

    /// Takes deals of one dealer, of a record and version each, with one wait for the disk, and acknowledges
    /// each, in their order. If one of them is refused, none is kept by this call.
    ///
    /// # Errors
    /// As [`Custodian::accept`], of the first that is refused.
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
        shares::keep(&mut self.slots, seat.place.epoch, &shares)?;
        let acknowledged = shares.iter().map(|kept| {
            let says = acknowledgement(kept.record, &seat.place, kept.points);
            Signed::new(says, &mut sign)
        });
        Ok(acknowledged.collect())
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
        shares::keep(&mut self.slots, seat.place.epoch, &[kept])?;
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
        let mut held = 0;
        for epoch in 1..completed.epoch() {
            held += u32::from(self.erase(completed.record(), epoch)?);
        }
        Ok(held)
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

    /// Destroys the share of one version and epoch, for ever; says whether it was held.
    ///
    /// # Errors
    /// [`CustodianError::Share`]; call it again until it succeeds.
    pub fn erase(&mut self, record: &Custodied, epoch: u32) -> Result<bool, CustodianError> {
        Ok(shares::erase(&mut self.slots, record, epoch)?)
    }

    /// Destroys every share of a record up to an epoch, of whatever version, and takes none from then on
    /// of the versions up to the next; gives how many it had held.
    ///
    /// # Errors
    /// [`CustodianError::Share`]; call it again until it succeeds.
    pub fn erase_record(&mut self, record: &Custodied, epoch: u32) -> Result<u32, CustodianError> {
        Ok(shares::erase_all(&mut self.slots, record, epoch)?)
    }

    /// The release log.
    #[must_use]
    pub const fn log(&mut self) -> &mut ReleaseLog {
        &mut self.log
    }
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
