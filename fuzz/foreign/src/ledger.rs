//! The encodings of the ledger: events, seals, blocks, genesis, keys, names and policies.

use crate::{Seeds, Target, reprinted, rewritten};
use medanchor_ledger::block::Block;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::event::{Event, EventBody, UnsignedEvent, VerifyError};
use medanchor_ledger::execute::Head;
use medanchor_ledger::genesis::{Genesis, NetworkName};
use medanchor_ledger::note::{KeyName, Note, NoteSignature, VerifierKey};
use medanchor_ledger::policy::Policy;
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::seal::Seal;
use medanchor_ledger::signature::{PublicKey, SigningKey};
use medanchor_ledger::{Commitment, EventId, ParticipantName};

const EVENTS: Seeds = Seeds::of("vectors/event", "", ".hex");
const NOTES: Seeds = Seeds::of("vectors/note", "", ".txt");
const SIGNED_CHECKPOINTS: Seeds = Seeds::of("vectors/checkpoint", "", ".note");
const CHECKPOINTS: Seeds = Seeds::of("vectors/checkpoint", "", ".txt");

/// A line, of which the end is no part of the key.
const VERIFIER_KEYS: Seeds = Seeds::of("vectors/note", "", ".vkey")
    .holding(|_, bytes| vec![bytes.trim_ascii_end().to_vec(), bytes]);
/// The first line is a key, in some files with its algorithm byte.
const KEYS: Seeds = Seeds::of("vectors/ed25519", "", ".txt").holding(|_, bytes| {
    let line = bytes.split(|byte| *byte == b'\n').next();
    let key = line.and_then(|digits| hex::decode(digits).ok());
    let key = key.unwrap_or_default();
    vec![[&[1], &key[..]].concat(), key]
});

pub(crate) const TARGETS: &[Target] = &[
    Target::new("event", &[EVENTS], event).holding(64),
    Target::new("seal", &[Seeds::of("vectors/seal", "", ".hex")], seal),
    Target::new("block", &[Seeds::of("vectors/block", "", ".hex")], block).holding(64),
    Target::new(
        "head",
        &[Seeds::of("vectors/block", "block.head", ".hex")],
        head,
    )
    .holding(32),
    Target::new(
        "genesis",
        &[Seeds::of("vectors/genesis", "", ".hex")],
        genesis,
    )
    .holding(64),
    Target::new("note", &[NOTES, SIGNED_CHECKPOINTS], note).holding(32),
    Target::new("checkpoint", &[CHECKPOINTS], checkpoint),
    Target::new("verifier-key", &[VERIFIER_KEYS], names),
    Target::new(
        "policy",
        &[Seeds::of("vectors/policy", "", ".policy")],
        policy,
    )
    .holding(64),
    Target::new(
        "receipt-text",
        &[Seeds::of("vectors/receipt", "", ".tlog-proof")],
        receipt,
    )
    .holding(32),
    Target::new(
        "certificate-bytes",
        &[Seeds::of("vectors/certificate", "", ".cbor")],
        certificate,
    ),
    Target::new(
        "cosignature-bytes",
        &[Seeds::of("vectors/checkpoint", "", ".cbor")],
        cosignature,
    ),
    Target::new("public-key", &[KEYS], public_key),
];

fn event(bytes: &[u8]) -> bool {
    let Some(event) = rewritten(bytes, Event::decode(bytes).ok(), |event: &Event| {
        event.encoded().to_vec()
    }) else {
        return false;
    };
    assert_eq!(
        built_again(&event),
        bytes,
        "the parts of an event are not all of it"
    );
    let stranger = SigningKey::from_seed(&[0x5e; 32]).public_key();
    let verdict: Result<_, VerifyError> = event.verify(&stranger);
    assert!(verdict.is_err(), "a signature by a key that never signed");
    true
}

/// An event from its parts, with the signature it had.
fn built_again(event: &Event) -> Vec<u8> {
    let unsigned = UnsignedEvent {
        issuer: event.issuer().clone(),
        network: event.network(),
        nonce: event.nonce(),
        not_after: event.not_after(),
        body: EventBody::clone(event.body()),
    };
    let signed = unsigned.sign_with(event.key_id(), |_| *event.signature());
    signed.expect("parts of an event").encoded().to_vec()
}

fn seal(bytes: &[u8]) -> bool {
    rewritten(bytes, Seal::decode(bytes).ok(), Seal::encode).is_some()
}

fn block(bytes: &[u8]) -> bool {
    rewritten(bytes, Block::decode(bytes).ok(), Block::encode).is_some()
}

fn head(bytes: &[u8]) -> bool {
    rewritten(bytes, Head::decode(bytes).ok(), Head::encode).is_some()
}

fn genesis(bytes: &[u8]) -> bool {
    let genesis = rewritten(bytes, Genesis::decode(bytes).ok(), |genesis: &Genesis| {
        genesis.encoded().to_vec()
    });
    let Some(genesis) = genesis else {
        return false;
    };
    let again = Genesis::new(genesis.spec().clone()).expect("the parts of a genesis");
    assert_eq!(
        again.encoded(),
        bytes,
        "the parts of a genesis are not all of it"
    );
    true
}

fn note(bytes: &[u8]) -> bool {
    rewritten(bytes, Note::parse(bytes).ok(), |note: &Note| {
        note.to_string().into_bytes()
    })
    .is_some()
}

fn checkpoint(bytes: &[u8]) -> bool {
    reprinted::<Checkpoint>(bytes).is_some()
}

fn names(bytes: &[u8]) -> bool {
    let read = [
        reprinted::<VerifierKey>(bytes).is_some(),
        reprinted::<KeyName>(bytes).is_some(),
        reprinted::<ParticipantName>(bytes).is_some(),
        reprinted::<NetworkName>(bytes).is_some(),
        reprinted::<EventId>(bytes).is_some(),
    ];
    if let Ok(Ok(line)) = std::str::from_utf8(bytes).map(str::parse::<NoteSignature>) {
        assert_eq!(line.to_string().trim_end_matches('\n').as_bytes(), bytes);
    }
    read.contains(&true)
}

fn policy(bytes: &[u8]) -> bool {
    let policy = rewritten(bytes, Policy::parse(bytes).ok(), |policy: &Policy| {
        policy.as_bytes().to_vec()
    });
    let Some(policy) = policy else { return false };
    assert!(policy.logs().len() <= Policy::MAX_NAMES);
    assert!(policy.witnesses().count() <= Policy::MAX_NAMES);
    true
}

fn receipt(bytes: &[u8]) -> bool {
    rewritten(bytes, Receipt::parse(bytes).ok(), |receipt: &Receipt| {
        receipt.to_string().into_bytes()
    })
    .is_some()
}

fn certificate(bytes: &[u8]) -> bool {
    rewritten(bytes, Certificate::decode(bytes).ok(), Certificate::encode).is_some()
}

fn cosignature(bytes: &[u8]) -> bool {
    rewritten(bytes, Cosignature::decode(bytes).ok(), Cosignature::encode).is_some()
}

fn public_key(bytes: &[u8]) -> bool {
    let write = |key: &PublicKey| key.encode().to_vec();
    let key = rewritten(bytes, PublicKey::decode(bytes).ok(), write);
    let registered = rewritten(bytes, PublicKey::decode_registered(bytes).ok(), write);
    assert!(key.is_none() || registered == key);
    if let Ok(commitment) = Commitment::try_from(bytes) {
        assert_eq!(commitment.to_bytes(), *bytes);
    }
    key.is_some()
}
