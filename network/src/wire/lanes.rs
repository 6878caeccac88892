//! The behaviour that admits peers and opens one stream a lane on each connection.
//!
//! What always holds: a connection of anybody who is not on the list is denied when its Noise
//! handshake has shown who it is, before any protocol can run on it. Whether the peer says
//! anything does not matter, so silence does not help a stranger.

use super::Lane;
use crate::PeerKey;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, Stream, StreamProtocol, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use medanchor_ledger::NetworkId;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Somebody who is not on the list.
#[derive(Debug, thiserror::Error)]
#[error("peer {0} is not a member of this network")]
pub struct Stranger(PeerId);

/// What happens on a lane of a connection.
#[derive(Debug)]
pub enum LaneEvent {
    /// This node can write.
    Out(LaneStream),
    /// The peer will write.
    In(LaneStream),
    /// The peer does not speak this lane: another network or release.
    Refused(Lane),
}

/// A stream and its lane.
pub struct LaneStream {
    /// Which.
    pub lane: Lane,
    /// The stream.
    pub stream: Stream,
}

impl fmt::Debug for LaneStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LaneStream({:?})", self.lane)
    }
}

/// A lane event, and where.
#[derive(Debug)]
pub struct Event {
    /// Whose.
    pub peer: PeerKey,
    /// On which connection.
    pub connection: ConnectionId,
    /// What.
    pub event: LaneEvent,
}

/// Admits the listed peers and nobody else.
pub struct Behaviour {
    members: BTreeMap<PeerId, PeerKey>,
    protocols: Arc<[(StreamProtocol, Lane)]>,
    events: VecDeque<Event>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// For the peers of one network.
    pub fn new(network: &NetworkId, members: BTreeMap<PeerId, PeerKey>) -> Self {
        let protocols = Lane::ALL.map(|lane| (lane.protocol(network), lane));
        Self {
            members,
            protocols: protocols.into(),
            events: VecDeque::new(),
            waker: None,
        }
    }

    fn admit(&self, peer: PeerId) -> Result<Handler, ConnectionDenied> {
        if self.members.contains_key(&peer) {
            Ok(Handler {
                protocols: self.protocols.clone(),
                to_open: Lane::ALL.into(),
                events: VecDeque::new(),
                waker: None,
            })
        } else {
            Err(ConnectionDenied::new(Stranger(peer)))
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(peer)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if let Some(peer) = self.members.get(&peer).copied() {
            self.events.push_back(Event {
                peer,
                connection,
                event,
            });
            self.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(event));
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Opens the lanes of one connection, once each, and takes those of the peer.
pub struct Handler {
    protocols: Arc<[(StreamProtocol, Lane)]>,
    to_open: VecDeque<Lane>,
    events: VecDeque<LaneEvent>,
    waker: Option<Waker>,
}

impl Handler {
    fn push(&mut self, event: LaneEvent) {
        self.events.push_back(event);
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn upgrade(&self, wanted: impl Fn(Lane) -> bool) -> Upgrade {
        Upgrade(
            self.protocols
                .iter()
                .filter(|(_, lane)| wanted(*lane))
                .cloned()
                .collect(),
        )
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = LaneEvent;
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Lane;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(self.upgrade(|_| true), ())
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Upgrade, Lane, LaneEvent>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if let Some(lane) = self.to_open.pop_front() {
            let protocol = SubstreamProtocol::new(self.upgrade(|other| other == lane), lane);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Upgrade, Upgrade, (), Lane>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.push(LaneEvent::In(protocol)),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.push(LaneEvent::Out(protocol)),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, .. }) => {
                self.push(LaneEvent::Refused(info));
            }
            _ => {}
        }
    }
}

/// Nothing but the choice of a protocol.
#[derive(Debug)]
pub struct Upgrade(Vec<(StreamProtocol, Lane)>);

/// A protocol name that remembers its lane.
#[derive(Clone, Debug)]
pub struct Named(StreamProtocol, Lane);

impl AsRef<str> for Named {
    fn as_ref(&self) -> &str {
        self.0.as_ref()
    }
}

impl UpgradeInfo for Upgrade {
    type Info = Named;
    type InfoIter = std::vec::IntoIter<Named>;

    fn protocol_info(&self) -> Self::InfoIter {
        let named = self.0.iter().map(|(name, lane)| Named(name.clone(), *lane));
        named.collect::<Vec<_>>().into_iter()
    }
}

impl InboundUpgrade<Stream> for Upgrade {
    type Output = LaneStream;
    type Error = Infallible;
    type Future = Ready<Result<LaneStream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, Named(_, lane): Named) -> Self::Future {
        ready(Ok(LaneStream { lane, stream }))
    }
}

impl OutboundUpgrade<Stream> for Upgrade {
    type Output = LaneStream;
    type Error = Infallible;
    type Future = Ready<Result<LaneStream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, Named(_, lane): Named) -> Self::Future {
        ready(Ok(LaneStream { lane, stream }))
    }
}
