//! Blocks: what a builder puts together, an execution of its bytes confirms, and nothing else.

use crate::world::*;
use medanchor_ledger::block::{Block, MAX_BLOCK_BYTES, MAX_BLOCK_CHANGES};
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::event::{
    DecodeError, Event, LotOpen, UnitCommission, Units, Verified, VerifyError,
};
use medanchor_ledger::execute::{
    BlockBuilder, BlockFault, CheckedBlock, Executed, Halt, Head, SealField, View, execute_block,
    execute_genesis,
};
use medanchor_ledger::merkle::{Frontier, leaf_hash};
use medanchor_ledger::rules::Rule;
use medanchor_ledger::seal::{EntryKind, Seal, value_id};
use medanchor_ledger::state::{Bucket, BucketRoot, BucketSource, Prefix, StateMap, StoredBucket};
use medanchor_ledger::{
    EventId, Height, LotHandle, PolicyHash, ReadFailed, Round, Size, StateRoot, Time, TreeHash,
    UnitHandle,
};
use std::sync::Arc;

/// A block of three records over a fresh world.
fn built() -> (World, Executed) {
    let mut world = World::new();
    let events: Vec<_> = (1..=3).map(|n| world.event(HOSPITAL, seal(n, n))).collect();
    let executed = build(&world, &events);
    (world, executed)
}

fn build(world: &World, events: &[Verified]) -> Executed {
    let mut builder = BlockBuilder::new(&world.state, Time(world.now)).unwrap();
    for event in events {
        builder.push(event).unwrap().unwrap();
    }
    let proposer = world
        .state
        .head()
        .schedule
        .proposer(Round(0))
        .unwrap()
        .clone();
    builder.finish().unwrap().seal(Round(0), proposer)
}

fn judge(world: &World, block: Block) -> Result<Executed, BlockFault> {
    let checked = CheckedBlock::check(block, &world.state, |_| None).unwrap()?;
    execute_block(&world.state, &checked).unwrap()
}

fn decode(executed: &Executed) -> Block {
    Block::decode(&executed.encode_block()).unwrap()
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let (first, second) = (built().1, built().1);
    assert_eq!(first.encode_block(), second.encode_block());
    assert_eq!(first.value_id, second.value_id);
    assert_eq!(first.changes, second.changes);
    assert_eq!(first.head.encode(), second.head.encode());
}

#[test]
fn a_block_from_its_bytes_gives_what_its_builder_got() {
    let (world, executed) = built();
    let confirmed = judge(&world, decode(&executed)).unwrap();
    assert_eq!(confirmed.value_id, executed.value_id);
    assert_eq!(confirmed.head, executed.head);
    assert_eq!(confirmed.changes, executed.changes);
}

#[test]
fn the_log_is_events_then_seal() {
    let (world, executed) = built();
    let entries: Vec<_> = executed.entries().map(<[u8]>::to_vec).collect();
    let kinds: Vec<_> = entries.iter().map(|entry| EntryKind::of(entry)).collect();
    let event = EntryKind::Event;
    assert_eq!(kinds, [event, event, event, EntryKind::Seal]);
    let mut frontier = Frontier::decode(&world.state.head().frontier.encode()).unwrap();
    entries
        .iter()
        .for_each(|entry| frontier.append(leaf_hash(entry)));
    assert_eq!(executed.log_root(), frontier.root());
    assert_eq!(executed.seal.size_after(), Some(Size(5)));
    let id = value_id(Height(1), Size(5), &frontier.root());
    assert_eq!(executed.value_id, id);
}

#[test]
fn entry_0_is_the_seal_of_genesis() {
    let genesis = genesis();
    let executed = execute_genesis(&genesis).unwrap();
    let entries: Vec<_> = executed.entries().collect();
    assert_eq!(entries, [executed.seal.encode()]);
    let previous = TreeHash::new(*genesis.hash().as_bytes());
    assert_eq!(executed.seal.previous, previous);
    assert_eq!(executed.seal.policy, genesis.policy().hash());
    assert_eq!(executed.head.frontier.size(), Size(1));
}

type Lie = fn(&mut Seal);

#[test]
fn a_seal_that_lies_is_refused() {
    let lies: [(Lie, SealField); 11] = [
        (|seal| seal.height = Height(2), SealField::Height),
        (|seal| seal.round = Round(1), SealField::Proposer),
        (
            |seal| seal.proposer = Some(name(DISTRIBUTOR)),
            SealField::Proposer,
        ),
        (|seal| seal.time = Time(START), SealField::Time),
        (|seal| seal.first.0 += 1, SealField::Log),
        (
            |seal| seal.log_root = TreeHash::new([1; 32]),
            SealField::Log,
        ),
        (
            |seal| seal.previous = TreeHash::new([1; 32]),
            SealField::Previous,
        ),
        (
            |seal| seal.state_root = StateRoot::new([1; 32]),
            SealField::StateRoot,
        ),
        (|seal| seal.rules_version = 2, SealField::RulesVersion),
        (
            |seal| seal.policy = PolicyHash::new([1; 32]),
            SealField::Policy,
        ),
        (
            |seal| seal.next_policy = PolicyHash::new([1; 32]),
            SealField::Policy,
        ),
    ];
    let (world, executed) = built();
    for (lie, field) in lies {
        let mut block = decode(&executed);
        lie(&mut block.seal);
        let fault = judge(&world, block).unwrap_err();
        assert_eq!(fault, BlockFault::Seal { field });
    }
}

#[test]
fn a_seal_that_counts_other_events_does_not_decode() {
    let mut block = decode(&built().1);
    block.seal.count = 2;
    let refused = Block::decode(&block.encode()).unwrap_err();
    assert!(matches!(refused, DecodeError::Disagreement { .. }));
}

#[test]
fn dropped_added_or_swapped_events_are_found() {
    let (mut world, executed) = built();
    let mut dropped = decode(&executed);
    dropped.events.pop();
    let mut added = decode(&executed);
    added
        .events
        .push(Event::decode(world.event(HOSPITAL, seal(4, 4)).encoded()).unwrap());
    let mut swapped = decode(&executed);
    swapped.events.swap(0, 1);
    for block in [dropped, added, swapped] {
        let fault = judge(&world, block).unwrap_err();
        assert!(matches!(fault, BlockFault::Seal { .. }), "{fault}");
    }
}

#[test]
fn a_later_round_has_the_next_proposer() {
    let (world, _) = built();
    let schedule = &world.state.head().schedule;
    let candidate = BlockBuilder::new(&world.state, Time(world.now))
        .unwrap()
        .finish()
        .unwrap();
    for round in (0..6).map(Round) {
        let proposer = schedule.proposer(round).unwrap().clone();
        let executed = candidate.seal(round, proposer);
        assert_eq!(
            judge(&world, decode(&executed)).unwrap().value_id,
            executed.value_id
        );
    }
}

#[test]
fn block_time_strictly_increases_whatever_the_clock_says() {
    let mut world = World::new();
    world.block(&[]);
    let before = world.state.head().time;
    let builder = BlockBuilder::new(&world.state, Time(START)).unwrap();
    assert_eq!(builder.time(), Time(before.0 + 1));
}

#[test]
fn a_rejected_event_makes_the_block_faulty() {
    let (world, executed) = built();
    let mut twice = decode(&executed);
    twice.events[1] = twice.events[0].clone();
    let fault = judge(&world, twice).unwrap_err();
    let rejection = Rule::EventReplayed.into();
    assert_eq!(
        fault,
        BlockFault::Event {
            place: 1,
            rejection
        }
    );
}

/// The event with its last byte, a part of the signature, changed.
fn broken(event: &Event) -> Event {
    let mut bytes = event.encoded().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    Event::decode(&bytes).unwrap()
}

#[test]
fn a_broken_signature_is_found_even_if_the_event_is_known_with_a_good_one() {
    let (mut world, executed) = built();
    let known = world.event(HOSPITAL, seal(9, 9));
    let mut block = decode(&executed);
    block.events[2] = broken(&known);
    assert_eq!(block.events[2].id(), known.id());
    let checked = CheckedBlock::check(block, &world.state, |_| Some(known.clone())).unwrap();
    let fault = VerifyError::Signature;
    assert_eq!(
        checked.unwrap_err(),
        BlockFault::Signature { place: 2, fault }
    );
}

#[test]
fn a_known_event_is_not_checked_again() {
    let (world, executed) = built();
    let events = executed.events.clone();
    let known = |event: &Event| {
        events
            .iter()
            .find(|known| known.id() == event.id())
            .cloned()
    };
    let checked = CheckedBlock::check(decode(&executed), &world.state, known)
        .unwrap()
        .unwrap();
    assert_eq!(checked.events(), &*executed.events);
}

#[test]
fn an_unregistered_key_makes_the_block_faulty() {
    let (mut world, executed) = built();
    let key = seeded(1, 200);
    let stranger = world.unsigned(HOSPITAL, seal(4, 4)).sign(&key).unwrap();
    let mut block = decode(&executed);
    block.events[0] = stranger;
    let fault = judge(&world, block).unwrap_err();
    assert_eq!(fault, BlockFault::UnknownKey { place: 0 });
}

/// An open lot, and enough commissioning events for more changes than a block may make.
fn commissions(world: &mut World) -> Vec<Verified> {
    let lot = LotHandle::new([1; 16]);
    let commitment = commitment(1);
    let mut events = vec![world.event(MAKER, LotOpen { lot, commitment })];
    for event in 0..=(MAX_BLOCK_CHANGES as u128 / 128) {
        let handles = (0..128).map(|unit| UnitHandle::new((event * 128 + unit).to_be_bytes()));
        let units = Units::new(handles).unwrap();
        events.push(world.event(MAKER, UnitCommission { lot, units }));
    }
    events
}

#[test]
fn a_block_changes_at_most_20_000_keys_and_the_rest_waits() {
    let mut world = World::new();
    let events = commissions(&mut world);
    let (verdicts, executed) = world.block(&events);
    let refused = verdicts.iter().filter(|verdict| verdict.is_err()).count();
    assert_eq!(refused, 1);
    let full = verdicts.last().unwrap().unwrap_err();
    assert!(full.rule == Rule::BlockFull && full.later());
    assert!(executed.changes.len() <= MAX_BLOCK_CHANGES);
}

#[test]
fn an_oversize_block_does_not_decode() {
    let mut writer = Writer::new();
    writer.map(2).key(1).bytes(&[0; MAX_BLOCK_BYTES]);
    let refused = Block::decode(&writer.into_bytes()).unwrap_err();
    assert!(matches!(refused, DecodeError::Oversize { .. }));
}

#[test]
fn a_head_survives_its_encoding() {
    let mut world = World::new();
    for _ in 0..3 {
        world.block(&[]);
    }
    let head = world.state.head().clone();
    let missed = head.schedule.after(Round(2)).after(Round(1));
    let height = Height(missed.height().0 - 1);
    let later = Head {
        schedule: missed,
        height,
        ..head
    };
    assert_eq!(Head::decode(&later.encode()), Ok(later.clone()));
    let bytes = later.encode();
    assert!(Head::decode(&bytes[..bytes.len() - 1]).is_err());
    assert!(Head::decode(&[bytes, vec![0]].concat()).is_err());
}

/// A view whose rules are of another version, or whose map cannot be read.
struct Odd {
    world: World,
    head: Head,
    map: StateMap,
}

impl View for Odd {
    fn head(&self) -> &Head {
        &self.head
    }

    fn seen(&self, id: &EventId) -> Result<bool, ReadFailed> {
        self.world.state.seen(id)
    }

    fn map(&self) -> &StateMap {
        &self.map
    }
}

/// A bucket that was on a disk.
#[derive(Debug)]
struct Gone;

impl BucketSource for Gone {
    fn number(&self) -> u32 {
        0
    }

    fn read(&self, _: u32, _: u32) -> Result<Arc<Bucket>, ReadFailed> {
        Err(ReadFailed("the disk is gone".into()))
    }
}

#[test]
fn unknown_rules_stop_the_node_and_say_which_release_is_needed() {
    let (world, executed) = built();
    let head = Head {
        rules_version: 2,
        ..world.state.head().clone()
    };
    let checked = CheckedBlock::check(decode(&executed), &world.state, |_| None);
    let checked = checked.unwrap().unwrap();
    let map = world.state.map().clone();
    let odd = Odd { world, head, map };
    let halt = execute_block(&odd, &checked).unwrap_err();
    assert!(matches!(halt, Halt::UnknownRules { found: 2, .. }));
    assert!(halt.to_string().contains("rules version 2"), "{halt}");
    assert!(BlockBuilder::new(&odd, Time(START)).is_err());
}

#[test]
fn a_store_that_fails_is_no_verdict() {
    let (world, executed) = built();
    let head = world.state.head().clone();
    let checked = CheckedBlock::check(decode(&executed), &world.state, |_| None);
    let checked = checked.unwrap().unwrap();
    let root = BucketRoot {
        root: world.state.map().root(),
        count: 1,
    };
    let gone = StoredBucket {
        source: Arc::new(Gone),
        offset: 0,
        length: 1,
    };
    let map = StateMap::load(&[(Prefix::ROOT, root, Some(gone))]).unwrap();
    let odd = Odd { world, head, map };
    assert!(matches!(execute_block(&odd, &checked), Err(Halt::Read(_))));
    let block = decode(&executed);
    assert!(matches!(
        CheckedBlock::check(block, &odd, |_| None),
        Err(Halt::Read(_))
    ));
}
