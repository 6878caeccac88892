//! Chains that part: a quorum of one set named two successors.
//!
//! What always holds: what is known is never taken back for another chain; of several that go on where it
//! ends, and part, only what they have in common is taken, and no size after that is judged from then on.

use super::{Trust, Walked};
use crate::fault::Fault;
use medanchor_ledger::Size;
use medanchor_ledger::policy::PolicyChain;

impl Trust {
    /// Whether it has every link of that chain; none are asked for by a policy file alone.
    pub(crate) fn begins_with(&self, chain: &PolicyChain) -> bool {
        self.walked().is_none_or(|known| known.begins_with(chain))
    }

    /// Walks a chain of the same network by itself; none by a policy file alone.
    pub(crate) fn walk(&self, chain: PolicyChain) -> Result<Option<Self>, Fault> {
        let walk = |known: &Walked| Walked::new(&known.genesis, chain);
        let walked = self.walked().map(walk).transpose()?;
        Ok(walked.map(|walked| Self::Genesis(Box::new(walked), None)))
    }

    /// The place, from 0, of the first policy that is not the same in both chains.
    pub(crate) fn parts_from(&self, other: &Self) -> Option<usize> {
        self.policies()?.parts_from(other.policies()?)
    }

    /// Takes the longest of chains that all go on where this one ends, as far as none of them parts from
    /// another; whether that is more.
    pub(crate) fn adopt(&mut self, chains: &[Self]) -> Result<bool, Fault> {
        let Self::Genesis(known, _) = self else {
            return Ok(false);
        };
        let known_turns = known.turns();
        let chains = chains.iter().filter_map(Self::walked);
        let chains: Vec<&Walked> = chains.filter(|one| one.turns() > known_turns).collect();
        let longest = chains.iter().max_by_key(|chain| chain.turns());
        let Some(longest) = longest.filter(|_| known.undisputed == Size(u64::MAX)) else {
            return Ok(false);
        };
        **known = match parting(&chains) {
            None => (*longest).clone(),
            Some((place, last)) => longest.until(place, last)?,
        };
        Ok(true)
    }
}

impl Walked {
    fn turns(&self) -> usize {
        self.policies.turns().len()
    }

    /// The chain before the policy at a place, which begins after that size or earlier.
    fn until(&self, place: usize, last: Size) -> Result<Self, Fault> {
        let mut chain = self.chain.clone();
        chain.links.truncate(place.saturating_sub(1));
        Ok(Self {
            undisputed: last,
            ..Self::new(&self.genesis, chain)?
        })
    }

    /// The last size before the policy at a place.
    fn end_before(&self, place: usize) -> Size {
        let turn = place.checked_sub(1);
        let turn = turn.and_then(|turn| self.policies.turns().get(turn));
        turn.map_or(Size(0), |turn| turn.range.sizes().1)
    }
}

/// The first place at which any two of these part, and the last size that they all judge alike.
fn parting(chains: &[&Walked]) -> Option<(usize, Size)> {
    let pairs = (1..).zip(chains).flat_map(|(next, one)| {
        let others = chains.iter().skip(next);
        others.filter_map(move |other| {
            let place = one.policies.parts_from(&other.policies)?;
            Some((place, one.end_before(place).min(other.end_before(place))))
        })
    });
    pairs.min()
}
