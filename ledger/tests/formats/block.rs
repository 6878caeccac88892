//! `vectors/block/`.

use crate::samples::{consent_revoke, record_seal};
use crate::vectors::Vectors;
use crate::world::{HOSPITAL, World};
use medanchor_ledger::block::Block;
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::event::Event;
use medanchor_ledger::execute::Executed;

fn sample() -> Executed {
    let mut world = World::new();
    let mut grant = crate::samples::consent_grant();
    grant.root = None;
    let events = [
        world.event(HOSPITAL, record_seal()),
        world.event(HOSPITAL, {
            grant.not_after.0 += 3_600_000;
            grant
        }),
        world.event(HOSPITAL, consent_revoke()),
    ];
    let (verdicts, executed) = world.block(&events);
    assert_eq!(verdicts, [Ok(()); 3]);
    executed
}

fn read(bytes: &[u8]) -> Result<Block, String> {
    Block::decode(bytes).map_err(|error| error.to_string())
}

fn encoded(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.into_bytes()
}

fn block_of(seal: &[u8], events: &[&[u8]]) -> Vec<u8> {
    encoded(|writer| {
        writer.map(2).key(1).bytes(seal);
        writer.key(2).array(events.len());
        for event in events {
            writer.bytes(event);
        }
    })
}

/// The whole of execution stands in these bytes: any change of rules or formats moves them.
#[test]
fn blocks_have_golden_bytes() {
    let mut vectors = Vectors::of("block");
    let executed = sample();
    let whole = executed.encode_block();
    vectors.golden("block", &whole);
    vectors.golden("block.value-id", executed.value_id.as_bytes());
    vectors.golden("block.state-root", executed.seal.state_root.as_bytes());
    vectors.golden("block.head", &executed.head.encode());
    assert_eq!(read(&whole).unwrap().encode(), whole);

    let entries: Vec<_> = executed.entries().collect();
    let (seal, events) = entries.split_last().unwrap();
    assert_eq!(block_of(seal, events), whole);
    let mut reject = |name: &str, bytes: &[u8], why: &str| {
        vectors.rejected(name, bytes, read, why);
    };
    reject("truncated", &whole[..whole.len() - 1], "cut short");
    reject(
        "trailing-byte",
        &[&whole[..], &[0]].concat(),
        "bytes follow the end",
    );
    reject(
        "event-missing",
        &block_of(seal, &events[1..]),
        "counts other than",
    );
    reject(
        "seal-is-an-event",
        &block_of(events[1], &events[..2]),
        "wanted Map",
    );
    reject(
        "event-is-a-seal",
        &block_of(seal, &[events[0], events[1], seal]),
        "wanted Tag",
    );
    let huge = encoded(|writer| {
        writer.map(2).key(1).bytes(seal).key(2).array(10_001);
    });
    reject("10001-events", &huge, "size out of bounds");
    let unsorted = encoded(|writer| {
        writer.map(2).key(2).array(0).key(1).bytes(seal);
    });
    reject("unsorted-keys", &unsorted, "wanted map key 1");
    let broken = &events[0][..events[0].len() - 1];
    reject(
        "event-truncated",
        &block_of(seal, &[broken, events[1], events[2]]),
        "cut short",
    );
    vectors.finish();
}

#[test]
fn the_sample_is_made_of_its_own_events() {
    let executed = sample();
    for (entry, event) in executed.entries().zip(&*executed.events) {
        assert_eq!(&Event::decode(entry).unwrap(), &**event);
    }
}
