//! Re-sharing: k custodians of an old epoch give the members of a new one shares of the same secret,
//! which nobody puts together on the way.
//!
//! What always holds: each contributor's sub-shares fit sub-points that it signed, and the first of
//! these is what its old share, weighted, must commit to under the old points; so the sums fit the sums
//! of the sub-points, whose first is the old first point: same secret, same blinding. Old shares are
//! destroyed only against a [`Completed`], which exists only when every new member has acknowledged
//! its share under one and the same set of new points.
//!
//! ```text
//! contributor i     shares (l_i s_i, l_i t_i) out as in the first dealing; l_i = weight of i among the contributors
//! sub-points        D_i0 = l_i C(i), D_i1, ..
//! new share of j    sum over i of i's sub-share for j
//! new points        C'_m = sum over i of D_im;    C'_0 = C_0
//! ```
//!
//! | key | sub-deal, domain `medanchor/subdeal/v1` |
//! |---|---|
//! | 1 to 4 | network id, owner, record, version |
//! | 5 to 7 | contributor: custodian, old epoch, place |
//! | 8 | hash of the old points (32) |
//! | 9 | places of all contributors, ascending: array |
//! | 10 to 12 | receiver: custodian, new epoch, place |
//! | 13 | the sub-points: array of 2 to 16 byte strings of 32 |
//! | 14 to 16 | suite, encapsulated key, ciphertext, as in a deal |
//!
//! The context of the ciphertext is "medanchor/subdeal-context/v1" and a map of the entries 1 to 13.

use super::deal::{Acknowledgement, DealError, Member, check_members, seeds};
use super::evidence::Evidence;
use super::place::{Custodied, Place, context};
use super::points::{MAX_MEMBERS, Points, PointsHash, ShareIndex};
use super::seal::{KeyError, SEED, Sealed, SealingKey};
#[cfg(feature = "keep")]
use super::seal::{Opened, OpeningKey};
use super::sharing::{Polynomials, Share, check_threshold, draw, weight};
use super::signed::{Body, Signed};
use crate::secret::RandomFailed;
use curve25519_dalek::RistrettoPoint;
use medanchor_ledger::ParticipantName;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::signature::{PublicKey, Signature};

/// What a sub-deal says besides its sealed part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubTerms {
    /// Which record's key.
    pub record: Custodied,
    /// Who contributes: its place in the old epoch.
    pub from: Place,
    /// The hash of the old points.
    pub old: PointsHash,
    /// The places of all who contribute, ascending.
    pub contributors: Vec<ShareIndex>,
    /// Whom it is for: a place in the new epoch.
    pub to: Place,
    /// What the sub-share is judged by.
    pub points: Points,
}

/// One contributor's part of one new share, on its way to its new custodian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubDeal {
    /// What it is a part of, and whom it is for.
    pub terms: SubTerms,
    /// The sub-share.
    pub sealed: Sealed,
}

/// Why sub-shares do not make a share.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReshareError {
    /// Sub-deals that are not of one re-sharing.
    #[error(
        "the sub-shares are not one from each contributor to this custodian; ask for those that are missing or others'"
    )]
    Mixed,
    /// The contributors are not as many as the old threshold, or not in order.
    #[error(
        "a re-sharing takes exactly as many contributors as the old threshold, in order; choose others"
    )]
    Contributors,
    /// One contributor's sub-points or sub-share are wrong.
    #[error(
        "the sub-share of {custodian} does not fit; move the record without it (`--without {custodian}`): what convicts it, if anything does, is kept here"
    )]
    Unfit {
        /// The contributor at fault.
        custodian: ParticipantName,
        /// Convicts it, where the sub-deal can be opened without giving away the share key.
        evidence: Option<Box<Evidence>>,
    },
    /// Not every new member acknowledged the same new points.
    #[error(
        "{custodian} has not acknowledged its new share under the new points; keep the old shares and ask it again"
    )]
    NotAcknowledged {
        /// The member.
        custodian: ParticipantName,
    },
    /// The points that came out are none.
    #[error("the new points are none; re-share anew")]
    Points,
}

impl SubTerms {
    fn write_bound(&self, writer: &mut Writer) {
        self.record.write(writer);
        self.from.write(5, writer);
        writer.key(8).bytes(&self.old.0);
        writer.key(9).array(self.contributors.len());
        for index in &self.contributors {
            writer.uint(u64::from(index.get()));
        }
        self.to.write(10, writer);
        self.points.write(writer.key(13));
    }

    pub(super) fn context(&self) -> Vec<u8> {
        context(b"medanchor/subdeal-context/v1", 13, |writer| {
            self.write_bound(writer);
        })
    }

    /// Whether the first sub-point is what the contributor's old share, weighted, commits to.
    #[must_use]
    pub fn continues(&self, old: &Points) -> bool {
        let weight = weight(self.from.index, &self.contributors);
        self.points.secret() == weight * old.at(self.from.index)
    }

    /// Whether it names the contributors that the old points ask for, itself among them.
    #[must_use]
    pub fn is_of(&self, old: &Points) -> bool {
        let ascending = self.contributors.windows(2);
        ascending.into_iter().all(|pair| match pair {
            [one, next] => one < next,
            _ => false,
        }) && self.contributors.len() == old.threshold()
            && self.contributors.contains(&self.from.index)
            && self.old == old.hash()
    }
}

impl SubDeal {
    /// Seals a sub-share to its receiver's key under these terms; the seed is the sealer's coins.
    ///
    /// # Errors
    /// [`KeyError::Public`] if nothing can be sealed to the key.
    pub fn new(
        terms: SubTerms,
        sub: &Share,
        to: &SealingKey,
        seed: &[u8; SEED],
    ) -> Result<Self, KeyError> {
        let sealed = to.seal(&terms.context(), sub.expose().as_slice(), seed)?;
        Ok(Self { terms, sealed })
    }

    #[cfg(feature = "keep")]
    pub(super) fn open(&self, key: &OpeningKey) -> Result<Opened<{ Share::LENGTH }>, KeyError> {
        key.open(&self.terms.context(), &self.sealed)
    }
}

impl Body for SubDeal {
    const DOMAIN: &'static [u8] = b"medanchor/subdeal/v1";

    fn write(&self, writer: &mut Writer) {
        writer.map(13 + Sealed::ENTRIES);
        self.terms.write_bound(writer);
        self.sealed.write(14, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.map(13 + Sealed::ENTRIES)?;
        let terms = SubTerms {
            record: Custodied::read(reader)?,
            from: Place::read(5, reader)?,
            old: PointsHash(reader.key(8)?.fixed()?),
            contributors: read_contributors(reader.key(9)?)?,
            to: Place::read(10, reader)?,
            points: Points::read(reader.key(13)?)?,
        };
        let sealed = Sealed::read(14, Share::LENGTH, reader)?;
        Ok(Self { terms, sealed })
    }
}

fn read_contributors(reader: &mut Reader<'_>) -> Result<Vec<ShareIndex>, CborError> {
    let count = reader.array(1..=MAX_MEMBERS)?;
    let mut contributors: Vec<ShareIndex> = Vec::with_capacity(count);
    for _ in 0..count {
        let order = reader.fault(CborFault::Order);
        let index = ShareIndex::read(reader)?;
        if contributors.last().is_some_and(|last| *last >= index) {
            return Err(order);
        }
        contributors.push(index);
    }
    Ok(contributors)
}

/// What a re-sharing is from and to.
#[derive(Clone, Debug)]
pub struct Resharing<'a> {
    /// Which record's key.
    pub record: &'a Custodied,
    /// The old points.
    pub old: &'a Points,
    /// The places of the contributors in the old set, ascending, as many as the old threshold.
    pub contributors: &'a [ShareIndex],
    /// The new epoch.
    pub epoch: u32,
    /// The new threshold.
    pub threshold: usize,
    /// The new members, in the order of their names.
    pub members: &'a [Member],
}

/// One contributor's sub-deals for all new members; `from` is its place in the old epoch, and `share`
/// what it holds there.
///
/// # Errors
/// [`DealError`].
pub fn contribute(
    resharing: &Resharing<'_>,
    from: &Place,
    share: &Share,
    mut sign: impl FnMut(&[u8]) -> Signature,
) -> Result<Vec<Signed<SubDeal>>, DealError> {
    let Resharing {
        record,
        old,
        contributors,
        epoch,
        threshold,
        members,
    } = *resharing;
    check_threshold(threshold, members.len())?;
    check_members(&record.owner, members)?;
    let weight = weight(from.index, contributors);
    let weighted = Share {
        value: weight * share.value,
        blinding: weight * share.blinding,
    };
    let polynomials = Polynomials::new(&weighted, &draw(2 * (threshold - 1))?);
    let points = polynomials.points().ok_or(RandomFailed)?;
    let seeds = seeds(members.len())?;
    let mut deals = Vec::with_capacity(members.len());
    let places = members.iter().zip(ShareIndex::all(members.len()));
    for ((member, index), seed) in places.zip(seeds.iter()) {
        let to = Place {
            custodian: member.name.clone(),
            epoch,
            index,
        };
        let terms = SubTerms {
            record: record.clone(),
            from: from.clone(),
            old: old.hash(),
            contributors: contributors.to_vec(),
            to,
            points: points.clone(),
        };
        let sub = SubDeal::new(terms, &polynomials.share(index), &member.key, seed)?;
        deals.push(Signed::new(sub, &mut sign));
    }
    Ok(deals)
}

/// The new points, from one sub-deal of each contributor; everybody who has them can compute them.
///
/// # Errors
/// [`ReshareError`], which names the contributor at fault if there is one.
pub fn new_points(old: &Points, sub_deals: &[Signed<SubDeal>]) -> Result<Points, ReshareError> {
    let first = sub_deals.first().ok_or(ReshareError::Contributors)?;
    let first = &first.says().terms;
    let mut sums = vec![RistrettoPoint::default(); first.points.threshold()];
    let from: Vec<_> = sub_deals
        .iter()
        .map(|deal| deal.says().terms.from.index)
        .collect();
    if from != first.contributors {
        return Err(ReshareError::Contributors);
    }
    for signed in sub_deals {
        let deal = &signed.says().terms;
        let together = deal.record == first.record
            && deal.from.epoch == first.from.epoch
            && deal.to.epoch == first.to.epoch
            && deal.contributors == first.contributors
            && deal.points.threshold() == first.points.threshold();
        if !together || deal.to.epoch <= deal.from.epoch {
            return Err(ReshareError::Mixed);
        }
        if !deal.is_of(old) {
            return Err(ReshareError::Contributors);
        }
        if !deal.continues(old) {
            return Err(ReshareError::Unfit {
                custodian: deal.from.custodian.clone(),
                evidence: Some(Box::new(Evidence::broken_chain(
                    signed.clone(),
                    old.clone(),
                ))),
            });
        }
        for (sum, point) in sums.iter_mut().zip(deal.points.as_points()) {
            *sum += point;
        }
    }
    let points = Points::of(sums).ok_or(ReshareError::Points)?;
    (points.secret() == old.secret())
        .then_some(points)
        .ok_or(ReshareError::Points)
}

/// The share that sub-deals to one place add up to, and the points that it fits.
#[cfg(feature = "keep")]
pub(super) fn add_up(
    old: &Points,
    sub_deals: &[Signed<SubDeal>],
    to: &Place,
    key: &OpeningKey,
) -> Result<(Points, Share), ReshareError> {
    let points = new_points(old, sub_deals)?;
    let mut sum = Share {
        value: curve25519_dalek::Scalar::ZERO,
        blinding: curve25519_dalek::Scalar::ZERO,
    };
    for signed in sub_deals {
        let deal = &signed.says().terms;
        if deal.to != *to {
            return Err(ReshareError::Mixed);
        }
        let opened = signed.says().open(key).ok();
        let share = opened
            .as_ref()
            .and_then(|opened| Share::decode(&opened.contents));
        let Some(share) = share.filter(|share| share.fits(to.index, &deal.points)) else {
            let evidence = opened.and_then(|opened| {
                Evidence::bad_sub_share(signed.clone(), key.public().clone(), &opened)
            });
            return Err(ReshareError::Unfit {
                custodian: deal.from.custodian.clone(),
                evidence: evidence.map(Box::new),
            });
        };
        sum.value += share.value;
        sum.blinding += share.blinding;
    }
    match sum.fits(to.index, &points) {
        true => Ok((points, sum)),
        false => Err(ReshareError::Points),
    }
}

/// Proof that every member of a new set holds its share: what the old shares are destroyed against.
#[derive(Clone, Debug)]
pub struct Completed {
    record: Custodied,
    epoch: u32,
}

impl Completed {
    /// Checks that every member acknowledged these points; members in the order of the set, each with
    /// the key that the ledger has for its signatures.
    ///
    /// # Errors
    /// [`ReshareError::NotAcknowledged`] names the first that did not.
    pub fn new(
        record: &Custodied,
        epoch: u32,
        points: &Points,
        members: &[(ParticipantName, PublicKey)],
        acknowledgements: &[Signed<Acknowledgement>],
    ) -> Result<Self, ReshareError> {
        if members.len() < points.threshold() || members.len() > MAX_MEMBERS {
            return Err(ReshareError::Contributors);
        }
        for ((custodian, key), index) in members.iter().zip(ShareIndex::all(members.len())) {
            let wanted = Acknowledgement {
                record: record.clone(),
                place: Place {
                    custodian: custodian.clone(),
                    epoch,
                    index,
                },
                points: points.hash(),
            };
            let given = |signed: &Signed<_>| *signed.says() == wanted && signed.verify(key).is_ok();
            if !acknowledgements.iter().any(given) {
                let custodian = custodian.clone();
                return Err(ReshareError::NotAcknowledged { custodian });
            }
        }
        Ok(Self {
            record: record.clone(),
            epoch,
        })
    }

    /// The record.
    #[must_use]
    pub const fn record(&self) -> &Custodied {
        &self.record
    }

    /// The new epoch.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }
}
