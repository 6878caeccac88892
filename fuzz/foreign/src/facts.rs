//! What is true of the frozen files: the networks that signed them, and what they signed.

use crate::seeds::{Seeds, root};
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::policy::{Policy, PolicyRange};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{Commitment, NetworkId, ParticipantName, Size, TreeHash};
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
        let [consensus, log, cosigner, cose] =
            [0, 1, 2, 3].map(|purpose| key(number, purpose).public_key());
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

/// The key of one purpose of a validator: 0 consensus, 1 log, 2 cosigner, 3 COSE.
pub fn key(number: u8, purpose: u8) -> SigningKey {
    let mut seed = [0xA5; 32];
    seed[..3].copy_from_slice(&[1, number, purpose]);
    SigningKey::from_seed(&seed)
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

/// What each validator signed in the frozen cosignatures.
pub static COSIGNED: LazyLock<BTreeSet<(Size, TreeHash, ParticipantName)>> = LazyLock::new(|| {
    let files = [
        Seeds::of("vectors/checkpoint", "good-cosignature", ".cbor"),
        Seeds::of("vectors/cose", "good-cosignature", ".cbor"),
        // The refused files are changes of one more record, which is whole in this one.
        Seeds::of(
            "vectors/checkpoint",
            "rejected-cosignature-trailing-byte",
            ".cbor",
        )
        .holding(|_, bytes| {
            bytes
                .split_last()
                .map(|(_, whole)| whole.to_vec())
                .into_iter()
                .collect()
        }),
    ];
    let files = files
        .iter()
        .flat_map(|seeds| seeds.read().expect("vectors"));
    let signed = |bytes: Vec<u8>| {
        let record = Cosignature::decode(&bytes).expect("a frozen cosignature");
        (record.size, record.root, record.validator)
    };
    files.map(signed).collect()
});

/// The commitment of `vectors/disclosure`.
pub static COMMITMENT: LazyLock<Commitment> = LazyLock::new(|| {
    let bytes = hex_file("disclosure/commitment.hex");
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

/// A file of `vectors`.
pub fn file(name: &str) -> Vec<u8> {
    let path = root().join("vectors").join(name);
    std::fs::read(path).unwrap_or_else(|error| panic!("vectors/{name}: {error}"))
}

/// The same, of one whose hexadecimal digits are wrapped.
pub fn hex_file(name: &str) -> Vec<u8> {
    let text = String::from_utf8(file(name)).expect("digits");
    let digits: String = text.split_whitespace().collect();
    hex::decode(digits).expect("digits")
}

/// Reads all of it now, so that no target is charged for it.
pub fn prepare() {
    static READ: LazyLock<()> = LazyLock::new(|| {
        crate::answers::prepare();
        crate::documents::prepare();
        LazyLock::force(&POLICY);
        LazyLock::force(&VALIDATORS);
        LazyLock::force(&SIGNED);
        LazyLock::force(&CERTIFICATES);
        LazyLock::force(&COMMITMENT);
        LazyLock::force(&DOCUMENT);
        LazyLock::force(&PAYLOADS);
        LazyLock::force(&COSIGNED);
        crate::cose::prepare();
        crate::growth::prepare();
        crate::inspection::prepare();
        crate::kept::prepare();
        crate::merkle::prepare();
        crate::state::prepare();
    });
    LazyLock::force(&READ);
}
