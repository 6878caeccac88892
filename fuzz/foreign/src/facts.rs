//! What is true of the frozen files: the networks that signed them, and what they signed.

use crate::seeds::{Seeds, root};
use medanchor_ledger::policy::{Policy, PolicyRange};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{Commitment, NetworkId, Size};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The id of the network of `vectors/receipt`, `checkpoint` and `certificate`.
pub const NETWORK: NetworkId = NetworkId::new([1; 16]);

/// Its policy, for every size.
pub static POLICY: LazyLock<PolicyRange> = LazyLock::new(|| {
    let policy = Policy::parse(&file("receipt/policy")).expect("a frozen policy");
    PolicyRange::from(policy, Size(0))
});

/// Its four validators, whose keys follow from their numbers.
pub static VALIDATORS: LazyLock<ValidatorSet> = LazyLock::new(|| {
    let names = ["clinic", "depot", "hospital", "maker"];
    let validators = (0..).zip(names).map(|(number, name)| {
        let [consensus, log, cosigner, cose] = [0, 1, 2, 3].map(|purpose| key(number, purpose));
        let name = name.parse().expect("a name");
        Validator {
            name,
            consensus,
            log,
            cosigner,
            cose,
        }
    });
    ValidatorSet::new(validators.collect()).expect("four validators")
});

fn key(number: u8, purpose: u8) -> medanchor_ledger::signature::PublicKey {
    let mut seed = [0xA5; 32];
    seed[..3].copy_from_slice(&[1, number, purpose]);
    SigningKey::from_seed(&seed).public_key()
}

/// The texts of all checkpoints that a quorum of them ever signed.
pub static SIGNED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let notes = [
        Seeds::of("vectors/checkpoint", "good", ".note"),
        Seeds::of("vectors/receipt", "good", ".tlog-proof"),
        Seeds::of("vectors/receipt", "rejected-proof", ".tlog-proof"),
    ];
    let files = notes
        .iter()
        .flat_map(|seeds| seeds.read().expect("vectors"));
    files.filter_map(|bytes| text_of(&bytes)).collect()
});

/// The three lines of the checkpoint in a note or a receipt.
fn text_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let blank = text.rfind("\n\n")?;
    let before = text.get(..=blank)?;
    let lines: Vec<_> = before.lines().rev().take(3).collect();
    Some(
        lines
            .iter()
            .rev()
            .fold(String::new(), |all, line| all + line + "\n"),
    )
}

/// The encodings of all certificates they signed.
pub static CERTIFICATES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let good = Seeds::of("vectors/certificate", "good-certificate", ".cbor");
    good.read().expect("vectors")
});

/// The commitment of `vectors/disclosure`.
pub static COMMITMENT: LazyLock<Commitment> = LazyLock::new(|| {
    let digits = String::from_utf8(file("disclosure/commitment.hex")).expect("digits");
    let bytes = hex::decode(digits.trim()).expect("digits");
    Commitment::try_from(&bytes[..]).expect("a frozen commitment")
});

/// The document of `vectors/disclosure`.
pub static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| file("disclosure/document.json"));

/// The payloads of `vectors/payload`.
pub static PAYLOADS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    vec![
        Vec::new(),
        file("payload/good-short.plain"),
        vec![7; 65_537],
    ]
});

fn file(name: &str) -> Vec<u8> {
    let path = root().join("vectors").join(name);
    std::fs::read(path).unwrap_or_else(|error| panic!("vectors/{name}: {error}"))
}

/// Reads all of it now, so that no target is charged for it.
pub fn prepare() {
    static READ: LazyLock<()> = LazyLock::new(|| {
        crate::documents::prepare();
        LazyLock::force(&POLICY);
        LazyLock::force(&VALIDATORS);
        LazyLock::force(&SIGNED);
        LazyLock::force(&CERTIFICATES);
        LazyLock::force(&COMMITMENT);
        LazyLock::force(&DOCUMENT);
        LazyLock::force(&PAYLOADS);
        crate::merkle::prepare();
        crate::state::prepare();
    });
    LazyLock::force(&READ);
}
