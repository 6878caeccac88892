//! A member that a test plays: it speaks the protocol of peers with the keys it is given, and says
//! what the test says, true or not. It has no engine, stores nothing and answers nothing by itself.

pub mod messages;

use crate::engine::codec::WireCodec;
use crate::engine::context::{Address, Height, Medanchor, Proposal, Value, Vote};
use crate::engine::office::Desk;
use crate::engine::shared::Shared;
use crate::engine::signing::{ledger_height, ledger_round};
use crate::parts::{Manifest, SignedManifest, chunks};
use crate::wire::swarm::{Plan, Upstream, Wire};
use crate::wire::{Frame, Kind};
use crate::{PeerKey, SecretSeed};
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::types::SignedConsensusMsg;
use arc_malachitebft_app_channel::app::types::codec::Codec;
use arc_malachitebft_app_channel::app::types::core::{NilOrVal, Round, SignedMessage, VoteType};
use arc_malachitebft_signing_ed25519::Signature;
use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::request_response::OutboundFailure;
use libp2p::swarm::ConnectionId;
use medanchor_ledger::NetworkId;
use medanchor_ledger::certificate::{self, VoteKind};
use medanchor_ledger::signature::SigningKey;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What a played member hears. Its signatures have not been checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A vote.
    Vote(certificate::Vote),
    /// A proposal.
    Proposal(certificate::Proposal),
    /// A cosignature's bytes.
    Cosignature(Bytes),
    /// Nothing any more: the connection ended. It is dialled again.
    Gone,
}

/// See the module. It leaves when dropped.
pub struct Player {
    network: NetworkId,
    shared: Arc<Shared>,
    heard: mpsc::UnboundedReceiver<Heard>,
    _leave: DropGuard,
}

impl Player {
    /// Connects to the node with this key at `address`, as the peer with this seed.
    ///
    /// # Errors
    /// If there is no port to open, or the network ends before it is connected.
    pub async fn join(
        network: NetworkId,
        seed: SecretSeed,
        node: PeerKey,
        address: SocketAddr,
    ) -> Result<Self, String> {
        let own = seed.public_key();
        let instance = std::array::from_fn(|place| own[place]);
        let (commands_in, commands) = mpsc::channel(8);
        let desk = Desk::new(instance, None, 1);
        let shared = Arc::new(Shared::new(&[node], desk, commands_in));
        let (heard_in, heard) = mpsc::unbounded_channel();
        let (reachable_in, mut reachable) = mpsc::unbounded_channel();
        let id = node.to_peer_id().ok_or("the node's key is no key")?;
        let plan = Plan {
            network,
            seed,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            peers: vec![(node, id, Some(address.to_string()))],
        };
        let ear = Ear {
            network,
            shared: shared.clone(),
            heard: heard_in,
            reachable: reachable_in,
        };
        let (wire, _) = Wire::open(plan, shared.clone(), Arc::new(ear))
            .await
            .map_err(|error| error.to_string())?;
        let leave = CancellationToken::new();
        tokio::spawn(wire.run(commands, leave.clone()));
        reachable.recv().await.ok_or("the connection ended")?;
        Ok(Self {
            network,
            shared,
            heard,
            _leave: leave.drop_guard(),
        })
    }

    /// The next thing that the node says; none once the player has left.
    pub async fn hear(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// Sends a vote, signed with `key`, whoever that is; whether there was room for it.
    pub fn vote(&self, vote: &certificate::Vote, key: &SigningKey) -> bool {
        let signature = Signature::from_bytes(*vote.sign(key).as_bytes());
        let vote = Vote {
            kind: match vote.kind {
                VoteKind::Prevote => VoteType::Prevote,
                VoteKind::Precommit => VoteType::Precommit,
            },
            height: Height(vote.height.0),
            round: Round::new(vote.round.0),
            value: vote.value.map_or(NilOrVal::Nil, NilOrVal::Val),
            voter: Address(vote.validator.clone()),
        };
        self.say(&SignedConsensusMsg::Vote(SignedMessage::new(
            vote, signature,
        )))
    }

    /// Sends a block and the proposal of it, both signed with `key`; whether there was room.
    pub fn propose(
        &self,
        proposal: &certificate::Proposal,
        body: &Bytes,
        key: &SigningKey,
    ) -> bool {
        let slot = (proposal.height, proposal.round, proposal.pol_round);
        let manifest = Manifest::of(slot, proposal.proposer.clone(), proposal.value, body);
        let signature = key.sign(&manifest.signed_bytes(&self.network));
        let manifest = SignedManifest {
            manifest,
            signature: *signature.as_bytes(),
        };
        let mut frames = vec![Frame::new(Kind::Manifest, manifest.encode())];
        frames.extend(chunks(body).map(|chunk| Frame::new(Kind::Chunk, chunk)));
        let signature = Signature::from_bytes(*proposal.sign(key).as_bytes());
        let proposal = Proposal {
            height: Height(proposal.height.0),
            round: Round::new(proposal.round.0),
            value: Value(proposal.value),
            pol_round: proposal
                .pol_round
                .map_or(Round::Nil, |round| Round::new(round.0)),
            proposer: Address(proposal.proposer.clone()),
        };
        self.send(&frames)
            && self.say(&SignedConsensusMsg::Proposal(SignedMessage::new(
                proposal, signature,
            )))
    }

    /// Sends a cosignature; whether there was room for it.
    pub fn cosign(&self, record: impl Into<Bytes>) -> bool {
        self.send(&[Frame::new(Kind::Cosignature, record)])
    }

    /// Sends bytes that are no message of consensus; whether there was room for them.
    pub fn babble(&self, bytes: impl Into<Bytes>) -> bool {
        self.send(&[Frame::new(Kind::Consensus, bytes)])
    }

    fn say(&self, message: &SignedConsensusMsg<Medanchor>) -> bool {
        let encoded = WireCodec.encode(message);
        encoded.is_ok_and(|body| self.send(&[Frame::new(Kind::Consensus, body)]))
    }

    fn send(&self, frames: &[Frame]) -> bool {
        self.shared.broadcast(frames).queued == 1
    }
}

/// Hears for a player.
struct Ear {
    network: NetworkId,
    shared: Arc<Shared>,
    heard: mpsc::UnboundedSender<Heard>,
    reachable: mpsc::UnboundedSender<()>,
}

impl Ear {
    fn read(&self, frame: Frame) -> Option<Heard> {
        if frame.kind == Kind::Cosignature {
            return Some(Heard::Cosignature(frame.body));
        }
        let decoded = (frame.kind == Kind::Consensus).then(|| WireCodec.decode(frame.body))?;
        let message: SignedConsensusMsg<Medanchor> = decoded.ok()?;
        Some(match message {
            SignedConsensusMsg::Vote(vote) => Heard::Vote(certificate::Vote {
                network: self.network,
                kind: match vote.kind {
                    VoteType::Prevote => VoteKind::Prevote,
                    VoteType::Precommit => VoteKind::Precommit,
                },
                height: ledger_height(vote.height),
                round: ledger_round(vote.round)?,
                value: match vote.value {
                    NilOrVal::Nil => None,
                    NilOrVal::Val(value) => Some(value),
                },
                validator: vote.voter.0.clone(),
            }),
            SignedConsensusMsg::Proposal(proposal) => Heard::Proposal(certificate::Proposal {
                network: self.network,
                height: ledger_height(proposal.height),
                round: ledger_round(proposal.round)?,
                pol_round: ledger_round(proposal.pol_round),
                value: proposal.value.0,
                proposer: proposal.proposer.0.clone(),
            }),
        })
    }
}

impl Upstream for Ear {
    fn receive(
        self: Arc<Self>,
        peer: PeerKey,
        connection: ConnectionId,
        frame: Frame,
    ) -> BoxFuture<'static, Result<(), String>> {
        if frame.kind == Kind::Presence {
            let told = self.shared.presence(peer, connection, &frame.body);
            return async move { told.map(drop) }.boxed();
        }
        if let Some(heard) = self.read(frame) {
            // The player may be gone.
            let _ = self.heard.send(heard);
        }
        async { Ok(()) }.boxed()
    }

    fn reachable(&self, _: PeerKey) {
        let _ = self.reachable.send(());
    }

    fn unreachable(&self, _: PeerKey) {
        let _ = self.heard.send(Heard::Gone);
    }

    fn serve(self: Arc<Self>, _: PeerKey, _: Bytes) -> BoxFuture<'static, Option<Bytes>> {
        async { None }.boxed()
    }

    fn answered(&self, _: PeerKey, _: String, _: Bytes) {}

    fn unanswered(&self, _: PeerKey, _: String, _: OutboundFailure) {}
}
