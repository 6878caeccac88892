//! What a node is made of: its home, keys and configuration, each checked before it is used.

use super::{GRACE, storage_fatal};
use crate::admission::Admission;
use crate::chain::judge::{Verdict, judge};
use crate::chain::{Part, Shared};
use crate::config::Config;
use crate::cosign::CosigningKeys;
use crate::exit::{Exit, Fatal};
use crate::home::Home;
use crate::http::rate::RateLimiter;
use crate::http::server::ConnectionLimits;
use crate::http::service::{Published, Service};
use crate::keys::{KeyError, Purpose, SecretKey};
use crate::pool::Limits;
use crate::publish_store;
use crate::reads::LedgerReads;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::merkle::root_at;
use medanchor_ledger::note::{Note, NoteSignature};
use medanchor_ledger::validator::Validator;
use medanchor_network::{Consensus, Peer, PeerKey, SecretSeed, StartError, Timeouts};
use medanchor_store::{HomeLock, Replayed, Store, StoreView, StoredBlock};
use metrics_exporter_prometheus::PrometheusHandle;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(super) fn key_fatal(error: KeyError) -> Fatal {
    Fatal::new(Exit::Keys, error.to_string())
}

/// The genesis in a home.
///
/// # Errors
/// If there is none, or it is damaged.
pub fn read_genesis(home: &Home) -> Result<Genesis, Fatal> {
    let path = home.genesis();
    let bytes = std::fs::read(&path).map_err(|error| {
        let message = format!(
            "cannot read {}: {error}; copy it from a member of the network",
            path.display()
        );
        Fatal::new(Exit::Home, message)
    })?;
    Genesis::decode(&bytes).map_err(|error| Fatal::new(Exit::Home, error.to_string()))
}

/// The keys of a validator, checked against the genesis.
pub(super) fn signing_keys(
    home: &Home,
    validator: &Validator,
) -> Result<(SecretKey, CosigningKeys), Fatal> {
    let read = |purpose, expected: &medanchor_ledger::signature::PublicKey| {
        let key = SecretKey::read(&home.keys(), purpose).map_err(key_fatal)?;
        if key.public() == *expected {
            return Ok(key);
        }
        let message = format!(
            "the {purpose} key in {} is not the one that the genesis lists for {}; put the right key there, and never another node's",
            home.keys().display(),
            validator.name
        );
        Err(Fatal::new(Exit::Keys, message))
    };
    let keys = CosigningKeys {
        name: validator.name.clone(),
        log: read(Purpose::Log, &validator.log)?,
        cosigner: read(Purpose::Cosigner, &validator.cosigner)?,
        cose: read(Purpose::Cose, &validator.cose)?,
    };
    Ok((read(Purpose::Consensus, &validator.consensus)?, keys))
}

pub(super) fn timeouts(config: &Config) -> Timeouts {
    let votes = Duration::from_millis(config.consensus.vote_timeout_ms);
    Timeouts {
        propose: Duration::from_millis(config.consensus.propose_timeout_ms),
        prevote: votes,
        precommit: votes,
        heartbeat: Duration::from_millis(config.consensus.heartbeat_ms),
        ..Timeouts::default()
    }
}

pub(super) fn network_config(
    home: &Home,
    config: &Config,
    genesis: &Genesis,
    consensus: Option<SecretKey>,
) -> Result<medanchor_network::Config, Fatal> {
    let p2p = SecretKey::read(&home.keys(), Purpose::P2p).map_err(key_fatal)?;
    let mut instance = [0; 16];
    getrandom::fill(&mut instance).map_err(|e| {
        Fatal::new(
            Exit::Failure,
            format!("the system gives no randomness: {e}"),
        )
    })?;
    let seed = |key: &SecretKey| SecretSeed::new(*key.seed());
    let peer = |peer: &crate::config::Peer| {
        let mut key = [0; 32];
        hex::decode_to_slice(&peer.key, &mut key).map_err(|_| {
            let message = format!(
                "p2p.peers: the key of {} is not 64 hex digits; see `medanchor key`",
                peer.name
            );
            Fatal::new(Exit::Config, message)
        })?;
        Ok(Peer {
            key: PeerKey::new(key),
            address: Some(peer.address.clone()),
        })
    };
    Ok(medanchor_network::Config {
        network_id: genesis.network_id(),
        peer_seed: seed(&p2p),
        instance,
        listen: config.p2p.listen,
        peers: config
            .p2p
            .peers
            .iter()
            .map(peer)
            .collect::<Result<_, Fatal>>()?,
        consensus: consensus.map(|key| Consensus {
            name: config.name.clone(),
            seed: seed(&key),
        }),
        wal_dir: home.wal(),
        timeouts: timeouts(config),
    })
}

pub(super) fn start_fatal(error: &StartError) -> Fatal {
    let exit = match error {
        StartError::Listen { address, source } => {
            return listen_fatal(*address, source, "p2p.listen");
        }
        StartError::Wal { .. } => Exit::Damaged,
        StartError::Config(_) => Exit::Config,
        _ => Exit::Failure,
    };
    Fatal::new(exit, error.to_string())
}

pub(super) fn part_of(home: &Home, config: &Config, genesis: &Genesis) -> Part {
    if genesis.validators().get(&config.name).is_none() || !config.consensus.vote {
        Part::Follows
    } else if home.restored().exists() {
        Part::Restored
    } else {
        Part::Votes
    }
}

pub(super) async fn listen(config: &Config) -> Result<TcpListener, Fatal> {
    let address = config.http.listen;
    TcpListener::bind(address)
        .await
        .map_err(|error| listen_fatal(address, &error, "http.listen"))
}

/// A port that cannot be had, and the key of the configuration that asked for it.
fn listen_fatal(address: SocketAddr, error: &io::Error, key: &str) -> Fatal {
    let (exit, remedy) = match error.kind() {
        io::ErrorKind::AddrInUse => (Exit::PortInUse, "stop the other program or change"),
        _ => (Exit::Failure, "change"),
    };
    let message = format!("cannot listen on {address}: {error}; {remedy} {key}");
    Fatal::new(exit, message)
}

pub(super) async fn open_store(
    lock: HomeLock,
    config: &Config,
    genesis: &Genesis,
) -> Result<Store, Fatal> {
    let genesis = genesis.clone();
    let cache = usize::try_from(config.store.cache_bytes).unwrap_or(usize::MAX);
    let options = medanchor_store::Options {
        cache_bytes: cache,
        kept_heights: config.state.kept_heights as usize,
        kept_bytes: usize::try_from(config.state.kept_bytes).unwrap_or(usize::MAX),
        histories: config.state.histories,
        ..Default::default()
    };
    let open = move || Store::open_locked(lock, &genesis, options, replay);
    let opened = tokio::task::spawn_blocking(open).await;
    let opened = opened.map_err(|_| Fatal::new(Exit::Failure, "opening the store panicked"))?;
    opened.map_err(|error| storage_fatal(&error))
}

/// Executes again a block that was decided before the start.
pub(super) fn replay(view: &StoreView, block: &StoredBlock) -> Replayed {
    match judge(view, block.height, &block.body, |_| None)? {
        Verdict::Sound(executed) => Ok(*executed),
        Verdict::Faulty(_, fault) => Err(fault.to_string().into()),
        Verdict::Unknown => Err("it does not follow the state".into()),
    }
}

pub(super) fn newest_published(
    store: &Store,
    genesis: &Genesis,
) -> Result<Option<Published>, Fatal> {
    let note = store.published_log().checkpoint();
    let Some(served) = note.map_err(|error| storage_fatal(&error))? else {
        return Ok(None);
    };
    let damaged = |why: &dyn Display| {
        let remedy = "move data/ and log/ aside together and start with --restored (docs/operate.md, \"Damage\")";
        Fatal::new(Exit::Damaged, format!("log/checkpoint {why}; {remedy}"))
    };
    let parsed = Note::parse(&served).map_err(|_| damaged(&"is no checkpoint"))?;
    // What others signed is not believed from a disk: the feeder signs and serves what is here.
    let verified = genesis.policy().verify_checkpoint(&parsed);
    let verified = verified.map_err(|distrust| {
        damaged(&format_args!(
            "is not of this network's quorum ({distrust})"
        ))
    })?;
    let checkpoint = verified.checkpoint().clone();
    let root = root_at(&store.nodes(), checkpoint.size);
    let root = root.map_err(|error| damaged(&format_args!("does not fit the log ({error})")))?;
    if root != checkpoint.root {
        return Err(damaged(&format_args!(
            "has another root than the log's first {} entries",
            checkpoint.size
        )));
    }
    let cosigned = crate::checkpoints::at(store, genesis, checkpoint.size);
    let cosigned = cosigned.map_err(|error| Fatal::new(Exit::Damaged, error.to_string()))?;
    // Without what the feeder added: the publisher's signature and those under foreign names.
    let origin = genesis.origin().as_str();
    let publisher = genesis.publisher_key();
    let of_validator = |line: &&NoteSignature| {
        let rest = line.name().as_str().strip_prefix(origin);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && !publisher.as_ref().is_some_and(|key| key.claims(line))
    };
    let quorum = parsed.signatures().iter().filter(of_validator).cloned();
    let note =
        Note::new(parsed.text(), quorum.collect()).map_err(|_| damaged(&"is no checkpoint"))?;
    Ok(Some(Published {
        checkpoint,
        note: note.to_string().into(),
        served: served.into(),
        cosigned: cosigned.map(Arc::new),
    }))
}

/// The checkpoint that outside witnesses cosigned last before this start.
pub(super) fn newest_witnessed(store: &Store) -> Result<Option<Published>, Fatal> {
    let note = store.published_log().witnessed();
    let Some(note) = note.map_err(|error| storage_fatal(&error))? else {
        return Ok(None);
    };
    let parsed = Note::parse(&note).ok();
    let checkpoint = parsed.and_then(|parsed| parsed.text().parse::<Checkpoint>().ok());
    // One beyond the log is of a time before this home was restored: the feeder writes a new one.
    let within = |it: &Checkpoint| it.size <= store.published();
    let Some(checkpoint) = checkpoint.filter(within) else {
        tracing::warn!(
            "log/witnessed does not belong to this log; a new one comes with the next cosignatures"
        );
        return Ok(None);
    };
    let note = bytes::Bytes::from(note);
    Ok(Some(Published {
        checkpoint,
        served: note.clone(),
        note,
        cosigned: None,
    }))
}

/// Starts to feed outside witnesses, if this home has the publisher key.
pub(super) fn feed_witnesses(
    shared: &Arc<Shared>,
    config: &Config,
    publisher: Option<SecretKey>,
    home: &Home,
    cancel: &CancellationToken,
) -> Result<(), Fatal> {
    let Some(key) = publisher.filter(|_| !config.witness.is_empty()) else {
        return Ok(());
    };
    if shared.restored {
        tracing::warn!("outside witnesses are not fed while this restored home signs nothing");
        return Ok(());
    }
    crate::witness::start(shared, &config.witness, key, home.data(), cancel.clone())
}

/// The publisher key, if this home has it, checked against the genesis.
pub(super) fn publisher_key(
    home: &Home,
    config: &Config,
    genesis: &Genesis,
) -> Result<Option<SecretKey>, Fatal> {
    let path = Purpose::Publisher.path(&home.keys());
    if !path.exists() {
        if config.witness.is_empty() {
            return Ok(None);
        }
        let message = format!(
            "{} lists witnesses, and there is no {}; only the node of the network's publisher feeds witnesses: remove the [[witness]] entries, or restore the key",
            home.config().display(),
            path.display()
        );
        return Err(Fatal::new(Exit::Keys, message));
    }
    let key = SecretKey::read(&home.keys(), Purpose::Publisher).map_err(key_fatal)?;
    if genesis.spec().publisher == Some(key.public()) {
        return Ok(Some(key));
    }
    let message = format!(
        "{} is not the publisher key that the genesis names; put the right key there, or none",
        path.display()
    );
    Err(Fatal::new(Exit::Keys, message))
}

pub(super) const fn limits(config: &Config) -> Limits {
    Limits {
        events: config.pool.max_events as usize,
        bytes: config.pool.max_bytes,
        participant_bytes: config.pool.max_bytes_per_participant,
        peer_bytes: config.pool.max_bytes_per_peer,
    }
}

pub(super) const fn connection_limits(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        connections: config.http.max_connections as usize,
        per_address: config.http.max_connections_per_address as usize,
        header_timeout: Duration::from_millis(config.http.header_timeout_ms),
        write_timeout: Duration::from_millis(config.http.request_timeout_ms),
        grace: GRACE,
    }
}

/// Starts the task that copies the published log to an object store, if one is configured.
fn copy_log(
    shared: &Arc<Shared>,
    config: &Config,
    cancel: &CancellationToken,
    home: &Home,
) -> Option<Arc<publish_store::Progress>> {
    let publish = config.publish.clone();
    publish.is_on().then(|| {
        let progress = Arc::new(publish_store::Progress::new(&publish.url));
        tokio::spawn(publish_store::run(
            publish,
            home.log(),
            shared.genesis.origin().clone(),
            shared.published.subscribe(),
            Arc::clone(&progress),
            cancel.clone(),
        ));
        progress
    })
}

pub(super) fn service(
    shared: &Arc<Shared>,
    config: &Config,
    admission: Admission,
    metrics: &PrometheusHandle,
    cancel: &CancellationToken,
    home: &Home,
) -> Service {
    let pooled = Arc::clone(shared);
    let (metrics, measured) = (metrics.clone(), Arc::clone(shared));
    let http = &config.http;
    Service {
        network: shared.genesis.network_id(),
        name: config.name.clone(),
        config: http.clone(),
        admission,
        outcomes: Arc::clone(&shared.outcomes),
        pooled: Box::new(move |id| pooled.pool().contains(id)),
        reads: Arc::new(LedgerReads::new(Arc::clone(shared), config.clone())),
        published: shared.published.subscribe(),
        witnessed: shared.witnessed.subscribe(),
        blocks: shared.blocks.clone(),
        log_folder: home.log(),
        publishing: copy_log(shared, config, cancel, home),
        genesis: bytes::Bytes::copy_from_slice(shared.genesis.encoded()),
        metrics: Box::new(move || crate::metrics::render(&metrics, &measured)),
        requests: Arc::new(Semaphore::new(http.max_requests as usize)),
        waiters: Arc::new(Semaphore::new(http.max_requests as usize)),
        uploads: Arc::new(Semaphore::new((http.max_requests as usize / 4).max(1))),
        streams: Arc::new(Semaphore::new(http.max_streams as usize)),
        rate: Mutex::new(RateLimiter::new(
            http.requests_per_second,
            http.request_burst,
        )),
        stop: cancel.clone(),
    }
}

#[cfg(test)]
mod tests;
