//! What is known about the height that is being decided: its validators, the blocks seen, and the
//! verdicts on them.
//!
//! What always holds: a verdict belongs to a value id and does not change from valid to invalid, and
//! a block is judged without a clock only after a quorum was seen to stand for it: what a proposer
//! says of a proof-of-lock round is believed only with its polka (ENGINE rule 16). Memory is bounded
//! by [`KEPT_BLOCKS`] blocks, for the application has stored every valid one and gives it back when
//! asked; checks are bounded by the rounds that have begun.

use super::context::{BadPlan, Medanchor, Validator, ValidatorSet, Vote};
use super::signing::{Judge, ledger_round};
use crate::HeightPlan;
use crate::parts::{Manifest, SignedManifest};
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::types::core::{
    PolkaCertificate, SignedMessage, ValidatorSet as _,
};
use arc_malachitebft_signing_ed25519::Signature;
use medanchor_ledger::validator::quorum;
use medanchor_ledger::{Height, Round, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Blocks that are kept in memory; further ones are asked back from the application.
const KEPT_BLOCKS: usize = 16;
/// Blocks of one round that are checked: the proposer that sends more lies.
const CHECKS_PER_ROUND: usize = 4;
/// Manifests that are kept for sending again.
const KEPT_MANIFESTS: usize = 32;
/// Polkas of one height whose signatures are checked.
const POLKAS_CHECKED: usize = 64;

/// See the module.
pub struct Slot {
    /// The height.
    pub height: Height,
    /// Its validators.
    pub set: ValidatorSet,
    /// Whether a block for it was fetched from a peer.
    pub synced: bool,
    verdicts: BTreeMap<ValueId, bool>,
    bodies: BTreeMap<ValueId, Bytes>,
    manifests: BTreeMap<(Round, ValueId), SignedManifest>,
    checking: BTreeSet<(ValueId, bool)>,
    checks: BTreeMap<Round, usize>,
    round: Round,
    polkas: BTreeSet<(Round, ValueId)>,
    polkas_checked: usize,
}

/// What to do with a block that arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It has been checked before: this is the verdict.
    Known(bool),
    /// It must be checked.
    Check,
    /// Its round has not begun, or the polka that it names has not been seen: it may come again.
    Wait,
    /// It is being checked, or its proposer has had enough checked.
    Drop,
}

impl Slot {
    /// For the height of `plan`.
    ///
    /// # Errors
    /// [`BadPlan`] if the plan cannot be followed.
    pub fn new(plan: &HeightPlan) -> Result<Self, BadPlan> {
        Ok(Self {
            height: plan.height,
            set: ValidatorSet::new(plan)?,
            synced: false,
            verdicts: BTreeMap::new(),
            bodies: BTreeMap::new(),
            manifests: BTreeMap::new(),
            checking: BTreeSet::new(),
            checks: BTreeMap::new(),
            round: Round(0),
            polkas: BTreeSet::new(),
            polkas_checked: 0,
        })
    }

    /// The proposer of the manifest's round, if it is who the manifest says and signed it.
    pub fn author(&self, signed: &SignedManifest, judge: &Judge) -> Option<&Validator> {
        let manifest = &signed.manifest;
        let proposer = self.set.proposer(manifest.round.0);
        let ordered = manifest
            .pol_round
            .is_none_or(|pol_round| pol_round < manifest.round);
        if !ordered || proposer.address.0 != manifest.proposer {
            return None;
        }
        let bytes = manifest.signed_bytes(&judge.network);
        let signature = Signature::from_bytes(signed.signature);
        judge
            .holds(&proposer.key, &bytes, &signature)
            .then_some(proposer)
    }

    /// Takes note of a manifest by its author and says what to do with its block.
    pub fn arrived(&mut self, signed: &SignedManifest) -> Next {
        let Manifest {
            round,
            pol_round,
            value_id,
            ..
        } = signed.manifest;
        if round.0 > self.round.0.saturating_add(1) {
            return Next::Wait;
        }
        if pol_round.is_some_and(|pol_round| !self.polkas.contains(&(pol_round, value_id))) {
            return Next::Wait;
        }
        if self.manifests.len() < KEPT_MANIFESTS {
            self.manifests.insert((round, value_id), signed.clone());
        }
        if let Some(valid) = self.verdicts.get(&value_id) {
            return Next::Known(*valid);
        }
        let checks = self.checks.entry(round).or_default();
        // With a proof-of-lock round the same block is another question: no clock.
        if *checks >= CHECKS_PER_ROUND || !self.checking.insert((value_id, pol_round.is_some())) {
            return Next::Drop;
        }
        *checks += 1;
        Next::Check
    }

    /// A round has begun.
    pub fn begin_round(&mut self, round: Round) {
        self.round = self.round.max(round);
    }

    /// A polka came: a quorum prevoted a value in a round, if its signatures hold. Answers whether
    /// that is news.
    pub fn polka(&mut self, polka: &PolkaCertificate<Medanchor>, judge: &Judge) -> bool {
        let Some(round) = ledger_round(polka.round) else {
            return false;
        };
        let shown = (round, polka.value_id);
        if self.polkas.contains(&shown) || self.polkas_checked >= POLKAS_CHECKED {
            return false;
        }
        self.polkas_checked += 1;
        let holds = |vote: &SignedMessage<Medanchor, Vote>| {
            let key = &self.set.get(&vote.voter)?.key;
            let bytes = judge.vote_bytes(vote)?;
            judge
                .holds(key, &bytes, &vote.signature)
                .then(|| vote.voter.clone())
        };
        let votes = polka.votes(&Medanchor);
        let voters: BTreeSet<_> = votes.filter_map(|vote| holds(&vote)).collect();
        voters.len() >= quorum(self.set.count()) && self.polkas.insert(shown)
    }

    /// A block that was stored before a restart: it can be sent and committed, but no verdict on it
    /// is taken from that, since one that came at a wrong time is stored too.
    pub fn keep(&mut self, value_id: ValueId, body: Bytes) {
        if self.bodies.len() < KEPT_BLOCKS {
            self.bodies.insert(value_id, body);
        }
    }

    /// A check ended without a verdict.
    pub fn unchecked(&mut self, value_id: ValueId, pol_round: Option<Round>) {
        self.checking.remove(&(value_id, pol_round.is_some()));
    }

    /// A verdict; the one that holds from now on is returned.
    pub fn judged(&mut self, value_id: ValueId, body: &Bytes, valid: bool) -> bool {
        let verdict = self.verdicts.entry(value_id).or_insert(valid);
        *verdict |= valid;
        if *verdict && (self.bodies.len() < KEPT_BLOCKS || self.bodies.contains_key(&value_id)) {
            self.bodies.insert(value_id, body.clone());
        }
        *verdict
    }

    /// A valid block, if it is kept in memory.
    pub fn body(&self, value_id: &ValueId) -> Option<&Bytes> {
        self.bodies.get(value_id)
    }

    /// The manifest under which a block came in a round.
    pub fn manifest(&self, round: Round, value_id: ValueId) -> Option<&SignedManifest> {
        self.manifests.get(&(round, value_id))
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::{Address, Height as EngineHeight};
    use super::super::signing::Pen;
    use super::*;
    use crate::{SecretSeed, Validator};
    use arc_malachitebft_app_channel::app::types::core::{
        NilOrVal, Round as EngineRound, VoteType,
    };
    use medanchor_ledger::NetworkId;

    fn judge() -> Judge {
        Judge {
            network: NetworkId::new([1; 16]),
        }
    }

    fn slot() -> Slot {
        let validator = |n: u8| Validator {
            name: format!("v{n}").parse().unwrap(),
            key: SecretSeed::new([n; 32]).public_key(),
        };
        let proposers = [2, 1].map(validator).into();
        Slot::new(&HeightPlan {
            height: Height(3),
            proposers,
        })
        .unwrap()
    }

    fn signed(by: u8, round: u32, pol_round: Option<u32>, value: u8) -> SignedManifest {
        let slot = (Height(3), Round(round), pol_round.map(Round));
        let name = format!("v{by}").parse().unwrap();
        let manifest = Manifest::of(slot, name, ValueId::new([value; 32]), b"body");
        let pen = Pen::new(judge(), &SecretSeed::new([by; 32]));
        let signature = pen
            .sign(&manifest.signed_bytes(&judge().network))
            .to_bytes();
        SignedManifest {
            manifest,
            signature,
        }
    }

    fn polka(round: u32, value: u8, voters: &[u8]) -> PolkaCertificate<Medanchor> {
        let value_id = ValueId::new([value; 32]);
        let signed = |n: &u8| {
            let vote = Vote {
                kind: VoteType::Prevote,
                height: EngineHeight(3),
                round: EngineRound::new(round),
                value: NilOrVal::Val(value_id),
                voter: Address(format!("v{n}").parse().unwrap()),
            };
            let pen = Pen::new(judge(), &SecretSeed::new([*n; 32]));
            let signature = pen.sign(&judge().vote_bytes(&vote).unwrap());
            SignedMessage::new(vote, signature)
        };
        let votes = voters.iter().map(signed).collect();
        PolkaCertificate::new(EngineHeight(3), EngineRound::new(round), value_id, votes)
    }

    #[test]
    fn rule_2_parts_count_only_when_the_rounds_proposer_signed_them() {
        let slot = slot();
        assert!(
            slot.author(&signed(2, 0, None, 7), &judge()).is_some(),
            "v2 is first in order"
        );
        assert!(slot.author(&signed(1, 1, Some(0), 7), &judge()).is_some());
        assert!(
            slot.author(&signed(1, 0, None, 7), &judge()).is_none(),
            "not its turn"
        );
        let mut forged = signed(2, 0, None, 7);
        forged.manifest.value_id = ValueId::new([8; 32]);
        assert!(
            slot.author(&forged, &judge()).is_none(),
            "signed something else"
        );
        assert!(
            slot.author(&signed(1, 1, Some(1), 7), &judge()).is_none(),
            "its own lock"
        );
        let foreign = Judge {
            network: NetworkId::new([2; 16]),
        };
        assert!(
            slot.author(&signed(2, 0, None, 7), &foreign).is_none(),
            "another network"
        );
    }

    #[test]
    fn rule_16_a_verdict_is_kept_by_value_id_and_never_turns_invalid() {
        let (mut slot, body) = (slot(), Bytes::from_static(b"body"));
        let value = ValueId::new([7; 32]);
        assert_eq!(slot.arrived(&signed(2, 0, None, 7)), Next::Check);
        assert!(slot.judged(value, &body, true));
        assert!(slot.judged(value, &body, false), "once valid, always valid");
        assert!(slot.polka(&polka(0, 7, &[1, 2]), &judge()));
        assert_eq!(slot.arrived(&signed(1, 1, Some(0), 7)), Next::Known(true));
        assert_eq!(slot.body(&value), Some(&body));
    }

    #[test]
    fn rule_16_an_untimely_block_is_asked_about_again_when_it_has_a_proof_of_lock() {
        let mut slot = slot();
        assert_eq!(slot.arrived(&signed(2, 0, None, 7)), Next::Check);
        assert_eq!(
            slot.arrived(&signed(2, 0, None, 7)),
            Next::Drop,
            "being checked"
        );
        assert!(slot.polka(&polka(0, 7, &[1, 2]), &judge()));
        assert_eq!(slot.arrived(&signed(1, 1, Some(0), 7)), Next::Check);
        slot.unchecked(ValueId::new([7; 32]), None);
        slot.begin_round(Round(1));
        assert_eq!(slot.arrived(&signed(2, 2, None, 7)), Next::Check);
    }

    #[test]
    fn rule_16_a_proof_of_lock_that_nobody_has_seen_does_not_stop_the_clock() {
        let mut slot = slot();
        let claimed = signed(1, 1, Some(0), 7);
        assert_eq!(slot.arrived(&claimed), Next::Wait);
        assert!(!slot.polka(&polka(0, 7, &[1]), &judge()), "no quorum");
        assert!(
            !slot.polka(&polka(0, 7, &[1, 1]), &judge()),
            "one voter twice"
        );
        assert!(!slot.polka(&polka(0, 7, &[1, 9]), &judge()), "a stranger");
        let mut forged = polka(0, 7, &[1, 2]);
        forged.value_id = ValueId::new([8; 32]);
        assert!(!slot.polka(&forged, &judge()), "votes for another value");
        assert!(slot.polka(&polka(0, 6, &[1, 2]), &judge()));
        assert_eq!(
            slot.arrived(&claimed),
            Next::Wait,
            "a polka for another value"
        );
        assert!(slot.polka(&polka(0, 7, &[1, 2]), &judge()));
        assert_eq!(slot.arrived(&claimed), Next::Check);
    }

    #[test]
    fn rule_16_a_block_that_was_only_stored_is_not_valid_for_that() {
        let mut slot = slot();
        slot.keep(ValueId::new([7; 32]), Bytes::from_static(b"body"));
        assert_eq!(slot.arrived(&signed(2, 0, None, 7)), Next::Check);
        assert!(slot.body(&ValueId::new([7; 32])).is_some());
    }

    #[test]
    fn blocks_of_rounds_that_are_far_away_wait() {
        let mut slot = slot();
        assert_eq!(slot.arrived(&signed(2, 4, None, 7)), Next::Wait);
        slot.begin_round(Round(3));
        assert_eq!(slot.arrived(&signed(2, 4, None, 7)), Next::Check);
    }

    #[test]
    fn a_proposer_cannot_have_any_number_of_blocks_checked() {
        let mut slot = slot();
        let checked = (0..100u8).filter(|n| slot.arrived(&signed(2, 0, None, *n)) == Next::Check);
        assert_eq!(checked.count(), CHECKS_PER_ROUND);
    }
}
