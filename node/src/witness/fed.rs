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
    pub(super) size: Size,
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
            size: known.unwrap_or_default(),
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

    /// It cosigned a checkpoint of this size.
    pub(super) fn cosigned(&mut self, size: Size) {
        self.good = true;
        self.size = size;
        self.pace.succeeded();
        let label = [("witness", self.name.clone())];
        metrics::gauge!("medanchor_witness_size", &label).set(size.0 as f64);
    }

    /// It did not cosign.
    pub(super) fn failed(&mut self, now: Instant, chance: u8) {
        self.good = false;
        self.pace.failed(now, chance);
    }

    /// Notes what came of a request; a change of that is worth a line in the log.
    pub(super) fn answered(&mut self, answer: String) {
        let labels = [("witness", self.name.clone()), ("answer", answer.clone())];
        metrics::counter!("medanchor_witness_answers_total", &labels).increment(1);
        if answer != self.answer {
            tracing::info!(
                witness = self.name,
                answer,
                "a witness answers differently now"
            );
        }
        self.answer = answer;
    }

    pub(super) fn status(&self) -> WitnessStatus {
        WitnessStatus {
            name: self.name.clone(),
            size: self.size.0,
            answer: self.answer.clone(),
            failures: self.pace.failures(),
        }
    }
}
