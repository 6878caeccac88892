//! What can be done to a block without the state, on any core: decoding, and signatures under the
//! participants' keys, which genesis registers.
//!
//! What always holds: nothing is decided here. An event whose key genesis does not know (one that was
//! registered later, or a node's operational key), or whose signature does not hold, is left for the one
//! place that judges blocks.

use crate::blocks::RawBlock;
use crate::fault::Fault;
use medanchor_ledger::event::{Event, Verified, verify_events};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::Entry;
use medanchor_ledger::seal::Seal;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{Height, Index, KeyId, ParticipantName};
use std::collections::BTreeMap;

/// The keys that participants start with.
pub(crate) struct FirstKeys(BTreeMap<ParticipantName, Vec<(KeyId, PublicKey)>>);

impl FirstKeys {
    pub(crate) fn of(genesis: &Genesis) -> Self {
        let participants = genesis.spec().participants.iter();
        let keys = participants.map(|(name, participant)| {
            let keys = participant.keys().map(|key| (key.id(), *key));
            (name.clone(), keys.collect())
        });
        Self(keys.collect())
    }

    /// The key that the event names, if genesis registers it for the event's issuer.
    pub(crate) fn get(&self, event: &Event) -> Option<PublicKey> {
        let keys = self.0.get(event.issuer())?;
        let mut named = keys.iter().filter(|(id, _)| *id == event.key_id());
        named.next().map(|(_, key)| *key)
    }
}

/// A decoded block and those of its events whose signatures were found to hold.
pub(crate) struct Prepared {
    pub(crate) height: Height,
    pub(crate) first: Index,
    pub(crate) seal: Seal,
    pub(crate) seal_entry: Entry,
    pub(crate) events: Vec<Event>,
    /// For each event, the key under which its signatures hold.
    pub(crate) known: Vec<Option<(PublicKey, Verified)>>,
}

/// Prepares a window; ends at the first block that cannot be decoded.
pub(crate) fn prepare(window: Vec<RawBlock>, keys: &FirstKeys) -> Vec<Result<Prepared, Fault>> {
    let mut blocks = Vec::with_capacity(window.len());
    for raw in window {
        let decoded = decode(raw);
        let ended = decoded.is_err();
        blocks.push(decoded);
        if ended {
            break;
        }
    }
    verify(&mut blocks, keys);
    blocks
}

fn decode(raw: RawBlock) -> Result<Prepared, Fault> {
    let (height, first) = (raw.height, raw.first);
    let mut events = Vec::with_capacity(raw.events.len());
    for (index, entry) in (first.0..).zip(raw.events) {
        let event = Event::decode_entry(entry);
        let at = |cause| Fault::Decode {
            index: Index(index),
            height,
            cause,
        };
        events.push(event.map_err(at)?);
    }
    let index = Index(first.0 + events.len() as u64);
    let seal = Seal::decode(raw.seal.as_bytes()).map_err(|cause| Fault::Decode {
        index,
        height,
        cause,
    })?;
    let known = vec![None; events.len()];
    Ok(Prepared {
        height,
        first,
        seal,
        seal_entry: raw.seal,
        events,
        known,
    })
}

/// Checks all signatures of the window in one batch.
fn verify(blocks: &mut [Result<Prepared, Fault>], keys: &FirstKeys) {
    let (mut batch, mut places) = (Vec::new(), Vec::new());
    for block in blocks.iter_mut().flatten() {
        for (event, known) in block.events.iter().zip(&mut block.known) {
            if let Some(key) = keys.get(event) {
                batch.push((event.clone(), key));
                places.push((known, key));
            }
        }
    }
    for ((known, key), verdict) in places.into_iter().zip(verify_events(batch)) {
        *known = verdict.ok().map(|verified| (key, verified));
    }
}
