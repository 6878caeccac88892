//! Decisions, and when the next height starts (ENGINE rules 5 and 17).

use super::*;

impl<A: Application> Driver<A> {
    pub(super) fn decided(&mut self, certificate: &CommitCertificate<Medanchor>, reply: Reply<()>) {
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

    pub(super) fn on_committed(&mut self, plan: HeightPlan, reply: Reply<()>) -> Result<(), Fatal> {
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

    pub(super) fn finalized(
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

    pub(super) fn on_ahead(&mut self, height: Height) -> Result<(), Fatal> {
        self.woken |= self.slot.as_ref().is_some_and(|slot| height > slot.height);
        self.try_start()
    }

    pub(super) fn on_bell(&mut self) -> Result<(), Fatal> {
        if self.pause.as_ref().is_some_and(|pause| pause.idle) {
            return self.start_next(true);
        }
        Ok(())
    }

    /// Starts the next height if everything is ready and there is a reason to.
    pub(super) fn try_start(&mut self) -> Result<(), Fatal> {
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

    pub(super) fn start_next(&mut self, tell_others: bool) -> Result<(), Fatal> {
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
