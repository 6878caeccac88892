//! The demo's books: what was anchored, what was refused and why, and where the receipts are.

use anyhow::Context;
use medanchor_ledger::event::EventKind;
use medanchor_ledger::{EventId, ParticipantName};
use medanchor_sdk::{AnchorError, Anchored};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An item that is not on the ledger, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Where it stands in the input.
    pub source: String,
    /// The rule or reason.
    pub reason: String,
}

/// What was anchored and what was not.
#[derive(Default)]
pub struct Books {
    folder: PathBuf,
    /// Events by institution and type.
    pub anchored: BTreeMap<ParticipantName, BTreeMap<EventKind, u64>>,
    /// Every event that has a receipt.
    pub ids: Vec<EventId>,
    /// Bytes of all events.
    pub event_bytes: u64,
    /// Bytes of all receipts.
    pub receipt_bytes: u64,
    /// What the ledger refused.
    pub refused: Vec<Refused>,
    /// What could be neither anchored nor refused: the demo has failed.
    pub failed: Vec<Refused>,
}

impl Books {
    /// Books whose receipts go into `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            ..Self::default()
        }
    }

    /// Notes what became of a step's events and keeps their receipts; if not all were anchored, each
    /// of the step's sources is listed once, with the first reason. True if all were.
    pub fn enter(
        &mut self,
        sources: &[String],
        results: Vec<Result<Anchored, AnchorError>>,
    ) -> anyhow::Result<bool> {
        let mut first = None;
        for result in results {
            match result {
                Ok(anchored) => self.keep(&anchored)?,
                Err(error) => first = first.or(Some(error)),
            }
        }
        let Some(error) = first else { return Ok(true) };
        let (list, reason) = match &error {
            AnchorError::Refused(refusal) => (&mut self.refused, refusal.rule().to_owned()),
            AnchorError::Waiting {
                rule: Some(rule), ..
            } => (&mut self.refused, format!("waits for {rule}")),
            other => (&mut self.failed, other.to_string()),
        };
        list.extend(sources.iter().map(|source| Refused {
            source: source.clone(),
            reason: reason.clone(),
        }));
        Ok(false)
    }

    /// How many events of each type were anchored.
    pub fn by_kind(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (kind, count) in self.anchored.values().flatten() {
            *all.entry(kind.name().to_owned()).or_default() += count;
        }
        all
    }

    /// Keeps a receipt and counts its event.
    pub fn keep(&mut self, anchored: &Anchored) -> anyhow::Result<()> {
        anchored
            .save(&self.folder)
            .context("cannot keep a receipt")?;
        let event = anchored.event();
        let of_issuer = self.anchored.entry(event.issuer().clone()).or_default();
        *of_issuer.entry(event.kind()).or_default() += 1;
        self.ids.push(anchored.id());
        self.event_bytes += event.encoded().len() as u64;
        self.receipt_bytes += anchored.receipt().len() as u64;
        Ok(())
    }
}
