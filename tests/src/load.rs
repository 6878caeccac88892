//! Load: events signed as they are needed, posted in batches to every node, each batch waited for
//! until all of it has its receipt.
//!
//! What always holds: at most `connections * batch` events a node are on their way, and two batches
//! a node are signed in advance; a batch that got no answer is posted again, to the same node and
//! with the same bytes, until all of it is anchored or refused.

use crate::client::{BatchResult, Client, batch};
use crate::workload::Author;
use anyhow::{Result, anyhow};
use medanchor_ledger::event::Event;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Batches that are signed before anybody asks.
const SIGNED_IN_ADVANCE: usize = 2;
/// How long a batch rests after a failure: the node is being killed, or its pool is full.
const REST: Duration = Duration::from_millis(20);

/// How much at once.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Batches on their way to each node.
    pub connections: usize,
    /// Events of a batch.
    pub batch: usize,
    /// Events in all; none goes on until stopped.
    pub events: Option<u64>,
    /// How long one batch is posted again before that counts as a failure.
    pub patience: Duration,
}

/// A node, and who posts to it.
pub struct Target {
    /// The node.
    pub client: Client,
    /// Whose events are posted there.
    pub author: Author,
}

/// A batch that is settled.
pub struct Settled<'a> {
    /// The node, by its place among the targets.
    pub node: usize,
    /// The events.
    pub events: &'a [Event],
    /// What became of each.
    pub results: &'a [BatchResult],
    /// From the first post to the answer.
    pub took: Duration,
}

/// Told of every settled batch, by the thread that posted it.
pub type Observer = Arc<dyn Fn(&Settled<'_>) + Send + Sync>;

/// Load that is running.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    /// Starts posting to all targets.
    #[must_use]
    pub fn start(shape: Shape, targets: Vec<Target>, observer: &Observer) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let left = Arc::new(AtomicU64::new(shape.events.unwrap_or(u64::MAX)));
        let mut threads = Vec::new();
        for (node, target) in targets.into_iter().enumerate() {
            let (signed, to_post) = sync_channel(SIGNED_IN_ADVANCE);
            let to_post = Arc::new(Mutex::new(to_post));
            for _ in 0..shape.connections {
                let poster = Poster {
                    node,
                    client: target.client.clone(),
                    patience: shape.patience,
                    stop: Arc::clone(&stop),
                    observer: Arc::clone(observer),
                };
                let to_post = Arc::clone(&to_post);
                threads.push(std::thread::spawn(move || poster.run(&to_post)));
            }
            let (stop, left) = (Arc::clone(&stop), Arc::clone(&left));
            threads.push(std::thread::spawn(move || {
                sign(&target.author, shape.batch, &left, &stop, &signed)
            }));
        }
        Self { stop, threads }
    }

    /// Whether any thread still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.threads.iter().any(|thread| !thread.is_finished())
    }

    /// Signs no more, and waits until what is on its way is settled.
    ///
    /// # Errors
    /// The first failure of a thread.
    pub fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until all events are settled.
    ///
    /// # Errors
    /// The first failure of a thread.
    pub fn join(self) -> Result<()> {
        let mut outcome = Ok(());
        for thread in self.threads {
            let ended = thread
                .join()
                .unwrap_or_else(|_| Err(anyhow!("a thread of the load panicked")));
            outcome = outcome.and(ended);
        }
        outcome
    }
}

fn sign(
    author: &Author,
    batch: usize,
    left: &AtomicU64,
    stop: &AtomicBool,
    signed: &SyncSender<Vec<Event>>,
) -> Result<()> {
    let most = batch as u64;
    while !stop.load(Ordering::Relaxed) {
        let take = |left: u64| Some(left.saturating_sub(most));
        // The closure always gives a value.
        let before = left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .unwrap_or(0);
        let count = usize::try_from(before.min(most))?;
        if count == 0 || signed.send(author.seal_many(count)?).is_err() {
            break;
        }
    }
    Ok(())
}

/// One connection's worth of posting.
struct Poster {
    node: usize,
    client: Client,
    patience: Duration,
    stop: Arc<AtomicBool>,
    observer: Observer,
}

impl Poster {
    fn run(&self, to_post: &Mutex<Receiver<Vec<Event>>>) -> Result<()> {
        loop {
            let next = to_post
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv();
            let Ok(events) = next else { return Ok(()) };
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            self.settle(&events)?;
        }
    }

    fn settle(&self, events: &[Event]) -> Result<()> {
        let bytes = batch(events);
        let start = Instant::now();
        loop {
            match self.client.post(&bytes, true) {
                Ok(answer) if answer.results.iter().all(|one| one.status != "pooled") => {
                    (self.observer)(&Settled {
                        node: self.node,
                        events,
                        results: &answer.results,
                        took: start.elapsed(),
                    });
                    return Ok(());
                }
                Err(error) if start.elapsed() > self.patience => return Err(error),
                Ok(_) if start.elapsed() > self.patience => {
                    return Err(anyhow!("a batch still waits after {:?}", self.patience));
                }
                Ok(_) | Err(_) => std::thread::sleep(REST),
            }
        }
    }
}
