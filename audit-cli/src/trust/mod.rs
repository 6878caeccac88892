//! Whose signatures count: the policies from a genesis file on, each for its sizes, and a policy file
//! that the user gave, beside them or alone.
//!
//! What always holds: whatever accepts a checkpoint asks a [`Trust`], and nothing else; by a genesis
//! file it accepts none of another log. What it holds was walked from the genesis file; of two chains that hold the longer one decides, and two that
//! part are refused. So validators who have left vouch for no size after their last, once the link
//! that ended their turn was seen anywhere.

mod args;
mod lacking;
mod parting;

pub(crate) use args::{Given, TrustArgs};
pub(crate) use lacking::Asked;

use crate::fault::{Failure, Fault};
use crate::source::Source;
use medanchor_ledger::Size;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::note::{KeyName, Note};
use medanchor_ledger::policy::{
    CheckpointPolicy, Distrust, Policies, PolicyChain, PolicyRange, VerifiedCheckpoint,
};

/// Where a log has the chain of its policies.
pub(crate) const CHAIN: &str = "policy-chain";

/// Whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// One policy, for the sizes that the user says.
    Policy(PolicyRange),
    /// The policies that follow from a genesis file, each for its sizes, and a policy that must be met
    /// besides.
    Genesis(Box<Walked>, Option<PolicyRange>),
}

/// A chain that holds, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    genesis: Genesis,
    chain: PolicyChain,
    policies: Policies,
    /// The last size whose policy is known: two successors of the one after are signed.
    undisputed: Size,
}

impl Walked {
    fn new(genesis: &Genesis, chain: PolicyChain) -> Result<Self, Fault> {
        Ok(Self {
            policies: chain.verify(genesis)?,
            genesis: genesis.clone(),
            chain,
            undisputed: Size(u64::MAX),
        })
    }

    /// Whether it has every link of that chain.
    fn begins_with(&self, chain: &PolicyChain) -> bool {
        let known = &self.chain;
        let same = known.genesis == chain.genesis && known.first == chain.first;
        same && known.links.starts_with(&chain.links)
    }

    /// The policy of a checkpoint's size, if it is not disputed.
    fn range_of(&self, note: &Note) -> Result<&PolicyRange, Distrust> {
        let range = self.policies.range_of(note)?;
        let size = note.text().parse::<Checkpoint>()?.size;
        if size <= self.undisputed {
            return Ok(range);
        }
        let (first, last) = (range.sizes().0, self.undisputed);
        Err(Distrust::OutsideRange { size, first, last })
    }

    /// Takes a chain that goes on where this one ends; whether it did.
    fn learn(&mut self, chain: PolicyChain) -> Result<bool, Fault> {
        if self.begins_with(&chain) {
            return Ok(false);
        }
        let other = Self::new(&self.genesis, chain)?;
        if let Some(link) = self.policies.parts_from(&other.policies) {
            return Err(Fault::ChainsPart { link });
        }
        let longer = self.policies.turns().len() < other.policies.turns().len();
        if longer {
            *self = other;
        }
        Ok(longer)
    }
}

impl Trust {
    /// By the genesis of a log, which must be the one that was given, if one was.
    pub(crate) fn of(genesis: &Genesis, given: &Given) -> Result<Self, Fault> {
        if let Some(wanted) = given.genesis().filter(|wanted| *wanted != genesis) {
            let (wanted, found) = (wanted.origin().to_string(), genesis.origin().to_string());
            return Err(Fault::OtherNetwork { wanted, found });
        }
        let chain = given.chain.clone();
        let chain = chain.unwrap_or_else(|| PolicyChain::of_genesis(genesis));
        let walked = Walked::new(genesis, chain)?;
        Ok(Self::Genesis(Box::new(walked), given.policy.clone()))
    }

    /// By what was given and nothing else.
    pub(crate) fn alone(given: &Given) -> Result<Self, Fault> {
        match (&given.genesis, &given.policy) {
            (Some(genesis), _) => Self::of(genesis, given),
            (None, Some(policy)) => Ok(Self::Policy(policy.clone())),
            (None, None) => Err(Fault::Missing {
                path: "genesis".to_owned(),
            }),
        }
    }

    /// Walks the chain that a log publishes, if it does; whether it is longer than what was known.
    pub(crate) fn learn_from(&mut self, source: &dyn Source) -> Result<bool, Failure> {
        match source.read(CHAIN, PolicyChain::MAX_BYTES as u64)? {
            Some(bytes) => Ok(self.learn(&bytes)?),
            None => Ok(false),
        }
    }

    /// Walks a chain; whether it is longer than what was known.
    pub(crate) fn learn(&mut self, chain: &[u8]) -> Result<bool, Fault> {
        let chain = PolicyChain::decode(chain)?;
        match self {
            Self::Policy(_) => Ok(false),
            Self::Genesis(walked, _) => walked.learn(chain),
        }
    }

    /// What was walked; none by a policy file alone.
    fn walked(&self) -> Option<&Walked> {
        match self {
            Self::Policy(_) => None,
            Self::Genesis(walked, _) => Some(walked),
        }
    }

    /// The network's log; none by a policy file alone.
    pub(crate) fn origin(&self) -> Option<&KeyName> {
        self.walked().map(|walked| walked.genesis.origin())
    }

    /// The longest chain that was walked.
    pub(crate) fn chain(&self) -> Option<&PolicyChain> {
        self.walked().map(|walked| &walked.chain)
    }

    /// All policies that it leads to; none by a policy file alone, which names no COSE keys either.
    pub(crate) fn policies(&self) -> Option<&Policies> {
        self.walked().map(|walked| &walked.policies)
    }

    /// The policy of a checkpoint's size, which must accept it.
    pub(crate) fn range_of(&self, note: &Note) -> Result<&PolicyRange, Distrust> {
        match self {
            Self::Policy(range) => Ok(range),
            Self::Genesis(walked, _) => walked.range_of(note),
        }
    }

    /// Whether a longer chain may accept what this one refuses for this cause: the size is of its last turn,
    /// which a change of validators may have ended, and those who signed are none of that turn, or too few.
    pub(crate) fn may_come(&self, head: &Checkpoint, why: &Distrust) -> bool {
        let Self::Genesis(walked, _) = self else {
            return false;
        };
        let last = walked.policies.turns().last();
        last.is_some_and(|turn| turn.range.contains(head.size))
            && head.origin == *walked.genesis.origin()
            && matches!(why, Distrust::NoLog { .. } | Distrust::NoQuorum { .. })
    }

    /// Whether it says whose signatures count for this log.
    pub(crate) fn speaks_of(&self, log: &KeyName) -> bool {
        match self {
            Self::Policy(range) => range.policy().logs().iter().any(|key| key.name() == log),
            Self::Genesis(walked, _) => walked.genesis.origin() == log,
        }
    }
}

impl CheckpointPolicy for Trust {
    fn verify_checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint, Distrust> {
        match self {
            Self::Policy(range) => range.verify_checkpoint(note),
            Self::Genesis(walked, besides) => {
                walked.range_of(note)?;
                let verified = walked.policies.verify_checkpoint(note)?;
                let origin = &verified.checkpoint().origin;
                if origin != walked.genesis.origin() {
                    let origin = origin.clone();
                    return Err(Distrust::NoLog { origin });
                }
                if let Some(range) = besides {
                    range.verify_checkpoint(note)?;
                }
                Ok(verified)
            }
        }
    }
}
