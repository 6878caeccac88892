//! Judges blocks without the state: signatures under the keys of genesis, the chain of seals, and
//! the certificates.
//!
//! What always holds: every event's signatures hold under a key that genesis registers for its
//! signer or an earlier block proposes for it (whether the proposal was approved, and not revoked by
//! another, is for the rules), or, for an `inspection.output` alone, under the operational key of one of
//! the two newest earlier `inspection.key` of its signer (older ones serve no draw that runs, and which of
//! the two serves this one is for the rules);
//! every seal follows from the one before; a quorum of the height's validators decided this very block.

use crate::fault::{Failure, Fault, Trouble};
use crate::judge::{Counts, decided};
use crate::prepare::{FirstKeys, Prepared};
use crate::records::Certificates;
use medanchor_ledger::event::{Change, Event, EventBody, EventKind, GovernancePropose};
use medanchor_ledger::execute::{BlockFault, Halt, Head, SealField, execute_genesis};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::{Frontier, leaf_hash};
use medanchor_ledger::seal::{Seal, value_id};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{Index, KeyId, ParticipantName, TreeHash};
use std::collections::BTreeMap;

/// What a block leaves for the next.
struct Link {
    seal: Seal,
    hash: TreeHash,
    frontier: Frontier,
}

/// Judges the blocks of a log in order, without executing them.
pub(crate) struct Chain<'g> {
    genesis: &'g Genesis,
    keys: &'g FirstKeys,
    /// The keys of validators' nodes, which sign random outputs: the newest, and the one before it.
    operational: BTreeMap<ParticipantName, (PublicKey, Option<PublicKey>)>,
    /// The signing keys that were ever proposed for a participant.
    proposed: BTreeMap<ParticipantName, BTreeMap<KeyId, PublicKey>>,
    certificates: Certificates,
    last: Option<Link>,
    pub(crate) counts: Counts,
}

impl<'g> Chain<'g> {
    pub(crate) fn new(
        genesis: &'g Genesis,
        keys: &'g FirstKeys,
        certificates: Certificates,
    ) -> Self {
        Self {
            genesis,
            keys,
            operational: BTreeMap::new(),
            proposed: BTreeMap::new(),
            certificates,
            last: None,
            counts: Counts::default(),
        }
    }

    /// The last seal that holds, and how many entries the log has after it.
    pub(crate) fn last(&self) -> Option<(&Seal, u64)> {
        let last = self.last.as_ref()?;
        Some((&last.seal, last.frontier.size().0))
    }

    /// What was found, and what is left of the certificates after the last height.
    pub(crate) fn finish(self) -> (Counts, Certificates) {
        (self.counts, self.certificates)
    }

    /// Judges the next block.
    pub(crate) fn judge(&mut self, block: Prepared) -> Result<(), Failure> {
        let Some(last) = &self.last else {
            self.last = Some(first(self.genesis, &block)?);
            self.counts.blocks += 1;
            return Ok(());
        };
        self.signatures(&block)?;
        let frontier = follows(last, &block)?;
        let (height, round) = (block.height, block.seal.round);
        let value = value_id(height, frontier.size(), &frontier.root());
        let signatures = decided(self.genesis, &mut self.certificates, height, round, value)?;
        self.counts.block(&block.events, signatures);
        self.register(&block);
        self.last = Some(Link {
            hash: block.seal_entry.hash(),
            seal: block.seal,
            frontier,
        });
        Ok(())
    }

    /// Names the first event whose signatures were not found to hold.
    fn signatures(&self, block: &Prepared) -> Result<(), Failure> {
        let events = block.events.iter().zip(&block.known).enumerate();
        for (place, (event, known)) in events {
            if known.is_some() {
                continue;
            }
            let cause = match self.key(event) {
                None => BlockFault::UnknownKey { place },
                Some(key) => match event.clone().verify(&key) {
                    Ok(_) => continue,
                    Err(fault) => BlockFault::Signature { place, fault },
                },
            };
            let index = Index(block.first.0.saturating_add(place as u64));
            let height = block.height;
            return Err(Fault::Block {
                height,
                index,
                cause,
            }
            .into());
        }
        Ok(())
    }

    /// The key that the event names, if it is registered for the event's issuer and may sign it.
    fn key(&self, event: &Event) -> Option<PublicKey> {
        let operational = || {
            if event.kind() != EventKind::InspectionOutput {
                return None;
            }
            let (newest, before) = self.operational.get(event.issuer())?;
            let mut known = [Some(*newest), *before].into_iter().flatten();
            known.find(|key| key.id() == event.key_id())
        };
        let proposed = || {
            let keys = self.proposed.get(event.issuer())?;
            keys.get(&event.key_id()).copied()
        };
        self.keys.get(event).or_else(proposed).or_else(operational)
    }

    /// Notes the keys of nodes that the block registers, and the signing keys that it proposes: they count
    /// from the next block on, as in the rules.
    fn register(&mut self, block: &Prepared) {
        for event in &block.events {
            match event.body() {
                EventBody::InspectionKey(keys) => {
                    let issuer = event.issuer().clone();
                    let before = self.operational.get(&issuer).map(|(newest, _)| *newest);
                    self.operational.insert(issuer, (keys.operational, before));
                }
                EventBody::GovernancePropose(GovernancePropose {
                    change: Change::Keys(keys),
                    ..
                }) => {
                    let known = self.proposed.entry(keys.participant().clone());
                    let new = keys.keys().iter().map(|key| (key.id(), *key));
                    known.or_default().extend(new);
                }
                _ => {}
            }
        }
    }
}

fn first(genesis: &Genesis, block: &Prepared) -> Result<Link, Failure> {
    let executed = execute_genesis(genesis).map_err(Trouble::from)?;
    if *block.seal_entry.as_bytes() != *executed.seal_entry || !block.events.is_empty() {
        return Err(Fault::FirstSeal.into());
    }
    let Head { frontier, .. } = executed.head;
    Ok(Link {
        hash: leaf_hash(&executed.seal_entry),
        seal: executed.seal,
        frontier,
    })
}

/// The log after a block whose seal follows from the last one.
fn follows(last: &Link, block: &Prepared) -> Result<Frontier, Failure> {
    let (seal, before, count) = (&block.seal, &last.seal, block.events.len() as u64);
    if seal.rules_version > before.rules_version {
        // Nothing in this release raises it: a newer one has to judge.
        let (found, known) = (seal.rules_version, before.rules_version);
        return Err(Trouble::from(Halt::UnknownRules { found, known }).into());
    }
    let place = (last.frontier.size().0, count, last.frontier.root());
    let checks = [
        (seal.height != before.height.next(), SealField::Height),
        (seal.time <= before.time, SealField::Time),
        (seal.previous != last.hash, SealField::Previous),
        (
            (seal.first.0, seal.count, seal.log_root) != place,
            SealField::Log,
        ),
        (
            seal.rules_version != before.rules_version,
            SealField::RulesVersion,
        ),
        (
            (seal.policy, seal.next_policy) != (before.next_policy, before.next_policy),
            SealField::Policy,
        ),
    ];
    if let Some((_, field)) = checks.into_iter().find(|(wrong, _)| *wrong) {
        let (height, index) = (block.height, Index(block.first.0 + count));
        let cause = BlockFault::Seal { field };
        return Err(Fault::Block {
            height,
            index,
            cause,
        }
        .into());
    }
    let mut frontier = last.frontier.clone();
    for event in &block.events {
        frontier.append(event.leaf());
    }
    frontier.append(block.seal_entry.hash());
    Ok(frontier)
}
