//! Receipts: proved offline, small, and refused whenever a part of them is changed.

use super::support::{Network, Nodes, assert_golden, vectors};
use medanchor_ledger::merkle::{NodeReader, ProofError, inclusion_proof, leaf_hash, root_at};
use medanchor_ledger::note::NoteError;
use medanchor_ledger::policy::{Distrust, Policy, PolicyRange};
use medanchor_ledger::receipt::{Receipt, ReceiptError, Unproved};
use medanchor_ledger::{Index, ReadFailed, Size, TreeHash};
use proptest::prelude::*;

fn policy(network: &Network) -> PolicyRange {
    PolicyRange::from(
        Policy::of_validators(&network.origin, &network.set).unwrap(),
        Size(0),
    )
}

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

/// The receipt of an entry of a log of `size` entries.
fn receipt(network: &Network, index: u64, size: u64) -> Receipt {
    let mut nodes = Nodes::default();
    (0..size).for_each(|number| nodes.append(&entry(number)));
    let gathering = network.gathered(
        &network.checkpoint(size, nodes.frontier.root()),
        network.set.len(),
    );
    Receipt {
        index: Index(index),
        proof: inclusion_proof(&nodes, Index(index), Size(size)).unwrap(),
        checkpoint: gathering.note().unwrap(),
        extra: None,
    }
}

#[test]
fn receipts_are_frozen() {
    let network = Network::new(1, 4);
    for (name, index, size) in [
        ("only-entry", 0, 1),
        ("third-of-seven", 2, 7),
        ("last-of-1000", 999, 1000),
    ] {
        let receipt = receipt(&network, index, size);
        assert_golden(
            &format!("receipt/good-{name}.tlog-proof"),
            receipt.to_string().as_bytes(),
        );
        assert_golden(&format!("receipt/good-{name}.entry"), &entry(index));
    }
    let extra = Some(b"for the application".to_vec());
    let receipt = Receipt {
        extra,
        ..receipt(&network, 2, 7)
    };
    assert_golden(
        "receipt/good-with-extra.tlog-proof",
        receipt.to_string().as_bytes(),
    );
    assert_golden("receipt/good-with-extra.entry", &entry(2));
    assert_golden("receipt/policy", policy(&network).policy().as_bytes());
}

#[test]
fn golden_receipts_are_judged_as_their_names_say() {
    let policy = super::support::frozen("receipt/policy");
    let policy = PolicyRange::from(Policy::parse(&policy).unwrap(), Size(0));
    let good = vectors("receipt", "good");
    let entry_of = |name: &str| {
        let name = name.replace(".tlog-proof", ".entry");
        good.iter()
            .find(|(other, _)| *other == name)
            .unwrap()
            .1
            .clone()
    };
    for (name, bytes) in good
        .iter()
        .filter(|(name, _)| name.ends_with(".tlog-proof"))
    {
        let receipt = Receipt::parse(bytes).unwrap();
        assert_eq!(receipt.to_string().as_bytes(), bytes, "{name}");
        let verified = receipt.verify(&entry_of(name), &policy).unwrap();
        assert_eq!(verified.index(), receipt.index);
        assert_eq!(
            (
                verified.checkpoint().logs().len(),
                verified.checkpoint().cosigners().len()
            ),
            (1, 3)
        );
    }
    let rejected = vectors("receipt", "rejected");
    assert!(rejected.len() >= 20, "{}", rejected.len());
    let third = entry_of("good-third-of-seven.tlog-proof");
    for (name, bytes) in rejected {
        let judged = Receipt::parse(&bytes).map(|receipt| receipt.verify(&third, &policy).is_ok());
        assert_ne!(judged, Ok(true), "{name}");
    }
}

#[test]
fn malformed_receipts_are_refused_by_name() {
    let network = Network::new(1, 4);
    let good = receipt(&network, 2, 7).to_string();
    let with = |old: &str, new: &str| {
        assert!(good.contains(old), "{old}");
        good.replacen(old, new, 1)
    };
    let first = good.lines().nth(2).unwrap();
    let hashes = format!("index 2\n{}", format!("{first}\n").repeat(65));
    for (name, file, error) in [
        ("empty", String::new(), ReceiptError::Header),
        (
            "other-version",
            with("proof@v1", "proof@v2"),
            ReceiptError::Header,
        ),
        (
            "no-header",
            with("c2sp.org/tlog-proof@v1\n", ""),
            ReceiptError::Header,
        ),
        (
            "carriage-return",
            with("v1\n", "v1\r\n"),
            ReceiptError::Header,
        ),
        (
            "blank-line-first",
            format!("\n{good}"),
            ReceiptError::Header,
        ),
        (
            "extra-not-base64",
            with("index", "extra !\nindex"),
            ReceiptError::Extra,
        ),
        (
            "extra-empty",
            with("index", "extra \nindex"),
            ReceiptError::Extra,
        ),
        (
            "extra-twice",
            with("index", "extra AA==\nextra AA==\nindex"),
            ReceiptError::Index,
        ),
        (
            "extra-after-index",
            with("index 2\n", "index 2\nextra AA==\n"),
            ReceiptError::Proof,
        ),
        ("no-index", with("index 2\n", ""), ReceiptError::Index),
        (
            "index-leading-zero",
            with("index 2", "index 02"),
            ReceiptError::Index,
        ),
        (
            "index-with-sign",
            with("index 2", "index +2"),
            ReceiptError::Index,
        ),
        (
            "index-two-spaces",
            with("index 2", "index  2"),
            ReceiptError::Index,
        ),
        (
            "index-above-64-bits",
            with("index 2", "index 18446744073709551616"),
            ReceiptError::Index,
        ),
        ("hash-short", with(first, "AAAA"), ReceiptError::Proof),
        (
            "hash-with-space",
            with(first, &format!("{first} ")),
            ReceiptError::Proof,
        ),
        ("hashes-65", with("index 2\n", &hashes), ReceiptError::Proof),
        (
            "no-blank-line",
            with("\n\nnorth", "\nnorth"),
            ReceiptError::Proof,
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
        assert_eq!(Receipt::parse(file.as_bytes()), Err(error), "{name}");
        assert_golden(
            &format!("receipt/rejected-{name}.tlog-proof"),
            file.as_bytes(),
        );
    }
    assert_eq!(Receipt::parse(b"\xff"), Err(ReceiptError::Text));
    assert_eq!(
        Receipt::parse(&vec![b'a'; Receipt::MAX_BYTES + 1]),
        Err(ReceiptError::Size)
    );
}

#[test]
fn receipts_that_prove_nothing_are_refused_by_name() {
    let network = Network::new(1, 4);
    let policy = policy(&network);
    let good = receipt(&network, 2, 7);
    let other_network = Network::new(2, 4);
    let mut longer = good.proof.clone();
    longer.push(good.proof[0]);
    let mut changed = good.proof.clone();
    changed[1] = leaf_hash(b"forged");
    let with_proof = |proof| Receipt {
        proof,
        ..good.clone()
    };
    let origin = other_network.origin.clone();
    let inclusion = |error| Unproved::Inclusion(error);
    for (name, receipt, error) in [
        (
            "other-index",
            Receipt {
                index: Index(3),
                ..good.clone()
            },
            inclusion(ProofError::Root),
        ),
        (
            "index-outside-tree",
            Receipt {
                index: Index(7),
                ..good.clone()
            },
            inclusion(ProofError::OutsideTree {
                index: Index(7),
                size: Size(7),
            }),
        ),
        (
            "proof-too-short",
            with_proof(good.proof[..2].to_vec()),
            inclusion(ProofError::Length),
        ),
        (
            "proof-too-long",
            with_proof(longer),
            inclusion(ProofError::Length),
        ),
        (
            "proof-empty",
            with_proof(vec![]),
            inclusion(ProofError::Length),
        ),
        (
            "proof-forged",
            with_proof(changed),
            inclusion(ProofError::Root),
        ),
        (
            "checkpoint-of-another-network",
            Receipt {
                checkpoint: self::receipt(&other_network, 2, 7).checkpoint,
                ..good.clone()
            },
            Unproved::Checkpoint(Distrust::NoLog { origin }),
        ),
        (
            "checkpoint-of-another-size",
            Receipt {
                checkpoint: self::receipt(&network, 2, 9).checkpoint,
                ..good.clone()
            },
            inclusion(ProofError::Length),
        ),
    ] {
        assert_eq!(receipt.verify(&entry(2), &policy), Err(error), "{name}");
        assert_golden(
            &format!("receipt/rejected-proof-{name}.tlog-proof"),
            receipt.to_string().as_bytes(),
        );
    }
    assert_eq!(
        good.verify(&entry(3), &policy),
        Err(inclusion(ProofError::Root))
    );
    assert_eq!(good.verify(b"", &policy), Err(inclusion(ProofError::Root)));
}

#[test]
fn a_receipt_outside_the_range_of_the_policy_is_refused() {
    let network = Network::new(1, 4);
    let (first, last) = (Size(1), Size(6));
    let range = PolicyRange::new(policy(&network).policy().clone(), first, last);
    let error = Distrust::OutsideRange {
        size: Size(7),
        first,
        last,
    };
    let verdict = receipt(&network, 2, 7).verify(&entry(2), &range);
    assert_eq!(verdict, Err(Unproved::Checkpoint(error)));
}

/// A log of 2^24 entries of which only the path to one is ever looked at.
struct Huge;

impl NodeReader for Huge {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        Ok(leaf_hash(&[&[level], &index.to_be_bytes()[..]].concat()))
    }
}

#[test]
fn a_receipt_for_four_validators_is_below_2_kilobytes_at_2_to_the_24_entries() {
    let network = Network::new(1, 4);
    let (index, size) = (Index((1 << 24) - 2), Size(1 << 24));
    let proof = inclusion_proof(&Huge, index, size).unwrap();
    assert_eq!(proof.len(), 24);
    let root = root_at(&Huge, size).unwrap();
    let checkpoint = network
        .gathered(&network.checkpoint(size.0, root), 4)
        .note()
        .unwrap();
    let receipt = Receipt {
        index,
        proof,
        checkpoint,
        extra: None,
    }
    .to_string();
    assert!(receipt.len() < 2048, "{} bytes", receipt.len());
    assert!(Receipt::parse(receipt.as_bytes()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_receipt_with_a_changed_byte_proves_nothing_else(at: prop::sample::Index, byte: u8) {
        let network = Network::new(1, 4);
        let good = receipt(&network, 2, 7);
        let mut bytes = good.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Receipt::parse(&bytes) {
            prop_assert_eq!(read.to_string().into_bytes(), bytes);
            // A renamed signer is a stranger and ignored; then one of the quorum is missing.
            let holds = read.verify(&entry(2), &policy(&network)).is_ok();
            prop_assert_eq!(holds, read == good);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = Receipt::parse(&[b"c2sp.org/tlog-proof@v1\n", &bytes[..]].concat());
    }
}
