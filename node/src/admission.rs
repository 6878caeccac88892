//! From bytes to a pooled event: decode, look up the signer, check the signature once, pool.
//!
//! What always holds: nothing enters the pool unchecked; every signature is checked once, in
//! batches, on threads of their own; what waits to be checked is bounded in bytes (a client is
//! told to come back, a peer is not read from meanwhile); a copy of a known event with another
//! signature neither blocks it nor passes for it; a full pool turns away new events only.

use crate::pool::{Pool, Pooled, Refusal};
use bytes::Bytes;
use medanchor_ledger::event::{DecodeError, Event, Verified, VerifyError, verify_events};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{EventId, Index, KeyId, NetworkId, ParticipantName, ReadFailed, Time};
use medanchor_network::PeerKey;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// The pool as the node uses it: an event and its one encoding.
pub type EventPool = Pool<Verified, PeerKey>;

/// The pool, shared between admission and the chain.
pub type SharedPool = Arc<Mutex<EventPool>>;

/// How far beyond now a not-after may be: the window of DESIGN.md section 6.
pub const WINDOW_MS: u64 = 15 * 60 * 1000;

/// What one event was given as answer.
#[derive(Debug)]
pub enum Admitted {
    /// It is in the pool now.
    Pooled(EventId),
    /// It was in the pool already.
    Known(EventId),
    /// It is in the ledger already.
    Anchored(EventId, Index),
    /// It was not taken.
    Refused(Option<EventId>, Refused),
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Not an event in its one encoding.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// For another network.
    #[error("the event is for network {found}, this is {here}; sign it for this network")]
    WrongNetwork {
        /// The network it names.
        found: NetworkId,
        /// This network.
        here: NetworkId,
    },
    /// Its time is over.
    #[error("the event's not-after {not_after} has passed; sign a new one")]
    Stale {
        /// Its not-after.
        not_after: Time,
    },
    /// Its time is too far ahead.
    #[error("the event's not-after {not_after} is more than 15 minutes ahead; sign a nearer one")]
    TooFarAhead {
        /// Its not-after.
        not_after: Time,
    },
    /// The signer is not registered, or not with this key.
    #[error(
        "{signer} has no registered key {key}, or no longer; register it, or sign with one that is"
    )]
    UnknownSigner {
        /// Who is said to have signed.
        signer: ParticipantName,
        /// With which key.
        key: KeyId,
    },
    /// A signature does not hold.
    #[error(transparent)]
    Signature(#[from] VerifyError),
    /// There is no room.
    #[error(transparent)]
    Full(#[from] Refusal),
    /// The node cannot read its storage.
    #[error(transparent)]
    Storage(#[from] ReadFailed),
}

/// What admission must know of the ledger and the clock.
pub trait Surroundings: Send + Sync + 'static {
    /// This network.
    fn network(&self) -> NetworkId;
    /// The later of the clock and the last block's time.
    fn now(&self) -> Time;
    /// The key of a participant under a key id.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn key(&self, signer: &ParticipantName, key: KeyId) -> Result<Option<PublicKey>, ReadFailed>;
    /// Where in the log an event stands.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn index_of(&self, id: &EventId) -> Result<Option<Index>, ReadFailed>;
    /// Whether the log has just these bytes at a place.
    ///
    /// # Errors
    /// If storage cannot be read.
    fn has_entry(&self, at: Index, bytes: &[u8]) -> Result<bool, ReadFailed>;
    /// Events have entered the pool: those that clients sent go on to the peers.
    fn pooled(&self, from_clients: Vec<Bytes>);
    /// Storage failed: the node must stop.
    fn failed(&self, error: &ReadFailed);
}

/// Events to check at once: enough for the batch to pay, few enough not to delay the first.
const BATCH: usize = 1_024;

struct Submission {
    events: Vec<Bytes>,
    peer: Option<PeerKey>,
    reply: Option<oneshot::Sender<Vec<Admitted>>>,
    // Gives the bytes back when the submission has been worked on.
    _room: OwnedSemaphorePermit,
}

/// The door: events are handed in here.
#[derive(Clone)]
pub struct Admission {
    queue: mpsc::UnboundedSender<Submission>,
    room: Arc<Semaphore>,
}

impl Admission {
    /// Starts `threads` checking threads; they end when the last door is dropped.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start<S: Surroundings>(
        surroundings: &Arc<S>,
        pool: &SharedPool,
        threads: u32,
        max_bytes: u64,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let worker = Worker {
                waiting: Arc::clone(&waiting),
                surroundings: Arc::clone(surroundings),
                pool: Arc::clone(pool),
            };
            std::thread::Builder::new()
                .name(format!("verify-{number}"))
                .spawn(move || worker.run())?;
        }
        let room = usize::try_from(max_bytes)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Ok(Self {
            queue,
            room: Arc::new(Semaphore::new(room)),
        })
    }

    /// Hands in events of a client; none if too many bytes wait already or the node is stopping.
    pub async fn submit(&self, events: Vec<Bytes>) -> Option<Vec<Admitted>> {
        let size = size_of(&events)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(size).ok()?;
        let (reply, answer) = oneshot::channel();
        let submission = Submission {
            events,
            peer: None,
            reply: Some(reply),
            _room: room,
        };
        self.queue.send(submission).ok()?;
        answer.await.ok()
    }

    /// Hands in events of a peer, once there is room for them.
    pub async fn submit_from(&self, peer: PeerKey, events: Vec<Bytes>) {
        let Some(size) = size_of(&events) else { return };
        if let Ok(room) = Arc::clone(&self.room).acquire_many_owned(size).await {
            // A closed queue means that the node is stopping.
            let _ = self.queue.send(Submission {
                events,
                peer: Some(peer),
                reply: None,
                _room: room,
            });
        }
    }
}

fn size_of(events: &[Bytes]) -> Option<u32> {
    u32::try_from(events.iter().map(Bytes::len).sum::<usize>()).ok()
}

/// An event whose signature is to be checked. The id of an event does not cover its signature, so
/// one that is in the ledger already is checked as well before it is answered as known.
struct Unchecked {
    event: Event,
    key: PublicKey,
    at: Option<Index>,
}

struct Worker<S> {
    waiting: Arc<Mutex<mpsc::UnboundedReceiver<Submission>>>,
    surroundings: Arc<S>,
    pool: SharedPool,
}

impl<S: Surroundings> Worker<S> {
    fn run(self) {
        while let Some(submissions) = self.take() {
            self.check(submissions);
        }
    }

    /// Waits for a submission and takes what else is there, up to a batch.
    fn take(&self) -> Option<Vec<Submission>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.blocking_recv()?;
        let mut count = first.events.len();
        let mut taken = vec![first];
        while count < BATCH {
            let Ok(next) = waiting.try_recv() else { break };
            count += next.events.len();
            taken.push(next);
        }
        Some(taken)
    }

    fn check(&self, submissions: Vec<Submission>) {
        let mut from_clients = Vec::new();
        let mut any = false;
        for (submission, answers) in self.judge(submissions) {
            let pooled = answers
                .iter()
                .filter(|a| matches!(a, Admitted::Pooled(_)))
                .count();
            any |= pooled > 0;
            count(&answers);
            if submission.peer.is_none() && pooled > 0 {
                let pairs = submission.events.iter().zip(&answers);
                from_clients.extend(
                    pairs
                        .filter(|(_, answer)| matches!(answer, Admitted::Pooled(_)))
                        .map(|(bytes, _)| bytes.clone()),
                );
            }
            if let Some(reply) = submission.reply {
                // A client that left does not mind.
                let _ = reply.send(answers);
            }
        }
        if any {
            self.surroundings.pooled(from_clients);
        }
    }

    fn judge(&self, submissions: Vec<Submission>) -> Vec<(Submission, Vec<Admitted>)> {
        let mut to_verify = Vec::new();
        let mut firsts: Vec<Vec<Option<Admitted>>> = Vec::with_capacity(submissions.len());
        for submission in &submissions {
            let first = submission.events.iter().map(|bytes| {
                match self.first_look(bytes, submission.peer.as_ref()) {
                    Ok(pair) => {
                        to_verify.push(pair);
                        None
                    }
                    Err(answer) => Some(answer),
                }
            });
            firsts.push(first.collect());
        }
        let (known, pairs): (Vec<_>, Vec<_>) = to_verify
            .into_iter()
            .map(|Unchecked { event, key, at }| ((event.id(), at), (event, key)))
            .unzip();
        let mut verified = known.into_iter().zip(verify_events(pairs));
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let mut second = |first: Option<Admitted>, peer: Option<&PeerKey>| {
            first.or_else(|| {
                let ((id, at), result) = verified.next()?;
                Some(match (at, &result) {
                    (Some(index), Ok(_)) => Admitted::Anchored(id, index),
                    _ => pool_it(&mut pool, id, result, peer),
                })
            })
        };
        let mut judged = Vec::with_capacity(submissions.len());
        for (submission, first) in submissions.into_iter().zip(firsts) {
            let peer = submission.peer.as_ref();
            let answers = first
                .into_iter()
                .filter_map(|first| second(first, peer))
                .collect();
            judged.push((submission, answers));
        }
        judged
    }

    /// All that can be said before the signature is checked.
    fn first_look(&self, bytes: &Bytes, peer: Option<&PeerKey>) -> Result<Unchecked, Admitted> {
        let event = Event::decode(bytes).map_err(|error| Admitted::Refused(None, error.into()))?;
        let id = event.id();
        let refuse = |refused| Admitted::Refused(Some(id), refused);
        let here = self.surroundings.network();
        if event.network() != here {
            return Err(refuse(Refused::WrongNetwork {
                found: event.network(),
                here,
            }));
        }
        let (pooled, has_room) = {
            let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
            (pool.get(&id), pool.has_room(bytes.len() as u64, peer))
        };
        let is_pooled = pooled.is_some();
        if pooled.is_some_and(|pooled| pooled.event.encoded() == event.encoded()) {
            return Err(Admitted::Known(id));
        }
        let read = |error: ReadFailed| {
            self.surroundings.failed(&error);
            refuse(error.into())
        };
        let at = self.surroundings.index_of(&id).map_err(read)?;
        if at.is_none() {
            if !is_pooled && !has_room {
                return Err(refuse(Refusal::Full.into()));
            }
            check_window(event.not_after(), self.surroundings.now()).map_err(refuse)?;
        }
        let key = self.surroundings.key(event.issuer(), event.key_id());
        if let Some(key) = key.map_err(read)? {
            return Ok(Unchecked { event, key, at });
        }
        // What was anchored before its key was revoked stays so, for whoever lost the answer.
        if let Some(index) = at
            && self.surroundings.has_entry(index, bytes).map_err(read)?
        {
            return Err(Admitted::Anchored(id, index));
        }
        let (signer, key) = (event.issuer().clone(), event.key_id());
        Err(refuse(Refused::UnknownSigner { signer, key }))
    }
}

fn check_window(not_after: Time, now: Time) -> Result<(), Refused> {
    if not_after < now {
        return Err(Refused::Stale { not_after });
    }
    // A client's clock may be a little ahead; the rules hold the window against block time.
    if not_after > now.plus_millis(WINDOW_MS + 5_000) {
        return Err(Refused::TooFarAhead { not_after });
    }
    Ok(())
}

fn pool_it(
    pool: &mut EventPool,
    id: EventId,
    verified: Result<Verified, VerifyError>,
    peer: Option<&PeerKey>,
) -> Admitted {
    let event = match verified {
        Ok(event) => event,
        Err(error) => return Admitted::Refused(Some(id), error.into()),
    };
    let pooled = Pooled {
        id,
        signer: event.issuer().clone(),
        not_after: event.not_after(),
        size: event.encoded().len() as u64,
        peer: peer.copied(),
        event,
    };
    match pool.insert(pooled) {
        Ok(_) => Admitted::Pooled(id),
        Err(Refusal::Known) => Admitted::Known(id),
        Err(refusal) => Admitted::Refused(Some(id), refusal.into()),
    }
}

fn count(answers: &[Admitted]) {
    let (mut pooled, mut refused) = (0, 0);
    for answer in answers {
        match answer {
            Admitted::Pooled(_) => pooled += 1,
            Admitted::Refused(..) => refused += 1,
            _ => {}
        }
    }
    metrics::counter!("medanchor_events_admitted_total").increment(pooled);
    metrics::counter!("medanchor_events_refused_total").increment(refused);
}

#[cfg(test)]
mod tests;
