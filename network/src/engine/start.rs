//! Brings the engine up on a thread of its own, and takes it down.
//!
//! What always holds: the engine runs on a current-thread runtime that nothing else uses; it is
//! built with proposals and parts only (ENGINE rule 1), sync in batches of 50 (rule 9), and our
//! network; it starts only after the write-ahead log was found whole and the port is open.

use super::actor::NetworkActor;
use super::codec::WireCodec;
use super::context::{Address, Medanchor};
use super::driver::{Driver, Parts};
use super::intake::Intake;
use super::office::{Desk, Me};
use super::shared::Shared;
use super::signing::{Judge, Pen};
use super::wal;
use crate::limits::SYNC_BATCH;
use crate::wire::swarm::{Command, Plan, Wire};
use crate::{Application, Config, Fatal, PeerKey, StartError, WalFile};
use arc_malachitebft_app_channel::app::config::{
    ConsensusConfig, NodeConfig, ValuePayload, ValueSyncConfig,
};
use arc_malachitebft_app_channel::{
    Channels, ConsensusContext, EngineBuilder, EngineHandle, RequestContext, SyncContext,
    WalContext,
};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use medanchor_ledger::{Height, ParticipantName};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// For the engine's actors to end by themselves.
const FAREWELL: Duration = Duration::from_secs(3);

/// How it ended.
#[derive(Clone)]
pub enum End {
    /// As asked.
    Stopped,
    /// By itself.
    Failed(Arc<Fatal>),
}

/// What a running engine is held by.
pub struct Running {
    /// What is shared with it.
    pub shared: Arc<Shared>,
    /// Where it listens.
    pub listening: SocketAddr,
    /// Rung for local work.
    pub bell: Arc<Notify>,
    /// Cancelled to stop it.
    pub stop: CancellationToken,
    /// Tells the end; closed without one if the thread panicked.
    pub end: watch::Receiver<Option<End>>,
}

struct EngineConfig {
    moniker: String,
    consensus: ConsensusConfig,
    sync: ValueSyncConfig,
}

impl NodeConfig for EngineConfig {
    fn moniker(&self) -> &str {
        &self.moniker
    }
    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }
    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }
    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }
    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

fn engine_config(config: &Config) -> EngineConfig {
    let sync = ValueSyncConfig {
        status_update_interval: config.timeouts.status,
        request_timeout: Duration::from_secs(10),
        batch_size: SYNC_BATCH,
        ..ValueSyncConfig::default()
    };
    EngineConfig {
        moniker: PeerKey::new(config.peer_seed.public_key()).to_string(),
        consensus: ConsensusConfig {
            // A follower hears everything and votes on nothing.
            enabled: config.consensus.is_some(),
            value_payload: ValuePayload::ProposalAndParts,
            ..ConsensusConfig::default()
        },
        sync,
    }
}

/// ENGINE rule 1: with proposals only, the engine takes every proposal for valid without asking.
fn require_parts(config: &ConsensusConfig) -> Result<(), StartError> {
    match config.value_payload {
        ValuePayload::ProposalAndParts => Ok(()),
        ValuePayload::ProposalOnly => Err(StartError::ProposalOnly),
    }
}

/// Starts the thread and waits until the port is open and the engine is built.
///
/// # Errors
/// [`StartError`]; the thread has ended then.
pub async fn start<A: Application>(
    config: Config,
    application: Arc<A>,
) -> Result<Running, StartError> {
    let node = Handle::current();
    let (told, ready) = oneshot::channel();
    let (ended, end) = watch::channel(None);
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let thread = std::thread::Builder::new().name("medanchor-engine".into());
    let spawned = thread.spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                // The starter has gone if it does not listen.
                let _ = told.send(Err(StartError::Engine(error.to_string())));
                return;
            }
        };
        let result = runtime.block_on(live(config, application, node, stopping, told));
        runtime.shutdown_timeout(FAREWELL);
        let end = match result {
            Ok(()) => End::Stopped,
            Err(fatal) => End::Failed(Arc::new(fatal)),
        };
        ended.send_replace(Some(end));
    });
    spawned.map_err(|error| StartError::Engine(error.to_string()))?;
    let gone = || StartError::Engine("its thread ended".into());
    let (shared, listening, bell) = ready.await.map_err(|_| gone())??;
    Ok(Running {
        shared,
        listening,
        bell,
        stop,
        end,
    })
}

type Ready = (Arc<Shared>, SocketAddr, Arc<Notify>);

/// The life of the engine's thread.
async fn live<A: Application>(
    config: Config,
    application: Arc<A>,
    node: Handle,
    stop: CancellationToken,
    told: oneshot::Sender<Result<Ready, StartError>>,
) -> Result<(), Fatal> {
    let mut parts = match assemble(config, application, node).await {
        Ok(parts) => parts,
        Err(error) => {
            // The starter has gone if it does not listen; then nothing has been started either.
            let _ = told.send(Err(error));
            return Ok(());
        }
    };
    let ready = (parts.shared.clone(), parts.listening, parts.bell.clone());
    if told.send(Ok(ready)).is_err() {
        stop.cancel();
    }
    let wire_stop = CancellationToken::new();
    let wire = tokio::spawn(parts.wire.run(parts.commands, wire_stop.clone()));
    parts.shared.listening(engine_address(parts.listening));
    let end = tokio::select! {
        end = parts.driver.run(&mut parts.channels, parts.incoming, stop.clone()) => end,
        _ = &mut parts.engine.handle => Err(Fatal::Engine("one of its parts failed".into())),
        () = parts.actor_stopped.cancelled() => Err(unsafe_end()),
    };
    // First the voice, then the brain: nothing is voted for or sent any more after this.
    wire_stop.cancel();
    let end = match end {
        // When it fails a safety check the engine stops all its parts, in no order.
        Err(Fatal::Engine(_))
            if timeout(FAREWELL, parts.actor_stopped.cancelled())
                .await
                .is_ok() =>
        {
            Err(unsafe_end())
        }
        end => end,
    };
    let cell = parts.engine.actor.get_cell();
    cell.stop_children(None);
    parts.engine.actor.stop(None);
    let _ = timeout(FAREWELL, async {
        let _ = wire.await;
        parts.actor_stopped.cancelled().await;
    })
    .await;
    end
}

fn unsafe_end() -> Fatal {
    Fatal::Wal("it could not be written, or the engine failed a safety check".into())
}

struct Assembly<A> {
    shared: Arc<Shared>,
    listening: SocketAddr,
    bell: Arc<Notify>,
    wire: Wire,
    commands: mpsc::Receiver<Command>,
    incoming: mpsc::Receiver<super::intake::Incoming>,
    driver: Driver<A>,
    channels: Channels<Medanchor>,
    engine: EngineHandle,
    actor_stopped: CancellationToken,
}

async fn assemble<A: Application>(
    config: Config,
    application: Arc<A>,
    node: Handle,
) -> Result<Assembly<A>, StartError> {
    let (path, votes) = prepare_wal(&config)?;
    let keys: Vec<_> = config.peers.iter().map(|peer| peer.key).collect();
    let (commands_in, commands) = mpsc::channel(256);
    let (incoming_in, incoming) = mpsc::channel(8);
    let judge = Judge {
        network: config.network_id,
    };
    let me = config.consensus.as_ref().map(|consensus| Me {
        name: Address(consensus.name.clone()),
        pen: Pen::new(judge.clone(), &consensus.seed),
    });
    let desk = Desk::new(config.instance, me, keys.len());
    let shared = Arc::new(Shared::new(&keys, desk, commands_in));
    let intake = Intake::new(
        shared.clone(),
        application.clone(),
        node.clone(),
        incoming_in,
    );
    let (wire, listening) = open_wire(&config, shared.clone(), Arc::new(intake)).await?;
    let actor_stopped = CancellationToken::new();
    let (channels, engine) = build_engine(
        &config,
        &path,
        &judge,
        shared.clone(),
        actor_stopped.clone(),
    )
    .await
    .map_err(StartError::Engine)?;
    let bell = Arc::new(Notify::new());
    let me = config.consensus.as_ref().map(|consensus| {
        (
            Address(consensus.name.clone()),
            Pen::new(judge.clone(), &consensus.seed),
        )
    });
    let driver = Driver::new(Parts {
        application,
        node,
        shared: shared.clone(),
        judge,
        me,
        timeouts: config.timeouts,
        votes,
        bell: bell.clone(),
    });
    Ok(Assembly {
        shared,
        listening,
        bell,
        wire,
        commands,
        incoming,
        driver,
        channels,
        engine,
        actor_stopped,
    })
}

fn prepare_wal(config: &Config) -> Result<(PathBuf, Option<Height>), StartError> {
    let path = WalFile::of(&config.wal_dir).path();
    let refuse = |reason: String| StartError::Wal {
        path: path.clone(),
        reason,
    };
    std::fs::create_dir_all(&config.wal_dir).map_err(|error| refuse(error.to_string()))?;
    let votes = wal::inspect(&path).map_err(|fault| refuse(fault.to_string()))?;
    Ok((path, votes))
}

async fn open_wire<A: Application>(
    config: &Config,
    shared: Arc<Shared>,
    intake: Arc<Intake<A>>,
) -> Result<(Wire, SocketAddr), StartError> {
    let listed = config.peers.iter();
    let peers = listed
        .filter_map(|peer| Some((peer.key, peer.key.to_peer_id()?, peer.address.clone())))
        .collect();
    let plan = Plan {
        network: config.network_id,
        seed: config.peer_seed.clone(),
        listen: config.listen,
        peers,
    };
    let address = config.listen;
    Wire::open(plan, shared, intake)
        .await
        .map_err(|source| StartError::Listen { address, source })
}

async fn build_engine(
    config: &Config,
    wal: &std::path::Path,
    judge: &Judge,
    shared: Arc<Shared>,
    actor_stopped: CancellationToken,
) -> Result<(Channels<Medanchor>, EngineHandle), String> {
    let engine = engine_config(config);
    require_parts(&engine.consensus).map_err(|error| error.to_string())?;
    let network = NetworkActor::spawn(shared, actor_stopped)
        .await
        .map_err(|error| error.to_string())?;
    // Parts are never published through the engine.
    let (unused, _) = mpsc::channel(1);
    let verifier = Box::new(judge.clone());
    let consensus = match &config.consensus {
        Some(consensus) => ConsensusContext::new_validator(
            Address(consensus.name.clone()),
            verifier,
            Box::new(Pen::new(judge.clone(), &consensus.seed)),
        ),
        None => ConsensusContext::new_full_node(Address(follower()?), verifier),
    };
    EngineBuilder::new(Medanchor, engine)
        .with_default_wal(WalContext::new(wal.to_owned(), WireCodec))
        .with_custom_network(network, unused)
        .with_default_sync(SyncContext::new(WireCodec))
        .with_default_consensus(consensus)
        .with_default_request(RequestContext::new(1))
        .build()
        .await
        .map_err(|error| error.to_string())
}

/// Consensus is off on a follower, so its name means nothing.
fn follower() -> Result<ParticipantName, String> {
    "follower".parse().map_err(|error| format!("{error}"))
}

fn engine_address(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_1_proposals_without_parts_are_refused_at_start_up() {
        let with = |value_payload| ConsensusConfig {
            value_payload,
            ..ConsensusConfig::default()
        };
        assert!(require_parts(&with(ValuePayload::ProposalAndParts)).is_ok());
        let refused = require_parts(&with(ValuePayload::ProposalOnly));
        assert!(matches!(refused, Err(StartError::ProposalOnly)));
    }
}
