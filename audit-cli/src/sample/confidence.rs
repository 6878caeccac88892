//! What a sample says about the population: exact hypergeometric tails.
//!
//! Drawing `sample` of `items` without putting back, of which `wrong` are wrong, the number of wrong
//! ones in the sample is hypergeometric. Floating point is for people here; no verdict rests on it.
//! Whoever steered the draw by withholding, or tried again, multiplies the probability of any outcome
//! by at most `factor`, and so the probability that wrong items stay unseen.

/// A sample and what it showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) items: u64,
    pub(crate) drawn: u64,
    /// How many of the drawn ones are wrong or were not shown.
    pub(crate) wrong: u64,
}

impl Sample {
    /// The probability that a fair sample shows `self.wrong` wrong items or fewer if the population
    /// has `bad` of them.
    pub(crate) fn tail(&self, bad: u64) -> f64 {
        let good = self.items.saturating_sub(bad);
        let least = self.drawn.saturating_sub(good);
        let whole = ln_choose(self.items, self.drawn);
        let term = |shown: u64| {
            let ways = ln_choose(bad, shown) + ln_choose(good, self.drawn - shown);
            (ways - whole).exp()
        };
        let most = self.wrong.min(self.drawn).min(bad);
        (least..=most).map(term).sum::<f64>().clamp(0.0, 1.0)
    }

    /// The smallest number of wrong items that the sample speaks against with probability
    /// `confidence`, when outcomes may be `factor` times as likely as in a fair draw; none if it
    /// speaks against no number.
    pub(crate) fn excluded(&self, confidence: f64, factor: f64) -> Option<u64> {
        let excludes = |bad: u64| factor * self.tail(bad) <= 1.0 - confidence;
        if !excludes(self.items) {
            return None;
        }
        // The tail falls as the number grows.
        let (mut not, mut does) = (0, self.items);
        while does - not > 1 {
            let middle = not + (does - not) / 2;
            if excludes(middle) {
                does = middle;
            } else {
                not = middle;
            }
        }
        Some(does)
    }
}

/// How many items are `percent` of `items` or more.
pub(crate) fn share(items: u64, percent: f64) -> u64 {
    // Populations have at most 2^40 items, which a float holds exactly.
    let bad = (items as f64 * percent / 100.0 - 1e-9).ceil();
    (bad.max(1.0) as u64).min(items)
}

/// The natural logarithm of the number of ways to choose `count` of `all`, where `count` or what is
/// left is small.
fn ln_choose(all: u64, count: u64) -> f64 {
    if count > all {
        return f64::NEG_INFINITY;
    }
    let few = count.min(all - count);
    (1..=few)
        .map(|n| ((all - few + n) as f64 / n as f64).ln())
        .sum()
}

/// A probability in percent, rounded down to a tenth, so that it never says too much.
pub(crate) fn percent(probability: f64) -> f64 {
    (probability.clamp(0.0, 1.0) * 1000.0 + 1e-9).floor() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(items: u64, drawn: u64, wrong: u64) -> Sample {
        Sample {
            items,
            drawn,
            wrong,
        }
    }

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
    }

    /// Every subset of a small population, counted.
    fn counted(sample: &Sample, bad: u64) -> f64 {
        let subsets = (0u32..1 << sample.items)
            .filter(|subset| u64::from(subset.count_ones()) == sample.drawn);
        let (mut all, mut few) = (0u32, 0u32);
        for subset in subsets {
            let shown = (subset & ((1 << bad) - 1)).count_ones();
            all += 1;
            few += u32::from(u64::from(shown) <= sample.wrong);
        }
        f64::from(few) / f64::from(all)
    }

    #[test]
    fn tails_are_those_of_counting_every_subset() {
        for drawn in 1..=8 {
            for wrong in 0..=drawn {
                let sample = sample(8, drawn, wrong);
                for bad in 0..=8 {
                    close(sample.tail(bad), counted(&sample, bad));
                }
            }
        }
    }

    #[test]
    fn sixty_of_ten_thousand_show_five_percent_nearly_always() {
        let sample = sample(10_000, 60, 0);
        assert_eq!(percent(1.0 - sample.tail(share(10_000, 5.0))), 95.4);
        let excluded = sample.excluded(0.95, 1.0).unwrap();
        assert!(excluded <= 500 && sample.tail(excluded) <= 0.05);
        assert!(sample.tail(excluded - 1) > 0.05);
        assert!(sample.excluded(0.95, 2.0).unwrap() > excluded);
    }

    #[test]
    fn what_was_all_looked_at_leaves_no_doubt() {
        let whole = sample(50, 50, 0);
        assert_eq!(whole.excluded(0.95, 1.0), Some(1));
        assert_eq!(sample(50, 50, 3).excluded(0.95, 1.0), Some(4));
        assert_eq!(sample(50, 50, 50).excluded(0.95, 1.0), None);
        assert_eq!(sample(10_000, 1, 0).excluded(0.95, 1e9), Some(10_000));
    }

    #[test]
    fn shares_are_rounded_up_to_whole_items() {
        assert_eq!(share(10_000, 5.0), 500);
        assert_eq!(share(30, 5.0), 2);
        assert_eq!(share(3, 0.001), 1);
        assert_eq!(share(3, 100.0), 3);
    }
}
