use super::*;
use crate::chain::testing::Lone;
use medanchor_ledger::cosignature::Gathering;
use medanchor_ledger::execute::View as _;
use medanchor_ledger::{Height, Time, TreeHash};

/// The note of a quorum, of the newest block's size and some root.
fn signed(shared: &Shared, root: Option<TreeHash>) -> Note {
    let size = shared.store.view().head().frontier.size();
    let own = root_at(&shared.store.nodes(), size).expect("a root");
    let checkpoint = Checkpoint {
        origin: shared.genesis.origin().clone(),
        size,
        root: root.unwrap_or(own),
    };
    let set = shared.genesis.validators().clone();
    let mut quorum = Gathering::new(checkpoint.clone(), set.clone());
    let signed = shared.cosigners().decided(checkpoint, set, Time(9_000));
    let (own, _) = signed.expect("signed");
    quorum.add(&own.expect("a validator")).expect("counted");
    quorum.full_note().expect("the one validator's quorum")
}

fn published(
    root: Option<TreeHash>,
    change: impl Fn(String) -> String,
) -> Result<Option<Published>, Fatal> {
    let mut lone = Lone::start();
    lone.decide(Height(1));
    let shared = &lone.shared;
    let note = signed(shared, root);
    let size = note
        .text()
        .parse::<Checkpoint>()
        .expect("a checkpoint")
        .size;
    let text = change(note.to_string());
    shared
        .store
        .publish(size, text.as_bytes())
        .expect("published");
    newest_published(&shared.store, &shared.genesis)
}

fn refused(found: Result<Option<Published>, Fatal>) {
    let fatal = found.expect_err("refused");
    assert_eq!(fatal.exit, Exit::Damaged);
    assert!(
        fatal.message.contains("log/checkpoint"),
        "{}",
        fatal.message
    );
}

#[test]
fn a_published_checkpoint_of_the_own_log_is_taken() {
    let found = published(None, |note| note);
    assert!(found.is_ok_and(|found| found.is_some()));
}

/// The publisher signs what is read here: it once signed whatever stood in the file.
#[test]
fn a_published_checkpoint_with_a_changed_root_is_refused() {
    refused(published(None, |note| {
        let root = note.lines().nth(2).expect("a root");
        let first = if root.starts_with('A') { "B" } else { "A" };
        note.replacen(root, &format!("{first}{}", &root[1..]), 1)
    }));
}

#[test]
fn a_published_checkpoint_that_a_quorum_signed_with_another_root_is_refused() {
    refused(published(Some(TreeHash::new([8; 32])), |note| note));
}
