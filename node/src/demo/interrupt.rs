//! Ctrl-C and SIGTERM: stop every node cleanly, then end.
//!
//! What always holds: whatever the demo is doing, after the first signal no node is started, every
//! node that was is stopped, and the demo ends with 128 and the signal's number, not with the errors
//! that the stopping itself brings about.

use crate::output::complain;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long the nodes may take to stop.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// The node processes that are running.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<Nodes>>);

#[derive(Default)]
struct Nodes {
    pids: BTreeSet<i32>,
    /// A signal came: the thread that waits for signals ends the program.
    ending: bool,
}

impl Running {
    /// Starts a process and notes it, so that no signal can come between the two.
    pub fn start<T, E>(
        &self,
        start: impl FnOnce() -> Result<T, E>,
        pid: impl FnOnce(&T) -> u32,
    ) -> Result<T, E> {
        let mut nodes = self.lock_unless_ending();
        let started = start()?;
        nodes.pids.extend(i32::try_from(pid(&started)));
        Ok(started)
    }

    /// Forgets a process that ended.
    pub fn remove(&self, pid: u32) {
        if let Ok(pid) = i32::try_from(pid) {
            self.lock().pids.remove(&pid);
        }
    }

    /// Waits for the end if a signal came; the demo's own outcome counts no more then.
    pub fn wait_if_ending(&self) {
        drop(self.lock_unless_ending());
    }

    fn lock_unless_ending(&self) -> MutexGuard<'_, Nodes> {
        loop {
            let nodes = self.lock();
            if !nodes.ending {
                return nodes;
            }
            drop(nodes);
            std::thread::park_timeout(PAUSE);
        }
    }

    fn end(&self) -> Vec<Pid> {
        let mut nodes = self.lock();
        nodes.ending = true;
        nodes.pids.iter().copied().map(Pid::from_raw).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Nodes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From now on SIGINT and SIGTERM stop the running nodes and end the program.
pub fn watch(running: Running) -> anyhow::Result<()> {
    // Handlers, not a signal mask: a mask would be inherited by the nodes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let number = runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => Signal::SIGINT as i32,
                    _ = terminate.recv() => Signal::SIGTERM as i32,
                }
            });
            let nodes = running.end();
            complain(format_args!("\nStopping the network ..."));
            stop_all(&nodes);
            complain(format_args!("Every node has stopped."));
            std::process::exit(128 + number);
        })?;
    Ok(())
}

fn stop_all(nodes: &[Pid]) {
    for node in nodes {
        // It may have ended already, which is what is wanted.
        let _ = kill(*node, Signal::SIGTERM);
    }
    let start = Instant::now();
    for node in nodes {
        while still_runs(*node) {
            if start.elapsed() > PATIENCE {
                let _ = kill(*node, Signal::SIGKILL);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

fn still_runs(node: Pid) -> bool {
    matches!(
        waitpid(node, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive)
    )
}
