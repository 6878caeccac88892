//! What the state holds of inspections.

use crate::cbor::{CborFault, Reader, Writer};
use crate::draw::{DrawInput, MAX_SAMPLE, draw};
use crate::event::DecodeError;
use crate::rules::Anchored;
use crate::rules::value::{StateValue, kind, read_name};
use crate::state::StateKey;
use crate::validator::{ValidatorSet, quorum};
use crate::{
    Height, InspectionHandle, NetworkId, OutputHash, ParticipantName, PopulationHandle, Time,
    TreeHash,
};
use std::collections::BTreeMap;

/// A population, as the state holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Population {
    /// The `inspection.population`.
    pub fixed: Anchored,
    /// RFC 9162 root over the items' commitments.
    pub root: TreeHash,
    /// How many items there are.
    pub count: u64,
}

impl Population {
    /// Where the state holds `owner`'s population.
    #[must_use]
    pub fn key(owner: &ParticipantName, population: &PopulationHandle) -> StateKey {
        StateKey::owned(kind::POPULATION, owner, population.as_bytes())
    }
}

impl StateValue for Population {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.fixed.write(writer.array(4));
        writer.bytes(self.root.as_bytes()).uint(self.count);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(4..=4)?;
        Ok(Self {
            fixed: Anchored::read(reader)?,
            root: TreeHash::new(reader.fixed()?),
            count: reader.uint()?,
        })
    }
}

/// Whether it is known which items are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawState {
    /// Outputs may still come.
    Waiting,
    /// The draw is final.
    Drawn,
    /// Too few outputs came in time: there is no draw, and never will be for this inspection.
    Void,
}

/// Which draws of an inspection are answered: one bit each, draw 0 the highest of the first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    sample: u16,
    bits: Box<[u8]>,
}

impl Answered {
    /// None of `sample` draws.
    #[must_use]
    pub fn none(sample: u16) -> Self {
        let bits = vec![0; usize::from(sample).div_ceil(8)].into();
        Self { sample, bits }
    }

    fn bit(number: u16) -> (usize, u8) {
        (usize::from(number / 8), 0x80 >> (number % 8))
    }

    /// Whether draw `number` is answered.
    #[must_use]
    pub fn contains(&self, number: u16) -> bool {
        let (byte, bit) = Self::bit(number);
        self.bits.get(byte).is_some_and(|found| found & bit != 0)
    }

    pub(super) fn insert(&mut self, number: u16) {
        let (byte, bit) = Self::bit(number);
        if let Some(found) = self.bits.get_mut(byte).filter(|_| number < self.sample) {
            *found |= bit;
        }
    }

    /// The draws that are not answered, ascending.
    pub fn missing(&self) -> impl Iterator<Item = u16> + '_ {
        (0..self.sample).filter(|number| !self.contains(*number))
    }

    fn read(reader: &mut Reader<'_>, sample: u16) -> Result<Self, DecodeError> {
        let value = reader.fault(CborFault::Value);
        let bits: Box<[u8]> = reader.bytes(usize::from(MAX_SAMPLE).div_ceil(8))?.into();
        let found = Self { sample, bits };
        // Every bit beyond the sample is zero, and no byte is missing.
        let length = u16::try_from(found.bits.len() * 8).unwrap_or(u16::MAX);
        let clean = (sample..length).all(|number| !found.contains(number));
        if found.bits.len() == usize::from(sample).div_ceil(8) && clean {
            Ok(found)
        } else {
            Err(value.into())
        }
    }
}

/// An inspection, as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The `inspection.open`.
    pub opened: Anchored,
    /// The height of its block.
    pub height: Height,
    /// The leaf hash of that block's seal; known from the next block on.
    pub seal: Option<TreeHash>,
    /// Whose population it is, and who answers.
    pub owner: ParticipantName,
    /// The population, among the owner's.
    pub population: PopulationHandle,
    /// The population's root.
    pub root: TreeHash,
    /// How many items the population has.
    pub count: u64,
    /// How many are drawn.
    pub sample: u16,
    /// How many validators there were when it was opened.
    pub validators: u16,
    /// The last block time at which an output counts.
    pub outputs_by: Time,
    /// The last block time at which an answer counts.
    pub answer_by: Time,
    /// The outputs so far, by validator.
    pub outputs: BTreeMap<ParticipantName, OutputHash>,
    /// The draws that are answered.
    pub answered: Answered,
}

impl Inspection {
    /// Where the state holds `opener`'s inspection.
    #[must_use]
    pub fn key(opener: &ParticipantName, inspection: &InspectionHandle) -> StateKey {
        StateKey::owned(kind::INSPECTION, opener, inspection.as_bytes())
    }

    /// Whether the draw is known in a state whose newest block, or a block that is being judged, is of
    /// time `now`. It is final once every validator's output is there, or no more may come.
    #[must_use]
    pub fn draw_state(&self, now: Time) -> DrawState {
        let validators = usize::from(self.validators);
        if self.outputs.len() >= validators {
            DrawState::Drawn
        } else if now <= self.outputs_by {
            DrawState::Waiting
        } else if self.outputs.len() >= quorum(validators) {
            DrawState::Drawn
        } else {
            DrawState::Void
        }
    }

    /// What the validators' outputs are about, for the `seal` of the opening block.
    #[must_use]
    pub fn input<'a>(
        &'a self,
        network: NetworkId,
        opener: &'a ParticipantName,
        inspection: InspectionHandle,
        seal: TreeHash,
    ) -> DrawInput<'a> {
        DrawInput {
            network,
            opener,
            inspection,
            owner: &self.owner,
            population: self.population,
            root: self.root,
            count: self.count,
            sample: self.sample,
            seal,
        }
    }

    /// The places in the population that are drawn, in the order of the draw; `None` while they are
    /// not known.
    #[must_use]
    pub fn drawn(
        &self,
        network: NetworkId,
        opener: &ParticipantName,
        inspection: InspectionHandle,
        now: Time,
    ) -> Option<Vec<u64>> {
        if self.draw_state(now) != DrawState::Drawn {
            return None;
        }
        let input = self.input(network, opener, inspection, self.seal?);
        Some(draw(&input.seed(&self.outputs), self.count, self.sample))
    }
}

impl StateValue for Inspection {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.opened.write(writer.array(14));
        writer.uint(self.height.0);
        writer.optional(self.seal.as_ref().map(TreeHash::as_bytes));
        writer.text(self.owner.as_str());
        writer.bytes(self.population.as_bytes());
        writer.bytes(self.root.as_bytes()).uint(self.count);
        writer.uint(u64::from(self.sample));
        writer.uint(u64::from(self.validators));
        writer.uint(self.outputs_by.0).uint(self.answer_by.0);
        writer.array(self.outputs.len());
        for (name, output) in &self.outputs {
            writer.array(2).text(name.as_str()).bytes(output.as_bytes());
        }
        writer.bytes(&self.answered.bits);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(14..=14)?;
        let opened = Anchored::read(reader)?;
        let height = Height(reader.uint()?);
        let seal = reader.optional()?.map(TreeHash::new);
        let (owner, population) = (read_name(reader)?, PopulationHandle::new(reader.fixed()?));
        let (root, count) = (TreeHash::new(reader.fixed()?), reader.uint()?);
        let sample = reader.narrow()?;
        Ok(Self {
            opened,
            height,
            seal,
            owner,
            population,
            root,
            count,
            sample,
            validators: reader.narrow()?,
            outputs_by: Time(reader.uint()?),
            answer_by: Time(reader.uint()?),
            outputs: read_outputs(reader)?,
            answered: Answered::read(reader, sample)?,
        })
    }
}

fn read_outputs(
    reader: &mut Reader<'_>,
) -> Result<BTreeMap<ParticipantName, OutputHash>, DecodeError> {
    let order = reader.fault(CborFault::Order);
    let mut outputs = BTreeMap::new();
    for _ in 0..reader.array(0..=ValidatorSet::MAX)? {
        reader.array(2..=2)?;
        let name = read_name(reader)?;
        let last = outputs.last_key_value();
        if last.is_some_and(|(last, _)| *last >= name) {
            return Err(order.into());
        }
        outputs.insert(name, OutputHash::new(reader.fixed()?));
    }
    Ok(outputs)
}

/// An inspection whose outputs may still come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningDraw {
    /// Who opened it.
    pub opener: ParticipantName,
    /// The inspection, among the opener's.
    pub inspection: InspectionHandle,
    /// The height of the block that opened it.
    pub height: Height,
    /// The last block time at which an output counts.
    pub outputs_by: Time,
}

/// All inspections whose outputs may still come, in the order in which they were opened: where nodes
/// look for what they have to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningDraws(pub Vec<RunningDraw>);

impl RunningDraws {
    /// The most draws that run at a time.
    pub const MAX: usize = 16;

    /// The most of them that one participant opened.
    pub const MAX_OF_ONE: usize = 4;

    /// Where the state holds them.
    #[must_use]
    pub fn key() -> StateKey {
        StateKey::single(kind::RUNNING_DRAWS)
    }
}

impl StateValue for RunningDraws {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        writer.array(self.0.len());
        for draw in &self.0 {
            writer.array(4).text(draw.opener.as_str());
            writer.bytes(draw.inspection.as_bytes());
            writer.uint(draw.height.0).uint(draw.outputs_by.0);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.array(1..=Self::MAX)?;
        let mut draws = Vec::with_capacity(count);
        for _ in 0..count {
            reader.array(4..=4)?;
            draws.push(RunningDraw {
                opener: read_name(reader)?,
                inspection: InspectionHandle::new(reader.fixed()?),
                height: Height(reader.uint()?),
                outputs_by: Time(reader.uint()?),
            });
        }
        Ok(Self(draws))
    }
}
