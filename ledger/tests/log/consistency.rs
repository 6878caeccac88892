//! Consistency receipts: a log has only grown, or it is refused by name.

use super::support::{Network, Nodes, assert_golden, frozen, vectors};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::consistency::{ConsistencyError, ConsistencyReceipt, Inconsistent};
use medanchor_ledger::merkle::{ProofError, consistency_proof, empty_root, leaf_hash};
use medanchor_ledger::note::NoteError;
use medanchor_ledger::policy::{Distrust, Policy, PolicyRange};
use medanchor_ledger::{Size, TreeHash};
use proptest::prelude::*;

fn nodes(size: u64) -> Nodes {
    let mut nodes = Nodes::default();
    (0..size).for_each(|number| nodes.append(format!("entry {number}").as_bytes()));
    nodes
}

fn root(size: u64) -> TreeHash {
    nodes(size).frontier.root()
}

fn policy(network: &Network) -> PolicyRange {
    let policy = Policy::of_validators(&network.origin, &network.set).unwrap();
    PolicyRange::from(policy, Size(0))
}

fn receipt(network: &Network, old: u64, new: u64) -> ConsistencyReceipt {
    let checkpoint = network.checkpoint(new, root(new));
    ConsistencyReceipt {
        old: Size(old),
        old_root: root(old),
        proof: consistency_proof(&nodes(new), Size(old), Size(new)).unwrap(),
        checkpoint: network
            .gathered(&checkpoint, network.set.len())
            .note()
            .unwrap(),
    }
}

#[test]
fn consistency_receipts_are_frozen_and_hold() {
    let network = Network::new(1, 4);
    for (name, old, new) in [
        ("1-to-2", 1, 2),
        ("3-to-7", 3, 7),
        ("4-to-8", 4, 8),
        ("7-to-7", 7, 7),
        ("300-to-1000", 300, 1000),
    ] {
        let receipt = receipt(&network, old, new);
        let held = network.checkpoint(old, root(old));
        let verified = receipt.verify(&held, &policy(&network)).unwrap();
        assert_eq!(verified.checkpoint().size, Size(new));
        let text = receipt.to_string();
        assert_eq!(ConsistencyReceipt::parse(text.as_bytes()), Ok(receipt));
        assert_golden(
            &format!("consistency/good-{name}.tlog-consistency"),
            text.as_bytes(),
        );
        assert_golden(
            &format!("consistency/good-{name}.old"),
            held.to_string().as_bytes(),
        );
    }
    assert_golden("consistency/policy", policy(&network).policy().as_bytes());
}

#[test]
fn rejected_files_are_refused() {
    let network = Network::new(1, 4);
    let held: Checkpoint = String::from_utf8(frozen("consistency/good-3-to-7.old"))
        .unwrap()
        .parse()
        .unwrap();
    let rejected = vectors("consistency", "rejected");
    assert!(rejected.len() >= 20, "{}", rejected.len());
    for (name, bytes) in rejected {
        let judged = ConsistencyReceipt::parse(&bytes)
            .map(|receipt| receipt.verify(&held, &policy(&network)).is_ok());
        assert_ne!(judged, Ok(true), "{name}");
    }
}

#[test]
fn malformed_receipts_are_refused_by_name() {
    let good = receipt(&Network::new(1, 4), 3, 7).to_string();
    let with = |old: &str, new: &str| {
        assert!(good.contains(old), "{old}");
        good.replacen(old, new, 1)
    };
    let first = good.lines().nth(2).unwrap();
    let hashes = format!("{}{first}\n", format!("{first}\n").repeat(64));
    for (name, file, error) in [
        ("empty", String::new(), ConsistencyError::Header),
        (
            "tlog-proof",
            with("medanchor/tlog-consistency", "c2sp.org/tlog-proof"),
            ConsistencyError::Header,
        ),
        (
            "other-version",
            with("@v1", "@v2"),
            ConsistencyError::Header,
        ),
        (
            "carriage-return",
            with("v1\n", "v1\r\n"),
            ConsistencyError::Header,
        ),
        ("no-old", with("old 3 ", "new 3 "), ConsistencyError::Old),
        (
            "old-leading-zero",
            with("old 3", "old 03"),
            ConsistencyError::Old,
        ),
        (
            "old-with-sign",
            with("old 3", "old +3"),
            ConsistencyError::Old,
        ),
        (
            "old-above-64-bits",
            with("old 3", "old 18446744073709551616"),
            ConsistencyError::Old,
        ),
        (
            "old-without-root",
            with("old 3 ", "old 3\n"),
            ConsistencyError::Old,
        ),
        ("hash-short", with(first, "AAAA"), ConsistencyError::Proof),
        (
            "hash-with-space",
            with(first, &format!("{first} ")),
            ConsistencyError::Proof,
        ),
        (
            "hashes-65",
            with(&format!("{first}\n"), &hashes),
            ConsistencyError::Proof,
        ),
        (
            "no-blank-line",
            with("\n\nnorth", "\nnorth"),
            ConsistencyError::Proof,
        ),
        (
            "no-checkpoint",
            format!("{}\n\n", good.split("\n\n").next().unwrap()),
            NoteError::Shape.into(),
        ),
        (
            "trailing-line",
            format!("{good}more\n"),
            NoteError::SignatureLine.into(),
        ),
        (
            "no-last-newline",
            good.trim_end().to_owned(),
            NoteError::Shape.into(),
        ),
    ] {
        assert_eq!(
            ConsistencyReceipt::parse(file.as_bytes()),
            Err(error),
            "{name}"
        );
        assert_golden(
            &format!("consistency/rejected-{name}.tlog-consistency"),
            file.as_bytes(),
        );
    }
    assert_eq!(
        ConsistencyReceipt::parse(b"\xff"),
        Err(ConsistencyError::Text)
    );
    let long = vec![b'a'; ConsistencyReceipt::MAX_BYTES + 1];
    assert_eq!(
        ConsistencyReceipt::parse(&long),
        Err(ConsistencyError::Size)
    );
}

#[test]
fn receipts_that_prove_nothing_are_refused_by_name() {
    let (network, other) = (Network::new(1, 4), Network::new(2, 4));
    let good = receipt(&network, 3, 7);
    let held = network.checkpoint(3, root(3));
    let proof = |proof| ConsistencyReceipt {
        proof,
        ..good.clone()
    };
    let mut longer = good.proof.clone();
    longer.push(good.proof[0]);
    let mut forged = good.proof.clone();
    forged[1] = leaf_hash(b"forged");
    let fork = network.checkpoint(7, leaf_hash(b"fork"));
    let checkpoint = network.gathered(&fork, 4).note().unwrap();
    let (found, wanted) = (Size(4), Size(3));
    let origin = other.origin.clone();
    let from_empty = ConsistencyReceipt {
        old: Size(0),
        old_root: empty_root(),
        ..proof(vec![])
    };
    for (name, receipt, error) in [
        (
            "proof-too-short",
            proof(good.proof[1..].to_vec()),
            ProofError::Length.into(),
        ),
        ("proof-too-long", proof(longer), ProofError::Length.into()),
        ("proof-empty", proof(vec![]), ProofError::Length.into()),
        ("proof-forged", proof(forged), ProofError::Root.into()),
        (
            "of-a-fork",
            ConsistencyReceipt {
                checkpoint,
                ..good.clone()
            },
            ProofError::Root.into(),
        ),
        (
            "other-start",
            receipt(&network, 4, 7),
            Inconsistent::OtherStart { found, wanted },
        ),
        (
            "other-old-root",
            ConsistencyReceipt {
                old_root: leaf_hash(b"x"),
                ..good.clone()
            },
            ProofError::Root.into(),
        ),
        (
            "from-empty",
            from_empty,
            Inconsistent::OtherStart {
                found: Size(0),
                wanted,
            },
        ),
        (
            "of-another-network",
            receipt(&other, 3, 7),
            Distrust::NoLog { origin }.into(),
        ),
    ] {
        assert_eq!(
            receipt.verify(&held, &policy(&network)),
            Err(error),
            "{name}"
        );
        assert_golden(
            &format!("consistency/rejected-proof-{name}.tlog-consistency"),
            receipt.to_string().as_bytes(),
        );
    }
}

#[test]
fn the_empty_log_a_shrunk_log_and_another_log_are_no_start() {
    let network = Network::new(1, 4);
    let policy = policy(&network);
    let empty = network.checkpoint(0, empty_root());
    let start = ConsistencyReceipt {
        old: Size(0),
        old_root: empty_root(),
        proof: vec![],
        ..receipt(&network, 3, 7)
    };
    assert_eq!(
        start.verify(&empty, &policy),
        Err(ProofError::FromEmptyTree.into())
    );
    let (old, new) = (Size(9), Size(7));
    let shrunk = ConsistencyReceipt {
        old,
        old_root: root(9),
        ..receipt(&network, 3, 7)
    };
    let held = network.checkpoint(9, root(9));
    assert_eq!(
        shrunk.verify(&held, &policy),
        Err(ProofError::Shrunk { old, new }.into())
    );
    let elsewhere = Network::new(2, 4).checkpoint(3, root(3));
    assert_eq!(
        receipt(&network, 3, 7).verify(&elsewhere, &policy),
        Err(Inconsistent::OtherLog)
    );
    let equal = ConsistencyReceipt {
        proof: vec![root(7)],
        ..receipt(&network, 7, 7)
    };
    let held = network.checkpoint(7, root(7));
    assert_eq!(equal.verify(&held, &policy), Err(ProofError::Length.into()));
    let fork = network.checkpoint(7, leaf_hash(b"fork"));
    assert_eq!(
        receipt(&network, 7, 7).verify(&fork, &policy),
        Err(ProofError::Root.into())
    );
}

#[test]
fn an_old_set_does_not_vouch_for_a_later_size() {
    let network = Network::new(1, 4);
    let (size, first, last) = (Size(7), Size(1), Size(6));
    let narrow = PolicyRange::new(policy(&network).policy().clone(), first, last);
    let held = network.checkpoint(3, root(3));
    let outside = Distrust::OutsideRange { size, first, last };
    assert_eq!(
        receipt(&network, 3, 7).verify(&held, &narrow),
        Err(outside.into())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_pair_of_sizes_has_a_receipt_that_holds(old in 1u64..40, more in 0u64..40) {
        let network = Network::new(1, 1);
        let receipt = receipt(&network, old, old + more);
        let read = ConsistencyReceipt::parse(receipt.to_string().as_bytes()).unwrap();
        let held = network.checkpoint(old, root(old));
        prop_assert!(read.verify(&held, &policy(&network)).is_ok());
    }

    #[test]
    fn a_receipt_with_a_changed_byte_proves_nothing_else(at: prop::sample::Index, byte: u8) {
        let network = Network::new(1, 4);
        let good = receipt(&network, 3, 7);
        let mut bytes = good.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = ConsistencyReceipt::parse(&bytes) {
            prop_assert_eq!(read.to_string().into_bytes(), bytes);
            let held = network.checkpoint(3, root(3));
            let holds = read.verify(&held, &policy(&network)).is_ok();
            prop_assert_eq!(holds, read == good);
        }
    }
}
