//! The state map: stored buckets, prefixes and values, and proofs against a map whose pairs are known.

use crate::{Choices, Seeds, Target, rewritten};
use medanchor_ledger::genesis::Authorities;
use medanchor_ledger::rules::{
    BreakGlass, Consent, CustodianEpoch, CustodianSet, DrawKey, EmergencyHead, Inspection,
    KeysChanged, Lot, OpenReviews, Participant, Population, Prescription, Proposal, Record,
    ReleaseLog, Request, RulesVersion, RunningDraws, StateValue, TagIndex, Unit,
};
use medanchor_ledger::state::{Bucket, Changes, Path, Prefix, StateKey, StateMap, StateProof};
use std::sync::LazyLock;

const PROOFS: Seeds = Seeds::of("vectors/state", "rejected-proof", ".hex");
/// Key, value and proof stand in a line each.
const WHOLE_PROOFS: Seeds = Seeds::of("vectors/state", "", ".txt").holding(|_, bytes| {
    let line = bytes.split(|byte| *byte == b'\n').nth(2);
    let proof = line.and_then(|digits| hex::decode(digits).ok());
    proof.into_iter().collect()
});
/// Four bytes choose a key and a value, and no change.
const CLAIMS: Seeds = Seeds::of("vectors/state", "rejected-proof", ".hex").holding(|_, bytes| {
    let key = bytes.first().map_or(0, |byte| byte % 100);
    vec![vec![0, key, 0, key], bytes]
});
const BUCKETS: Seeds = Seeds::of("vectors/state", "", ".hex");
/// The bits of some bytes, and how many they are.
const PREFIXES: Seeds = Seeds::of("vectors/state", "bucket", ".hex").holding(|_, bytes| {
    let long = |length: u8| Some([bytes.get(..usize::from(length))?, &[8 * length]].concat());
    [0, 1, 8, 31].into_iter().filter_map(long).collect()
});
const VALUES: Seeds = Seeds::of("vectors/value", "", ".hex");

pub(crate) const TARGETS: &[Target] = &[
    Target::new("state-bucket", &[BUCKETS], bucket),
    Target::new("state-prefix", &[PREFIXES], prefix),
    Target::new("state-value", &[VALUES], value).holding(64),
    Target::new("state-proof-bytes", &[PROOFS, WHOLE_PROOFS], proof_bytes).holding(32),
    Target::new("state-proof", &[CLAIMS], proof).holding(64),
];

const PAIRS: u64 = 100;

/// A map with [`PAIRS`] values.
static MAP: LazyLock<StateMap> = LazyLock::new(|| {
    let changes: Changes = (0..PAIRS).map(|n| (path(n), Some(value_of(n)))).collect();
    let mut map = StateMap::empty();
    let update = map.update(&changes).expect("a map in memory");
    map.apply(&update).expect("an update of this map");
    map
});

pub(crate) fn prepare() {
    LazyLock::force(&MAP);
}

fn path(number: u64) -> Path {
    let key = StateKey::new(&number.to_be_bytes()).expect("a key");
    key.path()
}

fn value_of(number: u64) -> Vec<u8> {
    format!("value {number}").into_bytes()
}

fn bucket(bytes: &[u8]) -> bool {
    let bucket = Bucket::decode(bytes.to_vec(), 0).ok();
    let Some(bucket) = rewritten(bytes, bucket, |bucket| bucket.as_bytes().to_vec()) else {
        return false;
    };
    for path in bucket.paths() {
        assert!(bucket.value(0, &path).is_some(), "a path without its value");
    }
    true
}

fn prefix(bytes: &[u8]) -> bool {
    rewritten(bytes, Prefix::decode(bytes).ok(), Prefix::encode).is_some()
}

fn value(bytes: &[u8]) -> bool {
    fn one<T: StateValue>(bytes: &[u8]) -> bool {
        rewritten(bytes, T::decode(bytes).ok(), T::encode).is_some()
    }
    let read = [
        one::<Authorities>(bytes),
        one::<BreakGlass>(bytes),
        one::<Consent>(bytes),
        one::<CustodianEpoch>(bytes),
        one::<CustodianSet>(bytes),
        one::<DrawKey>(bytes),
        one::<EmergencyHead>(bytes),
        one::<Inspection>(bytes),
        one::<KeysChanged>(bytes),
        one::<Lot>(bytes),
        one::<OpenReviews>(bytes),
        one::<Participant>(bytes),
        one::<Population>(bytes),
        one::<Prescription>(bytes),
        one::<Proposal>(bytes),
        one::<Record>(bytes),
        one::<ReleaseLog>(bytes),
        one::<Request>(bytes),
        one::<RulesVersion>(bytes),
        one::<RunningDraws>(bytes),
        one::<TagIndex>(bytes),
        one::<Unit>(bytes),
    ];
    read.contains(&true)
}

fn proof_bytes(bytes: &[u8]) -> bool {
    rewritten(bytes, StateProof::decode(bytes).ok(), StateProof::encode).is_some()
}

/// Changes a right proof's bytes, and claims something: accepted only if it is so.
fn proof(bytes: &[u8]) -> bool {
    let mut choices = Choices(bytes);
    let (key, claim) = (choices.below(2 * PAIRS), choices.below(2 * PAIRS + 1));
    let mut proof = MAP.prove(&path(key)).expect("a map in memory").encode();
    for _ in 0..choices.byte() % 3 {
        let at = usize::try_from(choices.below(proof.len() as u64)).unwrap_or(0);
        match (choices.byte() % 3, proof.get_mut(at)) {
            (0, Some(byte)) => *byte ^= choices.byte(),
            (1, Some(_)) => proof.truncate(at),
            _ => proof.push(choices.byte()),
        }
    }
    let claimed = (claim < 2 * PAIRS).then(|| value_of(claim));
    let holds = |proof: &[u8]| {
        StateProof::decode(proof).is_ok_and(|proof| {
            (0..2 * PAIRS).step_by(7).chain([key]).any(|key| {
                let verdict = proof.verify(&MAP.root(), &path(key), claimed.as_deref());
                verdict.is_ok() && claimed != (key < PAIRS).then(|| value_of(key))
            })
        })
    };
    assert!(!holds(&proof), "a false claim is proved");
    assert!(!holds(bytes), "a false claim is proved");
    let proof = StateProof::decode(&proof);
    proof.is_ok_and(|proof| {
        let verdict = proof.verify(&MAP.root(), &path(key), claimed.as_deref());
        verdict.is_ok()
    })
}
