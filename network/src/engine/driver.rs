//! The loop that answers the engine: it asks the application, keeps the height's memory, and
//! decides when the next height starts.
//!
//! What always holds: nothing in the loop waits. Every question to the application runs on the
//! node's runtime and comes back as a [`Done`]; the engine's connector, which stands still until it
//! is answered (ENGINE rule 4), waits only where consensus itself has nothing else to do: for the
//! own proposal, and for a synced block. A proposal of somebody else is checked without the engine
//! knowing of it, and only the verdict goes through its part channel. `Next::Restart` is never
//! said (rule 11); heights start in order, each after its predecessor was committed (rule 17).

mod blocks;
mod heights;
mod proposals;

use super::actor::wake;
use super::context::{self, Address, Medanchor, Part, ValidatorSet, Value};
use super::decided::to_ledger;
use super::evidence::proved;
use super::idle::Pause;
use super::intake::Incoming;
use super::shared::Shared;
use super::signing::{Judge, Pen, ledger_height, ledger_round};
use super::slot::{Next as Verdict, Slot};
use super::wal;
use crate::limits::MAX_BLOCK_BYTES;
use crate::parts::{Assembled, Manifest, SignedManifest, chunks};
use crate::wire::{Frame, Kind};
use crate::{
    Application, Checked, Decided, Failure, Fatal, HeightPlan, Origin, PeerKey, Proposal, Received,
    Stored, Timeouts,
};
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::consensus::{Role, VoteExtensionError};
use arc_malachitebft_app_channel::app::engine::host::{HeightParams, Next, SyncedValueOutcome};
use arc_malachitebft_app_channel::app::engine::network::NetworkEvent;
use arc_malachitebft_app_channel::app::engine::util::events::Event;
use arc_malachitebft_app_channel::app::streaming::StreamContent;
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, LinearTimeouts, PolkaCertificate, Round, Validity,
};
use arc_malachitebft_app_channel::app::types::streaming::{StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::{
    LocallyProposedValue, MisbehaviorEvidence, ProposedValue,
};
use arc_malachitebft_app_channel::{AppMsg, Channels, Reply};
use medanchor_ledger::{Height, ValueId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

type Params = (context::Height, HeightParams<Medanchor>);

/// A block while it is being checked.
struct Checking {
    from: PeerKey,
    signed: SignedManifest,
    body: Bytes,
}

/// What the application answered.
enum Done {
    Started(Result<(HeightPlan, Vec<Stored>), Failure>, Reply<Params>),
    Proposed(
        Result<Option<Proposal>, Failure>,
        Height,
        medanchor_ledger::Round,
        Own,
    ),
    Checked(Result<Checked, Failure>, Box<Checking>),
    Synced(
        Result<Checked, Failure>,
        Box<ProposedValue<Medanchor>>,
        Bytes,
        Synced,
    ),
    Committed(Result<HeightPlan, Failure>, Reply<()>),
    Prepared(Result<(), Failure>),
}

type Own = Reply<LocallyProposedValue<Medanchor>>;
type Synced = Reply<SyncedValueOutcome<Medanchor>>;

/// What a driver is built from.
pub struct Parts<A> {
    /// The application.
    pub application: Arc<A>,
    /// Where it runs.
    pub node: Handle,
    /// What the rest of the engine shares.
    pub shared: Arc<Shared>,
    /// Verifies.
    pub judge: Judge,
    /// Name and pen of a validator.
    pub me: Option<(Address, Pen)>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// The height whose votes the write-ahead log holds.
    pub votes: Option<Height>,
    /// Rung when the node has work.
    pub bell: Arc<Notify>,
}

/// See the module.
pub struct Driver<A> {
    parts: Parts<A>,
    slot: Option<Slot>,
    /// After the decision: what the next height waits for.
    pause: Option<Pause>,
    /// Blocks whose height or round has not begun, or whose polka is missing, one a peer.
    early: BTreeMap<PeerKey, Assembled>,
    /// Blocks from before a restart that the engine has not been told of.
    stored: Vec<Stored>,
    /// When the height started.
    started: Instant,
    /// Whether a peer has work for the next height, or is deciding it.
    woken: bool,
    done: (mpsc::UnboundedSender<Done>, mpsc::UnboundedReceiver<Done>),
}

impl<A: Application> Driver<A> {
    /// A driver that has not been asked anything yet.
    pub fn new(parts: Parts<A>) -> Self {
        Self {
            parts,
            slot: None,
            pause: None,
            early: BTreeMap::new(),
            stored: Vec::new(),
            started: Instant::now(),
            woken: false,
            done: mpsc::unbounded_channel(),
        }
    }

    /// Runs until `stop` is cancelled.
    ///
    /// # Errors
    /// The [`Fatal`] end, after which nothing may be voted by this process any more.
    pub async fn run(
        mut self,
        channels: &mut Channels<Medanchor>,
        mut incoming: mpsc::Receiver<Incoming>,
        stop: CancellationToken,
    ) -> Result<(), Fatal> {
        let mut events = channels.events.subscribe();
        let bell = self.parts.bell.clone();
        loop {
            let heartbeat = self
                .pause
                .as_ref()
                .filter(|pause| pause.idle)
                .map(|pause| pause.until);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Ok(event) = events.recv() => check_wal(&event)?,
                Some(done) = self.done.1.recv() => self.on_done(done)?,
                message = channels.consensus.recv() => match message {
                    Some(message) => self.on_message(message)?,
                    None => return Err(Fatal::Engine("it asks nothing any more".into())),
                },
                Some(incoming) = incoming.recv() => self.on_incoming(incoming)?,
                () = bell.notified() => self.on_bell()?,
                () = sleep_until(heartbeat.unwrap_or(self.started)), if heartbeat.is_some() => {
                    self.start_next(false)?;
                }
            }
        }
    }

    /// Asks the application something; the answer comes back as a [`Done`].
    fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, Failure>> + Send + 'static,
        answer: impl FnOnce(Result<T, Failure>) -> Done + Send + 'static,
    ) {
        let (task, done) = (self.parts.node.spawn(question), self.done.0.clone());
        tokio::spawn(async move {
            let result = task
                .await
                .unwrap_or_else(|error| Err(Failure(error.into())));
            // Nobody listens any more when the driver has ended.
            let _ = done.send(answer(result));
        });
    }

    fn on_message(&mut self, message: AppMsg<Medanchor>) -> Result<(), Fatal> {
        match message {
            AppMsg::ConsensusReady { reply } => self.start(reply),
            AppMsg::StartedRound {
                height,
                round,
                role,
                reply_value,
                ..
            } => {
                let values = self.started_round(height, round, role);
                answer(reply_value, values);
            }
            AppMsg::GetValue {
                height,
                round,
                reply,
                ..
            } => self.propose(height, round, reply),
            AppMsg::ReceivedProposalPart { part, reply, .. } => {
                let value = match part.content {
                    StreamContent::Data(Part(value)) => Some(value),
                    StreamContent::Fin => None,
                };
                answer(reply, value);
            }
            AppMsg::RestreamProposal {
                round,
                valid_round,
                address,
                value_id,
                ..
            } => {
                self.restream(round, valid_round, &address, value_id);
            }
            AppMsg::ProcessSyncedValue {
                height,
                round,
                proposer,
                value_bytes,
                reply,
            } => {
                self.check_synced(height, round, proposer, value_bytes, reply);
            }
            AppMsg::Decided {
                certificate, reply, ..
            } => self.decided(&certificate, reply),
            AppMsg::Finalized {
                evidence, reply, ..
            } => return self.finalized(&evidence, reply),
            AppMsg::GetHistoryMinHeight { reply } => {
                answer(reply, context::Height(self.parts.application.oldest().0));
            }
            // Requests for blocks are answered without the engine.
            AppMsg::GetDecidedValues { reply, .. } => answer(reply, Vec::new()),
            // Vote extensions are off (ENGINE rule 15).
            AppMsg::ExtendVote { reply, .. } => answer(reply, None),
            AppMsg::VerifyVoteExtensions {
                extensions, reply, ..
            } => {
                let refuse = |(voter, ())| (voter, Err(VoteExtensionError::InvalidVoteExtension));
                answer(reply, extensions.into_iter().map(refuse).collect());
            }
        }
        Ok(())
    }

    fn on_done(&mut self, done: Done) -> Result<(), Fatal> {
        match done {
            Done::Started(result, reply) => self.on_started(result?, reply),
            Done::Proposed(result, height, round, reply) => match result? {
                Some(proposal) => self.on_proposed(proposal, height, round, reply),
                // Without a reply the engine proposes nothing and goes on.
                None => Ok(()),
            },
            Done::Checked(result, checking) => {
                self.on_checked(result?, &checking);
                Ok(())
            }
            Done::Synced(result, value, body, reply) => {
                self.on_synced(&result?, *value, &body, reply);
                Ok(())
            }
            Done::Committed(result, reply) => self.on_committed(result?, reply),
            Done::Prepared(result) => {
                result?;
                if let Some(pause) = &mut self.pause {
                    pause.prepared = true;
                }
                self.try_start()
            }
        }
    }
}

fn new_slot(plan: &HeightPlan) -> Result<Slot, Fatal> {
    Slot::new(plan).map_err(|bad| Failure(bad.into()).into())
}

fn engine_round(round: Option<medanchor_ledger::Round>) -> Round {
    round.map_or(Round::Nil, |round| Round::new(round.0))
}

/// Whoever asked may have stopped; then nobody needs the answer.
fn answer<T>(reply: Reply<T>, value: T) {
    let _ = reply.send(value);
}

/// The engine hangs on purpose when its log is damaged (ENGINE rule 11); this node says so and ends.
fn check_wal(event: &Event<Medanchor>) -> Result<(), Fatal> {
    match event {
        Event::WalCorrupted(error) => Err(Fatal::Wal(error.to_string())),
        Event::WalReplayError(error) => Err(Fatal::Wal(error.to_string())),
        Event::WalResetError(error) => Err(Fatal::Wal(error.to_string())),
        _ => Ok(()),
    }
}
