//! The executing thread: proposals, verdicts, commits and candidates, one after the other.

#[cfg(test)]
mod tests;

use super::build::{Built, build, sweep};
use super::judge::{Verdict, is_timely, judge};
use super::publish::Publisher;
use super::shared::{Shared, Stop};
use super::times::Times;
use crate::exit::{Exit, Fatal};
use crate::http::service::BlockNotice;
use bytes::Bytes;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::event::{Event, EventKind, Verified};
use medanchor_ledger::execute::{Executed, Halt, Head, View};
use medanchor_ledger::{EventId, Height, Index, ParticipantName, Round, Time, ValueId, sha256};
use medanchor_network::{
    Checked, Decided, Failure, HeightPlan, Proposal, Received, Stored, Validator,
};
use medanchor_store::StoreError;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Executions of one height that are remembered; more are executed again when asked for.
const REMEMBERED: usize = 16;

/// A pool up to this size is looked through after every block.
const SWEPT: usize = 256;

/// A block with this many events says that there is load.
const LOADED: usize = 64;

/// How long building may take when consensus waits for it.
const AT_ONCE: Duration = Duration::from_millis(20);

/// SHA-256 of a block's body.
type BodyHash = [u8; 32];

/// What execution said of a block.
#[derive(Clone)]
enum Known {
    Sound(Box<Executed>),
    Faulty(ValueId, String),
}

/// The state of the executing thread.
pub struct Executor {
    shared: Arc<Shared>,
    publisher: Publisher,
    /// When this node cosigns.
    times: Times,
    /// Blocks of the height being decided, by their bodies.
    known: HashMap<BodyHash, Known>,
    /// The next candidate.
    built: Option<Built>,
    /// How long the candidate before it took.
    took: Duration,
    /// When the last block was committed, and how many events it had.
    last: Option<(Instant, usize)>,
    /// The height of the first block that was decided live, on a restored home.
    caught_up_at: Option<Height>,
}

type Outcome<T> = Result<T, Failure>;

impl Executor {
    /// An executor that has seen nothing.
    #[must_use]
    pub fn new(shared: Arc<Shared>, publisher: Publisher) -> Self {
        Self {
            times: Times::new(&shared.data()),
            shared,
            publisher,
            known: HashMap::new(),
            built: None,
            took: Duration::ZERO,
            last: None,
            caught_up_at: None,
        }
    }

    /// The height to start with. What was decided and not published is cosigned again.
    pub fn start(&mut self) -> Outcome<HeightPlan> {
        let genesis = &self.shared.genesis;
        let (origin, set) = (genesis.origin().clone(), genesis.validators().clone());
        self.shared.cosigners().start(origin, set);
        if self.shared.votes {
            let resumed = self.times.resume(self.shared.cosigned_at());
            self.store(|_| resumed)?;
        }
        let view = self.shared.store.view();
        let head = view.head();
        let published = self
            .shared
            .published
            .borrow()
            .as_ref()
            .map(|p| p.checkpoint.size);
        if published.is_none_or(|size| size < head.frontier.size()) {
            self.cosign(head)?;
        }
        self.plan(head)
    }

    fn plan(&self, head: &Head) -> Outcome<HeightPlan> {
        let validators = self.shared.genesis.validators();
        let of = |name: &&ParticipantName| {
            let validator = validators.get(name)?;
            let key = *validator.consensus.as_bytes();
            Some(Validator {
                name: validator.name.clone(),
                key,
            })
        };
        let proposers: Option<Vec<_>> = head.schedule.order().iter().map(of).collect();
        let proposers = proposers.ok_or_else(|| Failure::new("the schedule names a stranger"))?;
        Ok(HeightPlan {
            height: head.next_height(),
            proposers,
        })
    }

    /// The block that this node proposes: stored before it is answered, and ever the same. None for
    /// a height that is decided already.
    pub fn propose(&mut self, height: Height, round: Round) -> Outcome<Option<Proposal>> {
        if let Some((value_id, body)) =
            self.store(|store| store.journal().proposal(height, round))?
        {
            let body = body.into();
            return Ok(Some(Proposal { value_id, body }));
        }
        let view = self.shared.store.view();
        if height <= view.head().height {
            return Ok(None);
        }
        let built = match self.built.take() {
            Some(built) if built.candidate.height() == height && self.is_good(&built) => built,
            _ => self.build(&view, AT_ONCE)?,
        };
        let executed = built.candidate.seal(round, self.shared.name.clone());
        self.built = Some(built);
        let body = Bytes::from(executed.encode_block());
        let value_id = executed.value_id;
        self.store(|store| {
            store
                .journal()
                .keep_proposal(height, round, value_id, &body)
        })?;
        self.remember(sha256(&[&body]), Known::Sound(Box::new(executed)));
        Ok(Some(Proposal { value_id, body }))
    }

    /// A candidate that can be proposed: not old, and not empty while events wait.
    fn is_good(&self, built: &Built) -> bool {
        let empty = built.candidate.events().is_empty();
        let misses_work = empty && self.shared.pool().has_work();
        !built.is_stale() && !misses_work
    }

    fn remember(&mut self, body: BodyHash, known: Known) {
        if self.known.len() < REMEMBERED {
            self.known.insert(body, known);
        }
    }

    /// The verdict on a block of a peer.
    pub fn check(&mut self, received: &Received) -> Outcome<Checked> {
        self.refuse_twin(received)?;
        let body_hash = sha256(&[&received.body]);
        let known = match self.known.get(&body_hash) {
            Some(known) => known.clone(),
            None => match self.judge(received.height, &received.body)? {
                Some(known) => known,
                None => return Ok(Checked::NeedsSync),
            },
        };
        let executed = match &known {
            Known::Sound(executed) => executed,
            Known::Faulty(value_id, fault) => {
                let (value_id, fault) = (*value_id, fault.clone());
                self.remember(body_hash, known);
                return Ok(Checked::Invalid { value_id, fault });
            }
        };
        let value_id = executed.value_id;
        let skew = self.shared.consensus.max_clock_skew_ms;
        let timely = is_timely(&executed.seal, received.origin, Shared::clock(), skew);
        let claimed = received.value_id.is_none_or(|claimed| claimed == value_id);
        // An untimely block is not voted for, so it is not kept: after a restart it would come back
        // as a valid one. It is checked again when it comes with a proof of lock.
        if claimed && timely {
            let (height, body) = (received.height, &received.body);
            self.store(|store| store.journal().keep_body(height, value_id, body))?;
        }
        if claimed {
            self.remember(body_hash, known);
        }
        Ok(if timely {
            Checked::Valid { value_id }
        } else {
            Checked::Untimely { value_id }
        })
    }

    fn judge(&self, height: Height, body: &[u8]) -> Outcome<Option<Known>> {
        let start = Instant::now();
        let view = self.shared.store.view();
        let verdict = self.halt(judge(&view, height, body, self.pooled()))?;
        metrics::histogram!("medanchor_block_check_seconds").record(start.elapsed());
        Ok(match verdict {
            Verdict::Unknown => None,
            Verdict::Faulty(value_id, fault) => Some(Known::Faulty(value_id, fault.to_string())),
            Verdict::Sound(executed) => Some(Known::Sound(executed)),
        })
    }

    /// Events that were checked when they entered the pool.
    fn pooled(&self) -> impl Fn(&Event) -> Option<Verified> {
        |event| {
            self.shared
                .pool()
                .get(&event.id())
                .map(|pooled| pooled.event.clone())
        }
    }

    /// A proposal in this node's name that this node did not make: somebody has its key.
    fn refuse_twin(&self, received: &Received) -> Outcome<()> {
        let medanchor_network::Origin::Live {
            round,
            pol_round: None,
        } = received.origin
        else {
            return Ok(());
        };
        if received.proposer != self.shared.name || !self.shared.votes {
            return Ok(());
        }
        let own = self.store(|store| store.journal().proposal(received.height, round))?;
        if own.is_some_and(|(value, _)| Some(value) == received.value_id) {
            return Ok(());
        }
        Err(Failure::new(self.shared.duplicate_key()))
    }

    /// Bodies of a height that were stored before a crash.
    pub fn undecided(&self, height: Height) -> Outcome<Vec<Stored>> {
        let bodies = self.store(|store| store.journal().undecided(height))?;
        let stored = bodies.into_iter().filter_map(|undecided| {
            let block = medanchor_ledger::block::Block::decode(&undecided.body).ok()?;
            Some(Stored {
                round: block.seal.round,
                valid_round: None,
                proposer: block.seal.proposer?,
                value_id: undecided.value,
                body: undecided.body.into(),
            })
        });
        Ok(stored.collect())
    }

    /// Applies a decided block: synced to the journal first, then applied, then cosigned.
    pub fn commit(&mut self, decided: &Decided) -> Outcome<HeightPlan> {
        let start = Instant::now();
        let executed = self.executed(decided)?;
        self.store(|store| store.commit(&executed, &decided.certificate))?;
        metrics::histogram!("medanchor_block_commit_seconds").record(start.elapsed());
        self.known.clear();
        self.built = None;
        self.last = Some((Instant::now(), executed.events.len()));
        self.settle(&executed);
        self.cosign(&executed.head)?;
        self.follow_restored(decided);
        self.plan(&executed.head)
    }

    fn executed(&mut self, decided: &Decided) -> Outcome<Executed> {
        let known = match self.known.remove(&sha256(&[&decided.body])) {
            Some(known) => Some(known),
            None => self.judge(decided.height, &decided.body)?,
        };
        let wrong = |what: String| Failure::new(format!("a quorum decided a block that {what}"));
        match known {
            Some(Known::Sound(executed)) if executed.value_id == decided.value_id => Ok(*executed),
            Some(Known::Faulty(_, fault)) => Err(wrong(format!("breaks the rules: {fault}"))),
            _ => Err(wrong("does not follow this node's log".into())),
        }
    }

    /// Takes the block's events out of the pool and tells the world.
    fn settle(&self, executed: &Executed) {
        let head = &executed.head;
        let mut kinds = executed.events.iter().map(|event| event.kind());
        if kinds.any(|kind| kind == EventKind::GovernanceApprove) {
            self.shared.forget_keys();
        }
        let ids: Vec<EventId> = executed.events.iter().map(|event| event.id()).collect();
        self.shared.outcomes.decided(&ids);
        let mut pool = self.shared.pool();
        for id in &ids {
            pool.remove(id);
        }
        let expired = pool.expire(head.time);
        if !ids.is_empty() {
            pool.state_changed();
        }
        let (events, bytes) = (pool.len(), pool.bytes());
        drop(pool);
        for event in expired {
            self.shared.outcomes.expired(event.id);
        }
        record(head, ids.len(), events, bytes);
        let first = executed.seal.first.0;
        let places = (first..).map(Index);
        self.publisher
            .decided(head.frontier.size(), ids.into_iter().zip(places).collect());
        // Nobody may be listening.
        let _ = self.shared.blocks.send(BlockNotice {
            height: head.height.0,
            time: head.time.0,
            events: executed.seal.count,
            size: head.frontier.size().0,
            root: executed.log_root().to_string(),
        });
    }

    fn cosign(&mut self, head: &Head) -> Outcome<()> {
        let checkpoint = Checkpoint {
            origin: self.shared.genesis.origin().clone(),
            size: head.frontier.size(),
            root: head.frontier.root(),
        };
        let set = self.shared.genesis.validators().clone();
        // Before the record exists: once it does, another task may send it.
        let time = self.time_to_cosign(head)?;
        let signed = self.shared.cosigners().decided(checkpoint, set, time);
        let (own, gathered) = signed.map_err(|error| Failure(Box::new(error)))?;
        // Records that came before the block was decided are judged only now.
        self.shared.keep_forks(&gathered.forks);
        if let (Some(own), Some(network)) = (own, self.shared.network.get()) {
            // What finds no room is sent again by the clock.
            let _ = network.send_cosignature(own.encode().into());
        }
        if let Some(quorum) = gathered.quorum {
            self.publisher.quorum(quorum);
        }
        Ok(())
    }

    /// Writes down that the block of `head` is about to be cosigned, and when.
    fn time_to_cosign(&mut self, head: &Head) -> Outcome<Time> {
        if !self.shared.votes {
            return Ok(head.time);
        }
        self.store(|store| store.mark_cosigned(head.height))?;
        let time = self.times.next(Shared::clock(), head.time);
        self.store(|_| time)
    }

    /// A restored home becomes a validator again once the network is two heights past the first
    /// block that it saw decided live.
    fn follow_restored(&mut self, decided: &Decided) {
        if !self.shared.restored {
            return;
        }
        if !decided.synced {
            self.caught_up_at.get_or_insert(decided.height);
        }
        if self
            .caught_up_at
            .is_some_and(|height| decided.height.0 >= height.0 + 2)
        {
            let _ = self.shared.stop.send(Stop::Caught);
        }
    }

    /// Builds the next candidate if this node proposes first; otherwise looks through a small
    /// pool, so that what can never apply is answered.
    pub fn prepare(&mut self, height: Height) -> Outcome<()> {
        let view = self.shared.store.view();
        let head = view.head();
        if head.next_height() != height {
            return Ok(());
        }
        let patience = Duration::from_millis(self.shared.consensus.max_execution_ms);
        let first = head.schedule.proposer(Round(0)) == Some(&self.shared.name);
        if first && self.shared.votes {
            self.pace();
            self.built = Some(self.build(&view, patience)?);
        } else {
            let (size, work) = {
                let pool = self.shared.pool();
                (pool.len(), pool.has_work())
            };
            if work && size <= SWEPT {
                self.halt(sweep(&self.shared, &view, AT_ONCE))?;
            }
        }
        Ok(())
    }

    fn build(&mut self, view: &dyn View, patience: Duration) -> Outcome<Built> {
        let built = self.halt(build(&self.shared, view, patience))?;
        self.took = built.took;
        Ok(built)
    }

    /// Under load a block that comes a little later holds more events and costs each node less. A
    /// lone event does not wait, nor does a pool that fills a block already.
    fn pace(&self) {
        let Some((at, events)) = self.last else {
            return;
        };
        let full = u64::from(self.shared.consensus.max_block_bytes);
        if events < LOADED || self.shared.pool().bytes() >= full {
            return;
        }
        let interval = Duration::from_millis(self.shared.consensus.min_block_interval_ms);
        // The candidate will take its time as well, about as long as the one before.
        std::thread::sleep(interval.saturating_sub(at.elapsed() + self.took));
    }

    fn store<T>(
        &self,
        work: impl FnOnce(&medanchor_store::Store) -> Result<T, StoreError>,
    ) -> Outcome<T> {
        work(&self.shared.store).map_err(|error| {
            self.shared.fail(crate::run::storage_fatal(&error));
            Failure(Box::new(error))
        })
    }

    fn halt<T>(&self, result: Result<T, Halt>) -> Outcome<T> {
        result.map_err(|halt| {
            let exit = match halt {
                Halt::UnknownRules { .. } => Exit::Outdated,
                _ => Exit::Damaged,
            };
            self.shared.fail(Fatal::new(exit, halt.to_string()));
            Failure(Box::new(halt))
        })
    }
}

fn record(head: &Head, events: usize, pool_events: usize, pool_bytes: u64) {
    // Counters and gauges are approximate by nature; a float holds them well enough.
    let gauge = |number: u64| number as f64;
    metrics::gauge!("medanchor_height").set(gauge(head.height.0));
    metrics::gauge!("medanchor_log_size").set(gauge(head.frontier.size().0));
    metrics::counter!("medanchor_blocks_total").increment(1);
    metrics::counter!("medanchor_events_anchored_total").increment(events as u64);
    metrics::gauge!("medanchor_pool_events").set(gauge(pool_events as u64));
    metrics::gauge!("medanchor_pool_bytes").set(gauge(pool_bytes));
}
