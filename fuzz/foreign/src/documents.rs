//! Documents that prove the state: nothing is proved but what the good files say.

use crate::{Seeds, Target, rewritten};
use medanchor_ledger::document::{
    AccessReceipt, HistoryPage, HistoryVerifier, StateDocument, VerifiedAccess, VerifiedState,
};
use medanchor_ledger::policy::{Policy, PolicyRange};
use medanchor_ledger::rules::Decision;
use medanchor_ledger::{EventId, Height, Size, Tag};
use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(crate) const STATES: Seeds = Seeds::of("vectors/state-proof", "", ".hex");
pub(crate) const HISTORIES: Seeds = Seeds::of("vectors/history", "", ".hex");
pub(crate) const ACCESSES: Seeds = Seeds::of("vectors/access-receipt", "", ".hex");

pub(crate) const TARGETS: &[Target] = &[
    Target::new("state-document", &[STATES], state).holding(64),
    Target::new("history", &[HISTORIES], history).holding(64),
    Target::new("access-receipt", &[ACCESSES], access).holding(64),
];

/// The policy by which the files of all three folders are judged.
pub(crate) static POLICY: LazyLock<PolicyRange> = LazyLock::new(|| {
    let file = Seeds::of("vectors/state-proof", "policy", ".hex").read();
    let file = file.ok().and_then(|files| files.into_iter().next());
    let policy = Policy::parse(&file.expect("a frozen policy")).expect("a policy");
    PolicyRange::from(policy, Size(0))
});

pub(crate) type Value = (Height, Vec<u8>, Option<Vec<u8>>);

/// What the good state documents say.
pub(crate) static STATE: LazyLock<BTreeSet<Value>> = LazyLock::new(|| {
    let good = Seeds::of("vectors/state-proof", "good", ".hex").read();
    let verified = |bytes: Vec<u8>| StateDocument::decode(&bytes).ok()?.verify(&*POLICY).ok();
    let good = good.expect("frozen files").into_iter();
    good.filter_map(verified).map(said).collect()
});

/// What was decided in the good access receipts.
pub(crate) static DECIDED: LazyLock<BTreeSet<(EventId, u8)>> = LazyLock::new(|| {
    let good = Seeds::of("vectors/access-receipt", "good", ".hex").read();
    let verified = |bytes: Vec<u8>| AccessReceipt::decode(&bytes).ok()?.verify(&*POLICY).ok();
    let good = good.expect("frozen files").into_iter();
    good.filter_map(verified).map(decided).collect()
});

pub(crate) fn prepare() {
    LazyLock::force(&STATE);
    LazyLock::force(&DECIDED);
}

pub(crate) fn said(verified: VerifiedState) -> Value {
    let key = verified.key.as_bytes().to_vec();
    (verified.height, key, verified.value)
}

pub(crate) fn decided(verified: VerifiedAccess) -> (EventId, u8) {
    let decision: Decision = verified.decision();
    (verified.request.requested.event, decision.code())
}

fn state(bytes: &[u8]) -> bool {
    let read = rewritten(
        bytes,
        StateDocument::decode(bytes).ok(),
        StateDocument::encode,
    );
    let Some(Ok(verified)) = read.map(|document| document.verify(&*POLICY)) else {
        return false;
    };
    assert!(STATE.contains(&said(verified)), "never so");
    true
}

/// The good histories have six events, or none.
fn history(bytes: &[u8]) -> bool {
    rewritten(bytes, HistoryPage::decode(bytes).ok(), HistoryPage::encode);
    let owner = "north-hospital".parse().expect("a name");
    let mut verifier = HistoryVerifier::new(owner, Tag::new([1; 16]));
    let mut rest = bytes;
    while let Ok((page, length)) = HistoryPage::decode_first(rest) {
        match verifier.add(&page, &*POLICY) {
            Ok(Some(verified)) => {
                assert!([0, 6].contains(&verified.count), "never so many");
                return true;
            }
            Ok(None) => {}
            Err(_) => return false,
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

fn access(bytes: &[u8]) -> bool {
    let read = rewritten(
        bytes,
        AccessReceipt::decode(bytes).ok(),
        AccessReceipt::encode,
    );
    let Some(Ok(verified)) = read.map(|receipt| receipt.verify(&*POLICY)) else {
        return false;
    };
    assert!(DECIDED.contains(&decided(verified)), "never decided so");
    true
}
