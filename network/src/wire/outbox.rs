//! Queues to the peers: what is said once goes to everybody who is connected.
//!
//! What always holds: saying something never waits; each queue is bounded, and what it has no room
//! for is dropped and counted. A block goes into a queue whole or not at all. The first message on a
//! connection says which process speaks; a peer's connections are told which processes do in its name.

use super::presence::{Instance, Presence};
use super::{Frame, LANES, Lane};
use crate::PeerKey;
use crate::handle::{Delivery, PeerStatus};
use libp2p::swarm::ConnectionId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The sending side of one connection: a queue a lane.
struct Link {
    connection: ConnectionId,
    queues: [Option<Sender<Frame>>; LANES],
    /// Which process is at its other end, once it has said so.
    instance: Option<Instance>,
}

impl Link {
    const fn new(connection: ConnectionId) -> Self {
        Self {
            connection,
            queues: [const { None }; LANES],
            instance: None,
        }
    }

    /// Says something about presence; what finds no room is said again at the next change.
    fn tell(&self, frame: &Frame) {
        if let Some(Some(queue)) = self.queues.get(frame.kind.lane().index()) {
            let _ = queue.try_send(frame.clone());
        }
    }
}

#[derive(Default)]
struct PeerLinks {
    /// In the order in which they were made; the last one whose lane is open is used.
    links: Vec<Link>,
    queued: u64,
    dropped: u64,
    cut: u64,
}

/// All queues. Shared by the node's threads and the engine's; the lock is held for no longer than
/// it takes to push into channels.
pub struct Outbox {
    peers: Mutex<BTreeMap<PeerKey, PeerLinks>>,
    instance: Instance,
}

impl Outbox {
    /// Queues of this process for these peers and no others.
    pub fn new(instance: Instance, peers: impl IntoIterator<Item = PeerKey>) -> Self {
        let peers = peers
            .into_iter()
            .map(|key| (key, PeerLinks::default()))
            .collect();
        Self {
            peers: Mutex::new(peers),
            instance,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerKey, PeerLinks>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane of a connection can be written to: the queue to write from, and whether the peer is
    /// fully reachable from now on and was not before.
    pub fn open(
        &self,
        peer: PeerKey,
        connection: ConnectionId,
        lane: Lane,
    ) -> Option<(Receiver<Frame>, bool)> {
        let mut peers = self.lock();
        let entry = peers.get_mut(&peer)?;
        let before = entry.reachable();
        let (sender, receiver) = channel(lane.queue());
        let link = entry.link(connection)?;
        *link.queues.get_mut(lane.index())? = Some(sender);
        if lane == Lane::Consensus {
            link.tell(&Presence::Here(self.instance).frame());
            entry.call_the_roll();
        }
        Some((receiver, !before && entry.reachable()))
    }

    /// A process has said that it speaks on this connection of the peer.
    pub fn here(&self, peer: PeerKey, connection: ConnectionId, instance: Instance) {
        let mut peers = self.lock();
        let Some(entry) = peers.get_mut(&peer) else {
            return;
        };
        if let Some(link) = entry.link(connection) {
            link.instance = Some(instance);
            entry.call_the_roll();
        }
    }

    /// Passes something on to the process that speaks for the peer as this instance.
    pub fn pass_on(&self, peer: PeerKey, instance: Instance, frame: &Frame) {
        let peers = self.lock();
        let links = peers.get(&peer).into_iter().flat_map(|entry| &entry.links);
        links
            .filter(|link| link.instance == Some(instance))
            .for_each(|link| link.tell(frame));
    }

    /// A connection is gone; whether the peer was reachable and is not any more.
    pub fn close(&self, peer: PeerKey, connection: ConnectionId) -> bool {
        let mut peers = self.lock();
        let Some(entry) = peers.get_mut(&peer) else {
            return false;
        };
        let before = entry.reachable();
        entry.links.retain(|link| link.connection != connection);
        entry.call_the_roll();
        before && !entry.reachable()
    }

    /// Queues `frames` of one lane for every connected peer, all of them or none for each.
    pub fn broadcast(&self, frames: &[Frame]) -> Delivery {
        let mut delivery = Delivery::default();
        for entry in self.lock().values_mut() {
            match entry.send(frames) {
                Some(true) => delivery.queued += 1,
                Some(false) => delivery.dropped += 1,
                None => {}
            }
        }
        delivery
    }

    /// Queues `frames` of one lane for one peer, all of them or none; whether it took them.
    pub fn send(&self, peer: PeerKey, frames: &[Frame]) -> bool {
        self.lock()
            .get_mut(&peer)
            .and_then(|entry| entry.send(frames))
            .unwrap_or(false)
    }

    /// A connection of the peer is cut for what it did.
    pub fn count_cut(&self, peer: PeerKey) {
        if let Some(entry) = self.lock().get_mut(&peer) {
            entry.cut = entry.cut.saturating_add(1);
        }
    }

    /// Every peer's state.
    pub fn status(&self) -> Vec<PeerStatus> {
        let peers = self.lock();
        let status = |(key, entry): (&PeerKey, &PeerLinks)| PeerStatus {
            key: *key,
            connected: entry.reachable(),
            queued: entry.queued,
            dropped: entry.dropped,
            cut: entry.cut,
        };
        peers.iter().map(status).collect()
    }

    /// Drops all queues, which ends their writers.
    pub fn clear(&self) {
        self.lock()
            .values_mut()
            .for_each(|entry| entry.links.clear());
    }
}

impl PeerLinks {
    /// The link of a connection, which is made if there is none.
    fn link(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        let known = self
            .links
            .iter()
            .position(|link| link.connection == connection);
        let place = known.unwrap_or_else(|| {
            self.links.push(Link::new(connection));
            self.links.len() - 1
        });
        self.links.get_mut(place)
    }

    /// Tells every connection which processes speak in the peer's name.
    fn call_the_roll(&self) {
        let seen: BTreeSet<_> = self.links.iter().filter_map(|link| link.instance).collect();
        if !seen.is_empty() {
            let frame = Presence::Seen(seen).frame();
            self.links.iter().for_each(|link| link.tell(&frame));
        }
    }

    fn queue(&self, lane: Lane) -> Option<&Sender<Frame>> {
        let open = |link: &&Link| {
            let queue = link.queues.get(lane.index()).and_then(Option::as_ref);
            queue.is_some_and(|queue| !queue.is_closed())
        };
        let link = self.links.iter().rev().find(open)?;
        link.queues.get(lane.index())?.as_ref()
    }

    fn reachable(&self) -> bool {
        Lane::ALL.into_iter().all(|lane| self.queue(lane).is_some())
    }

    /// None if the peer is not connected, false if its queue has no room.
    fn send(&mut self, frames: &[Frame]) -> Option<bool> {
        let lane = frames.first()?.kind.lane();
        let queue = self.queue(lane)?;
        let count = u64::try_from(frames.len()).unwrap_or(u64::MAX);
        let sent = match queue.try_reserve_many(frames.len()) {
            Ok(permits) => {
                permits
                    .zip(frames)
                    .for_each(|(permit, frame)| permit.send(frame.clone()));
                true
            }
            Err(_) => false,
        };
        let counter = if sent {
            &mut self.queued
        } else {
            &mut self.dropped
        };
        *counter = counter.saturating_add(count);
        Some(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    const PEER: PeerKey = PeerKey::new([1; 32]);

    fn frames(count: usize) -> Vec<Frame> {
        vec![Frame::new(Kind::Chunk, vec![0]); count]
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_takes_blocks_whole() {
        let outbox = Outbox::new([0; 16], [PEER]);
        assert_eq!(
            outbox.broadcast(&frames(1)),
            Delivery::default(),
            "nobody is connected"
        );
        let connection = ConnectionId::new_unchecked(1);
        let (mut queue, _) = outbox.open(PEER, connection, Lane::Parts).unwrap();
        let room = Lane::Parts.queue();
        assert_eq!(outbox.broadcast(&frames(room - 1)).queued, 1);
        assert_eq!(
            outbox.broadcast(&frames(2)).dropped,
            1,
            "half a block is none"
        );
        assert!(outbox.send(PEER, &frames(1)));
        assert_eq!(outbox.status()[0].dropped, 2);
        assert_eq!(outbox.status()[0].queued, room as u64);
        let received = std::iter::from_fn(|| queue.try_recv().ok()).count();
        assert_eq!(received, room);
    }

    #[test]
    fn a_peer_is_reachable_when_all_lanes_of_a_connection_are_open() {
        let outbox = Outbox::new([0; 16], [PEER]);
        let connection = ConnectionId::new_unchecked(1);
        let opened: Vec<_> = Lane::ALL
            .map(|lane| outbox.open(PEER, connection, lane).unwrap())
            .into();
        assert_eq!(
            opened.iter().map(|(_, now)| *now).collect::<Vec<_>>(),
            [false, false, false, true]
        );
        assert!(outbox.status()[0].connected);
        assert!(outbox.close(PEER, connection));
        assert!(!outbox.status()[0].connected);
    }

    #[test]
    fn a_second_connection_takes_over_when_the_first_ends() {
        let outbox = Outbox::new([0; 16], [PEER]);
        let [first, second] = [1, 2].map(ConnectionId::new_unchecked);
        let keep: Vec<_> = [first, second]
            .into_iter()
            .flat_map(|c| Lane::ALL.map(|lane| outbox.open(PEER, c, lane).unwrap()))
            .collect();
        assert!(!outbox.close(PEER, second), "still reachable by the first");
        assert!(outbox.send(PEER, &frames(1)));
        assert!(outbox.close(PEER, first));
        drop(keep);
    }

    #[test]
    fn nobody_else_has_a_queue() {
        let outbox = Outbox::new([0; 16], [PEER]);
        let connection = ConnectionId::new_unchecked(1);
        assert!(
            outbox
                .open(PeerKey::new([2; 32]), connection, Lane::Events)
                .is_none()
        );
    }

    #[test]
    fn the_connections_of_a_peer_are_told_of_each_others_processes() {
        let outbox = Outbox::new([7; 16], [PEER]);
        let [first, second] = [1, 2].map(ConnectionId::new_unchecked);
        let heard = |queue: &mut Receiver<Frame>| {
            let frames = std::iter::from_fn(|| queue.try_recv().ok());
            let decode = |frame: Frame| Presence::decode(&frame.body).unwrap();
            frames.map(decode).collect::<Vec<_>>()
        };
        let seen = |ends: &[u8]| Presence::Seen(ends.iter().map(|end| [*end; 16]).collect());
        // It may speak before it can be spoken to.
        outbox.here(PEER, first, [1; 16]);
        let (mut to_first, _) = outbox.open(PEER, first, Lane::Consensus).unwrap();
        let here = Presence::Here([7; 16]);
        assert_eq!(heard(&mut to_first), [here.clone(), seen(&[1])]);
        let (mut to_second, _) = outbox.open(PEER, second, Lane::Consensus).unwrap();
        outbox.here(PEER, second, [2; 16]);
        assert_eq!(heard(&mut to_second), [here, seen(&[1]), seen(&[1, 2])]);
        assert_eq!(heard(&mut to_first), [seen(&[1]), seen(&[1, 2])]);
        let alive = Presence::Alive([2; 16], [0; 64]);
        outbox.pass_on(PEER, [2; 16], &alive.frame());
        assert!(heard(&mut to_first).is_empty());
        assert_eq!(heard(&mut to_second), [alive]);
        outbox.close(PEER, first);
        assert_eq!(heard(&mut to_second), [seen(&[2])]);
    }
}
