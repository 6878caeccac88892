//! Where messages of peers come in: decoded, metered, and sent on to the engine, to the driver or
//! to the application.
//!
//! What always holds: whoever is said to have sent a message is whose connection it came by; a peer
//! that sends faster than it may is read more slowly, and one that sends what cannot be decoded is
//! cut; events and cosignatures are handed to the application one after the other, so that a busy
//! application slows its peers down.

use super::codec::WireCodec;
use super::context::{Height, Medanchor};
use super::decided::sync_response;
use super::shared::Shared;
use crate::batch;
use crate::bytes::Reader;
use crate::limits::{MAX_SYNC_RESPONSE_BYTES, SYNC_BATCH};
use crate::parts::{Assembled, Assembly, SignedManifest};
use crate::wire::swarm::Upstream;
use crate::wire::{Frame, Kind};
use crate::{Application, DecidedBlock, Failure, PeerKey, Twin};
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::consensus::LivenessMsg;
use arc_malachitebft_app_channel::app::engine::network::{NetworkEvent, Status};
use arc_malachitebft_app_channel::app::types::SignedConsensusMsg;
use arc_malachitebft_app_channel::app::types::codec::Codec;
use arc_malachitebft_app_channel::app::types::core::PolkaCertificate;
use arc_malachitebft_sync::{OutboundFailureReason, OutboundRequestId, Request, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::request_response::OutboundFailure;
use libp2p::swarm::ConnectionId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Votes, proposals and certificates that a peer may send a second, and at once.
const CONSENSUS_RATE: Rate = Rate {
    per_second: 5_000.0,
    burst: 10_000.0,
};
/// Wakes that a peer may send a second, and at once.
const WAKE_RATE: Rate = Rate {
    per_second: 200.0,
    burst: 50.0,
};

/// Decided blocks that are read for one answer before its size is looked at again.
const READ_AT_ONCE: usize = 4;

/// What peers say that the driver must know.
pub enum Incoming {
    /// A whole block.
    Block(PeerKey, Box<Assembled>),
    /// A quorum is said to have prevoted a value.
    Polka(Box<PolkaCertificate<Medanchor>>),
    /// Somebody has work for this height, or is already deciding it.
    Ahead(Height),
}

#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    burst: f64,
}

/// A bucket of tokens.
struct Meter {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl Meter {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            tokens: rate.burst,
            filled: Instant::now(),
        }
    }

    /// Takes a token; if there is none, says how long until there is.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let earned = now.duration_since(self.filled).as_secs_f64() * self.rate.per_second;
        self.filled = now;
        self.tokens = (self.tokens + earned).min(self.rate.burst);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64(
                (1.0 - self.tokens) / self.rate.per_second,
            ))
        }
    }
}

struct PeerState {
    consensus: Meter,
    wake: Meter,
    assembly: Assembly,
}

impl PeerState {
    fn new() -> Self {
        let (consensus, wake) = (Meter::new(CONSENSUS_RATE), Meter::new(WAKE_RATE));
        Self {
            consensus,
            wake,
            assembly: Assembly::default(),
        }
    }
}

/// See the module.
pub struct Intake<A> {
    shared: Arc<Shared>,
    application: Arc<A>,
    /// Where the application runs.
    node: Handle,
    driver: mpsc::Sender<Incoming>,
    peers: Mutex<BTreeMap<PeerKey, PeerState>>,
}

impl<A: Application> Intake<A> {
    /// Sends on to `driver` and `application`.
    pub fn new(
        shared: Arc<Shared>,
        application: Arc<A>,
        node: Handle,
        driver: mpsc::Sender<Incoming>,
    ) -> Self {
        Self {
            shared,
            application,
            node,
            driver,
            peers: Mutex::default(),
        }
    }

    fn peers(&self) -> MutexGuard<'_, BTreeMap<PeerKey, PeerState>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, peer: PeerKey, act: impl FnOnce(&mut PeerState) -> T) -> T {
        act(self.peers().entry(peer).or_insert_with(PeerState::new))
    }

    async fn take(
        &self,
        peer: PeerKey,
        connection: ConnectionId,
        frame: Frame,
    ) -> Result<(), String> {
        match frame.kind {
            Kind::Consensus | Kind::Liveness => self.consensus(peer, frame).await,
            Kind::Presence => self.presence(peer, connection, &frame.body).await,
            Kind::Status => self.status(peer, &frame.body),
            Kind::Wake => self.wake(peer, &frame.body),
            Kind::Manifest => self.manifest(peer, &frame.body),
            Kind::Chunk => self.chunk(peer, &frame.body).await,
            Kind::Events => self.events(peer, &frame.body).await,
            Kind::Cosignature => {
                let application = self.application.clone();
                let call = async move { application.cosignature(peer, frame.body).await };
                self.on_node(call).await;
                Ok(())
            }
        }
    }

    /// Runs on the node's runtime and waits. A panic there is the application's to report.
    async fn on_node(&self, call: impl Future<Output = ()> + Send + 'static) {
        let _ = self.node.spawn(call).await;
    }

    /// Waits until the peer may say something on the consensus lane.
    async fn pace(&self, peer: PeerKey) {
        while let Err(pause) = self.with(peer, |state| state.consensus.take(Instant::now())) {
            sleep(pause).await;
        }
    }

    async fn presence(
        &self,
        peer: PeerKey,
        connection: ConnectionId,
        body: &[u8],
    ) -> Result<(), String> {
        self.pace(peer).await;
        if let Some(twin) = self.shared.presence(peer, connection, body)? {
            self.twin(twin);
        }
        Ok(())
    }

    fn twin(&self, twin: Twin) {
        let application = self.application.clone();
        self.node.spawn(async move { application.twin(twin).await });
    }

    /// Whether somebody else said this with this node's key, which then is all that matters.
    fn is_twins(&self, message: &SignedConsensusMsg<Medanchor>) -> bool {
        let twin = self.shared.desk.overheard(message);
        twin.map(|twin| self.twin(twin)).is_some()
    }

    async fn consensus(&self, peer: PeerKey, frame: Frame) -> Result<(), String> {
        self.pace(peer).await;
        let Some(from) = self.shared.members.engine(peer) else {
            return Ok(());
        };
        let event = if frame.kind == Kind::Consensus {
            let message: SignedConsensusMsg<Medanchor> = decode(frame.body)?;
            if self.is_twins(&message) {
                return Ok(());
            }
            self.ahead(message.height());
            match message {
                SignedConsensusMsg::Vote(vote) => NetworkEvent::Vote(from, vote),
                SignedConsensusMsg::Proposal(proposal) => NetworkEvent::Proposal(from, proposal),
            }
        } else {
            match decode(frame.body)? {
                LivenessMsg::Vote(vote) => {
                    if self.is_twins(&SignedConsensusMsg::Vote(vote.clone())) {
                        return Ok(());
                    }
                    NetworkEvent::Vote(from, vote)
                }
                LivenessMsg::PolkaCertificate(polka) => {
                    let told = Incoming::Polka(Box::new(polka.clone()));
                    // Waits when the driver is busy; the engine hears of it all the same.
                    let _ = self.driver.send(told).await;
                    NetworkEvent::PolkaCertificate(from, polka)
                }
                LivenessMsg::SkipRoundCertificate(certificate) => {
                    NetworkEvent::RoundCertificate(from, certificate)
                }
            }
        };
        self.shared.tell(&event);
        Ok(())
    }

    /// Somebody votes in a height that this node has not started: it should not hold it back.
    fn ahead(&self, height: Height) {
        if height.0 > self.shared.place().0 {
            // A full queue means that the driver is about to look anyway.
            let _ = self.driver.try_send(Incoming::Ahead(height));
        }
    }

    fn status(&self, peer: PeerKey, body: &[u8]) -> Result<(), String> {
        let mut reader = Reader::new(body, "status");
        let read = |r: &mut Reader<'_>| Ok((Height(r.u64()?), Height(r.u64()?)));
        let (tip, oldest) = read(&mut reader)
            .and_then(|read| reader.end().map(|()| read))
            .map_err(text)?;
        if let Some(from) = self.shared.members.engine(peer) {
            self.shared
                .tell(&NetworkEvent::Status(from, Status::new(tip, oldest)));
        }
        Ok(())
    }

    fn wake(&self, peer: PeerKey, body: &[u8]) -> Result<(), String> {
        let height = body
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| "not a wake")?;
        if self
            .with(peer, |state| state.wake.take(Instant::now()))
            .is_ok()
        {
            let _ = self.driver.try_send(Incoming::Ahead(Height(height)));
        }
        Ok(())
    }

    fn manifest(&self, peer: PeerKey, body: &[u8]) -> Result<(), String> {
        let signed = SignedManifest::decode(body).map_err(text)?;
        let (current, ..) = self.shared.place();
        let height = signed.manifest.height.0;
        // Old blocks are not put together, nor those of a height that is far away.
        let near = (current..=current.saturating_add(2)).contains(&height);
        self.with(peer, |state| match near {
            true => state.assembly.begin(signed),
            false => state.assembly.clear(),
        });
        Ok(())
    }

    async fn chunk(&self, peer: PeerKey, body: &[u8]) -> Result<(), String> {
        let whole = self
            .with(peer, |state| state.assembly.chunk(body))
            .map_err(text)?;
        if let Some(block) = whole {
            // Waits when the driver has blocks enough: the peer is not read meanwhile.
            let _ = self
                .driver
                .send(Incoming::Block(peer, Box::new(block)))
                .await;
        }
        Ok(())
    }

    async fn events(&self, peer: PeerKey, body: &Bytes) -> Result<(), String> {
        let events = batch::decode(body).map_err(text)?;
        let application = self.application.clone();
        self.on_node(async move { application.events(peer, events).await })
            .await;
        Ok(())
    }
}

/// Blocks from `first` on, a few at a time, so that no more is read than one answer holds.
async fn read_blocks<A: Application>(
    application: &A,
    first: Height,
    count: usize,
) -> Result<Vec<DecidedBlock>, Failure> {
    let (mut blocks, mut size) = (Vec::new(), 0);
    let mut next = medanchor_ledger::Height(first.0);
    while blocks.len() < count && size < MAX_SYNC_RESPONSE_BYTES {
        let few = READ_AT_ONCE.min(count - blocks.len());
        let read = application.decided(next, few).await?;
        if read.is_empty() {
            break;
        }
        for block in read.into_iter().take(few) {
            size += block.body.len() + block.certificate.len();
            next = next.next();
            blocks.push(block);
        }
    }
    Ok(blocks)
}

fn decode<T>(body: Bytes) -> Result<T, String>
where
    WireCodec: Codec<T>,
{
    WireCodec
        .decode(body)
        .map_err(|malformed| malformed.to_string())
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

impl<A: Application> Upstream for Intake<A> {
    fn receive(
        self: Arc<Self>,
        peer: PeerKey,
        connection: ConnectionId,
        frame: Frame,
    ) -> BoxFuture<'static, Result<(), String>> {
        async move { self.take(peer, connection, frame).await }.boxed()
    }

    fn reachable(&self, peer: PeerKey) {
        tracing::info!(%peer, "peer connected");
        self.shared.connected(peer, true);
        self.shared.catch_up(peer);
        let application = self.application.clone();
        self.node
            .spawn(async move { application.peer_connected(peer).await });
    }

    fn unreachable(&self, peer: PeerKey) {
        tracing::info!(%peer, "peer gone");
        self.peers().remove(&peer);
        self.shared.connected(peer, false);
    }

    fn serve(self: Arc<Self>, peer: PeerKey, request: Bytes) -> BoxFuture<'static, Option<Bytes>> {
        async move {
            let Request::ValueRequest(request) = decode::<Request<Medanchor>>(request).ok()?;
            let first = *request.range.start();
            let asked = request
                .range
                .end()
                .0
                .saturating_sub(first.0)
                .saturating_add(1);
            let count = usize::try_from(asked).unwrap_or(SYNC_BATCH).min(SYNC_BATCH);
            let application = self.application.clone();
            let call = self
                .node
                .spawn(async move { read_blocks(&*application, first, count).await });
            match call.await.ok()? {
                Ok(blocks) => Some(sync_response(first, &blocks)),
                Err(failure) => {
                    tracing::error!(%peer, %failure, "decided blocks cannot be served");
                    None
                }
            }
        }
        .boxed()
    }

    fn answered(&self, peer: PeerKey, request: String, response: Bytes) {
        let Some(from) = self.shared.members.engine(peer) else {
            return;
        };
        let response: Option<Response<Medanchor>> = WireCodec.decode(response).ok();
        let id = OutboundRequestId::new(request);
        self.shared
            .tell(&NetworkEvent::SyncResponse(id, from, response));
    }

    fn unanswered(&self, peer: PeerKey, request: String, failure: OutboundFailure) {
        let Some(from) = self.shared.members.engine(peer) else {
            return;
        };
        let reason = match failure {
            OutboundFailure::DialFailure => OutboundFailureReason::DialFailure,
            OutboundFailure::Timeout => OutboundFailureReason::Timeout,
            OutboundFailure::ConnectionClosed => OutboundFailureReason::ConnectionClosed,
            OutboundFailure::UnsupportedProtocols => OutboundFailureReason::UnsupportedProtocols,
            OutboundFailure::Io(_) => OutboundFailureReason::Io,
        };
        let id = OutboundRequestId::new(request);
        self.shared
            .tell(&NetworkEvent::SyncRequestFailed(id, from, reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_meter_lets_a_burst_pass_and_then_the_rate() {
        let mut meter = Meter::new(Rate {
            per_second: 10.0,
            burst: 2.0,
        });
        let now = meter.filled;
        assert_eq!((meter.take(now), meter.take(now)), (Ok(()), Ok(())));
        let pause = meter.take(now).unwrap_err();
        assert_eq!(meter.take(now + pause + Duration::from_millis(1)), Ok(()));
        assert!(meter.take(now + pause + Duration::from_millis(1)).is_err());
    }
}
