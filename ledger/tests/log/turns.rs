//! Checkpoints that a set signed outside its turn, told apart from strangers', and chains that part.

use super::chain::Story;
use medanchor_ledger::cose_receipt::{CoseProof, CoseUnproved, Quorum};
use medanchor_ledger::fork::{Fork, LaterRoot, Unconvincing};
use medanchor_ledger::merkle::{consistency_proof, inclusion_proof, root_at};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{Distrust, Policies};
use medanchor_ledger::{Index, Size};

const ALL: Size = Size(u64::MAX);

/// A network whose first four are followed by these; where its first turn ended.
fn changed(network: u8, members: &[usize]) -> (Story, u64) {
    let mut story = Story::new(network);
    story.quiet(1);
    story.change(2, members);
    let last = story.size;
    (story, last)
}

fn walked(story: &Story) -> Policies {
    story.chain.verify(&story.genesis).unwrap()
}

/// What these sign once `events` more are in the log.
fn signed_by(story: &mut Story, members: &[usize], events: u64) -> Note {
    story.members = members.to_vec();
    story.quiet(events);
    story.gathered().note().unwrap()
}

#[test]
fn who_signed_outside_its_turn_is_told_apart_from_strangers() {
    let (mut story, last) = changed(1, &[4, 5, 6]);
    let policies = walked(&story);
    let late = signed_by(&mut story, &[0, 1, 2, 3], 1);
    let outside = |size, first, last| Err(Distrust::OutsideRange { size, first, last });
    let size = Size(story.size);
    let departed = outside(size, Size(1), Size(last));
    assert_eq!(policies.verify_checkpoint(&late), departed);
    let path = inclusion_proof(&story.nodes, Index(1), size).unwrap();
    let index = Index(1);
    let proof = CoseProof::Inclusion { index, path };
    let receipts = story.gathered().cose_receipts(&proof).unwrap();
    let judged = policies.verify_cose(size, |keys| Quorum::verify(&receipts, b"event 0", keys));
    let (first, end) = (Size(1), Size(last));
    let departed = CoseUnproved::OutsideRange {
        size,
        first,
        last: end,
    };
    assert_eq!(judged, Err(departed));

    let mut early = Story::new(1);
    let note = signed_by(&mut early, &[4, 5, 6], 1);
    let too_early = outside(Size(early.size), Size(last + 1), ALL);
    assert_eq!(policies.verify_checkpoint(&note), too_early);

    let mut other = Story::new(2);
    let strangers = signed_by(&mut other, &[0, 1, 2, 3], 1);
    let verdict = policies.verify_checkpoint(&strangers);
    assert!(
        matches!(verdict, Err(Distrust::NoLog { .. })),
        "{verdict:?}"
    );

    let now = signed_by(&mut story, &[4, 5, 6], 1);
    assert!(policies.verify_checkpoint(&now).is_ok());
}

#[test]
fn chains_part_where_two_successors_are_named_and_nowhere_else() {
    let (one, _) = changed(1, &[4, 5, 6]);
    let mut longer = changed(1, &[4, 5, 6]).0;
    longer.change(1, &[0, 1, 2]);
    let mut later = Story::new(1);
    later.quiet(1);
    later.quiet(1);
    later.change(2, &[4, 5, 6]);
    let (other, _) = changed(1, &[4, 5, 3]);
    let none = walked(&Story::new(1));
    let (one, longer) = (walked(&one), walked(&longer));
    for agreeing in [&one, &longer, &none] {
        assert_eq!(one.parts_from(agreeing), None);
        assert_eq!(agreeing.parts_from(&one), None);
    }
    for parting in [walked(&later), walked(&other)] {
        assert_eq!(longer.parts_from(&parting), Some(1));
        assert_eq!(parting.parts_from(&longer), Some(1));
    }
}

/// Those who stay answer for what they signed in both turns; those who left are nobody then, and what each
/// set signed within its own turn is a fork though no key signed both.
#[test]
fn a_fork_across_two_turns_convicts_only_keys_of_both() {
    let old_set = &[0, 1, 2, 3][..];
    for (members, signers, guilty) in [
        (&[0, 1, 2, 4][..], old_set, Some(4)),
        (&[4, 5, 6], old_set, None),
        (&[4, 5, 6], &[4, 5, 6], Some(0)),
    ] {
        let policies = walked(&changed(1, members).0);
        let mut honest = Story::new(1);
        let earlier = signed_by(&mut honest, &[0, 1, 2, 3], 1);
        let old = Size(honest.size);
        let mut forked = Story::new(1);
        forked.quiet(2);
        let later = signed_by(&mut forked, signers, 9);
        let new = Size(forked.size);
        let proof = consistency_proof(&forked.nodes, old, new).unwrap();
        let root = root_at(&forked.nodes, old).unwrap();
        let later_root = Some(LaterRoot { root, proof });
        let fork = Fork::new(later, earlier, later_root).unwrap();
        let by = |note| policies.range_of(note).unwrap().policy();
        let (earlier, later) = fork.notes();
        let verdict = fork.verify_by(by(earlier), by(later));
        match guilty {
            None => assert_eq!(verdict, Err(Unconvincing::Nobody)),
            Some(guilty) => {
                let convicted = verdict.unwrap();
                assert_eq!(convicted.both.len(), guilty);
                assert_eq!(convicted.accepted, (true, true));
            }
        }
    }
}
