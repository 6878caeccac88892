//! The signals on which a node stops.

use crate::exit::{Exit, Fatal};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What ends a process from outside.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, Fatal> {
        let make =
            |kind| signal(kind).map_err(|e| Fatal::new(Exit::Failure, format!("no signals: {e}")));
        Ok(Self {
            terminate: make(SignalKind::terminate())?,
            interrupt: make(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
