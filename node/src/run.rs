//! `medanchor run`: a node from its home until somebody stops it.
//!
//! What always holds: everything that can be refused is refused before a vote is cast; a stop
//! finishes what is in the air, flushes the store and ends with 0; every trouble has its exit code.

mod prepare;
mod signals;

use crate::admission::Admission;
use crate::chain::{self, Chain, Part, Publisher, Shared, Stop, publish, tasks};
use crate::config::Config;
use crate::cosign::Cosigners;
use crate::exit::{Exit, Fatal};
use crate::home::Home;
use crate::inspection::Contributor;
use crate::inspection::keys::KeyRing;
use crate::pool::Pool;
use crate::process::Addresses;
use crate::{http, logging};
use medanchor_network::{Handle, Network};
use medanchor_store::{HomeLock, StoreError, write_durably};
use metrics_exporter_prometheus::PrometheusHandle;
pub use prepare::read_genesis;
use prepare::{
    connection_limits, feed_witnesses, key_fatal, limits, listen, network_config, newest_published,
    newest_witnessed, open_store, part_of, publisher_key, service, signing_keys, start_fatal,
};
pub(crate) use signals::Signals;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What the command line can say.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node's home.
    pub home: Home,
    /// Whether the home was restored from a back-up.
    pub restored: bool,
}

/// How long a stop may take before it is cut short.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the node until it is stopped.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(options: &Options) -> Result<(), Fatal> {
    let home = &options.home;
    if !home.path().is_dir() {
        let message = format!(
            "{} is no folder; make homes with `medanchor network new`",
            home.path().display()
        );
        return Err(Fatal::new(Exit::Home, message));
    }
    let config =
        Config::read(&home.config()).map_err(|e| Fatal::new(Exit::Config, e.to_string()))?;
    logging::start(&config.log).map_err(|message| Fatal::new(Exit::Config, message))?;
    if let Err(error) = medanchor_store::raise_open_files() {
        tracing::warn!(%error, "cannot raise the number of files that may be open; see docs/operate.md");
    }
    let metrics = crate::metrics::install()?;
    // Before anything is written or bound: a second node must not touch what the first one uses.
    let lock = HomeLock::take(home.path()).map_err(|error| storage_fatal(&error))?;
    if options.restored {
        // Durable before anything is signed: without the mark a start votes again at once.
        write_durably(&home.restored(), b"signs nothing until it is safe\n")
            .map_err(|error| storage_fatal(&error))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("node")
        .enable_all()
        .build()
        .map_err(|e| Fatal::new(Exit::Failure, format!("the runtime did not start: {e}")))?;
    let stop = runtime.block_on(Node::live(home, lock, &config, &metrics))?;
    // Blocking reads that are still under way are not waited for for ever.
    runtime.shutdown_timeout(GRACE);
    match stop {
        Stop::Asked => Ok(()),
        Stop::Fatal { exit, message } => Err(Fatal::new(exit, message)),
        Stop::Caught => start_again(home),
    }
}

/// Starts this program again in this process, as a validator this time: nothing of the follower
/// is left then.
fn start_again(home: &Home) -> Result<(), Fatal> {
    use std::os::unix::process::CommandExt;
    let failed = |what: &str, e: std::io::Error| Fatal::new(Exit::Failure, format!("{what}: {e}"));
    std::fs::remove_file(home.restored())
        .map_err(|e| failed("cannot remove the mark of a restored home", e))?;
    tracing::info!("the network is past all that this node may have signed: it votes again");
    let program = std::env::current_exe().map_err(|e| failed("cannot find this program", e))?;
    let error = std::process::Command::new(program)
        .args(["run", "--home"])
        .arg(home.path())
        .exec();
    Err(failed("cannot start again", error))
}

/// The exit code and message for a failure of storage.
#[must_use]
pub fn storage_fatal(error: &StoreError) -> Fatal {
    let error = error.first();
    let exit = match error {
        StoreError::HomeInUse { .. } => Exit::Locked,
        StoreError::OtherNetwork { .. } => Exit::Home,
        StoreError::DiskFull { .. } => Exit::DiskFull,
        StoreError::Damaged { .. }
        | StoreError::Missing { .. }
        | StoreError::Contradiction { .. }
        | StoreError::OtherState { .. } => Exit::Damaged,
        _ => Exit::Failure,
    };
    Fatal::new(exit, error.to_string())
}

/// A node that lives.
struct Node {
    shared: Arc<Shared>,
    network: Handle,
    chain: Arc<Chain>,
    threads: Vec<JoinHandle<()>>,
    stopped: mpsc::UnboundedReceiver<Stop>,
    cancel: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Node {
    /// Starts, lives, stops.
    async fn live(
        home: &Home,
        lock: HomeLock,
        config: &Config,
        metrics: &PrometheusHandle,
    ) -> Result<Stop, Fatal> {
        // From the first moment on, so that a stop during the start is not lost.
        let mut signals = Signals::new()?;
        let node = Self::start(home, lock, config, metrics).await?;
        let stop = node.until_stopped(home, &mut signals).await;
        Ok(stop)
    }

    async fn start(
        home: &Home,
        lock: HomeLock,
        config: &Config,
        metrics: &PrometheusHandle,
    ) -> Result<Self, Fatal> {
        let genesis = read_genesis(home)?;
        if !genesis.spec().participants.contains_key(&config.name) {
            let message = format!(
                "{} is no participant of network {}; set `name` in {} to the one this home was made for",
                config.name,
                genesis.origin(),
                home.config().display()
            );
            return Err(Fatal::new(Exit::Config, message));
        }
        let part = part_of(home, config, &genesis);
        let validator = genesis
            .validators()
            .get(&config.name)
            .filter(|_| part == Part::Votes);
        let (consensus, cosigning) = validator
            .map(|v| signing_keys(home, v))
            .transpose()?
            .unzip();
        let publisher_key = publisher_key(home, config, &genesis)?;
        let network = network_config(home, config, &genesis, consensus)?;
        let listener = listen(config).await?;
        let http = listener
            .local_addr()
            .map_err(|e| Fatal::new(Exit::Failure, e.to_string()))?;
        crate::votes::require(home, genesis.validators().get(&config.name).is_some())?;
        let store = open_store(lock, config, &genesis).await?;
        let published = newest_published(&store, &genesis)?;
        let witnessed = newest_witnessed(&store)?;
        let (stop, stopped) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(
            genesis,
            config,
            Arc::new(store),
            Pool::new(limits(config)),
            Cosigners::new(cosigning),
            part,
            watch::channel(published).0,
            stop,
        ));
        shared.witnessed.send_replace(witnessed);
        let no_thread = |e: std::io::Error| Fatal::new(Exit::Failure, format!("no thread: {e}"));
        let (publisher, inbox) = Publisher::new();
        let interval = Duration::from_millis(config.store.publish_interval_ms);
        let publishing = publish::start(Arc::clone(&shared), inbox, interval).map_err(no_thread)?;
        let (threads, bytes) = (config.pool.verify_threads, config.pool.max_unverified_bytes);
        let admission =
            Admission::start(&shared, &shared.pool, threads, bytes).map_err(no_thread)?;
        let (chain, executing) =
            Chain::start(Arc::clone(&shared), admission.clone(), publisher).map_err(no_thread)?;
        let chain = Arc::new(chain);
        let network = Network::start(network, Arc::clone(&chain))
            .await
            .map_err(|error| start_fatal(&error))?;
        // The engine may have asked already; what it sent into the void is sent again by the clock.
        let _ = shared.network.set(network.clone());
        let cancel = CancellationToken::new();
        tokio::spawn(tasks::resend(Arc::clone(&shared), cancel.clone()));
        feed_witnesses(&shared, config, publisher_key, home, &cancel)?;
        contribute(&shared, &admission, home, &cancel)?;
        let service = service(&shared, config, admission, metrics, &cancel, home);
        let limits = connection_limits(config);
        let serving = tokio::spawn(http::server::serve(
            listener,
            http::router(Arc::new(service)),
            limits,
            http::server::Transport::Plain,
            cancel.clone(),
        ));
        let addresses = Addresses {
            http,
            p2p: network.status().listening,
            pid: std::process::id(),
        };
        addresses.write(home).map_err(|e| {
            Fatal::new(
                Exit::Failure,
                format!("cannot write {}: {e}", home.addresses().display()),
            )
        })?;
        announce(&shared, &addresses);
        let threads = vec![executing, publishing];
        Ok(Self {
            shared,
            network,
            chain,
            threads,
            stopped,
            cancel,
            serving,
        })
    }

    async fn until_stopped(mut self, home: &Home, signals: &mut Signals) -> Stop {
        let stop = tokio::select! {
            () = signals.any() => Stop::Asked,
            stop = self.stopped.recv() => stop.unwrap_or(Stop::Asked),
            fatal = self.network.failed() => self.network_failed(home, &fatal),
        };
        tracing::info!("stopping");
        self.cancel.cancel();
        let _ = tokio::time::timeout(GRACE, self.serving).await;
        let _ = tokio::time::timeout(GRACE, self.network.stop()).await;
        self.chain.stop();
        let (threads, shared, chain) = (self.threads, self.shared, self.chain);
        let closing = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // One that panicked has said so.
                let _ = thread.join();
            }
            drop(chain);
            close_store(shared)
        });
        match tokio::time::timeout(GRACE * 2, closing).await {
            Ok(Ok(Err(error))) if matches!(stop, Stop::Asked) => {
                let fatal = storage_fatal(&error);
                Stop::Fatal {
                    exit: fatal.exit,
                    message: fatal.message,
                }
            }
            _ => stop,
        }
    }

    /// The network stopped by itself: because the chain failed, which then said why, or alone.
    fn network_failed(&mut self, home: &Home, fatal: &medanchor_network::Fatal) -> Stop {
        if let Ok(stop) = self.stopped.try_recv() {
            return stop;
        }
        let Fatal { exit, message } = match fatal {
            medanchor_network::Fatal::Wal(_) => crate::votes::failed(home, fatal),
            _ => Fatal::new(Exit::Failure, fatal.to_string()),
        };
        Stop::Fatal { exit, message }
    }
}

/// Starts to give random outputs, if this node votes and has keys for them.
fn contribute(
    shared: &Arc<Shared>,
    admission: &Admission,
    home: &Home,
    cancel: &CancellationToken,
) -> Result<(), Fatal> {
    if !shared.votes {
        return Ok(());
    }
    let keys = KeyRing::read(home).map_err(key_fatal)?;
    if keys.is_empty() {
        tracing::warn!(
            "this home has no keys for random outputs, so inspections are drawn without this validator; `medanchor key register` makes the first ones, `medanchor key replace` others in the place of those that the ledger knows"
        );
    }
    let contributor = Contributor::new(Arc::clone(shared), admission.clone(), home.clone(), keys);
    tokio::spawn(contributor.run(cancel.clone()));
    Ok(())
}

/// Saves what the journal alone holds, so that the next start is quick.
fn close_store(shared: Arc<Shared>) -> Result<(), StoreError> {
    let mut store = Arc::clone(&shared.store);
    drop(shared);
    for _ in 0..100 {
        store = match Arc::try_unwrap(store) {
            Ok(store) => return store.close(),
            // The last requests are letting go of it.
            Err(shared) => shared,
        };
        std::thread::sleep(Duration::from_millis(20));
    }
    store.health()
}

fn announce(shared: &Shared, addresses: &Addresses) {
    tracing::info!(
        name = %shared.name, network = %shared.genesis.origin(), http = %addresses.http,
        p2p = %addresses.p2p, votes = shared.votes, height = %chain::height(shared),
        "the node runs"
    );
    if shared.restored {
        tracing::warn!(
            "this home was restored: the node signs nothing until the network is past all that its keys may have signed"
        );
    }
}
