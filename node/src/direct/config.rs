//! A service's `config.toml`: every setting, unknown keys refused.

use medanchor_sdk::custody::Terms;
use medanchor_sdk::keeping::harmless;
use medanchor_vault::custody::MAX_UNANCHORED;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

const MAX_FILE: u64 = 1 << 20;

/// What an operator may choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The nodes to ask, in turn.
    pub nodes: Vec<String>,
    /// How old a proof of the ledger may be, in seconds.
    #[serde(default = "freshness")]
    pub freshness_seconds: u64,
    /// How often the release log's root is anchored at most, in seconds; for custodians.
    #[serde(default = "log_seconds")]
    pub log_seconds: u64,
    /// How many deals of one owner are taken that are not known to be on the ledger; for custodians.
    #[serde(default = "unanchored_deals")]
    pub unanchored_deals: usize,
    /// How often it is looked whether the emergency journal is to be anchored or stated, in seconds; for
    /// owners.
    #[serde(default = "emergency_seconds")]
    pub emergency_seconds: u64,
    /// Requests worked on at once; a quarter as many long payloads are sent beside them.
    #[serde(default = "requests")]
    pub requests: usize,
    /// Requests a second from one address; 0 is no limit.
    #[serde(default = "rate")]
    pub requests_per_second: u32,
    /// How much to log: error, warn, info, debug, trace, or a filter.
    #[serde(default = "level")]
    pub log_level: String,
}

const fn freshness() -> u64 {
    60
}

const fn log_seconds() -> u64 {
    10
}

const fn unanchored_deals() -> usize {
    MAX_UNANCHORED
}

const fn emergency_seconds() -> u64 {
    60 * 60
}

const fn requests() -> usize {
    32
}

const fn rate() -> u32 {
    200
}

fn level() -> String {
    "info".into()
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be used: {what}")]
pub struct ConfigError {
    path: String,
    what: String,
}

impl ServiceConfig {
    /// The defaults, listening there and asking these nodes.
    #[must_use]
    pub fn new(listen: SocketAddr, nodes: Vec<String>) -> Self {
        Self {
            listen,
            nodes,
            freshness_seconds: freshness(),
            log_seconds: log_seconds(),
            unanchored_deals: unanchored_deals(),
            emergency_seconds: emergency_seconds(),
            requests: requests(),
            requests_per_second: rate(),
            log_level: level(),
        }
    }

    /// The file's text, each setting explained.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self {
            listen,
            nodes,
            freshness_seconds,
            log_seconds,
            unanchored_deals,
            emergency_seconds,
            requests,
            requests_per_second,
            log_level,
        } = self;
        format!(
            "# Where to listen; HTTPS, mutual TLS.\nlisten = \"{listen}\"\n\
             # The nodes to ask what the ledger says, in turn; none of them is trusted.\nnodes = {nodes:?}\n\
             # How old a proof of the ledger may be, in seconds (60 at most).\nfreshness_seconds = {freshness_seconds}\n\
             # How often the root of the release log is anchored at most, in seconds; a custodian's only.\nlog_seconds = {log_seconds}\n\
             # How many deals of one owner are taken that are not known to be on the ledger; a custodian's only.\nunanchored_deals = {unanchored_deals}\n\
             # How often it is looked whether the emergency journal is to be anchored, in seconds; an owner's only.\nemergency_seconds = {emergency_seconds}\n\
             # Requests worked on at once; a quarter as many long payloads are sent beside them.\nrequests = {requests}\n\
             # Requests a second from one address; 0 is no limit.\nrequests_per_second = {requests_per_second}\n\
             # error, warn, info, debug, trace, or a filter.\nlog_level = \"{log_level}\"\n"
        )
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`] names what is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let error = |what: String| ConfigError {
            path: path.display().to_string(),
            what,
        };
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE).read_to_string(&mut text))
            .map_err(|e| error(e.to_string()))?;
        let config: Self = toml::from_str(&text).map_err(|e| error(harmless(&e, &text)))?;
        config.check().map_err(|what| error(what.into()))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), &'static str> {
        match () {
            () if self.nodes.is_empty() => Err("nodes is empty; name one at least"),
            () if !(1..=60).contains(&self.freshness_seconds) => {
                Err("freshness_seconds is 1 to 60: an older proof may hide a revocation")
            }
            () if self.log_seconds == 0 => Err("log_seconds is 1 or more"),
            () if self.unanchored_deals == 0 => Err("unanchored_deals is 1 or more"),
            () if !(1..=14_400).contains(&self.emergency_seconds) => Err(
                "emergency_seconds is 1 to 14400: a journal that is stated later than once a day is a gap in every patient's list",
            ),
            () if self.requests == 0 => Err("requests is 1 or more"),
            () => Ok(()),
        }
    }

    /// What a release is judged by.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms {
            freshness: self.freshness_seconds * 1000,
            ..Terms::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ServiceConfig {
        let listen = "127.0.0.1:7501".parse().unwrap();
        ServiceConfig::new(listen, vec!["http://127.0.0.1:8480".into()])
    }

    fn read(text: &str) -> Result<ServiceConfig, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        ServiceConfig::read(&path)
    }

    #[test]
    fn what_was_written_reads_back() {
        assert_eq!(read(&config().to_text()).unwrap(), config());
    }

    #[test]
    fn typos_and_senseless_values_are_refused() {
        let good = config().to_text();
        assert!(read(&format!("{good}\nlisten_to = 1\n")).is_err());
        for (from, to) in [
            ("freshness_seconds = 60", "freshness_seconds = 61"),
            ("log_seconds = 10", "log_seconds = 0"),
            ("unanchored_deals = 10000", "unanchored_deals = 0"),
            ("emergency_seconds = 3600", "emergency_seconds = 0"),
            ("emergency_seconds = 3600", "emergency_seconds = 14401"),
            ("requests = 32", "requests = 0"),
            ("nodes = [\"http://127.0.0.1:8480\"]", "nodes = []"),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(read(&good.replace(from, to)).is_err(), "{to}");
        }
    }
}
