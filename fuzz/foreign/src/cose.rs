//! COSE Receipts (RFC 9942) and transparent statements: nothing is proved but what a quorum signed.

use crate::facts::{NETWORK, VALIDATORS, file};
use crate::{Seeds, Target, rewritten};
use medanchor_ledger::Index;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cose_receipt::{
    CoseReceipt, Head, Quorum, QuorumOfConsistency, TransparentStatement,
};
use medanchor_ledger::policy::CoseKeys;
use std::sync::LazyLock;

const FILES: Seeds = Seeds::of("vectors/cose", "", ".cbor");
const STATEMENTS: Seeds = Seeds::of("vectors/cose", "", ".cose");
/// The protected headers of the receipts.
const HEADS: Seeds = FILES.holding(|_, bytes| {
    let receipt = CoseReceipt::decode(&bytes).ok();
    receipt
        .iter()
        .map(|receipt| receipt.head.encode())
        .collect()
});

pub(crate) const TARGETS: &[Target] = &[
    Target::new("cose-head", &[HEADS], head).holding(32),
    Target::new("cose-receipt", &[FILES], receipt).holding(64),
    Target::new("cose-statement", &[STATEMENTS], statement).holding(64),
    Target::new("cose-inclusion", &[FILES], inclusion).holding(64),
    Target::new("cose-consistency", &[FILES], consistency).holding(64),
];

/// The COSE keys of the network's validators, for every size.
static KEYS: LazyLock<CoseKeys> = LazyLock::new(|| {
    let origin = format!("north.example/{NETWORK}").parse();
    CoseKeys::of_set(&origin.expect("a name"), &VALIDATORS)
});

static ENTRY: LazyLock<Vec<u8>> = LazyLock::new(|| file("cose/good.entry"));

/// The earlier checkpoint, which a verifier holds.
static OLD: LazyLock<Checkpoint> = LazyLock::new(|| {
    let text = String::from_utf8(file("cose/old-checkpoint.txt")).expect("text");
    text.parse().expect("a frozen checkpoint")
});

/// What a quorum signed of the entry, and where it stands.
static INCLUDED: LazyLock<(Checkpoint, Index)> =
    LazyLock::new(|| included(&file("cose/good-inclusion-quorum.cbor")).expect("a frozen quorum"));

/// The later checkpoint that a quorum signed.
static GROWN: LazyLock<Checkpoint> =
    LazyLock::new(|| grown(&file("cose/good-consistency-quorum.cbor")).expect("a frozen quorum"));

pub(crate) fn prepare() {
    LazyLock::force(&INCLUDED);
    LazyLock::force(&GROWN);
}

fn included(list: &[u8]) -> Option<(Checkpoint, Index)> {
    proved(&CoseReceipt::decode_list(list).ok()?)
}

fn proved(receipts: &[CoseReceipt]) -> Option<(Checkpoint, Index)> {
    let quorum = Quorum::verify(receipts, &ENTRY, &KEYS).ok()?;
    assert!(quorum.validators().len() >= VALIDATORS.quorum());
    Some((quorum.checkpoint().clone(), quorum.index()))
}

fn grown(list: &[u8]) -> Option<Checkpoint> {
    let receipts = CoseReceipt::decode_list(list).ok()?;
    let quorum = QuorumOfConsistency::verify(&receipts, &OLD, &KEYS).ok()?;
    assert!(quorum.validators().len() >= VALIDATORS.quorum());
    Some(quorum.checkpoint().clone())
}

fn head(bytes: &[u8]) -> bool {
    rewritten(bytes, Head::decode(bytes).ok(), Head::encode).is_some()
}

/// One receipt, or the list of header 394.
fn receipt(bytes: &[u8]) -> bool {
    let one = rewritten(bytes, CoseReceipt::decode(bytes).ok(), CoseReceipt::encode);
    let list = rewritten(bytes, CoseReceipt::decode_list(bytes).ok(), |list| {
        CoseReceipt::encode_list(list)
    });
    assert!(one.is_none() || list.is_none(), "one receipt and many");
    one.is_some() || list.is_some()
}

fn statement(bytes: &[u8]) -> bool {
    let read = TransparentStatement::decode(bytes).ok();
    let Some(read) = rewritten(bytes, read, TransparentStatement::encode) else {
        return false;
    };
    if let Some(found) = proved(&read.receipts) {
        assert_eq!(found, *INCLUDED, "never signed");
    }
    read.event.encoded() == *ENTRY
}

fn inclusion(bytes: &[u8]) -> bool {
    let found = included(bytes);
    if let Some(found) = &found {
        assert_eq!(*found, *INCLUDED, "never signed");
    }
    found.is_some()
}

fn consistency(bytes: &[u8]) -> bool {
    let found = grown(bytes);
    if let Some(found) = &found {
        assert_eq!(*found, *GROWN, "never signed");
    }
    found.is_some()
}
