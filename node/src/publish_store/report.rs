//! How far the object store is behind, for `status` and for metrics.

use super::PushError;
use medanchor_ledger::Size;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The copy of the published log in an object store, as `GET /v1/status` tells it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Publishing {
    /// Where it is.
    pub url: String,
    /// Entries under the checkpoint that the store has.
    pub size: u64,
    /// Entries published here that the store has not.
    pub behind_entries: u64,
    /// Seconds for which the store has not had the newest checkpoint.
    pub behind_seconds: u64,
    /// Why the last round failed; none once one came to its end.
    pub last_error: Option<String>,
}

/// What the pushing task knows of its own work. Written by that task, read by whoever asks.
#[derive(Debug)]
pub struct Progress {
    url: String,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    published: Size,
    pushed: Size,
    behind_since: Option<Instant>,
    last_error: Option<String>,
}

impl Progress {
    /// Nothing is pushed yet to `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            known: Mutex::default(),
        }
    }

    /// A checkpoint of this size is published, here.
    pub(super) fn published(&self, size: Size) {
        let mut known = self.known();
        known.published = size;
        if known.pushed < size {
            known.behind_since.get_or_insert_with(Instant::now);
        }
        measure(&known);
    }

    /// The store has the checkpoint of this size.
    pub(super) fn pushed(&self, size: Size) {
        let mut known = self.known();
        known.pushed = size;
        known.last_error = None;
        if known.pushed >= known.published {
            known.behind_since = None;
        }
        measure(&known);
        metrics::counter!("medanchor_object_store_rounds_total").increment(1);
    }

    /// A round failed.
    pub(super) fn failed(&self, error: &PushError) {
        metrics::counter!("medanchor_object_store_failures_total", "kind" => error.kind())
            .increment(1);
        match error {
            PushError::Conflict { .. } => {
                tracing::error!(%error, "the object store is not this log's")
            }
            _ => tracing::warn!(%error, "the object store has not the newest checkpoint"),
        }
        self.known().last_error = Some(error.to_string());
    }

    /// How things are.
    #[must_use]
    pub fn report(&self) -> Publishing {
        let known = self.known();
        Publishing {
            url: self.url.clone(),
            size: known.pushed.0,
            behind_entries: known.published.0.saturating_sub(known.pushed.0),
            behind_seconds: known
                .behind_since
                .map_or(0, |since| since.elapsed().as_secs()),
            last_error: known.last_error.clone(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn measure(known: &Known) {
    let behind = known.published.0.saturating_sub(known.pushed.0);
    // Gauges are approximate by nature; a float holds them well enough.
    metrics::gauge!("medanchor_object_store_size").set(known.pushed.0 as f64);
    metrics::gauge!("medanchor_object_store_behind_entries").set(behind as f64);
}
