//! Ctrl-C and SIGTERM: stop every node cleanly, then end.
//!
//! What always holds: whatever the demo is doing, after the first signal no node process is left
//! when the demo ends.

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long the nodes may take to stop.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// The node processes that are running.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<BTreeSet<i32>>>);

impl Running {
    /// Notes a process.
    pub fn add(&self, pid: u32) {
        if let Ok(pid) = i32::try_from(pid) {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(pid);
        }
    }

    /// Forgets a process that ended.
    pub fn remove(&self, pid: u32) {
        if let Ok(pid) = i32::try_from(pid) {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&pid);
        }
    }

    fn all(&self) -> Vec<Pid> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().copied().map(Pid::from_raw).collect()
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
            eprintln!("\nStopping the network ...");
            stop_all(&running.all());
            eprintln!("Every node has stopped.");
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
