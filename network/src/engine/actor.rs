//! Our network actor: what the engine believes is its network.
//!
//! What always holds: it holds no connection and waits for nobody; it turns what the engine says
//! into frames for the outbox, and forwards sync requests to the peer-to-peer loop. Events from
//! peers reach the engine through [`Shared::tell`], not through this actor. If it is stopped while
//! nobody asked for it, the engine has come to grief, and the node is told.

use super::codec::WireCodec;
use super::context::{Height, Medanchor};
use super::shared::Shared;
use crate::wire::swarm::Command;
use crate::wire::{Frame, Kind};
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::engine::network::{
    NetworkMsg, NetworkRef, PersistentPeerError,
};
use arc_malachitebft_app_channel::app::types::codec::Codec;
use arc_malachitebft_app_channel::app::types::{PeerId, SignedConsensusMsg};
use arc_malachitebft_sync::{OutboundRequestId, Request};
use async_trait::async_trait;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// See the module.
pub struct NetworkActor {
    shared: Arc<Shared>,
    stopped: CancellationToken,
}

impl NetworkActor {
    /// Starts the actor; `stopped` is cancelled when it ends.
    ///
    /// # Errors
    /// If the actor system refuses it.
    pub async fn spawn(
        shared: Arc<Shared>,
        stopped: CancellationToken,
    ) -> Result<NetworkRef<Medanchor>, ractor::SpawnErr> {
        let (actor, _) = Actor::spawn(None, Self { shared, stopped }, ()).await?;
        Ok(actor)
    }

    fn publish(&self, message: &SignedConsensusMsg<Medanchor>) {
        if let Some(frame) = encode(Kind::Consensus, message) {
            self.shared.desk.says(message);
            self.shared.say(message.height(), frame);
        }
    }

    async fn request(
        &self,
        peer: PeerId,
        request: Request<Medanchor>,
        reply: RpcReplyPort<OutboundRequestId>,
    ) {
        let Some(peer) = self.shared.members.key(&peer) else {
            return;
        };
        let Ok(body) = WireCodec.encode(&request) else {
            return;
        };
        let (id, told) = oneshot::channel();
        let command = Command::Request(peer, body, id);
        if self.shared.commands.send(command).await.is_ok()
            && let Ok(id) = told.await
        {
            // The asker may have stopped in the meantime.
            let _ = reply.send(OutboundRequestId::new(id));
        }
    }
}

fn encode<T>(kind: Kind, message: &T) -> Option<Frame>
where
    WireCodec: Codec<T>,
{
    let body: Bytes = WireCodec.encode(message).ok()?;
    Some(Frame::new(kind, body))
}

/// The message that says there is work for `height`.
pub fn wake(height: Height) -> Frame {
    Frame::new(Kind::Wake, height.0.to_be_bytes().to_vec())
}

#[async_trait]
impl Actor for NetworkActor {
    type Msg = NetworkMsg<Medanchor>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match message {
            NetworkMsg::Subscribe(actor) => self.shared.subscribe(actor),
            NetworkMsg::PublishConsensusMsg(message) => self.publish(&message),
            NetworkMsg::PublishLivenessMsg(message) => {
                if let Some(frame) = encode(Kind::Liveness, &message) {
                    self.shared.broadcast(&[frame]);
                }
            }
            NetworkMsg::BroadcastStatus(status) => {
                self.shared
                    .send_status(status.tip_height.0, status.history_min_height.0);
            }
            NetworkMsg::OutgoingRequest(peer, request, reply) => {
                self.request(peer, request, reply).await;
            }
            NetworkMsg::DumpState(reply) => drop(reply.send(None)),
            NetworkMsg::UpdatePersistentPeers(_, reply) => {
                drop(reply.send(Err(PersistentPeerError::NetworkStopped)));
            }
            // Blocks go by streams of our own and requests are answered without the engine; the
            // rest is about the stock network.
            NetworkMsg::PublishProposalPart(_)
            | NetworkMsg::CancelRequest(_)
            | NetworkMsg::OutgoingResponse(..)
            | NetworkMsg::CancelInboundRequest(_)
            | NetworkMsg::UpdateValidatorSet(_)
            | NetworkMsg::ValidatorProofVerified { .. }
            | NetworkMsg::NewEvent(_) => {}
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Self::Msg>,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        self.stopped.cancel();
        Ok(())
    }
}
