//! Evidence of forks: convincing offline, in one form only, and refused where it proves nothing.

use super::support::{Network, Nodes, assert_golden, frozen, key, name, text, vectors};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::fork::{Fork, ForkError, LaterRoot, Unconvincing};
use medanchor_ledger::merkle::{consistency_proof, root_at};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::Policy;
use medanchor_ledger::{Size, Time, TreeHash};
use proptest::prelude::*;

fn policy(network: &Network) -> Policy {
    Policy::of_validators(&network.origin, &network.set).unwrap()
}

/// A log of `size` entries that begin to differ from the honest one at `fork`.
fn log(size: u64, fork: u64) -> Nodes {
    let mut nodes = Nodes::default();
    for number in 0..size {
        let side = if number < fork { "entry" } else { "other" };
        nodes.append(format!("{side} {number}").as_bytes());
    }
    nodes
}

fn signed(network: &Network, checkpoint: &Checkpoint, signers: &[usize]) -> Note {
    let byte = network.id.as_bytes()[0];
    let cosigned = signers.iter().map(|number| {
        let time = Time(1_800_000_000_000);
        checkpoint
            .cosign(&name(*number), &key(byte, *number, 2), time)
            .unwrap()
    });
    let logs = signers
        .iter()
        .map(|number| checkpoint.sign(&key(byte, *number, 1)));
    Note::new(&checkpoint.to_string(), logs.chain(cosigned).collect()).unwrap()
}

/// The honest log at `old` and the other one at `new`, with what the evidence needs.
fn sides(old: u64, new: u64, fork: u64) -> (Checkpoint, Checkpoint, Option<LaterRoot>) {
    let network = Network::new(1, 4);
    let (honest, other) = (log(old, u64::MAX), log(new, fork));
    let later = (old != new).then(|| LaterRoot {
        root: root_at(&other, Size(old)).unwrap(),
        proof: consistency_proof(&other, Size(old), Size(new)).unwrap(),
    });
    (
        network.checkpoint(old, honest.frontier.root()),
        network.checkpoint(new, other.frontier.root()),
        later,
    )
}

fn evidence(old: u64, new: u64) -> Fork {
    let network = Network::new(1, 4);
    let (one, other, later) = sides(old, new, 3);
    let notes = (
        signed(&network, &one, &[0, 1, 2]),
        signed(&network, &other, &[1, 2, 3]),
    );
    Fork::new(notes.0, notes.1, later).unwrap()
}

#[test]
fn evidence_is_frozen_and_convicts_whoever_signed_both() {
    let network = Network::new(1, 4);
    for (file, old, new) in [
        ("same-size", 7, 7),
        ("not-a-power-of-two", 7, 300),
        ("power-of-two", 8, 300),
    ] {
        let fork = evidence(old, new);
        assert_golden(
            &format!("fork/good-{file}.fork"),
            fork.to_string().as_bytes(),
        );
        let convicted = fork.verify(&policy(&network)).unwrap();
        let names: Vec<_> = convicted
            .both
            .iter()
            .map(|key| key.name().as_str())
            .collect();
        let origin = network.origin.as_str();
        let witness = |number| format!("{origin}/{}", name(number));
        assert_eq!(names, [origin, origin, &witness(1), &witness(2)]);
        assert_eq!(convicted.accepted, (true, true));
    }
    assert_golden("fork/policy", policy(&network).as_bytes());
}

#[test]
fn golden_evidence_is_judged_as_its_name_says() {
    let policy = Policy::parse(&frozen("fork/policy")).unwrap();
    for (name, bytes) in vectors("fork", "good") {
        let fork = Fork::parse(&bytes).unwrap();
        assert_eq!(fork.to_string().as_bytes(), bytes, "{name}");
        fork.verify(&policy).unwrap();
    }
    let rejected = vectors("fork", "rejected");
    assert!(rejected.len() >= 20, "{}", rejected.len());
    for (name, bytes) in rejected {
        let judged = Fork::parse(&bytes).map(|fork| fork.verify(&policy).is_ok());
        assert_ne!(judged, Ok(true), "{name}");
    }
}

#[test]
fn malformed_evidence_is_refused_by_name() {
    let good = evidence(7, 300).to_string();
    let same = evidence(7, 7).to_string();
    let with = |old: &str, new: &str| {
        assert!(good.contains(old), "{old}");
        good.replacen(old, new, 1)
    };
    let hash = good.lines().nth(2).unwrap();
    let root = good.lines().nth(1).unwrap();
    let (head, notes) = good.split_once("\n\n").unwrap();
    let (text_of_first, rest) = notes.split_once("\n\n").unwrap();
    let (lines, second) = rest.split_once("\n\n").unwrap();
    let swapped = format!("{head}\n\n{second}\n{text_of_first}\n\n{lines}\n");
    let (same_head, same_notes) = same.split_once("\n\n").unwrap();
    for (name, file, error) in [
        ("empty", String::new(), ForkError::Header),
        (
            "other-version",
            with("fork@v1", "fork@v2"),
            ForkError::Header,
        ),
        (
            "carriage-return",
            with("fork@v1", "fork@v1\r"),
            ForkError::Header,
        ),
        ("no-notes", format!("{head}\n\n"), ForkError::Shape),
        (
            "one-note",
            format!("{head}\n\n{text_of_first}\n\n{lines}\n"),
            ForkError::Shape,
        ),
        (
            "root-missing",
            with(&format!("{root}\n"), ""),
            ForkError::Proof,
        ),
        ("root-short", with(root, "root AAAA"), ForkError::Proof),
        ("hash-short", with(hash, "AAAA"), ForkError::Proof),
        (
            "hash-with-space",
            with(hash, &format!("{hash} ")),
            ForkError::Proof,
        ),
        (
            "hashes-129",
            with(hash, &vec![hash; 129].join("\n")),
            ForkError::Proof,
        ),
        ("later-first", swapped, ForkError::Form),
        (
            "proof-for-equal-sizes",
            format!("{same_head}\n{root}\n\n{same_notes}"),
            ForkError::Proof,
        ),
        (
            "no-proof-for-other-sizes",
            format!("medanchor/fork@v1\n\n{notes}"),
            ForkError::Proof,
        ),
        (
            "no-last-newline",
            good.trim_end().to_owned(),
            ForkError::Note(medanchor_ledger::note::NoteError::Shape),
        ),
        (
            "trailing-line",
            format!("{good}more\n"),
            ForkError::Note(medanchor_ledger::note::NoteError::SignatureLine),
        ),
        (
            "signature-line-missing",
            with("\u{2014} ", "- "),
            ForkError::Note(medanchor_ledger::note::NoteError::SignatureLine),
        ),
        (
            "extension-line",
            with("\n7\n", "\n7\nmore\n"),
            ForkError::Checkpoint(medanchor_ledger::checkpoint::CheckpointError::Root),
        ),
        (
            "size-leading-zero",
            with("\n7\n", "\n07\n"),
            ForkError::Checkpoint(medanchor_ledger::checkpoint::CheckpointError::Size),
        ),
        (
            "three-notes",
            format!("{good}\n{text_of_first}\n\n{lines}\n"),
            ForkError::Note(medanchor_ledger::note::NoteError::SignatureLine),
        ),
    ] {
        let found = Fork::parse(file.as_bytes());
        // Which of several wrongs is named first is of no interest where a note is damaged.
        match (&found, error) {
            (
                Err(ForkError::Note(_) | ForkError::Checkpoint(_)),
                ForkError::Note(_) | ForkError::Checkpoint(_),
            ) => {}
            _ => assert_eq!(found, Err(error), "{name}"),
        }
        assert_golden(&format!("fork/rejected-{name}.fork"), file.as_bytes());
    }
}

#[test]
fn evidence_that_proves_nothing_is_refused_by_name() {
    let network = Network::new(1, 4);
    let note = |checkpoint: &Checkpoint| signed(&network, checkpoint, &[0, 1, 2]);
    let raw = |one: &Note, other: &Note, later: Option<&LaterRoot>| {
        // What `Fork::new` would refuse, written by hand.
        let good = evidence(7, if later.is_some() { 300 } else { 7 }).to_string();
        let mut head = good.split_once("\n\n").unwrap().0.to_owned();
        if let Some(later) = later {
            let honest = sides(7, 300, 3).2.unwrap();
            let base64 = |hash: &TreeHash| {
                use base64::{Engine, engine::general_purpose::STANDARD};
                STANDARD.encode(hash.as_bytes())
            };
            head = head.replace(&base64(&honest.root), &base64(&later.root));
            for (old, new) in honest.proof.iter().zip(&later.proof) {
                head = head.replace(&base64(old), &base64(new));
            }
        }
        format!("{head}\n\n{one}\n{other}")
    };
    let (one, other, later) = sides(7, 300, 3);
    let later = later.unwrap();
    let (honest, larger, honest_later) = sides(7, 300, u64::MAX);
    let mut forged = later.clone();
    forged.proof[0] = TreeHash::new([9; 32]);
    let lie = LaterRoot {
        root: TreeHash::new([9; 32]),
        proof: later.proof.clone(),
    };
    let stranger = Network::new(2, 4);
    let theirs = Checkpoint {
        origin: stranger.origin.clone(),
        ..other.clone()
    };
    for (name, file, error) in [
        (
            "consistent",
            raw(&note(&honest), &note(&larger), honest_later.as_ref()),
            ForkError::Consistent,
        ),
        (
            "same-checkpoint-twice",
            raw(&note(&one), &note(&one), None),
            ForkError::Consistent,
        ),
        (
            "forged-proof",
            raw(&note(&one), &note(&other), Some(&forged)),
            ForkError::Unproved(medanchor_ledger::merkle::ProofError::Root),
        ),
        (
            "root-of-nothing",
            raw(&note(&one), &note(&other), Some(&lie)),
            ForkError::Unproved(medanchor_ledger::merkle::ProofError::Root),
        ),
        (
            "another-log",
            raw(&note(&one), &note(&theirs), Some(&later)),
            ForkError::OtherLog,
        ),
    ] {
        assert_eq!(Fork::parse(file.as_bytes()), Err(error), "{name}");
        assert_golden(&format!("fork/rejected-proof-{name}.fork"), file.as_bytes());
    }
    let convict = |first: &[usize], second: &[usize], name: &str| {
        let notes = (
            signed(&network, &one, first),
            signed(&network, &other, second),
        );
        let fork = Fork::new(notes.0, notes.1, Some(later.clone())).unwrap();
        assert_golden(&format!("fork/{name}.fork"), fork.to_string().as_bytes());
        fork.verify(&policy(&network))
    };
    let nobody = convict(&[0, 1], &[2, 3], "rejected-proof-nobody-signed-both");
    assert_eq!(nobody, Err(Unconvincing::Nobody));
    let one_alone = convict(&[0, 1], &[1, 2], "good-one-signed-both-without-quorums").unwrap();
    assert_eq!(
        (one_alone.both.len(), one_alone.accepted),
        (2, (false, false))
    );
    let mut forged = evidence(7, 7).to_string();
    let at = forged.find("\u{2014} ").unwrap() + 200;
    let line_end = forged[at..].find('\n').unwrap() + at;
    // A changed byte in the middle of a signature, still base64.
    let middle = line_end - 20;
    let byte = if &forged[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    forged.replace_range(middle..=middle, byte);
    let parsed = Fork::parse(forged.as_bytes()).unwrap();
    assert!(matches!(
        parsed.verify(&policy(&network)),
        Err(Unconvincing::Signature { .. })
    ));
    assert_golden(
        "fork/rejected-proof-signature-forged.fork",
        forged.as_bytes(),
    );
    assert!(text(forged.as_bytes()).starts_with("medanchor/fork@v1\n\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_fork_is_proved_and_no_honest_log_is(old in 1u64..60, more in 1u64..60, fork in 0u64..60) {
        let network = Network::new(1, 4);
        let fork = fork.min(old - 1);
        let (one, other, later) = sides(old, old + more, fork);
        let note = |checkpoint: &Checkpoint| signed(&network, checkpoint, &[0]);
        let found = Fork::new(note(&other), note(&one), later).unwrap();
        prop_assert_eq!(Fork::parse(found.to_string().as_bytes()).unwrap(), found.clone());
        prop_assert_eq!(found.verify(&policy(&network)).unwrap().both.len(), 2);
        let (one, other, later) = sides(old, old + more, u64::MAX);
        prop_assert_eq!(Fork::new(note(&one), note(&other), later), Err(ForkError::Consistent));
    }

    #[test]
    fn arbitrary_text_never_panics(text in "(medanchor/fork@v1\n)?(root [A-Za-z=]{0,50}\n)?\n?[a-z\n ]{0,80}") {
        let _ = Fork::parse(text.as_bytes());
    }
}
