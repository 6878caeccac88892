//! Random draws: from the validators' outputs to the places of a population.
//!
//! What always holds: the input of the outputs names the network, the inspection, the population and
//! the seal of the block that opened it, so that it was unknown when the population was fixed; the
//! seed depends on which outputs count and not on the order in which they came; every place is drawn
//! at most once, and each set of places is as likely as any other. Whole numbers only.
//!
//! | what | how |
//! |---|---|
//! | item commitment | SHA-256("medanchor/item/v1" ‖ 32 bytes of salt ‖ the item's bytes) |
//! | population root | RFC 9162 root over the commitments, in order, each of 32 bytes a leaf |
//! | input of the draw | CBOR array of "medanchor/inspection/v1", network id, opener, inspection, population's owner, population, root, count, sample, leaf hash of the opening block's seal |
//! | input of a validator's output | the same array with one element more: the validator's name |
//! | seed | SHA-256("medanchor/seed/v1" ‖ SHA-256(input) ‖ for each output that counts, by validator's name: length of the name in one byte ‖ name ‖ SHA-256(output)) |
//! | word (n, t) | the first 8 bytes of SHA-256("medanchor/draw/v1" ‖ seed ‖ n in 8 bytes ‖ t in 4 bytes), big-endian |
//! | draw n of a population of c | Fisher and Yates: swap places n and n + r of the list 0, 1 … c-1 and take place n; r is word (n, t) modulo c-n for the first t = 0, 1 … whose word lies below the largest multiple of c-n that is not above 2^64 |

use crate::cbor::Writer;
use crate::merkle::leaf_hash;
use crate::{
    DrawSeed, InspectionHandle, ItemCommitment, NetworkId, OutputHash, ParticipantName,
    PopulationHandle, TreeHash, sha256,
};
use std::collections::BTreeMap;

/// The most items that one inspection draws.
pub const MAX_SAMPLE: u16 = 1000;

/// Bytes of the salt of an item.
pub const SALT_LENGTH: usize = 32;

/// Commits to one item of a population. With a salt that nobody else knows the commitment says
/// nothing about the item.
#[must_use]
pub fn commit_item(salt: &[u8; SALT_LENGTH], item: &[u8]) -> ItemCommitment {
    ItemCommitment::new(sha256(&[b"medanchor/item/v1", salt, item]))
}

/// The leaf of an item in its population's tree.
#[must_use]
pub fn item_leaf(item: &ItemCommitment) -> TreeHash {
    leaf_hash(item.as_bytes())
}

/// What the validators' outputs are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawInput<'a> {
    /// The network.
    pub network: NetworkId,
    /// Who opened the inspection.
    pub opener: &'a ParticipantName,
    /// The inspection, among the opener's.
    pub inspection: InspectionHandle,
    /// Whose population it is.
    pub owner: &'a ParticipantName,
    /// The population, among the owner's.
    pub population: PopulationHandle,
    /// The population's root.
    pub root: TreeHash,
    /// How many items it has.
    pub count: u64,
    /// How many are drawn.
    pub sample: u16,
    /// Leaf hash of the seal of the block that opened the inspection.
    pub seal: TreeHash,
}

impl DrawInput<'_> {
    /// The bytes that `validator` proves its output for (`alpha_string`): its own, so that nobody can
    /// pass off the output of another.
    #[must_use]
    pub fn of(&self, validator: &ParticipantName) -> Vec<u8> {
        self.encode(Some(validator))
    }

    fn encode(&self, validator: Option<&ParticipantName>) -> Vec<u8> {
        let mut writer = Writer::with_capacity(320);
        let elements = 10 + usize::from(validator.is_some());
        writer.array(elements).text("medanchor/inspection/v1");
        writer.bytes(self.network.as_bytes());
        writer.text(self.opener.as_str());
        writer.bytes(self.inspection.as_bytes());
        writer.text(self.owner.as_str());
        writer.bytes(self.population.as_bytes());
        writer.bytes(self.root.as_bytes());
        writer.uint(self.count).uint(u64::from(self.sample));
        writer.bytes(self.seal.as_bytes());
        if let Some(name) = validator {
            writer.text(name.as_str());
        }
        writer.into_bytes()
    }

    /// The seed that the outputs make together.
    #[must_use]
    pub fn seed(&self, outputs: &BTreeMap<ParticipantName, OutputHash>) -> DrawSeed {
        let input = sha256(&[&self.encode(None)]);
        let mut bytes = [&b"medanchor/seed/v1"[..], &input].concat();
        for (name, output) in outputs {
            let name = name.as_str().as_bytes();
            // A name has at most 40 bytes.
            bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(output.as_bytes());
        }
        DrawSeed::new(sha256(&[&bytes]))
    }
}

/// The places that a seed draws from a population of `count` items, in the order of the draw: `sample`
/// of them, or `count` if that is less.
///
/// ```
/// # use medanchor_ledger::{DrawSeed, draw::draw};
/// let drawn = draw(&DrawSeed::new([7; 32]), 10, 10);
/// let mut sorted = drawn.clone();
/// sorted.sort();
/// assert_eq!(sorted, (0..10).collect::<Vec<_>>());
/// ```
#[must_use]
pub fn draw(seed: &DrawSeed, count: u64, sample: u16) -> Vec<u64> {
    // Places that were swapped; all others hold their own number.
    let mut swapped: BTreeMap<u64, u64> = BTreeMap::new();
    let draws = u64::from(sample).min(count);
    (0..draws)
        .map(|n| {
            let at = n + below(seed, n, count - n);
            let here = swapped.remove(&n).unwrap_or(n);
            if at == n {
                here
            } else {
                swapped.insert(at, here).unwrap_or(at)
            }
        })
        .collect()
}

/// A number from 0 to `bound` - 1, each as likely as any other.
fn below(seed: &DrawSeed, n: u64, bound: u64) -> u64 {
    // 2^64 modulo bound words at the top would make small numbers likelier.
    let excess = (u64::MAX % bound + 1) % bound;
    let words = (0..=u32::MAX).map(|attempt| word(seed, n, attempt));
    let mut fair = words.filter(|word| *word <= u64::MAX - excess);
    // A word is refused less than half the time, so 2^32 in a row are not met.
    fair.next().unwrap_or_default() % bound
}

fn word(seed: &DrawSeed, n: u64, attempt: u32) -> u64 {
    let hash = sha256(&[
        b"medanchor/draw/v1",
        seed.as_bytes(),
        &n.to_be_bytes(),
        &attempt.to_be_bytes(),
    ]);
    u64::from_be_bytes(std::array::from_fn(|at| hash[at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn seed(number: u32) -> DrawSeed {
        DrawSeed::new(sha256(&[&number.to_be_bytes()]))
    }

    #[test]
    fn a_draw_takes_each_place_once_and_no_other() {
        for (count, sample) in [(1, 1), (2, 1), (7, 7), (1_000, 60), (u64::MAX, 1000)] {
            let drawn = draw(&seed(1), count, sample);
            let places: BTreeSet<_> = drawn.iter().collect();
            assert_eq!(drawn.len(), usize::from(sample));
            assert_eq!(places.len(), drawn.len());
            assert!(drawn.iter().all(|place| *place < count));
        }
        assert_eq!(draw(&seed(1), 3, 1000).len(), 3);
        assert_eq!(draw(&seed(1), 0, 5), []);
    }

    #[test]
    fn a_larger_draw_begins_with_the_smaller_one() {
        let large = draw(&seed(2), 100, 50);
        assert_eq!(large[..10], draw(&seed(2), 100, 10));
    }

    #[test]
    fn every_pair_of_places_is_about_as_likely_as_any_other() {
        let mut seen = BTreeMap::new();
        for number in 0..20_000 {
            let drawn = draw(&seed(number), 5, 2);
            *seen.entry(drawn).or_insert(0u32) += 1;
        }
        assert_eq!(seen.len(), 20, "ordered pairs of five places");
        // 1,000 each are expected; five standard deviations are 154.
        assert!(
            seen.values().all(|times| (846..=1154).contains(times)),
            "{seen:?}"
        );
    }

    #[test]
    fn a_word_above_the_last_whole_multiple_is_refused() {
        // With a bound just above half of all words, nearly every second one is.
        let bound = (1 << 63) + 1;
        let refused =
            (0..64).filter(|n| below(&seed(3), *n, bound) != word(&seed(3), *n, 0) % bound);
        assert!((16..48).contains(&refused.count()));
    }
}
