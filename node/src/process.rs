//! Nodes as processes of their own: start, wait until ready, stop, kill.
//!
//! What always holds: a process started here never outlives its [`NodeProcess`]; every wait has a
//! bound; nothing is decided by the clock except giving up.

use crate::exit::Exit;
use crate::home::Home;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Where a running node listens: `HOME/run/addresses`, one JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// HTTP.
    pub http: SocketAddr,
    /// Other nodes.
    pub p2p: SocketAddr,
    /// The process.
    pub pid: u32,
}

impl Addresses {
    /// Reads what the running node wrote; none if it has not.
    #[must_use]
    pub fn read(home: &Home) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(home.addresses()).ok()?).ok()
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(&self, home: &Home) -> io::Result<()> {
        std::fs::create_dir_all(home.run())?;
        let aside = home.run().join("addresses.new");
        std::fs::write(&aside, serde_json::to_vec(self)?)?;
        std::fs::rename(aside, home.addresses())
    }

    /// The node's base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }
}

/// Why a node process is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The system refused.
    #[error("cannot start {binary}: {source}", binary = binary.display())]
    Start {
        /// The program.
        binary: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("the node in {home} ended with {status} before it was ready:\n{said}", home = home.display())]
    Ended {
        /// Its home.
        home: PathBuf,
        /// How.
        status: ExitStatus,
        /// The end of its log.
        said: String,
    },
    /// It is not ready in time.
    #[error("the node in {home} is not ready after {seconds} s:\n{said}", home = home.display())]
    NotReady {
        /// Its home.
        home: PathBuf,
        /// How long was waited.
        seconds: u64,
        /// The end of its log.
        said: String,
    },
}

impl ProcessError {
    /// True if the node ended because a port was taken: choose others and try again.
    #[must_use]
    pub fn is_port_in_use(&self) -> bool {
        matches!(self, Self::Ended { status, .. } if status.code() == Some(Exit::PortInUse.code().into()))
    }
}

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// A running `medanchor run`. Killed when dropped.
pub struct NodeProcess {
    home: Home,
    child: Child,
}

impl NodeProcess {
    /// Starts `binary run --home HOME arguments`, its output going to `HOME/run/node.log`.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn spawn(binary: &Path, home: &Home, arguments: &[&str]) -> Result<Self, ProcessError> {
        let start = || {
            std::fs::create_dir_all(home.run())?;
            // A stale file of a killed node would look like this one being ready.
            let _ = std::fs::remove_file(home.addresses());
            let log = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(log_path(home))?;
            Command::new(binary)
                .args(["run", "--home"])
                .arg(home.path())
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
        };
        let child = start().map_err(|source| ProcessError::Start {
            binary: binary.into(),
            source,
        })?;
        Ok(Self {
            home: home.clone(),
            child,
        })
    }

    /// Starts a node and waits until it listens, on the ports that it had before if it ran before
    /// ([`start_again`]).
    ///
    /// # Errors
    /// If it ended, or does not listen within `patience`.
    pub fn start(
        binary: &Path,
        home: &Home,
        arguments: &[&str],
        patience: Duration,
    ) -> Result<Self, ProcessError> {
        start_again(patience, || {
            let mut node = Self::spawn(binary, home, arguments)?;
            node.wait_until_listening(patience)?;
            Ok(node)
        })
    }

    /// The node's home.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens, once it does.
    #[must_use]
    pub fn addresses(&self) -> Option<Addresses> {
        Addresses::read(&self.home).filter(|addresses| addresses.pid == self.pid())
    }

    /// Waits until the node listens.
    ///
    /// # Errors
    /// If it ended, or `patience` is over.
    pub fn wait_until_listening(&mut self, patience: Duration) -> Result<Addresses, ProcessError> {
        let start = Instant::now();
        loop {
            if let Some(addresses) = self.addresses() {
                return Ok(addresses);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let home = self.home.path().into();
                return Err(ProcessError::Ended {
                    home,
                    status,
                    said: self.said(),
                });
            }
            if start.elapsed() > patience {
                let seconds = patience.as_secs();
                let home = self.home.path().into();
                return Err(ProcessError::NotReady {
                    home,
                    seconds,
                    said: self.said(),
                });
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// True while the process runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the process to end by itself; none if it has not within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if start.elapsed() < patience => std::thread::sleep(PAUSE),
                _ => return None,
            }
        }
    }

    /// Asks the node to stop (SIGTERM) without waiting.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Asks the node to stop (SIGTERM) and waits; kills it when `patience` is over.
    pub fn stop(mut self, patience: Duration) -> Option<ExitStatus> {
        self.ask_to_stop();
        self.wait(patience)
    }

    /// Ends the process at once (SIGKILL), as a power cut would, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// The last lines that the node wrote.
    #[must_use]
    pub fn said(&self) -> String {
        let text = std::fs::read(log_path(&self.home)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended already, which is what was asked for.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.end();
    }
}

fn log_path(home: &Home) -> PathBuf {
    home.run().join("node.log")
}

/// Starts a node again on the ports that it had. Another program may have been given one of them while
/// the node was down: `start` is called again until the port is free or `patience` is over.
///
/// # Errors
/// What `start` said last; at once if it is about anything but a port.
pub fn start_again<T>(
    patience: Duration,
    mut start: impl FnMut() -> Result<T, ProcessError>,
) -> Result<T, ProcessError> {
    let began = Instant::now();
    loop {
        match start() {
            Err(error) if error.is_port_in_use() && began.elapsed() < patience => {
                std::thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// `count` TCP ports of 127.0.0.1 that were free a moment ago. Somebody may take one before it is
/// used: whoever starts the node tries again with others then.
///
/// They lie below those that systems give to outgoing connections: one of these would take a port
/// away for as long as it lasts.
///
/// # Errors
/// If the system has none.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    // All are held until all are known, so that no port is given twice.
    let held: Vec<TcpListener> = (0..count).map(|_| free_port()).collect::<io::Result<_>>()?;
    held.iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect()
}

/// Where services may listen: above those of well-known services, below those of connections.
const SERVICE_PORTS: std::ops::Range<u16> = 10_240..32_768;
/// How many of them are tried before the system is asked for any.
const TRIES: usize = 64;

fn free_port() -> io::Result<TcpListener> {
    let found =
        (0..TRIES).find_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, some_port().ok()?)).ok());
    found.map_or_else(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), Ok)
}

fn some_port() -> Result<u16, getrandom::Error> {
    let drawn = u16::try_from(getrandom::u32()? & 0xffff).unwrap_or_default();
    let room = SERVICE_PORTS.end - SERVICE_PORTS.start;
    Ok(SERVICE_PORTS.start + drawn % room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_several_and_not_those_of_connections() {
        let ports = free_ports(40).expect("ports are free");
        let several: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(several.len(), 40);
        assert!(ports.iter().all(|port| SERVICE_PORTS.contains(port)));
    }
}
