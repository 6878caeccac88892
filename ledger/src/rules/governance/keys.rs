//! Changes of a participant's signing keys.
//!
//! What always holds: the changes of one participant's keys follow one another without a gap, each names
//! the whole list; a revoked key signs nothing that stands behind the change in the log, and a new one
//! signs from the next block on; enough authorities to approve have a key.

use super::Participant;
use crate::cbor::{Reader, Writer};
use crate::event::{DecodeError, ParticipantKeys};
use crate::genesis::Authorities;
use crate::rules::value::{StateValue, kind};
use crate::rules::{Anchored, DrawKey, Refusal, Rejection, Rule, Turn};
use crate::state::StateKey;
use crate::{ParticipantName, ReadFailed};

/// How often a participant's keys were changed, as the state holds it; none is held before the first
/// change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysChanged {
    /// The `governance.approve` that made the newest change.
    pub changed: Anchored,
    /// Its number, from 1.
    pub number: u32,
}

impl KeysChanged {
    /// Where the state holds it of the participant `name`.
    #[must_use]
    pub fn key(name: &ParticipantName) -> StateKey {
        StateKey::named(kind::KEYS_CHANGED, name)
    }
}

impl StateValue for KeysChanged {
    const SHAPE: u8 = 1;

    fn write(&self, writer: &mut Writer) {
        self.changed.write(writer.array(3));
        writer.uint(u64::from(self.number));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(3..=3)?;
        Ok(Self {
            changed: Anchored::read(reader)?,
            number: reader.narrow()?,
        })
    }
}

/// A change: of a participant's keys, none of them its node's for random outputs, under the next number.
/// What may pass comes last.
pub(super) fn require_fit(turn: &mut Turn<'_, '_>, keys: &ParticipantKeys) -> Result<(), Refusal> {
    let name = keys.participant();
    if !turn.is_participant(name)? {
        return Err(Rule::GovernanceParticipant.into());
    }
    let node: Option<DrawKey> = turn.read(&DrawKey::key(name))?;
    if node.is_some_and(|node| keys.keys().iter().any(|key| node.contains(key))) {
        return Err(Rule::GovernanceSharedKey.into());
    }
    let changed: Option<KeysChanged> = turn.read(&KeysChanged::key(name))?;
    let current = changed.map_or(0, |changed| changed.number);
    if let Some(changed) = changed.filter(|_| keys.number() <= current) {
        return Err(Rejection::lost_to(Rule::GovernanceKeysPast, changed.changed).into());
    }
    if keys.number() - 1 > current {
        return Err(Rule::GovernanceKeysAhead.into());
    }
    if keys.keys().is_empty() && !others_suffice(turn, name)? {
        return Err(Rule::GovernanceTooFew.into());
    }
    Ok(())
}

/// Whether the authorities can still decide when `name` has no key.
fn others_suffice(turn: &mut Turn<'_, '_>, name: &ParticipantName) -> Result<bool, ReadFailed> {
    let authorities: Option<Authorities> = turn.read(&Authorities::key())?;
    let Some(authorities) = authorities.filter(|known| known.names.contains(name)) else {
        return Ok(true);
    };
    let mut able = 0;
    for other in authorities.names.iter().filter(|other| *other != name) {
        let known: Option<Participant> = turn.read(&Participant::key(other))?;
        able += usize::from(known.is_some_and(|known| known.keys().len() > 0));
    }
    Ok(able >= usize::from(authorities.threshold))
}

/// The participant has these keys and no others.
pub(super) fn adopt(turn: &mut Turn<'_, '_>, keys: &ParticipantKeys) -> Result<(), Refusal> {
    let (name, number) = (keys.participant(), keys.number());
    let known: Option<Participant> = turn.read(&Participant::key(name))?;
    let known = known.ok_or(Rule::GovernanceParticipant)?;
    let after = known.with_keys(keys);
    turn.change_participant(name, known, after);
    let changed = turn.anchored();
    turn.write(KeysChanged::key(name), &KeysChanged { changed, number });
    Ok(())
}
