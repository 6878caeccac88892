//! One witness, as the feeder keeps it.

use super::WitnessStatus;
use super::line::Line;
use super::memory::Memory;
use super::pace::Pace;
use crate::config::Witness;
use crate::exit::{Exit, Fatal};
use medanchor_ledger::Size;
use medanchor_ledger::note::VerifierKey;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One witness. The feeder's task alone changes it.
pub(super) struct Fed {
    pub(super) name: String,
    pub(super) keys: Arc<[VerifierKey]>,
    pub(super) line: Arc<Line>,
    pub(super) pace: Pace,
    /// The size it cosigned last, as far as is known.
    pub(super) cosigned: Size,
    /// The size it was asked about last in this process.
    pub(super) offered: Size,
    /// Whether a request is under way.
    pub(super) busy: bool,
    /// Whether it cosigned when it was asked last: rounds wait for it.
    pub(super) good: bool,
    pub(super) answer: String,
}

impl Fed {
    pub(super) fn new(witness: &Witness, memory: &Memory, now: Instant) -> Result<Self, Fatal> {
        let name = witness.name.to_string();
        let keys = witness.keys().map_err(|e| Fatal::new(Exit::Config, e))?;
        let known = keys.iter().map(|key| memory.cosigned(key)).max();
        let line = Line::open(&name, &witness.url);
        let line =
            line.map_err(|e| Fatal::new(Exit::Failure, format!("no thread for {name}: {e}")))?;
        Ok(Self {
            name,
            keys: keys.into(),
            line: Arc::new(line),
            pace: Pace::new(Duration::from_millis(witness.interval_ms), now),
            cosigned: known.unwrap_or_default(),
            offered: Size(0),
            busy: false,
            good: false,
            answer: String::new(),
        })
    }

    /// Whether it is to be asked about a checkpoint of this size. After a failure it is asked again
    /// about the same one.
    pub(super) fn is_open(&self, size: Size) -> bool {
        let done = self.good && self.offered >= size;
        !self.busy && !done
    }

    pub(super) fn status(&self) -> WitnessStatus {
        WitnessStatus {
            name: self.name.clone(),
            size: self.cosigned.0,
            answer: self.answer.clone(),
            failures: self.pace.failures(),
        }
    }
}
