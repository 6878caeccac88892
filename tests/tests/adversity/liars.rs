//! Members that lie: what they sign twice is kept as proof, and what cannot be said is not believed.

use crate::stage::Stage;
use anyhow::{Context, Result};
use medanchor_ledger::ValueId;
use medanchor_ledger::certificate::VoteKind;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::signature::{Signature, verify};
use medanchor_network::testing::Heard;
use medanchor_tests::network::{PATIENCE, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn of_a_validator_that_votes_twice_both_votes_are_kept() -> Result<()> {
    let mut stage = Stage::set().await?;
    let block = stage.block(0, &[])?;
    let value = Some(block.value_id);
    let other = Some(ValueId::new([7; 32]));
    stage.propose(0, &block)?;
    stage.vote(&[0, 1, 2], VoteKind::Prevote, 0, value)?;
    stage.vote(&[2], VoteKind::Prevote, 0, other)?;
    stage.hear_vote(VoteKind::Precommit, 0, value).await?;
    stage.vote(&[0, 1, 2], VoteKind::Precommit, 0, value)?;

    wait_for("the proof", PATIENCE, || Ok(stage.evidence().len() == 2))?;
    let liar = &stage.roles[2].name;
    let ballots = [value, other].map(|value| {
        let ballot = stage.ballot(liar, VoteKind::Prevote, 0, value);
        ballot.signed_bytes()
    });
    let key = stage
        .genesis
        .validators()
        .get(liar)
        .context("a validator")?
        .consensus;
    for (kind, bytes) in stage.evidence() {
        let (statement, signature) = bytes.split_last_chunk::<64>().context("a signature")?;
        assert_eq!(kind, "double-signed");
        assert!(ballots.iter().any(|ballot| ballot == statement));
        verify(&key, statement, &Signature::new(*signature))?;
    }
    let metrics = String::from_utf8(stage.client().get("/metrics")?)?;
    assert!(
        metrics.contains("medanchor_misbehaviour_total 1"),
        "{metrics}"
    );
    assert!(stage.process.is_running(), "one liar stops nobody");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_validator_that_signs_two_roots_the_second_is_kept_and_not_counted() -> Result<()> {
    let mut stage = Stage::set().await?;
    let (block, fork) = (stage.block(0, &[])?, stage.block(1, &[])?);
    let value = Some(block.value_id);
    let size = block.head.frontier.size();
    stage.propose(0, &block)?;
    stage.vote(&[0, 1, 2], VoteKind::Prevote, 0, value)?;
    stage.vote(&[0, 1, 2], VoteKind::Precommit, 0, value)?;
    let cosigned = |heard: &Heard| {
        matches!(heard, Heard::Cosignature(record)
        if Cosignature::decode(record).is_ok_and(|record| record.size == size))
    };
    stage.hear("the cosignature", cosigned).await?;
    stage.cosign(&fork)?;
    wait_for("the proofs", PATIENCE, || Ok(stage.evidence().len() == 3))?;
    assert!(
        stage.client().status()?.published < size.0,
        "three liars are no quorum for that root"
    );
    for (kind, bytes) in stage.evidence() {
        let record = Cosignature::decode(&bytes)?;
        assert_eq!((kind.as_str(), record.root), ("two-roots", fork.log_root()));
    }
    Ok(())
}
