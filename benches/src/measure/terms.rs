//! What each step of an event's way costs on one core, in memory: the terms of the budget.

use crate::process::thread_cpu;
use crate::report::Section;
use anyhow::{Context, Result};
use medanchor_ledger::block::Block;
use medanchor_ledger::event::{Event, UnsignedEvent, Verified, verify_events};
use medanchor_ledger::execute::{BlockBuilder, CheckedBlock, MemoryState, View, execute_block};
use medanchor_ledger::genesis::{Authorities, Genesis, GenesisSpec};
use medanchor_ledger::merkle::leaf_hash;
use medanchor_ledger::rules::tag::moved;
use medanchor_ledger::rules::{Participant, Role};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{Index, NetworkId, Nonce, ParticipantName, Round, Time, sha256};
use medanchor_tests::workload::record;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const START: Time = Time(1_760_000_000_000);
/// Events of a block, as under load with four validators.
const BLOCK: u64 = 1_000;
/// Events that stand in the state before anything is measured, at most.
const MOST_BEFORE: u64 = 200_000;
/// Blocks that are measured.
const BLOCKS: u64 = 20;

/// Times each step over blocks of a thousand events.
pub fn measure(events: u64) -> Result<Section> {
    let before = events.min(MOST_BEFORE) / BLOCK;
    let mut chain = Chain::new()?;
    for _ in 0..before {
        chain.advance(&mut Steps::default())?;
    }
    let mut steps = Steps::default();
    let mut bytes = 0;
    for _ in 0..BLOCKS {
        bytes = chain.advance(&mut steps)?;
    }
    let workload = format!(
        "record.seal of one participant, {bytes} bytes each, blocks of {BLOCK}, {} events in the state, CPU time of one thread, no disk",
        before * BLOCK
    );
    let mut section = Section::new("Terms of an event's cost", workload);
    let events = (BLOCKS * BLOCK) as f64;
    for (name, spent) in steps.0 {
        section.add(name, spent.as_secs_f64() * 1e6 / events, "us/event");
    }
    Ok(section)
}

/// CPU time spent in each step.
#[derive(Default)]
struct Steps(BTreeMap<&'static str, Duration>);

impl Steps {
    fn time<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = thread_cpu();
        let result = work();
        *self.0.entry(name).or_default() += thread_cpu().saturating_sub(start);
        result
    }
}

struct Chain {
    key: SigningKey,
    name: ParticipantName,
    network: NetworkId,
    state: MemoryState,
    next: u64,
}

impl Chain {
    fn new() -> Result<Self> {
        let name: ParticipantName = "north-hospital".parse()?;
        let key = |what: &str| SigningKey::from_seed(&sha256(&[what.as_bytes()]));
        let validator = Validator {
            name: name.clone(),
            consensus: key("consensus").public_key(),
            log: key("log").public_key(),
            cosigner: key("cosigner").public_key(),
            cose: key("cose").public_key(),
        };
        let signer = key("signer");
        let participant = Participant::new(vec![Role::Hospital], vec![signer.public_key()]);
        let genesis = Genesis::new(GenesisSpec {
            name: "terms".parse()?,
            time: START,
            validators: ValidatorSet::new(vec![validator])?,
            participants: BTreeMap::from([(name.clone(), participant.context("one role")?)]),
            authorities: Authorities {
                threshold: 1,
                names: BTreeSet::from([name.clone()]),
            },
            publisher: None,
        })?;
        Ok(Self {
            key: signer,
            name,
            network: genesis.network_id(),
            state: MemoryState::genesis(&genesis)?,
            next: 0,
        })
    }

    fn sign(&self, number: u64) -> Result<Event> {
        let unsigned = UnsignedEvent {
            issuer: self.name.clone(),
            network: self.network,
            nonce: Nonce::new((u128::from(number) + 1).to_be_bytes()),
            not_after: START.plus_millis(600_000),
            body: record(0, number).into(),
        };
        Ok(unsigned.sign(&self.key)?)
    }

    /// Takes one block through all steps; gives the bytes of an event.
    fn advance(&mut self, steps: &mut Steps) -> Result<usize> {
        let numbers = self.next..self.next + BLOCK;
        self.next = numbers.end;
        let signed = steps.time("1 sign (the client)", || {
            numbers
                .map(|number| self.sign(number))
                .collect::<Result<Vec<_>>>()
        })?;
        let bytes: Vec<Vec<u8>> = signed
            .iter()
            .map(|event| event.encoded().to_vec())
            .collect();
        let decoded = steps.time("2 decode (every node)", || {
            bytes
                .iter()
                .map(|event| Event::decode(event))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let public = self.key.public_key();
        let verified = steps.time("3 check the signature, in batches (every node)", || {
            verify(decoded.into_iter().map(|event| (event, public)).collect())
        })?;
        steps.time("4 leaf hash (every node, part of 5 and 8)", || {
            std::hint::black_box(bytes.iter().map(|event| leaf_hash(event)).max())
        });
        let time = self.state_time();
        let mut builder = BlockBuilder::new(&self.state, time)?;
        steps.time("5 rules (proposer)", || push_all(&mut builder, &verified))?;
        let candidate = steps.time("6 state map (proposer)", || builder.finish())?;
        let executed = candidate.seal(Round(0), self.name.clone());
        let block = executed.encode_block();
        let block = steps.time("7 decode the block (every other node)", || {
            Block::decode(&block)
        })?;
        let known: BTreeMap<_, _> = verified.iter().map(|event| (event.id(), event)).collect();
        steps.time(
            "8 execute the block (every other node)",
            || -> Result<()> {
                let known = |event: &Event| known.get(&event.id()).map(|known| (*known).clone());
                let checked = CheckedBlock::check(block, &self.state, known)??;
                execute_block(&self.state, &checked)??;
                Ok(())
            },
        )?;
        steps.time("9 apply (every node)", || self.state.apply(&executed))?;
        let first = executed.seal.first.0;
        steps.time(
            "10 index of histories (every node, on a thread of its own)",
            || -> Result<()> {
                for (event, index) in bytes.iter().zip(first..) {
                    let event = Event::decode(event)?;
                    std::hint::black_box(moved(&event, Index(index), self.state.map())?);
                }
                Ok(())
            },
        )?;
        Ok(bytes.first().map_or(0, Vec::len))
    }

    fn state_time(&self) -> Time {
        START.plus_millis(self.next / BLOCK)
    }
}

fn verify(events: Vec<(Event, medanchor_ledger::signature::PublicKey)>) -> Result<Vec<Verified>> {
    Ok(verify_events(events)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?)
}

fn push_all(builder: &mut BlockBuilder<'_>, events: &[Verified]) -> Result<()> {
    for event in events {
        builder.push(event)??;
    }
    Ok(())
}
