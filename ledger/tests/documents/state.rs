//! State documents.

use crate::chain::{Chain, policy, words};
use crate::log_support::assert_golden;
use crate::vectors::Vectors;
use crate::world::*;
use medanchor_ledger::document::{StateDocument, VerifiedState};
use medanchor_ledger::policy::PolicyRange;
use medanchor_ledger::rules::{Record, RulesVersion, StateValue, TagIndex};
use medanchor_ledger::seal::Seal;
use medanchor_ledger::state::{StateKey, StateMap};
use medanchor_ledger::{Height, Index, RecordHandle, Size, Tag};
use proptest::prelude::*;

/// Two records sealed at heights 1 and 2, and one height more.
fn chain() -> Chain {
    let mut chain = Chain::new();
    for number in 1..=2 {
        let event = chain.world.event(HOSPITAL, seal(number, 1));
        chain.block(&[event]);
    }
    chain.block(&[]);
    chain
}

fn record(number: u8) -> StateKey {
    Record::key(&name(HOSPITAL), &RecordHandle::new([number; 16]))
}

/// All that is true of the state: a line for each value that a height put or took away.
fn changes(chain: &Chain) -> String {
    let mut lines = String::new();
    for (height, changes) in chain.changes.iter().enumerate() {
        for (path, value) in changes.iter() {
            let value = value.as_ref().map_or("-".to_owned(), hex::encode);
            lines += &format!("{height} {} {value}\n", hex::encode(path.as_bytes()));
        }
    }
    lines
}

#[test]
fn the_frozen_changes_give_the_roots_of_all_heights() {
    let chain = chain();
    assert_golden("state-proof/changes.txt", changes(&chain).as_bytes());
    let mut map = StateMap::empty();
    for (height, changes) in chain.changes.iter().enumerate() {
        map = map.update(changes).unwrap().map().clone();
        assert_eq!(map.root(), chain.seal(height).state_root, "height {height}");
    }
}

fn judge(bytes: &[u8]) -> Result<VerifiedState, String> {
    words(StateDocument::decode(bytes), |document| {
        assert_eq!(document.encode(), bytes, "one encoding");
        document.verify(&policy())
    })
}

#[test]
fn documents_are_frozen_and_say_their_height() {
    let chain = chain();
    let mut vectors = Vectors::of("state-proof");
    vectors.golden("policy", policy().policy().as_bytes());
    let good = [
        ("good-value", 1, record(1), true),
        ("good-absent", 2, record(9), false),
        ("good-absent-before-it-came", 1, record(2), false),
        ("good-value-at-genesis", 0, RulesVersion::key(), true),
        ("good-value-at-the-last-height", 3, record(2), true),
    ];
    for (file, height, key, present) in good {
        let bytes = chain.document(height, &key).encode();
        vectors.golden(file, &bytes);
        let verified = judge(&bytes).unwrap();
        assert_eq!(verified.height, Height(height as u64), "{file}");
        assert_eq!(verified.time, chain.seal(height).time);
        assert_eq!(verified.key, key);
        assert_eq!(verified.value.is_some(), present, "{file}");
        assert_eq!(
            verified.value,
            chain.map(height).value(&key.path()).unwrap()
        );
        let checkpoint = verified.checkpoint.checkpoint();
        assert_eq!(checkpoint.size, chain.size(3));
    }
    let neighbour = chain.document(2, &neighbour(&chain)).encode();
    vectors.golden("good-absent-by-the-same-proof", &neighbour);
    assert_eq!(judge(&neighbour).unwrap().value, None);
    wrong(&chain, &mut vectors);
    rejected(&chain, &mut vectors);
    vectors.finish();
}

/// A key that is absent for the same reason as `record(9)`: one proof shows both.
fn neighbour(chain: &Chain) -> StateKey {
    let proof = |key: &StateKey| chain.map(2).prove(&key.path()).unwrap();
    let of_nine = proof(&record(9));
    let mut others = (10..=u8::MAX).map(record);
    others.find(|key| proof(key) == of_nine).unwrap()
}

/// Well formed, and proving nothing.
fn wrong(chain: &Chain, vectors: &mut Vectors) {
    let good = chain.document(1, &record(1));
    let absent = chain.document(2, &record(9));
    let mut wrong = |file: &str, why: &str, change: &dyn Fn(&mut StateDocument)| {
        let mut document = good.clone();
        change(&mut document);
        let bytes = document.encode();
        vectors.golden(&format!("wrong-{file}"), &bytes);
        let found = judge(&bytes).unwrap_err();
        assert!(
            found.starts_with("wrong: ") && found.contains(why),
            "{file}: {found}"
        );
    };
    let other_root = "leads to another state root";
    wrong("seal-of-another-height", other_root, &|document| {
        document.seal = chain.seal_proof(2);
    });
    wrong("receipt-for-another-entry", "not proved", &|document| {
        document.seal.receipt = chain.seal_proof(2).receipt;
    });
    wrong("receipt-for-the-event", "not proved", &|document| {
        document.seal.receipt = chain.receipt(Index(1));
    });
    wrong("state-root-forged", "not proved", &|document| {
        document.seal.seal.state_root = chain.seal(2).state_root;
    });
    wrong("value-of-another-record", other_root, &|document| {
        document.claim.value = chain.map(2).value(&record(2).path()).unwrap();
    });
    wrong(
        "value-claimed-absent",
        "where absence is claimed",
        &|document| {
            document.claim.value = None;
        },
    );
    let claimed = "of absence where a value is";
    wrong("absence-claimed-a-value", claimed, &|document| {
        let value = document.claim.value.clone();
        *document = absent.clone();
        document.claim.value = value;
    });
    wrong(
        "value-and-absence-swapped",
        "does not stand in the key's place",
        &|document| {
            document.claim = absent.claim.clone();
        },
    );
    wrong("another-key", other_root, &|document| {
        document.key = record(2)
    });
    wrong("another-network", "no log key", &|document| {
        document.seal.receipt.checkpoint = chain.foreign_checkpoint();
    });
    wrong("seal-says-another-place", "not proved", &|document| {
        document.seal.seal.count += 1;
    });
}

/// Bytes that are no document.
fn rejected(chain: &Chain, vectors: &mut Vectors) {
    let document = chain.document(1, &record(1));
    let good = document.encode();
    let mut reject = |file: &str, bytes: Vec<u8>, why: &str| {
        vectors.golden(&format!("rejected-{file}"), &bytes);
        let found = judge(&bytes).unwrap_err();
        assert!(
            found.starts_with("rejected: ") && found.contains(why),
            "{file}: {found}"
        );
    };
    reject("empty", Vec::new(), "cut short");
    reject(
        "trailing-byte",
        [&good[..], &[0]].concat(),
        "follow the end",
    );
    reject("truncated", good[..good.len() - 1].to_vec(), "cut short");
    let replaced = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|found| found == from);
        let at = at.unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    reject("version-2", replaced(b"proof/v1", b"proof/v2"), "constant");
    let mut seven = good.clone();
    seven[0] = 0xa7;
    reject("seven-entries", seven, "size out of bounds");
    let mut keys = good.clone();
    keys[28] = 2;
    assert_eq!(good[28], 1, "the key of the key");
    reject("keys-out-of-order", keys, "wanted map key 1");
    let key = record(1);
    let with_head = [&[0x58, key.as_bytes().len() as u8], key.as_bytes()].concat();
    assert!(with_head.len() > 25);
    reject(
        "empty-key",
        replaced(&with_head, &[0x40]),
        "has 0 bytes; give 1 to 128",
    );
    let seal = document.seal.seal.encode();
    let framed = |bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        match bytes.len() {
            ..256 => [&[0x58, length[1]], bytes].concat(),
            _ => [&[0x59][..], &length, bytes].concat(),
        }
    };
    let mut world = World::new();
    let event = world.event(HOSPITAL, crate::world::seal(1, 1));
    let event = framed(event.encoded());
    reject(
        "event-instead-of-the-seal",
        replaced(&framed(&seal), &event),
        "wanted Map",
    );
    let extra = document.seal.receipt.to_string();
    let extra = extra.replacen("index", "extra AA==\nindex", 1);
    let receipt = framed(document.seal.receipt.to_string().as_bytes());
    let extra = replaced(&receipt, &framed(extra.as_bytes()));
    reject("receipt-with-an-extra-line", extra, "nobody signed");
    let proof = framed(&document.claim.proof.encode());
    reject("proof-empty", replaced(&proof, &[0x40]), "cut short");
}

#[test]
fn bytes_beyond_the_bound_are_not_read() {
    let long = vec![0xa6; StateDocument::MAX_BYTES + 1];
    assert!(judge(&long).unwrap_err().contains("at most"));
}

#[test]
fn a_seal_that_stands_elsewhere_than_it_says_proves_nothing() {
    // The quorum never lets such an entry in; a verifier does not rely on that.
    let chain = chain();
    let mut document = chain.document(1, &record(1));
    document.seal.seal.first = Index(7);
    let receipt = crate::log_support::Network::new(1, 4);
    let entry = document.seal.seal.encode();
    let root = medanchor_ledger::merkle::leaf_hash(&entry);
    let checkpoint = receipt.checkpoint(1, root);
    document.seal.receipt.index = Index(0);
    document.seal.receipt.proof = Vec::new();
    document.seal.receipt.checkpoint = receipt.gathered(&checkpoint, 4).note().unwrap();
    let policy = medanchor_ledger::policy::Policy::of_validators(&receipt.origin, &receipt.set);
    let policy = PolicyRange::from(policy.unwrap(), Size(0));
    let found = document.verify(&policy).unwrap_err().to_string();
    assert!(found.contains("elsewhere"), "{found}");
}

#[test]
fn a_document_outside_the_range_of_the_policy_is_refused() {
    let document = chain().document(1, &record(1));
    let range = PolicyRange::new(policy().policy().clone(), Size(0), Size(3));
    let found = document.verify(&range).unwrap_err().to_string();
    assert!(found.contains("sizes 0 to 3"), "{found}");
}

#[test]
fn a_document_for_four_validators_is_small() {
    let chain = chain();
    let key = TagIndex::key(&name(HOSPITAL), &Tag::new([1; 16]));
    let document = chain.document(3, &key);
    assert!(document.encode().len() < 4096);
    assert!(Seal::decode(&document.seal.seal.encode()).is_ok());
    assert!(TagIndex::decode(document.claim.value.as_ref().unwrap()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_byte_never_proves_something_else(at: prop::sample::Index, byte: u8) {
        let good = chain().document(1, &record(1));
        let mut bytes = good.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let meant = good.verify(&policy()).unwrap();
        if let Ok(found) = StateDocument::decode(&bytes).map(|read| read.verify(&policy()))
            && let Ok(found) = found
        {
            prop_assert_eq!((found.height, found.key, found.value), (meant.height, meant.key, meant.value));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = StateDocument::decode(&[&[0xa6, 0x00, 0x78, 0x18], &b"medanchor/state-proof/v1"[..], &bytes].concat());
    }
}
