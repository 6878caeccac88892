//! Verifiers of what validators signed: nothing is proved but what they really signed.

use crate::facts::{CERTIFICATES, NETWORK, POLICY, SIGNED, VALIDATORS};
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
        &[Seeds::of("vectors/checkpoint", "", ".cbor")],
        cosignature,
    )
    .holding(64),
];

/// The log of the frozen receipts has "entry N" at index N, and nothing else.
fn receipt(bytes: &[u8]) {
    let Ok(receipt) = Receipt::parse(bytes) else {
        return;
    };
    for index in [0, 1, 2, 3, 999] {
        let entry = format!("entry {index}").into_bytes();
        if let Ok(verified) = receipt.verify(&entry, &POLICY) {
            assert_eq!(verified.index().0, index, "an entry in another's place");
            assert!(SIGNED.contains(receipt.checkpoint.text()), "never signed");
        }
        // None of these entries is an event, and the SDK's receipts are of events.
        assert!(verify_receipt_in(&POLICY, &entry, bytes).is_err());
    }
}

fn checkpoint(bytes: &[u8]) {
    let Ok(note) = Note::parse(bytes) else { return };
    if let Ok(verified) = POLICY.verify_checkpoint(&note) {
        assert!(
            SIGNED.contains(note.text()),
            "never signed: {}",
            note.text()
        );
        assert!(verified.cosigners().len() >= VALIDATORS.quorum());
        assert!(!verified.logs().is_empty());
    }
}

fn certificate(bytes: &[u8]) {
    let Ok(certificate) = Certificate::decode(bytes) else {
        return;
    };
    if certificate.verify(&VALIDATORS, NETWORK).is_ok() {
        assert!(certificate.signatures().len() >= VALIDATORS.quorum());
        let (height, round, value) = (
            certificate.height(),
            certificate.round(),
            certificate.value(),
        );
        let signed = CERTIFICATES
            .iter()
            .filter_map(|bytes| Certificate::decode(bytes).ok());
        let mut signed = signed.map(|known| (known.height(), known.round(), known.value()));
        assert!(
            signed.any(|known| known == (height, round, value)),
            "never decided"
        );
    }
}

/// Seeds hold signatures of one validator over one checkpoint: a record that counts is one of these,
/// but for the COSE signature, which is judged where a COSE receipt is made.
fn cosignature(bytes: &[u8]) {
    let Ok(record) = Cosignature::decode(bytes) else {
        return;
    };
    let Ok(origin) = format!("north.example/{NETWORK}").parse() else {
        return;
    };
    let gather = |root: TreeHash| {
        let size = record.size;
        let mut gathering = Gathering::new(Checkpoint { origin, size, root }, VALIDATORS.clone());
        let first = gathering.add(&record);
        let second = gathering.add(&record);
        (first, second, gathering.records().count())
    };
    if let (Ok(Added::Counted { .. }), second, counted) = gather(record.root) {
        assert_eq!(
            (second, counted),
            (Ok(Added::Known), 1),
            "one validator counted twice"
        );
        assert!(SIGNED_BY_ONE.contains(&record.size.0), "never signed");
    }
}

/// The sizes in the frozen cosignatures.
const SIGNED_BY_ONE: [u64; 2] = [10, 20_852_163];
