//! What a vault reads of others: documents, sealed payloads and disclosures.

use crate::facts::{COMMITMENT, DOCUMENT, PAYLOADS};
use crate::{Seeds, Target, rewritten};
use medanchor_ledger::{NetworkId, RecordHandle};
use medanchor_vault::seal::{Opening, open};
use medanchor_vault::secret::{DataKey, RecordSecret};
use medanchor_vault::{Committed, Disclosure, Document, Pointer, RecordVersion};

const DISCLOSURES: Seeds = Seeds::of("vectors/disclosure", "", ".cbor");
const DOCUMENTS: [Seeds; 2] = [
    Seeds::of("vectors/disclosure", "", ".json"),
    Seeds::of("seeds/fhir/single", "", ".json"),
];

/// The pointers of a document's leaves.
const POINTERS: Seeds = Seeds::of("vectors/disclosure", "", ".json").holding(|_, bytes| {
    let document = Document::parse(&bytes).ok();
    let leaves = document.iter().flat_map(|document| document.leaves());
    leaves.map(|leaf| leaf.pointer.encode()).collect()
});

pub(crate) const TARGETS: &[Target] = &[
    Target::new("document", &DOCUMENTS, document).holding(1024),
    Target::new("pointer", &[POINTERS], pointer).holding(128),
    Target::new("disclosure", &[DISCLOSURES], disclosure).holding(256),
    Target::new(
        "payload",
        &[Seeds::of("vectors/payload", "", ".sealed")],
        payload,
    ),
];

/// Whatever is read can be committed to, and every leaf of it shown and believed.
fn document(bytes: &[u8]) -> bool {
    let Ok(document) = Document::parse(bytes) else {
        return false;
    };
    let secret = RecordSecret::new([7; 32]);
    let committed = Committed::new(&document, &secret);
    assert_eq!(committed.count(), document.leaves().len() as u64 + 1);
    let Some(leaf) = document
        .leaves()
        .iter()
        .find(|leaf| !leaf.pointer.tokens().is_empty())
    else {
        return true;
    };
    let text = leaf.pointer.to_string();
    let Ok(disclosure) = committed.disclose(&[&text], &[]) else {
        return true;
    };
    let read = Disclosure::decode(&disclosure.encode()).expect("what was written");
    let shown = read
        .verify(&committed.commitment())
        .expect("a right disclosure");
    assert!(!shown.fields().is_empty());
    true
}

fn pointer(bytes: &[u8]) -> bool {
    rewritten(bytes, Pointer::decode(bytes), Pointer::encode).is_some()
}

/// What the frozen commitment shows stands in the frozen document, whatever the bytes say.
fn disclosure(bytes: &[u8]) -> bool {
    let read = rewritten(bytes, Disclosure::decode(bytes).ok(), Disclosure::encode);
    let Some(Ok(shown)) = read.map(|disclosure| disclosure.verify(&COMMITMENT)) else {
        return false;
    };
    let document = Document::parse(&DOCUMENT).expect("the frozen document");
    for field in shown.fields() {
        let real = document.leaves().iter().any(|leaf| {
            leaf.pointer == field.pointer
                && leaf.value.kind() == field.value.kind()
                && leaf.value.bytes() == field.value.bytes()
        });
        assert!(real, "a field that the document has not: {}", field.pointer);
    }
    for leaf in document.leaves() {
        assert!(
            !shown.absent(&leaf.pointer),
            "{} is said to be absent",
            leaf.pointer
        );
    }
    true
}

fn payload(bytes: &[u8]) -> bool {
    let record = RecordVersion {
        network: NetworkId::new([1; 16]),
        record: RecordHandle::new([2; 16]),
        version: 3,
    };
    let opened = open(&record, &DataKey::new([4; 32]), bytes).ok();
    if let Some(plain) = &opened {
        assert!(PAYLOADS.contains(plain), "never sealed");
    }
    let whole = opened.as_ref().map(|plain| plain.to_vec());
    assert_eq!(whole, streamed(&record, bytes), "whole and as a stream");
    opened.is_some()
}

/// What the payload opens to, chunk by chunk.
fn streamed(record: &RecordVersion, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut opening = Opening::new(record, &DataKey::new([4; 32]), bytes).ok()?;
    opening.write_to(&mut plain).ok()?;
    Some(plain)
}
