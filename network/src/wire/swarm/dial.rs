//! Who is dialled, and when again.

use super::{Report, Wire};
use crate::PeerKey;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Between two attempts to reach a peer.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// For the look-up of a host name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A peer, and the next attempt to reach it.
pub(super) struct Dial {
    pub(super) id: PeerId,
    pub(super) address: Option<String>,
    pub(super) pause: Duration,
    pub(super) due: Option<Instant>,
}

impl Wire {
    pub(super) fn dial_of(&mut self, peer: &PeerId) -> Option<&mut Dial> {
        self.dials.get_mut(self.keys.get(peer)?)
    }

    pub(super) fn dial_later(&mut self, peer: PeerKey, pause: Duration) {
        if let Some(dial) = self.dials.get_mut(&peer) {
            dial.due = dial.address.is_some().then(|| Instant::now() + pause);
        }
    }

    pub(super) fn dial_again(&mut self, peer: PeerKey) {
        if let Some(dial) = self.dials.get_mut(&peer) {
            let pause = dial.pause;
            dial.pause = (pause * 2).min(LONGEST_PAUSE);
            self.dial_later(peer, pause);
        }
    }

    pub(super) fn dial_due(&mut self) {
        let now = Instant::now();
        for (peer, dial) in &mut self.dials {
            let Some(address) = dial.address.clone() else {
                continue;
            };
            if dial.due.is_none_or(|due| due > now) {
                continue;
            }
            dial.due = None;
            if self.swarm.is_connected(&dial.id) {
                continue;
            }
            let (peer, reports) = (*peer, self.reports.0.clone());
            tokio::spawn(async move {
                let looked_up = timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host(address)).await;
                let found = looked_up
                    .ok()
                    .and_then(Result::ok)
                    .into_iter()
                    .flatten()
                    .collect();
                let _ = reports.send(Report::Resolved(peer, found)).await;
            });
        }
    }

    pub(super) fn dial(&mut self, peer: PeerKey, addresses: Vec<SocketAddr>) {
        let Some(id) = self.dials.get(&peer).map(|dial| dial.id) else {
            return;
        };
        if self.swarm.is_connected(&id) {
            return;
        }
        let distinct: BTreeSet<_> = addresses.into_iter().collect();
        let options = DialOpts::peer_id(id)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(distinct.into_iter().map(multiaddr).collect())
            // From the listening port, two nodes that call each other would meet in one half-open
            // connection, and a restarted one would wait for the system to forget the old one.
            .allocate_new_port()
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(%peer, %error, "peer not dialled");
            self.dial_again(peer);
        }
    }
}

pub(super) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(libp2p::multiaddr::Protocol::Tcp(address.port()))
}
