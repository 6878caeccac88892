//! Blocks of others: live ones, which the engine hears of when the verdict is there, and synced ones.

use super::*;

impl<A: Application> Driver<A> {
    pub(super) fn on_incoming(&mut self, incoming: Incoming) -> Result<(), Fatal> {
        match incoming {
            Incoming::Block(from, block) => {
                self.on_block(from, *block);
                Ok(())
            }
            Incoming::Polka(polka) => {
                self.on_polka(&polka);
                Ok(())
            }
            Incoming::Ahead(height) => self.on_ahead(ledger_height(height)),
        }
    }

    pub(super) fn on_block(&mut self, from: PeerKey, block: Assembled) {
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
                    // Seen again when its round begins, or when the polka comes that it names.
                    Verdict::Wait => drop(self.early.insert(from, block)),
                    Verdict::Drop => {}
                }
            }
            Some(slot) if slot.height > height => {}
            // One a peer, which intake has found to be near.
            _ => drop(self.early.insert(from, block)),
        }
    }

    /// A quorum stands for a value: blocks that wait for that may be judged now.
    pub(super) fn on_polka(&mut self, polka: &PolkaCertificate<Medanchor>) {
        let current = self.slot.as_mut();
        let slot = current.filter(|slot| slot.height.0 == polka.height.0);
        if slot.is_some_and(|slot| slot.polka(polka, &self.parts.judge)) {
            self.retry();
        }
    }

    /// Looks again at blocks that came too early.
    pub(super) fn retry(&mut self) {
        for (from, block) in std::mem::take(&mut self.early) {
            self.on_block(from, block);
        }
    }

    pub(super) fn check(&self, from: PeerKey, Assembled { signed, body }: Assembled) {
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

    pub(super) fn on_checked(&mut self, checked: Checked, checking: &Checking) {
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
    pub(super) fn tell(&self, from: PeerKey, manifest: &Manifest, valid: bool) {
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

    pub(super) fn check_synced(
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

    pub(super) fn on_synced(
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
}
