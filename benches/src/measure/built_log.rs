//! A published log that is made in this process, without a network: what the auditor is measured on.
//!
//! What always holds: entries, seals, certificates, cosignatures and checkpoint are those of four
//! validators, made by the ledger's own code, so that every audit of them ends well.

use anyhow::{Context, Result};
use medanchor_ledger::certificate::{Certificate, Vote, VoteKind};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::{Cosignature, Gathering};
use medanchor_ledger::event::{Event, UnsignedEvent, verify_events};
use medanchor_ledger::execute::{BlockBuilder, Executed, MemoryState, View, execute_genesis};
use medanchor_ledger::genesis::{Authorities, Genesis, GenesisSpec};
use medanchor_ledger::merkle::bundle::{BundleId, append_entry};
use medanchor_ledger::merkle::tile::{Tile, TileId};
use medanchor_ledger::merkle::{Frontier, Leaves, leaf_hash};
use medanchor_ledger::rules::{Participant, Role};
use medanchor_ledger::seal::value_id;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{
    Height, Nonce, ParticipantName, Round, Size, Time, TreeHash, ValueId, sha256,
};
use medanchor_tests::workload::record;
use std::collections::BTreeMap;
use std::path::Path;

/// Events of a block, as one validator makes them under load, and the time between two.
pub const BLOCK: u64 = 3_000;
const BLOCK_MILLIS: u64 = 250;
const START: Time = Time(1_760_000_000_000);
/// How long an event may wait, as the SDK has it.
const PATIENCE_MILLIS: u64 = 10 * 60 * 1000;
const NAMES: [&str; 4] = ["clinic", "depot", "hospital", "maker"];

/// Publishes a log of `events` events of `record.seal`, all of one hospital.
pub fn publish(folder: &Path, events: u64) -> Result<()> {
    let mut chain = Chain::new()?;
    for first in (0..events).step_by(usize::try_from(BLOCK)?) {
        chain.block(first..events.min(first + BLOCK))?;
    }
    chain.publish(folder)
}

/// The key of a validator or of the hospital for one purpose.
fn key(name: &str, purpose: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(&[purpose.as_bytes(), name.as_bytes()]))
}

fn genesis() -> Result<Genesis> {
    let (mut validators, mut participants) = (Vec::new(), BTreeMap::new());
    for name in NAMES {
        let public = |purpose| key(name, purpose).public_key();
        let known: ParticipantName = name.parse()?;
        validators.push(Validator {
            name: known.clone(),
            consensus: public("consensus"),
            log: public("log"),
            cosigner: public("cosigner"),
            cose: public("cose"),
        });
        let participant = Participant::new(vec![Role::Hospital], vec![public("events")]);
        participants.insert(known, participant.context("a role and a key")?);
    }
    let names = participants.keys().cloned().collect();
    Ok(Genesis::new(GenesisSpec {
        name: "measure.example".parse()?,
        time: START,
        validators: ValidatorSet::new(validators)?,
        participants,
        authorities: Authorities {
            threshold: 3,
            names,
        },
        publisher: None,
    })?)
}

struct Chain {
    genesis: Genesis,
    state: MemoryState,
    entries: Vec<Vec<u8>>,
    leaves: Vec<TreeHash>,
    frontier: Frontier,
    /// That after each block, from height 1 on.
    checkpoints: Vec<Checkpoint>,
}

impl Chain {
    fn new() -> Result<Self> {
        let genesis = genesis()?;
        let mut chain = Self {
            state: MemoryState::genesis(&genesis)?,
            entries: Vec::new(),
            leaves: Vec::new(),
            frontier: Frontier::new(),
            checkpoints: Vec::new(),
            genesis,
        };
        let first = execute_genesis(&chain.genesis)?;
        chain.append(&first.seal_entry);
        Ok(chain)
    }

    fn append(&mut self, entry: &[u8]) {
        let leaf = leaf_hash(entry);
        self.frontier.append(leaf);
        self.leaves.push(leaf);
        self.entries.push(entry.to_vec());
    }

    fn event(&self, number: u64, key: &SigningKey) -> Result<Event> {
        let unsigned = UnsignedEvent {
            issuer: NAMES[2].parse()?,
            network: self.genesis.network_id(),
            nonce: Nonce::new((u128::from(number) + 1).to_be_bytes()),
            not_after: self.state.head().time.plus_millis(PATIENCE_MILLIS),
            body: record(0, number).into(),
        };
        Ok(unsigned.sign(key)?)
    }

    /// Appends a block of the events of these numbers.
    fn block(&mut self, numbers: std::ops::Range<u64>) -> Result<()> {
        let executed = self.executed(numbers)?;
        executed.entries().for_each(|entry| self.append(entry));
        self.state.apply(&executed)?;
        self.checkpoints.push(Checkpoint {
            origin: self.genesis.origin().clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        });
        Ok(())
    }

    fn executed(&self, numbers: std::ops::Range<u64>) -> Result<Executed> {
        let key = key(NAMES[2], "events");
        let events = numbers.map(|number| Ok((self.event(number, &key)?, key.public_key())));
        let verified = verify_events(events.collect::<Result<Vec<_>>>()?);
        let head = self.state.head();
        let time = head.time.plus_millis(BLOCK_MILLIS);
        let proposer = head.schedule.proposer(Round(0)).context("a proposer")?;
        let mut builder = BlockBuilder::new(&self.state, time)?;
        for event in verified {
            builder.push(&event?)??;
        }
        Ok(builder.finish()?.seal(Round(0), proposer.clone()))
    }

    fn publish(&self, folder: &Path) -> Result<()> {
        write(folder, "genesis", self.genesis.encoded())?;
        let policy = self.genesis.policy();
        write(
            folder,
            &format!("policies/{}", policy.hash()),
            policy.as_bytes(),
        )?;
        self.publish_tree(folder)?;
        let (mut certificates, mut cosignatures, mut note) = (Vec::new(), Vec::new(), None);
        for (height, checkpoint) in (1..).map(Height).zip(&self.checkpoints) {
            frame(
                &mut certificates,
                &self.certificate(height, checkpoint)?.encode(),
            )?;
            let set = self.genesis.validators().clone();
            let mut gathering = Gathering::new(checkpoint.clone(), set);
            for name in NAMES {
                let record = cosign(checkpoint, name)?;
                gathering.add(&record)?;
                frame(&mut cosignatures, &record.encode())?;
            }
            note = gathering.note();
        }
        write(folder, "certificates", &certificates)?;
        write(folder, "cosignatures", &cosignatures)?;
        let note = note.context("a quorum")?.to_string();
        write(folder, "checkpoint", note.as_bytes())
    }

    /// That of a quorum.
    fn certificate(&self, height: Height, checkpoint: &Checkpoint) -> Result<Certificate> {
        let value = value_id(height, checkpoint.size, &checkpoint.root);
        let votes = NAMES
            .iter()
            .take(3)
            .map(|name| self.vote(height, value, name));
        let votes = votes.collect::<Result<_>>()?;
        Ok(Certificate::new(height, Round(0), value, votes)?)
    }

    fn vote(
        &self,
        height: Height,
        value: ValueId,
        name: &str,
    ) -> Result<(ParticipantName, medanchor_ledger::signature::Signature)> {
        let vote = Vote {
            network: self.genesis.network_id(),
            kind: VoteKind::Precommit,
            height,
            round: Round(0),
            value: Some(value),
            validator: name.parse()?,
        };
        Ok((name.parse()?, vote.sign(&key(name, "consensus"))))
    }

    fn publish_tree(&self, folder: &Path) -> Result<()> {
        let size = self.frontier.size();
        for id in TileId::grown(Size(0), size) {
            let tile = Tile::read(id, &Leaves(&self.leaves))?;
            write(folder, &id.to_string(), &tile.encode())?;
        }
        for id in BundleId::grown(Size(0), size) {
            let entries = self.entries.iter().skip(usize::try_from(id.index() * 256)?);
            let mut bytes = Vec::new();
            for entry in entries.take(usize::from(id.width().get())) {
                append_entry(&mut bytes, entry)?;
            }
            write(folder, &id.to_string(), &bytes)?;
        }
        Ok(())
    }
}

fn cosign(checkpoint: &Checkpoint, name: &str) -> Result<Cosignature> {
    let (log, cosigner) = (key(name, "log"), key(name, "cosigner"));
    let known = name.parse()?;
    let record = Cosignature::sign(checkpoint, &known, &log, &cosigner, START)?;
    Ok(record.with_cose(checkpoint, &key(name, "cose")))
}

fn frame(file: &mut Vec<u8>, record: &[u8]) -> Result<()> {
    file.extend(u32::try_from(record.len())?.to_be_bytes());
    file.extend(record);
    Ok(())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    Ok(std::fs::write(path, bytes)?)
}
