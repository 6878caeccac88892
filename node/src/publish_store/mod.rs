//! The published log in an object store: a copy of `HOME/log` that any file server can serve.
//!
//! What always holds:
//!
//! - A checkpoint is in the store only after everything that it needs: genesis, policies, full tiles
//!   and bundles, the partial ones of its size, certificates and cosignatures. Whoever reads a
//!   checkpoint there finds its tiles there.
//! - An object that never changes is never written over. If other bytes are found under its name,
//!   nothing more is pushed and the operator is told until it is put right.
//! - Only `HOME/log` is read, and nobody waits for the store: what is newest when a round begins is
//!   pushed, what was published between two rounds is passed over.
//! - How far the store is stands in the store's own checkpoint, so that a round that was cut short
//!   at any instant is simply begun again.

mod objects;
mod report;
mod round;
mod target;
mod wire;

pub use report::{Progress, Publishing};
pub use round::Copy;
pub use target::Target;

use crate::config;
use crate::http::service::Published;
use medanchor_ledger::Size;
use medanchor_ledger::note::KeyName;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The node's own folder cannot be read.
    #[error("the published folder cannot be read: {0}")]
    Log(#[from] medanchor_store::StoreError),
    /// The tree of the node's own log cannot be read.
    #[error("the published folder cannot be read: {0}")]
    Tree(#[from] medanchor_ledger::ReadFailed),
    /// A file of the node's own folder cannot be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store cannot be used as the configuration says.
    #[error("{0}")]
    Config(String),
    /// The store did not do what it was asked for.
    #[error("the store failed at {path}: {what}; it is tried again")]
    Store {
        /// The object.
        path: String,
        /// In our words: a store's own answer may hold names of keys.
        what: &'static str,
    },
    /// The store has other bytes under a name whose bytes never change.
    #[error(
        "the store has another {path} than this log: give each log a place of its own, or find out who changed it; nothing is written over"
    )]
    Conflict {
        /// The object.
        path: String,
    },
}

impl PushError {
    /// A word for metrics.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Log(_) | Self::Tree(_) | Self::File { .. } => "log",
            Self::Config(_) => "config",
            Self::Store { .. } => "store",
            Self::Conflict { .. } => "conflict",
        }
    }
}

/// Pushes every checkpoint that is the newest when its turn comes, until `stop`.
pub async fn run(
    config: config::Publish,
    log_folder: PathBuf,
    origin: KeyName,
    mut published: watch::Receiver<Option<Published>>,
    progress: Arc<Progress>,
    stop: CancellationToken,
) {
    let work = async {
        let mut pauses = Pauses::default();
        let mut copy = None;
        // What was published before the start is news to the store.
        published.mark_changed();
        while published.changed().await.is_ok() {
            let newest = newest(&mut published);
            progress.published(newest);
            loop {
                match push(&config, &log_folder, &origin, &mut copy).await {
                    Ok(pushed) => {
                        progress.pushed(pushed);
                        pauses.reset();
                        break;
                    }
                    Err(error) => {
                        progress.failed(&error);
                        tokio::time::sleep(pauses.next()).await;
                    }
                }
            }
            let rest = copy.as_ref().map_or(Duration::ZERO, Copy::rest);
            tokio::time::sleep(rest.max(config.interval())).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

fn newest(published: &mut watch::Receiver<Option<Published>>) -> Size {
    let newest = published.borrow_and_update();
    newest
        .as_ref()
        .map_or(Size(0), |published| published.checkpoint.size)
}

/// One round, over a store that is opened when it is first needed: a folder that is not mounted yet
/// must not keep a validator from starting.
async fn push(
    config: &config::Publish,
    log_folder: &std::path::Path,
    origin: &KeyName,
    copy: &mut Option<Copy>,
) -> Result<Size, PushError> {
    let copy = match copy {
        Some(copy) => copy,
        None => copy.insert(Copy::new(
            Target::open(config)?,
            log_folder,
            origin.clone(),
            config.record_bytes_per_second,
        )),
    };
    copy.round().await
}

/// How long to wait after failures: twice as long each time, up to a bound.
#[derive(Default)]
struct Pauses(u32);

impl Pauses {
    const fn reset(&mut self) {
        self.0 = 0;
    }

    fn next(&mut self) -> Duration {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.0.min(6))
            .min(LONGEST_PAUSE);
        self.0 = self.0.saturating_add(1);
        pause
    }
}
