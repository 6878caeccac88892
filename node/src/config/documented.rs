//! The configuration file as it is written: every key with its value and what it is for.

use super::{Config, Peer};

/// A key of the file, where it stands, and what an operator should know of it.
pub(super) struct Key(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) &'static str,
);

pub(super) const KEYS: &[Key] = &[
    Key(
        "",
        "name",
        "The participant that runs this node, as in the genesis.",
    ),
    Key(
        "http",
        "listen",
        "Where clients reach this node. Put a TLS proxy in front of a public address.",
    ),
    Key("http", "max_connections", "Connections served at once."),
    Key(
        "http",
        "max_connections_per_address",
        "Connections from one client address; behind a proxy that is all: give max_connections.",
    ),
    Key(
        "http",
        "max_requests",
        "Requests worked on at once; more get 503.",
    ),
    Key(
        "http",
        "header_timeout_ms",
        "Time for a request's headers to arrive.",
    ),
    Key(
        "http",
        "request_timeout_ms",
        "Time for a whole request, apart from a wait for a receipt.",
    ),
    Key(
        "http",
        "wait_timeout_ms",
        "The longest wait for a receipt (?wait=receipt).",
    ),
    Key(
        "http",
        "max_batch_bytes",
        "The largest body of POST /v1/events/batch.",
    ),
    Key(
        "http",
        "requests_per_second",
        "Requests a second from one client address; 0 is no limit.",
    ),
    Key(
        "http",
        "request_burst",
        "Requests that one client address may save up.",
    ),
    Key(
        "http",
        "max_streams",
        "Event streams (/v1/stream) served at once.",
    ),
    Key(
        "consensus",
        "vote",
        "Take part in votes if the genesis lists this node; false follows only.",
    ),
    Key(
        "consensus",
        "max_block_bytes",
        "The largest block this node proposes, at most 2097152.",
    ),
    Key(
        "consensus",
        "max_execution_ms",
        "Execution time after which a block is cut.",
    ),
    Key(
        "consensus",
        "min_block_interval_ms",
        "The shortest time between two blocks under load.",
    ),
    Key(
        "consensus",
        "heartbeat_ms",
        "The longest time between two blocks when nothing happens.",
    ),
    Key(
        "consensus",
        "max_clock_skew_ms",
        "How far a fresh proposal's time may be from this clock.",
    ),
    Key(
        "consensus",
        "propose_timeout_ms",
        "Time to wait for a proposal before the next proposer's turn.",
    ),
    Key(
        "consensus",
        "vote_timeout_ms",
        "Time to wait for votes before a round is given up.",
    ),
    Key(
        "pool",
        "max_events",
        "Events that wait for a block, at most.",
    ),
    Key("pool", "max_bytes", "Their bytes, at most."),
    Key(
        "pool",
        "max_bytes_per_participant",
        "Bytes of one participant's events, at most.",
    ),
    Key(
        "pool",
        "max_bytes_per_peer",
        "Bytes of events that one peer sent, at most.",
    ),
    Key("pool", "verify_threads", "Threads that check signatures."),
    Key(
        "pool",
        "max_unverified_bytes",
        "Bytes of events that wait to be checked, at most.",
    ),
    Key(
        "store",
        "publish_interval_ms",
        "Shortest time between two published checkpoints under load.",
    ),
    Key("store", "cache_bytes", "Memory for the database's cache."),
    Key(
        "state",
        "kept_heights",
        "Heights whose state stays in memory for proofs (/v1/state/{key}/proof?height=H, access receipts). The oldest is let go with each new block above this number; the newest checkpointed one always stays.",
    ),
    Key(
        "state",
        "kept_bytes",
        "Or as many as keep this much memory alive: each key that a block changed counts as 2.4 KB and 20 times its value. After a start only heights from then on are kept.",
    ),
    Key(
        "state",
        "histories",
        "Keep an index for histories of tags (/v1/tags/{owner}/{tag}/history): 10 bytes of disk for each event of a tag, made again if data/histories is deleted.",
    ),
    Key(
        "publish",
        "url",
        "A copy of the published log for file servers: file:///FOLDER or s3://BUCKET/PREFIX; empty for none.",
    ),
    Key(
        "publish",
        "endpoint",
        "Where an S3-compatible service is, such as https://s3.example.org; empty for AWS itself.",
    ),
    Key("publish", "region", "The region of the bucket."),
    Key(
        "publish",
        "credentials",
        "A file with access_key_id and secret_access_key; empty for AWS_ACCESS_KEY_ID and so on of the environment.",
    ),
    Key(
        "publish",
        "interval_ms",
        "Shortest time between two rounds of pushing.",
    ),
    Key(
        "publish",
        "record_bytes_per_second",
        "A store cannot append: certificates and cosignatures are written whole, at most so much on average.",
    ),
    Key("log", "format", "human or json."),
    Key(
        "log",
        "level",
        "error, warn, info, debug, or a filter such as warn,medanchor=info.",
    ),
    Key("p2p", "listen", "Where other nodes reach this node."),
];

impl Config {
    /// The file's text: every key with its meaning and its value here.
    #[must_use]
    pub fn documented(&self) -> String {
        let table = toml::Table::try_from(self).unwrap_or_default();
        let mut text = String::from(
            "# A Medanchor node. Unknown keys are refused. Change, then restart the node.\n",
        );
        let mut section = "";
        for Key(place, key, meaning) in KEYS {
            if *place != section {
                section = place;
                text.push_str(&format!("\n[{section}]\n"));
            }
            text.push_str(&format!(
                "# {meaning}\n{key} = {}\n",
                value_text(&table, place, key)
            ));
        }
        for peer in &self.p2p.peers {
            text.push_str(&peer.documented());
        }
        for witness in &self.witness {
            text.push_str(&witness.documented());
        }
        text
    }
}

impl Peer {
    /// The text of this entry.
    #[must_use]
    pub fn documented(&self) -> String {
        format!(
            "\n[[p2p.peers]]\nname = \"{}\"\nkey = {}\naddress = {}\n",
            self.name,
            toml::Value::from(self.key.as_str()),
            toml::Value::from(self.address.as_str()),
        )
    }
}

fn value_text(table: &toml::Table, section: &str, key: &str) -> String {
    let place = match section {
        "" => Some(table),
        name => table.get(name).and_then(toml::Value::as_table),
    };
    place
        .and_then(|place| place.get(key))
        .map(toml::Value::to_string)
        .unwrap_or_default()
}
