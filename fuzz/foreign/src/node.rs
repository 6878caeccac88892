//! What a node reads of its peers and of its clients, and its configuration.

use crate::{Seeds, Target};
use bytes::Bytes;
use medanchor_ledger::event::Event;
use medanchor_ledger::genesis::Genesis;
use medanchor_network::testing::messages::{MESSAGES, Reread};
use medanchor_node::config::Config;
use medanchor_node::http::batch::MAX_EVENTS;
use medanchor_node::sequence;

const MESSAGES_OF_PEERS: [Seeds; 1] = [Seeds::of("vectors/network", "", ".hex")];
const EVENTS: [Seeds; 1] = [Seeds::of("vectors/event", "", ".hex")];

/// The configuration of each validator of a genesis, with all that may be written in it.
const CONFIGS: Seeds = Seeds::of("vectors/genesis", "genesis", ".hex").holding(|_, bytes| {
    let genesis = Genesis::decode(&bytes).ok();
    let names = genesis
        .iter()
        .flat_map(|genesis| genesis.validators().iter());
    let least = names.map(|validator| format!("name = \"{}\"\n", validator.name));
    let whole = |least: &String| Some(Config::parse(least).ok()?.documented());
    let least: Vec<_> = least.collect();
    let whole: Vec<_> = least.iter().filter_map(whole).collect();
    [least, whole]
        .concat()
        .into_iter()
        .map(String::into_bytes)
        .collect()
});

pub(crate) const TARGETS: &[Target] = &[
    Target::new("peer-message", &MESSAGES_OF_PEERS, messages).holding(128),
    Target::new("event-sequence", &EVENTS, events).holding(64),
    Target::new("node-config", &[CONFIGS], config).holding(1024),
];

/// Each message is read by its own reader only; one that was read is written to the same bytes.
fn messages(bytes: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(bytes);
    let reads = |(name, reread): &(&str, Reread)| {
        let written = reread(&bytes);
        if let Some(written) = &written {
            assert_eq!(
                written.concat(),
                bytes,
                "{name}: one meaning, two encodings"
            );
        }
        written.is_some()
    };
    MESSAGES.iter().filter(|message| reads(message)).count() > 0
}

/// The body of a batch: the pieces are all of it, in order.
fn events(bytes: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(events) = sequence::split(&bytes, MAX_EVENTS) else {
        return false;
    };
    assert_eq!(events.concat(), bytes);
    events.iter().all(|event| Event::decode(event).is_ok())
}

fn config(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).ok();
    let Some(Ok(config)) = text.map(Config::parse) else {
        return false;
    };
    let again = Config::parse(&config.documented());
    assert!(again.is_ok(), "a config that is not read back");
    true
}
