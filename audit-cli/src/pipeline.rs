//! Threads that prepare what the caller's thread takes in order: first bundles, which every core reads
//! and hashes, then windows of blocks, which every core decodes and whose signatures it checks.
//!
//! What always holds: what was prepared comes in order, however the workers finish, and nothing is left
//! out; at most a little for each worker is in flight, so memory does not grow; when the caller stops or
//! a thread panics, so do the others, and a panic is never a verdict.

use crate::blocks::cut;
use crate::fault::{Failure, Fault, Trouble};
use crate::prepare::{FirstKeys, Prepared, prepare};
use crate::source::Source;
use medanchor_ledger::checkpoint::Checkpoint;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

type Window = Vec<Result<Prepared, Fault>>;

struct Job<R, P> {
    read: R,
    done: SyncSender<P>,
}

/// What was read, in order: where it is handed in once it is prepared.
type Order<P> = Result<Receiver<P>, Failure>;

/// Reads all blocks of the log of `checkpoint`, prepares them, each with `workers` threads, and gives
/// the windows in order to `take`, until that has seen enough.
pub(crate) fn run(
    source: &dyn Source,
    checkpoint: &Checkpoint,
    keys: &FirstKeys,
    workers: usize,
    take: impl FnMut(Window) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let (windows, cut_windows) = sync_channel(1);
    thread::scope(|scope| {
        let cutter = scope.spawn(move || cut(source, checkpoint, workers, &windows));
        // Without a sender there is no more window; whether that is the end, the thread says below.
        let next = move || cut_windows.recv().ok().transpose();
        let taken = in_order(next, workers, |window| prepare(window, keys), take);
        let panicked = cutter.join().is_err();
        taken?;
        if panicked {
            return Err(Trouble::Panicked.into());
        }
        Ok(())
    })
}

/// Prepares what `next` gives on `workers` threads, and gives it in order to `take`.
pub(crate) fn in_order<R: Send, P: Send>(
    next: impl FnMut() -> Result<Option<R>, Failure> + Send,
    workers: usize,
    prepare: impl Fn(R) -> P + Sync,
    take: impl FnMut(P) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let workers = workers.max(1);
    let (jobs, queue) = sync_channel::<Job<R, P>>(workers);
    let (order, results) = sync_channel::<Order<P>>(workers + 1);
    // Gone with the last worker: the reader must not wait for workers that have panicked.
    let queue = Arc::new(Mutex::new(queue));
    let prepare = &prepare;
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(workers + 1);
        for _ in 0..workers {
            let queue = Arc::clone(&queue);
            threads.push(scope.spawn(move || work(&queue, prepare)));
        }
        drop(queue);
        threads.push(scope.spawn(move || read(next, &jobs, &order)));
        let taken = take_all(results, take);
        let mut panicked = false;
        for thread in threads {
            panicked |= thread.join().is_err();
        }
        taken?;
        if panicked {
            return Err(Trouble::Panicked.into());
        }
        Ok(())
    })
}

/// Drops `results` at its end, which makes the reader stop; that closes the queue for the workers.
fn take_all<P>(
    results: Receiver<Order<P>>,
    mut take: impl FnMut(P) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    for result in results {
        let window = result?.recv().map_err(|_| Trouble::Panicked)?;
        if take(window)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn read<R, P>(
    mut next: impl FnMut() -> Result<Option<R>, Failure>,
    jobs: &SyncSender<Job<R, P>>,
    order: &SyncSender<Order<P>>,
) {
    loop {
        match next() {
            Ok(Some(read)) => {
                let (done, result) = sync_channel(1);
                if order.send(Ok(result)).is_err() || jobs.send(Job { read, done }).is_err() {
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

fn work<R, P>(queue: &Mutex<Receiver<Job<R, P>>>, prepare: &impl Fn(R) -> P) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { read, done }) = job else {
            return;
        };
        // If nobody waits for it any more, the audit is over.
        let _ = done.send(prepare(read));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Runs a thousand windows and gives how it ended, or fails if it does not end.
    fn thousand(
        workers: usize,
        prepare: impl Fn(u32) -> u32 + Send + Sync + 'static,
    ) -> (Result<(), Failure>, Vec<u32>) {
        let (ended, end) = sync_channel(1);
        thread::spawn(move || {
            let (mut numbers, mut taken) = (0..1000, Vec::new());
            let next = move || Ok(numbers.next());
            let result = in_order(next, workers, prepare, |window| {
                taken.push(window);
                Ok(ControlFlow::Continue(()))
            });
            ended.send((result, taken)).unwrap();
        });
        let patience = Duration::from_secs(60);
        end.recv_timeout(patience).expect("the pipeline hangs")
    }

    #[test]
    fn windows_come_in_order_and_none_is_left_out() {
        for workers in [0, 1, 4] {
            let (result, taken) = thousand(workers, |number| number * 2);
            assert!(result.is_ok());
            assert!(taken.into_iter().eq((0..1000).map(|number| number * 2)));
        }
    }

    #[test]
    fn whoever_has_seen_enough_ends_the_reading() {
        let (ended, end) = sync_channel(1);
        thread::spawn(move || {
            let (mut numbers, mut taken) = (0u64.., Vec::new());
            let next = move || Ok(numbers.next());
            let result = in_order(
                next,
                3,
                |number| number,
                |window| {
                    taken.push(window);
                    Ok(match window {
                        7 => ControlFlow::Break(()),
                        _ => ControlFlow::Continue(()),
                    })
                },
            );
            ended.send((result.is_ok(), taken)).unwrap();
        });
        let patience = Duration::from_secs(60);
        let (good, taken) = end.recv_timeout(patience).expect("the pipeline hangs");
        assert!(good);
        assert!(taken.into_iter().eq(0..8));
    }

    #[test]
    fn workers_that_all_panic_end_the_audit_without_a_verdict() {
        for workers in [1, 3] {
            let (result, taken) = thousand(workers, |_| panic!("as a bug would"));
            assert!(matches!(result, Err(Failure::Trouble(Trouble::Panicked))));
            assert!(taken.is_empty());
        }
    }

    #[test]
    fn nothing_is_taken_after_a_window_that_was_lost_to_a_panic() {
        let lost = |number| {
            assert!(number != 500, "as a bug would");
            number
        };
        let (result, taken) = thousand(3, lost);
        assert!(matches!(result, Err(Failure::Trouble(Trouble::Panicked))));
        assert!(taken.into_iter().eq(0..500));
    }
}
