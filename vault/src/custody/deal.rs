//! Dealing: the owner of a record gives each custodian its share, and each acknowledges it.
//!
//! What always holds: a deal carries the points that its share is judged by, under one signature, so
//! a share that does not fit them convicts whoever signed; it opens for its custodian alone, and only
//! as what it says; the custodian's acknowledgement names those very points, so a custodian that
//! acknowledged cannot later answer with another share unpunished.
//!
//! | key | deal, domain `medanchor/deal/v1` | acknowledgement, domain `medanchor/deal-ack/v1` |
//! |---|---|---|
//! | 1 | network id (16 bytes) | the same |
//! | 2 | owner (text) | the same |
//! | 3 | record (16) | the same |
//! | 4 | version, from 1 | the same |
//! | 5 | custodian (text) | the same |
//! | 6 | epoch of its set | the same |
//! | 7 | place in the set, 1 to 16 | the same |
//! | 8 | the points: array of 2 to 16 byte strings of 32 | hash of the points (32) |
//! | 9 | suite of the custodian's share key: 1 or 2 | |
//! | 10 | encapsulated key (32 or 1,120) | |
//! | 11 | ciphertext of share (64) and seed (32), with tag: 112 bytes | |
//!
//! The context of the ciphertext is "medanchor/deal-context/v1" and a map of the entries 1 to 8.

use super::place::{Custodied, Place, context};
use super::points::{Points, PointsHash, ShareIndex};
use super::seal::{KeyError, SEED, Sealed, SealingKey};
#[cfg(feature = "keep")]
use super::seal::{Opened, OpeningKey};
use super::sharing::{Share, SharingError, split};
use super::signed::{Body, Signed};
use crate::secret::{CustodyPart, RandomFailed, random};
use medanchor_ledger::ParticipantName;
use medanchor_ledger::cbor::{CborError, Reader, Writer};
use medanchor_ledger::signature::Signature;
use zeroize::Zeroizing;

/// A share on its way to its custodian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    /// Which record's key it is a share of.
    pub record: Custodied,
    /// Whom it is for.
    pub place: Place,
    /// What it is judged by.
    pub points: Points,
    /// The share.
    pub sealed: Sealed,
}

/// A custodian's word that it holds the share that these points ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Which record's key.
    pub record: Custodied,
    /// Who holds it.
    pub place: Place,
    /// The hash of the points that the share fits.
    pub points: PointsHash,
}

/// A custodian to deal to: its name and its share key, as the ledger's set has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The custodian.
    pub name: ParticipantName,
    /// The key that its shares are sealed to.
    pub key: SealingKey,
}

/// Why nothing was dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DealError {
    /// The key was not shared out.
    #[error(transparent)]
    Sharing(#[from] SharingError),
    /// A share was not sealed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// The members are not those of a set.
    #[error("the custodians of a set are sorted by name, each once; take them from the ledger")]
    Members,
    /// An owner among its own custodians.
    #[error("a record's owner is never its own custodian; use a set that it does not belong to")]
    Owner,
}

fn write_bound(record: &Custodied, place: &Place, points: &Points, writer: &mut Writer) {
    record.write(writer);
    place.write(5, writer);
    points.write(writer.key(8));
}

impl Body for Deal {
    const DOMAIN: &'static [u8] = b"medanchor/deal/v1";

    fn write(&self, writer: &mut Writer) {
        writer.map(8 + Sealed::ENTRIES);
        write_bound(&self.record, &self.place, &self.points, writer);
        self.sealed.write(9, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.map(8 + Sealed::ENTRIES)?;
        Ok(Self {
            record: Custodied::read(reader)?,
            place: Place::read(5, reader)?,
            points: Points::read(reader.key(8)?)?,
            sealed: Sealed::read(9, Share::LENGTH, reader)?,
        })
    }
}

impl Deal {
    pub(super) fn context(&self) -> Vec<u8> {
        deal_context(&self.record, &self.place, &self.points)
    }

    #[cfg(feature = "keep")]
    pub(super) fn open(&self, key: &OpeningKey) -> Result<Opened<{ Share::LENGTH }>, KeyError> {
        key.open(&self.context(), &self.sealed)
    }
}

fn deal_context(record: &Custodied, place: &Place, points: &Points) -> Vec<u8> {
    context(b"medanchor/deal-context/v1", 8, |writer| {
        write_bound(record, place, points, writer);
    })
}

impl Body for Acknowledgement {
    const DOMAIN: &'static [u8] = b"medanchor/deal-ack/v1";

    fn write(&self, writer: &mut Writer) {
        writer.map(8);
        self.record.write(writer);
        self.place.write(5, writer);
        writer.key(8).bytes(&self.points.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        reader.map(8)?;
        Ok(Self {
            record: Custodied::read(reader)?,
            place: Place::read(5, reader)?,
            points: PointsHash(reader.key(8)?.fixed()?),
        })
    }
}

/// Shares out a record's key among the members of a set, and signs a deal for each, in their order.
/// The points go to the ledger. A retry sends the same bytes, so keep them until all acknowledged.
///
/// # Errors
/// [`DealError`].
pub fn deal_out(
    record: &Custodied,
    epoch: u32,
    threshold: usize,
    members: &[Member],
    secret: &CustodyPart,
    sign: impl FnMut(&[u8]) -> Signature,
) -> Result<(Points, Vec<Signed<Deal>>), DealError> {
    let (points, shares) = split(secret, threshold, members.len())?;
    let seeds = seeds(members.len())?;
    let deals = seal_deals(record, epoch, members, (&points, &shares), &seeds, sign)?;
    Ok((points, deals))
}

pub(super) fn seeds(count: usize) -> Result<Zeroizing<Vec<[u8; SEED]>>, RandomFailed> {
    let mut seeds = Zeroizing::new(Vec::with_capacity(count));
    for _ in 0..count {
        seeds.push(random()?);
    }
    Ok(seeds)
}

/// [`deal_out`] of shares that are made already, with the seeds given.
pub(super) fn seal_deals(
    record: &Custodied,
    epoch: u32,
    members: &[Member],
    (points, shares): (&Points, &[Share]),
    seeds: &[[u8; SEED]],
    mut sign: impl FnMut(&[u8]) -> Signature,
) -> Result<Vec<Signed<Deal>>, DealError> {
    check_members(&record.owner, members)?;
    let mut deals = Vec::with_capacity(members.len());
    for (((member, index), share), seed) in members
        .iter()
        .zip(ShareIndex::all(members.len()))
        .zip(shares)
        .zip(seeds)
    {
        let place = Place {
            custodian: member.name.clone(),
            epoch,
            index,
        };
        let bound = deal_context(record, &place, points);
        let sealed = member.key.seal(&bound, share.expose().as_slice(), seed)?;
        let deal = Deal {
            record: record.clone(),
            place,
            points: points.clone(),
            sealed,
        };
        deals.push(Signed::new(deal, &mut sign));
    }
    Ok(deals)
}

pub(super) fn check_members(owner: &ParticipantName, members: &[Member]) -> Result<(), DealError> {
    let sorted = members.windows(2).all(|pair| match pair {
        [one, next] => one.name < next.name,
        _ => false,
    });
    if !sorted {
        return Err(DealError::Members);
    }
    match members.iter().any(|member| member.name == *owner) {
        true => Err(DealError::Owner),
        false => Ok(()),
    }
}
