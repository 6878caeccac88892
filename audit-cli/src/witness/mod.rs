//! `witness`: this program as an outside witness (C2SP `tlog-witness`).
//!
//! What always holds: for each log the witness cosigns a checkpoint only if it provably continues
//! the one cosigned last, and what it cosigned is on disk, synced, before the cosignature leaves,
//! so that no kill and no power cut makes it sign two histories; one process a folder and a key.
//! Checkpoints that cannot both be are kept as evidence. Requests are bounded in size, time and
//! number.
//!
//! ```text
//! DIR/lock                              held while the witness runs
//! DIR/<SHA-256 of origin>/checkpoint    the checkpoint cosigned last, with the log's signatures
//! DIR/<SHA-256 of origin>/evidence/     what the log signed and must not have
//! ```

pub(crate) mod args;
mod evidence;
mod http;
mod key;
mod log;
mod trust;

use crate::output::{self, complain};
use crate::{EXIT_FAILED, EXIT_GOOD, EXIT_UNREADABLE, EXIT_USAGE};
use args::{KeyCommand, WitnessArgs, WitnessCommand};
use key::WitnessKey;
use log::Log;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::note::KeyName;
use medanchor_ledger::witness::AddCheckpoint;
use medanchor_ledger::{Size, sha256};
use medanchor_store::{HomeLock, StoreError, make_folder};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the witness does not run.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Key(#[from] crate::key_file::KeyFileError),
    #[error(transparent)]
    Trust(#[from] trust::TrustError),
    #[error("{dir}: {cause}", dir = dir.display())]
    Folder { dir: PathBuf, cause: StoreError },
    #[error("another witness runs with the key {path}; stop it first", path = path.display())]
    KeyInUse { path: PathBuf },
    #[error(
        "{path} is not a checkpoint that this witness cosigned; restore it from this machine's own disk, never from a back-up, or begin a new folder with a new key",
        path = path.display()
    )]
    Damaged { path: PathBuf },
    #[error("cannot listen on {address}: {cause}; choose another --listen")]
    Listen {
        address: std::net::SocketAddr,
        cause: std::io::Error,
    },
    #[error("the witness cannot go on: {0}")]
    Serving(std::io::Error),
}

impl Failure {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Trust(
                trust::TrustError::Neither { .. }
                | trust::TrustError::KeyBesidePolicy { .. }
                | trust::TrustError::LogBesideGenesis { .. },
            ) => EXIT_USAGE,
            Self::Damaged { .. } => EXIT_FAILED,
            _ => EXIT_UNREADABLE,
        }
    }
}

/// Runs the witness until it is stopped, or does what is to be done with its key; gives the exit
/// code.
pub(crate) fn run(args: &WitnessArgs) -> u8 {
    let done = match (&args.command, &args.key, &args.dir) {
        (Some(WitnessCommand::Key(command)), _, _) => key_command(command),
        (None, Some(key), Some(dir)) => serve(args, key, dir),
        // The command line demands both.
        _ => return EXIT_USAGE,
    };
    done.unwrap_or_else(|failure| {
        complain(&failure);
        failure.exit_code()
    })
}

fn key_command(command: &KeyCommand) -> Result<u8, Failure> {
    let key = match command {
        KeyCommand::New { name, out } => WitnessKey::create(name, out)?,
        KeyCommand::Show { key } => WitnessKey::read(key)?,
    };
    Ok(output::print(EXIT_GOOD, |out| {
        writeln!(out, "{}", key.verifier())
    }))
}

fn serve(args: &WitnessArgs, key_path: &Path, dir: &Path) -> Result<u8, Failure> {
    let failed = |cause| Failure::Folder {
        dir: dir.to_owned(),
        cause,
    };
    let trusted = trust::read(&args.logs, trust::network(args)?)?;
    let key = WitnessKey::read(key_path)?;
    let _key_lock = lock_key(key_path)?;
    make_folder(dir).map_err(failed)?;
    let _lock = HomeLock::take(dir).map_err(failed)?;
    let witness = Arc::new(Witness::open(dir, key, trusted)?);
    let address = args.listen;
    let listen = |cause| Failure::Listen { address, cause };
    let listener = TcpListener::bind(address).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (mut shown, shared) = (EXIT_GOOD, Arc::clone(&witness));
    let ready = || shown = shared.announce(address);
    http::serve(listener, witness, ready).map_err(Failure::Serving)?;
    Ok(shown)
}

/// Two witnesses with one key would each remember half of what the key signed.
fn lock_key(path: &Path) -> Result<File, Failure> {
    let in_use = || Failure::KeyInUse {
        path: path.to_owned(),
    };
    let file = File::open(path).map_err(|_| in_use())?;
    file.try_lock().map_err(|_| in_use())?;
    Ok(file)
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Signature lines.
    Cosigned(String),
    /// Another size was cosigned last.
    Conflict(Size),
    /// A status and the reason.
    Refused(u16, String),
}

/// A witness and the logs that it knows.
pub(crate) struct Witness {
    key: WitnessKey,
    logs: BTreeMap<KeyName, Log>,
}

impl Witness {
    /// Opens the witness in `dir`, whose lock is held.
    fn open(dir: &Path, key: WitnessKey, trusted: trust::Trusted) -> Result<Self, Failure> {
        let mut logs = BTreeMap::new();
        for (origin, policies) in trusted {
            let folder = dir.join(origin_hash(&origin));
            let log = Log::open(folder, &origin, policies, &key)?;
            logs.insert(origin, log);
        }
        Ok(Self { key, logs })
    }

    /// Prints what it is and which logs it knows; gives the exit code.
    fn announce(&self, address: std::net::SocketAddr) -> u8 {
        output::print(EXIT_GOOD, |out| {
            writeln!(out, "witness {} on http://{address}", self.key.verifier())?;
            for (origin, log) in &self.logs {
                writeln!(out, "  log {origin}, {} entries cosigned", log.size())?;
            }
            Ok(())
        })
    }

    /// Answers add-checkpoint.
    pub(crate) fn add_checkpoint(&self, body: &[u8]) -> Answer {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(error) => return Answer::Refused(400, error.to_string()),
        };
        let checkpoint: Checkpoint = match request.checkpoint.text().parse() {
            Ok(checkpoint) => checkpoint,
            Err(error) => return Answer::Refused(400, error.to_string()),
        };
        match self.logs.get(&checkpoint.origin) {
            Some(log) => log.add(&self.key, &request, checkpoint, body),
            None => Answer::Refused(404, "this witness does not know the origin".to_owned()),
        }
    }

    /// The checkpoint cosigned last of the log with this hash of its origin.
    pub(crate) fn checkpoint(&self, hash: &str) -> Option<Vec<u8>> {
        let known = |origin: &&KeyName| origin_hash(origin) == hash;
        let origin = self.logs.keys().find(known)?;
        self.logs.get(origin)?.note()
    }
}

/// SHA-256 of an origin in hex, as the monitoring prefix names a log.
fn origin_hash(origin: &KeyName) -> String {
    hex::encode(sha256(&[origin.as_str().as_bytes()]))
}

#[cfg(test)]
mod tests;
