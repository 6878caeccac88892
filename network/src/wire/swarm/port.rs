//! The swarm and its port.

use super::{Behaviour, CONNECTIONS_PER_PEER, IDLE_TIMEOUT, Plan, REQUEST_TIMEOUT};
use crate::limits::{HANDSHAKE_TIMEOUT, MAX_PENDING_CONNECTIONS};
use crate::wire::sync::SyncCodec;
use crate::wire::{lanes, protocol};
use futures::StreamExt;
use libp2p::core::upgrade::Version;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{self, SwarmEvent};
use libp2p::{Swarm, Transport, noise, ping, tcp, yamux};
use libp2p_connection_limits::{self as connection_limits, ConnectionLimits};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) async fn listening(
    swarm: &mut Swarm<Behaviour>,
    wanted: SocketAddr,
) -> Result<SocketAddr, String> {
    use libp2p::multiaddr::Protocol;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                let port = address.iter().find_map(|part| match part {
                    Protocol::Tcp(port) => Some(port),
                    _ => None,
                });
                return Ok(SocketAddr::new(wanted.ip(), port.unwrap_or(wanted.port())));
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                return Err(reason
                    .err()
                    .map_or("closed".into(), |error| error.to_string()));
            }
            SwarmEvent::ListenerError { error, .. } => return Err(error.to_string()),
            _ => {}
        }
    }
}

pub(super) fn build(plan: &Plan) -> Result<Swarm<Behaviour>, String> {
    let mut seed = *plan.seed.expose();
    // Wipes `seed`.
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes(&mut seed)
        .map_err(|error| error.to_string())?;
    let noise = noise::Config::new(&keypair).map_err(|error| error.to_string())?;
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(64);
    let transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(muxer)
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed();
    let members = plan.peers.iter().map(|(key, id, _)| (*id, *key)).collect();
    let peers = u32::try_from(plan.peers.len()).unwrap_or(u32::MAX);
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_CONNECTIONS))
        .with_max_established(Some(peers.saturating_mul(CONNECTIONS_PER_PEER)))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER));
    let requests = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(16);
    let sync = [(protocol(&plan.network, "sync"), ProtocolSupport::Full)];
    let behaviour = Behaviour {
        lanes: lanes::Behaviour::new(&plan.network, members),
        limits: connection_limits::Behaviour::new(limits),
        sync: request_response::Behaviour::with_codec(SyncCodec, sync, requests),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(5))),
    };
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIMEOUT);
    Ok(Swarm::new(
        transport,
        behaviour,
        keypair.public().to_peer_id(),
        config,
    ))
}
