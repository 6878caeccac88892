//! The state as it stands in the middle of a block: what the view holds and what the block's events
//! have changed so far.

use super::value::stored;
use super::{Anchored, Participant, Rejection, Role, Rule, StateValue};
use crate::event::{Event, Verified};
use crate::execute::View;
use crate::state::{Changes, Path, StateKey};
use crate::{
    EventId, Height, Index, KeyId, NetworkId, ParticipantName, ReadFailed, Time, TreeHash,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why an event could not be applied.
pub(crate) enum Refusal {
    /// A rule stands against it.
    Rejected(Rejection),
    /// The state could not be read: no verdict.
    Read(ReadFailed),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Rule> for Refusal {
    fn from(rule: Rule) -> Self {
        Self::Rejected(rule.into())
    }
}

impl From<ReadFailed> for Refusal {
    fn from(failed: ReadFailed) -> Self {
        Self::Read(failed)
    }
}

/// The changes of a block that is being built.
pub(crate) struct Draft<'v> {
    view: &'v dyn View,
    time: Time,
    changes: Changes,
    /// Ids of the events of this block.
    ids: BTreeSet<EventId>,
    /// Signers and receivers that were looked up, as they stand in the middle of the block.
    participants: BTreeMap<ParticipantName, Option<Arc<Participant>>>,
    /// Participants that events of the block changed, as they were before it.
    changed: BTreeMap<ParticipantName, Participant>,
    denials: BTreeMap<ParticipantName, u16>,
}

impl<'v> Draft<'v> {
    pub(crate) fn new(view: &'v dyn View, time: Time) -> Self {
        Self {
            view,
            time,
            changes: Changes::new(),
            ids: BTreeSet::new(),
            participants: BTreeMap::new(),
            changed: BTreeMap::new(),
            denials: BTreeMap::new(),
        }
    }

    /// Applies an event whose entry will stand at `index`; changes nothing when it is refused, or
    /// when more than `max_changes` keys would have changed.
    pub(crate) fn apply(
        &mut self,
        event: &Verified,
        index: Index,
        max_changes: usize,
    ) -> Result<Result<(), Rejection>, ReadFailed> {
        let mut turn = Turn {
            draft: self,
            event,
            index,
            writes: Vec::new(),
            changed: None,
            denied: false,
        };
        match super::apply(&mut turn) {
            Err(Refusal::Rejected(rejection)) => return Ok(Err(rejection)),
            Err(Refusal::Read(failed)) => return Err(failed),
            Ok(()) => {}
        }
        let Turn {
            writes,
            changed,
            denied,
            ..
        } = turn;
        let is_new = |(path, _): &&(Path, Vec<u8>)| !self.changes.contains_key(path);
        let full = self.changes.len() + writes.len() > max_changes;
        if full && self.changes.len() + writes.iter().filter(is_new).count() > max_changes {
            return Ok(Err(Rule::BlockFull.into()));
        }
        self.ids.insert(event.id());
        self.changes
            .extend(writes.into_iter().map(|(path, value)| (path, Some(value))));
        if let Some(ChangedParticipant {
            name,
            before,
            after,
        }) = changed
        {
            self.participants
                .insert(name.clone(), Some(Arc::new(after)));
            self.changed.entry(name).or_insert(before);
        }
        if denied {
            *self.denials.entry(event.issuer().clone()).or_default() += 1;
        }
        Ok(Ok(()))
    }

    /// Ends the block; gives what it changes.
    pub(crate) fn close(mut self) -> Result<Changes, ReadFailed> {
        super::inspection::close_block(&mut self)?;
        Ok(self.changes)
    }

    /// The block's time.
    pub(super) const fn time(&self) -> Time {
        self.time
    }

    /// Height and leaf hash of the seal of the block before.
    pub(super) fn newest_seal(&self) -> (Height, TreeHash) {
        let head = self.view.head();
        (head.height, head.seal_hash)
    }

    /// Writes a value that no event of the block wrote.
    pub(super) fn write(&mut self, key: &StateKey, value: &impl StateValue) {
        self.changes.insert(key.path(), Some(value.encode()));
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, key: &StateKey) {
        self.changes.insert(key.path(), None);
    }

    pub(super) fn value<T: StateValue>(&self, key: &StateKey) -> Result<Option<T>, ReadFailed> {
        let path = key.path();
        match self.changes.get(&path) {
            Some(Some(bytes)) => stored(key, bytes).map(Some),
            Some(None) => Ok(None),
            None => match self.view.map().value(&path)? {
                Some(bytes) => stored(key, &bytes).map(Some),
                None => Ok(None),
            },
        }
    }

    fn participant(
        &mut self,
        name: &ParticipantName,
    ) -> Result<Option<Arc<Participant>>, ReadFailed> {
        if let Some(known) = self.participants.get(name) {
            return Ok(known.clone());
        }
        let found = self.value(&Participant::key(name))?.map(Arc::new);
        self.participants.insert(name.clone(), found.clone());
        Ok(found)
    }
}

/// A participant that an event changes.
struct ChangedParticipant {
    name: ParticipantName,
    before: Participant,
    after: Participant,
}

/// One event's turn: what its rule may ask, and what it writes.
pub(crate) struct Turn<'d, 'v> {
    draft: &'d mut Draft<'v>,
    event: &'d Verified,
    index: Index,
    writes: Vec<(Path, Vec<u8>)>,
    changed: Option<ChangedParticipant>,
    denied: bool,
}

impl<'d> Turn<'d, '_> {
    /// The event.
    pub(super) const fn event(&self) -> &'d Verified {
        self.event
    }

    /// The signer's name.
    pub(super) fn signer_name(&self) -> &'d ParticipantName {
        Event::issuer(self.event)
    }

    /// The event and the place where its entry will stand.
    pub(super) fn anchored(&self) -> Anchored {
        Anchored {
            event: self.event.id(),
            index: self.index,
        }
    }

    /// The block's time.
    pub(super) const fn time(&self) -> Time {
        self.draft.time
    }

    /// The block's height.
    pub(super) fn height(&self) -> Height {
        self.draft.view.head().next_height()
    }

    /// Height and leaf hash of the seal of the block before.
    pub(super) fn newest_seal(&self) -> (Height, TreeHash) {
        self.draft.newest_seal()
    }

    /// The validators, in the order of their names.
    pub(super) fn validators(&self) -> &[ParticipantName] {
        self.draft.view.head().schedule.validators()
    }

    /// The network that the state belongs to.
    pub(super) fn network(&self) -> NetworkId {
        self.draft.view.head().network
    }

    /// Where the block's first entry stands.
    pub(super) fn block_start(&self) -> Index {
        Index(self.draft.view.head().frontier.size().0)
    }

    /// The rules of this block.
    pub(super) fn rules_version(&self) -> u32 {
        self.draft.view.head().rules_version
    }

    /// Whether the event is in the log or in this block already.
    pub(super) fn is_replay(&self) -> Result<bool, ReadFailed> {
        let id = self.event.id();
        Ok(self.draft.ids.contains(&id) || self.draft.view.seen(&id)?)
    }

    /// The signer, if it is a participant.
    pub(super) fn signer(&mut self) -> Result<Option<Arc<Participant>>, ReadFailed> {
        self.draft.participant(self.event.issuer())
    }

    /// Whether the signer, which has the key, had it before this block.
    pub(super) fn had_before_the_block(&self, key: &KeyId) -> bool {
        let before = self.draft.changed.get(self.event.issuer());
        before.is_none_or(|before| before.registered(key).is_some())
    }

    /// Whether there is a participant of that name.
    pub(super) fn is_participant(&mut self, name: &ParticipantName) -> Result<bool, ReadFailed> {
        Ok(self.draft.participant(name)?.is_some())
    }

    /// Whether there is a participant of that name in that role.
    pub(super) fn has_role(
        &mut self,
        name: &ParticipantName,
        role: Role,
    ) -> Result<bool, ReadFailed> {
        let participant = self.draft.participant(name)?;
        Ok(participant.is_some_and(|known| known.has(role)))
    }

    /// What the state holds before this event.
    pub(super) fn read<T: StateValue>(&self, key: &StateKey) -> Result<Option<T>, ReadFailed> {
        self.draft.value(key)
    }

    /// Writes a value, if the event is applied in the end.
    pub(super) fn write(&mut self, key: StateKey, value: &impl StateValue) {
        self.writes.push((key.path(), value.encode()));
    }

    /// Changes a participant, if the event is applied in the end: one in an event.
    pub(super) fn change_participant(
        &mut self,
        name: &ParticipantName,
        before: Participant,
        after: Participant,
    ) {
        self.write(Participant::key(name), &after);
        let name = name.clone();
        self.changed = Some(ChangedParticipant {
            name,
            before,
            after,
        });
    }

    /// How many of the signer's requests were denied in this block.
    pub(super) fn denials(&self) -> u16 {
        let denials = &self.draft.denials;
        denials
            .get(self.event.issuer())
            .copied()
            .unwrap_or_default()
    }

    /// Counts the event as a denied request.
    pub(super) const fn count_denial(&mut self) {
        self.denied = true;
    }
}
