//! Whom a check without a network trusts: a policy file and sizes, or a genesis file and the chain of
//! policies from it.

use medanchor_ledger::Size;
use medanchor_ledger::genesis::{Genesis, GenesisError};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{
    ChainError, Distrust, Policies, Policy, PolicyChain, PolicyError, PolicyRange, Turn,
};

/// Whose signatures count.
pub(crate) enum Trust {
    /// One policy for the sizes that the user says.
    Policy(PolicyRange),
    /// The policies that follow from a genesis file, each for its sizes.
    Genesis(Policies),
}

/// Files that say nothing about whom to trust.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTrust {
    #[error("the policy is none: {0}")]
    Policy(#[from] PolicyError),
    #[error("the genesis file is none: {0}")]
    Genesis(#[from] GenesisError),
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl Trust {
    /// A policy file, and the first and the last size for which it is taken to stand.
    pub(crate) fn policy(file: &[u8], first: Size, last: Size) -> Result<Self, NoTrust> {
        let policy = Policy::parse(file)?;
        Ok(Self::Policy(PolicyRange::new(policy, first, last)))
    }

    /// A genesis file, and a chain of policies from it; without one the validators of genesis are
    /// taken to stand for every size.
    pub(crate) fn genesis(file: &[u8], chain: Option<&[u8]>) -> Result<Self, NoTrust> {
        let genesis = Genesis::decode(file)?;
        Ok(Self::Genesis(match chain {
            Some(chain) => PolicyChain::decode(chain)?.verify(&genesis)?,
            None => Policies::of_genesis(&genesis),
        }))
    }

    /// The policy that must accept a checkpoint.
    pub(crate) fn range_of(&self, checkpoint: &Note) -> Result<&PolicyRange, Distrust> {
        match self {
            Self::Policy(range) => Ok(range),
            Self::Genesis(policies) => policies.range_of(checkpoint),
        }
    }

    /// Policy and COSE keys of a size; none by a policy file, which names no COSE keys.
    pub(crate) fn turn(&self, size: Size) -> Option<&Turn> {
        match self {
            Self::Policy(_) => None,
            Self::Genesis(policies) => policies.at(size),
        }
    }
}
