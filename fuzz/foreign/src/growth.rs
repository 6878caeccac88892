//! What a log was and what it became: requests to a witness and its answers, consistency receipts,
//! chains of policies, evidence of a fork.

use crate::facts::{POLICY, file};
use crate::{Seeds, Target, rewritten};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::consistency::ConsistencyReceipt;
use medanchor_ledger::fork::Fork;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::note::{Note, VerifierKey};
use medanchor_ledger::policy::{Policies, PolicyChain};
use medanchor_ledger::witness::{AddCheckpoint, advance, conflict_size, cosignatures};
use std::collections::BTreeSet;
use std::sync::LazyLock;

const REQUESTS: Seeds = Seeds::of("vectors/witness", "", ".txt");
const RECEIPTS: Seeds = Seeds::of("vectors/consistency", "", ".tlog-consistency");
const CHAINS: Seeds = Seeds::of("vectors/policy-chain", "", ".cbor");
const FORKS: Seeds = Seeds::of("vectors/fork", "", ".fork");
/// The signature lines of a signed checkpoint, all together and one by one; its size alone.
const ANSWERS: Seeds = Seeds::of("vectors/checkpoint", "", ".note").holding(|_, bytes| {
    let note = Note::parse(&bytes).ok();
    let lines = note.iter().flat_map(|note| note.signatures());
    let lines: Vec<_> = lines.map(|line| line.to_string()).collect();
    let whole = |lines: &[String]| {
        let lines = lines.iter().map(|line| line.trim_end_matches('\n'));
        lines
            .fold(String::new(), |all, line| all + line + "\n")
            .into_bytes()
    };
    let each = lines.chunks(1).map(whole);
    each.chain([whole(&lines), b"20852163\n".to_vec()])
        .collect()
});

pub(crate) const TARGETS: &[Target] = &[
    Target::new("witness-request", &[REQUESTS], request).holding(64),
    Target::new("witness-answer", &[ANSWERS], answer).holding(64),
    Target::new("consistency-receipt", &[RECEIPTS], receipt).holding(64),
    Target::new("policy-chain", &[CHAINS], chain).holding(128),
    Target::new("fork", &[FORKS], fork).holding(64),
];

fn texts(seeds: Seeds) -> impl Iterator<Item = String> {
    let files = seeds.read().expect("vectors").into_iter();
    files.map(|bytes| String::from_utf8(bytes).expect("text"))
}

/// The log's key, and the checkpoint that the witness of the frozen requests cosigned last.
static LOG: LazyLock<(VerifierKey, Checkpoint)> = LazyLock::new(|| {
    let [key] = texts(Seeds::of("vectors/witness", "log", ".vkey"))
        .collect::<Vec<_>>()
        .try_into()
        .expect("a key");
    let last = Note::parse(&file("witness/last.note")).expect("a frozen note");
    let last = last.text().parse().expect("a frozen checkpoint");
    (key.trim_end().parse().expect("a frozen key"), last)
});

/// The checkpoints to which that log really grew.
static GROWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let good = Seeds::of("vectors/witness", "good", ".txt").read();
    let text = |bytes: Vec<u8>| {
        let request = AddCheckpoint::parse(&bytes).expect("a frozen request");
        request.checkpoint.text().to_owned()
    };
    good.expect("vectors").into_iter().map(text).collect()
});

/// The earlier checkpoints of the consistency receipts, which a verifier holds.
static OLD: LazyLock<Vec<Checkpoint>> = LazyLock::new(|| {
    let old = texts(Seeds::of("vectors/consistency", "good", ".old"));
    old.map(|text| text.parse().expect("a frozen checkpoint"))
        .collect()
});

/// The checkpoints to which their log grew.
static LATER: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let good = Seeds::of("vectors/consistency", "good", ".tlog-consistency").read();
    let text = |bytes: Vec<u8>| {
        let receipt = ConsistencyReceipt::parse(&bytes).expect("a frozen receipt");
        receipt.checkpoint.text().to_owned()
    };
    good.expect("vectors").into_iter().map(text).collect()
});

/// The network of the frozen chains, and what each of them proves.
static CHAIN: LazyLock<(Genesis, Vec<Policies>)> = LazyLock::new(|| {
    let genesis = Genesis::decode(&file("policy-chain/genesis")).expect("a frozen genesis");
    let good = Seeds::of("vectors/policy-chain", "good", ".cbor").read();
    let walk = |bytes: Vec<u8>| {
        let chain = PolicyChain::decode(&bytes).expect("a frozen chain");
        chain.verify(&genesis).expect("a frozen chain")
    };
    let good = good.expect("vectors").into_iter().map(walk).collect();
    (genesis, good)
});

type Signed = BTreeSet<(String, String)>;

/// Which key signed which text in any of the frozen forks.
static SIGNED_IN_FORKS: LazyLock<Signed> = LazyLock::new(|| {
    let files = FORKS.read().expect("vectors").into_iter();
    let forks = files.filter_map(|bytes| Fork::parse(&bytes).ok());
    forks
        .flat_map(|fork| convicted(&fork).unwrap_or_default())
        .collect()
});

pub(crate) fn prepare() {
    LazyLock::force(&LOG);
    LazyLock::force(&NOTE);
    LazyLock::force(&GROWN);
    LazyLock::force(&OLD);
    LazyLock::force(&LATER);
    LazyLock::force(&CHAIN);
    LazyLock::force(&SIGNED_IN_FORKS);
}

/// The checkpoint to whose cosignatures a witness's answers are held.
static NOTE: LazyLock<Note> = LazyLock::new(|| {
    let note = file("checkpoint/good-all-signatures.note");
    Note::parse(&note).expect("a frozen note")
});

/// What a witness would cosign really continues what it cosigned before.
fn request(bytes: &[u8]) -> bool {
    let read = AddCheckpoint::parse(bytes).ok();
    let Some(read) = rewritten(bytes, read, |read| read.to_string().into_bytes()) else {
        return false;
    };
    let (key, last) = &*LOG;
    let Ok(next) = read.checkpoint.text().parse::<Checkpoint>() else {
        return false;
    };
    let by_log = matches!(read.checkpoint.signed_by(key), Ok(Some(_)));
    let would = by_log
        && next.origin == last.origin
        && advance(Some(last), read.old, &read.proof, &next).is_ok();
    assert!(
        !would || GROWN.contains(read.checkpoint.text()),
        "never grown so"
    );
    would
}

/// Whatever counts in a witness's answer to the frozen checkpoint stands in that checkpoint's note.
fn answer(bytes: &[u8]) -> bool {
    if let Ok(size) = conflict_size(bytes) {
        assert_eq!(format!("{size}\n").as_bytes(), bytes, "one size, two texts");
        return true;
    }
    let keys: Vec<_> = POLICY.policy().witnesses().cloned().collect();
    let Ok(held) = cosignatures(bytes, NOTE.text(), &keys) else {
        return false;
    };
    assert!(
        held.iter().all(|line| NOTE.signatures().contains(line)),
        "never signed"
    );
    true
}

/// A quorum signed the later checkpoint, which is no smaller; all checkpoints are of one honest log.
fn receipt(bytes: &[u8]) -> bool {
    let read = ConsistencyReceipt::parse(bytes).ok();
    let Some(read) = rewritten(bytes, read, |read| read.to_string().into_bytes()) else {
        return false;
    };
    let verified = OLD.iter().filter_map(|old| {
        let verified = read.verify(old, &*POLICY).ok()?;
        assert!(old.size <= verified.checkpoint().size, "a log that shrank");
        assert!(LATER.contains(read.checkpoint.text()), "never signed");
        Some(())
    });
    verified.count() > 0
}

/// Whatever a chain proves is the beginning of what a frozen one proves.
fn chain(bytes: &[u8]) -> bool {
    let read = PolicyChain::decode(bytes).ok();
    let (genesis, good) = &*CHAIN;
    let read = rewritten(bytes, read, PolicyChain::encode);
    let Some(Ok(found)) = read.map(|chain| chain.verify(genesis)) else {
        return false;
    };
    let is_beginning = |good: &Policies| {
        let mut pairs = found.turns().iter().zip(good.turns());
        found.turns().len() <= good.turns().len()
            && pairs.all(|(found, good)| {
                (found.since, found.range.sizes().0, found.range.policy())
                    == (good.since, good.range.sizes().0, good.range.policy())
            })
    };
    assert!(good.iter().any(is_beginning), "never so");
    true
}

/// The texts of a fork, each with every key that is convicted of both.
fn convicted(fork: &Fork) -> Option<Vec<(String, String)>> {
    let convicted = fork.verify(POLICY.policy()).ok()?;
    let keys = convicted.both.iter().map(ToString::to_string);
    let texts = [fork.earlier(), fork.later()].map(ToString::to_string);
    let pairs = keys.flat_map(|key| texts.clone().map(|text| (text, key.clone())));
    Some(pairs.collect())
}

/// Nobody is convicted by a signature that is not in the frozen files.
fn fork(bytes: &[u8]) -> bool {
    let read = Fork::parse(bytes).ok();
    let Some(read) = rewritten(bytes, read, |read| read.to_string().into_bytes()) else {
        return false;
    };
    let Some(pairs) = convicted(&read) else {
        return false;
    };
    assert!(
        pairs.iter().all(|pair| SIGNED_IN_FORKS.contains(pair)),
        "never signed"
    );
    true
}
