//! A custodian's release log: held against the ledger, anchored, shown.
//!
//! What always holds: nothing is anchored before the log was held against what is anchored already; a root
//! is anchored again only when the log has grown; what could not be anchored
//! now is tried again at the next turn, with the root of then; a log that does not go on from what is anchored
//! ends the service.

use super::custodian::{Keeper, custodian_problem};
use super::pause::pause;
use crate::http::problem::{Code, Problem};
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::event::CustodyLog;
use medanchor_ledger::merkle::leaf_hash;
use medanchor_ledger::rules::{Participant, ReleaseLog, Role};
use medanchor_ledger::{Index, ParticipantName, Size, TreeHash};
use medanchor_sdk::direct::Statement;
use medanchor_vault::custody::{LogError, Released};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The most entries of the release log that one answer has.
const LOG_ENTRIES: u64 = 1000;
/// Anchors the log's root whenever it has grown, at most once in `every`, until `stop`.
///
/// # Errors
/// How the log differs from what is anchored of it.
pub(super) fn anchor_releases(
    keeper: &Keeper,
    every: Duration,
    stop: &CancellationToken,
) -> Result<(), LogError> {
    let mut anchored = None;
    while !stop.is_cancelled() {
        let compared = match keeper.compare() {
            Ok(()) => true,
            Err(NotCompared::Ledger(_)) => false,
            Err(NotCompared::Differs(error)) => return Err(error),
        };
        // What was anchored before a restart is not anchored again.
        anchored = anchored.or_else(|| keeper.anchored_size().ok());
        let grown = |(size, _): &(Size, _)| compared && anchored.is_some_and(|known| *size > known);
        if let Some((size, root)) = keeper.log_head().filter(grown) {
            let event = keeper.sdk().sign(CustodyLog { size, root });
            match event.map(|event| keeper.sdk().anchor(event)) {
                Ok(Ok(_)) => anchored = Some(size),
                Ok(Err(error)) => tracing::warn!(%error, "the release log's root waits"),
                Err(error) => tracing::warn!(%error, "the release log's root was not signed"),
            }
        }
        pause(every, stop);
    }
    Ok(())
}

/// Why the release log was not found to go on from what is anchored of it.
pub(super) enum NotCompared {
    /// The ledger cannot be asked now.
    Ledger(Problem),
    /// It does not.
    Differs(LogError),
}

impl From<NotCompared> for Problem {
    fn from(why: NotCompared) -> Self {
        match why {
            NotCompared::Ledger(problem) => problem,
            NotCompared::Differs(error) => custodian_problem(&error.into()),
        }
    }
}

impl Keeper {
    /// Holds the release log against what the ledger has of it, once: a log that lost releases must not
    /// go on.
    ///
    /// # Errors
    /// [`NotCompared`].
    pub(super) fn compare(&self) -> Result<(), NotCompared> {
        if self.compared.load(Ordering::Acquire) {
            return Ok(());
        }
        let anchored = self.anchored().map_err(NotCompared::Ledger)?;
        if let Some(ReleaseLog { size, root, .. }) = anchored {
            let mut store = self.store();
            let continues = store.log().continues(size, &root);
            continues.map_err(NotCompared::Differs)?;
        }
        self.compared.store(true, Ordering::Release);
        Ok(())
    }

    /// What the ledger has of the release log.
    fn anchored(&self) -> Result<Option<ReleaseLog>, Problem> {
        self.value(&ReleaseLog::key(self.sdk().participant()))
    }

    fn anchored_size(&self) -> Result<Size, Problem> {
        Ok(self.anchored()?.map_or(Size(0), |log| log.size))
    }

    /// Size and root of the release log.
    fn log_head(&self) -> Option<(Size, TreeHash)> {
        let mut store = self.store();
        let log = store.log();
        let size = log.size();
        log.root_at(size).map(|root| (size, root))
    }

    /// A page of the release log. A regulator sees every entry; others see those of their own records,
    /// and the leaf hashes of the rest, by which they check the root.
    pub(super) fn release_log(&self, statement: &Statement) -> Result<Vec<u8>, Problem> {
        let first = statement.body.as_slice().try_into().map_err(|_| {
            Problem::new(
                Code::Malformed,
                "the body is the first entry's place, 8 bytes",
            )
        })?;
        let first = Index(u64::from_be_bytes(first));
        let snapshot = self.store().log().snapshot();
        // From here on nobody is held up: the log only grows.
        let page = snapshot.and_then(|log| {
            let (size, root) = (log.size(), log.root());
            Ok((size, root, log.entries(first, LOG_ENTRIES)?))
        });
        let (size, root, entries) = page.map_err(|error| custodian_problem(&error.into()))?;
        let reader = &statement.from;
        let all = self.genesis.spec().participants.get(reader);
        let all = all.is_some_and(|reader: &Participant| reader.has(Role::Regulator));
        let mut writer = Writer::new();
        writer.array(3).uint(size.0).bytes(root.as_bytes());
        writer.array(entries.len());
        for entry in &entries {
            write_entry(&mut writer, entry, (all, reader));
        }
        Ok(writer.into_bytes())
    }
}

fn write_entry(writer: &mut Writer, entry: &Released, (all, reader): (bool, &ParticipantName)) {
    let bytes = entry.encode();
    match all || entry.record.owner == *reader {
        true => writer.bytes(&bytes),
        false => writer.bytes(leaf_hash(&bytes).as_bytes()),
    };
}
