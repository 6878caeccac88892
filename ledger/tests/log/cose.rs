//! COSE receipts: read by another implementation, counted once, bound to log, size and root.

use super::support::{Network, Nodes, assert_golden, key, name, vectors};
use medanchor_ledger::cbor::CborFault;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cose_receipt::{
    CoseProof, CoseReceipt, CoseReceiptError, CoseUnproved, Head, Quorum, QuorumOfConsistency,
    TransparentStatement,
};
use medanchor_ledger::cosignature::{Cosignature, CosignatureError, Gathering};
use medanchor_ledger::event::{ConsentRevoke, Event, UnsignedEvent};
use medanchor_ledger::merkle::{ProofError, consistency_proof, inclusion_proof, leaf_hash};
use medanchor_ledger::policy::{CoseKeys, Policy};
use medanchor_ledger::signature::Signature;
use medanchor_ledger::{ConsentHandle, Height, Index, NetworkId, Nonce, Size, Time};
use proptest::prelude::*;

/// The third entry of a log of seven; the others are not events.
const INDEX: u64 = 2;

fn event(number: u8) -> Event {
    let consent = ConsentHandle::new([number; 16]);
    UnsignedEvent {
        issuer: name(2),
        network: NetworkId::new([1; 16]),
        nonce: Nonce::new([number; 16]),
        not_after: Time(1_800_000_000_000),
        body: ConsentRevoke { consent }.into(),
    }
    .sign(&key(1, 2, 9))
    .unwrap()
}

fn nodes(size: u64) -> Nodes {
    let mut nodes = Nodes::default();
    for number in 0..size {
        match number {
            INDEX => nodes.append(event(1).encoded()),
            _ => nodes.append(format!("entry {number}").as_bytes()),
        }
    }
    nodes
}

fn cosigned(network: &Network, number: usize, checkpoint: &Checkpoint) -> Cosignature {
    let cose = key(network.id.as_bytes()[0], number, 3);
    network
        .cosign(number, checkpoint)
        .with_cose(checkpoint, &cose)
}

fn gathered(network: &Network, checkpoint: &Checkpoint, count: usize) -> Gathering {
    let mut gathering = Gathering::new(checkpoint.clone(), network.set.clone());
    for number in 0..count {
        gathering
            .add(&cosigned(network, number, checkpoint))
            .unwrap();
    }
    gathering
}

fn receipts(network: &Network, size: u64) -> Vec<CoseReceipt> {
    let nodes = nodes(size);
    let checkpoint = network.checkpoint(size, nodes.frontier.root());
    let path = inclusion_proof(&nodes, Index(INDEX), Size(size)).unwrap();
    let index = Index(INDEX);
    let proof = CoseProof::Inclusion { index, path };
    let gathering = gathered(network, &checkpoint, network.set.len());
    gathering.cose_receipts(&proof).unwrap()
}

fn consistency(network: &Network, old: u64, new: u64) -> (Checkpoint, Vec<CoseReceipt>) {
    let after = nodes(new);
    let path = consistency_proof(&after, Size(old), Size(new)).unwrap();
    let checkpoint = network.checkpoint(new, after.frontier.root());
    let (count, old_size) = (network.set.len(), Size(old));
    let proof = CoseProof::Consistency {
        old: old_size,
        path,
    };
    let receipts = gathered(network, &checkpoint, count).cose_receipts(&proof);
    let held = network.checkpoint(old, nodes(old).frontier.root());
    (held, receipts.unwrap())
}

fn keys(network: &Network) -> CoseKeys {
    CoseKeys::of_set(&network.origin, &network.set)
}

#[test]
fn cose_receipts_are_frozen() {
    let network = Network::new(1, 4);
    let list = receipts(&network, 7);
    assert_golden("cose/good-inclusion.cbor", &list[0].encode());
    assert_golden(
        "cose/good-inclusion-quorum.cbor",
        &CoseReceipt::encode_list(&list),
    );
    assert_golden("cose/good.entry", event(1).encoded());
    let (held, proofs) = consistency(&network, 3, 7);
    assert_golden("cose/good-consistency.cbor", &proofs[0].encode());
    assert_golden(
        "cose/good-consistency-quorum.cbor",
        &CoseReceipt::encode_list(&proofs),
    );
    assert_golden("cose/old-checkpoint.txt", held.to_string().as_bytes());
    let statement = TransparentStatement {
        event: event(1),
        receipts: list,
    };
    assert_golden("cose/good-statement.cose", &statement.encode());
    let lines = keys(&network)
        .iter()
        .map(|(name, key)| format!("{}/{name} {key}\n", network.origin))
        .collect::<String>();
    assert_golden("cose/keys.txt", lines.as_bytes());
    let record = cosigned(
        &network,
        0,
        &network.checkpoint(7, nodes(7).frontier.root()),
    );
    assert_golden("cose/good-cosignature.cbor", &record.encode());
}

#[test]
fn golden_cose_receipts_are_judged_as_their_names_say() {
    let (network, entry) = (
        Network::new(1, 4),
        super::support::frozen("cose/good.entry"),
    );
    let keys = keys(&network);
    let list = super::support::frozen("cose/good-inclusion-quorum.cbor");
    let list = CoseReceipt::decode_list(&list).unwrap();
    let verified = Quorum::verify(&list, &entry, &keys).unwrap();
    assert_eq!(
        (verified.index(), verified.checkpoint().size),
        (Index(INDEX), Size(7))
    );
    assert_eq!(verified.validators().len(), 3);
    let statement = super::support::frozen("cose/good-statement.cose");
    let statement = TransparentStatement::decode(&statement).unwrap();
    assert_eq!(statement.event.encoded(), entry);
    assert_eq!(statement.receipts, list);
    for (file, bytes) in vectors("cose", "rejected") {
        let one = CoseReceipt::decode(&bytes).is_ok();
        let many = CoseReceipt::decode_list(&bytes)
            .map(|list| Quorum::verify(&list, &entry, &keys).is_ok());
        let whole = TransparentStatement::decode(&bytes)
            .map(|all| Quorum::verify(&all.receipts, all.event.encoded(), &keys).is_ok());
        let good = one || matches!(many, Ok(true)) || matches!(whole, Ok(true));
        assert!(!good, "{file}");
    }
    assert!(vectors("cose", "rejected").len() >= 25);
}

#[test]
fn another_implementation_reads_our_receipts_and_makes_the_same_bytes_to_sign() {
    use coset::TaggedCborSerializable;
    let network = Network::new(1, 4);
    let root = nodes(7).frontier.root();
    for receipt in receipts(&network, 7) {
        let theirs = coset::CoseSign1::from_tagged_slice(&receipt.encode()).unwrap();
        assert_eq!(theirs.payload, None);
        let header = &theirs.protected.header;
        assert_eq!(header.key_id, receipt.head.key.as_bytes());
        let signed = coset::CoseSign1 {
            payload: Some(root.as_bytes().to_vec()),
            ..theirs
        };
        assert_eq!(signed.tbs_data(&[]), receipt.head.sign_bytes(&root));
        assert_eq!(signed.signature, receipt.signature.as_bytes());
    }
}

#[test]
fn malformed_receipts_are_refused_by_name() {
    let network = Network::new(1, 4);
    let good = receipts(&network, 7).remove(0);
    let bytes = good.encode();
    let replaced = |old: &[u8], new: &[u8]| {
        let at = bytes.windows(old.len()).position(|part| part == old);
        let at = at.expect("the bytes to replace");
        [&bytes[..at], new, &bytes[at + old.len()..]].concat()
    };
    // The list of proofs, then the head of the one proof: [7, 2, [3 hashes]].
    let path = |count: u8| [&[0x83, 7, 2, 0x80 | count][..]].concat();
    let proof = [path(3), Vec::new()].concat();
    for (file, bytes) in [
        ("empty", Vec::new()),
        ("truncated", bytes[..bytes.len() - 1].to_vec()),
        ("trailing-byte", [&bytes[..], &[0]].concat()),
        ("untagged", bytes[1..].to_vec()),
        ("other-tag", [&[0xd1], &bytes[1..]].concat()),
        ("array-of-three", replaced(&[0xd2, 0x84], &[0xd2, 0x83])),
        (
            "algorithm-es256",
            replaced(&[0xa4, 1, 0x27], &[0xa4, 1, 0x26]),
        ),
        (
            "algorithm-missing",
            replaced(&[0xa4, 1, 0x27, 4], &[0xa3, 4]),
        ),
        (
            "structure-2",
            replaced(&[0x19, 0x01, 0x8b, 1], &[0x19, 0x01, 0x8b, 2]),
        ),
        (
            "structure-not-minimal",
            replaced(&[0x19, 0x01, 0x8b, 1], &[0x1a, 0, 0, 0x01, 0x8b, 1]),
        ),
        ("issuer-without-slash", replaced(b"/clinic", b"+clinic")),
        ("issuer-upper-case", replaced(b"/clinic", b"/Clinic")),
        (
            "subject-of-another-form",
            replaced(b"checkpoint/7", b"checkpoint-7"),
        ),
        (
            "subject-leading-zero",
            replaced(b"lcheckpoint/7", b"mcheckpoint/07"),
        ),
        (
            "size-signed-is-another",
            replaced(b"checkpoint/7", b"checkpoint/8"),
        ),
        (
            "size-proved-is-another",
            replaced(&proof, &[0x83, 8, 2, 0x83]),
        ),
        ("proof-of-two-parts", replaced(&proof, &[0x82, 7, 0x83])),
        ("path-empty", replaced(&proof, &path(0))),
        ("path-announces-four", replaced(&proof, &path(4))),
        (
            "proof-kind-3",
            replaced(&[0x8c, 0xa1, 0x20], &[0x8c, 0xa1, 0x22]),
        ),
        (
            "proofs-label-397",
            replaced(&[0x19, 0x01, 0x8c], &[0x19, 0x01, 0x8d]),
        ),
        (
            "two-proofs-announced",
            replaced(&[0xa1, 0x20, 0x81], &[0xa1, 0x20, 0x82]),
        ),
        (
            "payload-attached",
            replaced(&[0xf6, 0x58, 0x40], &[0x40, 0x58, 0x40]),
        ),
        (
            "payload-undefined",
            replaced(&[0xf6, 0x58, 0x40], &[0xf7, 0x58, 0x40]),
        ),
        (
            "signature-short",
            replaced(&[0xf6, 0x58, 0x40], &[0xf6, 0x58, 0x3f]),
        ),
        ("oversize", vec![0xd2; CoseReceipt::MAX_BYTES + 1]),
    ] {
        assert!(CoseReceipt::decode(&bytes).is_err(), "{file}");
        assert_golden(&format!("cose/rejected-{file}.cbor"), &bytes);
    }
    let list = |receipts: &[CoseReceipt]| CoseReceipt::encode_list(receipts);
    for (file, bytes) in [
        ("list-empty", list(&[])),
        ("list-of-101", list(&vec![good.clone(); 101])),
        (
            "list-trailing-byte",
            [list(std::slice::from_ref(&good)), vec![0]].concat(),
        ),
    ] {
        assert!(CoseReceipt::decode_list(&bytes).is_err(), "{file}");
        assert_golden(&format!("cose/rejected-{file}.cbor"), &bytes);
    }
    let found = CoseReceipt::decode(&replaced(&[0xa4, 1, 0x27], &[0xa4, 1, 0x32]));
    assert_eq!(found, Err(CoseReceiptError::Algorithm { found: -19 }));
}

#[test]
fn malformed_statements_are_refused_by_name() {
    let event = event(1);
    let receipts = receipts(&Network::new(1, 4), 7);
    let good = TransparentStatement {
        event: event.clone(),
        receipts,
    }
    .encode();
    assert_eq!(TransparentStatement::decode(&good).unwrap().encode(), good);
    let label = [0xa1, 0x19, 0x01, 0x8a];
    let at = good.windows(4).position(|part| part == label).unwrap();
    let relabelled = [&good[..at], &[0xa1, 0x19, 0x01, 0x8b], &good[at + 4..]].concat();
    let none = [&good[..at], &label, &[0x80], &event.encoded()[at + 1..]].concat();
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (file, bytes) in [
        ("without-receipts", event.encoded().to_vec()),
        ("receipts-label-395", relabelled),
        ("empty-list", none),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("trailing-byte", [&good[..], &[0]].concat()),
    ] {
        assert!(TransparentStatement::decode(&bytes).is_err(), "{file}");
        assert_golden(&format!("cose/rejected-statement-{file}.cose"), &bytes);
    }
    // The event's signature is another: it is read, and it is not what stands in the log.
    let network = Network::new(1, 4);
    let read = TransparentStatement::decode(&changed).unwrap();
    let verdict = Quorum::verify(&read.receipts, read.event.encoded(), &keys(&network));
    assert_eq!(verdict, Err(CoseUnproved::Signature { validator: name(0) }));
    assert_golden("cose/rejected-statement-resigned-event.cose", &changed);
}

#[test]
fn receipts_that_prove_nothing_are_refused_by_name() {
    let (network, other) = (Network::new(1, 4), Network::new(2, 4));
    let keys = keys(&network);
    let (event, good) = (event(1), receipts(&network, 7));
    let later = receipts(&network, 9);
    let with_first = |receipt: CoseReceipt| [&[receipt], &good[1..]].concat();
    let head = |change: fn(&mut Head)| {
        let mut first = good[0].clone();
        change(&mut first.head);
        with_first(first)
    };
    let mut forged = good.clone();
    for receipt in &mut forged {
        if let CoseProof::Inclusion { path, .. } = &mut receipt.proof {
            path[1] = leaf_hash(b"forged");
        }
    }
    let moved: Vec<_> = good
        .iter()
        .cloned()
        .map(|mut receipt| {
            if let CoseProof::Inclusion { index, .. } = &mut receipt.proof {
                *index = Index(3);
            }
            receipt
        })
        .collect();
    let broken = |number| CoseUnproved::Signature {
        validator: name(number),
    };
    let (found, needed) = (1, 3);
    let none = CoseUnproved::NoQuorum { found, needed };
    let few = CoseUnproved::NoQuorum { found: 2, needed };
    let foreign = CoseUnproved::OtherLog {
        found: other.origin.clone(),
    };
    for (file, list, error) in [
        ("two-of-four", good[..2].to_vec(), few),
        ("one-counted-three-times", vec![good[0].clone(); 3], none),
        ("another-network", receipts(&other, 7), foreign.clone()),
        (
            "relabelled-network",
            {
                let mut list = receipts(&other, 7);
                list.iter_mut()
                    .for_each(|receipt| receipt.head.origin = network.origin.clone());
                list
            },
            CoseUnproved::Key { validator: name(0) },
        ),
        ("another-root", forged, broken(0)),
        ("another-index", moved, broken(0)),
        ("another-time", head(|head| head.seconds += 1), broken(0)),
        (
            "two-sizes",
            with_first(later[0].clone()),
            CoseUnproved::Mixed,
        ),
        (
            "signature-of-another",
            with_first(CoseReceipt {
                signature: good[1].signature,
                ..good[0].clone()
            }),
            broken(0),
        ),
        (
            "stranger",
            head(|head| head.validator = "stranger".parse().unwrap()),
            CoseUnproved::Stranger {
                validator: "stranger".parse().unwrap(),
            },
        ),
        (
            "consistency-for-inclusion",
            consistency(&network, 3, 7).1,
            CoseUnproved::Kind,
        ),
    ] {
        let verdict = Quorum::verify(&list, event.encoded(), &keys);
        assert_eq!(verdict, Err(error), "{file}");
        assert_golden(
            &format!("cose/rejected-proof-{file}.cbor"),
            &CoseReceipt::encode_list(&list),
        );
    }
    assert_eq!(
        Quorum::verify(&good, self::event(2).encoded(), &keys),
        Err(broken(0))
    );
    let (size, first, last) = (Size(7), Size(8), Size(20));
    let outside = CoseUnproved::OutsideRange { size, first, last };
    let narrow = keys.clone().within(first, last);
    assert_eq!(
        Quorum::verify(&good, event.encoded(), &narrow),
        Err(outside)
    );
}

/// A bad receipt beside a good quorum condemns all, as in a signed note.
#[test]
fn a_quorum_of_four_is_any_three_and_a_repeat_changes_nothing() {
    let (network, event) = (Network::new(1, 4), event(1));
    let nodes = nodes(7);
    let checkpoint = network.checkpoint(7, nodes.frontier.root());
    let path = inclusion_proof(&nodes, Index(INDEX), Size(7)).unwrap();
    let proof = CoseProof::Inclusion {
        index: Index(INDEX),
        path,
    };
    let mut all = Vec::new();
    for number in 0..4 {
        let record = cosigned(&network, number, &checkpoint);
        let key = network.set.as_slice()[number].cose.id();
        all.push(CoseReceipt {
            head: record.cose_head(&network.origin, key),
            proof: proof.clone(),
            signature: record.cose.unwrap(),
        });
    }
    for without in 0..4 {
        let mut three = all.clone();
        three.remove(without);
        three.push(three[0].clone());
        let verified = Quorum::verify(&three, event.encoded(), &keys(&network)).unwrap();
        assert_eq!(verified.validators().len(), 3);
    }
    all[3].signature = Signature::new([7; 64]);
    let verdict = Quorum::verify(&all, event.encoded(), &keys(&network));
    assert_eq!(verdict, Err(CoseUnproved::Signature { validator: name(3) }));
}

#[test]
fn a_consistency_receipt_needs_the_checkpoint_that_the_verifier_holds() {
    let network = Network::new(1, 4);
    let (keys, (held, list)) = (keys(&network), consistency(&network, 3, 7));
    let verified = QuorumOfConsistency::verify(&list, &held, &keys).unwrap();
    assert_eq!(verified.checkpoint().size, Size(7));
    let verdict = |old: &Checkpoint| QuorumOfConsistency::verify(&list, old, &keys).err();
    let other_root = Checkpoint {
        root: leaf_hash(b"fork"),
        ..held.clone()
    };
    assert_eq!(
        verdict(&other_root),
        Some(CoseUnproved::Proof(ProofError::Root))
    );
    let (found, wanted) = (Size(3), Size(4));
    let other_size = Checkpoint {
        size: wanted,
        ..held.clone()
    };
    assert_eq!(
        verdict(&other_size),
        Some(CoseUnproved::OtherStart { found, wanted })
    );
    let elsewhere = Network::new(2, 4).origin;
    let foreign = Checkpoint {
        origin: elsewhere.clone(),
        ..held.clone()
    };
    assert_eq!(
        verdict(&foreign),
        Some(CoseUnproved::OtherLog { found: elsewhere })
    );
    let inclusion = receipts(&network, 7);
    let kind = QuorumOfConsistency::verify(&inclusion, &held, &keys);
    assert_eq!(kind, Err(CoseUnproved::Kind));
}

#[test]
fn a_cose_signature_that_does_not_hold_condemns_the_record() {
    let network = Network::new(1, 4);
    let checkpoint = network.checkpoint(7, leaf_hash(b"root"));
    let good = cosigned(&network, 0, &checkpoint);
    let mut gathering = Gathering::new(checkpoint.clone(), network.set.clone());
    let lent = cosigned(&network, 1, &checkpoint).cose;
    for cose in [lent, Some(Signature::new([7; 64])), Some(good.log)] {
        let record = Cosignature {
            cose,
            ..good.clone()
        };
        assert_eq!(
            gathering.add(&record),
            Err(CosignatureError::Signature { validator: name(0) })
        );
    }
    gathering.add(&good).unwrap();
    for number in 1..3 {
        gathering.add(&network.cosign(number, &checkpoint)).unwrap();
    }
    assert!(gathering.note().is_some());
    let proof = CoseProof::Inclusion {
        index: Index(0),
        path: vec![leaf_hash(b"")],
    };
    assert_eq!(
        gathering.cose_receipts(&proof),
        None,
        "one of three is no quorum"
    );
}

#[test]
fn a_later_policy_names_each_validators_cose_key_and_stays_a_policy() {
    let network = Network::new(1, 4);
    let (origin, set) = (&network.origin, &network.set);
    let later = Policy::of_later_validators(origin, set, Height(9)).unwrap();
    assert_eq!(later.since(), Some(Height(9)));
    assert_golden(
        "policy/good-4-validators-with-cose-keys.policy",
        later.as_bytes(),
    );
    assert_eq!(CoseKeys::of_policy(origin, &later).unwrap(), keys(&network));
    let first = Policy::of_validators(origin, set).unwrap();
    assert!(CoseKeys::of_policy(origin, &first).is_err());
    assert_eq!(first.since(), None);
    let text = std::str::from_utf8(later.as_bytes()).unwrap();
    let last = text.lines().last().unwrap();
    for changed in [
        text.replace(&format!("{last}\n"), ""),
        format!("{text}{last}\n"),
        text.replace("#cose maker", "#cose nobody"),
        text.replace("#cose maker 01", "#cose maker 02"),
        text.replace(
            last,
            &last.to_uppercase().replace("#COSE MAKER", "#cose maker"),
        ),
    ] {
        let policy = Policy::parse(changed.as_bytes()).unwrap();
        assert!(CoseKeys::of_policy(origin, &policy).is_err(), "{changed}");
    }
}

#[test]
fn a_receipt_for_four_validators_is_below_2_kilobytes_at_2_to_the_24_entries() {
    let network = Network::new(1, 4);
    let checkpoint = network.checkpoint(1 << 24, leaf_hash(b"root"));
    let path = vec![leaf_hash(b"sibling"); 24];
    let proof = CoseProof::Inclusion {
        index: Index((1 << 24) - 2),
        path,
    };
    let list = gathered(&network, &checkpoint, 4)
        .cose_receipts(&proof)
        .unwrap();
    let lengths: Vec<_> = list.iter().map(|receipt| receipt.encode().len()).collect();
    let all = CoseReceipt::encode_list(&list).len();
    println!("COSE receipts of {lengths:?} bytes, {all} together, at 2^24 entries");
    assert!(lengths.iter().all(|length| *length < 2048), "{lengths:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_accepted_receipt_has_one_encoding_and_proves_nothing_else(at: prop::sample::Index, byte: u8) {
        let network = Network::new(1, 4);
        let good = receipts(&network, 7);
        let mut bytes = good[0].encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = CoseReceipt::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
            let same = read == good[0];
            let list = [&[read], &good[1..]].concat();
            let holds = Quorum::verify(&list, event(1).encoded(), &keys(&network)).is_ok();
            prop_assert_eq!(holds, same);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = CoseReceipt::decode(&[&[0xd2, 0x84], &bytes[..]].concat());
        let _ = CoseReceipt::decode_list(&bytes);
        let _ = TransparentStatement::decode(&[&[0xd2, 0x84], &bytes[..]].concat());
    }
}

#[test]
fn errors_say_where() {
    let error = CoseReceipt::decode(&[0xd2, 0x84, 0x41]).unwrap_err();
    let truncated =
        matches!(error, CoseReceiptError::Encoding(found) if found.fault == CborFault::Truncated);
    assert!(truncated, "{error}");
}
