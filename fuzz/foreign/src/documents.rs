//! Documents that prove the state: nothing is proved but what the good files say.

use crate::facts::file;
use crate::{Seeds, Target, rewritten};
use medanchor_ledger::document::{
    AccessReceipt, HistoryPage, HistoryVerifier, StateDocument, VerifiedAccess, VerifiedState,
};
use medanchor_ledger::policy::{Policy, PolicyRange};
use medanchor_ledger::rules::Decision;
use medanchor_ledger::{EventId, Height, Size, Tag};
use std::collections::{BTreeMap, BTreeSet};
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

/// What stood under each path at each height of the frozen network.
static STATE: LazyLock<BTreeMap<Height, Values>> = LazyLock::new(|| {
    let lines = String::from_utf8(file("state-proof/changes.txt")).expect("text");
    let mut states: BTreeMap<Height, Values> = BTreeMap::new();
    for line in lines.lines() {
        let [height, path, value] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("three words a line");
        };
        let height = Height(height.parse().expect("a height"));
        let before = states.range(..=height).next_back();
        let mut values = before.map_or_else(Values::new, |(_, values)| values.clone());
        let path = hex::decode(path).expect("digits");
        match value {
            "-" => values.remove(&path),
            value => values.insert(path, hex::decode(value).expect("digits")),
        };
        states.insert(height, values);
    }
    states
});

/// That network's last height.
const LAST_HEIGHT: Height = Height(3);

/// Values by their paths.
type Values = BTreeMap<Vec<u8>, Vec<u8>>;

/// The keys of which the good state documents speak.
pub(crate) fn keys() -> BTreeSet<Vec<u8>> {
    let good = Seeds::of("vectors/state-proof", "good", ".hex").read();
    let read = |bytes: &Vec<u8>| StateDocument::decode(bytes).expect("a good document");
    let good = good.expect("frozen files");
    let keys = good.iter().map(read);
    keys.map(|read| read.key.as_bytes().to_vec()).collect()
}

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

/// # Panics
/// If it is not so. Any key may be absent, and many are proved so by the same bytes.
pub(crate) fn must_be_so(verified: &VerifiedState) {
    assert!(verified.height <= LAST_HEIGHT, "no such height");
    let state = STATE.range(..=verified.height).next_back();
    let (_, values) = state.expect("the state of genesis");
    let stood = values.get(&verified.key.path().as_bytes()[..]);
    assert_eq!(verified.value.as_ref(), stood, "never so");
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
    must_be_so(&verified);
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
