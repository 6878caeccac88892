//! The first height, the rounds, and this node's own proposals.

use super::*;

impl<A: Application> Driver<A> {
    pub(super) fn start(&self, reply: Reply<Params>) {
        let application = self.parts.application.clone();
        let shared = self.parts.shared.clone();
        let question = async move {
            // Before the application starts, since it signs, too.
            shared.take_office().await;
            let plan = application.start().await?;
            let stored = application.undecided(plan.height).await?;
            Ok((plan, stored))
        };
        self.ask(question, |result| Done::Started(result, reply));
    }

    pub(super) fn on_started(
        &mut self,
        (plan, stored): (HeightPlan, Vec<Stored>),
        reply: Reply<Params>,
    ) -> Result<(), Fatal> {
        wal::check_height(self.parts.votes, plan.height)
            .map_err(|fault| Fatal::Wal(fault.to_string()))?;
        let sure = match self.parts.votes {
            Some(voted) if voted == plan.height => plan.height.next(),
            _ => plan.height,
        };
        self.parts.shared.desk.start(context::Height(sure.0));
        let mut slot = new_slot(&plan)?;
        for block in &stored {
            slot.keep(block.value_id, block.body.clone());
        }
        let me = self.parts.me.as_ref().map(|(name, _)| &name.0);
        self.stored = stored;
        self.stored.retain(|block| Some(&block.proposer) == me);
        for block in &self.stored {
            slot.judged(block.value_id, &block.body, true);
        }
        answer(
            reply,
            (context::Height(plan.height.0), self.params(&slot.set)),
        );
        self.enter(slot);
        Ok(())
    }

    pub(super) fn params(&self, set: &ValidatorSet) -> HeightParams<Medanchor> {
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

    pub(super) fn enter(&mut self, slot: Slot) {
        let height = slot.height;
        self.parts
            .shared
            .set_place(context::Height(height.0), 0, false);
        self.slot = Some(slot);
        self.pause = None;
        self.woken = false;
        self.started = Instant::now();
        self.retry();
    }

    /// This node's own blocks of up to this round that were stored before a restart (ENGINE rule 3);
    /// if its turn is now, the block is sent again (rule 8). On blocks of others that it voted for,
    /// the write-ahead log holds the verdict; of those it did not vote for, none is known, since a
    /// block that came at a wrong time is stored too (rule 16).
    pub(super) fn started_round(
        &mut self,
        height: context::Height,
        round: Round,
        role: Role,
    ) -> Vec<ProposedValue<Medanchor>> {
        let Some(now) = ledger_round(round) else {
            return Vec::new();
        };
        self.parts.shared.set_place(height, now.0, false);
        if let Some(slot) = &mut self.slot {
            slot.begin_round(now);
        }
        self.retry();
        let stored = std::mem::take(&mut self.stored);
        let (due, later): (Vec<_>, Vec<_>) = stored.into_iter().partition(|s| s.round <= now);
        self.stored = later;
        for block in &due {
            if role == Role::Proposer && block.round == now {
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

    pub(super) fn propose(&self, height: context::Height, round: Round, reply: Own) {
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

    pub(super) fn on_proposed(
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
    pub(super) fn stream(
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

    pub(super) fn send(&self, signed: &SignedManifest, body: &Bytes) {
        let mut frames = vec![Frame::new(Kind::Manifest, signed.encode())];
        frames.extend(chunks(body).map(|chunk| Frame::new(Kind::Chunk, chunk)));
        self.parts
            .shared
            .send_block(context::Height(signed.manifest.height.0), frames);
    }

    pub(super) fn restream(
        &self,
        round: Round,
        pol_round: Round,
        proposer: &Address,
        value_id: ValueId,
    ) {
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
}
