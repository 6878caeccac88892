//! What the engine's parts, the peer-to-peer layer and the node's handle share.
//!
//! What always holds: every lock here is held for a few pushes and never across an await; a peer
//! that connects while a height is being decided is sent what this node already said about it, so
//! that nobody misses a round for having come late (ENGINE rule 8).

use super::context::{Height, Medanchor};
use super::office::Desk;
use crate::bytes::Writer;
use crate::handle::Delivery;
use crate::limits::PRESENCE_PATIENCE;
use crate::wire::outbox::Outbox;
use crate::wire::presence::Presence;
use crate::wire::swarm::Command;
use crate::wire::{Frame, Kind};
use crate::{PeerKey, Twin};
use arc_malachitebft_app_channel::app::engine::network::{Multiaddr, NetworkEvent, Subscriber};
use arc_malachitebft_app_channel::app::types::PeerId as EnginePeer;
use libp2p::swarm::ConnectionId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Votes and proposals of one height that are kept for peers that come late.
const REMEMBERED: usize = 8;

/// The members under the two names that they have.
pub struct Members {
    by_key: BTreeMap<PeerKey, EnginePeer>,
    by_engine: BTreeMap<EnginePeer, PeerKey>,
}

impl Members {
    /// Of these keys; one that is no key is left out.
    pub fn new(keys: impl IntoIterator<Item = PeerKey>) -> Self {
        let named = |key: PeerKey| {
            let id = key.to_peer_id()?;
            Some((key, EnginePeer::from_bytes(&id.to_bytes()).ok()?))
        };
        let by_key: BTreeMap<_, _> = keys.into_iter().filter_map(named).collect();
        let by_engine = by_key.iter().map(|(key, engine)| (*engine, *key)).collect();
        Self { by_key, by_engine }
    }

    /// The name in the engine.
    pub fn engine(&self, key: PeerKey) -> Option<EnginePeer> {
        self.by_key.get(&key).copied()
    }

    /// The key behind the engine's name.
    pub fn key(&self, engine: &EnginePeer) -> Option<PeerKey> {
        self.by_engine.get(engine).copied()
    }
}

/// Who in the engine wants to hear what happens on the network.
#[derive(Default)]
struct Subscribers {
    actors: Vec<Box<dyn Subscriber<NetworkEvent<Medanchor>>>>,
    listening: Option<Multiaddr>,
    connected: BTreeSet<EnginePeer>,
}

/// What this node said about the height that is being decided.
#[derive(Default)]
struct Said {
    height: Height,
    messages: VecDeque<Frame>,
    block: Vec<Frame>,
    status: Option<Frame>,
}

/// See the module.
pub struct Shared {
    /// The members.
    pub members: Members,
    /// Queues to them.
    pub outbox: Outbox,
    /// Whether this process may vote.
    pub desk: Desk,
    /// To the peer-to-peer loop.
    pub commands: mpsc::Sender<Command>,
    subscribers: Mutex<Subscribers>,
    said: Mutex<Said>,
    height: AtomicU64,
    round: AtomicU32,
    idle: AtomicBool,
    refused: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// For a network with these other members.
    pub fn new(keys: &[PeerKey], desk: Desk, commands: mpsc::Sender<Command>) -> Self {
        Self {
            members: Members::new(keys.iter().copied()),
            outbox: Outbox::new(desk.instance(), keys.iter().copied()),
            desk,
            commands,
            subscribers: Mutex::default(),
            said: Mutex::default(),
            height: AtomicU64::new(0),
            round: AtomicU32::new(0),
            idle: AtomicBool::new(false),
            refused: AtomicU64::new(0),
        }
    }

    /// Tells the engine; in the order of the calls.
    pub fn tell(&self, event: &NetworkEvent<Medanchor>) {
        lock(&self.subscribers)
            .actors
            .iter()
            .for_each(|actor| actor.send(event.clone()));
    }

    /// An actor of the engine wants to hear from now on, and what is so already.
    pub fn subscribe(&self, actor: Box<dyn Subscriber<NetworkEvent<Medanchor>>>) {
        let mut subscribers = lock(&self.subscribers);
        if let Some(address) = &subscribers.listening {
            actor.send(NetworkEvent::Listening(address.clone()));
        }
        for peer in &subscribers.connected {
            actor.send(NetworkEvent::PeerConnected(*peer));
        }
        subscribers.actors.push(actor);
    }

    /// The port is open: the engine may begin.
    pub fn listening(&self, address: Multiaddr) {
        lock(&self.subscribers).listening = Some(address.clone());
        self.tell(&NetworkEvent::Listening(address));
    }

    /// A peer came or went.
    pub fn connected(&self, peer: PeerKey, connected: bool) {
        let Some(peer) = self.members.engine(peer) else {
            return;
        };
        let event = if connected {
            lock(&self.subscribers).connected.insert(peer);
            NetworkEvent::PeerConnected(peer)
        } else {
            lock(&self.subscribers).connected.remove(&peer);
            NetworkEvent::PeerDisconnected(peer)
        };
        self.tell(&event);
    }

    /// Says a vote or a proposal of `height` to everybody.
    pub fn say(&self, height: Height, frame: Frame) {
        let mut said = lock(&self.said);
        said.turn_to(height);
        if said.height == height {
            said.messages.push_back(frame.clone());
            if said.messages.len() > REMEMBERED {
                said.messages.pop_front();
            }
        }
        drop(said);
        self.broadcast(&[frame]);
    }

    /// Sends a block of `height` to everybody.
    pub fn send_block(&self, height: Height, frames: Vec<Frame>) {
        self.broadcast(&frames);
        let mut said = lock(&self.said);
        said.turn_to(height);
        if said.height == height {
            said.block = frames;
        }
    }

    /// Tells everybody how far this node is.
    pub fn send_status(&self, tip: u64, oldest: u64) {
        self.remember_status(tip, oldest);
        self.broadcast(&[status(tip, oldest)]);
    }

    /// How far this node is, for peers that connect from now on.
    pub fn remember_status(&self, tip: u64, oldest: u64) {
        lock(&self.said).status = Some(status(tip, oldest));
    }

    /// Sends to everybody; what full queues drop is counted there.
    pub fn broadcast(&self, frames: &[Frame]) -> Delivery {
        self.outbox.broadcast(frames)
    }

    /// Repeats to a peer that came late what was said of the current height.
    pub fn catch_up(&self, peer: PeerKey) {
        let said = lock(&self.said);
        if let Some(status) = &said.status {
            self.outbox.send(peer, std::slice::from_ref(status));
        }
        self.outbox.send(peer, &said.block);
        for message in &said.messages {
            self.outbox.send(peer, std::slice::from_ref(message));
        }
    }

    /// Waits until this process may vote.
    pub async fn take_office(&self) {
        for (peer, answer) in self.desk.hold(PRESENCE_PATIENCE).await {
            self.outbox.send(peer, &[answer.frame()]);
        }
    }

    /// A peer says something about presence. Gives the proof, if there is one, that another process
    /// holds this node's key.
    ///
    /// # Errors
    /// If it says what cannot be.
    pub fn presence(
        &self,
        peer: PeerKey,
        connection: ConnectionId,
        body: &[u8],
    ) -> Result<Option<Twin>, String> {
        match Presence::decode(body).map_err(|error| error.to_string())? {
            Presence::Here(instance) => self.outbox.here(peer, connection, instance),
            Presence::Seen(seen) => {
                for (peer, answer) in self.desk.seen(peer, seen) {
                    self.outbox.send(peer, &[answer.frame()]);
                }
            }
            Presence::Alive(instance, signature) if instance == self.desk.instance() => {
                return Ok(self.desk.returned(signature));
            }
            Presence::Alive(instance, signature) => {
                let frame = Presence::Alive(instance, signature).frame();
                self.outbox.pass_on(peer, instance, &frame);
            }
        }
        Ok(None)
    }

    /// A connection was refused.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that were refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Where consensus is.
    pub fn set_place(&self, height: Height, round: u32, idle: bool) {
        self.height.store(height.0, Ordering::Relaxed);
        self.round.store(round, Ordering::Relaxed);
        self.idle.store(idle, Ordering::Relaxed);
    }

    /// (height, round, idle), each as of some recent moment.
    pub fn place(&self) -> (u64, u32, bool) {
        (
            self.height.load(Ordering::Relaxed),
            self.round.load(Ordering::Relaxed),
            self.idle.load(Ordering::Relaxed),
        )
    }
}

/// The message that says how far this node is: its last height and the oldest it can serve.
fn status(tip: u64, oldest: u64) -> Frame {
    let mut writer = Writer::default();
    writer.u64(tip).u64(oldest);
    Frame::new(Kind::Status, writer.0)
}

impl Said {
    fn turn_to(&mut self, height: Height) {
        if height > self.height {
            self.height = height;
            self.messages.clear();
            self.block.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Lane;
    use libp2p::swarm::ConnectionId;

    #[test]
    fn rule_8_a_peer_that_comes_late_is_told_what_was_said_of_this_height_only() {
        let peer = PeerKey::new(crate::SecretSeed::new([3; 32]).public_key());
        let desk = Desk::new([0; 16], None, 1);
        let shared = Shared::new(&[peer], desk, mpsc::channel(1).0);
        let frame = |n: u8| Frame::new(Kind::Consensus, vec![n]);
        shared.say(Height(1), frame(1));
        shared.send_block(Height(1), vec![Frame::new(Kind::Manifest, vec![1])]);
        shared.say(Height(2), frame(2));
        shared.send_block(Height(2), vec![Frame::new(Kind::Manifest, vec![2])]);
        shared.say(Height(1), frame(1));
        let connection = ConnectionId::new_unchecked(1);
        let mut queues =
            Lane::ALL.map(|lane| shared.outbox.open(peer, connection, lane).unwrap().0);
        assert_eq!(queues[0].try_recv().unwrap().kind, Kind::Presence);
        shared.catch_up(peer);
        assert_eq!(queues[0].try_recv().unwrap(), frame(2));
        assert!(queues[0].try_recv().is_err());
        assert_eq!(
            queues[1].try_recv().unwrap(),
            Frame::new(Kind::Manifest, vec![2])
        );
        assert!(queues[1].try_recv().is_err());
    }
}
