//! Which rows of a segment count: room is won back by copying them, and the others are passed over
//! without a look.

use super::row::MIN_ROW;

/// Fewer bytes than any row has, so that no two rows begin in one grain.
const GRAIN: usize = 128;
const _: () = assert!(GRAIN <= MIN_ROW);
const BITS: usize = 64;

/// One bit for each grain: 16 KiB for a full segment.
#[derive(Debug, Default)]
pub(super) struct Counting(Vec<u64>);

impl Counting {
    pub(super) fn insert(&mut self, offset: u32) {
        let (word, bit) = at(offset);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    pub(super) fn remove(&mut self, offset: u32) {
        let (word, bit) = at(offset);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }

    pub(super) fn contains(&self, offset: u32) -> bool {
        let (word, bit) = at(offset);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether a row counts that begins at `offset` or after it.
    pub(super) fn any_from(&self, offset: u32) -> bool {
        let (word, bit) = at(offset);
        let mut words = self.0.get(word..).unwrap_or_default().iter();
        words.next().is_some_and(|word| *word >= bit) || words.any(|word| *word != 0)
    }
}

/// The word and the bit in it of the grain in which a row begins.
fn at(offset: u32) -> (usize, u64) {
    let grain = usize::try_from(offset).unwrap_or(usize::MAX) / GRAIN;
    (grain / BITS, 1 << (grain % BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_until_they_are_removed() {
        let mut counting = Counting::default();
        let offsets = [0, 200, 8191, 8192, 9000, 1 << 24];
        assert!(!counting.any_from(0));
        offsets.iter().for_each(|offset| counting.insert(*offset));
        assert!(offsets.iter().all(|offset| counting.contains(*offset)));
        assert!(!counting.contains(500) && !counting.contains(u32::MAX));
        assert!(counting.any_from(9001) && !counting.any_from((1 << 24) + 200));
        offsets[..5]
            .iter()
            .for_each(|offset| counting.remove(*offset));
        assert!(
            offsets[..5]
                .iter()
                .all(|offset| !counting.contains(*offset))
        );
        assert!(counting.any_from(0) && counting.contains(1 << 24));
        counting.remove(1 << 24);
        assert!(!counting.any_from(0));
    }
}
