//! Verifiers of what validators signed: nothing is proved but what they really signed.

use crate::facts::{CERTIFICATES, COSIGNED, NETWORK, POLICY, SIGNED, VALIDATORS};
use crate::{Seeds, Target};
use medanchor_ledger::TreeHash;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::{Added, Cosignature, Gathering};
use medanchor_ledger::note::Note;
use medanchor_ledger::receipt::Receipt;
use medanchor_sdk::verify_receipt_in;

pub(crate) const TARGETS: &[Target] = &[
    Target::new(
        "receipt",
        &[Seeds::of("vectors/receipt", "", ".tlog-proof")],
        receipt,
    )
    .holding(64),
    Target::new(
        "signed-checkpoint",
        &[Seeds::of("vectors/checkpoint", "", ".note")],
        checkpoint,
    )
    .holding(64),
    Target::new(
        "certificate",
        &[Seeds::of("vectors/certificate", "", ".cbor")],
        certificate,
    )
    .holding(64),
    Target::new(
        "cosignature",
        &[
            Seeds::of("vectors/checkpoint", "", ".cbor"),
            Seeds::of("vectors/cose", "good-cosignature", ".cbor"),
        ],
        cosignature,
    )
    .holding(64),
];

/// The log of the frozen receipts has "entry N" at index N, and nothing else.
fn receipt(bytes: &[u8]) -> bool {
    let Ok(receipt) = Receipt::parse(bytes) else {
        return false;
    };
    let mut proved = false;
    for index in [0, 1, 2, 3, 999] {
        let entry = format!("entry {index}").into_bytes();
        if let Ok(verified) = receipt.verify(&entry, &*POLICY) {
            assert_eq!(verified.index().0, index, "an entry in another's place");
            assert!(SIGNED.contains(receipt.checkpoint.text()), "never signed");
            proved = true;
        }
        // None of these entries is an event, and the SDK's receipts are of events.
        assert!(verify_receipt_in(&*POLICY, &entry, bytes).is_err());
    }
    proved
}

fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(note) = Note::parse(bytes) else {
        return false;
    };
    let Ok(verified) = POLICY.verify_checkpoint(&note) else {
        return false;
    };
    assert!(
        SIGNED.contains(note.text()),
        "never signed: {}",
        note.text()
    );
    assert!(verified.cosigners().len() >= VALIDATORS.quorum());
    assert!(!verified.logs().is_empty());
    true
}

fn certificate(bytes: &[u8]) -> bool {
    let Ok(certificate) = Certificate::decode(bytes) else {
        return false;
    };
    if certificate.verify(&VALIDATORS, NETWORK).is_err() {
        return false;
    }
    assert!(certificate.signatures().len() >= VALIDATORS.quorum());
    let decided = |known: &Certificate| (known.height(), known.round(), known.value());
    let signed = CERTIFICATES
        .iter()
        .filter_map(|bytes| Certificate::decode(bytes).ok());
    let mut signed = signed.map(|known| decided(&known));
    assert!(
        signed.any(|known| known == decided(&certificate)),
        "never decided"
    );
    true
}

/// Seeds hold signatures of one validator over one checkpoint: a record that counts is one of these,
/// but for the COSE signature, which is judged where a COSE receipt is made.
fn cosignature(bytes: &[u8]) -> bool {
    let Ok(record) = Cosignature::decode(bytes) else {
        return false;
    };
    let Ok(origin) = format!("north.example/{NETWORK}").parse() else {
        return false;
    };
    let gather = |root: TreeHash| {
        let size = record.size;
        let mut gathering = Gathering::new(Checkpoint { origin, size, root }, VALIDATORS.clone());
        let first = gathering.add(&record);
        let second = gathering.add(&record);
        (first, second, gathering.records().count())
    };
    let (Ok(Added::Counted { .. }), second, counted) = gather(record.root) else {
        return false;
    };
    assert_eq!(
        (second, counted),
        (Ok(Added::Known), 1),
        "one validator counted twice"
    );
    let signed = (record.size, record.root, record.validator);
    assert!(COSIGNED.contains(&signed), "{signed:?} never signed");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::key;
    use medanchor_ledger::merkle::leaf_hash;
    use medanchor_ledger::{Size, Time};

    /// A validator's real signatures, over a root that the frozen files have not.
    #[test]
    #[should_panic(expected = "never signed")]
    fn a_forged_root_of_a_frozen_size_is_found() {
        let checkpoint = Checkpoint {
            origin: format!("north.example/{NETWORK}").parse().unwrap(),
            size: Size(10),
            root: leaf_hash(b"forged"),
        };
        let (name, time) = ("clinic".parse().unwrap(), Time(1_790_000_000_000));
        let record = Cosignature::sign(&checkpoint, &name, &key(0, 1), &key(0, 2), time);
        cosignature(&record.unwrap().encode());
    }
}
