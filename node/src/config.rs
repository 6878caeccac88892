//! `config.toml`: the one file an operator edits.
//!
//! What always holds: a key that is not known here is refused with the known ones named, every
//! key but `name` has a default that suits a small network, and the file that `network new` writes
//! explains each of them.

use medanchor_ledger::ParticipantName;
use medanchor_network::limits::{MAX_EVENT_BATCH_BYTES, MAX_EVENT_BYTES};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}; make the home with `medanchor network new`", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path} is not a valid configuration; correct it and start again\n{reason}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Position, what was found and what is known there.
        reason: String,
    },
}

/// All that a node can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The participant that runs this node.
    #[serde(with = "name_text")]
    pub name: ParticipantName,
    /// The HTTP service.
    #[serde(default)]
    pub http: Http,
    /// Blocks and consensus.
    #[serde(default)]
    pub consensus: Consensus,
    /// Events that wait for a block.
    #[serde(default)]
    pub pool: Pool,
    /// Storage.
    #[serde(default)]
    pub store: Store,
    /// Log lines.
    #[serde(default)]
    pub log: Log,
    /// Connections to other nodes.
    #[serde(default)]
    pub p2p: P2p,
}

/// `[http]`: the HTTP service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Connections served at once; more wait in the system's queue.
    pub max_connections: u32,
    /// Connections of one client address.
    pub max_connections_per_address: u32,
    /// Requests worked on at once; more get 503.
    pub max_requests: u32,
    /// Time for a request's headers to arrive.
    pub header_timeout_ms: u64,
    /// Time for a whole request, apart from a wait for a receipt.
    pub request_timeout_ms: u64,
    /// The longest wait for a receipt.
    pub wait_timeout_ms: u64,
    /// The largest batch body.
    pub max_batch_bytes: u32,
    /// Requests a second from one client address.
    pub requests_per_second: u32,
    /// Requests one client address may save up.
    pub request_burst: u32,
    /// Event streams served at once.
    pub max_streams: u32,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            max_connections: 1024,
            max_connections_per_address: 512,
            max_requests: 512,
            header_timeout_ms: 5_000,
            request_timeout_ms: 15_000,
            wait_timeout_ms: 30_000,
            max_batch_bytes: 4 * 1024 * 1024,
            requests_per_second: 2_000,
            request_burst: 4_000,
            max_streams: 64,
        }
    }
}

/// `[consensus]`: blocks and consensus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consensus {
    /// Take part in votes; false follows only.
    pub vote: bool,
    /// The largest block.
    pub max_block_bytes: u32,
    /// Execution time after which a block is cut.
    pub max_execution_ms: u64,
    /// The shortest time between two blocks under load.
    pub min_block_interval_ms: u64,
    /// The longest time between two blocks when idle.
    pub heartbeat_ms: u64,
    /// How far a fresh proposal's time may be from this clock.
    pub max_clock_skew_ms: u64,
    /// Time to wait for a proposal.
    pub propose_timeout_ms: u64,
    /// Time to wait for votes before a round is given up.
    pub vote_timeout_ms: u64,
}

impl Default for Consensus {
    fn default() -> Self {
        Self {
            vote: true,
            max_block_bytes: 2 * 1024 * 1024,
            max_execution_ms: 100,
            min_block_interval_ms: 100,
            heartbeat_ms: 10_000,
            max_clock_skew_ms: 2_000,
            propose_timeout_ms: 500,
            vote_timeout_ms: 50,
        }
    }
}

/// `[pool]`: events that wait for a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pool {
    /// Events held at once.
    pub max_events: u32,
    /// Bytes held at once.
    pub max_bytes: u64,
    /// Bytes of one participant's events.
    pub max_bytes_per_participant: u64,
    /// Bytes of events that one peer sent.
    pub max_bytes_per_peer: u64,
    /// Threads that check signatures.
    pub verify_threads: u32,
    /// Bytes of events that wait to be checked.
    pub max_unverified_bytes: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            max_events: 200_000,
            max_bytes: 64 * 1024 * 1024,
            max_bytes_per_participant: 32 * 1024 * 1024,
            max_bytes_per_peer: 48 * 1024 * 1024,
            verify_threads: 1,
            max_unverified_bytes: 32 * 1024 * 1024,
        }
    }
}

/// `[store]`: storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Shortest time between two published checkpoints under load.
    pub publish_interval_ms: u64,
    /// Memory for the database's cache.
    pub cache_bytes: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            publish_interval_ms: 1_000,
            cache_bytes: 32 * 1024 * 1024,
        }
    }
}

/// `[log]`: log lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `human` or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or a filter such as `warn,medanchor=info`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            level: "info".into(),
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// `[p2p]`: connections to other nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct P2p {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The nodes this one may talk to.
    pub peers: Vec<Peer>,
}

impl Default for P2p {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9480)),
            peers: Vec::new(),
        }
    }
}

/// `[[p2p.peers]]`: a node this one may talk to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// What operators call it.
    #[serde(with = "name_text")]
    pub name: ParticipantName,
    /// Its p2p public key, 64 hex digits (`medanchor key show p2p`).
    pub key: String,
    /// Where it listens: address and port, the address as digits or a host name.
    pub address: String,
}

mod name_text {
    use medanchor_ledger::ParticipantName;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(name: &ParticipantName, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(name.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ParticipantName, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A key of the file, where it stands, and what an operator should know of it.
struct Key(&'static str, &'static str, &'static str);

const KEYS: &[Key] = &[
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
    Key("log", "format", "human or json."),
    Key(
        "log",
        "level",
        "error, warn, info, debug, or a filter such as warn,medanchor=info.",
    ),
    Key("p2p", "listen", "Where other nodes reach this node."),
];

impl Config {
    /// The defaults, for the node of `name`.
    #[must_use]
    pub fn new(name: ParticipantName) -> Self {
        Self {
            name,
            http: Http::default(),
            consensus: Consensus::default(),
            pool: Pool::default(),
            store: Store::default(),
            log: Log::default(),
            p2p: P2p::default(),
        }
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// If the file cannot be read, or has a key or value that is not known here.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.into(),
            source,
        })?;
        Self::parse(&text).map_err(|reason| ConfigError::Parse {
            path: path.into(),
            reason,
        })
    }

    /// Parses and checks a file's text.
    ///
    /// # Errors
    /// A message with the position, what was found, and what is known there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let positive = [
            ("http.max_connections", u64::from(self.http.max_connections)),
            ("http.max_requests", u64::from(self.http.max_requests)),
            ("http.header_timeout_ms", self.http.header_timeout_ms),
            ("http.request_timeout_ms", self.http.request_timeout_ms),
            (
                "consensus.max_execution_ms",
                self.consensus.max_execution_ms,
            ),
            ("consensus.heartbeat_ms", self.consensus.heartbeat_ms),
            (
                "consensus.propose_timeout_ms",
                self.consensus.propose_timeout_ms,
            ),
            ("consensus.vote_timeout_ms", self.consensus.vote_timeout_ms),
            ("pool.max_events", u64::from(self.pool.max_events)),
            ("pool.verify_threads", u64::from(self.pool.verify_threads)),
            (
                "http.max_connections_per_address",
                u64::from(self.http.max_connections_per_address),
            ),
            ("http.max_streams", u64::from(self.http.max_streams)),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{key} is 0; give a number above 0"));
        }
        self.check_bytes()?;
        let block = self.consensus.max_block_bytes;
        if !(16 * 1024..=2 * 1024 * 1024).contains(&block) {
            return Err(format!(
                "consensus.max_block_bytes is {block}; give 16384 to 2097152"
            ));
        }
        Ok(())
    }

    /// Refuses limits in bytes below what the node must be able to take at once: with them it would
    /// run and take nothing.
    fn check_bytes(&self) -> Result<(), String> {
        let (http, pool) = (&self.http, &self.pool);
        let event = MAX_EVENT_BYTES as u64;
        let batch = u64::from(http.max_batch_bytes);
        let unverified = batch.max(MAX_EVENT_BATCH_BYTES as u64);
        let least = [
            ("http.max_batch_bytes", batch, event),
            ("pool.max_bytes", pool.max_bytes, event),
            (
                "pool.max_bytes_per_participant",
                pool.max_bytes_per_participant,
                event,
            ),
            ("pool.max_bytes_per_peer", pool.max_bytes_per_peer, event),
            (
                "pool.max_unverified_bytes",
                pool.max_unverified_bytes,
                unverified,
            ),
        ];
        match least.iter().find(|(_, value, least)| value < least) {
            Some((key, value, least)) => Err(format!(
                "{key} is {value}; give at least {least}, the most that can arrive at once"
            )),
            None => Ok(()),
        }
    }

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
            text.push_str(&format!(
                "\n[[p2p.peers]]\nname = \"{}\"\nkey = {}\naddress = {}\n",
                peer.name,
                toml::Value::from(peer.key.as_str()),
                toml::Value::from(peer.address.as_str()),
            ));
        }
        text
    }

    /// The longest wait for a receipt.
    #[must_use]
    pub const fn wait_timeout(&self) -> Duration {
        Duration::from_millis(self.http.wait_timeout_ms)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let mut config = Config::new("north-hospital".parse().expect("a name"));
        config.p2p.peers.push(Peer {
            name: "east-pharmacy".parse().expect("a name"),
            key: "ab".repeat(32),
            address: "127.0.0.1:9001".into(),
        });
        config
    }

    #[test]
    fn the_documented_file_says_what_the_defaults_say() {
        let config = config();
        assert_eq!(Config::parse(&config.documented()).expect("parses"), config);
    }

    #[test]
    fn every_key_is_documented() {
        let table =
            toml::Table::try_from(Config::new("a".parse().expect("a name"))).expect("a table");
        let mut known = Vec::new();
        for (key, value) in &table {
            match value {
                toml::Value::Table(section) => {
                    known.extend(section.keys().map(|inner| (key.clone(), inner.clone())));
                }
                _ => known.push((String::new(), key.clone())),
            }
        }
        known.retain(|(_, key)| key != "peers");
        let mut documented: Vec<_> = KEYS
            .iter()
            .map(|Key(place, key, _)| ((*place).to_owned(), (*key).to_owned()))
            .collect();
        known.sort();
        documented.sort();
        assert_eq!(known, documented);
    }

    #[test]
    fn a_typo_is_refused_and_the_known_keys_are_named() {
        let error =
            Config::parse("name = \"a\"\n[http]\nlistne = \"127.0.0.1:1\"\n").expect_err("typo");
        assert!(
            error.contains("listne") && error.contains("`listen`"),
            "{error}"
        );
        assert!(error.contains("line 3"), "{error}");
    }

    #[test]
    fn only_the_name_is_required() {
        assert_eq!(
            Config::parse("name = \"a\"").expect("parses"),
            Config::new("a".parse().expect("a name"))
        );
        assert!(Config::parse("").expect_err("no name").contains("name"));
    }

    #[test]
    fn a_zero_where_none_can_be_is_refused_by_name() {
        let error = Config::parse("name = \"a\"\n[pool]\nmax_events = 0").expect_err("zero");
        assert!(error.contains("pool.max_events"), "{error}");
    }

    #[test]
    fn limits_under_which_the_node_could_take_nothing_are_refused_by_name() {
        for (section, line) in [
            ("pool", "max_unverified_bytes = 0"),
            ("pool", "max_unverified_bytes = 262143"),
            ("pool", "max_bytes = 0"),
            ("pool", "max_bytes_per_participant = 0"),
            ("pool", "max_bytes_per_peer = 10"),
            ("http", "max_batch_bytes = 0"),
            ("http", "max_streams = 0"),
        ] {
            let text = format!("name = \"a\"\n[{section}]\n{line}\n");
            let error = Config::parse(&text).expect_err(line);
            let key = line.split(' ').next().unwrap_or_default();
            assert!(error.contains(&format!("{section}.{key}")), "{error}");
        }
    }
}
