//! Starting the network, and the [`Handle`] that the node keeps to talk to it.

use crate::batch;
use crate::engine::start::{End, Running, start};
use crate::limits::MAX_COSIGNATURE_BYTES;
use crate::wire::swarm::Command;
use crate::wire::{Frame, Kind};
use crate::{Application, Config, ConfigError, Failure, PeerKey};
use ::bytes::Bytes;
use medanchor_ledger::{Height, Round};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; stop the other program or choose another address"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The write-ahead log cannot be used.
    #[error(
        "the write-ahead log {path} cannot be used: {reason}; do not delete it while this node's keys may have voted at its height: see docs/operate.md"
    )]
    Wal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine is set up to mark proposals valid without asking (ENGINE rule 1).
    #[error("the engine would accept proposals unseen; only proposals with parts are allowed")]
    ProposalOnly,
    /// The engine did not come up.
    #[error("the ordering engine did not start: {0}")]
    Engine(String),
}

/// Why a running network stopped by itself. Nothing restarts it inside this process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// The application could not go on.
    #[error(transparent)]
    Application(#[from] Failure),
    /// The write-ahead log is damaged, or could not be written (ENGINE rule 11).
    #[error(
        "the write-ahead log failed: {0}; this node must not vote again at that height: see docs/operate.md"
    )]
    Wal(String),
    /// The engine stopped for another reason.
    #[error("the ordering engine stopped: {0}; start the node again")]
    Engine(String),
}

/// What became of a message for all peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delivery {
    /// Peers whose queue took it.
    pub queued: usize,
    /// Connected peers whose queue was full: they do not get it.
    pub dropped: usize,
}

/// One peer, as this node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerStatus {
    /// Who.
    pub key: PeerKey,
    /// Whether messages can be sent to it now.
    pub connected: bool,
    /// Messages given to its queues since the start.
    pub queued: u64,
    /// Messages that its queues had no room for.
    pub dropped: u64,
    /// Connections that were cut because it broke the protocol or belongs to another network.
    pub cut: u64,
}

/// The network, as this node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The height being decided; if `idle`, the last one decided.
    pub height: Height,
    /// The round of that height.
    pub round: Round,
    /// Whether the next height waits for work.
    pub idle: bool,
    /// Where this node listens.
    pub listening: SocketAddr,
    /// Connections that were refused: of strangers, or never finished.
    pub refused: u64,
    /// Every configured peer.
    pub peers: Vec<PeerStatus>,
}

/// Starts networks.
pub struct Network;

impl Network {
    /// Starts listening, dialling and deciding. Returns once the port is open.
    ///
    /// Must be called on a multi-threaded runtime: the application is called there, while the
    /// engine runs on a thread of its own.
    ///
    /// # Errors
    /// See [`StartError`]; nothing runs then.
    pub async fn start<A: Application>(
        config: Config,
        application: Arc<A>,
    ) -> Result<Handle, StartError> {
        config.check()?;
        let running = start(config, application).await?;
        Ok(Handle {
            running: Arc::new(running),
        })
    }
}

/// A running network. Clones are equal; it runs until [`Handle::stop`] or a [`Fatal`] end.
#[derive(Clone)]
pub struct Handle {
    running: Arc<Running>,
}

impl Handle {
    /// Sends events to all connected peers, without waiting. Batches above the limits are split;
    /// an event above [`crate::limits::MAX_EVENT_BYTES`] is not sent. The answer is about the part
    /// that fared worst.
    #[must_use = "what was dropped has to be sent again"]
    pub fn send_events(&self, events: &[Bytes]) -> Delivery {
        let sent = batch::encode(events).into_iter().map(|message| {
            self.running
                .shared
                .broadcast(&[Frame::new(Kind::Events, message)])
        });
        sent.max_by_key(|delivery| delivery.dropped)
            .unwrap_or_default()
    }

    /// Sends events to one peer; false if it is not connected or a queue is full.
    #[must_use = "what was dropped has to be sent again"]
    pub fn send_events_to(&self, peer: PeerKey, events: &[Bytes]) -> bool {
        batch::encode(events).into_iter().all(|message| {
            self.running
                .shared
                .outbox
                .send(peer, &[Frame::new(Kind::Events, message)])
        })
    }

    /// Sends a cosignature to all connected peers. Sending again what was dropped, or to peers that
    /// connect later, is up to the node ([`Application::peer_connected`]). One above
    /// [`MAX_COSIGNATURE_BYTES`] is not sent.
    pub fn send_cosignature(&self, cosignature: Bytes) -> Delivery {
        if cosignature.len() > MAX_COSIGNATURE_BYTES {
            return Delivery::default();
        }
        self.running
            .shared
            .broadcast(&[Frame::new(Kind::Cosignature, cosignature)])
    }

    /// Sends a cosignature to one peer; false if it is not connected or its queue is full.
    #[must_use = "what was dropped has to be sent again"]
    pub fn send_cosignature_to(&self, peer: PeerKey, cosignature: Bytes) -> bool {
        let fits = cosignature.len() <= MAX_COSIGNATURE_BYTES;
        let frame = Frame::new(Kind::Cosignature, cosignature);
        fits && self.running.shared.outbox.send(peer, &[frame])
    }

    /// There is work: start the next height now if the network idles, here and at the peers.
    /// Does nothing while a height is being decided; [`Application::has_work`] is asked after it.
    pub fn wake(&self) {
        self.running.bell.notify_one();
    }

    /// Tells where a peer listens from now on, as `host:port`. Unknown peers are ignored.
    pub fn set_address(&self, peer: PeerKey, address: String) {
        let command = Command::Address(peer, address);
        let commands = self.running.shared.commands.clone();
        // The queue is bounded; a full one means that the loop is busy, not that it is gone.
        tokio::spawn(async move { commands.send(command).await });
    }

    /// Where this node listens.
    #[must_use]
    pub fn listening(&self) -> SocketAddr {
        self.running.listening
    }

    /// How things are.
    #[must_use]
    pub fn status(&self) -> Status {
        let (height, round, idle) = self.running.shared.place();
        Status {
            height: Height(height),
            round: Round(round),
            idle,
            listening: self.running.listening,
            refused: self.running.shared.refused(),
            peers: self.running.shared.outbox.status(),
        }
    }

    /// Completes when the network has ended by itself, with the reason; never after a
    /// [`Handle::stop`].
    pub async fn failed(&self) -> Arc<Fatal> {
        match self.end().await {
            Some(End::Failed(fatal)) => fatal,
            Some(End::Stopped) => std::future::pending().await,
            None => Arc::new(Fatal::Engine("its thread panicked".into())),
        }
    }

    /// Stops cleanly: no vote is cast any more, connections are closed, files are released.
    pub async fn stop(&self) {
        self.running.stop.cancel();
        self.end().await;
    }

    async fn end(&self) -> Option<End> {
        let mut end = self.running.end.clone();
        let ended = end.wait_for(Option::is_some).await;
        ended.ok().and_then(|end| end.clone())
    }
}
