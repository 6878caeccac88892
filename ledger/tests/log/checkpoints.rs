//! Checkpoints and their cosignatures, gathered from validators until a quorum is held.

use super::support::{Network, assert_golden, key, name, shared_data, text, vectors};
use medanchor_ledger::checkpoint::{Checkpoint, cosigner_key, log_key};
use medanchor_ledger::cosignature::{Added, Cosignature, CosignatureError, Gathering};
use medanchor_ledger::merkle::{empty_root, leaf_hash};
use medanchor_ledger::note::{Held, Note};
use medanchor_ledger::signature::Signature;
use medanchor_ledger::{Size, Time};
use proptest::prelude::*;

#[test]
fn checkpoints_are_frozen() {
    let network = Network::new(1, 4);
    let checkpoint = network.checkpoint(20_852_163, leaf_hash(b"frozen"));
    assert_golden(
        "checkpoint/good-text.txt",
        checkpoint.to_string().as_bytes(),
    );
    let empty = network.checkpoint(0, empty_root());
    assert_golden(
        "checkpoint/good-empty-log.txt",
        empty.to_string().as_bytes(),
    );
    let gathering = network.gathered(&checkpoint, 4);
    assert_golden(
        "checkpoint/good-quorum.note",
        gathering.note().unwrap().to_string().as_bytes(),
    );
    let full = gathering.full_note().unwrap().to_string();
    assert_golden("checkpoint/good-all-signatures.note", full.as_bytes());
    let record = network.cosign(0, &checkpoint);
    assert_golden("checkpoint/good-cosignature.cbor", &record.encode());
    let cose = Some(Signature::new([7; 64]));
    let record = Cosignature { cose, ..record };
    assert_golden(
        "checkpoint/good-cosignature-with-cose.cbor",
        &record.encode(),
    );
}

#[test]
fn golden_checkpoints_are_read_as_their_names_say() {
    for (name, bytes) in vectors("checkpoint", "good") {
        if name.ends_with(".cbor") {
            assert_eq!(
                Cosignature::decode(&bytes).unwrap().encode(),
                bytes,
                "{name}"
            );
        } else if name.ends_with(".note") {
            let note = Note::parse(&bytes).unwrap();
            assert!(note.text().parse::<Checkpoint>().is_ok(), "{name}");
        } else {
            let checkpoint: Checkpoint = text(&bytes).parse().unwrap();
            assert_eq!(checkpoint.to_string().as_bytes(), bytes, "{name}");
        }
    }
    let rejected = vectors("checkpoint", "rejected");
    assert!(rejected.len() >= 15, "{}", rejected.len());
    for (name, bytes) in rejected {
        if name.ends_with(".cbor") {
            assert!(Cosignature::decode(&bytes).is_err(), "{name}");
        } else {
            assert!(text(&bytes).parse::<Checkpoint>().is_err(), "{name}");
        }
    }
}

#[test]
fn malformed_checkpoints_are_refused_by_name() {
    let good = Network::new(1, 4)
        .checkpoint(10, leaf_hash(b"a"))
        .to_string();
    let lines: Vec<_> = good.lines().collect();
    let (origin, root) = (lines[0], lines[2]);
    for (name, bytes) in [
        ("empty", String::new()),
        ("extension-line", format!("{good}extension\n")),
        ("blank-line-after", format!("{good}\n")),
        ("no-last-newline", good.trim_end().to_owned()),
        ("origin-empty", format!("\n10\n{root}\n")),
        ("origin-with-space", format!("a log\n10\n{root}\n")),
        ("size-leading-zero", format!("{origin}\n010\n{root}\n")),
        ("size-with-sign", format!("{origin}\n+10\n{root}\n")),
        (
            "size-above-64-bits",
            format!("{origin}\n18446744073709551616\n{root}\n"),
        ),
        ("root-short", format!("{origin}\n10\nAAAA\n")),
        (
            "root-not-padded",
            format!("{origin}\n10\n{}\n", root.trim_end_matches('=')),
        ),
        (
            "root-trailing-bits",
            format!("{origin}\n10\n{}\n", stray_bit(root)),
        ),
    ] {
        assert!(bytes.parse::<Checkpoint>().is_err(), "{name}");
        assert_golden(&format!("checkpoint/rejected-{name}.txt"), bytes.as_bytes());
    }
}

/// The same 32 bytes in base64, with a bit set that encodes nothing.
fn stray_bit(root: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = root.as_bytes().to_vec();
    let last = bytes.len() - 2;
    let place = ALPHABET
        .iter()
        .position(|letter| *letter == bytes[last])
        .unwrap();
    bytes[last] = ALPHABET[place | 1];
    String::from_utf8(bytes).unwrap()
}

#[test]
fn malformed_cosignature_records_are_refused_by_name() {
    let network = Network::new(1, 4);
    let good = network
        .cosign(0, &network.checkpoint(10, leaf_hash(b"a")))
        .encode();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("trailing-byte", [&good[..], &[0]].concat()),
        ("five-entries", changed(0, 0xa5)),
        ("seven-entries-announced", changed(0, 0xa7)),
        ("key-out-of-order", changed(1, 0x02)),
        (
            "size-not-minimal",
            [&good[..2], &[0x18, 10], &good[3..]].concat(),
        ),
        ("indefinite-map", changed(0, 0xbf)),
    ] {
        assert!(Cosignature::decode(&bytes).is_err(), "{name}");
        assert_golden(
            &format!("checkpoint/rejected-cosignature-{name}.cbor"),
            &bytes,
        );
    }
}

#[test]
fn the_published_checkpoint_text_is_read() {
    // The example of the specification also stands in the third-party README; its signatures
    // cannot be checked without its keys.
    if shared_data("tlog").is_none() {
        return;
    }
    let text =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    assert_eq!(text.parse::<Checkpoint>().unwrap().to_string(), text);
}

#[test]
fn a_quorum_is_told_when_it_is_held_and_not_before() {
    let network = Network::new(1, 4);
    let checkpoint = network.checkpoint(10, leaf_hash(b"root"));
    let mut gathering = Gathering::new(checkpoint.clone(), network.set.clone());
    for (number, missing) in [(2, 2), (0, 1), (3, 0), (1, 0)] {
        assert_eq!(gathering.note().is_some(), gathering.missing() == 0);
        let added = gathering.add(&network.cosign(number, &checkpoint)).unwrap();
        assert_eq!(added, Added::Counted { missing });
    }
    let note = gathering.note().unwrap();
    assert_eq!(
        note.signatures().len(),
        1 + 3,
        "one log signature and a quorum of cosignatures"
    );
    assert_eq!(gathering.full_note().unwrap().signatures().len(), 4 + 4);
    for (place, validator) in network.set.iter().enumerate() {
        let log = log_key(&network.origin, validator);
        let cosigner = cosigner_key(&network.origin, validator).unwrap();
        let full = gathering.full_note().unwrap();
        assert_eq!(full.signed_by(&log), Ok(Some(Held::Plain)));
        let seconds = 1_800_000_000 + place as u64;
        assert_eq!(full.signed_by(&cosigner), Ok(Some(Held::At(seconds))));
    }
}

#[test]
fn a_validator_counts_once_however_often_it_signs() {
    let network = Network::new(1, 4);
    let checkpoint = network.checkpoint(10, leaf_hash(b"root"));
    let mut gathering = network.gathered(&checkpoint, 2);
    let (log, cosigner) = (key(1, 1, 1), key(1, 1, 2));
    for time in [1, 2, 3] {
        let again = Cosignature::sign(&checkpoint, &name(1), &log, &cosigner, Time(time)).unwrap();
        assert_eq!(gathering.add(&again), Ok(Added::Known));
    }
    assert_eq!(gathering.missing(), 1);
    assert_eq!(gathering.note(), None);
}

#[test]
fn a_cosignature_from_another_network_does_not_count() {
    let (network, other) = (Network::new(1, 4), Network::new(2, 4));
    let checkpoint = network.checkpoint(10, leaf_hash(b"root"));
    let mut gathering = Gathering::new(checkpoint.clone(), network.set.clone());
    let theirs = other.cosign(0, &other.checkpoint(10, leaf_hash(b"root")));
    let broken = CosignatureError::Signature { validator: name(0) };
    assert_eq!(gathering.add(&theirs), Err(broken.clone()));
    // The same keys, used for another origin against the rule, do not help either.
    let (log, cosigner) = (key(1, 0, 1), key(1, 0, 2));
    let theirs = other.checkpoint(10, leaf_hash(b"root"));
    let reused = Cosignature::sign(&theirs, &name(0), &log, &cosigner, Time(0)).unwrap();
    assert_eq!(gathering.add(&reused), Err(broken));
    assert_eq!(gathering.missing(), 3);
}

#[test]
fn a_validator_cannot_sign_for_another_one() {
    let network = Network::new(1, 4);
    let checkpoint = network.checkpoint(10, leaf_hash(b"root"));
    let mut gathering = network.gathered(&checkpoint, 0);
    let lent = Cosignature {
        validator: name(1),
        ..network.cosign(0, &checkpoint)
    };
    assert_eq!(
        gathering.add(&lent),
        Err(CosignatureError::Signature { validator: name(1) })
    );
    let stranger = Cosignature {
        validator: name(6),
        ..network.cosign(0, &checkpoint)
    };
    assert_eq!(
        gathering.add(&stranger),
        Err(CosignatureError::Stranger { validator: name(6) })
    );
}

#[test]
fn both_signatures_of_a_record_must_hold() {
    let network = Network::new(1, 4);
    let checkpoint = network.checkpoint(10, leaf_hash(b"root"));
    let good = network.cosign(0, &checkpoint);
    let mut gathering = network.gathered(&checkpoint, 0);
    let wrong = Signature::new([1; 64]);
    for record in [
        Cosignature {
            log: wrong,
            ..good.clone()
        },
        Cosignature {
            cosigner: wrong,
            ..good.clone()
        },
        Cosignature {
            seconds: good.seconds + 1,
            ..good.clone()
        },
        Cosignature {
            seconds: u64::MAX,
            ..good.clone()
        },
    ] {
        assert_eq!(
            gathering.add(&record),
            Err(CosignatureError::Signature { validator: name(0) })
        );
    }
    assert_eq!(gathering.add(&good), Ok(Added::Counted { missing: 2 }));
}

#[test]
fn another_root_for_the_same_size_is_evidence_only_if_it_is_signed() {
    let network = Network::new(1, 4);
    let (ours, fork) = (
        network.checkpoint(10, leaf_hash(b"a")),
        network.checkpoint(10, leaf_hash(b"b")),
    );
    let mut gathering = network.gathered(&ours, 0);
    let size = Size(10);
    let signed = network.cosign(0, &fork);
    assert_eq!(
        gathering.add(&signed),
        Err(CosignatureError::Fork {
            validator: name(0),
            size
        })
    );
    let forged = Cosignature {
        root: fork.root,
        ..network.cosign(0, &ours)
    };
    assert_eq!(
        gathering.add(&forged),
        Err(CosignatureError::Signature { validator: name(0) })
    );
    let later = network.cosign(0, &network.checkpoint(11, leaf_hash(b"c")));
    assert!(matches!(
        gathering.add(&later),
        Err(CosignatureError::Size { .. })
    ));
}

#[test]
fn quorums_of_one_to_seven_validators() {
    for (n, needed) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5)] {
        let network = Network::new(1, n);
        let checkpoint = network.checkpoint(1, leaf_hash(b"a"));
        assert!(
            network.gathered(&checkpoint, needed - 1).note().is_none(),
            "{n}"
        );
        assert!(
            network.gathered(&checkpoint, needed).note().is_some(),
            "{n}"
        );
    }
}

#[test]
fn the_longest_record_keeps_its_bound() {
    let validator = "a".repeat(40).parse().unwrap();
    let (cose, wide) = (Some(Signature::new([0xff; 64])), u64::MAX);
    let network = Network::new(1, 1);
    let record = network.cosign(0, &network.checkpoint(1, empty_root()));
    let record = Cosignature {
        size: Size(wide),
        seconds: wide,
        validator,
        cose,
        ..record
    };
    assert!(
        record.encode().len() <= Cosignature::MAX_BYTES,
        "{}",
        record.encode().len()
    );
}

proptest! {
    #[test]
    fn a_record_survives_its_encoding(size: u64, seconds: u64, root: [u8; 32], cose: bool) {
        let network = Network::new(1, 1);
        let record = network.cosign(0, &network.checkpoint(size, medanchor_ledger::TreeHash::new(root)));
        let cose = cose.then_some(record.log);
        let record = Cosignature { seconds, cose, ..record };
        prop_assert_eq!(Cosignature::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn an_accepted_record_has_one_encoding(at in 0usize..230, byte: u8) {
        let network = Network::new(1, 1);
        let mut bytes = network.cosign(0, &network.checkpoint(300, empty_root())).encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(record) = Cosignature::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes);
        }
    }
}

#[test]
fn another_implementation_reads_our_checkpoints() {
    let root = leaf_hash(b"root");
    let ours = Network::new(1, 4).checkpoint(20_852_163, root);
    let theirs = tlog_tiles::Checkpoint::from_bytes(ours.to_string().as_bytes()).unwrap();
    assert_eq!(theirs.origin(), ours.origin.as_str());
    assert_eq!(
        (theirs.size(), &theirs.hash().0),
        (ours.size.0, root.as_bytes())
    );
    assert_eq!(theirs.to_bytes(), ours.to_string().into_bytes());
}
