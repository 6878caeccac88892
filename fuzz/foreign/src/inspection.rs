//! What an inspector reads: random outputs, their keys, and the items that an institution shows.

use crate::facts::hex_file;
use crate::{Seeds, Target, reprinted, rewritten};
use medanchor_ledger::items::{HEADER, OpenItem};
use medanchor_ledger::vrf::{VrfProof, VrfPublicKey};
use std::sync::LazyLock;

const PROOFS: Seeds = Seeds::of("vectors/inspection", "example-1", ".proof.hex");
const NO_PROOFS: Seeds = Seeds::of("vectors/inspection", "rejected", ".hex");
const KEYS: Seeds = Seeds::of("vectors/inspection", "example-1", ".public.hex");
/// A population file with the five frozen commitments as salts and as items.
pub(crate) const ITEMS: Seeds =
    Seeds::of("vectors/inspection", "items", ".hex").holding(|_, bytes| {
        let (salts, _) = bytes.as_chunks::<32>();
        let lines = (0..).zip(salts).map(|(place, salt)| {
            let (salt, item) = (*salt, salt.to_vec());
            OpenItem { place, salt, item }.to_string()
        });
        let whole = lines.fold(HEADER.to_owned() + "\n", |all, line| all + &line + "\n");
        vec![whole.into_bytes()]
    });

pub(crate) const TARGETS: &[Target] = &[
    Target::new("vrf-proof", &[PROOFS, NO_PROOFS], proof),
    Target::new("vrf-key", &[KEYS], key),
    Target::new("items", &[ITEMS], items),
];

/// The key, the input and the output of example 17.
static EXAMPLE: LazyLock<(VrfPublicKey, Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let read = |what: &str| hex_file(&format!("inspection/example-17.{what}.hex"));
    let key = read("public").try_into().expect("32 bytes");
    let key = VrfPublicKey::new(key).expect("a frozen key");
    (key, read("input"), read("output"))
});

pub(crate) fn prepare() {
    LazyLock::force(&EXAMPLE);
}

/// One key has one output for one input.
fn proof(bytes: &[u8]) -> bool {
    let read = VrfProof::try_from(bytes).ok();
    let Some(read) = rewritten(bytes, read, |read| read.as_bytes().to_vec()) else {
        return false;
    };
    let (key, input, right) = &*EXAMPLE;
    let Ok(output) = read.verify(key, input) else {
        return false;
    };
    assert_eq!(output.as_bytes()[..], right[..], "a second output");
    true
}

fn key(bytes: &[u8]) -> bool {
    let key = bytes.try_into().ok();
    let key = key.and_then(|bytes| VrfPublicKey::new(bytes).ok());
    rewritten(bytes, key, |key| key.as_bytes().to_vec()).is_some()
}

/// Every line of a population file.
fn items(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter_map(reprinted::<OpenItem>).count() > 0
}
