//! A network in memory with its log, the map of every height, and checkpoints of any height.

use crate::log_support::Nodes;
use crate::world::{World, genesis, seeded};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::{Cosignature, Gathering};
use medanchor_ledger::document::{
    AccessReceipt, DocumentError, NotProved, SealProof, StateClaim, StateDocument,
};
use medanchor_ledger::event::Verified;
use medanchor_ledger::execute::{View, execute_genesis};
use medanchor_ledger::merkle::{inclusion_proof, root_at};
use medanchor_ledger::note::{KeyName, Note};
use medanchor_ledger::policy::{Policy, PolicyRange};
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::{Changes, StateKey, StateMap};
use medanchor_ledger::{Index, Size, Time, TreeHash};
use std::sync::Arc;

pub struct Chain {
    pub world: World,
    nodes: Nodes,
    pub heights: Vec<(Seal, StateMap)>,
    /// What each height changed in the state.
    pub changes: Vec<Arc<Changes>>,
}

impl Chain {
    pub fn new() -> Self {
        let executed = execute_genesis(&genesis()).unwrap();
        let mut nodes = Nodes::default();
        executed.entries().for_each(|entry| nodes.append(entry));
        Self {
            world: World::new(),
            nodes,
            heights: vec![(executed.seal.clone(), executed.map_update.map().clone())],
            changes: vec![executed.changes],
        }
    }

    /// A block of events that all apply; gives its height.
    pub fn block(&mut self, events: &[Verified]) -> usize {
        let (verdicts, executed) = self.world.block(events);
        assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
        executed
            .entries()
            .for_each(|entry| self.nodes.append(entry));
        self.heights
            .push((executed.seal, self.world.state.map().clone()));
        self.changes.push(executed.changes);
        self.heights.len() - 1
    }

    pub fn last(&self) -> usize {
        self.heights.len() - 1
    }

    pub fn seal(&self, height: usize) -> &Seal {
        &self.heights[height].0
    }

    pub fn map(&self, height: usize) -> &StateMap {
        &self.heights[height].1
    }

    pub fn size(&self, height: usize) -> Size {
        self.seal(height).size_after().unwrap()
    }

    pub fn inclusion(&self, index: Index, size: Size) -> Vec<TreeHash> {
        inclusion_proof(&self.nodes, index, size).unwrap()
    }

    fn note(&self, origin: &KeyName, size: Size) -> Note {
        let set = genesis().validators().clone();
        let root = root_at(&self.nodes, size).unwrap();
        let checkpoint = Checkpoint {
            origin: origin.clone(),
            size,
            root,
        };
        let mut gathering = Gathering::new(checkpoint.clone(), set.clone());
        for (number, validator) in (0..3u8).zip(&set) {
            let (log, cosigner) = (seeded(number, 2), seeded(number, 3));
            assert_eq!(log.public_key(), validator.log);
            let time = Time(1_800_000_000_000);
            let name = &validator.name;
            let signed = Cosignature::sign(&checkpoint, name, &log, &cosigner, time).unwrap();
            gathering.add(&signed).unwrap();
        }
        gathering.note().unwrap()
    }

    /// The receipt of an entry at the size after the last height.
    pub fn receipt(&self, index: Index) -> Receipt {
        let size = self.size(self.last());
        Receipt {
            index,
            proof: self.inclusion(index, size),
            checkpoint: self.note(genesis().origin(), size),
            extra: None,
        }
    }

    pub fn foreign_checkpoint(&self) -> Note {
        let origin = "other.example/0123".parse().unwrap();
        self.note(&origin, self.size(self.last()))
    }

    /// The seal of a height, proved at the size after the last one.
    pub fn seal_proof(&self, height: usize) -> SealProof {
        let seal = self.seal(height).clone();
        let index = Index(self.size(height).0 - 1);
        SealProof {
            seal,
            receipt: self.receipt(index),
        }
    }

    pub fn document(&self, height: usize, key: &StateKey) -> StateDocument {
        StateDocument {
            key: key.clone(),
            claim: StateClaim::of(self.map(height), key).unwrap(),
            seal: self.seal_proof(height),
        }
    }

    pub fn access(&self, height: usize, event: &Verified) -> AccessReceipt {
        let seal = self.seal(height);
        let events = seal.first.0..seal.first.0 + seal.count;
        let leaf = medanchor_ledger::merkle::leaf_hash(event.encoded());
        let is_it = |index: &u64| {
            use medanchor_ledger::merkle::NodeReader;
            self.nodes.node(0, *index).unwrap() == leaf
        };
        let index = Index(events.clone().find(is_it).unwrap());
        let inclusion = self.inclusion(index, self.size(self.last()));
        let proof = self.seal_proof(height);
        AccessReceipt::new((**event).clone(), inclusion, self.map(height), proof)
            .unwrap()
            .unwrap()
    }
}

pub fn policy() -> PolicyRange {
    let genesis = genesis();
    let policy = Policy::of_validators(genesis.origin(), genesis.validators()).unwrap();
    PolicyRange::from(policy, Size(0))
}

/// What reading and checking bytes came to, in words.
pub fn words<T, V>(
    decoded: Result<T, DocumentError>,
    verify: impl FnOnce(T) -> Result<V, NotProved>,
) -> Result<V, String> {
    let decoded = decoded.map_err(|error| format!("rejected: {error}"))?;
    verify(decoded).map_err(|error| format!("wrong: {error}"))
}
