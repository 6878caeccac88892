//! Executing a block that somebody else built, and judging it.

use super::{BlockBuilder, Executed, Halt, View};
use crate::block::Block;
use crate::event::{DecodeError, Event, Verified, VerifyError, verify_events};
use crate::rules::{DrawKey, Participant, Rejection, StateValue};
use crate::seal::Seal;
use crate::signature::PublicKey;
use crate::{KeyId, ParticipantName, ReadFailed};
use std::collections::BTreeMap;

/// What a block did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFault {
    /// It is not the one encoding of a block.
    #[error("the block cannot be decoded: {0}")]
    Decode(#[from] DecodeError),
    /// An event's signer or key is not registered.
    #[error(
        "event {place} of the block is signed by a key that is not registered; refuse the block"
    )]
    UnknownKey {
        /// The event's place in the block, from 0.
        place: usize,
    },
    /// An event's signatures do not hold.
    #[error("event {place} of the block: {fault}")]
    Signature {
        /// The event's place in the block, from 0.
        place: usize,
        /// What does not hold.
        #[source]
        fault: VerifyError,
    },
    /// A rule stands against an event.
    #[error("event {place} of the block: {rejection}")]
    Event {
        /// The event's place in the block, from 0.
        place: usize,
        /// The rule.
        #[source]
        rejection: Rejection,
    },
    /// The seal says other than the execution.
    #[error("the seal is wrong about its {field}; refuse the block")]
    Seal {
        /// What it is wrong about.
        field: SealField,
    },
}

/// A part of a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealField {
    /// The height is not the next one.
    Height,
    /// The proposer is not the one whose turn it was in the seal's round.
    Proposer,
    /// The time is not after that of the block before.
    Time,
    /// The previous-seal hash.
    Previous,
    /// The first index, or the root of the log before the block.
    Log,
    /// The rules version.
    RulesVersion,
    /// A policy hash.
    Policy,
    /// The state root.
    StateRoot,
}

impl std::fmt::Display for SealField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Height => "height",
            Self::Proposer => "proposer",
            Self::Time => "time",
            Self::Previous => "previous seal",
            Self::Log => "log",
            Self::RulesVersion => "rules version",
            Self::Policy => "policies",
            Self::StateRoot => "state root",
        })
    }
}

/// The registered keys of signers, read from a view and remembered.
///
/// One is good for one view: a later height may register or revoke keys.
pub struct SignerKeys<'v> {
    view: &'v dyn View,
    participants: BTreeMap<ParticipantName, Option<Participant>>,
}

impl<'v> SignerKeys<'v> {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(view: &'v dyn View) -> Self {
        Self {
            view,
            participants: BTreeMap::new(),
        }
    }

    /// The key `id` of `signer`, if it is registered.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(
        &mut self,
        signer: &ParticipantName,
        id: &KeyId,
    ) -> Result<Option<PublicKey>, ReadFailed> {
        if !self.participants.contains_key(signer) {
            let participant = self.read(signer)?;
            self.participants.insert(signer.clone(), participant);
        }
        let Some(participant) = self.participants.get(signer).and_then(Option::as_ref) else {
            return Ok(None);
        };
        match participant.registered(id) {
            Some(key) => Ok(Some(*key)),
            None => self.operational(signer, id),
        }
    }

    /// The key of a validator's node, under which the rules allow random outputs alone.
    fn operational(
        &self,
        signer: &ParticipantName,
        id: &KeyId,
    ) -> Result<Option<PublicKey>, ReadFailed> {
        let value = self.view.value(&DrawKey::key(signer))?;
        let keys = value.map(|bytes| DrawKey::decode(&bytes)).transpose();
        let keys = keys.map_err(|fault| ReadFailed(Box::new(fault)))?;
        Ok(keys.and_then(|keys| keys.operational(id).copied()))
    }

    fn read(&self, signer: &ParticipantName) -> Result<Option<Participant>, ReadFailed> {
        let value = self.view.value(&Participant::key(signer))?;
        let decoded = value.map(|bytes| Participant::decode(&bytes)).transpose();
        decoded.map_err(|fault| ReadFailed(Box::new(fault)))
    }
}

/// A block whose signatures hold.
#[derive(Clone, Debug)]
pub struct CheckedBlock {
    seal: Seal,
    events: Vec<Verified>,
}

impl CheckedBlock {
    /// Checks the signatures of a block, in one batch. What `known` gives for an event is taken
    /// instead of checking again, if it is the same to the last byte.
    ///
    /// # Errors
    /// [`Halt`] when there is no verdict.
    pub fn check(
        block: Block,
        view: &dyn View,
        known: impl Fn(&Event) -> Option<Verified>,
    ) -> Result<Result<Self, BlockFault>, Halt> {
        let mut keys = SignerKeys::new(view);
        let mut events: Vec<Option<Verified>> = Vec::with_capacity(block.events.len());
        let (mut unknown, mut places) = (Vec::new(), Vec::new());
        for (place, event) in block.events.into_iter().enumerate() {
            // The block's own event: its leaf hash may be known already.
            let same = known(&event).and_then(|found| found.vouch_for(&event));
            if same.is_none() {
                let Some(key) = keys.get(event.issuer(), &event.key_id())? else {
                    return Ok(Err(BlockFault::UnknownKey { place }));
                };
                unknown.push((event, key));
                places.push(place);
            }
            events.push(same);
        }
        for (place, verdict) in places.into_iter().zip(verify_events(unknown)) {
            match (verdict, events.get_mut(place)) {
                (Ok(verified), Some(slot)) => *slot = Some(verified),
                (Ok(_), None) => {}
                (Err(fault), _) => return Ok(Err(BlockFault::Signature { place, fault })),
            }
        }
        let seal = block.seal;
        // Every place holds an event now: known ones from the start, the others filled above.
        let events = events.into_iter().flatten().collect();
        Ok(Ok(Self { seal, events }))
    }

    /// The seal, which execution has yet to confirm.
    #[must_use]
    pub const fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Verified] {
        &self.events
    }
}

/// Executes a block over the state of the height before and compares its seal with the outcome.
///
/// # Errors
/// [`Halt`] when there is no verdict.
pub fn execute_block(
    view: &dyn View,
    block: &CheckedBlock,
) -> Result<Result<Executed, BlockFault>, Halt> {
    view.head().require_known_rules()?;
    let seal = &block.seal;
    if let Err(field) = check_before(view, seal) {
        return Ok(Err(BlockFault::Seal { field }));
    }
    let Some(proposer) = seal.proposer.clone() else {
        let field = SealField::Proposer;
        return Ok(Err(BlockFault::Seal { field }));
    };
    let mut builder = BlockBuilder::new(view, seal.time)?;
    for (place, event) in block.events.iter().enumerate() {
        if let Err(rejection) = builder.push(event)? {
            return Ok(Err(BlockFault::Event { place, rejection }));
        }
    }
    let executed = builder.finish()?.seal(seal.round, proposer);
    Ok(match first_difference(seal, &executed.seal) {
        None => Ok(executed),
        Some(field) => Err(BlockFault::Seal { field }),
    })
}

/// What must hold of a seal before the block is executed.
fn check_before(view: &dyn View, seal: &Seal) -> Result<(), SealField> {
    let head = view.head();
    if seal.height != head.next_height() {
        return Err(SealField::Height);
    }
    if seal.time <= head.time {
        return Err(SealField::Time);
    }
    if seal.proposer.as_ref() != head.schedule.proposer(seal.round) {
        return Err(SealField::Proposer);
    }
    Ok(())
}

fn first_difference(given: &Seal, executed: &Seal) -> Option<SealField> {
    let policies = |seal: &Seal| (seal.policy, seal.next_policy);
    let log = |seal: &Seal| (seal.first, seal.count, seal.log_root);
    let differences = [
        (given.previous != executed.previous, SealField::Previous),
        (log(given) != log(executed), SealField::Log),
        (
            given.rules_version != executed.rules_version,
            SealField::RulesVersion,
        ),
        (policies(given) != policies(executed), SealField::Policy),
        (
            given.state_root != executed.state_root,
            SealField::StateRoot,
        ),
        (given.time != executed.time, SealField::Time),
    ];
    let found = differences.into_iter().find(|(differs, _)| *differs);
    found.map(|(_, field)| field)
}
