//! The state map: stored buckets, prefixes and values, and proofs against a map whose pairs are known.

use crate::{Choices, Seeds, Target, rewritten};
use medanchor_ledger::rules::{
    Consent, Lot, Participant, Prescription, Record, Request, RulesVersion, StateValue, TagIndex,
    Unit,
};
use medanchor_ledger::state::{Bucket, Changes, Path, Prefix, StateKey, StateMap, StateProof};
use std::sync::LazyLock;

const PROOFS: Seeds = Seeds::of("vectors/state", "rejected-proof", ".hex");
const BUCKETS: Seeds = Seeds::of("vectors/state", "", ".hex");
const VALUES: Seeds = Seeds::of("vectors/value", "", ".hex");

pub(crate) const TARGETS: &[Target] = &[
    Target::new("state-bucket", &[BUCKETS], bucket),
    Target::new("state-prefix", &[BUCKETS], prefix),
    Target::new("state-value", &[VALUES], value).holding(64),
    Target::new("state-proof-bytes", &[PROOFS], proof_bytes).holding(32),
    Target::new("state-proof", &[PROOFS], proof).holding(64),
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

fn bucket(bytes: &[u8]) {
    let bucket = Bucket::decode(bytes.to_vec(), 0).ok();
    let Some(bucket) = rewritten(bytes, bucket, |bucket| bucket.as_bytes().to_vec()) else {
        return;
    };
    for path in bucket.paths() {
        assert!(bucket.value(0, &path).is_some(), "a path without its value");
    }
}

fn prefix(bytes: &[u8]) {
    rewritten(bytes, Prefix::decode(bytes).ok(), Prefix::encode);
}

fn value(bytes: &[u8]) {
    fn one<T: StateValue>(bytes: &[u8]) {
        rewritten(bytes, T::decode(bytes).ok(), T::encode);
    }
    one::<Consent>(bytes);
    one::<Lot>(bytes);
    one::<Participant>(bytes);
    one::<Prescription>(bytes);
    one::<Record>(bytes);
    one::<Request>(bytes);
    one::<RulesVersion>(bytes);
    one::<TagIndex>(bytes);
    one::<Unit>(bytes);
}

fn proof_bytes(bytes: &[u8]) {
    rewritten(bytes, StateProof::decode(bytes).ok(), StateProof::encode);
}

/// Changes a right proof's bytes, and claims something: accepted only if it is so.
fn proof(bytes: &[u8]) {
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
}
