//! What a node must be told to join a network, checked before anything starts.

use crate::limits::MAX_PEERS;
use crate::{PeerKey, SecretSeed};
use medanchor_ledger::{NetworkId, ParticipantName};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Another member, the only kind of stranger that is let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its peer-to-peer public key.
    pub key: PeerKey,
    /// Where it listens, as `host:port`; looked up again at every attempt. None: it calls us.
    pub address: Option<String>,
}

/// The part of a validator: its name and its consensus key.
#[derive(Clone)]
pub struct Consensus {
    /// The validator's name, which its votes carry.
    pub name: ParticipantName,
    /// The seed of its Ed25519 consensus key.
    pub seed: SecretSeed,
}

/// How long consensus waits. They grow with the round, up to `longest`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// For the proposal of round 0: just above the time a block takes to reach everyone.
    pub propose: Duration,
    /// For stragglers once more than two thirds prevoted, but not for one value.
    pub prevote: Duration,
    /// For stragglers once more than two thirds precommitted, but not for one value.
    pub precommit: Duration,
    /// Added to `propose` for each further round.
    pub propose_step: Duration,
    /// Added to `prevote` and `precommit` for each further round.
    pub vote_step: Duration,
    /// When votes are sent again in a round that does not end.
    pub rebroadcast: Duration,
    /// The longest of all of these.
    pub longest: Duration,
    /// A height starts at the latest after this, even with nothing to decide.
    pub heartbeat: Duration,
    /// How often peers are told how far this node is (sync).
    pub status: Duration,
}

impl Default for Timeouts {
    /// Fit for a deployment whose blocks reach everyone within half a second (ENGINE rule 7).
    fn default() -> Self {
        Self {
            propose: Duration::from_millis(500),
            prevote: Duration::from_millis(50),
            precommit: Duration::from_millis(30),
            propose_step: Duration::from_millis(250),
            vote_step: Duration::from_millis(50),
            rebroadcast: Duration::from_secs(5),
            longest: Duration::from_secs(20),
            heartbeat: Duration::from_secs(10),
            status: Duration::from_secs(2),
        }
    }
}

impl Timeouts {
    /// Wide ones for tests on a loaded machine: nothing times out that is merely slow.
    #[must_use]
    pub fn wide() -> Self {
        Self {
            propose: Duration::from_secs(5),
            prevote: Duration::from_secs(2),
            precommit: Duration::from_secs(2),
            propose_step: Duration::from_secs(1),
            vote_step: Duration::from_millis(500),
            longest: Duration::from_secs(60),
            status: Duration::from_secs(1),
            ..Self::default()
        }
    }
}

/// All that [`crate::Network::start`] needs. No default: every field is a decision.
#[derive(Clone)]
pub struct Config {
    /// Which network: signatures and protocols are bound to it.
    pub network_id: NetworkId,
    /// The seed of this node's peer-to-peer key. Not the consensus key.
    pub peer_seed: SecretSeed,
    /// Drawn at random when the process starts: by it peers tell this process from another one with
    /// the same keys.
    pub instance: [u8; 16],
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The other members, the only ones that are let in.
    pub peers: Vec<Peer>,
    /// Set on a validator; none on a node that follows without voting.
    pub consensus: Option<Consensus>,
    /// A folder of its own for the engine's write-ahead log. One that is missing is made: whether it
    /// may be missing is for the node to say ([`crate::WalFile`]).
    pub wal_dir: PathBuf,
    /// How long consensus waits.
    pub timeouts: Timeouts,
}

/// A configuration that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Two entries name one peer.
    #[error("peer {0} is listed twice; remove one entry")]
    DuplicatePeer(PeerKey),
    /// This node lists itself.
    #[error("peer {0} is this node; list only the others")]
    SelfPeer(PeerKey),
    /// More peers than any node may have.
    #[error("{0} peers are listed; list at most {MAX_PEERS}")]
    TooManyPeers(usize),
    /// A peer's key is not a point on the curve.
    #[error("peer {0} is not an Ed25519 public key; copy it from that member's node")]
    BadPeerKey(PeerKey),
    /// One key for two purposes.
    #[error("the consensus key is also the peer-to-peer key; use a key of its own for each")]
    SharedKey,
}

impl Config {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.peers.len() > MAX_PEERS {
            return Err(ConfigError::TooManyPeers(self.peers.len()));
        }
        let own = PeerKey::new(self.peer_seed.public_key());
        let mut seen = BTreeSet::new();
        for peer in &self.peers {
            if peer.key == own {
                return Err(ConfigError::SelfPeer(own));
            }
            if peer.key.to_peer_id().is_none() {
                return Err(ConfigError::BadPeerKey(peer.key));
            }
            if !seen.insert(peer.key) {
                return Err(ConfigError::DuplicatePeer(peer.key));
            }
        }
        match &self.consensus {
            Some(consensus) if consensus.seed.public_key() == *own.as_bytes() => {
                Err(ConfigError::SharedKey)
            }
            _ => Ok(()),
        }
    }
}
