//! What a client believes: one policy, or all policies of a network, walked from its genesis file.

use medanchor_ledger::Size;
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{
    CheckpointPolicy, Distrust, Policies, Policy, PolicyRange, VerifiedCheckpoint,
};

/// Whose signatures a client believes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// One policy, for the sizes of its range.
    Policy(Box<PolicyRange>),
    /// For each size the policy that a chain has proved for it, and the COSE keys of its validators
    /// ([`crate::walk_policies`]).
    Policies(Box<Policies>),
}

/// The policy is believed for every size of the log.
impl From<Policy> for Trust {
    fn from(policy: Policy) -> Self {
        PolicyRange::from(policy, Size(0)).into()
    }
}

impl From<PolicyRange> for Trust {
    fn from(range: PolicyRange) -> Self {
        Self::Policy(Box::new(range))
    }
}

impl From<Policies> for Trust {
    fn from(policies: Policies) -> Self {
        Self::Policies(Box::new(policies))
    }
}

impl CheckpointPolicy for Trust {
    fn verify_checkpoint(&self, note: &Note) -> Result<VerifiedCheckpoint, Distrust> {
        match self {
            Self::Policy(range) => range.verify_checkpoint(note),
            Self::Policies(policies) => policies.verify_checkpoint(note),
        }
    }
}

impl Trust {
    /// The policies, if there is more than one policy file's word.
    pub(super) fn policies(&self) -> Option<&Policies> {
        match self {
            Self::Policy(_) => None,
            Self::Policies(policies) => Some(policies),
        }
    }
}
