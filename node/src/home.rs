//! A home: the folder in which one node lives.
//!
//! ```text
//! HOME/config.toml   what the operator chose
//! HOME/genesis       which network this is
//! HOME/keys/         secret keys, readable by their owner alone
//! HOME/log/          the published log: plain files for anyone
//! HOME/data/         journal, database, write-ahead log: nobody's business but the node's
//! HOME/run/          where the running node listens, and what it said
//! HOME/identity/     the participant's own identity, which the node never reads
//! HOME/lock          held by the running node
//! ```

use std::path::{Path, PathBuf};

/// The paths of a home.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// The home at `path`, which need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `config.toml`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// `genesis`.
    #[must_use]
    pub fn genesis(&self) -> PathBuf {
        self.0.join("genesis")
    }

    /// `keys/`.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// `log/`, the published log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// `data/`.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// `data/wal/`: the consensus write-ahead log.
    #[must_use]
    pub fn wal(&self) -> PathBuf {
        self.data().join("wal")
    }

    /// `run/`.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// `run/addresses`: where the running node listens; see [`crate::process::Addresses`].
    #[must_use]
    pub fn addresses(&self) -> PathBuf {
        self.run().join("addresses")
    }

    /// `identity/`.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.0.join("identity")
    }

    /// `restored`: left by whoever restored this home from a back-up, so that the node signs
    /// nothing until it is past all that its keys may have signed.
    #[must_use]
    pub fn restored(&self) -> PathBuf {
        self.0.join("restored")
    }

    /// `lock`.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
}
