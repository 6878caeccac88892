//! Inspections: a population is fixed, a regulator opens an inspection of it, the validators' random
//! outputs decide which items are drawn, and the population's owner answers for each.

use super::list::{read_commitment, read_handle};
use super::{Body, BuildError, DecodeError, Subject};
use crate::cbor::{CborFault, Reader, Writer};
use crate::draw::MAX_SAMPLE;
use crate::signature::{KeyError, PublicKey};
use crate::vrf::{VrfProof, VrfPublicKey};
use crate::{
    Commitment, InspectionHandle, ItemCommitment, ParticipantName, PopulationHandle, Time, TreeHash,
};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

/// The most items of a population.
pub const MAX_POPULATION: u64 = 1 << 40;

/// For how long outputs are taken after an inspection was opened, in milliseconds: 10 seconds to 15
/// minutes, so that one output event can stay valid all the while.
pub const WINDOW_MILLIS: RangeInclusive<u32> = 10_000..=900_000;

/// `inspection.key`: a validator registers the keys with which its node gives random outputs, or replaces
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectionKey {
    /// Under which outputs are proved.
    pub vrf: VrfPublicKey,
    /// With which `inspection.output` is signed, and nothing else, so that the node need not hold the
    /// institution's own key.
    pub operational: PublicKey,
    /// The number of the signer's registration that this one replaces; none if it is the first.
    pub replaces: Option<NonZeroU32>,
}

impl InspectionKey {
    /// The number of this registration among the signer's, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.replaces
            .map_or(1, |before| before.get().saturating_add(1))
    }

    /// Checks both keys as every registered key is checked.
    pub(super) fn check(&self) -> Result<(), KeyError> {
        VrfPublicKey::new(*self.vrf.as_bytes())?;
        PublicKey::decode(&self.operational.encode()).map(drop)
    }
}

impl Body for InspectionKey {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("inspection", issuer, self.operational.id())
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(2 + usize::from(self.replaces.is_some()));
        writer.key(1).bytes(&self.vrf.encode());
        writer.key(2).bytes(&self.operational.encode());
        if let Some(before) = self.replaces {
            writer.key(3).uint(u64::from(before.get()));
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let entries = reader.map_between(2..=3)?;
        Ok(Self {
            vrf: read_vrf_key(reader.key(1)?)?,
            operational: read_operational_key(reader.key(2)?)?,
            replaces: match entries {
                3 => Some(read_number(reader.key(3)?)?),
                _ => None,
            },
        })
    }
}

pub(crate) fn read_vrf_key(reader: &mut Reader<'_>) -> Result<VrfPublicKey, DecodeError> {
    match reader.fixed::<{ VrfPublicKey::ENCODED_LENGTH }>()? {
        [VrfPublicKey::SUITE, key @ ..] => Ok(VrfPublicKey::registered(key)),
        [suite, ..] => Err(DecodeError::VrfSuite { suite }),
    }
}

pub(crate) fn read_operational_key(reader: &mut Reader<'_>) -> Result<PublicKey, DecodeError> {
    let bytes = reader.fixed::<{ PublicKey::ENCODED_LENGTH }>()?;
    let what = "the operational key";
    PublicKey::decode_registered(&bytes).map_err(|_| DecodeError::Key { what })
}

fn read_number(reader: &mut Reader<'_>) -> Result<NonZeroU32, DecodeError> {
    let range = reader.fault(CborFault::Range);
    NonZeroU32::new(reader.narrow()?).ok_or(range.into())
}

/// An unsigned integer in `bounds`.
fn read_within<T: TryFrom<u64> + PartialOrd>(
    reader: &mut Reader<'_>,
    bounds: &RangeInclusive<T>,
) -> Result<T, DecodeError> {
    let range = reader.fault(CborFault::Range);
    let value = reader.narrow()?;
    if bounds.contains(&value) {
        Ok(value)
    } else {
        Err(range.into())
    }
}

/// `inspection.population`: the signer fixes a list of items that may be drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectionPopulation {
    /// The population, among the signer's.
    pub population: PopulationHandle,
    /// RFC 9162 root over the items' commitments ([`crate::draw`]).
    pub root: TreeHash,
    /// How many items there are, 1 to [`MAX_POPULATION`].
    pub count: u64,
    /// The salted commitment to what the items are and how the list was made.
    pub commitment: Commitment,
}

impl Body for InspectionPopulation {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("inspection", issuer, self.population)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(4);
        writer.key(1).bytes(self.population.as_bytes());
        writer.key(2).bytes(self.root.as_bytes());
        writer.key(3).uint(self.count);
        writer.key(4).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(4)?;
        Ok(Self {
            population: read_handle(reader.key(1)?)?,
            root: TreeHash::new(reader.key(2)?.fixed()?),
            count: read_within(reader.key(3)?, &(1..=MAX_POPULATION))?,
            commitment: read_commitment(reader.key(4)?)?,
        })
    }
}

/// `inspection.open`: a regulator inspects a sample of a population.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectionOpen {
    /// The inspection, among the signer's.
    pub inspection: InspectionHandle,
    /// Whose population it is, and who answers.
    pub owner: ParticipantName,
    /// The population, among the owner's.
    pub population: PopulationHandle,
    /// How many items are drawn, 1 to [`MAX_SAMPLE`].
    pub sample: u16,
    /// For how long after the opening block's time outputs are taken, within [`WINDOW_MILLIS`].
    pub window: u32,
    /// The last block time at which an answer counts.
    pub answer_by: Time,
    /// The salted commitment to the order: why, by what law, by whom.
    pub commitment: Commitment,
}

impl Body for InspectionOpen {
    fn subject<'a>(&'a self, issuer: &'a ParticipantName) -> Subject<'a> {
        Subject::new("inspection", issuer, self.inspection)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(7);
        writer.key(1).bytes(self.inspection.as_bytes());
        writer.key(2).text(self.owner.as_str());
        writer.key(3).bytes(self.population.as_bytes());
        writer.key(4).uint(u64::from(self.sample));
        writer.key(5).uint(u64::from(self.window));
        writer.key(6).uint(self.answer_by.0);
        writer.key(7).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(7)?;
        Ok(Self {
            inspection: read_handle(reader.key(1)?)?,
            owner: reader.key(2)?.parsed(ParticipantName::MAX_LENGTH)?,
            population: read_handle(reader.key(3)?)?,
            sample: read_within(reader.key(4)?, &(1..=MAX_SAMPLE))?,
            window: read_within(reader.key(5)?, &WINDOW_MILLIS)?,
            answer_by: Time(reader.key(6)?.uint()?),
            commitment: read_commitment(reader.key(7)?)?,
        })
    }
}

/// `inspection.output`: a validator's random output, with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectionOutput {
    /// Who opened the inspection.
    pub opener: ParticipantName,
    /// The inspection, among the opener's.
    pub inspection: InspectionHandle,
    /// The proof, from which the output follows.
    pub proof: VrfProof,
}

impl Body for InspectionOutput {
    fn subject<'a>(&'a self, _: &'a ParticipantName) -> Subject<'a> {
        Subject::new("inspection", &self.opener, self.inspection)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(3);
        writer.key(1).text(self.opener.as_str());
        writer.key(2).bytes(self.inspection.as_bytes());
        writer.key(3).bytes(self.proof.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(3)?;
        Ok(Self {
            opener: reader.key(1)?.parsed(ParticipantName::MAX_LENGTH)?,
            inspection: read_handle(reader.key(2)?)?,
            proof: VrfProof::new(reader.key(3)?.fixed()?),
        })
    }
}

/// The hashes that lead from an item to its population's root, from the leaf upwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemProof(Box<[TreeHash]>);

impl ItemProof {
    /// The most hashes: those of a population of [`MAX_POPULATION`].
    pub const MAX: usize = 40;

    /// Takes up to [`Self::MAX`] hashes.
    ///
    /// # Errors
    /// [`BuildError::Count`] when there are more.
    pub fn new(hashes: Vec<TreeHash>) -> Result<Self, BuildError> {
        let (max, found) = (Self::MAX, hashes.len());
        if found > max {
            return Err(BuildError::Count { max, found });
        }
        Ok(Self(hashes.into()))
    }

    /// The hashes.
    #[must_use]
    pub fn as_slice(&self) -> &[TreeHash] {
        &self.0
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(self.0.len());
        for hash in &self.0 {
            writer.bytes(hash.as_bytes());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.array(0..=Self::MAX)?;
        let hashes: Result<Box<[_]>, DecodeError> = (0..count)
            .map(|_| Ok(TreeHash::new(reader.fixed()?)))
            .collect();
        Ok(Self(hashes?))
    }
}

/// `inspection.answer`: the population's owner shows one drawn item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectionAnswer {
    /// Who opened the inspection.
    pub opener: ParticipantName,
    /// The inspection, among the opener's.
    pub inspection: InspectionHandle,
    /// Which draw is answered, from 0; the item's place in the population follows from it.
    pub number: u16,
    /// The item, as its population holds it; the inspector is shown what it commits to.
    pub item: ItemCommitment,
    /// That the item stands at its place in the population.
    pub proof: ItemProof,
    /// The salted commitment to what is said about the item.
    pub commitment: Commitment,
}

impl Body for InspectionAnswer {
    fn subject<'a>(&'a self, _: &'a ParticipantName) -> Subject<'a> {
        Subject::new("inspection", &self.opener, self.inspection)
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(6);
        writer.key(1).text(self.opener.as_str());
        writer.key(2).bytes(self.inspection.as_bytes());
        writer.key(3).uint(u64::from(self.number));
        writer.key(4).bytes(self.item.as_bytes());
        self.proof.write(writer.key(5));
        writer.key(6).bytes(&self.commitment.to_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.map(6)?;
        Ok(Self {
            opener: reader.key(1)?.parsed(ParticipantName::MAX_LENGTH)?,
            inspection: read_handle(reader.key(2)?)?,
            number: read_within(reader.key(3)?, &(0..=MAX_SAMPLE - 1))?,
            item: ItemCommitment::new(reader.key(4)?.fixed()?),
            proof: ItemProof::read(reader.key(5)?)?,
            commitment: read_commitment(reader.key(6)?)?,
        })
    }
}
