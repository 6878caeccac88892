//! What the resources stand on: the door for events, the ledger as readers see it, the limits.

use super::consistency::Consistent;
use super::problem::{Code, Problem};
use super::rate::RateLimiter;
use crate::admission::Admission;
use crate::config;
use crate::outcomes::Outcomes;
use crate::publish_store::{Progress, Publishing};
use crate::witness::WitnessStatus;
use bytes::Bytes;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cose_receipt::TransparentStatement;
use medanchor_ledger::cosignature::Gathering;
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{
    EventId, Height, Index, NetworkId, ParticipantName, PolicyHash, ReadFailed, Size, Tag,
};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;

/// The ledger as clients may read it. Calls may read files.
pub trait Reads: Send + Sync + 'static {
    /// Where an event stands, decided or not yet published included.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn index_of(&self, id: &EventId) -> Result<Option<Index>, ReadFailed>;
    /// An entry of the decided log.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn entry(&self, index: Index) -> Result<Option<Bytes>, ReadFailed>;
    /// An entry's receipt (C2SP tlog-proof) under the newest published checkpoint; none before
    /// one covers it.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn receipt(&self, index: Index) -> Result<Option<String>, ReadFailed>;
    /// An entry's receipt under the newest checkpoint that outside witnesses cosigned, with their
    /// cosignatures; none before one covers it.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn witnessed_receipt(&self, index: Index) -> Result<Option<String>, ReadFailed>;
    /// The COSE receipts of an event, with the event, under the newest published checkpoint.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn statement(&self, index: Index) -> Result<Covered<TransparentStatement>, ReadFailed>;
    /// Proof that the log of `old` entries is the beginning of that of `new`, which was published,
    /// or of the newest published; none if there is no such checkpoint.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn consistency(&self, old: Size, new: Option<Size>) -> Result<Option<Consistent>, ReadFailed>;
    /// The seal of a decided height.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn seal(&self, height: Height) -> Result<Option<Seal>, ReadFailed>;
    /// A value of the newest state, and the height of that state.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn value(&self, key: &StateKey) -> Result<(Height, Option<Vec<u8>>), ReadFailed>;
    /// The state document of a key at a height; at the newest that can be proved for none.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn state_document(
        &self,
        key: &StateKey,
        height: Option<Height>,
    ) -> Result<Provable, ReadFailed>;
    /// A page of the history of a tag.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn history(
        &self,
        owner: &ParticipantName,
        tag: &Tag,
        first: u64,
    ) -> Result<Provable, ReadFailed>;
    /// The access receipt of an event.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn access_receipt(&self, id: &EventId) -> Result<Provable, ReadFailed>;
    /// Whether the newest published checkpoint covers a height.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn is_checkpointed(&self, height: Height) -> Result<bool, ReadFailed>;
    /// A tile or entry bundle by its C2SP path below `tile/`.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn tile(&self, path: &str) -> Result<Option<Bytes>, ReadFailed>;
    /// A policy file by its hash.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn policy(&self, hash: &PolicyHash) -> Result<Option<Bytes>, ReadFailed>;
    /// The published chain of policies.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn policy_chain(&self) -> Result<Option<Bytes>, ReadFailed>;
    /// The hash of the policy of the newest decided height.
    fn current_policy(&self) -> PolicyHash;
    /// How things are.
    fn status(&self) -> Status;
    /// Why the node is not ready, if it is not.
    fn not_ready(&self) -> Option<&'static str>;
}

/// What a checkpoint with COSE signatures is needed for.
#[derive(Clone, Debug)]
pub enum Covered<T> {
    /// It is there.
    Yes(T),
    /// No published checkpoint covers it yet.
    NotYet,
    /// The checkpoint has no quorum of COSE signatures: an older release signed it.
    NoQuorum,
}

/// A document that proves something, or why there is none.
#[derive(Clone, Debug)]
pub enum Provable {
    /// The document, and the height that it speaks of.
    Made(Height, Bytes),
    /// No published checkpoint covers the height; which height the newest one covers.
    NotCheckpointed(Option<Height>),
    /// The state of the height is not kept.
    NotKept {
        /// The oldest height that is kept and checkpointed.
        oldest: Option<Height>,
        /// The newest one that is checkpointed.
        newest: Height,
    },
    /// No such event is in the log.
    Unknown,
    /// The event is no request for access.
    NotARequest,
    /// No index of histories is kept.
    NoIndex,
    /// The index of histories has come to this size of that.
    IndexBehind(Size, Size),
    /// The history is shorter than that: its number of events.
    Beyond(u64),
}

/// A published checkpoint.
#[derive(Clone, Debug)]
pub struct Published {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The note that receipts carry: the checkpoint with a quorum of cosignatures.
    pub note: Bytes,
    /// The note that is served: the same, and what outside witnesses cosigned since.
    pub served: Bytes,
    /// The validators' records under it; none where they are not needed, or of a home that lost them.
    pub cosigned: Option<Arc<Gathering>>,
}

/// A block that this node has made durable.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct BlockNotice {
    /// The height.
    pub height: u64,
    /// The block's time, milliseconds since 1970.
    pub time: u64,
    /// How many events it has.
    pub events: u64,
    /// The size of the log after it.
    pub size: u64,
    /// The root of the log after it, hex.
    pub root: String,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// The participant that runs this node.
    pub name: String,
    /// The version of the program.
    pub version: String,
    /// The log's origin: network name and id.
    pub origin: String,
    /// Whether this node votes.
    pub validator: bool,
    /// The newest decided height.
    pub height: u64,
    /// Its block's time, milliseconds since 1970.
    pub time: u64,
    /// Entries decided.
    pub size: u64,
    /// Root of the log at that size, hex.
    pub root: String,
    /// Root of the state, hex.
    pub state_root: String,
    /// Entries published under a quorum of cosignatures.
    pub published: u64,
    /// The round of the height being decided.
    pub round: u32,
    /// Whether the network waits for work.
    pub idle: bool,
    /// Events in the pool.
    pub pool_events: u64,
    /// Bytes in the pool.
    pub pool_bytes: u64,
    /// The other nodes.
    pub peers: Vec<PeerStatus>,
    /// The outside witnesses that this node feeds.
    #[serde(default)]
    pub witnesses: Vec<WitnessStatus>,
    /// The copy of the published log in an object store, if one is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishing: Option<Publishing>,
}

/// Another node, as this one sees it.
#[derive(Clone, Debug, Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PeerStatus {
    /// What the configuration calls it.
    pub name: String,
    /// Its p2p key, hex.
    pub key: String,
    /// Whether it is connected.
    pub connected: bool,
}

/// Everything that the resources share.
pub struct Service {
    /// Which network this is.
    pub network: NetworkId,
    /// Who runs this node.
    pub name: ParticipantName,
    /// The configuration's `[http]`.
    pub config: config::Http,
    /// The door for events.
    pub admission: Admission,
    /// Those who wait for events.
    pub outcomes: Arc<Outcomes>,
    /// Whether an event is in the pool.
    pub pooled: Box<dyn Fn(&EventId) -> bool + Send + Sync>,
    /// The ledger.
    pub reads: Arc<dyn Reads>,
    /// The newest published checkpoint.
    pub published: watch::Receiver<Option<Published>>,
    /// The newest checkpoint that outside witnesses cosigned.
    pub witnessed: watch::Receiver<Option<Published>>,
    /// Blocks as they become durable.
    pub blocks: broadcast::Sender<BlockNotice>,
    /// The published folder.
    pub log_folder: PathBuf,
    /// How far its copy in an object store is, if there is one.
    pub publishing: Option<Arc<Progress>>,
    /// The genesis file.
    pub genesis: Bytes,
    /// The metrics, rendered.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Requests worked on at once, apart from those that wait for receipts.
    pub requests: Arc<Semaphore>,
    /// Requests that wait for receipts at once.
    pub waiters: Arc<Semaphore>,
    /// Batches that arrive at once.
    pub uploads: Arc<Semaphore>,
    /// Streams open at once.
    pub streams: Arc<Semaphore>,
    /// How often each client may ask.
    pub rate: Mutex<RateLimiter>,
    /// Ends streams and waits when the node stops.
    pub stop: CancellationToken,
}

/// The service as the resources get it.
pub type Shared = axum::extract::State<Arc<Service>>;

impl Service {
    /// Runs `work` where it may read files, and turns a failure into a problem.
    ///
    /// # Errors
    /// [`Code::Storage`] if storage cannot be read.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Reads) -> Result<T, ReadFailed> + Send + 'static,
    ) -> Result<T, Problem> {
        let reads = Arc::clone(&self.reads);
        match tokio::task::spawn_blocking(move || work(reads.as_ref())).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                tracing::error!(%error, "a request could not be answered");
                Err(Problem::new(
                    Code::Storage,
                    "stored data could not be read; see the node's log",
                ))
            }
            Err(_) => Err(Problem::new(
                Code::Internal,
                "the request could not be answered",
            )),
        }
    }
}
