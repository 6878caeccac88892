//! The rounds in which checkpoints are offered.

use super::Trouble;
use super::fed::Fed;
use super::memory::{Memory, MemoryError};
use super::offer::{Offer, ask};
use crate::chain::Shared;
use crate::config::Witness;
use crate::exit::{Exit, Fatal};
use crate::http::service::Published;
use crate::keys::SecretKey;
use bytes::Bytes;
use medanchor_ledger::merkle::root_at;
use medanchor_ledger::note::NoteSignature;
use medanchor_ledger::{ReadFailed, Size, TreeHash};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The shortest time between two rounds: a log that is little used publishes with every event.
const ROUND: Duration = Duration::from_secs(1);
/// How long a round waits for witnesses that cosigned when they were asked last. What the others
/// cosigned is served before, and a new checkpoint is offered after it.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long to sleep when nothing is due.
const LONG: Duration = Duration::from_secs(3600);

/// Starts to feed `witnesses` until `stop`, as the publisher with `key`, remembering in `data`.
///
/// # Errors
/// If what was remembered cannot be read, or the system gives no thread.
pub fn start(
    shared: &Arc<Shared>,
    witnesses: &[Witness],
    key: SecretKey,
    data: PathBuf,
    stop: CancellationToken,
) -> Result<(), Fatal> {
    let memory = Memory::load(&data).map_err(|error| memory_fatal(&error))?;
    let now = Instant::now();
    let fed = |witness: &Witness| Fed::new(witness, &memory, now);
    let witnesses: Vec<_> = witnesses.iter().map(fed).collect::<Result<_, _>>()?;
    let mut feeder = Feeder {
        published: shared.published.subscribe(),
        shared: Arc::clone(shared),
        key,
        data,
        memory,
        witnesses,
        round: None,
        asked: JoinSet::new(),
    };
    feeder.show();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            error = feeder.run() => feeder.end(&error),
        }
    });
    Ok(())
}

fn memory_fatal(error: &MemoryError) -> Fatal {
    let exit = match error {
        MemoryError::Damaged { .. } => Exit::Damaged,
        MemoryError::Io { .. } => Exit::Failure,
    };
    Fatal::new(exit, error.to_string())
}

/// Why feeding ends before the node does.
#[derive(Debug, thiserror::Error)]
enum End {
    /// The node's own storage failed.
    #[error(transparent)]
    Store(#[from] medanchor_store::StoreError),
    /// The node's own log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadFailed),
    /// The published checkpoint is not of the node's own log.
    #[error(
        "the published checkpoint of {0} entries has another root than the log: nothing is signed or offered to witnesses any more; compare log/checkpoint with the other members' and keep data/evidence"
    )]
    OtherRoot(Size),
    /// The log is another one than the publisher signed.
    #[error(
        "the log has another root at {0} entries than the publisher signed: nothing is offered to witnesses any more; compare this home with the other members' and keep data/evidence"
    )]
    Fork(Size),
    /// A checkpoint that is no note; never so.
    #[error(transparent)]
    Note(#[from] medanchor_ledger::note::NoteError),
    /// A defect of this program.
    #[error("a task of the feeder panicked; report it with the lines above")]
    Panicked,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

impl From<tokio::task::JoinError> for End {
    fn from(error: tokio::task::JoinError) -> Self {
        if error.is_panic() {
            Self::Panicked
        } else {
            Self::Stopping
        }
    }
}

/// A checkpoint that is being offered.
struct Round {
    offer: Arc<Offer>,
    began: Instant,
    /// Cosignatures, by the witness's place.
    collected: BTreeMap<usize, Vec<NoteSignature>>,
    /// How many witnesses' cosignatures are served already.
    served: usize,
    /// When these were served, or the round began.
    shown: Instant,
}

/// What came of one request.
struct Asked {
    place: usize,
    size: Size,
    result: Result<Vec<NoteSignature>, Trouble>,
}

struct Feeder {
    shared: Arc<Shared>,
    published: watch::Receiver<Option<Published>>,
    key: SecretKey,
    data: PathBuf,
    memory: Memory,
    witnesses: Vec<Fed>,
    round: Option<Round>,
    /// Requests under way; aborted when the feeder ends.
    asked: JoinSet<Asked>,
}

impl Feeder {
    async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
            let wake = tokio::time::Instant::from_std(self.wake());
            tokio::select! {
                changed = self.published.changed() => if changed.is_err() {
                    return End::Stopping;
                },
                Some(done) = self.asked.join_next() => {
                    match done {
                        Ok(asked) => self.take(asked),
                        Err(error) => return error.into(),
                    }
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// The feeder ended by itself: the node goes on unless its own storage failed.
    fn end(&mut self, end: &End) {
        match end {
            End::Stopping => return,
            End::Store(error) => self.shared.fail(crate::run::storage_fatal(error)),
            _ => {}
        }
        tracing::error!(%end, "outside witnesses are not fed any more");
        for witness in &mut self.witnesses {
            witness.answer = "stopped".into();
        }
        self.show();
    }

    /// Serves what a finished round brought, begins the next one, asks who is due.
    async fn step(&mut self) -> Result<(), End> {
        let waits = self.is_waiting();
        if !waits || self.is_long_unserved() {
            self.serve().await?;
        }
        if !waits {
            self.begin().await?;
        }
        self.ask_all();
        Ok(())
    }

    /// Whether a witness in good standing has yet to answer, and may take its time.
    fn is_waiting(&self) -> bool {
        let over = |round: &Round| round.began.elapsed() >= PATIENCE;
        !self.round.as_ref().is_some_and(over) && self.is_any_busy()
    }

    fn is_any_busy(&self) -> bool {
        self.witnesses.iter().any(|it| it.busy && it.good)
    }

    /// One slow witness does not hold back what the others cosigned, nor is a file written for each.
    fn is_long_unserved(&self) -> bool {
        let long = |round: &Round| round.shown.elapsed() >= ROUND;
        self.round.as_ref().is_some_and(long)
    }

    /// The newest published checkpoint, if it is beyond the round's.
    fn news(&self) -> Option<Published> {
        let known = self.round.as_ref().map(|round| round.offer.checkpoint.size);
        let published = self.published.borrow().clone();
        published.filter(|published| Some(published.checkpoint.size) > known)
    }

    async fn begin(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let too_soon = |round: &Round| now < round.began + ROUND;
        if self.round.as_ref().is_some_and(too_soon) {
            return Ok(());
        }
        let Some(published) = self.news() else {
            return Ok(());
        };
        if !self.remember(&published).await? {
            return Ok(());
        }
        let offer = Offer::sign(&published, self.key.signing_key())?;
        self.round = Some(Round {
            offer: Arc::new(offer),
            began: now,
            collected: BTreeMap::new(),
            served: 0,
            shown: now,
        });
        Ok(())
    }

    /// Remembers, durably, that the publisher signs this checkpoint; false if it must not yet,
    /// because it has signed a larger one. It signs no root but the one that this node computed.
    async fn remember(&mut self, published: &Published) -> Result<bool, End> {
        let checkpoint = &published.checkpoint;
        if let Some((size, root)) = self.memory.signed() {
            if checkpoint.size < size {
                return Ok(false);
            }
            let own = self.root_at(size).await?;
            if own != root {
                let before = format!("signed {size} {root}\nlog {size} {own}\n\n");
                let evidence = [before.as_bytes(), &published.note].concat();
                self.shared
                    .keep_evidence("publisher-signed-another-root", &evidence);
                return Err(End::Fork(size));
            }
        }
        if self.root_at(checkpoint.size).await? != checkpoint.root {
            self.shared
                .keep_evidence("published-another-root", &published.note);
            return Err(End::OtherRoot(checkpoint.size));
        }
        self.memory.sign(checkpoint);
        self.save().await?;
        Ok(true)
    }

    /// The root of the node's own log at a size.
    async fn root_at(&self, size: Size) -> Result<TreeHash, End> {
        let shared = Arc::clone(&self.shared);
        let read = move || root_at(&shared.store.nodes(), size);
        Ok(tokio::task::spawn_blocking(read).await??)
    }

    async fn save(&self) -> Result<(), End> {
        let (memory, data) = (self.memory.clone(), self.data.clone());
        Ok(tokio::task::spawn_blocking(move || memory.save(&data)).await??)
    }

    fn ask_all(&mut self) {
        let Some(round) = &self.round else {
            return;
        };
        let (now, size) = (Instant::now(), round.offer.checkpoint.size);
        for (place, witness) in self.witnesses.iter_mut().enumerate() {
            if !witness.is_open(size) || now < witness.pace.next() {
                continue;
            }
            witness.busy = true;
            witness.offered = size;
            witness.pace.asked(now);
            let (shared, offer) = (Arc::clone(&self.shared), Arc::clone(&round.offer));
            let (line, keys) = (Arc::clone(&witness.line), Arc::clone(&witness.keys));
            let old = witness.size;
            self.asked.spawn(async move {
                let result = if old > size {
                    Err(Trouble::Ahead)
                } else {
                    ask(&shared, &line, &keys, &offer, old).await
                };
                Asked {
                    place,
                    size,
                    result,
                }
            });
        }
    }

    /// Takes in what came of a request.
    fn take(&mut self, asked: Asked) {
        let Some(witness) = self.witnesses.get_mut(asked.place) else {
            return;
        };
        witness.busy = false;
        witness.answered(match &asked.result {
            Ok(_) => "200".to_owned(),
            Err(trouble) => trouble.to_string(),
        });
        match asked.result {
            Ok(lines) => {
                witness.cosigned(asked.size);
                for key in witness.keys.iter() {
                    self.memory.cosign(key, asked.size);
                }
                let round = self.round.as_mut();
                if let Some(round) = round.filter(|it| it.offer.checkpoint.size == asked.size) {
                    round.collected.insert(asked.place, lines);
                }
            }
            Err(_) => witness.failed(Instant::now(), chance()),
        }
        self.show();
    }

    /// Serves the round's cosignatures, if there are more than are served.
    async fn serve(&mut self) -> Result<(), End> {
        let Some(round) = &mut self.round else {
            return Ok(());
        };
        if round.collected.len() <= round.served {
            return Ok(());
        }
        round.served = round.collected.len();
        round.shown = Instant::now();
        let lines: Vec<_> = round.collected.values().flatten().cloned().collect();
        let full = Bytes::from(round.offer.with(&lines)?.to_string());
        let checkpoint = round.offer.checkpoint.clone();
        let witnessed = Published {
            checkpoint: checkpoint.clone(),
            note: full.clone(),
            served: full.clone(),
            cosigned: None,
        };
        // What each of them cosigned is durable before anybody is shown it.
        self.save().await?;
        let (shared, size) = (Arc::clone(&self.shared), checkpoint.size);
        let written = full.clone();
        let write = move || {
            shared.store.keep_witnessed(&written)?;
            shared.store.add_to_checkpoint(size, &written)
        };
        let added = tokio::task::spawn_blocking(write).await??;
        self.shared.witnessed.send_replace(Some(witnessed));
        if added {
            // No news for those who follow: the checkpoint is the same one.
            self.shared.published.send_if_modified(|published| {
                if let Some(published) = published
                    && published.checkpoint == checkpoint
                {
                    published.served = full;
                }
                false
            });
        }
        Ok(())
    }

    /// When something may be due.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let size = self.round.as_ref().map(|it| it.offer.checkpoint.size);
        let open = |it: &&Fed| size.is_some_and(|size| it.is_open(size));
        let asks = self.witnesses.iter().filter(open).map(|it| it.pace.next());
        let pause = if self.is_any_busy() { PATIENCE } else { ROUND };
        let begin = self.round.as_ref().map(|round| round.began + pause);
        let begin = begin.filter(|_| self.news().is_some());
        let unserved = |it: &&Round| it.collected.len() > it.served;
        let serve = self.round.as_ref().filter(unserved);
        let serve = serve.map(|round| round.shown + ROUND);
        let next = asks.chain(begin).chain(serve).min().unwrap_or(now + LONG);
        // Never at once again: a checkpoint that may not be signed yet is looked at in a while.
        next.max(now + Duration::from_millis(100))
    }

    fn show(&self) {
        let status = self.witnesses.iter().map(Fed::status).collect();
        self.shared.set_witnesses(status);
    }
}

/// A number for the jitter; without randomness the pause is its longest.
fn chance() -> u8 {
    let mut byte = [255];
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests;
