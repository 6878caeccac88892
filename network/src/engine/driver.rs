//! The loop that answers the engine: it asks the application, keeps the height's memory, and
//! decides when the next height starts.
//!
//! What always holds: nothing in the loop waits. Every question to the application runs on the
//! node's runtime and comes back as a [`Done`]; the engine's connector, which stands still until it
//! is answered (ENGINE rule 4), waits only where consensus itself has nothing else to do: for the
//! own proposal, and for a synced block. A proposal of somebody else is checked without the engine
//! knowing of it, and only the verdict goes through its part channel. `Next::Restart` is never
//! said (rule 11); heights start in order, each after its predecessor was committed (rule 17).

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
    CommitCertificate, LinearTimeouts, Round, Validity,
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
        Result<Proposal, Failure>,
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
    /// Blocks for heights that have not started, one a peer.
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
            Done::Proposed(result, height, round, reply) => {
                self.on_proposed(result?, height, round, reply)
            }
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

    // The first height.

    fn start(&self, reply: Reply<Params>) {
        let application = self.parts.application.clone();
        let question = async move {
            let plan = application.start().await?;
            let stored = application.undecided(plan.height).await?;
            Ok((plan, stored))
        };
        self.ask(question, |result| Done::Started(result, reply));
    }

    fn on_started(
        &mut self,
        (plan, stored): (HeightPlan, Vec<Stored>),
        reply: Reply<Params>,
    ) -> Result<(), Fatal> {
        wal::check_height(self.parts.votes, plan.height)
            .map_err(|fault| Fatal::Wal(fault.to_string()))?;
        let mut slot = new_slot(&plan)?;
        for block in &stored {
            slot.judged(block.value_id, &block.body, true);
        }
        self.stored = stored;
        answer(
            reply,
            (context::Height(plan.height.0), self.params(&slot.set)),
        );
        self.enter(slot);
        Ok(())
    }

    fn params(&self, set: &ValidatorSet) -> HeightParams<Medanchor> {
        let timeouts = &self.parts.timeouts;
        let linear = LinearTimeouts {
            propose: timeouts.propose,
            propose_delta: timeouts.propose_step,
            prevote: timeouts.prevote,
            prevote_delta: timeouts.vote_step,
            precommit: timeouts.precommit,
            precommit_delta: timeouts.vote_step,
            rebroadcast: timeouts.rebroadcast,
            max_timeout: timeouts.longest,
        };
        HeightParams::new(set.clone(), linear, None)
    }

    fn enter(&mut self, slot: Slot) {
        let height = slot.height;
        self.parts
            .shared
            .set_place(context::Height(height.0), 0, false);
        self.slot = Some(slot);
        self.pause = None;
        self.woken = false;
        self.started = Instant::now();
        for (from, block) in std::mem::take(&mut self.early) {
            self.on_block(from, block);
        }
    }

    // Rounds and proposals.

    /// The blocks of up to this round that were stored before a restart (ENGINE rule 3); if one is
    /// this node's own and its turn is now, it is sent again (rule 8).
    fn started_round(
        &mut self,
        height: context::Height,
        round: Round,
        role: Role,
    ) -> Vec<ProposedValue<Medanchor>> {
        let Some(now) = ledger_round(round) else {
            return Vec::new();
        };
        self.parts.shared.set_place(height, now.0, false);
        let (due, later) = std::mem::take(&mut self.stored)
            .into_iter()
            .partition(|s| s.round <= now);
        self.stored = later;
        let due: Vec<Stored> = due;
        let me = self.parts.me.as_ref().map(|(name, _)| name.0.clone());
        for block in &due {
            if role == Role::Proposer && block.round == now && Some(&block.proposer) == me.as_ref()
            {
                self.stream(
                    ledger_height(height),
                    now,
                    block.valid_round,
                    block.value_id,
                    &block.body,
                );
            }
        }
        let value = |block: Stored| ProposedValue {
            height,
            round: Round::new(block.round.0),
            valid_round: engine_round(block.valid_round),
            proposer: Address(block.proposer),
            value: Value(block.value_id),
            validity: Validity::Valid,
        };
        due.into_iter().map(value).collect()
    }

    fn propose(&self, height: context::Height, round: Round, reply: Own) {
        let (height, round) = (
            ledger_height(height),
            ledger_round(round).unwrap_or_default(),
        );
        let application = self.parts.application.clone();
        let question = async move { application.propose(height, round).await };
        self.ask(question, move |result| {
            Done::Proposed(result, height, round, reply)
        });
    }

    fn on_proposed(
        &mut self,
        proposal: Proposal,
        height: Height,
        round: medanchor_ledger::Round,
        reply: Own,
    ) -> Result<(), Fatal> {
        if !(1..=MAX_BLOCK_BYTES).contains(&proposal.body.len()) {
            let size = proposal.body.len();
            return Err(Failure::new(format!("a block of {size} bytes was proposed")).into());
        }
        if let Some(slot) = self.slot.as_mut().filter(|slot| slot.height == height) {
            slot.judged(proposal.value_id, &proposal.body, true);
            self.stream(height, round, None, proposal.value_id, &proposal.body);
        }
        let (height, value) = (context::Height(height.0), Value(proposal.value_id));
        answer(
            reply,
            LocallyProposedValue::new(height, Round::new(round.0), value),
        );
        Ok(())
    }

    /// Signs the parts of a block as the proposer of a round, and sends them to everybody.
    fn stream(
        &self,
        height: Height,
        round: medanchor_ledger::Round,
        pol_round: Option<medanchor_ledger::Round>,
        value_id: ValueId,
        body: &Bytes,
    ) {
        let Some((name, pen)) = &self.parts.me else {
            return;
        };
        let manifest = Manifest::of((height, round, pol_round), name.0.clone(), value_id, body);
        let bytes = manifest.signed_bytes(&self.parts.judge.network);
        let signed = SignedManifest {
            manifest,
            signature: pen.sign(&bytes).to_bytes(),
        };
        self.send(&signed, body);
    }

    fn send(&self, signed: &SignedManifest, body: &Bytes) {
        let mut frames = vec![Frame::new(Kind::Manifest, signed.encode())];
        frames.extend(chunks(body).map(|chunk| Frame::new(Kind::Chunk, chunk)));
        self.parts
            .shared
            .send_block(context::Height(signed.manifest.height.0), frames);
    }

    fn restream(&self, round: Round, pol_round: Round, proposer: &Address, value_id: ValueId) {
        let (Some(slot), Some(round)) = (&self.slot, ledger_round(round)) else {
            return;
        };
        let Some(body) = slot.body(&value_id) else {
            return;
        };
        let own = self
            .parts
            .me
            .as_ref()
            .is_some_and(|(name, _)| name == proposer);
        if own {
            self.stream(slot.height, round, ledger_round(pol_round), value_id, body);
        } else if let Some(signed) = slot.manifest(round, value_id) {
            self.send(signed, body);
        }
    }

    // Blocks of others.

    fn on_incoming(&mut self, incoming: Incoming) -> Result<(), Fatal> {
        match incoming {
            Incoming::Block(from, block) => {
                self.on_block(from, *block);
                Ok(())
            }
            Incoming::Ahead(height) => self.on_ahead(ledger_height(height)),
        }
    }

    fn on_block(&mut self, from: PeerKey, block: Assembled) {
        let height = block.signed.manifest.height;
        match self.slot.as_mut() {
            Some(slot) if slot.height == height => {
                if slot.author(&block.signed, &self.parts.judge).is_none() {
                    tracing::warn!(%from, %height, "block dropped: its round's proposer did not sign it");
                    return;
                }
                match slot.arrived(&block.signed) {
                    Verdict::Known(valid) => self.tell(from, &block.signed.manifest, valid),
                    Verdict::Check => self.check(from, block),
                    Verdict::Drop => {}
                }
            }
            Some(slot) if slot.height > height => {}
            // One a peer, which intake has found to be near.
            _ => drop(self.early.insert(from, block)),
        }
    }

    fn check(&self, from: PeerKey, Assembled { signed, body }: Assembled) {
        let manifest = &signed.manifest;
        let received = Received {
            height: manifest.height,
            proposer: manifest.proposer.clone(),
            value_id: Some(manifest.value_id),
            body: body.clone(),
            origin: Origin::Live {
                round: manifest.round,
                pol_round: manifest.pol_round,
            },
        };
        let application = self.parts.application.clone();
        let checking = Box::new(Checking { from, signed, body });
        let question = async move { application.check(received).await };
        self.ask(question, |result| Done::Checked(result, checking));
    }

    fn on_checked(&mut self, checked: Checked, checking: &Checking) {
        let manifest = &checking.signed.manifest;
        let Some(slot) = self
            .slot
            .as_mut()
            .filter(|slot| slot.height == manifest.height)
        else {
            return;
        };
        let verdict = match checked {
            Checked::Valid { value_id } if value_id == manifest.value_id => Some(true),
            Checked::Invalid { value_id, fault } if value_id == manifest.value_id => {
                tracing::warn!(height = %manifest.height, proposer = %manifest.proposer, fault, "block is invalid");
                Some(false)
            }
            Checked::Valid { .. } | Checked::Invalid { .. } => {
                tracing::warn!(height = %manifest.height, proposer = %manifest.proposer, "block dropped: it is not the one that was announced");
                None
            }
            Checked::Untimely { .. } => {
                tracing::warn!(height = %manifest.height, proposer = %manifest.proposer, "block is not voted for: its time is too far from this node's clock");
                None
            }
            Checked::NeedsSync => None,
        };
        match verdict {
            Some(valid) => {
                let valid = slot.judged(manifest.value_id, &checking.body, valid);
                self.tell(checking.from, manifest, valid);
            }
            None => slot.unchecked(manifest.value_id, manifest.pol_round),
        }
    }

    /// Tells the engine a verdict. It has no other door for that than its part channel.
    fn tell(&self, from: PeerKey, manifest: &Manifest, valid: bool) {
        let Some(from) = self.parts.shared.members.engine(from) else {
            return;
        };
        let value = ProposedValue {
            height: context::Height(manifest.height.0),
            round: Round::new(manifest.round.0),
            valid_round: engine_round(manifest.pol_round),
            proposer: Address(manifest.proposer.clone()),
            value: Value(manifest.value_id),
            validity: Validity::from_bool(valid),
        };
        let content = StreamContent::Data(Part(value));
        let message = StreamMessage::new(StreamId::new(Bytes::new()), 0, content);
        self.parts
            .shared
            .tell(&NetworkEvent::ProposalPart(from, Some(from), message));
    }

    fn check_synced(
        &mut self,
        height: context::Height,
        round: Round,
        proposer: Address,
        body: Bytes,
        reply: Synced,
    ) {
        let current = self.slot.as_mut().filter(|slot| slot.height.0 == height.0);
        let (Some(slot), Some(at)) = (current, ledger_round(round)) else {
            return answer(reply, SyncedValueOutcome::LocalTransientError);
        };
        if !(1..=MAX_BLOCK_BYTES).contains(&body.len()) {
            return answer(reply, SyncedValueOutcome::PeerFault);
        }
        slot.synced = true;
        let received = Received {
            height: slot.height,
            proposer: proposer.0.clone(),
            value_id: None,
            body: body.clone(),
            origin: Origin::Sync { round: at },
        };
        let value = Box::new(ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            // Replaced by the computed one.
            value: Value(ValueId::new([0; 32])),
            validity: Validity::Valid,
        });
        let application = self.parts.application.clone();
        let question = async move { application.check(received).await };
        self.ask(question, |result| Done::Synced(result, value, body, reply));
    }

    fn on_synced(
        &mut self,
        checked: &Checked,
        mut value: ProposedValue<Medanchor>,
        body: &Bytes,
        reply: Synced,
    ) {
        let (value_id, valid) = match checked {
            // A clock does not matter here, whatever the application says.
            Checked::Valid { value_id } | Checked::Untimely { value_id } => (*value_id, true),
            Checked::Invalid { value_id, fault } => {
                tracing::error!(height = %value.height, fault, "a decided block is invalid here: this release and the network's differ");
                (*value_id, false)
            }
            // Its parent is applied, so what cannot be judged is garbage.
            Checked::NeedsSync => return answer(reply, SyncedValueOutcome::PeerFault),
        };
        let current = self
            .slot
            .as_mut()
            .filter(|slot| slot.height.0 == value.height.0);
        let valid = current.map_or(valid, |slot| slot.judged(value_id, body, valid));
        value.value = Value(value_id);
        value.validity = Validity::from_bool(valid);
        answer(reply, SyncedValueOutcome::Verdict(value));
    }

    // Decisions.

    fn decided(&mut self, certificate: &CommitCertificate<Medanchor>, reply: Reply<()>) {
        let height = ledger_height(certificate.height);
        let (round, value_id) = (certificate.round, certificate.value_id);
        let slot = self.slot.as_ref().filter(|slot| slot.height == height);
        let synced = slot.is_some_and(|slot| slot.synced);
        let known = slot.and_then(|slot| slot.body(&value_id)).cloned();
        let ledger = to_ledger(certificate);
        self.pause = Some(Pause::new(
            synced,
            self.started + self.parts.timeouts.heartbeat,
        ));
        let application = self.parts.application.clone();
        let question = async move {
            let round = ledger_round(round).ok_or_else(|| Failure::new("decided in no round"))?;
            let ledger = ledger.ok_or_else(|| Failure::new("decided without a certificate"))?;
            let body = match known {
                Some(body) => body,
                None => stored_body(&*application, height, value_id).await?,
            };
            let certificate = ledger.encode().into();
            let decided = Decided {
                height,
                round,
                value_id,
                body,
                certificate,
                synced,
            };
            application.commit(decided).await
        };
        self.ask(question, |result| Done::Committed(result, reply));
    }

    fn on_committed(&mut self, plan: HeightPlan, reply: Reply<()>) -> Result<(), Fatal> {
        answer(reply, ());
        let next = self.slot.as_ref().map(|slot| slot.height.next());
        if next != Some(plan.height) {
            let height = plan.height;
            return Err(Failure::new(format!("the plan of height {height} is out of turn")).into());
        }
        let (height, application) = (plan.height, self.parts.application.clone());
        let tip = height.0.saturating_sub(1);
        self.parts
            .shared
            .remember_status(tip, application.oldest().0);
        if let Some(pause) = &mut self.pause {
            pause.plan = Some(plan);
        }
        let question = async move { application.prepare(height).await };
        self.ask(question, Done::Prepared);
        Ok(())
    }

    fn finalized(
        &mut self,
        evidence: &MisbehaviorEvidence<Medanchor>,
        reply: Reply<Next<Medanchor>>,
    ) -> Result<(), Fatal> {
        if let Some(slot) = &self.slot {
            for proof in proved(evidence, &slot.set, &self.parts.judge) {
                tracing::error!(validator = %proof.validator, height = %proof.height, "a validator signed twice");
                let application = self.parts.application.clone();
                self.parts
                    .node
                    .spawn(async move { application.misbehaviour(proof).await });
            }
        }
        if let Some(pause) = &mut self.pause {
            pause.finalized = Some(reply);
        }
        self.try_start()
    }

    // Idleness (ENGINE rule 5).

    fn on_ahead(&mut self, height: Height) -> Result<(), Fatal> {
        self.woken |= self.slot.as_ref().is_some_and(|slot| height > slot.height);
        self.try_start()
    }

    fn on_bell(&mut self) -> Result<(), Fatal> {
        if self.pause.as_ref().is_some_and(|pause| pause.idle) {
            return self.start_next(true);
        }
        Ok(())
    }

    /// Starts the next height if everything is ready and there is a reason to.
    fn try_start(&mut self) -> Result<(), Fatal> {
        let Some(pause) = self.pause.as_mut().filter(|pause| pause.ready()) else {
            return Ok(());
        };
        let work = self.parts.application.has_work();
        if work || self.woken || pause.due(Instant::now()) {
            return self.start_next(work && !self.woken);
        }
        pause.idle = true;
        let (height, round, _) = self.parts.shared.place();
        self.parts
            .shared
            .set_place(context::Height(height), round, true);
        Ok(())
    }

    fn start_next(&mut self, tell_others: bool) -> Result<(), Fatal> {
        let Some((plan, reply)) = self.pause.as_mut().and_then(Pause::take) else {
            return Ok(());
        };
        let slot = new_slot(&plan)?;
        let height = context::Height(plan.height.0);
        if tell_others {
            self.parts.shared.broadcast(&[wake(height)]);
        }
        answer(reply, Next::Start(height, self.params(&slot.set)));
        self.enter(slot);
        Ok(())
    }
}

async fn stored_body<A: Application>(
    application: &A,
    height: Height,
    value_id: ValueId,
) -> Result<Bytes, Failure> {
    let stored = application.undecided(height).await?;
    let block = stored.into_iter().find(|block| block.value_id == value_id);
    block.map(|block| block.body).ok_or_else(|| {
        Failure::new(format!(
            "the decided block of height {height} is not among the stored ones"
        ))
    })
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
