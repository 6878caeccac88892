//! `config.toml`: the one file an operator edits.
//!
//! What always holds: a key that is not known here is refused with the known ones named, every
//! key but `name` has a default that suits a small network, and the file that `network new` writes
//! explains each of them.

mod documented;
mod publish;
mod witness;

use medanchor_ledger::ParticipantName;
use medanchor_network::limits::{MAX_EVENT_BATCH_BYTES, MAX_EVENT_BYTES};
use medanchor_sdk::keeping::harmless;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use publish::{Place, Publish};
pub use witness::Witness;

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
    /// States of earlier heights, and histories.
    #[serde(default)]
    pub state: State,
    /// A copy of the published log in an object store.
    #[serde(default)]
    pub publish: Publish,
    /// Log lines.
    #[serde(default)]
    pub log: Log,
    /// Connections to other nodes.
    #[serde(default)]
    pub p2p: P2p,
    /// Outside witnesses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witness: Vec<Witness>,
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

/// `[state]`: what is kept of the state beside the newest one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// States of the newest heights kept in memory.
    pub kept_heights: u32,
    /// Memory that these may keep alive, by a high estimate.
    pub kept_bytes: u64,
    /// Keep an index for the histories of tags.
    pub histories: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            kept_heights: 1_000,
            kept_bytes: 96 * 1024 * 1024,
            histories: true,
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
            state: State::default(),
            publish: Publish::default(),
            log: Log::default(),
            p2p: P2p::default(),
            witness: Vec::new(),
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
    /// A message with the line, and what is known there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| harmless(&error, text))?;
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
        witness::check(&self.witness)?;
        self.publish.check()?;
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

    /// The longest wait for a receipt.
    #[must_use]
    pub const fn wait_timeout(&self) -> Duration {
        Duration::from_millis(self.http.wait_timeout_ms)
    }
}

#[cfg(test)]
mod tests;
