//! What an inspector reads: random outputs, their keys, what they draw, and the items that an
//! institution shows.

use crate::facts::hex_file;
use crate::{Choices, Seeds, Target, reprinted, rewritten};
use medanchor_ledger::draw::{MAX_SAMPLE, draw};
use medanchor_ledger::items::{HEADER, OpenItem};
use medanchor_ledger::vrf::{VrfProof, VrfPublicKey};
use medanchor_ledger::{DrawSeed, sha256};
use std::collections::BTreeSet;
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

/// The frozen seed behind the sizes of the frozen draws.
const DRAWS: Seeds = Seeds::of("vectors/inspection", "seed", ".hex").holding(|_, seed| {
    let sizes = [(5, 2), (7, 7), (10_000, 60), (1 << 40, 1000)];
    let whole = |(count, sample): (u64, u16)| {
        [&count.to_be_bytes()[..], &sample.to_be_bytes(), &seed].concat()
    };
    sizes.map(whole).into()
});

pub(crate) const TARGETS: &[Target] = &[
    Target::new("vrf-proof", &[PROOFS, NO_PROOFS], proof),
    Target::new("vrf-key", &[KEYS], key),
    Target::new("items", &[ITEMS], items),
    Target::new("draw", &[DRAWS], drawn),
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

/// Eight bytes say how many items there are, two how many are drawn; the rest is the seed, which is the
/// hash of whatever was said: any bytes may come.
fn drawn(bytes: &[u8]) -> bool {
    let mut choices = Choices(bytes);
    let count = (0..8).fold(0, |all, _| all << 8 | u64::from(choices.byte()));
    let sample = u16::try_from(choices.below(u64::from(MAX_SAMPLE) + 1)).unwrap_or(0);
    let seed: [u8; 32] = choices
        .0
        .try_into()
        .unwrap_or_else(|_| sha256(&[choices.0]));
    let places = draw(&DrawSeed::new(seed), count, sample);
    assert_eq!(places.len() as u64, u64::from(sample).min(count));
    let each: BTreeSet<u64> = places.iter().copied().collect();
    assert_eq!(each.len(), places.len(), "a place was drawn twice");
    assert!(
        each.last().is_none_or(|last| *last < count),
        "no such place"
    );
    let fewer = draw(&DrawSeed::new(seed), count, sample / 2);
    assert!(places.starts_with(&fewer), "more places, and others");
    if count <= LISTED {
        assert_eq!(places, drawn_from_a_list(&seed, count, places.len()));
    }
    !places.is_empty()
}

/// The largest population that is written out.
const LISTED: u64 = 2_000;

/// The draw as the table of `ledger/src/draw.rs` has it, from a list of all places.
fn drawn_from_a_list(seed: &[u8; 32], count: u64, draws: usize) -> Vec<u64> {
    let mut list: Vec<u64> = (0..count).collect();
    for n in 0..draws {
        let left = u128::from(count) - n as u128;
        let above = (1u128 << 64) / left * left;
        let words = (0u32..).map(|t| {
            let (n, t) = ((n as u64).to_be_bytes(), t.to_be_bytes());
            let hash = sha256(&[b"medanchor/draw/v1", seed, &n, &t]);
            hash.iter()
                .take(8)
                .fold(0, |all, byte| all << 8 | u128::from(*byte))
        });
        let word = words.into_iter().find(|word| *word < above);
        let r = word.expect("half of all words are fair") % left;
        list.swap(n, n + usize::try_from(r).expect("a place of the list"));
    }
    list.truncate(draws);
    list
}
