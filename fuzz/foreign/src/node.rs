//! What a node reads of its peers and of its clients, and its configuration.

use crate::{Seeds, Target};
use bytes::Bytes;
use medanchor_ledger::event::Event;
use medanchor_network::testing::messages::MESSAGES;
use medanchor_node::config::Config;
use medanchor_node::http::batch::MAX_EVENTS;
use medanchor_node::sequence;

const MESSAGES_OF_PEERS: [Seeds; 1] = [Seeds::of("vectors/network", "", ".hex")];
const EVENTS: [Seeds; 1] = [Seeds::of("vectors/event", "", ".hex")];

pub(crate) const TARGETS: &[Target] = &[
    Target::new("peer-message", &MESSAGES_OF_PEERS, messages).holding(128),
    Target::new("event-sequence", &EVENTS, events).holding(64),
    Target::new("node-config", &[], config).holding(1024),
];

/// Each message is read by its own reader only; one that was read is written to the same bytes.
fn messages(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    for (name, reread) in MESSAGES {
        if let Some(written) = reread(&bytes) {
            assert_eq!(
                written.concat(),
                bytes,
                "{name}: one meaning, two encodings"
            );
        }
    }
}

/// The body of a batch: the pieces are all of it, in order.
fn events(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(events) = sequence::split(&bytes, MAX_EVENTS) else {
        return;
    };
    assert_eq!(events.concat(), bytes);
    events.iter().for_each(|event| drop(Event::decode(event)));
}

fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(config) = Config::parse(text) {
        assert!(
            Config::parse(&config.documented()).is_ok(),
            "a config that is not read back"
        );
    }
}
