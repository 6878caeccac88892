//! The swarm and its port.
//!
//! What always holds: a port on which another program listens, another node included, is refused.

use super::{Behaviour, CONNECTIONS_PER_PEER, IDLE_TIMEOUT, Plan, REQUEST_TIMEOUT};
use crate::limits::{HANDSHAKE_TIMEOUT, MAX_PENDING_CONNECTIONS};
use crate::wire::swarm::dial::multiaddr;
use crate::wire::sync::SyncCodec;
use crate::wire::{lanes, protocol};
use futures::StreamExt;
use libp2p::core::upgrade::Version;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{self, SwarmEvent};
use libp2p::{Swarm, Transport, TransportError, noise, ping, tcp, yamux};
use libp2p_connection_limits::{self as connection_limits, ConnectionLimits};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Opens the port; where it is.
pub(super) async fn listen(
    swarm: &mut Swarm<Behaviour>,
    wanted: SocketAddr,
) -> io::Result<SocketAddr> {
    // The swarm shares its port (SO_REUSEPORT) with every program that shares it too, and that is
    // every other node; this listener shares with nobody. It must be gone before the swarm binds, so
    // two nodes that start in the same instant can still miss each other.
    drop(TcpListener::bind(wanted)?);
    swarm
        .listen_on(multiaddr(wanted))
        .map_err(|error| match error {
            TransportError::Other(error) => error,
            other => io::Error::other(other),
        })?;
    listening(swarm, wanted).await
}

async fn listening(swarm: &mut Swarm<Behaviour>, wanted: SocketAddr) -> io::Result<SocketAddr> {
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
                return Err(reason.err().unwrap_or_else(|| io::Error::other("closed")));
            }
            SwarmEvent::ListenerError { error, .. } => return Err(error),
            _ => {}
        }
    }
}

pub(super) fn build(plan: &Plan) -> io::Result<Swarm<Behaviour>> {
    let mut seed = *plan.seed.expose();
    // Wipes `seed`.
    let keypair =
        libp2p::identity::Keypair::ed25519_from_bytes(&mut seed).map_err(io::Error::other)?;
    let noise = noise::Config::new(&keypair).map_err(io::Error::other)?;
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
