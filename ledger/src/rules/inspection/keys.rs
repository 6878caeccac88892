//! The keys of validators' random outputs: registered, and replaced.
//!
//! What always holds: a draw takes a validator's output under the newest keys that it registered before
//! the inspection was opened, and under no others, whatever it registers later: who replaces keys while a
//! draw runs neither chooses another output nor loses the one it owes. The registrations of a validator
//! follow one another without a gap, so that an old one, anchored late, brings no replaced keys back.
//! Only one registration is remembered beside the newest: the next one waits until no draw can ask for
//! the keys before.

use super::{RunningDraws, require_validator};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::inspection::{read_operational_key, read_vrf_key};
use crate::event::{DecodeError, InspectionKey};
use crate::rules::value::{StateValue, kind};
use crate::rules::{Anchored, Refusal, Rejection, Rule, Turn};
use crate::signature::PublicKey;
use crate::state::StateKey;
use crate::vrf::VrfPublicKey;
use crate::{Index, KeyId, ParticipantName, Time};

/// The two keys with which a validator's node gives random outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputKeys {
    /// Under which outputs are proved.
    pub vrf: VrfPublicKey,
    /// With which `inspection.output` may be signed.
    pub operational: PublicKey,
}

impl From<&InspectionKey> for OutputKeys {
    fn from(body: &InspectionKey) -> Self {
        Self {
            vrf: body.vrf,
            operational: body.operational,
        }
    }
}

impl OutputKeys {
    /// Whether one of the two is this key.
    fn contain(&self, key: &PublicKey) -> bool {
        key.as_bytes() == self.vrf.as_bytes() || key == &self.operational
    }

    /// Whether a key of one use here has the other use there.
    fn cross(&self, other: &Self) -> bool {
        self.vrf.as_bytes() == other.operational.as_bytes()
            || other.vrf.as_bytes() == self.operational.as_bytes()
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.vrf.encode());
        writer.bytes(&self.operational.encode());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            vrf: read_vrf_key(reader)?,
            operational: read_operational_key(reader)?,
        })
    }
}

/// Keys that were replaced while draws ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplacedKeys {
    /// Where their `inspection.key` stands.
    pub registered: Index,
    /// The keys.
    pub keys: OutputKeys,
    /// The last block time at which a draw takes an output under them.
    pub until: Time,
}

/// The keys of a validator's random outputs, as the state holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawKey {
    /// The newest `inspection.key`.
    pub registered: Anchored,
    /// Its number, from 1.
    pub number: u32,
    /// The keys that it registered.
    pub keys: OutputKeys,
    /// Those before, if a draw ran when they were replaced.
    pub replaced: Option<ReplacedKeys>,
}

impl DrawKey {
    /// Where the state holds the keys of `validator`.
    #[must_use]
    pub fn key(validator: &ParticipantName) -> StateKey {
        StateKey::named(kind::DRAW_KEY, validator)
    }

    /// The keys under which an inspection whose `inspection.open` stands at `opened` takes the
    /// validator's output: the newest that were there before it.
    #[must_use]
    pub fn serving(&self, opened: Index) -> Option<&OutputKeys> {
        let replaced = self.replaced.as_ref();
        match self.registered.index < opened {
            true => Some(&self.keys),
            false => replaced
                .filter(|replaced| replaced.registered < opened)
                .map(|replaced| &replaced.keys),
        }
    }

    /// The operational key of that id, also one that was replaced and still serves a draw.
    #[must_use]
    pub fn operational(&self, id: &KeyId) -> Option<&PublicKey> {
        let mut known = self.all().map(|keys| &keys.operational);
        known.find(|key| key.id() == *id)
    }

    /// Whether the key is one of those that the state holds here.
    pub(in crate::rules) fn contains(&self, key: &PublicKey) -> bool {
        self.all().any(|keys| keys.contain(key))
    }

    fn all(&self) -> impl Iterator<Item = &OutputKeys> {
        let replaced = self.replaced.as_ref().map(|replaced| &replaced.keys);
        std::iter::once(&self.keys).chain(replaced)
    }
}

/// Event, index and the two keys of the newest registration; if that is not the first, its number; and
/// then, if keys that were replaced still serve a draw, an array of their index, the two keys and the time.
impl StateValue for DrawKey {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        let items = match (self.number, &self.replaced) {
            (_, Some(_)) => 6,
            (2.., None) => 5,
            (_, None) => 4,
        };
        self.registered.write(writer.array(items));
        self.keys.write(writer);
        if items > 4 {
            writer.uint(u64::from(self.number));
        }
        if let Some(replaced) = &self.replaced {
            writer.array(4).uint(replaced.registered.0);
            replaced.keys.write(writer);
            writer.uint(replaced.until.0);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let items = reader.array(4..=6)?;
        Ok(Self {
            registered: Anchored::read(reader)?,
            keys: OutputKeys::read(reader)?,
            number: match items {
                4 => 1,
                _ => read_later_number(reader)?,
            },
            replaced: match items {
                6 => Some(read_replaced(reader)?),
                _ => None,
            },
        })
    }
}

fn read_later_number(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let range = reader.fault(CborFault::Range);
    match reader.narrow()? {
        0 | 1 => Err(range.into()),
        number => Ok(number),
    }
}

fn read_replaced(reader: &mut Reader<'_>) -> Result<ReplacedKeys, DecodeError> {
    reader.array(4..=4)?;
    Ok(ReplacedKeys {
        registered: Index(reader.uint()?),
        keys: OutputKeys::read(reader)?,
        until: Time(reader.uint()?),
    })
}

/// `inspection.key`: by a validator, under the number after its newest registration, two keys of which
/// neither is one of the keys that it signs events with.
pub(in crate::rules) fn register(
    turn: &mut Turn<'_, '_>,
    body: &InspectionKey,
) -> Result<(), Refusal> {
    require_validator(turn)?;
    let key = DrawKey::key(turn.signer_name());
    let known: Option<DrawKey> = turn.read(&key)?;
    let (number, current) = (body.number(), known.map_or(0, |known| known.number));
    if let Some(known) = known.filter(|_| number <= current) {
        return Err(Rejection::lost_to(Rule::InspectionKeyExists, known.registered).into());
    }
    let keys = OutputKeys::from(body);
    require_keys_of_their_own(turn, &keys)?;
    if number - 1 > current {
        return Err(Rule::InspectionKeyAhead.into());
    }
    let replaced = known
        .map(|known| replace(turn, &known, &keys))
        .transpose()?;
    let registered = DrawKey {
        registered: turn.anchored(),
        number,
        keys,
        replaced: replaced.flatten(),
    };
    turn.write(key, &registered);
    Ok(())
}

fn require_keys_of_their_own(turn: &mut Turn<'_, '_>, keys: &OutputKeys) -> Result<(), Refusal> {
    let signer = turn.signer()?.ok_or(Rule::SignerUnknown)?;
    let mut signing = signer.keys();
    if keys.cross(keys) || signing.any(|key| keys.contain(key)) {
        return Err(Rule::InspectionKeyShared.into());
    }
    Ok(())
}

/// What stays of the keys that are replaced: nothing while no draw runs.
fn replace(
    turn: &Turn<'_, '_>,
    known: &DrawKey,
    keys: &OutputKeys,
) -> Result<Option<ReplacedKeys>, Refusal> {
    if keys.cross(&known.keys) {
        return Err(Rule::InspectionKeyShared.into());
    }
    let now = turn.time();
    let before = known.replaced.as_ref();
    if before.is_some_and(|before| now <= before.until) {
        return Err(Rule::InspectionKeyServes.into());
    }
    let running: Option<RunningDraws> = turn.read(&RunningDraws::key())?;
    let running = running.unwrap_or_default().0;
    let ends = running.iter().map(|draw| draw.outputs_by);
    let last = ends.filter(|end| now <= *end).max();
    Ok(last.map(|until| ReplacedKeys {
        registered: known.registered.index,
        keys: known.keys,
        until,
    }))
}
