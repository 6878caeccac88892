//! Misbehaviour that the engine reports, believed only with two signatures that hold.
//!
//! What always holds: a report becomes a [`Misbehaviour`] only if both statements are about the
//! same height and round, differ in value, and are signed by the validator that the height's set
//! knows by that name (ENGINE rule 12: a made-up double vote was once reported).

use super::context::{Medanchor, Proposal, ValidatorSet, Vote};
use super::signing::{Judge, ledger_height, ledger_round};
use crate::Misbehaviour;
use ::bytes::Bytes;
use arc_malachitebft_app_channel::app::types::MisbehaviorEvidence;
use arc_malachitebft_app_channel::app::types::core::SignedMessage;

/// What of `evidence` is proved.
pub fn proved(
    evidence: &MisbehaviorEvidence<Medanchor>,
    set: &ValidatorSet,
    judge: &Judge,
) -> Vec<Misbehaviour> {
    let votes = (&evidence.votes).into_iter().flat_map(|(_, pairs)| pairs);
    let votes = votes.filter_map(|(a, b)| double_vote(a, b, set, judge));
    let proposals = (&evidence.proposals)
        .into_iter()
        .flat_map(|(_, pairs)| pairs);
    let proposals = proposals.filter_map(|(a, b)| double_proposal(a, b, set, judge));
    votes.chain(proposals).collect()
}

fn double_vote(
    a: &SignedMessage<Medanchor, Vote>,
    b: &SignedMessage<Medanchor, Vote>,
    set: &ValidatorSet,
    judge: &Judge,
) -> Option<Misbehaviour> {
    let same = (a.kind, a.height, a.round, &a.voter) == (b.kind, b.height, b.round, &b.voter);
    if !same || a.value == b.value {
        return None;
    }
    let key = &set.get(&a.voter)?.key;
    let statement = |vote: &SignedMessage<Medanchor, Vote>| {
        let bytes = judge.vote_bytes(vote)?;
        let holds = judge.holds(key, &bytes, &vote.signature);
        holds.then(|| (Bytes::from(bytes), vote.signature.to_bytes()))
    };
    Some(Misbehaviour {
        validator: a.voter.0.clone(),
        height: ledger_height(a.height),
        round: ledger_round(a.round)?,
        statements: [statement(a)?, statement(b)?],
    })
}

fn double_proposal(
    a: &SignedMessage<Medanchor, Proposal>,
    b: &SignedMessage<Medanchor, Proposal>,
    set: &ValidatorSet,
    judge: &Judge,
) -> Option<Misbehaviour> {
    let same = (a.height, a.round, &a.proposer) == (b.height, b.round, &b.proposer);
    if !same || a.message == b.message {
        return None;
    }
    let key = &set.get(&a.proposer)?.key;
    let statement = |proposal: &SignedMessage<Medanchor, Proposal>| {
        let bytes = judge.proposal_bytes(proposal)?;
        let holds = judge.holds(key, &bytes, &proposal.signature);
        holds.then(|| (Bytes::from(bytes), proposal.signature.to_bytes()))
    };
    Some(Misbehaviour {
        validator: a.proposer.0.clone(),
        height: ledger_height(a.height),
        round: ledger_round(a.round)?,
        statements: [statement(a)?, statement(b)?],
    })
}

#[cfg(test)]
mod tests {
    use super::super::context::{Address, Height, Value};
    use super::super::signing::Pen;
    use super::*;
    use crate::{HeightPlan, SecretSeed, Validator};
    use arc_malachitebft_app_channel::app::types::core::{NilOrVal, Round, VoteType};
    use medanchor_ledger::{NetworkId, ValueId};

    fn judge() -> Judge {
        Judge {
            network: NetworkId::new([1; 16]),
        }
    }

    fn set() -> ValidatorSet {
        let name = "maker".parse().unwrap();
        let key = SecretSeed::new([5; 32]).public_key();
        let proposers = vec![Validator { name, key }];
        ValidatorSet::new(&HeightPlan {
            height: medanchor_ledger::Height(3),
            proposers,
        })
        .unwrap()
    }

    fn vote(value: u8, seed: u8) -> SignedMessage<Medanchor, Vote> {
        let vote = Vote {
            kind: VoteType::Precommit,
            height: Height(3),
            round: Round::new(0),
            value: NilOrVal::Val(ValueId::new([value; 32])),
            voter: Address("maker".parse().unwrap()),
        };
        let pen = Pen::new(judge(), &SecretSeed::new([seed; 32]));
        let signature = pen.sign(&judge().vote_bytes(&vote).unwrap());
        SignedMessage::new(vote, signature)
    }

    fn proposal(value: u8, seed: u8) -> SignedMessage<Medanchor, Proposal> {
        let proposal = Proposal {
            height: Height(3),
            round: Round::new(0),
            value: Value(ValueId::new([value; 32])),
            pol_round: Round::Nil,
            proposer: Address("maker".parse().unwrap()),
        };
        let pen = Pen::new(judge(), &SecretSeed::new([seed; 32]));
        let signature = pen.sign(&judge().proposal_bytes(&proposal).unwrap());
        SignedMessage::new(proposal, signature)
    }

    #[test]
    fn rule_12_two_signed_votes_are_proof() {
        let proof = double_vote(&vote(1, 5), &vote(2, 5), &set(), &judge()).unwrap();
        assert_eq!(proof.validator.as_str(), "maker");
        assert!(double_proposal(&proposal(1, 5), &proposal(2, 5), &set(), &judge()).is_some());
    }

    #[test]
    fn rule_12_a_made_up_double_vote_is_not_believed() {
        assert_eq!(
            double_vote(&vote(1, 5), &vote(2, 6), &set(), &judge()),
            None
        );
        assert_eq!(
            double_vote(&vote(1, 5), &vote(1, 5), &set(), &judge()),
            None
        );
        assert_eq!(
            double_proposal(&proposal(1, 5), &proposal(2, 6), &set(), &judge()),
            None
        );
    }
}
