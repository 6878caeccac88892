//! Whom the command line says to trust.

use crate::fault::{Failure, Fault};
use crate::file;
use clap::Args;
use medanchor_ledger::Size;
use medanchor_ledger::genesis::{Genesis, MAX_GENESIS_BYTES};
use medanchor_ledger::policy::{Policy, PolicyChain, PolicyRange};
use std::path::PathBuf;

/// Whose signatures count.
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// The genesis file of the network: a log must have this very one. Without it that of the log
    /// counts, so compare its hash with the one you know.
    #[arg(long)]
    pub(crate) genesis: Option<PathBuf>,
    /// The chain of policies from genesis (`medanchor policy --chain`, or `/policy-chain` of a node):
    /// whose signatures count at which size. That of a log counts too; the longer one decides.
    #[arg(long)]
    pub(crate) policy_chain: Option<PathBuf>,
    /// A policy file that checkpoints must meet (`medanchor policy`): beside the policies that follow
    /// from genesis, or alone where there is neither a log nor a genesis file.
    #[arg(long)]
    pub(crate) policy: Option<PathBuf>,
}

/// What these files say.
#[derive(Clone, Default)]
pub(crate) struct Given {
    pub(super) genesis: Option<Genesis>,
    pub(super) chain: Option<PolicyChain>,
    pub(super) policy: Option<PolicyRange>,
}

impl TrustArgs {
    /// Why these are too few where there is no log whose genesis could count.
    pub(crate) const fn lack(&self) -> Option<&'static str> {
        match (&self.genesis, &self.policy_chain, &self.policy) {
            (None, Some(_), _) => Some("a chain of policies is walked from --genesis; give it too"),
            (None, _, None) => Some("whose signatures count is known from --genesis or --policy"),
            _ => None,
        }
    }

    /// Reads the files; the policy is taken to stand for every size.
    pub(crate) fn read(&self) -> Result<Given, Failure> {
        self.read_within(Size(0), Size(u64::MAX))
    }

    /// Reads the files; the policy stands for the sizes from `first` to `last`.
    pub(crate) fn read_within(&self, first: Size, last: Size) -> Result<Given, Failure> {
        let read = |path: &Option<PathBuf>, limit: usize| {
            let bytes = path.as_deref().map(|path| file::read(path, limit as u64));
            bytes.transpose()
        };
        let genesis = read(&self.genesis, MAX_GENESIS_BYTES)?;
        let chain = read(&self.policy_chain, PolicyChain::MAX_BYTES)?;
        let policy = read(&self.policy, Policy::MAX_BYTES)?;
        let genesis = genesis.map(|bytes| Genesis::decode(&bytes).map_err(Fault::from));
        let chain = chain.map(|bytes| PolicyChain::decode(&bytes).map_err(Fault::from));
        let policy = policy.map(|bytes| Policy::parse(&bytes).map_err(Fault::from));
        let ranged = |policy| PolicyRange::new(policy, first, last);
        Ok(Given {
            genesis: genesis.transpose()?,
            chain: chain.transpose()?,
            policy: policy.transpose()?.map(ranged),
        })
    }
}

impl Given {
    /// The network, if it was named by its genesis file.
    pub(crate) const fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref()
    }
}
