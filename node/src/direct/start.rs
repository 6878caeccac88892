//! Starting a service, and stopping it cleanly.

use super::config::ServiceConfig;
use super::custodian::Keeper;
use super::home::ServiceHome;
use super::log::{NotCompared, anchor_releases};
use super::owner::Owner;
use super::renewal::keep_renewed;
use super::router::{Answers, router};
use super::upkeep::keep_up;
use crate::config::Log;
use crate::exit::{Exit, Fatal};
use crate::http::server::{ConnectionLimits, Transport, serve as serve_http};
use crate::http::tls::acceptor;
use crate::run::Signals;
use medanchor_ledger::genesis::Genesis;
use medanchor_sdk::direct::Certificate;
use medanchor_sdk::{Identity, Sdk};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

const LIMITS: ConnectionLimits = ConnectionLimits {
    connections: 512,
    per_address: 64,
    header_timeout: Duration::from_secs(10),
    write_timeout: Duration::from_secs(20),
    grace: Duration::from_secs(5),
};

/// How long a stop waits for the work beside a service, and how often it looks. What that work has posted by
/// then and not seen anchored is in the identity's journal.
const GRACE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

fn fatal(exit: Exit, error: impl std::fmt::Display) -> Fatal {
    Fatal::new(exit, error.to_string())
}

fn log(config: &ServiceConfig) -> Log {
    Log {
        level: config.log_level.clone(),
        ..Log::default()
    }
}

/// What both services are made of.
struct Ready {
    config: ServiceConfig,
    sdk: Arc<Sdk>,
    genesis: Genesis,
    certificate: Certificate,
}

impl Ready {
    fn open(home: &ServiceHome) -> Result<Self, Fatal> {
        let config = ServiceConfig::read(&home.config()).map_err(|e| fatal(Exit::Config, e))?;
        crate::logging::start(&log(&config)).map_err(|e| fatal(Exit::Config, e))?;
        let identity = Identity::open(&home.identity())?;
        let genesis = std::fs::read(home.identity().join("genesis"));
        let genesis = genesis.map_err(|e| fatal(Exit::Home, e))?;
        let genesis = Genesis::decode(&genesis).map_err(|e| fatal(Exit::Home, e))?;
        let certificate = Certificate::load(&home.folder()).map_err(|e| fatal(Exit::Keys, e))?;
        let sdk = Sdk::new(identity, config.nodes.clone()).map_err(|e| fatal(Exit::Config, e))?;
        Ok(Self {
            config,
            sdk: Arc::new(sdk),
            genesis,
            certificate,
        })
    }
}

/// Runs a custodian until a signal stops it, or its release log is found not to go on from what is anchored.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run_custodian(home: &ServiceHome) -> Result<Exit, Fatal> {
    let ready = Ready::open(home)?;
    let keeper = Arc::new(open_keeper(home, &ready)?);
    let every = Duration::from_secs(ready.config.log_seconds);
    run(home, &ready, Arc::clone(&keeper), |stop, end| {
        std::thread::spawn(move || {
            if let Err(error) = anchor_releases(&keeper, every, &stop) {
                tracing::error!(%error, "the release log is not the one that was anchored");
                // Whoever waits for it has ended already.
                let _ = end.send(fatal(Exit::Damaged, error));
            }
        })
    })
}

/// Runs an owner's vault as a service until a signal stops it.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run_owner(home: &ServiceHome) -> Result<Exit, Fatal> {
    let ready = Ready::open(home)?;
    let sdk = Arc::clone(&ready.sdk);
    let owner = Owner::new(
        Arc::clone(&sdk),
        ready.genesis.clone(),
        ready.config.terms(),
        ready.config.requests,
    );
    let every = Duration::from_secs(ready.config.emergency_seconds);
    run(home, &ready, Arc::new(owner), |stop, _end| {
        let (renewing, end) = (Arc::clone(&sdk), stop.clone());
        std::thread::spawn(move || {
            let renewing = std::thread::spawn(move || keep_renewed(&renewing, &end));
            keep_up(&sdk, every, &stop);
            // What a panic there was has been printed.
            let _ = renewing.join();
        })
    })
}

fn open_keeper(home: &ServiceHome, ready: &Ready) -> Result<Keeper, Fatal> {
    let share_key = super::home::read_share_key(&home.share_key())?;
    let mut store = super::store::open(home, ready.sdk.network())?.store;
    store.set_bound(ready.config.unanchored_deals);
    let (sdk, genesis) = (Arc::clone(&ready.sdk), ready.genesis.clone());
    let keeper = Keeper::new(sdk, genesis, store, share_key, ready.config.terms());
    match keeper.compare() {
        Err(NotCompared::Differs(error)) => return Err(fatal(Exit::Damaged, error)),
        Err(NotCompared::Ledger(problem)) => {
            let code = problem.code();
            tracing::warn!(code, "nothing is released before the ledger can be asked");
        }
        Ok(()) => {}
    }
    Ok(keeper)
}

/// Serves, with `beside` at work, until a signal comes or `beside` ends it. When this returns both have let go of
/// the identity, so that its journal is written to the end, unless an event waits for longer than [`GRACE`].
fn run<S: Answers>(
    home: &ServiceHome,
    ready: &Ready,
    service: Arc<S>,
    beside: impl FnOnce(CancellationToken, oneshot::Sender<Fatal>) -> JoinHandle<()>,
) -> Result<Exit, Fatal> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| fatal(Exit::Failure, e))?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let serving = serve(&ready.config, &ready.certificate, service).await?;
        let address = serving.address;
        write_address(home, address).map_err(|e| fatal(Exit::Failure, e))?;
        let (end, ended) = oneshot::channel();
        let beside = beside(serving.stop.clone(), end);
        tracing::info!(%address, "listening");
        let exit = tokio::select! {
            () = signals.any() => Ok(Exit::Success),
            Ok(fatal) = ended => Err(fatal),
        };
        tracing::info!("stopping");
        serving.stop().await;
        ended_beside(beside).await;
        exit
    })
}

/// Waits until the work beside a service has seen that it is to stop.
async fn ended_beside(work: JoinHandle<()>) {
    let over = async {
        while !work.is_finished() {
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(GRACE, over).await {
        // Where it panicked, that was said already.
        Ok(()) => drop(work.join()),
        Err(_) => tracing::warn!("stops while an event waits, which stays in the journal"),
    }
}

/// Written aside and renamed: whoever waits for the file finds it whole.
fn write_address(home: &ServiceHome, address: SocketAddr) -> std::io::Result<()> {
    let aside = home.folder().join("address.new");
    std::fs::write(&aside, format!("{address} {}\n", std::process::id()))?;
    std::fs::rename(aside, home.address())
}

/// A service that answers.
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// Lets open requests finish, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

/// Serves on the runtime it is called on, until it is stopped.
///
/// # Errors
/// [`Fatal`] when it cannot listen, or the certificate cannot be used.
pub async fn serve<S: Answers>(
    config: &ServiceConfig,
    certificate: &Certificate,
    service: Arc<S>,
) -> Result<Serving, Fatal> {
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        let exit = match error.kind() {
            std::io::ErrorKind::AddrInUse => Exit::PortInUse,
            _ => Exit::Failure,
        };
        let listen = config.listen;
        Fatal::new(
            exit,
            format!("cannot listen on {listen}: {error}; change listen"),
        )
    })?;
    let address = listener.local_addr().map_err(|e| fatal(Exit::Failure, e))?;
    let transport = Transport::Tls(acceptor(certificate).map_err(|e| fatal(Exit::Keys, e))?);
    let router = router(service, config.requests, config.requests_per_second);
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve_http(
        listener,
        router,
        LIMITS,
        transport,
        stop.clone(),
    ));
    Ok(Serving {
        address,
        stop,
        task,
    })
}
