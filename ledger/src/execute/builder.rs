//! Building a block: events go in one by one; the round and the proposer come last.

use super::{Halt, Head, View};
use crate::block::{
    BLOCK_OVERHEAD, MAX_BLOCK_BYTES, MAX_BLOCK_CHANGES, MAX_BLOCK_EVENTS, encode_block,
    encoded_size,
};
use crate::event::Verified;
use crate::merkle::{Frontier, leaf_hash};
use crate::rules::{Draft, Rejection, Rule};
use crate::seal::{Seal, value_id};
use crate::state::{Changes, MapUpdate};
use crate::{Height, Index, ParticipantName, Round, Time, TreeHash, ValueId};
use std::sync::Arc;

/// A block that is being built.
pub struct BlockBuilder<'v> {
    view: &'v dyn View,
    draft: Draft<'v>,
    time: Time,
    events: Vec<Verified>,
    frontier: Frontier,
    bytes: usize,
}

impl<'v> BlockBuilder<'v> {
    /// Starts the block after the view's head. Its time is `now`, or just after the head's time if
    /// the clock stands before that.
    ///
    /// # Errors
    /// [`Halt::UnknownRules`].
    pub fn new(view: &'v dyn View, now: Time) -> Result<Self, Halt> {
        let head = view.head();
        head.require_known_rules()?;
        let time = now.max(head.time.plus_millis(1));
        Ok(Self {
            view,
            draft: Draft::new(view, time),
            time,
            events: Vec::new(),
            frontier: head.frontier.clone(),
            bytes: BLOCK_OVERHEAD,
        })
    }

    /// The block's time.
    #[must_use]
    pub const fn time(&self) -> Time {
        self.time
    }

    /// How many events are in the block.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event is in the block.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Applies an event and puts it into the block. An event that is rejected changes nothing.
    ///
    /// # Errors
    /// [`Halt`] when there is no verdict.
    pub fn push(&mut self, event: &Verified) -> Result<Result<(), Rejection>, Halt> {
        let bytes = self.bytes + encoded_size(event.encoded());
        if bytes > MAX_BLOCK_BYTES || self.events.len() >= MAX_BLOCK_EVENTS {
            return Ok(Err(Rule::BlockFull.into()));
        }
        let index = Index(self.frontier.size().0);
        let verdict = self.draft.apply(event, index, MAX_BLOCK_CHANGES)?;
        if verdict.is_ok() {
            self.bytes = bytes;
            self.frontier.append(event.leaf());
            self.events.push(event.clone());
        }
        Ok(verdict)
    }

    /// Computes the state after the block.
    ///
    /// # Errors
    /// [`Halt`] when the state map cannot be read.
    pub fn finish(self) -> Result<Candidate, Halt> {
        let changes = self.draft.close()?;
        let map_update = self.view.map().update(&changes)?;
        Ok(Candidate {
            before: self.view.head().clone(),
            time: self.time,
            events: self.events.into(),
            frontier: self.frontier,
            changes: Arc::new(changes),
            map_update: Arc::new(map_update),
        })
    }
}

/// An executed block that lacks its seal.
#[derive(Clone, Debug)]
pub struct Candidate {
    before: Head,
    time: Time,
    events: Arc<[Verified]>,
    /// The log with the block's events, without its seal.
    frontier: Frontier,
    changes: Arc<Changes>,
    map_update: Arc<MapUpdate>,
}

impl Candidate {
    /// The block's height.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.before.next_height()
    }

    /// The block's time.
    #[must_use]
    pub const fn time(&self) -> Time {
        self.time
    }

    /// The events, in the order of the log.
    #[must_use]
    pub fn events(&self) -> &[Verified] {
        &self.events
    }

    /// Seals the block for the round in which it is proposed first. Cheap: the seal is one leaf.
    #[must_use]
    pub fn seal(&self, round: Round, proposer: ParticipantName) -> Executed {
        let before = &self.before;
        let seal = Seal {
            height: self.height(),
            round,
            proposer: Some(proposer),
            time: self.time,
            first: Index(before.frontier.size().0),
            // At most MAX_BLOCK_EVENTS, which fits.
            count: self.events.len() as u64,
            log_root: before.frontier.root(),
            previous: before.seal_hash,
            state_root: self.map_update.root(),
            rules_version: before.rules_version,
            policy: before.next_policy,
            next_policy: before.next_policy,
        };
        let seal_entry: Arc<[u8]> = seal.encode().into();
        let seal_hash = leaf_hash(&seal_entry);
        let mut frontier = self.frontier.clone();
        frontier.append(seal_hash);
        let head = before.after(&seal, seal_hash, frontier);
        Executed {
            value_id: value_id(head.height, head.frontier.size(), &head.frontier.root()),
            seal,
            seal_entry,
            events: Arc::clone(&self.events),
            changes: Arc::clone(&self.changes),
            map_update: Arc::clone(&self.map_update),
            head,
        }
    }
}

/// An executed block and all that it leaves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Executed {
    /// What validators vote on.
    pub value_id: ValueId,
    /// The seal.
    pub seal: Seal,
    /// The seal's entry: the last one of the block.
    pub seal_entry: Arc<[u8]>,
    /// The events, in the order of the log.
    pub events: Arc<[Verified]>,
    /// What changes in the state.
    pub changes: Arc<Changes>,
    /// What changes in the state map.
    pub map_update: Arc<MapUpdate>,
    /// What is left for the next height.
    pub head: Head,
}

impl Executed {
    /// The entries that the block adds to the log, from `seal.first` on.
    pub fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let events = self.events.iter().map(|event| event.encoded());
        events.chain(std::iter::once(&*self.seal_entry))
    }

    /// The log's root after the block.
    #[must_use]
    pub fn log_root(&self) -> TreeHash {
        self.head.frontier.root()
    }

    /// The block as validators exchange it.
    #[must_use]
    pub fn encode_block(&self) -> Vec<u8> {
        let events = self.events.iter().map(|event| event.encoded());
        encode_block(&self.seal_entry, events)
    }
}
