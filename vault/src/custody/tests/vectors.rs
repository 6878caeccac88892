//! The frozen files of `vectors/custody`: good ones are the very bytes that we make, and each rejected
//! one is refused for its own reason. A file that no line here names fails the test.
//!
//! `cargo test -p medanchor-vault --lib custody::tests::vectors -- --ignored` writes them anew.

use super::*;
use medanchor_ledger::cbor::{CborFault, Reader, Writer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/custody")
}

/// What decoding must say of a file.
type Refusal = Option<CborFault>;

pub(super) fn sub_deal() -> Signed<SubDeal> {
    let (points, shares) = shared();
    let terms = SubTerms {
        record: record(),
        from: place(&NAMES, 0, EPOCH),
        old: points.hash(),
        contributors: [1, 3, 5]
            .map(|index| ShareIndex::new(index).unwrap())
            .to_vec(),
        to: place(&NAMES, 1, EPOCH + 1),
        points,
    };
    let key = share_key(NAMES[1]);
    let sealed = key
        .public()
        .seal(&terms.context(), shares[1].expose().as_slice(), &[1; 32]);
    let sub_deal = SubDeal {
        terms,
        sealed: sealed.unwrap(),
    };
    Signed::new(sub_deal, signs(NAMES[0]))
}

fn bad_release() -> Evidence {
    let (points, shares) = shared();
    let acknowledgement = Acknowledgement {
        record: record(),
        place: place(&NAMES, 1, EPOCH),
        points: points.hash(),
    };
    let reader = reader_key(KemSuite::X25519);
    let release = release(1, &shares[2], &reader);
    let acknowledgement = Signed::new(acknowledgement, signs(NAMES[1]));
    Evidence::bad_release(release, acknowledgement, points, reader)
}

fn good() -> BTreeMap<String, Vec<u8>> {
    let (points, deals) = dealt();
    let (_, shares) = shared();
    let (short, wide) = (reader_key(KemSuite::X25519), reader_key(KemSuite::XWing));
    let acknowledgement = Acknowledgement {
        record: record(),
        place: place(&NAMES, 1, EPOCH),
        points: points.hash(),
    };
    let destroyed = SharesDestroyed {
        record: record(),
        first_version: 1,
        custodian: named(NAMES[1]),
        epoch: EPOCH,
        event: REQUEST,
        shares: 2,
    };
    let refused = super::refusal::refused("custody.denied");
    let refusal = Evidence::Refusal(refused.clone()).encode().to_vec();
    let sealing = super::shown::wrong_commitment().encode().to_vec();
    let files: [(&str, Vec<u8>); 14] = [
        (
            "destroyed",
            Signed::new(destroyed, signs(NAMES[1])).encode(),
        ),
        ("deal-xwing", deals[0].encode()),
        ("deal-x25519", deals[1].encode()),
        (
            "ack",
            Signed::new(acknowledgement, signs(NAMES[1])).encode(),
        ),
        ("release-x25519", release(1, &shares[1], &short).encode()),
        ("release-xwing", release(1, &shares[1], &wide).encode()),
        ("vault-release-x25519", vault_release(6, &short).encode()),
        ("vault-release-xwing", vault_release(6, &wide).encode()),
        ("subdeal", sub_deal().encode()),
        ("evidence-release", bad_release().encode().to_vec()),
        ("evidence-sealing", sealing),
        ("refusal", refused.encode()),
        ("evidence-refusal", refusal),
        ("entry", super::log::released(1).encode()),
    ];
    files
        .into_iter()
        .map(|(name, bytes)| (format!("good-{name}.cbor"), bytes))
        .collect()
}

/// The acknowledgement with its body changed, under a signature that is not looked at.
fn changed(body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(2).bytes(body).bytes(&[0; 64]);
    writer.into_bytes()
}

fn body_of(message: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(message);
    reader.array(2..=2).unwrap();
    reader.bytes(4096).unwrap().to_vec()
}

/// Rejected files: bytes, and the fault for which they must be refused.
fn rejected() -> BTreeMap<String, (Vec<u8>, CborFault)> {
    let good = good();
    let ack = good["good-ack.cbor"].clone();
    let body = body_of(&ack);
    let at = |bytes: &[u8], what: &[u8]| {
        bytes
            .windows(what.len())
            .position(|window| window == what)
            .unwrap()
    };
    let put = |bytes: &[u8], at: usize, with: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    // Version 3 is key 4; epoch 7 is key 6; place 2 is key 7.
    let (version, epoch) = (at(&body, &[4, 3, 5]), at(&body, &[6, 7, 7, 2, 8]));
    let deal = good["good-deal-x25519.cbor"].clone();
    let (points, _) = dealt();
    let second = at(&deal, &points.encoded()[1]);
    let sub = good["good-subdeal.cbor"].clone();
    let places = at(&sub, &[9, 0x83, 1, 3, 5]);
    let suite = at(&deal, &[9, 1, 10, 0x58, 32]);
    let mut long = body.clone();
    long.splice(epoch + 1..epoch + 2, [0x18, 7]);
    let evidence = good["good-evidence-release.cbor"].clone();
    let entry = good["good-entry.cbor"].clone();
    let destroyed = body_of(&good["good-destroyed.cbor"]);
    // Epoch 7 is key 6, first version 1 is key 7.
    let first = at(&destroyed, &[6, 7, 7, 1, 8]);
    let wrong = |at: usize, with: u8| changed(&put(&destroyed, at, &[with]));
    let refusal = body_of(&good["good-refusal.cbor"]);
    // The key parts are a byte string of 96 (0x60).
    let sealing = good["good-evidence-sealing.cbor"].clone();
    let parts = at(&sealing, &[0x58, 0x60]);
    let files: [(&str, Vec<u8>, CborFault); 30] = [
        (
            "refusal-code-upper-case",
            changed(&put(&refusal, at(&refusal, b"custody.denied"), b"C")),
            CborFault::Text,
        ),
        (
            "refusal-unknown-suite",
            changed(&put(&refusal, at(&refusal, &[6, 0x58, 33, 1]) + 3, &[3])),
            CborFault::Value,
        ),
        (
            "refusal-trailing",
            changed(&[&refusal[..], &[0]].concat()),
            CborFault::Trailing,
        ),
        (
            "evidence-refusal-three-items",
            put(&good["good-evidence-refusal.cbor"], 0, &[0x83]),
            CborFault::Value,
        ),
        (
            "evidence-sealing-scalar-not-canonical",
            put(&sealing, parts + 2, &[0xff; 32]),
            CborFault::Value,
        ),
        (
            "evidence-sealing-parts-short",
            [&sealing[..parts + 1], &[0x5f], &sealing[parts + 3..]].concat(),
            CborFault::Size,
        ),
        (
            "evidence-sealing-payload-left-out",
            sealing[..parts + 98].to_vec(),
            CborFault::Truncated,
        ),
        (
            "evidence-sealing-five-items",
            put(&sealing, 0, &[0x85]),
            CborFault::Value,
        ),
        ("destroyed-epoch-0", wrong(first + 1, 0), CborFault::Range),
        ("destroyed-first-0", wrong(first + 3, 0), CborFault::Range),
        (
            "destroyed-first-after-last",
            wrong(first + 3, 4),
            CborFault::Range,
        ),
        (
            "destroyed-trailing",
            changed(&[&destroyed[..], &[0]].concat()),
            CborFault::Trailing,
        ),
        (
            "ack-version-0",
            changed(&put(&body, version + 1, &[0])),
            CborFault::Range,
        ),
        (
            "ack-epoch-0",
            changed(&put(&body, epoch + 1, &[0])),
            CborFault::Range,
        ),
        (
            "ack-place-0",
            changed(&put(&body, epoch + 3, &[0])),
            CborFault::Range,
        ),
        (
            "ack-place-17",
            changed(&put(&body, epoch + 3, &[17])),
            CborFault::Range,
        ),
        (
            "ack-key-twice",
            changed(&put(&body, epoch + 2, &[6])),
            CborFault::Key { wanted: 7 },
        ),
        (
            "ack-head-not-minimal",
            changed(&long),
            CborFault::NotMinimal,
        ),
        (
            "ack-body-trailing",
            changed(&[&body[..], &[0]].concat()),
            CborFault::Trailing,
        ),
        (
            "ack-trailing",
            [&ack[..], &[0]].concat(),
            CborFault::Trailing,
        ),
        (
            "ack-truncated",
            ack[..ack.len() - 1].to_vec(),
            CborFault::Truncated,
        ),
        (
            "ack-name-upper-case",
            changed(&put(&body, at(&body, b"c-birch"), b"C")),
            CborFault::Text,
        ),
        (
            "ack-signature-short",
            put(&ack, ack.len() - 65, &[63]),
            CborFault::Size,
        ),
        (
            "deal-point-identity",
            put(&deal, second, &[0; 32]),
            CborFault::Value,
        ),
        (
            "deal-point-not-canonical",
            put(&deal, second, &[0xff; 32]),
            CborFault::Value,
        ),
        (
            "deal-unknown-suite",
            put(&deal, suite + 1, &[3]),
            CborFault::Value,
        ),
        (
            "deal-suite-of-other-length",
            put(&deal, suite + 1, &[2]),
            CborFault::Size,
        ),
        (
            "subdeal-contributors-unsorted",
            put(&sub, places + 3, &[1]),
            CborFault::Order,
        ),
        (
            "evidence-unknown-kind",
            put(&evidence, 1, &[7]),
            CborFault::Value,
        ),
        (
            "entry-trailing",
            [&entry[..], &[0]].concat(),
            CborFault::Trailing,
        ),
    ];
    files
        .into_iter()
        .map(|(name, bytes, fault)| (format!("rejected-{name}.cbor"), (bytes, fault)))
        .collect()
}

fn read(name: &str, bytes: &[u8]) -> Refusal {
    let kind = name.split(['-', '.']).nth(1).unwrap();
    let fault = |error: MessageError| match error {
        MessageError::Malformed(error) => error.fault,
        other => panic!("{name}: {other}"),
    };
    match kind {
        "deal" => Signed::<Deal>::decode(bytes).map_err(fault).err(),
        "ack" => Signed::<Acknowledgement>::decode(bytes)
            .map_err(fault)
            .err(),
        "destroyed" => Signed::<SharesDestroyed>::decode(bytes)
            .map_err(fault)
            .err(),
        "release" => Signed::<Release>::decode(bytes).map_err(fault).err(),
        "vault" => Signed::<VaultRelease>::decode(bytes).map_err(fault).err(),
        "refusal" => Signed::<crate::custody::Refusal>::decode(bytes)
            .map_err(fault)
            .err(),
        "subdeal" => Signed::<SubDeal>::decode(bytes).map_err(fault).err(),
        "evidence" => Evidence::decode(bytes).map_err(fault).err(),
        "entry" => Released::decode(bytes).err().map(|error| error.fault),
        other => panic!("{other} is no kind of message"),
    }
}

#[test]
fn good_files_are_the_very_bytes_that_we_make() {
    for (name, bytes) in good() {
        let file = std::fs::read(folder().join(&name)).unwrap();
        assert_eq!(hex::encode(&file), hex::encode(&bytes), "{name}");
        assert_eq!(read(&name, &file), None, "{name}");
    }
}

#[test]
fn rejected_files_are_refused_each_for_its_reason() {
    for (name, (bytes, fault)) in rejected() {
        let file = std::fs::read(folder().join(&name)).unwrap();
        assert_eq!(file, bytes, "{name}");
        assert_eq!(read(&name, &file), Some(fault), "{name}");
    }
}

#[test]
fn every_file_is_named_here() {
    let known: Vec<_> = good().into_keys().chain(rejected().into_keys()).collect();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "{name}");
    }
}

/// No bit of a signed message can change without the message being refused.
#[test]
fn every_flipped_bit_of_a_message_is_refused() {
    fn refused<T: Body>(bytes: &[u8], who: &str) {
        let key = signer(who).public_key();
        let believed = |bytes: &[u8]| {
            let message = Signed::<T>::decode(bytes);
            message.is_ok_and(|message| message.verify(&key).is_ok())
        };
        assert!(believed(bytes));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!believed(&bad), "bit {bit}");
        }
    }
    let good = good();
    refused::<Deal>(&good["good-deal-x25519.cbor"], "north-hospital");
    refused::<Acknowledgement>(&good["good-ack.cbor"], "c-birch");
    refused::<Release>(&good["good-release-x25519.cbor"], "c-birch");
    refused::<VaultRelease>(&good["good-vault-release-x25519.cbor"], "north-hospital");
    refused::<crate::custody::Refusal>(&good["good-refusal.cbor"], "north-hospital");
    refused::<SubDeal>(&good["good-subdeal.cbor"], "c-amber");
    refused::<SharesDestroyed>(&good["good-destroyed.cbor"], "c-birch");
}

/// A message under one domain is none under another, whatever its body.
#[test]
fn a_message_cannot_pass_for_another_kind() {
    let good = good();
    let release = Signed::<VaultRelease>::decode(&good["good-release-x25519.cbor"]);
    assert!(release.is_err());
    let deal = Signed::<Acknowledgement>::decode(&good["good-deal-x25519.cbor"]);
    assert!(deal.is_err());
}

#[test]
fn a_message_beyond_the_bound_is_refused_unread() {
    let long = vec![0; crate::custody::signed::MAX_MESSAGE + 1];
    assert_eq!(Signed::<Deal>::decode(&long), Err(MessageError::Oversize));
    let long = vec![0; crate::custody::evidence::MAX_EVIDENCE + 1];
    assert!(matches!(
        Evidence::decode(&long),
        Err(MessageError::Oversize)
    ));
}

#[test]
#[ignore = "it writes the files"]
fn write() {
    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    let rejected = rejected()
        .into_iter()
        .map(|(name, (bytes, _))| (name, bytes));
    for (name, bytes) in good().into_iter().chain(rejected) {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}
