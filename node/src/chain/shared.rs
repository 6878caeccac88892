//! What the chain's threads and tasks share.

use crate::admission::{EventPool, SharedPool, Surroundings};
use crate::config::{Config, Consensus};
use crate::cosign::Cosigners;
use crate::exit::{Exit, Fatal};
use crate::http::service::{BlockNotice, Published};
use crate::outcomes::Outcomes;
use crate::witness::WitnessStatus;
use bytes::Bytes;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::execute::{SignerKeys, View};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::note::Note;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{EventId, Index, KeyId, NetworkId, ParticipantName, ReadFailed, Time};
use medanchor_network::Handle;
use medanchor_store::Store;
use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, mpsc, watch};

/// Why the node stops.
#[derive(Clone, Debug)]
pub enum Stop {
    /// Somebody asked for it.
    Asked,
    /// It cannot go on.
    Fatal {
        /// The exit code.
        exit: Exit,
        /// What happened and what to do.
        message: String,
    },
    /// A restored home is past all that its keys may have signed: start again as a validator.
    Caught,
}

/// The most bytes of evidence that are kept: a few lines convict, and nobody may fill the disk.
const MAX_EVIDENCE: u64 = 1 << 20;

/// What this node does in consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It votes and cosigns.
    Votes,
    /// It follows.
    Follows,
    /// It follows until it is past all that its keys may have signed, and votes then.
    Restored,
}

/// What the chain's threads and tasks share.
pub struct Shared {
    /// The network's genesis.
    pub genesis: Genesis,
    /// Who runs this node.
    pub name: ParticipantName,
    /// The configuration's `[consensus]`.
    pub consensus: Consensus,
    /// Storage. It locks by itself.
    pub store: Arc<Store>,
    /// Events that wait for a block.
    pub pool: SharedPool,
    /// Those who wait for events.
    pub outcomes: Arc<Outcomes>,
    /// Cosignatures. Held for as long as a record is judged.
    pub cosigners: Mutex<Cosigners>,
    /// Whether this node votes now; false on a follower and on a restored home.
    pub votes: bool,
    /// Whether this home was restored from a back-up and signs nothing until it is safe.
    pub restored: bool,
    /// Set once the network has started.
    pub network: OnceLock<Handle>,
    /// Blocks as they become durable.
    pub blocks: broadcast::Sender<BlockNotice>,
    /// The newest published checkpoint; the publisher alone sends.
    pub published: watch::Sender<Option<Published>>,
    /// The newest checkpoint that outside witnesses cosigned; the feeder alone sends.
    pub witnessed: watch::Sender<Option<Published>>,
    /// How the outside witnesses are; the feeder alone writes.
    witnesses: Mutex<Vec<WitnessStatus>>,
    /// Why the node must stop; the first reason counts.
    pub stop: mpsc::UnboundedSender<Stop>,
    /// Keys of signers, as of the last block that may have changed them.
    keys: RwLock<KnownKeys>,
}

/// Keys that were looked up.
#[derive(Default)]
struct KnownKeys {
    /// How often they were forgotten: what was looked up before is not kept after.
    forgotten: u64,
    keys: HashMap<ParticipantName, Vec<(KeyId, PublicKey)>>,
}

impl KnownKeys {
    fn get(&self, signer: &ParticipantName, key: KeyId) -> Option<PublicKey> {
        let mut known = self.keys.get(signer)?.iter();
        known.find(|(id, _)| *id == key).map(|(_, key)| *key)
    }
}

impl Shared {
    /// Puts the parts together.
    #[must_use]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part that somebody else made"
    )]
    pub fn new(
        genesis: Genesis,
        config: &Config,
        store: Arc<Store>,
        pool: EventPool,
        cosigners: Cosigners,
        part: Part,
        published: watch::Sender<Option<Published>>,
        stop: mpsc::UnboundedSender<Stop>,
    ) -> Self {
        Self {
            genesis,
            name: config.name.clone(),
            consensus: config.consensus.clone(),
            store,
            pool: Arc::new(Mutex::new(pool)),
            outcomes: Arc::default(),
            cosigners: Mutex::new(cosigners),
            votes: part == Part::Votes,
            restored: part == Part::Restored,
            network: OnceLock::new(),
            blocks: broadcast::channel(256).0,
            published,
            witnessed: watch::channel(None).0,
            witnesses: Mutex::default(),
            stop,
            keys: RwLock::default(),
        }
    }

    /// The clock.
    #[must_use]
    pub fn clock() -> Time {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The pool, locked. Every change to it is complete before the lock is given back.
    pub fn pool(&self) -> MutexGuard<'_, EventPool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cosigners, locked.
    pub fn cosigners(&self) -> MutexGuard<'_, Cosigners> {
        self.cosigners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How the outside witnesses are.
    #[must_use]
    pub fn witnesses(&self) -> Vec<WitnessStatus> {
        let witnesses = self.witnesses.lock();
        witnesses.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says how the outside witnesses are.
    pub fn set_witnesses(&self, status: Vec<WitnessStatus>) {
        let witnesses = self.witnesses.lock();
        *witnesses.unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Forgets signers' keys, after a block was applied that may have changed them.
    pub fn forget_keys(&self) {
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        known.forgotten += 1;
        known.keys.clear();
    }

    pub(crate) fn data(&self) -> PathBuf {
        let log = self.store.published_log().folder();
        log.parent().unwrap_or(log).join("data")
    }

    /// When this node cosigned the published checkpoint, in seconds since 1970; 0 if it did not.
    pub(crate) fn cosigned_at(&self) -> u64 {
        let published = self.published.borrow().clone();
        let note = published.and_then(|published| Note::parse(&published.note).ok());
        let verified = note.and_then(|note| self.genesis.policy().verify_checkpoint(&note).ok());
        let name = self.genesis.origin().join(self.name.as_str()).ok();
        let own = verified.as_ref().and_then(|verified| {
            let mut cosigners = verified.cosigners().iter();
            cosigners.find(|cosigner| Some(cosigner.key.name()) == name.as_ref())
        });
        own.map_or(0, |own| own.seconds)
    }

    /// Appends signed proof of somebody's misbehaviour to `data/evidence`: a word and the bytes in
    /// hex on each line.
    pub fn keep_evidence(&self, kind: &str, bytes: &[u8]) {
        let path = self.data().join("evidence");
        // In one write: records of several peers come at the same time, and lines must not mix.
        let line = format!("{kind} {}\n", hex::encode(bytes));
        let append = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)?;
            if file.metadata()?.len() < MAX_EVIDENCE {
                file.write_all(line.as_bytes())?;
                file.sync_all()?;
            }
            Ok(())
        };
        if let Err(error) = append() {
            tracing::error!(%error, "evidence could not be kept");
        }
    }

    /// Keeps proofs that validators signed two roots for one size.
    pub fn keep_forks(&self, forks: &[Cosignature]) {
        for fork in forks {
            self.keep_evidence("two-roots", &fork.encode());
            tracing::error!(
                validator = %fork.validator, size = %fork.size,
                "a validator signed two roots for one size: keep this as evidence"
            );
        }
    }

    /// Stops the node because another process has its keys; gives the message.
    pub fn duplicate_key(&self) -> String {
        let message = format!(
            "another node signs as {}; stop one of the two at once, and if the key was stolen have it replaced",
            self.name
        );
        self.fail(Fatal::new(Exit::DuplicateKey, message.clone()));
        message
    }

    /// Stops the node.
    pub fn fail(&self, fatal: Fatal) {
        // If nobody listens, the node is stopping already.
        let _ = self.stop.send(Stop::Fatal {
            exit: fatal.exit,
            message: fatal.message,
        });
    }
}

impl Surroundings for Shared {
    fn network(&self) -> NetworkId {
        self.genesis.network_id()
    }

    fn now(&self) -> Time {
        Self::clock().max(self.store.view().head().time)
    }

    fn key(&self, signer: &ParticipantName, key: KeyId) -> Result<Option<PublicKey>, ReadFailed> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = keys.get(signer, key) {
            return Ok(Some(found));
        }
        let forgotten = keys.forgotten;
        drop(keys);
        let view = self.store.view();
        let found = SignerKeys::new(&view).get(signer, &key)?;
        if let Some(found) = found {
            let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            // A block that was applied meanwhile may have revoked it.
            if known.forgotten == forgotten {
                let keys = known.keys.entry(signer.clone()).or_default();
                keys.push((key, found));
            }
        }
        Ok(found)
    }

    fn has_entry(&self, at: Index, bytes: &[u8]) -> Result<bool, ReadFailed> {
        let entry = self.store.entry(at)?;
        Ok(entry.is_some_and(|entry| entry == bytes))
    }

    fn index_of(&self, id: &EventId) -> Result<Option<Index>, ReadFailed> {
        Ok(self.store.index_of(id)?)
    }

    fn pooled(&self, from_clients: Vec<Bytes>) {
        let Some(network) = self.network.get() else {
            return;
        };
        if !from_clients.is_empty() {
            // What finds no room is sent again by the clock.
            let _ = network.send_events(&from_clients);
        }
        network.wake();
    }

    fn failed(&self, error: &ReadFailed) {
        self.fail(Fatal::new(Exit::Damaged, error.to_string()));
    }
}

/// The height of the newest decided block.
#[must_use]
pub fn height(shared: &Shared) -> medanchor_ledger::Height {
    shared.store.view().head().height
}
