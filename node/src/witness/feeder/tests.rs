use super::*;
use crate::chain::testing::Lone;
use crate::keys::Purpose;
use medanchor_ledger::Height;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::execute::View as _;

/// A feeder of a log with one block, that has no witness, and the log's checkpoint.
fn feeder(lone: &mut Lone, data: &std::path::Path) -> (Feeder, Checkpoint) {
    lone.decide(Height(1));
    let shared = Arc::clone(&lone.shared);
    let size = shared.store.view().head().frontier.size();
    let checkpoint = Checkpoint {
        origin: shared.genesis.origin().clone(),
        size,
        root: root_at(&shared.store.nodes(), size).expect("a root"),
    };
    let feeder = Feeder {
        published: shared.published.subscribe(),
        shared,
        key: SecretKey::generate(Purpose::Publisher).expect("randomness"),
        data: data.into(),
        memory: Memory::default(),
        witnesses: Vec::new(),
        round: None,
        asked: JoinSet::new(),
    };
    (feeder, checkpoint)
}

fn published(checkpoint: Checkpoint) -> Published {
    let note = Bytes::from(checkpoint.to_string());
    Published {
        checkpoint,
        served: note.clone(),
        note,
        cosigned: None,
    }
}

#[tokio::test]
async fn the_publisher_signs_no_root_but_that_of_its_own_log() {
    let (mut lone, folder) = (Lone::start(), tempfile::tempdir().expect("a folder"));
    let (mut feeder, own) = feeder(&mut lone, folder.path());
    let other = Checkpoint {
        root: TreeHash::new([8; 32]),
        ..own.clone()
    };
    let refused = feeder.remember(&published(other)).await;
    assert!(matches!(refused, Err(End::OtherRoot(size)) if size == own.size));
    assert_eq!(feeder.memory.signed(), None);
    assert!(matches!(
        feeder.remember(&published(own.clone())).await,
        Ok(true)
    ));
    assert_eq!(feeder.memory.signed(), Some((own.size, own.root)));
}

#[tokio::test]
async fn another_root_than_the_publisher_signed_is_kept_with_both() {
    let (mut lone, folder) = (Lone::start(), tempfile::tempdir().expect("a folder"));
    let (mut feeder, own) = feeder(&mut lone, folder.path());
    let signed = Checkpoint {
        root: TreeHash::new([8; 32]),
        ..own.clone()
    };
    feeder.memory.sign(&signed);
    let now = published(own.clone());
    let refused = feeder.remember(&now).await;
    assert!(matches!(refused, Err(End::Fork(size)) if size == own.size));
    let kept = std::fs::read_to_string(lone.shared.data().join("evidence")).expect("kept");
    let (kind, evidence) = kept.trim_end().split_once(' ').expect("one line");
    assert_eq!(kind, "publisher-signed-another-root");
    let text = String::from_utf8(hex::decode(evidence).expect("hex")).expect("text");
    let all = [
        signed.root.to_string(),
        own.root.to_string(),
        own.to_string(),
    ];
    assert!(all.iter().all(|part| text.contains(part)), "{text}");
}
