//! DESIGN section 5, step 6: messages are held back until an honest validator has precommitted two
//! blocks at one height. It signs one root, that of the block that is decided, and only then.

use crate::stage::{HEIGHT, Stage};
use anyhow::{Context, Result};
use medanchor_ledger::certificate::{Certificate, VoteKind};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::note::Note;
use medanchor_network::testing::Heard;
use medanchor_sdk::Identity;
use medanchor_store::LogReader;
use medanchor_tests::network::{PATIENCE, wait_for};
use medanchor_tests::workload::Author;
use std::process::Command;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_precommitted_two_blocks_at_one_height_signs_one_root() -> Result<()> {
    let mut stage = Stage::set().await?;
    let identity = Arc::new(Identity::open(&stage.node.home.identity())?);
    let author = Author::new(identity.clone(), 0);
    let event =
        |author: &Author| -> Result<_> { Ok(author.seal()?.verify(&identity.public_key())?) };
    let a = stage.block(0, &[event(&author)?])?;
    let b = stage.block(1, &[event(&author)?])?;
    let (value_a, value_b) = (Some(a.value_id), Some(b.value_id));
    let size = b.head.frontier.size();
    assert_eq!(
        a.head.frontier.size(),
        size,
        "two roots for one size could be signed"
    );
    assert_ne!(a.log_root(), b.log_root());

    // Round 0: the node sees a quorum for A and precommits it. The others do not see that quorum.
    stage.propose(0, &a)?;
    stage.hear_vote(VoteKind::Prevote, 0, value_a).await?;
    stage.vote(&[0, 1], VoteKind::Prevote, 0, value_a)?;
    stage.hear_vote(VoteKind::Precommit, 0, value_a).await?;
    stage.vote(&[0, 1, 2], VoteKind::Precommit, 0, None)?;

    // Round 1: so they are free to stand for B. The node, bound to A, does not prevote it, and
    // precommits it when it sees their quorum.
    stage.propose(1, &b)?;
    stage.hear_vote(VoteKind::Prevote, 1, None).await?;
    stage.vote(&[0, 1, 2], VoteKind::Prevote, 1, value_b)?;
    stage.hear_vote(VoteKind::Precommit, 1, value_b).await?;
    assert!(stage.cosigned(size).is_empty(), "a precommit signs no root");

    // What was held back arrives: B is decided.
    stage.vote(&[1, 2], VoteKind::Precommit, 1, value_b)?;
    let of_b = |heard: &Heard| {
        matches!(heard, Heard::Cosignature(record)
        if Cosignature::decode(record).is_ok_and(|record| record.size == size))
    };
    stage.hear("the cosignature of B", of_b).await?;
    stage.cosign(&b)?;
    let client = stage.client();
    wait_for("the checkpoint", PATIENCE, || {
        Ok(client.status()?.published == size.0)
    })?;

    let cosigned = stage.cosigned(size);
    assert!(cosigned.len() >= stage.roles.len());
    assert!(
        cosigned.iter().all(|record| record.root == b.log_root()),
        "one root: {cosigned:?}"
    );
    assert!(published_one_root(&stage, &b)?);
    Ok(())
}

/// What everybody can read of the node says the same, and the auditor finds nothing wrong with it.
fn published_one_root(stage: &Stage, b: &medanchor_ledger::execute::Executed) -> Result<bool> {
    let folder = stage.node.home.log();
    let log = LogReader::new(&folder);
    let note = Note::parse(&log.checkpoint()?.context("a checkpoint")?)?;
    let checkpoint: Checkpoint = note.text().parse()?;
    let certificates: Vec<_> = log.certificates(0)?.collect::<Result<_, _>>()?;
    let certificates: Vec<_> = certificates
        .iter()
        .map(|bytes| Certificate::decode(bytes))
        .collect::<Result<_, _>>()?;
    let records: Vec<_> = log.cosignatures()?.collect::<Result<_, _>>()?;
    let records: Vec<_> = records
        .iter()
        .map(|bytes| Cosignature::decode(bytes))
        .collect::<Result<_, _>>()?;
    let of_size = records
        .iter()
        .filter(|record| record.size == checkpoint.size);
    let audit = Command::new(medanchor_tests::network::binary("medanchor")?)
        .args(["audit", "verify"])
        .arg(&folder)
        .output()?;
    assert!(
        audit.status.success(),
        "{}",
        String::from_utf8_lossy(&audit.stdout)
    );
    Ok(checkpoint.root == b.log_root()
        && certificates
            .iter()
            .all(|one| one.height() == HEIGHT && one.value() == b.value_id)
        && certificates.len() == 1
        && of_size.clone().count() >= 3
        && of_size.clone().all(|record| record.root == b.log_root()))
}
