//! One thread reads, one a core prepares, the caller's thread takes windows in the log's order.
//!
//! What always holds: windows come in order, however the workers finish; at most a few are in
//! flight, so memory does not grow; when the caller stops, so do the others.

use crate::blocks::{Blocks, RawBlock};
use crate::fault::{Failure, Fault};
use crate::prepare::{FirstKeys, Prepared, prepare};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

type Window = Vec<Result<Prepared, Fault>>;

struct Job {
    window: Vec<RawBlock>,
    done: SyncSender<Window>,
}

/// Reads all of `blocks`, prepares them on `workers` threads, and gives the windows in order to
/// `take`.
pub(crate) fn run(
    mut blocks: Blocks<'_>,
    keys: &FirstKeys,
    workers: usize,
    mut take: impl FnMut(Window) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let workers = workers.max(1);
    let (jobs, queue) = sync_channel::<Job>(workers);
    let (order, results) = sync_channel::<Result<Receiver<Window>, Failure>>(workers + 1);
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&queue, keys));
        }
        scope.spawn(move || read(&mut blocks, &jobs, &order));
        // Dropping `results` makes the reader stop, which closes the queue for the workers.
        for result in results {
            // A worker that is gone has panicked; the scope passes that on.
            if let Ok(window) = result?.recv() {
                take(window)?;
            }
        }
        Ok(())
    })
}

fn read(
    blocks: &mut Blocks<'_>,
    jobs: &SyncSender<Job>,
    order: &SyncSender<Result<Receiver<Window>, Failure>>,
) {
    loop {
        match blocks.next_window() {
            Ok(Some(window)) => {
                let (done, result) = sync_channel(1);
                if order.send(Ok(result)).is_err() || jobs.send(Job { window, done }).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(failure) => {
                // If nobody listens any more, another fault was found first.
                let _ = order.send(Err(failure));
                return;
            }
        }
    }
}

fn work(queue: &Mutex<Receiver<Job>>, keys: &FirstKeys) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { window, done }) = job else {
            return;
        };
        // If nobody waits for it any more, the audit is over.
        let _ = done.send(prepare(window, keys));
    }
}
