//! The publishing thread: quorum, then tiles, then the checkpoint, then whoever waits.
//!
//! What always holds: a checkpoint is published after the tiles that it needs; at most once in the
//! configured interval under load and at once when nothing else waits; those who wait are told
//! after the checkpoint that covers their event is published, never before; sizes only grow.

#[cfg(test)]
mod tests;

use super::shared::Shared;
use crate::http::service::Published;
use medanchor_ledger::cosignature::Gathering;
use medanchor_ledger::{EventId, Index, Size};
use medanchor_store::StoreError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

enum Message {
    Decided(Size, Vec<(EventId, Index)>),
    Quorum(Box<Gathering>),
    Stop,
}

/// The door to the publishing thread.
#[derive(Clone)]
pub struct Publisher(Sender<Message>);

impl Publisher {
    /// A door, and what [`start`] needs.
    #[must_use]
    pub fn new() -> (Self, Inbox) {
        let (sender, receiver) = channel();
        (Self(sender), Inbox(receiver))
    }

    /// A block was decided: these of its events may be waited for.
    pub fn decided(&self, size: Size, events: Vec<(EventId, Index)>) {
        // A closed door means that the node is stopping.
        let _ = self.0.send(Message::Decided(size, events));
    }

    /// Ends the thread once it has published what is ready.
    pub fn stop(&self) {
        let _ = self.0.send(Message::Stop);
    }

    /// A checkpoint has its quorum.
    pub fn quorum(&self, gathering: Gathering) {
        let _ = self.0.send(Message::Quorum(Box::new(gathering)));
    }
}

/// What comes through the door.
pub struct Inbox(Receiver<Message>);

/// Starts the publishing thread.
///
/// # Errors
/// If the system gives no thread.
pub fn start(
    shared: Arc<Shared>,
    inbox: Inbox,
    interval: Duration,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("publish".into())
        .spawn(move || {
            let mut publishing = Publishing {
                shared,
                interval,
                newest: Size(0),
                unpublished: VecDeque::new(),
                ready: None,
                last: None,
                stopping: false,
            };
            publishing.run(&inbox.0);
        })
}

struct Publishing {
    shared: Arc<Shared>,
    interval: Duration,
    /// Entries decided.
    newest: Size,
    /// Events of decided blocks that no published checkpoint covers, with the size after each.
    unpublished: VecDeque<(Size, Vec<(EventId, Index)>)>,
    /// The newest quorum that is not published.
    ready: Option<Box<Gathering>>,
    last: Option<Instant>,
    stopping: bool,
}

impl Publishing {
    fn run(&mut self, inbox: &Receiver<Message>) {
        while !self.stopping {
            let message = match self.pause() {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(pause) => inbox.recv_timeout(pause),
            };
            match message {
                Ok(message) => {
                    self.note(message);
                    while let Ok(message) = inbox.try_recv() {
                        self.note(message);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.is_due() && !self.publish() {
                return;
            }
        }
        // What has its quorum is not kept back by a stop.
        self.publish();
    }

    fn note(&mut self, message: Message) {
        match message {
            Message::Decided(size, events) => {
                self.newest = self.newest.max(size);
                self.unpublished.push_back((size, events));
            }
            Message::Quorum(gathering) if self.is_news(gathering.checkpoint().size) => {
                self.ready = Some(gathering);
            }
            // Several threads send: a quorum may come behind one that covers it.
            Message::Quorum(_) => {}
            Message::Stop => self.stopping = true,
        }
    }

    fn is_news(&self, size: Size) -> bool {
        let ready = self.ready.as_ref().map(|ready| ready.checkpoint().size);
        let published = self.shared.published.borrow();
        let published = published.as_ref().map(|last| last.checkpoint.size);
        Some(size) > ready.max(published)
    }

    /// How long to wait for more; none for ever.
    fn pause(&self) -> Option<Duration> {
        self.ready.as_ref()?;
        let since = self.last.map(|last| last.elapsed());
        Some(since.map_or(Duration::ZERO, |since| self.interval.saturating_sub(since)))
    }

    fn is_due(&self) -> bool {
        let Some(ready) = &self.ready else {
            return false;
        };
        let idle = ready.checkpoint().size >= self.newest && !self.shared.pool().has_work();
        idle || self.last.is_none_or(|last| last.elapsed() >= self.interval)
    }

    fn keep(&self, gathering: &Gathering, note: &str) -> Result<(), StoreError> {
        let store = &self.shared.store;
        for record in gathering.records() {
            store.keep_cosignature(&record.encode())?;
        }
        store.publish(gathering.checkpoint().size, note.as_bytes())
    }

    /// Publishes what is ready; false if the node must stop.
    fn publish(&mut self) -> bool {
        let Some(gathering) = self.ready.take() else {
            return true;
        };
        let start = Instant::now();
        let Some(note) = gathering.note() else {
            return true;
        };
        let (note, checkpoint) = (note.to_string(), gathering.checkpoint().clone());
        if let Err(error) = self.keep(&gathering, &note) {
            tracing::error!(%error, "the log could not be published");
            self.shared.fail(crate::run::storage_fatal(&error));
            return false;
        }
        self.last = Some(Instant::now());
        metrics::histogram!("medanchor_publish_seconds").record(start.elapsed());
        metrics::gauge!("medanchor_published_size").set(checkpoint.size.0 as f64);
        let size = checkpoint.size;
        let note = bytes::Bytes::from(note);
        self.shared.published.send_replace(Some(Published {
            checkpoint,
            served: note.clone(),
            note,
            cosigned: Some(Arc::new(*gathering)),
        }));
        while let Some((_, events)) = self.unpublished.pop_front_if(|(after, _)| *after <= size) {
            self.shared.outcomes.published(events);
        }
        true
    }
}
