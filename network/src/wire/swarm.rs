//! The loop that owns the swarm: who is connected, who is dialled again, who is cut.
//!
//! What always holds: a peer is dialled while it has no connection, with a pause that doubles up to a
//! bound and starts over once it was connected; a peer that breaks the framing, opens a
//! lane twice, does not speak a lane, does not read or does not answer pings loses its connection.

mod dial;
mod port;

use super::lanes::{self, LaneEvent, LaneStream};
use super::streams::{read_frame, write_queue};
use super::sync::SyncCodec;
use super::{Frame, Lane};
use crate::engine::shared::Shared;
use crate::{PeerKey, SecretSeed};
use ::bytes::Bytes;
use dial::{Dial, SHORTEST_PAUSE};
use futures::StreamExt;
use futures::future::BoxFuture;
use libp2p::request_response::{self, OutboundFailure, ResponseChannel};
use libp2p::swarm::{ConnectionId, NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, Swarm, ping};
use libp2p_connection_limits as connection_limits;
use medanchor_ledger::NetworkId;
use port::{build, listen};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// For a whole sync request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Sync requests that are answered at one time.
const SERVED_AT_ONCE: usize = 8;
/// Connections of one peer: two may cross, and an old one may not have noticed its end.
const CONNECTIONS_PER_PEER: u32 = 4;
/// A member that opens no stream is cut after this.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where messages go that come from peers. Futures run on the engine's thread.
pub trait Upstream: Send + Sync + 'static {
    /// A message; the stream is not read on until this is done. An error says how the peer broke
    /// the protocol, and its connection is cut.
    fn receive(
        self: Arc<Self>,
        peer: PeerKey,
        connection: ConnectionId,
        frame: Frame,
    ) -> BoxFuture<'static, Result<(), String>>;
    /// All lanes to a peer are open now.
    fn reachable(&self, peer: PeerKey);
    /// No connection has all lanes open any more.
    fn unreachable(&self, peer: PeerKey);
    /// Answers a sync request, or not.
    fn serve(self: Arc<Self>, peer: PeerKey, request: Bytes) -> BoxFuture<'static, Option<Bytes>>;
    /// A sync request has been answered.
    fn answered(&self, peer: PeerKey, request: String, response: Bytes);
    /// A sync request has failed.
    fn unanswered(&self, peer: PeerKey, request: String, failure: OutboundFailure);
}

/// What the loop is asked to do.
pub enum Command {
    /// Asks a peer for decided blocks; the request's id is told at once.
    Request(PeerKey, Bytes, oneshot::Sender<String>),
    /// A peer listens elsewhere.
    Address(PeerKey, String),
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    // First, so that a stranger is denied before anything else sees it.
    lanes: lanes::Behaviour,
    limits: connection_limits::Behaviour,
    sync: request_response::Behaviour<SyncCodec>,
    ping: ping::Behaviour,
}

/// What tasks report to the loop.
enum Report {
    Resolved(PeerKey, Vec<SocketAddr>),
    Cut(PeerKey, ConnectionId, String),
    Served(ResponseChannel<Bytes>, Option<Bytes>),
}

/// The loop's state, which nobody else touches.
pub struct Wire {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    upstream: Arc<dyn Upstream>,
    keys: BTreeMap<PeerId, PeerKey>,
    dials: BTreeMap<PeerKey, Dial>,
    readers: BTreeMap<(ConnectionId, Lane), AbortHandle>,
    serving: Arc<Semaphore>,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
}

/// What a [`Wire`] is built from.
pub struct Plan {
    /// The network.
    pub network: NetworkId,
    /// This node's identity.
    pub seed: SecretSeed,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The members and where they listen.
    pub peers: Vec<(PeerKey, PeerId, Option<String>)>,
}

impl Wire {
    /// Opens the port. Must be called on the engine's runtime.
    ///
    /// # Errors
    /// What the system says when the address cannot be listened on.
    pub async fn open(
        plan: Plan,
        shared: Arc<Shared>,
        upstream: Arc<dyn Upstream>,
    ) -> io::Result<(Self, SocketAddr)> {
        let mut swarm = build(&plan)?;
        let listening = listen(&mut swarm, plan.listen).await?;
        let keys = plan.peers.iter().map(|(key, id, _)| (*id, *key)).collect();
        let now = Instant::now();
        let dial = |(key, id, address): (PeerKey, PeerId, Option<String>)| {
            let due = address.is_some().then_some(now);
            (
                key,
                Dial {
                    id,
                    address,
                    pause: SHORTEST_PAUSE,
                    due,
                },
            )
        };
        let wire = Self {
            swarm,
            shared,
            upstream,
            keys,
            dials: plan.peers.into_iter().map(dial).collect(),
            readers: BTreeMap::new(),
            serving: Arc::new(Semaphore::new(SERVED_AT_ONCE)),
            reports: mpsc::channel(64),
        };
        Ok((wire, listening))
    }

    /// Runs until `stop` is cancelled.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>, stop: CancellationToken) {
        loop {
            let due = self.dials.values().filter_map(|dial| dial.due).min();
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(report) = self.reports.1.recv() => self.on_report(report),
                Some(command) = commands.recv() => self.on_command(command),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.dial_due();
                }
            }
        }
        self.readers.values().for_each(AbortHandle::abort);
        self.shared.outbox.clear();
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Request(peer, body, id) => {
                let Some(dial) = self.dials.get(&peer) else {
                    return;
                };
                let request = self.swarm.behaviour_mut().sync.send_request(&dial.id, body);
                // The asker may have stopped; the answer is dropped then.
                let _ = id.send(request.to_string());
            }
            Command::Address(peer, address) => {
                if let Some(dial) = self.dials.get_mut(&peer) {
                    dial.address = Some(address);
                    dial.pause = SHORTEST_PAUSE;
                    self.dial_later(peer, Duration::ZERO);
                }
            }
        }
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Resolved(peer, addresses) => self.dial(peer, addresses),
            Report::Cut(peer, connection, fault) => self.cut(peer, connection, &fault),
            Report::Served(channel, Some(response)) => {
                // The peer may be gone; it asks somebody else then.
                let _ = self
                    .swarm
                    .behaviour_mut()
                    .sync
                    .send_response(channel, response);
            }
            Report::Served(_, None) => {}
        }
    }

    fn cut(&mut self, peer: PeerKey, connection: ConnectionId, fault: &str) {
        tracing::warn!(%peer, fault, "peer cut");
        self.shared.outbox.count_cut(peer);
        self.swarm.close_connection(connection);
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Lanes(event)) => self.on_lane(event),
            SwarmEvent::Behaviour(BehaviourEvent::Sync(event)) => self.on_sync(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(ping::Failure::Timeout),
                ..
            })) => {
                self.swarm.close_connection(connection);
            }
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                if let Some(dial) = self.dial_of(&peer_id) {
                    dial.pause = SHORTEST_PAUSE;
                    dial.due = None;
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                num_established,
                ..
            } => {
                self.on_closed(peer_id, connection_id, num_established);
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => {
                tracing::debug!(%peer, %error, "peer not reached");
                if !self.swarm.is_connected(&peer)
                    && let Some(key) = self.keys.get(&peer).copied()
                {
                    self.dial_again(key);
                }
            }
            SwarmEvent::IncomingConnectionError {
                error,
                send_back_addr,
                ..
            } => {
                tracing::info!(%error, from = %send_back_addr, "connection refused");
                self.shared.count_refused();
            }
            _ => {}
        }
    }

    fn on_closed(&mut self, peer: PeerId, connection: ConnectionId, left: u32) {
        for lane in Lane::ALL {
            if let Some(reader) = self.readers.remove(&(connection, lane)) {
                reader.abort();
            }
        }
        let Some(key) = self.keys.get(&peer).copied() else {
            return;
        };
        if self.shared.outbox.close(key, connection) {
            self.upstream.unreachable(key);
        }
        if left == 0 {
            self.dial_later(key, SHORTEST_PAUSE);
        }
    }

    fn on_lane(&mut self, event: lanes::Event) {
        let (peer, connection) = (event.peer, event.connection);
        match event.event {
            LaneEvent::Out(LaneStream { lane, stream }) => {
                let Some((queue, now)) = self.shared.outbox.open(peer, connection, lane) else {
                    return;
                };
                let reports = self.reports.0.clone();
                tokio::spawn(async move {
                    if let Err(error) = write_queue(stream, queue).await {
                        let fault = format!("cannot be written to: {error}");
                        let _ = reports.send(Report::Cut(peer, connection, fault)).await;
                    }
                });
                if now {
                    self.upstream.reachable(peer);
                }
            }
            LaneEvent::In(stream) => self.on_incoming(peer, connection, stream),
            LaneEvent::Refused(lane) => {
                let fault = format!("it does not speak {lane:?}: another network or release");
                self.cut(peer, connection, &fault);
            }
        }
    }

    fn on_incoming(&mut self, peer: PeerKey, connection: ConnectionId, stream: LaneStream) {
        let lane = stream.lane;
        if self.readers.contains_key(&(connection, lane)) {
            return self.cut(peer, connection, &format!("it opened {lane:?} twice"));
        }
        let (upstream, reports) = (self.upstream.clone(), self.reports.0.clone());
        let reader = tokio::spawn(async move {
            if let Err(fault) = read_lane(stream, (peer, connection), upstream).await {
                let _ = reports.send(Report::Cut(peer, connection, fault)).await;
            }
        });
        self.readers
            .insert((connection, lane), reader.abort_handle());
    }

    fn on_sync(&mut self, event: request_response::Event<Bytes, Bytes>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message, .. } => {
                let Some(peer) = self.keys.get(&peer).copied() else {
                    return;
                };
                match message {
                    Message::Request {
                        request, channel, ..
                    } => self.serve(peer, request, channel),
                    Message::Response {
                        request_id,
                        response,
                    } => {
                        self.upstream
                            .answered(peer, request_id.to_string(), response);
                    }
                }
            }
            Event::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                if let Some(peer) = self.keys.get(&peer).copied() {
                    self.upstream
                        .unanswered(peer, request_id.to_string(), error);
                }
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    fn serve(&self, peer: PeerKey, request: Bytes, channel: ResponseChannel<Bytes>) {
        // Without a permit the channel is dropped, and the peer asks again or asks another.
        let Ok(permit) = self.serving.clone().try_acquire_owned() else {
            return;
        };
        let answer = self.upstream.clone().serve(peer, request);
        let reports = self.reports.0.clone();
        tokio::spawn(async move {
            let response = timeout(REQUEST_TIMEOUT, answer).await.unwrap_or(None);
            let _ = reports.send(Report::Served(channel, response)).await;
            drop(permit);
        });
    }
}

async fn read_lane(
    LaneStream { lane, mut stream }: LaneStream,
    (peer, connection): (PeerKey, ConnectionId),
    upstream: Arc<dyn Upstream>,
) -> Result<(), String> {
    loop {
        match read_frame(&mut stream, lane).await {
            Ok(frame) => upstream.clone().receive(peer, connection, frame).await?,
            Err(error) if error.kind() == ErrorKind::InvalidData => return Err(error.to_string()),
            // The connection is ending, or the peer has nothing more to say.
            Err(_) => return Ok(()),
        }
    }
}
