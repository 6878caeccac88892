//! The readers of everything a peer may send, for tests that feed them any bytes.

use crate::batch;
use crate::bytes::Malformed;
use crate::engine::codec::WireCodec;
use crate::engine::context::Medanchor;
use crate::parts::SignedManifest;
use crate::wire::presence::Presence;
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::consensus::LivenessMsg;
use arc_malachitebft_app_channel::app::types::codec::Codec;
use arc_malachitebft_app_channel::app::types::core::PolkaCertificate;
use arc_malachitebft_app_channel::app::types::{ProposedValue, SignedConsensusMsg};
use arc_malachitebft_sync::{Request, Response};

/// Reads a message; gives the bytes that it would be written as, none if it is refused.
pub type Reread = fn(&Bytes) -> Option<Vec<Bytes>>;

/// Each kind of message by name.
pub const MESSAGES: [(&str, Reread); 9] = [
    ("consensus", coded::<SignedConsensusMsg<Medanchor>>),
    ("liveness", coded::<LivenessMsg<Medanchor>>),
    ("proposed-value", coded::<ProposedValue<Medanchor>>),
    ("polka", coded::<PolkaCertificate<Medanchor>>),
    ("sync-request", coded::<Request<Medanchor>>),
    ("sync-response", coded::<Response<Medanchor>>),
    ("manifest", manifest),
    ("presence", presence),
    ("events", events),
];

fn coded<T>(bytes: &Bytes) -> Option<Vec<Bytes>>
where
    WireCodec: Codec<T, Error = Malformed>,
{
    let message: T = WireCodec.decode(bytes.clone()).ok()?;
    Some(WireCodec.encode(&message).into_iter().collect())
}

fn manifest(bytes: &Bytes) -> Option<Vec<Bytes>> {
    let manifest = SignedManifest::decode(bytes).ok()?;
    Some(vec![manifest.encode()])
}

fn presence(bytes: &Bytes) -> Option<Vec<Bytes>> {
    let presence = Presence::decode(bytes).ok()?;
    Some(vec![presence.frame().body])
}

fn events(bytes: &Bytes) -> Option<Vec<Bytes>> {
    Some(batch::encode(&batch::decode(bytes).ok()?))
}
