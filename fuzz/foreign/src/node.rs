//! What a node reads of its peers and of its clients, and its configuration.

use crate::{Seeds, Target};
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use medanchor_ledger::event::Event;
use medanchor_ledger::genesis::Genesis;
use medanchor_network::testing::messages::{MESSAGES, Reread};
use medanchor_node::config::Config;
use medanchor_node::http::accept::choose;
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

/// Each line of a file is a line of the header.
const ACCEPTS: [Seeds; 1] = [Seeds::of("vectors/accept", "", ".txt")];

pub(crate) const TARGETS: &[Target] = &[
    Target::new("peer-message", &MESSAGES_OF_PEERS, messages).holding(128),
    Target::new("accept", &ACCEPTS, accept).holding(64),
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

/// The forms of the frozen files.
const OFFERS: [&str; 3] = [
    "text/plain",
    "application/scitt-statement+cose",
    "application/cose",
];

/// The form does not depend on the order of the ranges, nor on how they are spread over lines
/// (RFC 9110 5.3), and is one that they name.
fn accept(bytes: &[u8]) -> bool {
    let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    let Some(values) = values(lines.iter().copied()) else {
        return false;
    };
    let chosen = choice(&values);
    assert_eq!(choice(values.iter().rev()), chosen, "the order of lines");
    let visible = values.iter().all(|value| value.to_str().is_ok());
    if visible {
        let one = self::values([lines.join(&b", "[..]).as_slice()]).expect("visible characters");
        assert_eq!(choice(&one), chosen, "several lines, or one");
    }
    let Some(form) = chosen.and_then(|place| OFFERS.get(place)) else {
        return false;
    };
    let (kind, _) = form.split_once('/').expect("a media type");
    let text = bytes.to_ascii_lowercase();
    let names = |range: &str| {
        text.windows(range.len())
            .any(|part| part == range.as_bytes())
    };
    assert!(names(form) || names(&format!("{kind}/*")) || names("*/*"));
    true
}

fn values<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<HeaderValue>> {
    let lines = lines.into_iter().map(HeaderValue::from_bytes);
    lines.collect::<Result<_, _>>().ok()
}

fn choice<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Option<usize> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::ACCEPT, value.clone());
    }
    choose(&headers, &OFFERS).ok()
}
